//! When an execution's next thing is due: progress, the renewal of the step timer, a look at the service, the deadline.

use core::time::Duration;

use crate::event::Event;
use crate::execution::{Execution, Handler, State, Withdrawal};
use crate::session::CancelReason;
use crate::session::context::Context;
use crate::time::Instant;

/// How exact the service's "approximate seconds" are taken to be.
const APPROXIMATION: Duration = Duration::from_secs(60);

/// The timers of an execution that is claimed.
#[derive(Debug, Default)]
pub(super) struct Timers {
    step: Option<Step>,
    job: Option<Job>,
    /// Before that no progress is sent.
    progress_from: Option<Instant>,
    /// When the service is asked how the execution is.
    look_at: Option<Instant>,
    /// The handler showed life since the last update.
    lively: bool,
    /// The service's step timer may be another one than ours: an update was sent and not answered.
    doubtful: bool,
    /// The look under way left while nothing was in doubt, and no update left since.
    clear_sight: bool,
    /// A look told nothing because an update was under way.
    look_missed: bool,
}

/// The step timer: started anew by each update.
#[derive(Debug, Clone, Copy)]
struct Step {
    length: Duration,
    ends: Instant,
    renew_at: Instant,
    deadline: Instant,
}

/// The job's own timer: never moved.
#[derive(Debug, Clone, Copy)]
struct Job {
    ends: Instant,
    deadline: Instant,
}

impl Timers {
    /// The handler did something, or is about to.
    pub(super) fn show_life(&mut self) {
        self.lively = true;
    }

    /// Forgets the timers of an earlier claim.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When progress may be sent.
    pub(super) fn progress_at(&self, cx: &Context) -> Instant {
        self.progress_from.map_or(cx.now, |from| from.max(cx.now))
    }

    /// An update left.
    pub(super) fn update_sent(&mut self, cx: &Context) {
        self.lively = false;
        self.doubtful = true;
        self.clear_sight = false;
        self.progress_from = Some(cx.now + cx.settings.timing.progress_every);
    }

    /// A describe left.
    pub(super) fn look_sent(&mut self) {
        self.clear_sight = !self.doubtful;
    }

    /// The service took an update that was sent at `sent_at` and started a step timer.
    pub(super) fn update_accepted(&mut self, cx: &Context, sent_at: Instant) {
        self.doubtful = false;
        if core::mem::take(&mut self.look_missed) {
            self.look_at = Some(cx.now);
        }
        let timing = &cx.settings.timing;
        self.step = timing.step_timeout.map(|length| {
            let ends = sent_at + length;
            Step {
                length,
                ends,
                renew_at: sent_at + length / 2,
                deadline: ends - timing.deadline_margin.min(length / 4),
            }
        });
    }

    /// The service said, when asked at `asked_at`, that the execution ends after `left` seconds.
    ///
    /// That is the end of whichever of its timers ends first. Only what is not the step timer tells something new, and what was
    /// said while an update was under way may be about a step timer that is no more.
    pub(super) fn learn(&mut self, cx: &Context, asked_at: Instant, left: i64) {
        if !self.clear_sight {
            // Again at once, or as soon as the update under way is answered.
            self.look_missed = self.doubtful;
            self.look_at = self
                .look_at
                .map(|at| if self.doubtful { at } else { cx.now });
            return;
        }
        let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
        let ends = asked_at + left;
        let is_step = self.step.is_some_and(|step| {
            let slack = APPROXIMATION.min(step.length / 4);
            ends.since(step.ends).max(step.ends.since(ends)) <= slack
        });
        if is_step {
            return;
        }
        let known = self
            .job
            .is_some_and(|job| ends.since(job.ends).max(job.ends.since(ends)) <= APPROXIMATION);
        if !known {
            self.job = Some(Job {
                ends,
                deadline: ends - cx.settings.timing.deadline_margin.min(left / 4),
            });
        }
    }

    /// When the agent ends the job itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let step = self.step.map(|step| step.deadline);
        let job = self.job.map(|job| job.deadline);
        step.into_iter().chain(job).min()
    }

    /// The same of the job's own timer alone: the one that nothing moves.
    pub(super) fn job_deadline(&self) -> Option<Instant> {
        self.job.map(|job| job.deadline)
    }

    fn renew_at(&self) -> Option<Instant> {
        self.step.filter(|_| self.lively).map(|step| step.renew_at)
    }

    /// Whether it is time to look how the execution is; if so, notes the next time.
    fn take_look(&mut self, cx: &Context) -> bool {
        if self.look_at.is_some_and(|at| cx.now < at) {
            return false;
        }
        self.look_at = Some(cx.now + cx.settings.timing.look_every());
        true
    }
}

impl<const D: usize> Execution<D> {
    /// Does what the time asks for.
    pub(crate) fn tick(&mut self, cx: &mut Context) {
        if self.update.expire(cx.now) {
            cx.log(Event::Unanswered);
            self.update_lost();
        }
        if self.describe.expire(cx.now) {
            cx.log(Event::Unanswered);
        }
        if self.is_trial_over(cx) {
            return self.roll_back(cx);
        }
        match self.state {
            State::Running => self.tick_running(cx),
            State::Deferred { until } => {
                self.timers.show_life();
                if self.timers.deadline().is_some_and(|at| at <= cx.now) {
                    self.time_out(cx);
                } else if until <= cx.now {
                    self.start(cx);
                } else {
                    self.renew(cx);
                }
            }
            State::Announcing { leave, until } if until <= cx.now => self.go(cx, leave),
            State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Announcing { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Reporting(_)
            | State::Over(_) => {}
        }
    }

    fn tick_running(&mut self, cx: &mut Context) {
        match self.handler {
            Handler::Running => {
                if self.timers.deadline().is_some_and(|at| at <= cx.now) {
                    self.cancel(cx, CancelReason::TimedOut);
                } else {
                    self.renew(cx);
                }
            }
            Handler::Stopping { since, .. } if self.is_overdue(cx, since) => self.time_out(cx),
            Handler::Idle | Handler::Due | Handler::Stopping { .. } => {}
        }
    }

    fn renew(&mut self, cx: &mut Context) {
        if self.timers.renew_at().is_some_and(|at| at <= cx.now) {
            self.update.ask(cx.now);
        }
        // A run that lasts from one look to the next is no part of a crash loop.
        if self.look(cx) && self.entry.starts > 0 {
            self.entry.starts = 0;
            cx.saves.want();
        }
    }

    /// Asks how the execution is, when it is time to; whether it is.
    pub(super) fn look(&mut self, cx: &Context) -> bool {
        let look = self.timers.take_look(cx);
        if look {
            self.describe.ask(cx.now);
        }
        look
    }

    /// Whether a handler that was told that its time is up has to be reported without waiting for it.
    fn is_overdue(&self, cx: &Context, since: Instant) -> bool {
        self.grace_ends(cx, since).is_some_and(|at| at <= cx.now)
    }

    fn grace_ends(&self, cx: &Context, since: Instant) -> Option<Instant> {
        let Handler::Stopping {
            reason: CancelReason::TimedOut,
            ..
        } = self.handler
        else {
            return None;
        };
        Some(since + cx.settings.timing.deadline_margin / 2)
    }

    /// When the execution's trial ends, if it is on one and nothing else ends that.
    fn trial_until(&self) -> Option<Instant> {
        match self.state {
            State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Running
            | State::Deferred { .. }
            | State::Suspended => self.entry.trial.map(|trial| trial.until),
            State::Announcing { .. }
            | State::Leaving { .. }
            | State::Reporting(_)
            | State::Over(_) => None,
        }
    }

    fn is_trial_over(&self, cx: &Context) -> bool {
        self.trial_until().is_some_and(|at| at <= cx.now)
    }

    /// When something is to happen, and what; `ready` says that requests may go.
    pub(crate) fn timeout(&self, cx: &Context, ready: bool) -> Option<(Instant, &'static str)> {
        let update = self
            .update
            .timeout(ready && self.kind_due(cx).is_some())
            .map(|at| (at, "update"));
        let describe = self
            .describe
            .timeout(ready && self.describes())
            .map(|at| (at, "describe"));
        let trial = self.trial_until().map(|at| (at, "end of the trial"));
        let withdrawal = match self.withdrawal {
            Withdrawal::Due { at, .. } if self.handler == Handler::Idle => {
                Some((at, "taking back what was prepared"))
            }
            Withdrawal::None | Withdrawal::Due { .. } | Withdrawal::UnderWay { .. } => None,
        };
        let state = self.state_timeout(cx, ready);
        [update, describe, trial, withdrawal, state]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    fn state_timeout(&self, cx: &Context, ready: bool) -> Option<(Instant, &'static str)> {
        match self.state {
            State::Running => match self.handler {
                Handler::Running => self.claimed_timeout(ready),
                Handler::Stopping { since, .. } => self
                    .grace_ends(cx, since)
                    .map(|at| (at, "a handler that does not stop")),
                Handler::Idle | Handler::Due => None,
            },
            State::Deferred { until } => {
                [Some((until, "deferred run")), self.claimed_timeout(ready)]
                    .into_iter()
                    .flatten()
                    .min_by_key(|(at, _)| *at)
            }
            State::Announcing { until, .. } => Some((until, "reboot without an answer")),
            State::Leaving {
                until, told: false, ..
            } if cx.now < until => Some((until, "reboot without the other handlers")),
            State::Leaving { .. }
            | State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Suspended
            | State::Reporting(_)
            | State::Over(_) => None,
        }
    }

    /// The deadline, and while requests can be sent and none is under way, renewal and look.
    fn claimed_timeout(&self, ready: bool) -> Option<(Instant, &'static str)> {
        let deadline = self.timers.deadline().map(|at| (at, "deadline"));
        let renewal = self
            .timers
            .renew_at()
            .filter(|_| ready && self.update.is_idle())
            .map(|at| (at, "step timer"));
        let look = self
            .timers
            .look_at
            .filter(|_| ready && self.describe.is_idle())
            .map(|at| (at, "look at the service"));
        [deadline, renewal, look]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }
}
