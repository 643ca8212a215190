//! Random waits: full-jitter exponential backoff, and the numbers that it draws.
//!
//! Never reads a random source: the seed is an argument, so that a run can be repeated.

use core::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, every seed is good. Spreads load; it is no source of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// Starts the sequence of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A time from zero up to and with `most`, in whole milliseconds.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        // The remainder favours small numbers by less than one part in a million for any wait below a century.
        let millis = match most.checked_add(1) {
            Some(choices) => self.next_u64() % choices,
            None => self.next_u64(),
        };
        Duration::from_millis(millis)
    }
}

/// Waits that grow: the n-th is random between zero and `first` × 2ⁿ, at most `most` (AWS Architecture Blog, "Exponential Backoff
/// And Jitter", full jitter).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits up to `first`, then up to twice that, never more than `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            attempts: 0,
        }
    }

    /// The next wait.
    pub fn next(&mut self, random: &mut SplitMix64) -> Duration {
        let doublings = 1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        self.attempts = self.attempts.saturating_add(1);
        random.up_to(self.first.saturating_mul(doublings).min(self.most))
    }

    /// How many waits were drawn since the last [reset](Self::reset).
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts over: something succeeded.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const FIRST: Duration = Duration::from_secs(2);
    const MOST: Duration = Duration::from_secs(300);

    #[test]
    fn the_numbers_are_those_of_the_published_algorithm() {
        let mut random = SplitMix64::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let waits = |seed| -> Vec<Duration> {
            let mut random = SplitMix64::new(seed);
            let mut backoff = Backoff::new(FIRST, MOST);
            (0..9).map(|_| backoff.next(&mut random)).collect()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn a_wait_of_nothing_at_most_is_nothing() {
        assert_eq!(SplitMix64::new(1).up_to(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn success_starts_over() {
        let mut random = SplitMix64::new(1);
        let mut backoff = Backoff::new(FIRST, MOST);
        for _ in 0..8 {
            backoff.next(&mut random);
        }
        backoff.reset();
        assert_eq!(backoff.attempts(), 0);
        assert!(backoff.next(&mut random) <= FIRST);
    }

    proptest! {
        #[test]
        fn a_wait_never_exceeds_its_doubling_nor_the_most(seed: u64) {
            let mut random = SplitMix64::new(seed);
            let mut backoff = Backoff::new(FIRST, MOST);
            for attempt in 0..100_u32 {
                let ceiling = FIRST.saturating_mul(1 << attempt.min(20)).min(MOST);
                prop_assert!(backoff.next(&mut random) <= ceiling);
            }
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let mut random = SplitMix64::new(42);
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let wait = random.up_to(Duration::from_millis(9_999));
            tenths[usize::try_from(wait.as_millis() / 1_000).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1_150).contains(count)));
    }
}
