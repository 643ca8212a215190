//! How a run of the handler ends: with a status, a pause, a reboot, or nothing at all.

use core::time::Duration;

use crate::details::StatusDetails;
use crate::event::Event;
use crate::execution::{Execution, Handler, LEAVES_MAX, Leave, State, Why, Withdrawal};
use crate::record::Phase;
use crate::report::Report;
use crate::session::CancelReason;
use crate::session::context::Context;
use crate::wire::status::Status;

/// How often it is tried again to take back what a handler prepared. Then other jobs go first.
const WITHDRAWALS_MAX: u8 = 5;
/// Between two of these tries.
const WITHDRAW_AGAIN: Duration = Duration::from_secs(60);

impl<const D: usize> Execution<D> {
    pub(super) fn defer(&mut self, cx: &mut Context, after: Duration) {
        cx.log(Event::Deferred(self.entry.id.clone(), after));
        self.entry.starts = 0;
        cx.saves.want();
        self.state = State::Deferred {
            until: cx.now + after,
        };
    }

    /// Starts the handler once that is saved.
    pub(super) fn start(&mut self, cx: &mut Context) {
        self.entry.phase = Phase::Running;
        self.entry.boot = cx.settings.boot;
        self.entry.starts = self.entry.starts.saturating_add(1);
        self.state = State::Starting {
            generation: cx.saves.want(),
        };
    }

    pub(super) fn leave(
        &mut self,
        cx: &mut Context,
        reason: Option<CancelReason>,
        leave: Leave,
        details: &StatusDetails<D>,
    ) {
        if reason == Some(CancelReason::TimedOut) {
            return self.time_out(cx);
        }
        if self.entry.leaves >= LEAVES_MAX {
            return self.fail(
                cx,
                Status::Failed,
                "reboot_loop",
                "the handler asked for a reboot again and again",
            );
        }
        self.entry.leaves += 1;
        self.entry.starts = 0;
        self.entry.details.clone_from(details);
        if reason.is_some() {
            return self.suspend(cx, leave.phase());
        }
        self.fresh = true;
        self.state = State::Announcing {
            leave,
            until: cx.now + cx.settings.timing.reboot_within,
        };
        self.update.settle();
        self.update.ask(cx.now);
    }

    /// The device goes away once that is saved.
    pub(super) fn go(&mut self, cx: &mut Context, leave: Leave) {
        let id = self.entry.id.clone();
        cx.log(match leave {
            Leave::Reboot => Event::Rebooting(id),
            Leave::Restart => Event::Restarting(id),
            Leave::RollBack => Event::RollingBack(id),
        });
        self.entry.phase = leave.phase();
        self.entry.boot = cx.settings.boot;
        self.update.drop_it();
        self.describe.drop_it();
        self.state = State::Leaving {
            leave,
            generation: cx.saves.want(),
            until: cx.now + cx.settings.timing.reboot_within,
            told: false,
        };
    }

    /// The image that this execution installed goes, and with the next boot the end of the execution is reported.
    pub(super) fn roll_back(&mut self, cx: &mut Context) {
        self.go(cx, Leave::RollBack);
    }

    /// There is nothing to go back from. Who was about to goes on: what the service or the handler says next ends it.
    pub(crate) fn trial_over(&mut self, cx: &mut Context) {
        if self.entry.trial.take().is_some() {
            cx.saves.want();
        }
        if let State::Leaving {
            leave: Leave::RollBack,
            told: true,
            ..
        } = self.state
        {
            self.handler = Handler::Idle;
            self.suspend(cx, Phase::Running);
        }
    }

    /// The device runs the other image again: the end of the execution that installed this one.
    pub(super) fn report_roll_back(&mut self, cx: &mut Context) {
        let mut details = self.entry.details.clone();
        detail(&mut details, "reason", "rolled_back");
        if details.value("message").is_none() {
            detail(&mut details, "message", "the new image was not confirmed");
        }
        self.report(cx, Status::Failed, &details);
    }

    /// Ends an execution whose handler failed. A trial image whose job failed must not stay.
    pub(super) fn end_badly(
        &mut self,
        cx: &mut Context,
        status: Status,
        details: &StatusDetails<D>,
    ) {
        if self.entry.trial.is_none() {
            return self.report(cx, status, details);
        }
        self.entry.details.clone_from(details);
        self.roll_back(cx);
    }

    /// Ends an execution for a reason of ours.
    pub(super) fn fail(&mut self, cx: &mut Context, status: Status, reason: &str, message: &str) {
        let mut details = StatusDetails::new();
        detail(&mut details, "reason", reason);
        detail(&mut details, "message", message);
        self.end_badly(cx, status, &details);
    }

    pub(super) fn time_out(&mut self, cx: &mut Context) {
        self.fail(
            cx,
            Status::Failed,
            "timed_out",
            "the job did not end before its timer",
        );
    }

    /// Holds a terminal status, to be sent once it is durable.
    pub(super) fn report(&mut self, cx: &mut Context, status: Status, details: &StatusDetails<D>) {
        cx.log(Event::Held(self.entry.id.clone(), status));
        self.entry.details.clone_from(details);
        self.entry.phase = Phase::Reporting(status);
        self.entry.trial = None;
        self.withdraw_unless_succeeded(cx, status);
        self.describe.drop_it();
        if !self.update.is_in_flight() {
            self.update.drop_it();
        }
        self.state = State::Reporting(Report::new(status, cx.saves.want()));
    }

    /// Keeps the execution for the agent's next start.
    pub(super) fn suspend(&mut self, cx: &mut Context, phase: Phase) {
        cx.log(Event::Suspended(self.entry.id.clone()));
        self.entry.phase = phase;
        self.entry.starts = 0;
        self.update.drop_it();
        self.describe.drop_it();
        cx.saves.want();
        self.state = State::Suspended;
    }

    /// Nothing is reported: the service ended the execution.
    pub(super) fn give_up(&mut self, cx: &mut Context) {
        if self.entry.trial.is_some() {
            return self.roll_back(cx);
        }
        self.withdraw(cx);
        self.over(Why::Ended);
    }

    /// What the handler prepared for a later boot must not happen any more: nobody will be there for it.
    ///
    /// The entry stays in the record until it is done, so that a crash only makes it be done again.
    pub(super) fn withdraw(&mut self, cx: &Context) {
        if !self.entry.state.is_empty() {
            self.withdrawal = Withdrawal::Due {
                at: cx.now,
                failed: 0,
            };
        }
    }

    pub(super) fn withdraw_unless_succeeded(&mut self, cx: &Context, status: Status) {
        if status != Status::Succeeded {
            self.withdraw(cx);
        }
    }

    /// Whether the driver could take back what the handler prepared.
    pub(crate) fn withdrawn(&mut self, cx: &mut Context, done: bool) {
        let Withdrawal::UnderWay { failed } = self.withdrawal else {
            return;
        };
        self.withdrawal = if done || failed >= WITHDRAWALS_MAX {
            Withdrawal::None
        } else {
            Withdrawal::Due {
                at: cx.now + WITHDRAW_AGAIN,
                failed: failed + 1,
            }
        };
    }

    pub(super) fn over(&mut self, why: Why) {
        self.update.drop_it();
        self.describe.drop_it();
        self.state = State::Over(why);
    }
}

impl Leave {
    pub(super) const fn phase(self) -> Phase {
        match self {
            Self::Reboot => Phase::Rebooting,
            Self::Restart => Phase::Restarting,
            Self::RollBack => Phase::RolledBack,
        }
    }
}

/// Adds a pair that the report can do without: details that are full must not lose the status.
fn detail<const D: usize>(details: &mut StatusDetails<D>, key: &str, value: &str) {
    let _ = details.insert(key, value);
}
