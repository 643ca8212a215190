//! What goes into a session.

use core::time::Duration;

use crate::details::StatusDetails;
use crate::session::Lane;

/// What the driver tells the session.
#[derive(Debug)]
pub enum Input<'a, const D: usize> {
    /// CONNACK arrived. `session_present` as the broker said it; subscriptions are asked anew when it is false.
    LinkUp {
        /// Whether the broker kept the session.
        session_present: bool,
    },
    /// The connection is gone.
    LinkDown,
    /// The SUBACK for [`Action::Subscribe`](crate::session::Action::Subscribe): whether each filter was granted, in order.
    Subscribed(&'a [bool]),
    /// A PUBLISH arrived, on any topic.
    Message {
        /// Its topic.
        topic: &'a str,
        /// Its body.
        payload: &'a [u8],
    },
    /// The shell judged the document of [`Action::Offer`](crate::session::Action::Offer).
    Admitted(Lane, Admission<'a>),
    /// The handler asks for a fresh document (its presigned URL expired): the job is described again and answered with
    /// [`Action::Document`](crate::session::Action::Document).
    RenewDocument(Lane),
    /// The handler shows life.
    Progress(Lane, &'a StatusDetails<D>),
    /// The handler's state blob changed: it is saved with the record, and the driver is told by `Saved`.
    HandlerState(Lane, &'a [u8]),
    /// The handler ended.
    Finished(Lane, Outcome<'a, D>),
    /// Whether what the lane's handler prepared for a later boot was taken back, as [`Action::Withdraw`] asked. If not, it is asked
    /// for again after a wait, a few times.
    ///
    /// [`Action::Withdraw`]: crate::session::Action::Withdraw
    Withdrawn(Lane, bool),
    /// The image that runs is none that the lane's execution has on trial: it is confirmed, or another execution's. Nothing will be
    /// rolled back for it. As an answer to [`Action::RollBack`], whose handler is gone by then, it makes the execution go on.
    ///
    /// [`Action::RollBack`]: crate::session::Action::RollBack
    TrialOver(Lane),
    /// The record of that generation is durable.
    Saved(u32),
    /// The record could not be written.
    SaveFailed(u32),
    /// Something that [`Admission::Later`] waited for is free, because another session's execution ended: what was postponed is
    /// offered again.
    Freed,
    /// The shell stops (SIGTERM): nothing new is claimed; running handlers are told, what is held stays held.
    Stop,
    /// [`Session::poll_timeout`](crate::session::Session::poll_timeout) has passed.
    Timeout,
}

/// The shell's verdict on an offered document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<'a> {
    /// A handler takes it: claim it.
    Claim,
    /// A handler takes it, but what it needs is in use: offer it again when an execution of ours has ended.
    Later,
    /// A configured filter leaves it to another agent: never touch it.
    Leave,
    /// Nobody handles it: REJECTED with this reason and message.
    Reject {
        /// Stable code for the status detail `reason`.
        reason: &'a str,
        /// One sentence for the status detail `message`.
        message: &'a str,
    },
}

/// How a handler ended. `details` is the whole map that the report carries.
#[derive(Debug)]
pub enum Outcome<'a, const D: usize> {
    /// Report SUCCEEDED.
    Succeeded(&'a StatusDetails<D>),
    /// Report FAILED: a retry may cure it.
    Failed(&'a StatusDetails<D>),
    /// Report REJECTED: a retry cannot cure it.
    Rejected(&'a StatusDetails<D>),
    /// The device must reboot; afterwards the handler runs again.
    Reboot(&'a StatusDetails<D>),
    /// The agent must restart; afterwards the handler runs again.
    Restart(&'a StatusDetails<D>),
    /// Run the handler again after this long.
    Defer(Duration),
    /// The handler stopped because it was told to ([`Action::CancelHandler`](crate::session::Action::CancelHandler)).
    Stopped,
}
