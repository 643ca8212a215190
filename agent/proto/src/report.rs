//! What the service still has to be told: the end of an execution.
//!
//! A [`Report`] is durable before it is sent first, and held until the service took it or refused it for good. What a refusal
//! means is decided here, in one place.

use crate::wire::error::ErrorCode;
use crate::wire::status::Status;

/// How often an execution that the service cannot find is asked for again: it may be that the service is not up to date.
pub(crate) const NOT_FOUND_MAX: u8 = 3;

/// Why the service refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    /// The status that made the service refuse, if it said so.
    pub(crate) status: Option<Status>,
}

impl Refusal {
    /// The refusal says that the execution has ended; with its status, if that was said.
    ///
    /// `InvalidStateTransition` alone does not: it may be about the status that was asked for.
    pub(crate) fn ended(&self) -> Option<Option<Status>> {
        match self.status {
            Some(status) if status.is_terminal() => Some(Some(status)),
            Some(_) => None,
            None => (self.code == ErrorCode::TerminalStateReached).then_some(None),
        }
    }
}

/// A terminal status that the service has not got yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    /// The status.
    pub(crate) status: Status,
    /// The generation of the record that holds it: only then it is sent.
    pub(crate) generation: u32,
    /// Whether the details are left out, because the service did not take them.
    pub(crate) bare: bool,
    not_found: u8,
}

/// What becomes of a report that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The service has the status: an earlier attempt arrived, and its answer was lost.
    Delivered,
    /// It never will: another end is final, or nothing can be changed about the request.
    Refused,
    /// Send it again at once, without details.
    AgainBare,
    /// Send it again after a wait.
    AgainLater,
}

impl Report {
    pub(crate) const fn new(status: Status, generation: u32) -> Self {
        Self {
            status,
            generation,
            bare: false,
            not_found: 0,
        }
    }

    /// What a refusal means for the report.
    pub(crate) fn refused(&mut self, refusal: &Refusal) -> Fate {
        match refusal.code {
            ErrorCode::InvalidStateTransition
            | ErrorCode::TerminalStateReached
            | ErrorCode::VersionMismatch => match refusal.status {
                Some(status) if status == self.status => Fate::Delivered,
                Some(status) if status.is_terminal() => Fate::Refused,
                // The service says itself that the execution is open.
                Some(_) => Fate::AgainLater,
                None if refusal.code == ErrorCode::VersionMismatch => Fate::AgainLater,
                None => Fate::Refused,
            },
            ErrorCode::ResourceNotFound => {
                self.not_found = self.not_found.saturating_add(1);
                if self.not_found > NOT_FOUND_MAX {
                    return Fate::Refused;
                }
                Fate::AgainLater
            }
            ErrorCode::InvalidRequest | ErrorCode::InvalidJson if !self.bare => {
                self.bare = true;
                Fate::AgainBare
            }
            ErrorCode::InvalidRequest | ErrorCode::InvalidJson | ErrorCode::InvalidTopic => {
                Fate::Refused
            }
            ErrorCode::InternalError | ErrorCode::RequestThrottled | ErrorCode::Unknown => {
                Fate::AgainLater
            }
        }
    }
}
