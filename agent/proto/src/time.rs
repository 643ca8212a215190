//! Time as a number: the core never reads a clock.

use core::num::NonZeroU16;
use core::ops::{Add, Sub};
use core::time::Duration;

use crate::division::divide;

const MILLIS_PER_SECOND: NonZeroU16 = NonZeroU16::new(1000).unwrap();

/// A moment on the device's monotonic clock, in milliseconds since its boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment `millis` milliseconds after the boot.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the boot.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates: a moment that far away never comes.
    fn add(self, after: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, before: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(before.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

/// A moment of the service's clock, in whole seconds since 1970.
///
/// The protocol says seconds; older pages of AWS print milliseconds, so a number too large for seconds is taken for these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(i64);

impl Seconds {
    /// Above this a number is milliseconds: as seconds it lies beyond the year 5000.
    const LARGEST: i64 = 100_000_000_000;

    /// The moment that the service means by `number`.
    pub fn from_service(number: i64) -> Self {
        if number > Self::LARGEST {
            let (seconds, _) = divide(number.unsigned_abs(), MILLIS_PER_SECOND);
            Self(seconds.cast_signed())
        } else {
            Self(number)
        }
    }

    /// Seconds since 1970.
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_too_far_away_is_the_last_one() {
        let never = Instant::from_millis(u64::MAX);
        assert_eq!(Instant::from_millis(1) + Duration::MAX, never);
    }

    #[test]
    fn nothing_happens_before_the_boot() {
        let boot = Instant::from_millis(0);
        assert_eq!(Instant::from_millis(1) - Duration::from_secs(1), boot);
        assert_eq!(boot.since(Instant::from_millis(5)), Duration::ZERO);
    }

    #[test]
    fn a_number_too_large_for_seconds_is_milliseconds() {
        assert_eq!(Seconds::from_service(1_760_000_000).as_i64(), 1_760_000_000);
        assert_eq!(
            Seconds::from_service(1_760_000_000_999).as_i64(),
            1_760_000_000
        );
    }
}
