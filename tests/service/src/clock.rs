//! The service's clock: it runs with the machine's, or stands still until a test steps it.
//!
//! The only place that reads the system's time. It never goes back: the wall clock is read once,
//! at the start, and a monotonic one from there on. A clock that was stepped or stopped wakes who
//! waits at [`Clock::stepped`]. A [`Reading`] takes a clock over a restart: one that runs has gone on
//! meanwhile, as the wall clock did, and one that stands has not.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::model::time::Timestamp;

/// A clock; clones share one clock.
#[derive(Debug, Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hands: Mutex<Hands>,
    /// How often the hands were moved, stopped or started.
    moves: AtomicU64,
    stepped: Notify,
}

/// What a clock showed, to be set by later. Its members are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub struct Reading {
    /// The service's time.
    now: u64,
    /// The machine's time.
    wall: u64,
    /// Whether the clock stood still.
    frozen: bool,
}

#[derive(Debug, Clone, Copy)]
enum Hands {
    Running { at: Timestamp, since: Instant },
    Standing { at: Timestamp },
}

impl Clock {
    /// A clock that runs with the machine's.
    pub fn wall() -> Self {
        Self::with_hands(Hands::running(machine_time()))
    }

    /// A clock that stands at `at` until it is advanced.
    pub fn frozen(at: Timestamp) -> Self {
        Self::with_hands(Hands::Standing { at })
    }

    /// The service's time.
    pub fn now(&self) -> Timestamp {
        self.hands().now()
    }

    /// Steps the clock forward; whether it runs or stands stays as it is.
    pub fn advance(&self, by: Duration) {
        self.set(|hands| match hands {
            Hands::Running { at, since } => Hands::Running {
                at: at.plus(by),
                since,
            },
            Hands::Standing { at } => Hands::Standing { at: at.plus(by) },
        });
    }

    /// Stops the clock where it is.
    pub fn freeze(&self) {
        self.set(|hands| Hands::Standing { at: hands.now() });
    }

    /// Lets the clock run on from where it stands.
    pub fn resume(&self) {
        self.set(|hands| Hands::running(hands.now()));
    }

    /// What the clock shows.
    pub fn read(&self) -> Reading {
        let hands = self.hands();
        Reading {
            now: hands.now().as_millis(),
            wall: machine_time().as_millis(),
            frozen: matches!(hands, Hands::Standing { .. }),
        }
    }

    /// Sets the clock to what it shows now that once showed `reading`; a machine's clock that was
    /// set back since does not set this one back.
    pub fn set_by(&self, reading: Reading) {
        let shown = Timestamp::from_millis(reading.now);
        let since = machine_time().since(Timestamp::from_millis(reading.wall));
        self.set(|_| match reading.frozen {
            true => Hands::Standing { at: shown },
            false => Hands::running(shown.plus(since)),
        });
    }

    /// How often the clock was stepped, stopped or started.
    pub(crate) fn moves(&self) -> u64 {
        self.inner.moves.load(Ordering::Relaxed)
    }

    /// How long to wait for `deadline`; `None` when it will not come by itself.
    pub fn until(&self, deadline: Timestamp) -> Option<Duration> {
        let hands = self.hands();
        let left = deadline.since(hands.now());
        match hands {
            Hands::Running { .. } => Some(left),
            Hands::Standing { .. } => left.is_zero().then_some(left),
        }
    }

    /// Waits for the next step, stop or start, or returns at once after one that nobody waited for.
    pub async fn stepped(&self) {
        self.inner.stepped.notified().await;
    }

    fn with_hands(hands: Hands) -> Self {
        let inner = Inner {
            hands: Mutex::new(hands),
            moves: AtomicU64::new(0),
            stepped: Notify::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn set(&self, change: impl FnOnce(Hands) -> Hands) {
        let mut hands = self.lock();
        *hands = change(*hands);
        drop(hands);
        self.inner.moves.fetch_add(1, Ordering::Relaxed);
        self.inner.stepped.notify_one();
    }

    fn hands(&self) -> Hands {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Hands> {
        self.inner
            .hands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the monotonic clock"
    )]
    fn running(at: Timestamp) -> Self {
        Self::Running {
            at,
            since: Instant::now(),
        }
    }

    fn now(self) -> Timestamp {
        match self {
            Self::Running { at, since } => at.plus(since.elapsed()),
            Self::Standing { at } => at,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn machine_time() -> Timestamp {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::default().plus(at.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(43_200);

    #[test]
    fn a_frozen_clock_moves_only_when_advanced() {
        let clock = Clock::frozen(NOON);
        clock.clone().advance(Duration::from_secs(60));
        assert_eq!(clock.now(), Timestamp::from_secs(43_260));
    }

    #[test]
    fn a_frozen_clock_never_reaches_a_deadline_by_itself() {
        let clock = Clock::frozen(NOON);
        assert_eq!(clock.until(Timestamp::from_secs(43_201)), None);
        assert_eq!(clock.until(NOON), Some(Duration::ZERO));
    }

    #[test]
    fn a_running_clock_that_is_frozen_and_resumed_does_not_go_back() {
        let clock = Clock::wall();
        let start = clock.now();
        clock.freeze();
        clock.advance(Duration::from_secs(3600));
        clock.resume();
        assert!(clock.now() >= start.plus(Duration::from_secs(3600)));
    }

    #[test]
    fn a_clock_set_by_a_reading_has_run_on_as_the_machine_s_did() {
        let clock = Clock::wall();
        let reading = Reading {
            now: NOON.as_millis(),
            wall: machine_time().as_millis() - 60_000,
            frozen: false,
        };
        clock.set_by(reading);
        let run = clock.now().since(NOON);
        assert!((60..3600).contains(&run.as_secs()), "{run:?}");
    }

    #[test]
    fn a_clock_set_by_a_reading_of_the_future_does_not_go_back() {
        let clock = Clock::wall();
        let reading = Reading {
            now: NOON.as_millis(),
            wall: u64::MAX,
            frozen: false,
        };
        clock.set_by(reading);
        assert!(clock.now() >= NOON);
    }

    #[test]
    fn a_clock_that_stood_stands_where_it_stood() {
        let stood = Clock::frozen(NOON);
        let clock = Clock::wall();
        clock.set_by(stood.read());
        assert_eq!(clock.now(), NOON);
        assert_eq!(clock.until(NOON.plus(Duration::from_secs(1))), None);
    }

    #[test]
    fn a_clock_counts_how_often_it_was_moved() {
        let clock = Clock::frozen(NOON);
        clock.advance(Duration::from_secs(1));
        clock.resume();
        assert_eq!(clock.moves(), 2);
    }
}
