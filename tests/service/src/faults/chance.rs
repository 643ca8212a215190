//! Chance that comes out the same each time: a draw depends on the seed, and on what it is for.
//!
//! Each stream of draws is a SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", 2014) whose state begins at the seed, XORed with the FNV-1a hash of the stream's name.
//! Its n-th output is computed from n alone, so no stream disturbs another one.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The odd number next to 2^64 divided by the golden ratio: SplitMix64's step.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;
/// Two to the power of -53: the draws are the multiples of it from 0 up to 1, without 1.
const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

/// How likely a fault is: from 0, never, to 1, always.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64")]
pub struct Chance(f64);

// It is never NaN.
impl Eq for Chance {}

/// A number that is no chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoChance;

impl fmt::Display for NoChance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a chance is between 0 and 1")
    }
}

impl TryFrom<f64> for Chance {
    type Error = NoChance;

    fn try_from(chance: f64) -> Result<Self, NoChance> {
        let is_chance = (0.0..=1.0).contains(&chance);
        is_chance.then_some(Self(chance)).ok_or(NoChance)
    }
}

impl Chance {
    /// Whether the `number`-th draw of a stream, counted from 1, is a hit.
    pub(super) fn hits(self, seed: u64, stream: &str, number: u64) -> bool {
        draw(seed, stream, number) < self.0
    }
}

/// The `number`-th draw of a stream: from 0 up to 1, without 1.
fn draw(seed: u64, stream: &str, number: u64) -> f64 {
    let state = (seed ^ fnv_1a(stream)).wrapping_add(number.wrapping_mul(GAMMA));
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    // 53 bits are what an f64 holds exactly.
    (z >> 11) as f64 * UNIT
}

fn fnv_1a(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    text.bytes().fold(FNV_OFFSET, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_are_the_published_ones() {
        // The test vectors of FNV-1a, and the first outputs of SplitMix64 for the seed 1234567.
        assert_eq!(fnv_1a(""), FNV_OFFSET);
        assert_eq!(fnv_1a("foobar"), 0x8594_4171_F739_67E8);
        let outputs = [6_457_827_717_110_365_317_u64, 3_203_168_211_198_807_973];
        for (number, output) in (1..).zip(outputs) {
            let seed = 1_234_567 ^ FNV_OFFSET;
            assert_eq!(draw(seed, "", number), (output >> 11) as f64 * UNIT);
        }
    }

    #[test]
    fn a_chance_is_as_likely_as_it_says() {
        for (chance, hits) in [(0.0, 0..=0), (0.3, 2_850..=3_150), (1.0, 10_000..=10_000)] {
            let chance = Chance::try_from(chance).unwrap();
            let drawn =
                (1..=10_000).filter(|number| chance.hits(1, "requests/gw-1/get/0", *number));
            assert!(hits.contains(&drawn.count()), "{chance:?}");
        }
    }

    #[test]
    fn streams_and_seeds_differ() {
        let half = Chance(0.5);
        let drawn = |seed, stream| -> Vec<bool> {
            (1..=64)
                .map(|number| half.hits(seed, stream, number))
                .collect()
        };
        assert_eq!(drawn(7, "a"), drawn(7, "a"));
        assert_ne!(drawn(7, "a"), drawn(8, "a"));
        assert_ne!(drawn(7, "a"), drawn(7, "b"));
    }

    #[test]
    fn what_is_no_chance_is_refused() {
        for number in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Chance::try_from(number), Err(NoChance), "{number}");
        }
    }
}
