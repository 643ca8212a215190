//! What the shell tells an execution, and what it is to do for it.

use heapless::Vec;

use crate::details::StatusDetails;
use crate::event::Event;
use crate::execution::{Demand, Execution, Handler, Leave, State, Why, Withdrawal};
use crate::record::Phase;
use crate::session::context::Context;
use crate::session::{Admission, CancelReason, Outcome, Run};
use crate::wire::status::Status;

impl<const D: usize> Execution<D> {
    /// The shell's verdict on the document.
    pub(crate) fn admitted(&mut self, cx: &mut Context, admission: Admission<'_>) {
        let State::Offered { version } = self.state else {
            return;
        };
        match admission {
            Admission::Claim => {
                self.state = State::Claiming { version };
                self.update.settle();
                self.update.ask(cx.now);
            }
            Admission::Later => {
                cx.log(Event::Postponed(self.entry.id.clone()));
                if self.entry.phase == Phase::Unclaimed {
                    self.state = State::Over(Why::Postponed);
                } else {
                    self.state = State::Resuming;
                    // Meanwhile the service must not end it.
                    self.update.settle();
                    self.update.ask(cx.now);
                    self.describe.ask(cx.now + cx.settings.timing.look_every());
                }
            }
            Admission::Leave => {
                cx.log(Event::LeftAlone(self.entry.id.clone()));
                self.withdraw(cx);
                self.state = State::Over(Why::Left);
            }
            Admission::Reject { reason, message } => {
                self.fail(cx, Status::Rejected, reason, message);
            }
        }
    }

    /// An execution of another lane ended: what this one needs may be free.
    pub(crate) fn retry_resume(&mut self, cx: &Context) {
        if self.state == State::Resuming && self.describe.attempts() == 0 {
            self.describe.ask(cx.now);
        }
    }

    /// The record, or a part of what was wanted, is durable.
    pub(crate) fn saved(&mut self, cx: &mut Context) {
        match self.state {
            State::Starting { generation } if cx.saves.is_done(generation) => {
                self.state = State::Running;
                self.handler = Handler::Due;
                self.timers.show_life();
                self.look(cx);
            }
            State::Reporting(report)
                if cx.saves.is_done(report.generation) && self.update.is_idle() =>
            {
                self.update.ask(cx.now);
            }
            State::Starting { .. }
            | State::Reporting(_)
            | State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Running
            | State::Deferred { .. }
            | State::Announcing { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Over(_) => {}
        }
    }

    /// The handler shows life.
    pub(crate) fn progress(&mut self, cx: &Context, details: &StatusDetails<D>) {
        if self.state != State::Running {
            return;
        }
        self.timers.show_life();
        self.entry.details.clone_from(details);
        self.fresh = true;
        self.update.ask(self.timers.progress_at(cx));
    }

    /// The handler's state changed. Whether it is taken; it is saved in any case then.
    pub(crate) fn set_handler_state(&mut self, cx: &mut Context, state: &[u8]) {
        if self.entry.phase == Phase::Unclaimed {
            return;
        }
        if self.entry.state.as_slice() != state {
            let Ok(taken) = Vec::from_slice(state) else {
                return cx.log(Event::HandlerStateTooLong(state.len()));
            };
            self.entry.state = taken;
            self.entry.starts = self.entry.starts.min(1);
            self.entry.leaves = 0;
        }
        self.timers.show_life();
        cx.saves.want();
    }

    /// The handler wants its document anew.
    pub(crate) fn renew_document(&mut self, cx: &Context) {
        if self.handler == Handler::Running {
            self.timers.show_life();
            self.renewing = true;
            self.describe.ask(cx.now);
        }
    }

    /// The handler ended.
    pub(crate) fn finished(&mut self, cx: &mut Context, outcome: Outcome<'_, D>) {
        let reason = match self.handler {
            Handler::Idle | Handler::Due => return,
            Handler::Running => None,
            Handler::Stopping { reason, .. } => Some(reason),
        };
        self.handler = Handler::Idle;
        self.renewing = false;
        // Elsewhere the handler was not waited for.
        if self.state == State::Running {
            self.conclude(cx, reason, outcome);
        }
    }

    fn conclude(
        &mut self,
        cx: &mut Context,
        reason: Option<CancelReason>,
        outcome: Outcome<'_, D>,
    ) {
        if reason == Some(CancelReason::CanceledByService) {
            return self.give_up(cx);
        }
        match outcome {
            Outcome::Succeeded(details) => self.report(cx, Status::Succeeded, details),
            Outcome::Failed(details) => self.end_badly(cx, Status::Failed, details),
            Outcome::Rejected(details) => self.end_badly(cx, Status::Rejected, details),
            Outcome::Reboot(details) => self.leave(cx, reason, Leave::Reboot, details),
            Outcome::Restart(details) => self.leave(cx, reason, Leave::Restart, details),
            Outcome::Defer(after) => match reason {
                None => self.defer(cx, after),
                Some(reason) => self.stopped(cx, reason),
            },
            Outcome::Stopped => match reason {
                None => self.fail(
                    cx,
                    Status::Failed,
                    "stopped",
                    "the handler stopped without being told to",
                ),
                Some(reason) => self.stopped(cx, reason),
            },
        }
    }

    fn stopped(&mut self, cx: &mut Context, reason: CancelReason) {
        match reason {
            CancelReason::CanceledByService => self.give_up(cx),
            CancelReason::TimedOut => self.time_out(cx),
            CancelReason::Stopping => self.suspend(cx, self.entry.phase),
        }
    }

    /// The shell stops, or the device goes away for another lane's execution.
    pub(crate) fn stop(&mut self, cx: &mut Context) {
        match self.state {
            State::Offered { .. } | State::Claiming { .. }
                if self.entry.phase == Phase::Unclaimed =>
            {
                self.over(Why::Stopped);
            }
            State::Running => match self.handler {
                Handler::Running => self.cancel(cx, CancelReason::Stopping),
                Handler::Idle | Handler::Due => {
                    self.handler = Handler::Idle;
                    self.suspend(cx, self.entry.phase);
                }
                Handler::Stopping { .. } => {}
            },
            State::Announcing { leave, .. } => self.suspend(cx, leave.phase()),
            State::Starting { .. }
            | State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Deferred { .. } => self.suspend(cx, self.entry.phase),
            State::Leaving { .. } | State::Suspended | State::Reporting(_) | State::Over(_) => {}
        }
    }

    /// What made the execution stop is over: the agent did not restart after all.
    pub(crate) fn go_on(&mut self, cx: &Context) {
        if self.state == State::Suspended {
            self.run = if self.entry.rebooted {
                Run::AfterReboot
            } else {
                Run::AfterRestart
            };
            self.state = State::Resuming;
            self.describe.ask(cx.now);
        }
    }

    pub(super) fn cancel(&mut self, cx: &mut Context, reason: CancelReason) {
        match self.handler {
            Handler::Idle | Handler::Due => self.handler = Handler::Idle,
            Handler::Running => {
                self.handler = Handler::Stopping {
                    reason,
                    since: cx.now,
                    told: false,
                };
            }
            // It is stopping already; only what becomes of its end may change.
            Handler::Stopping { since, told, .. } => {
                self.handler = Handler::Stopping {
                    reason,
                    since,
                    told,
                };
            }
        }
    }

    /// What the driver is to do for the handler.
    pub(crate) fn poll_demand(&mut self, cx: &mut Context) -> Option<Demand> {
        match self.handler {
            Handler::Due => {
                self.handler = Handler::Running;
                cx.log(Event::Started(self.entry.id.clone(), self.run));
                Some(Demand::Run(self.run, self.timers.job_deadline()))
            }
            Handler::Stopping {
                reason,
                since,
                told: false,
            } => {
                self.handler = Handler::Stopping {
                    reason,
                    since,
                    told: true,
                };
                cx.log(Event::Cancelled(self.entry.id.clone(), reason));
                Some(Demand::Cancel(reason))
            }
            Handler::Idle => self.poll_withdrawal(cx),
            Handler::Running | Handler::Stopping { told: true, .. } => None,
        }
    }

    fn poll_withdrawal(&mut self, cx: &Context) -> Option<Demand> {
        match self.withdrawal {
            Withdrawal::Due { at, failed } if at <= cx.now => {
                self.withdrawal = Withdrawal::UnderWay { failed };
                Some(Demand::Withdraw)
            }
            Withdrawal::None | Withdrawal::Due { .. } | Withdrawal::UnderWay { .. } => None,
        }
    }

    /// How the device is to go away; handed out once. `alone` says that no other lane's handler runs.
    pub(crate) fn poll_leave(&mut self, cx: &Context, alone: bool) -> Option<Leave> {
        let State::Leaving {
            leave,
            generation,
            until,
            told: false,
        } = self.state
        else {
            return None;
        };
        let waits = !alone && leave != Leave::RollBack && cx.now < until;
        if waits || cx.stopping || !cx.saves.is_done(generation) {
            return None;
        }
        self.state = State::Leaving {
            leave,
            generation,
            until,
            told: true,
        };
        Some(leave)
    }
}
