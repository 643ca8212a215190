//! What happened, for the log. The core does not log: one file of each shell turns events into records.

use core::time::Duration;

use crate::session::{CancelReason, ExecutionId, Run};
use crate::wire::error::ErrorCode;
use crate::wire::status::Status;

/// One thing that happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The link is up and the SUBSCRIBE answered: requests may go, after an outage once a random wait is over.
    Linked,
    /// The broker refused a filter: the device's policy lacks it. The index is that of the filter in the SUBSCRIBE.
    SubscriptionDenied(usize),
    /// A decision: the service has nothing to do for this device.
    NothingPending,
    /// An execution's document was handed to the shell to be judged.
    Offered(ExecutionId),
    /// A filter of the shell leaves the execution to another agent.
    LeftAlone(ExecutionId),
    /// What the execution needs is in use, or the service refused the claim: it is offered again later.
    Postponed(ExecutionId),
    /// An execution was claimed.
    Claimed(ExecutionId),
    /// An execution that was claimed before a restart goes on.
    Resumed(ExecutionId),
    /// A handler started.
    Started(ExecutionId, Run),
    /// The handler waits that long before it runs again.
    Deferred(ExecutionId, Duration),
    /// A handler was told to stop.
    Cancelled(ExecutionId, CancelReason),
    /// The handler stopped because the agent stops or restarts; the execution goes on afterwards.
    Suspended(ExecutionId),
    /// The service ended the execution, with this status if it said so; nothing is reported.
    EndedByService(ExecutionId, Option<Status>),
    /// The execution waits for a reboot of the device.
    Rebooting(ExecutionId),
    /// The execution waits for a restart of the agent.
    Restarting(ExecutionId),
    /// The trial image goes: the device goes back to the other slot.
    RollingBack(ExecutionId),
    /// An execution ended; its status is held until the service has it.
    Held(ExecutionId, Status),
    /// The service accepted a terminal status, sent `attempts` times.
    Reported {
        /// The execution.
        execution: ExecutionId,
        /// The status reported.
        status: Status,
        /// How often it was sent.
        attempts: u32,
    },
    /// The service refused a terminal status for good.
    ReportRefused {
        /// The execution.
        execution: ExecutionId,
        /// The status that was refused.
        status: Status,
        /// Why.
        code: ErrorCode,
        /// The status that the service holds, if it said so.
        actual: Option<Status>,
    },
    /// The service took no details: they are left out.
    DetailsRefused(ExecutionId),
    /// The service refused another request.
    RequestRefused(ErrorCode),
    /// A request was not answered in time and is sent again.
    Unanswered,
    /// A message could not be read.
    Unreadable,
    /// The record could not be saved; it is tried again after this long.
    SaveFailed(Duration),
    /// The buffer given to [`poll_action`](crate::session::Session::poll_action) is too small for a message of this many bytes.
    BufferTooSmall(usize),
    /// The names of a request together make a topic of this many bytes: more than the service takes.
    TopicTooLong(usize),
    /// The handler's state is longer than [`HANDLER_STATE_LEN_MAX`](crate::record::HANDLER_STATE_LEN_MAX) and was not taken.
    HandlerStateTooLong(usize),
}
