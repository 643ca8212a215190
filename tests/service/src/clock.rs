//! The service's clock: it runs with the machine's, or stands still until a test steps it.
//!
//! The only place that reads the system's time. It never goes back: the wall clock is read once,
//! at the start, and a monotonic one from there on. A clock that was stepped or stopped wakes who
//! waits at [`Clock::stepped`].

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

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
    stepped: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Hands {
    Running { at: Timestamp, since: Instant },
    Standing { at: Timestamp },
}

impl Clock {
    /// A clock that runs with the machine's.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn wall() -> Self {
        let at = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self::with_hands(Hands::running(Timestamp::default().plus(at)))
    }

    /// A clock that stands at `at` until it is advanced.
    pub fn frozen(at: Timestamp) -> Self {
        Self::with_hands(Hands::Standing { at })
    }

    /// The service's time.
    pub fn now(&self) -> Timestamp {
        self.hands().now()
    }

    /// Whether the clock stands until it is advanced.
    pub fn is_frozen(&self) -> bool {
        matches!(self.hands(), Hands::Standing { .. })
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
}
