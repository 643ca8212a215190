//! The device plane's operations, for MQTT and for HTTP alike.
//!
//! Requests are parsed from a JSON object, checked by the model, and answered with typed results
//! that each plane renders in its own way: [`JobExecution::to_mqtt`], [`JobExecution::to_http`].

use serde::Serialize;
use serde_json::{Map, Value};

use super::Model;
use super::document::{Document, Presign};
use super::error::DeviceError;
use super::names::{JobId, NamespaceId, ThingName};
use super::status::{ExecutionState, ExecutionStatus, StatusDetails};
use super::time::Timestamp;

/// StartNextPendingJobExecution, as it arrives.
#[derive(Debug, Clone, Default)]
pub struct StartNext {
    /// `statusDetails`, unchecked.
    pub status_details: Option<Value>,
    /// `stepTimeoutInMinutes`, unchecked.
    pub step_timeout_in_minutes: Option<i64>,
}

/// DescribeJobExecution, as it arrives.
#[derive(Debug, Clone)]
pub struct Describe {
    /// `executionNumber`; the latest unless said otherwise.
    pub execution_number: Option<i64>,
    /// `includeJobDocument`; yes unless said otherwise.
    pub include_job_document: bool,
}

/// UpdateJobExecution, as it arrives.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// `status`, unchecked.
    pub status: Option<String>,
    /// `statusDetails`, unchecked.
    pub status_details: Option<Value>,
    /// `expectedVersion`.
    pub expected_version: Option<i64>,
    /// `executionNumber`; the latest unless said otherwise.
    pub execution_number: Option<i64>,
    /// `includeJobExecutionState`.
    pub include_job_execution_state: bool,
    /// `includeJobDocument`.
    pub include_job_document: bool,
    /// `stepTimeoutInMinutes`, unchecked.
    pub step_timeout_in_minutes: Option<i64>,
}

impl StartNext {
    /// Reads the request from its body.
    pub fn parse(_body: &Map<String, Value>) -> Result<Self, DeviceError> {
        unimplemented!()
    }
}

impl Describe {
    /// Reads the request from its body.
    pub fn parse(_body: &Map<String, Value>) -> Result<Self, DeviceError> {
        unimplemented!()
    }
}

impl Update {
    /// Reads the request from its body.
    pub fn parse(_body: &Map<String, Value>) -> Result<Self, DeviceError> {
        unimplemented!()
    }
}

/// Which execution DescribeJobExecution asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// That of a job, by the job's id.
    Job(JobId),
    /// The first pending one: `$next`.
    Next,
}

impl Selector {
    /// Reads `$next` or a job id.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "$next" {
            return Some(Self::Next);
        }
        JobId::parse(text).map(Self::Job)
    }
}

/// The pending executions of one thing in one namespace, first to last.
///
/// Serializes to GetPendingJobExecutions' answer of both planes, without token and timestamp.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The ones that the device works on.
    pub in_progress_jobs: Vec<PendingSummary>,
    /// The ones that wait.
    pub queued_jobs: Vec<PendingSummary>,
}

/// The device plane's short form of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingSummary {
    /// The job's id.
    pub job_id: JobId,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it changed last.
    pub last_updated_at: Timestamp,
    /// When the device began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Counts the executions of one job on one thing.
    pub execution_number: u64,
    /// Grows with every change.
    pub version_number: u64,
}

/// An execution as a device sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecution {
    /// The job's id.
    pub job_id: JobId,
    /// Told over HTTP only.
    #[serde(skip)]
    pub thing_name: ThingName,
    /// Absent when not asked for. Each plane writes it in its own way.
    #[serde(skip)]
    pub document: Option<Document>,
    /// Where the execution stands.
    pub status: ExecutionStatus,
    /// Absent when never set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_details: Option<StatusDetails>,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When the device began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it changed last.
    pub last_updated_at: Timestamp,
    /// Grows with every change.
    pub version_number: u64,
    /// Counts the executions of one job on one thing.
    pub execution_number: u64,
    /// Only while a timer runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate_seconds_before_timed_out: Option<u64>,
}

impl JobExecution {
    /// The `execution` of an MQTT message: the document an object, with fresh URLs; no thing name.
    pub fn to_mqtt(&self, _presign: &dyn Presign, _now: Timestamp) -> Value {
        unimplemented!()
    }

    /// The `execution` of an HTTP answer: the document a string, with fresh URLs.
    pub fn to_http(&self, _presign: &dyn Presign, _now: Timestamp) -> Value {
        unimplemented!()
    }
}

/// What UpdateJobExecution answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// `executionState`, if asked for.
    pub state: Option<ExecutionState>,
    /// `jobDocument`, if asked for.
    pub document: Option<Document>,
}

impl Model {
    /// GetPendingJobExecutions.
    pub fn pending_job_executions(
        &self,
        _thing: &ThingName,
        _namespace: Option<&NamespaceId>,
    ) -> Result<Pending, DeviceError> {
        unimplemented!()
    }

    /// StartNextPendingJobExecution. `None` when nothing is pending.
    pub fn start_next(
        &mut self,
        _thing: &ThingName,
        _namespace: Option<&NamespaceId>,
        _request: &StartNext,
        _now: Timestamp,
    ) -> Result<Option<JobExecution>, DeviceError> {
        unimplemented!()
    }

    /// DescribeJobExecution of the device plane. `None` when `$next` was asked for and nothing is
    /// pending.
    pub fn describe(
        &self,
        _thing: &ThingName,
        _namespace: Option<&NamespaceId>,
        _which: &Selector,
        _request: &Describe,
        _now: Timestamp,
    ) -> Result<Option<JobExecution>, DeviceError> {
        unimplemented!()
    }

    /// UpdateJobExecution.
    pub fn update(
        &mut self,
        _thing: &ThingName,
        _namespace: Option<&NamespaceId>,
        _job: &JobId,
        _request: &Update,
        _now: Timestamp,
    ) -> Result<Updated, DeviceError> {
        unimplemented!()
    }
}
