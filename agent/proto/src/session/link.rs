//! The link and its subscriptions.
//!
//! Requests go only when the link is up, the SUBSCRIBE is answered, and after an outage a random wait is over. A denied filter
//! does not hold them: the service sends answers to whoever asked, subscribed or not.

use core::time::Duration;

use crate::backoff::Backoff;
use crate::event::Event;
use crate::session::context::Context;
use crate::time::Instant;

/// The first wait before filters that were denied are asked for again.
const AGAIN_FIRST: Duration = Duration::from_secs(60);
/// The longest wait before filters that were denied are asked for again.
const AGAIN_MOST: Duration = Duration::from_secs(60 * 60);

/// The link and its subscriptions.
#[derive(Debug)]
pub(crate) struct Link {
    state: State,
    /// The broker has granted all filters since the agent started.
    granted: bool,
    /// There was a link before: the next one follows an outage.
    lost: bool,
    /// When the random wait after an outage is over.
    quiet_until: Instant,
    backoff: Backoff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    /// Nothing may be asked before the SUBSCRIBE is answered.
    Subscribing(Subscribe),
    /// All is subscribed.
    Up,
    /// Requests go, but filters were denied and are asked for again.
    Deaf(Subscribe),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscribe {
    Due(Instant),
    Sent { until: Instant },
}

impl Subscribe {
    const fn at(self) -> Instant {
        match self {
            Self::Due(at) => at,
            Self::Sent { until } => until,
        }
    }

    fn is_due(self, now: Instant) -> bool {
        match self {
            Self::Due(at) => at <= now,
            Self::Sent { .. } => false,
        }
    }

    /// Asks again when no answer came.
    fn tick(self, now: Instant) -> Self {
        match self {
            Self::Sent { until } if until <= now => Self::Due(now),
            Self::Due(_) | Self::Sent { .. } => self,
        }
    }
}

impl Link {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Down,
            granted: false,
            lost: false,
            quiet_until: Instant::from_millis(0),
            backoff: Backoff::new(AGAIN_FIRST, AGAIN_MOST),
        }
    }

    pub(crate) fn up(&mut self, cx: &mut Context, session_present: bool) {
        self.state = if session_present && self.granted {
            State::Up
        } else {
            State::Subscribing(Subscribe::Due(cx.now))
        };
        if self.lost {
            self.quiet_until = cx.now + cx.random.up_to(cx.settings.timing.outage_jitter);
        }
        self.lost = true;
        if self.is_open() {
            cx.log(Event::Linked);
        }
    }

    pub(crate) fn down(&mut self) {
        self.state = State::Down;
    }

    /// Takes the SUBACK.
    pub(crate) fn subscribed(&mut self, cx: &mut Context, granted: &[bool]) {
        match self.state {
            State::Subscribing(_) => cx.log(Event::Linked),
            State::Deaf(_) => {}
            State::Down | State::Up => return,
        }
        for (index, granted) in granted.iter().enumerate() {
            if !granted {
                cx.log(Event::SubscriptionDenied(index));
            }
        }
        self.granted = granted.iter().all(|granted| *granted);
        self.state = if self.granted {
            self.backoff.reset();
            State::Up
        } else {
            let wait = self.backoff.next(&mut cx.random);
            State::Deaf(Subscribe::Due(cx.now + wait))
        };
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        self.state = match self.state {
            State::Subscribing(subscribe) => State::Subscribing(subscribe.tick(now)),
            State::Deaf(subscribe) => State::Deaf(subscribe.tick(now)),
            State::Down | State::Up => self.state,
        };
    }

    /// Whether a SUBSCRIBE is due; it counts as sent then.
    pub(crate) fn take_subscribe(&mut self, cx: &Context) -> bool {
        let sent = Subscribe::Sent {
            until: cx.now + cx.settings.timing.answer_within,
        };
        match self.state {
            State::Subscribing(subscribe) if subscribe.is_due(cx.now) => {
                self.state = State::Subscribing(sent);
                true
            }
            State::Deaf(subscribe) if subscribe.is_due(cx.now) => {
                self.state = State::Deaf(sent);
                true
            }
            State::Down | State::Up | State::Subscribing(_) | State::Deaf(_) => false,
        }
    }

    /// Whether the link is up; requests may still have to wait.
    pub(crate) fn is_open(&self) -> bool {
        match self.state {
            State::Up | State::Deaf(_) => true,
            State::Down | State::Subscribing(_) => false,
        }
    }

    /// Whether requests may go.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.is_open() && self.quiet_until <= now
    }

    pub(crate) fn timeout(&self, now: Instant) -> Option<Instant> {
        let subscribe = match self.state {
            State::Subscribing(subscribe) | State::Deaf(subscribe) => Some(subscribe.at()),
            State::Down | State::Up => None,
        };
        let quiet = (self.is_open() && now < self.quiet_until).then_some(self.quiet_until);
        subscribe.into_iter().chain(quiet).min()
    }
}
