//! What happened, for the log. The core does not log: one file of each shell turns events into records.

use crate::session::{CancelReason, ExecutionId, Run};
use crate::wire::status::Status;

/// One thing that happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The broker refused a filter: the device's policy lacks it. The index is that of the filter in the SUBSCRIBE.
    SubscriptionDenied(usize),
    /// An execution was claimed.
    Claimed(ExecutionId),
    /// A handler started.
    Started(ExecutionId, Run),
    /// A handler was told to stop.
    Cancelled(ExecutionId, CancelReason),
    /// The service accepted a terminal status, sent `attempts` times.
    Reported {
        /// The execution.
        execution: ExecutionId,
        /// The status reported.
        status: Status,
        /// How often it was sent.
        attempts: u32,
    },
}
