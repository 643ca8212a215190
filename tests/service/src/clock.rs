//! The service's clock: it runs with the machine's, faster or slower, or stands still until a test steps it.
//!
//! The only place that reads the system's time. It never goes back: the wall clock is read once,
//! at the start, and a monotonic one from there on, and a change of pace goes on from where the clock
//! is. A clock that was stepped, stopped or paced wakes who waits at [`Clock::stepped`] or
//! [`Clock::reached`]. A [`Stamp`] takes a clock over a restart: one that runs has gone on meanwhile, as
//! the machine's did, and one that stands has not.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::model::time::Timestamp;

/// The fastest clock: a day of the service's in less than a second.
const MAX_SCALE: f64 = 100_000.0;

/// A clock; clones share one clock.
#[derive(Debug, Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

/// What a clock shows: enough to make another one that goes on from there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The service's time.
    pub now: Timestamp,
    /// How fast it runs, when it runs.
    pub scale: Scale,
    /// Whether it stands still.
    pub is_frozen: bool,
}

/// A reading and the machine's time, in milliseconds since the Unix epoch, to be set by after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub struct Stamp {
    now: u64,
    wall: u64,
    scale: f64,
    frozen: bool,
}

/// What was asked of a clock, besides to run with the machine's or as it was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Asked {
    /// To stand at this time.
    pub frozen_at: Option<Timestamp>,
    /// To run at this speed.
    pub scale: Option<Scale>,
}

/// Seconds of the service's time in one of the machine's: more than 0, and at most 100,000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale(f64);

#[derive(Debug)]
struct Inner {
    hands: Mutex<Hands>,
    /// How often the hands were moved, stopped, started or paced.
    moves: AtomicU64,
    /// Wakes the one who waits at [`Clock::stepped`].
    stepped: Notify,
    /// Wakes all who wait at [`Clock::reached`].
    changed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Hands {
    /// Where the clock stands, or stood at `since`.
    at: Timestamp,
    /// When it was last set, unless it stands still.
    since: Option<Instant>,
    scale: Scale,
}

impl Scale {
    /// As fast as the machine's clock.
    pub const REAL: Self = Self(1.0);

    /// A clock of this speed, unless there is none.
    pub fn new(scale: f64) -> Option<Self> {
        (scale > 0.0 && scale <= MAX_SCALE).then_some(Self(scale))
    }

    /// Seconds of the service's time in one of the machine's.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Asked {
    /// A clock of which this was asked.
    pub fn clock(self) -> Clock {
        let clock = self.frozen_at.map_or_else(Clock::wall, Clock::frozen);
        if let Some(scale) = self.scale {
            clock.set_scale(scale);
        }
        clock
    }
}

impl Clock {
    /// A clock that runs with the machine's.
    pub fn wall() -> Self {
        Self::from_reading(Reading {
            now: machine_time(),
            scale: Scale::REAL,
            is_frozen: false,
        })
    }

    /// A clock that stands at `at` until it is advanced.
    pub fn frozen(at: Timestamp) -> Self {
        Self::from_reading(Reading {
            now: at,
            scale: Scale::REAL,
            is_frozen: true,
        })
    }

    /// A clock that goes on from what another one showed.
    pub fn from_reading(reading: Reading) -> Self {
        let hands = Hands {
            at: reading.now,
            since: None,
            scale: reading.scale,
        };
        let inner = Inner {
            hands: Mutex::new(if reading.is_frozen {
                hands
            } else {
                hands.running()
            }),
            moves: AtomicU64::new(0),
            stepped: Notify::new(),
            changed: Notify::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The service's time.
    pub fn now(&self) -> Timestamp {
        self.hands().now()
    }

    /// All that the clock shows.
    pub fn reading(&self) -> Reading {
        let hands = self.hands();
        Reading {
            now: hands.now(),
            scale: hands.scale,
            is_frozen: hands.since.is_none(),
        }
    }

    /// What the clock shows, to be kept over a restart.
    pub fn stamp(&self) -> Stamp {
        let Reading {
            now,
            scale,
            is_frozen,
        } = self.reading();
        Stamp {
            now: now.as_millis(),
            wall: machine_time().as_millis(),
            scale: scale.0,
            frozen: is_frozen,
        }
    }

    /// Sets the clock to what it shows now that once showed `stamp`; a machine's clock that was set
    /// back since does not set this one back.
    pub fn set_by(&self, stamp: Stamp) {
        let since = machine_time().since(Timestamp::from_millis(stamp.wall));
        let hands = Hands {
            at: Timestamp::from_millis(stamp.now),
            since: None,
            scale: Scale::new(stamp.scale).unwrap_or(Scale::REAL),
        };
        self.set(|_| match stamp.frozen {
            true => hands,
            false => Hands {
                at: hands.after(since),
                ..hands
            }
            .running(),
        });
    }

    /// Like [`Clock::set_by`], but with what is asked instead of what was kept. A clock that is asked to
    /// stand before the time that was kept stands at that.
    pub fn set_by_and(&self, stamp: Stamp, asked: Asked) {
        self.set_by(stamp);
        if let Some(scale) = asked.scale {
            self.set_scale(scale);
        }
        if let Some(at) = asked.frozen_at {
            self.set(|hands| Hands {
                at: at.max(Timestamp::from_millis(stamp.now)),
                since: None,
                ..hands
            });
        }
    }

    /// How often the clock was stepped, stopped, started or paced.
    pub(crate) fn moves(&self) -> u64 {
        self.inner.moves.load(Ordering::Relaxed)
    }

    /// Whether the clock stands until it is advanced.
    pub fn is_frozen(&self) -> bool {
        self.reading().is_frozen
    }

    /// Steps the clock forward; whether it runs or stands stays as it is.
    pub fn advance(&self, by: Duration) {
        self.set(|hands| Hands {
            at: hands.at.plus(by),
            ..hands
        });
    }

    /// Stops the clock where it is.
    pub fn freeze(&self) {
        self.set(Hands::standing);
    }

    /// Lets the clock run on from where it stands.
    pub fn resume(&self) {
        self.set(|hands| hands.standing().running());
    }

    /// Lets the clock run at another speed from where it is; one that stands goes on to stand.
    pub fn set_scale(&self, scale: Scale) {
        self.set(|hands| {
            let standing = Hands {
                scale,
                ..hands.standing()
            };
            match hands.since {
                Some(_) => standing.running(),
                None => standing,
            }
        });
    }

    /// How long to wait for `deadline`, by the machine's clock; `None` when it will not come by itself.
    pub fn until(&self, deadline: Timestamp) -> Option<Duration> {
        let hands = self.hands();
        let left = deadline.since(hands.now());
        match hands.since {
            Some(_) => {
                let left = Duration::try_from_secs_f64(left.as_secs_f64() / hands.scale.0);
                Some(left.unwrap_or(Duration::MAX))
            }
            None => left.is_zero().then_some(left),
        }
    }

    /// Waits for the next step, stop, start or change of speed, or returns at once after one that
    /// nobody waited for. For one waiter.
    pub async fn stepped(&self) {
        self.inner.stepped.notified().await;
    }

    /// Waits until the clock is at `deadline`, by itself or by steps.
    pub async fn reached(&self, deadline: Timestamp) {
        loop {
            let changed = self.inner.changed.notified();
            match self.until(deadline) {
                Some(Duration::ZERO) => return,
                // Whether the time is up or the clock was changed, it is asked again.
                Some(left) => drop(timeout(left, changed).await),
                None => changed.await,
            }
        }
    }

    fn set(&self, change: impl FnOnce(Hands) -> Hands) {
        let mut hands = self.lock();
        *hands = change(*hands);
        drop(hands);
        self.inner.moves.fetch_add(1, Ordering::Relaxed);
        self.inner.stepped.notify_one();
        self.inner.changed.notify_waiters();
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
    fn running(self) -> Self {
        Self {
            since: Some(Instant::now()),
            ..self
        }
    }

    fn standing(self) -> Self {
        Self {
            at: self.now(),
            since: None,
            ..self
        }
    }

    fn now(self) -> Timestamp {
        match self.since {
            Some(since) => self.after(since.elapsed()),
            None => self.at,
        }
    }

    /// Where the clock is once it has run for so long of the machine's time.
    fn after(self, run: Duration) -> Timestamp {
        let passed = Duration::try_from_secs_f64(run.as_secs_f64() * self.scale.0);
        self.at.plus(passed.unwrap_or(Duration::MAX))
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
    fn a_clock_has_a_speed_above_zero_and_up_to_the_limit() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 100_000.1] {
            assert_eq!(Scale::new(scale), None, "{scale}");
        }
        for scale in [f64::MIN_POSITIVE, 0.5, 1.0, 100_000.0] {
            assert_eq!(Scale::new(scale).map(Scale::get), Some(scale));
        }
    }

    #[test]
    fn a_scaled_clock_waits_for_a_fraction_of_the_time() {
        let clock = Clock::wall();
        let hour = clock.now().plus(Duration::from_secs(3600));
        clock.set_scale(Scale::new(3600.0).unwrap());
        assert!(clock.until(hour).unwrap() <= Duration::from_secs(1));
        clock.set_scale(Scale::new(f64::MIN_POSITIVE).unwrap());
        assert_eq!(clock.until(hour), Some(Duration::MAX));
    }

    #[test]
    fn a_clock_never_goes_back_when_its_speed_changes() {
        let clock = Clock::wall();
        let mut last = clock.now();
        for round in 0..1000 {
            clock.set_scale(Scale::new([100_000.0, 0.001, 1.0][round % 3]).unwrap());
            let now = clock.now();
            assert!(now >= last, "{now:?} is before {last:?}");
            last = now;
        }
    }

    #[test]
    fn a_standing_clock_takes_a_speed_and_stands_on() {
        let clock = Clock::frozen(NOON);
        let scale = Scale::new(60.0).unwrap();
        clock.set_scale(scale);
        clock.advance(Duration::from_secs(1));
        let reading = Reading {
            now: Timestamp::from_secs(43_201),
            scale,
            is_frozen: true,
        };
        assert_eq!(clock.reading(), reading);
        assert_eq!(Clock::from_reading(reading).reading(), reading);
        clock.resume();
        assert!(!clock.reading().is_frozen);
        assert_eq!(clock.reading().scale, scale);
    }

    #[tokio::test]
    async fn everyone_who_waits_for_a_time_is_woken_by_a_step() {
        let clock = Clock::frozen(NOON);
        let deadline = Timestamp::from_secs(43_260);
        let stepped = async {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(59));
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(1));
        };
        tokio::join!(clock.reached(deadline), clock.reached(deadline), stepped);
        assert_eq!(clock.now(), deadline);
    }

    #[test]
    fn a_clock_set_by_a_stamp_has_run_on_as_the_machine_s_did() {
        let clock = Clock::wall();
        let stamp = Stamp {
            now: NOON.as_millis(),
            wall: machine_time().as_millis() - 60_000,
            scale: 1.0,
            frozen: false,
        };
        clock.set_by(stamp);
        let run = clock.now().since(NOON);
        assert!((60..3600).contains(&run.as_secs()), "{run:?}");
    }

    #[test]
    fn a_clock_set_by_a_stamp_has_run_at_its_speed() {
        let clock = Clock::wall();
        let stamp = Stamp {
            now: NOON.as_millis(),
            wall: machine_time().as_millis() - 60_000,
            scale: 10.0,
            frozen: false,
        };
        clock.set_by(stamp);
        let run = clock.now().since(NOON);
        assert!((600..36_000).contains(&run.as_secs()), "{run:?}");
        assert_eq!(clock.reading().scale.get(), 10.0);
    }

    #[test]
    fn a_clock_set_by_a_stamp_of_the_future_does_not_go_back() {
        let clock = Clock::wall();
        let stamp = Stamp {
            now: NOON.as_millis(),
            wall: u64::MAX,
            scale: 1.0,
            frozen: false,
        };
        clock.set_by(stamp);
        assert!(clock.now() >= NOON);
    }

    #[test]
    fn a_clock_that_stood_stands_where_it_stood() {
        let stood = Clock::frozen(NOON);
        let clock = Clock::wall();
        clock.set_by(stood.stamp());
        assert_eq!(clock.now(), NOON);
        assert_eq!(clock.until(NOON.plus(Duration::from_secs(1))), None);
    }

    #[test]
    fn what_is_asked_wins_over_what_was_kept() {
        let stamp = Stamp {
            now: NOON.as_millis(),
            wall: machine_time().as_millis() - 60_000,
            scale: 10.0,
            frozen: false,
        };
        let later = NOON.plus(Duration::from_secs(1));
        let (clock, scale) = (Clock::wall(), Scale::new(2.0).unwrap());
        let asked = Asked {
            frozen_at: Some(later),
            scale: Some(scale),
        };
        clock.set_by_and(stamp, asked);
        let reading = Reading {
            now: later,
            scale,
            is_frozen: true,
        };
        assert_eq!(clock.reading(), reading);
    }

    #[test]
    fn a_clock_asked_to_stand_before_the_time_that_was_kept_stands_at_that() {
        let clock = Clock::wall();
        let asked = Asked {
            frozen_at: Some(Timestamp::from_secs(1)),
            scale: None,
        };
        clock.set_by_and(Clock::frozen(NOON).stamp(), asked);
        assert_eq!(clock.now(), NOON);
    }

    #[test]
    fn a_speed_that_is_asked_lets_a_kept_clock_that_stood_stand() {
        let clock = Clock::wall();
        let scale = Scale::new(2.0);
        let asked = Asked {
            frozen_at: None,
            scale,
        };
        clock.set_by_and(Clock::frozen(NOON).stamp(), asked);
        assert_eq!((clock.now(), clock.is_frozen()), (NOON, true));
        assert_eq!(Some(clock.reading().scale), scale);
    }

    #[test]
    fn a_clock_counts_how_often_it_was_moved() {
        let clock = Clock::frozen(NOON);
        clock.advance(Duration::from_secs(1));
        clock.resume();
        assert_eq!(clock.moves(), 2);
    }
}
