//! One kind of request: asked, in flight, asked again.
//!
//! At most one of a kind is in flight, and each attempt has a token of its own, so that a late answer to an earlier attempt is
//! told from the answer to this one.

use core::time::Duration;

use crate::backoff::{Backoff, SplitMix64};
use crate::time::Instant;

/// The first wait after the service asked for patience.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_secs(2);
/// The longest wait after the service asked for patience.
pub(crate) const BACKOFF_MOST: Duration = Duration::from_secs(5 * 60);
/// The wait for an answer doubles that often while none comes.
const DOUBLINGS_MAX: u32 = 3;

/// One kind of request.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    state: State,
    /// Attempts since the last success.
    attempts: u32,
    backoff: Backoff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is wanted.
    Idle,
    /// To be sent at that moment, or as soon afterwards as the link allows.
    Due {
        at: Instant,
        /// The service asked for this wait: nothing that happens meanwhile shortens it.
        patient: bool,
    },
    /// Sent; to be sent again unless the answer comes by then.
    Sent {
        token: u32,
        at: Instant,
        until: Instant,
    },
}

impl Exchange {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Idle,
            attempts: 0,
            backoff: Backoff::new(BACKOFF_FIRST, BACKOFF_MOST),
        }
    }

    /// Wants the request at `at`, or earlier if that was wanted before. What is in flight stays so, and so does a wait that the
    /// service asked for.
    pub(crate) fn ask(&mut self, at: Instant) {
        self.state = match self.state {
            State::Idle => State::Due { at, patient: false },
            State::Due {
                at: before,
                patient: false,
            } => State::Due {
                at: before.min(at),
                patient: false,
            },
            State::Due { patient: true, .. } | State::Sent { .. } => self.state,
        };
    }

    /// Wants the request after a growing wait: the service asked for patience, or could not be understood.
    pub(crate) fn ask_patiently(&mut self, now: Instant, random: &mut SplitMix64) -> Duration {
        let wait = self.backoff.next(random);
        self.ask_not_before(now + wait);
        wait
    }

    /// Wants the request at `at`, and nothing that happens meanwhile makes that earlier.
    pub(crate) fn ask_not_before(&mut self, at: Instant) {
        self.state = State::Due { at, patient: true };
    }

    /// Notes that it was sent.
    pub(crate) fn sent(&mut self, token: u32, now: Instant, answer_within: Duration) {
        let factor = 1 << self.attempts.min(DOUBLINGS_MAX);
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Sent {
            token,
            at: now,
            until: now + answer_within.saturating_mul(factor),
        };
    }

    /// Takes the answer to the attempt with `token`; when that was sent. `None`: it is not ours.
    pub(crate) fn answered(&mut self, token: u32) -> Option<Instant> {
        match self.state {
            State::Sent { token: own, at, .. } if own == token => {
                self.state = State::Idle;
                Some(at)
            }
            State::Idle | State::Due { .. } | State::Sent { .. } => None,
        }
    }

    /// Starts counting anew: the request had its effect, or another one takes its place, which has no wait to sit out.
    pub(crate) fn settle(&mut self) {
        self.attempts = 0;
        self.backoff.reset();
        if let State::Due { patient, .. } = &mut self.state {
            *patient = false;
        }
    }

    /// Forgets what is wanted or in flight.
    pub(crate) fn drop_it(&mut self) {
        self.state = State::Idle;
        self.settle();
    }

    /// Whether an answer is overdue; if so, the request is wanted again.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        match self.state {
            State::Sent { until, .. } if until <= now => {
                self.state = State::Due {
                    at: now,
                    patient: false,
                };
                true
            }
            State::Idle | State::Due { .. } | State::Sent { .. } => false,
        }
    }

    /// The link is gone, and with it the answer; if one was awaited, the request is wanted again.
    pub(crate) fn link_lost(&mut self, now: Instant) -> bool {
        match self.state {
            State::Sent { .. } => {
                self.state = State::Due {
                    at: now,
                    patient: false,
                };
                true
            }
            State::Idle | State::Due { .. } => false,
        }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        match self.state {
            State::Due { at, .. } => at <= now,
            State::Idle | State::Sent { .. } => false,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        match self.state {
            State::Idle => true,
            State::Due { .. } | State::Sent { .. } => false,
        }
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        match self.state {
            State::Sent { .. } => true,
            State::Idle | State::Due { .. } => false,
        }
    }

    /// The token of the attempt in flight.
    pub(crate) fn token(&self) -> Option<u32> {
        match self.state {
            State::Sent { token, .. } => Some(token),
            State::Idle | State::Due { .. } => None,
        }
    }

    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When something is to happen; what is due counts only while `ready` to send.
    pub(crate) fn timeout(&self, ready: bool) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Due { at, .. } => ready.then_some(at),
            State::Sent { until, .. } => Some(until),
        }
    }
}
