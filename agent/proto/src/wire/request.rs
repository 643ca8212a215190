//! Requests, written into the caller's buffer.
//!
//! Only what the service takes can be written: names are parsed types, details were made to fit when they were inserted.

use core::time::Duration;

use crate::details::StatusDetails;
use crate::json::BufferTooSmall;
use crate::names::ClientToken;
use crate::wire::status::Status;

/// Longest step timer (AWS developer guide, `jobs-mqtt-api`).
pub const STEP_TIMEOUT_MINUTES_MAX: u16 = 10_080;

/// The `stepTimeoutInMinutes` of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimeout(i16);

impl StepTimeout {
    /// Ends the timer that runs; the service takes it in an update only.
    pub const OFF: Self = Self(-1);

    /// A timer of at least `time`, in whole minutes within the service's limits.
    pub fn at_least(time: Duration) -> Self {
        let _ = time;
        todo!()
    }
}

/// DescribeJobExecution.
#[derive(Debug, Clone, Copy)]
pub struct Describe<'a> {
    /// Ties the answer to this request.
    pub client_token: &'a ClientToken,
    /// Which execution of the job; its latest when `None`.
    pub execution_number: Option<i64>,
    /// Whether the answer carries the document.
    pub include_job_document: bool,
}

impl Describe<'_> {
    /// Writes the body; the length written.
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let _ = buffer;
        todo!()
    }
}

/// UpdateJobExecution.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a, const D: usize> {
    /// Ties the answer to this request.
    pub client_token: &'a ClientToken,
    /// The status to set.
    pub status: Status,
    /// The whole map to set; unchanged when `None`.
    pub status_details: Option<&'a StatusDetails<D>>,
    /// The version that the execution must have.
    pub expected_version: Option<i64>,
    /// Which execution of the job; its latest when `None`.
    pub execution_number: Option<i64>,
    /// The step timer to start; the one that runs goes on when `None`.
    pub step_timeout: Option<StepTimeout>,
    /// Whether the answer carries the execution's state.
    pub include_job_execution_state: bool,
    /// Whether the answer carries the document.
    pub include_job_document: bool,
}

impl<const D: usize> Update<'_, D> {
    /// Writes the body; the length written.
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let _ = buffer;
        todo!()
    }
}

/// GetPendingJobExecutions.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'a> {
    /// Ties the answer to this request.
    pub client_token: &'a ClientToken,
}

impl Pending<'_> {
    /// Writes the body; the length written.
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let _ = buffer;
        todo!()
    }
}

/// StartNextPendingJobExecution.
#[derive(Debug, Clone, Copy)]
pub struct StartNext<'a, const D: usize> {
    /// Ties the answer to this request.
    pub client_token: &'a ClientToken,
    /// The map to set if the execution starts; ignored by the service if it runs already.
    pub status_details: Option<&'a StatusDetails<D>>,
    /// The step timer to start.
    pub step_timeout: Option<StepTimeout>,
}

impl<const D: usize> StartNext<'_, D> {
    /// Writes the body; the length written.
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let _ = buffer;
        todo!()
    }
}
