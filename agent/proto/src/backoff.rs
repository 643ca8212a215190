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
        let _ = most;
        todo!()
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
        let _ = (random, self.first, self.most);
        todo!()
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
