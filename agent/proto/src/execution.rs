//! The life of one job execution on the device.
//!
//! An [`Execution`] never publishes, saves or runs anything: it says what is due, and the session hands that out.
//!
//! ```text
//! Offered ──claim──▶ Claiming ──accepted──▶ Starting ──saved──▶ Running ──finished──▶ Reporting ──accepted──▶ Over
//!    ▲                  │                      ▲                │  │  │                  ▲
//!    │ described        │ version mismatch     └── Deferred ◀───┘  │  └─▶ Announcing ──▶ Leaving (reboot, restart)
//! Resuming ◀────────────┘                                          └─▶ Suspended (the agent stops)
//! ```
//!
//! Invariants: a handler starts only after the service accepted IN_PROGRESS and the record is durable; it never runs twice at
//! once; a terminal status is durable before it is sent, and held until the service took it or refused it for good; one update
//! is in flight at a time.

mod answers;
mod requests;
mod timers;

use core::time::Duration;

use heapless::Vec;

use crate::details::StatusDetails;
use crate::event::Event;
pub(crate) use crate::execution::answers::{Description, Fresh};
use crate::execution::requests::Kind;
use crate::execution::timers::Timers;
use crate::record::{Entry, Phase};
use crate::report::Report;
use crate::session::context::Context;
use crate::session::exchange::Exchange;
use crate::session::{Admission, CancelReason, ExecutionId, Outcome, Run};
use crate::time::Instant;
use crate::wire::status::Status;

/// Starts of a handler without an orderly end or a new state, after which the execution is given up.
pub(crate) const STARTS_MAX: u8 = 3;
/// Reboots and restarts that a handler may ask for without a new state.
pub(crate) const LEAVES_MAX: u8 = 8;

/// One execution, in its lane.
#[derive(Debug)]
pub(crate) struct Execution<const D: usize> {
    /// The half that survives a restart.
    entry: Entry<D>,
    state: State,
    handler: Handler,
    /// Which run the next start of the handler is.
    run: Run,
    /// UpdateJobExecution. What is in flight may be older than the state.
    update: Exchange,
    /// What the update in flight says.
    sent: Kind,
    /// DescribeJobExecution.
    describe: Exchange,
    /// The handler waits for its document.
    renewing: bool,
    /// The details hold something that the service was not told.
    fresh: bool,
    /// Answers in a row that said that there is no such execution.
    not_found: u8,
    /// Claims in a row that met another version.
    mismatches: u8,
    timers: Timers,
}

/// What an execution is at, named after what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be described by its id, to learn whether it goes on, and to get its document.
    Resuming,
    /// The shell judges the document.
    Offered {
        /// The version to claim; none when the service runs it already.
        version: Option<i64>,
    },
    /// The service is to accept IN_PROGRESS.
    Claiming {
        /// The version to claim; none when the service runs it already.
        version: Option<i64>,
    },
    /// The record is to be durable; then the handler starts.
    Starting {
        /// The record's generation.
        generation: u32,
    },
    /// The handler runs.
    Running,
    /// The handler is to run again.
    Deferred {
        /// When.
        until: Instant,
    },
    /// The service is to accept that the device goes away for a while.
    Announcing {
        /// How it goes.
        leave: Leave,
        /// When it goes even if the service did not answer.
        until: Instant,
    },
    /// The record is to be durable; then the device goes.
    Leaving {
        /// How it goes.
        leave: Leave,
        /// The record's generation.
        generation: u32,
        /// When it goes even if other handlers did not stop.
        until: Instant,
        /// Whether the driver was told.
        told: bool,
    },
    /// The agent is to run again.
    Suspended,
    /// The service is to take the terminal status.
    Reporting(Report),
    /// Nothing, but for the end of a handler that outlived its job.
    Over(Why),
}

/// How the device goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// By a reboot.
    Reboot,
    /// By a restart of the agent.
    Restart,
    /// By a reboot into the other slot.
    RollBack,
}

/// Why an execution left its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It has ended.
    Ended,
    /// Another agent's.
    Left,
    /// To be offered again.
    Postponed,
    /// The agent stops before it was claimed.
    Stopped,
}

/// What the lane's handler is at. It outlives its job when it is not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    /// None runs.
    Idle,
    /// To be started by the driver.
    Due,
    /// Runs.
    Running,
    /// Was told to stop.
    Stopping {
        /// Why.
        reason: CancelReason,
        /// When.
        since: Instant,
        /// Whether the driver was told.
        told: bool,
    },
}

/// What an execution wants the driver to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Start the handler.
    Run(Run, Option<Instant>),
    /// Tell the handler to stop.
    Cancel(CancelReason),
}

impl<const D: usize> Execution<D> {
    fn new(entry: Entry<D>, state: State) -> Self {
        Self {
            run: if entry.rebooted {
                Run::AfterReboot
            } else {
                Run::First
            },
            entry,
            state,
            handler: Handler::Idle,
            update: Exchange::new(),
            sent: Kind::Claim,
            describe: Exchange::new(),
            renewing: false,
            fresh: false,
            not_found: 0,
            mismatches: 0,
            timers: Timers::default(),
        }
    }

    /// An execution that the service described, to be judged by the shell.
    pub(crate) fn offered(id: ExecutionId, version: Option<i64>) -> Self {
        Self::new(Entry::new(id), State::Offered { version })
    }

    /// An execution that no handler can be asked about.
    pub(crate) fn rejected(cx: &mut Context, id: ExecutionId, reason: &str, message: &str) -> Self {
        let mut this = Self::new(Entry::new(id), State::Resuming);
        this.fail(cx, Status::Rejected, reason, message);
        this
    }

    /// An execution from the record.
    pub(crate) fn restored(cx: &mut Context, entry: Entry<D>) -> Self {
        let rebooted = entry.boot != cx.settings.boot;
        let phase = entry.phase;
        let mut this = Self::new(entry, State::Resuming);
        this.run = Run::AfterRestart;
        match phase {
            Phase::Reporting(status) => {
                this.state = State::Reporting(Report::new(status, cx.saves.durable()));
                this.update.ask(cx.now);
            }
            Phase::RolledBack if rebooted || !cx.settings.trial => {
                let mut details = this.entry.details.clone();
                this.entry.trial = false;
                detail(&mut details, "reason", "rolled_back");
                if details.value("message").is_none() {
                    detail(&mut details, "message", "the new image was not confirmed");
                }
                this.report(cx, Status::Failed, &details);
            }
            Phase::RolledBack => this.roll_back(cx),
            Phase::Running if this.entry.starts >= STARTS_MAX => {
                this.fail(
                    cx,
                    Status::Failed,
                    "crash_loop",
                    "the agent or the device went down each time this job ran",
                );
            }
            Phase::Rebooting => {
                this.entry.rebooted |= rebooted;
                if rebooted {
                    this.run = Run::AfterReboot;
                }
                this.describe.ask(cx.now);
            }
            Phase::Running | Phase::Restarting | Phase::Unclaimed => {
                if this.entry.rebooted {
                    this.run = Run::AfterReboot;
                }
                this.describe.ask(cx.now);
            }
        }
        this
    }

    pub(crate) const fn id(&self) -> &ExecutionId {
        &self.entry.id
    }

    pub(crate) const fn entry(&self) -> &Entry<D> {
        &self.entry
    }

    /// Why the execution leaves its lane, once nothing keeps it there.
    pub(crate) fn is_over(&self) -> Option<Why> {
        match (self.state, self.handler) {
            (State::Over(why), Handler::Idle) => Some(why),
            (State::Over(_), Handler::Due | Handler::Running | Handler::Stopping { .. })
            | (
                State::Resuming
                | State::Offered { .. }
                | State::Claiming { .. }
                | State::Starting { .. }
                | State::Running
                | State::Deferred { .. }
                | State::Announcing { .. }
                | State::Leaving { .. }
                | State::Suspended
                | State::Reporting(_),
                _,
            ) => None,
        }
    }

    /// Whether a handler runs, or is about to.
    pub(crate) fn is_busy(&self) -> bool {
        self.handler != Handler::Idle
    }

    /// Whether the device is to go away for this execution.
    pub(crate) fn is_leaving(&self) -> bool {
        match self.state {
            State::Announcing { .. } | State::Leaving { .. } => true,
            State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Running
            | State::Deferred { .. }
            | State::Suspended
            | State::Reporting(_)
            | State::Over(_) => false,
        }
    }

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
                    self.describe.ask(cx.now + cx.settings.timing.poll_every);
                }
            }
            Admission::Leave => {
                cx.log(Event::LeftAlone(self.entry.id.clone()));
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

    fn defer(&mut self, cx: &mut Context, after: Duration) {
        cx.log(Event::Deferred(self.entry.id.clone(), after));
        self.entry.starts = 0;
        cx.saves.want();
        self.state = State::Deferred {
            until: cx.now + after,
        };
    }

    /// Starts the handler once that is saved.
    fn start(&mut self, cx: &mut Context) {
        self.entry.phase = Phase::Running;
        self.entry.boot = cx.settings.boot;
        self.entry.starts = self.entry.starts.saturating_add(1);
        self.state = State::Starting {
            generation: cx.saves.want(),
        };
    }

    fn leave(
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
        self.entry.trial = false;
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
    fn go(&mut self, cx: &mut Context, leave: Leave) {
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
    fn roll_back(&mut self, cx: &mut Context) {
        self.go(cx, Leave::RollBack);
    }

    /// Ends an execution whose handler failed. A trial image whose job failed must not stay.
    fn end_badly(&mut self, cx: &mut Context, status: Status, details: &StatusDetails<D>) {
        if !self.entry.trial {
            return self.report(cx, status, details);
        }
        self.entry.details.clone_from(details);
        self.roll_back(cx);
    }

    /// Ends an execution for a reason of ours.
    fn fail(&mut self, cx: &mut Context, status: Status, reason: &str, message: &str) {
        let mut details = StatusDetails::new();
        detail(&mut details, "reason", reason);
        detail(&mut details, "message", message);
        self.end_badly(cx, status, &details);
    }

    fn time_out(&mut self, cx: &mut Context) {
        self.fail(
            cx,
            Status::Failed,
            "timed_out",
            "the job did not end before its timer",
        );
    }

    /// Holds a terminal status, to be sent once it is durable.
    fn report(&mut self, cx: &mut Context, status: Status, details: &StatusDetails<D>) {
        cx.log(Event::Held(self.entry.id.clone(), status));
        self.entry.details.clone_from(details);
        self.entry.phase = Phase::Reporting(status);
        self.entry.trial = false;
        self.describe.drop_it();
        if !self.update.is_in_flight() {
            self.update.drop_it();
        }
        self.state = State::Reporting(Report::new(status, cx.saves.want()));
    }

    /// Keeps the execution for the agent's next start.
    fn suspend(&mut self, cx: &mut Context, phase: Phase) {
        cx.log(Event::Suspended(self.entry.id.clone()));
        self.entry.phase = phase;
        self.entry.starts = 0;
        self.update.drop_it();
        self.describe.drop_it();
        cx.saves.want();
        self.state = State::Suspended;
    }

    /// Nothing is reported: the service ended the execution.
    fn give_up(&mut self, cx: &mut Context) {
        if self.entry.trial {
            return self.roll_back(cx);
        }
        self.over(Why::Ended);
    }

    fn over(&mut self, why: Why) {
        self.update.drop_it();
        self.describe.drop_it();
        self.state = State::Over(why);
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

    fn cancel(&mut self, cx: &mut Context, reason: CancelReason) {
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
                Some(Demand::Run(self.run, self.timers.deadline()))
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
            Handler::Idle | Handler::Running | Handler::Stopping { told: true, .. } => None,
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

impl Leave {
    const fn phase(self) -> Phase {
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
