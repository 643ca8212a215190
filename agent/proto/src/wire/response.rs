//! Answers and notifications, read in place.
//!
//! What the protocol may leave out is optional, what this version does not know is skipped, and an optional member of a wrong type
//! counts as left out: one odd member must not hide a job.

use crate::json::{JsonError, JsonStr};
use crate::names::NameError;
use crate::time::Seconds;
use crate::wire::error::ErrorCode;
use crate::wire::execution::{Execution, ExecutionState, JobDocument, Summaries};

/// Why a payload cannot be read.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The execution's job id is not one.
    #[error("job id: {0}")]
    JobId(NameError),
    /// The payload is not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The execution has no job id.
    #[error("execution without a job id")]
    NoJobId,
    /// The payload is JSON, but no object.
    #[error("message is not a JSON object")]
    NotAnObject,
}

/// Describe or start-next accepted, and notify-next.
#[derive(Debug, Clone)]
pub struct Described<'a> {
    /// The token of the request; none in a notification.
    pub client_token: Option<JsonStr<'a>>,
    /// When the service sent it.
    pub timestamp: Option<Seconds>,
    /// The execution; none when nothing is pending (left out or `{}`).
    pub execution: Option<Execution<'a>>,
}

impl<'a> Described<'a> {
    /// Reads a payload.
    pub fn parse(payload: &'a [u8]) -> Result<Self, MessageError> {
        let _ = payload;
        todo!()
    }
}

/// Update accepted.
#[derive(Debug, Clone)]
pub struct Updated<'a> {
    /// The token of the request.
    pub client_token: Option<JsonStr<'a>>,
    /// When the service sent it.
    pub timestamp: Option<Seconds>,
    /// The state after the update, if the request asked for it.
    pub execution_state: Option<ExecutionState<'a>>,
    /// The document, if the request asked for it.
    pub job_document: Option<JobDocument<'a>>,
}

impl<'a> Updated<'a> {
    /// Reads a payload.
    pub fn parse(payload: &'a [u8]) -> Result<Self, MessageError> {
        let _ = payload;
        todo!()
    }
}

/// Get accepted, and notify: the lists of pending executions.
#[derive(Debug, Clone)]
pub struct Pending<'a> {
    /// The token of the request; none in a notification.
    pub client_token: Option<JsonStr<'a>>,
    /// When the service sent it.
    pub timestamp: Option<Seconds>,
    /// The executions that run.
    pub in_progress: Summaries<'a>,
    /// The executions that wait.
    pub queued: Summaries<'a>,
}

impl<'a> Pending<'a> {
    /// Reads the payload of get accepted (`inProgressJobs`, `queuedJobs`).
    pub fn parse(payload: &'a [u8]) -> Result<Self, MessageError> {
        let _ = payload;
        todo!()
    }

    /// Reads the payload of notify (`jobs` by status).
    pub fn parse_notify(payload: &'a [u8]) -> Result<Self, MessageError> {
        let _ = payload;
        todo!()
    }
}

/// Any request rejected.
#[derive(Debug, Clone)]
pub struct Rejected<'a> {
    /// The token of the request.
    pub client_token: Option<JsonStr<'a>>,
    /// When the service sent it.
    pub timestamp: Option<Seconds>,
    /// Why.
    pub code: ErrorCode,
    /// Why, as the service spelled it: says more where the code is [`ErrorCode::Unknown`].
    pub code_text: Option<JsonStr<'a>>,
    /// Why, in words.
    pub message: Option<JsonStr<'a>>,
    /// The state that made the service refuse (VersionMismatch, InvalidStateTransition).
    pub execution_state: Option<ExecutionState<'a>>,
}

impl<'a> Rejected<'a> {
    /// Reads a payload.
    pub fn parse(payload: &'a [u8]) -> Result<Self, MessageError> {
        let _ = payload;
        todo!()
    }
}
