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
mod described;
mod ending;
mod requests;
mod shell;
mod timers;

use crate::backoff::Backoff;
pub(crate) use crate::execution::described::{Description, Fresh};
use crate::execution::requests::Kind;
use crate::execution::timers::Timers;
use crate::record::{Entry, Phase};
use crate::report::Report;
use crate::session::context::Context;
use crate::session::exchange::{BACKOFF_FIRST, BACKOFF_MOST, Exchange};
use crate::session::{CancelReason, ExecutionId, Run};
use crate::time::Instant;
use crate::wire::status::Status;

/// Starts of a handler without an orderly end or a new state, after which the execution is given up.
///
/// Power cuts count, too: nothing tells them from a job that takes the device down.
pub(crate) const STARTS_MAX: u8 = 8;
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
    /// Waits between claims that are refused for reasons unknown. A describe that succeeds in between does not shorten them.
    asides: Backoff,
    /// Claims in a row that met another version.
    mismatches: u8,
    timers: Timers,
    withdrawal: Withdrawal,
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

/// Whether what the handler prepared for a later boot is to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Withdrawal {
    /// Nothing is.
    None,
    /// At this time, once no handler runs.
    Due {
        /// When.
        at: Instant,
        /// Tries that failed.
        failed: u8,
    },
    /// The driver is at it.
    UnderWay {
        /// Tries that failed before.
        failed: u8,
    },
}

/// What an execution wants the driver to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Start the handler.
    Run(Run, Option<Instant>),
    /// Tell the handler to stop.
    Cancel(CancelReason),
    /// Take back what the handler prepared for a later boot.
    Withdraw,
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
            asides: Backoff::new(BACKOFF_FIRST, BACKOFF_MOST),
            mismatches: 0,
            timers: Timers::default(),
            withdrawal: Withdrawal::None,
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
                this.withdraw_unless_succeeded(cx, status);
                this.update.ask(cx.now);
            }
            Phase::RolledBack if rebooted && !cx.settings.trial => this.report_roll_back(cx),
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
            (State::Over(why), Handler::Idle) if self.withdrawal == Withdrawal::None => Some(why),
            (
                State::Over(_),
                Handler::Idle | Handler::Due | Handler::Running | Handler::Stopping { .. },
            )
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
}
