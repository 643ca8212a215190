//! The device plane's operations, for MQTT and for HTTP alike.
//!
//! Requests are parsed from a JSON object, checked by the model, and answered with typed results
//! that each plane renders in its own way: [`JobExecution::to_mqtt`], [`JobExecution::to_http`].

use serde::Serialize;
use serde_json::{Map, Value};

use super::create::JOB_ID;
use super::document::{Document, Presign};
use super::error::DeviceError;
use super::names::{JobId, ThingName};
use super::registry::THING_NAME;
use super::status::{ExecutionState, ExecutionStatus, StatusDetails};
use super::time::Timestamp;
use super::validate::{Text, Violations};

const A_STRING: &str = "Member must be a string";

/// The name of the member by which a client finds the answer to its request.
pub const CLIENT_TOKEN: &str = "clientToken";
/// As much as is repeated to a client. AWS documents no length (developer guide, jobs-mqtt-api).
const CLIENT_TOKENS: Text = Text {
    min: 0,
    max: 4096,
    pattern: None,
};

/// The client token of a request, if it has one that can be repeated.
pub fn client_token(body: &Map<String, Value>) -> Option<&String> {
    match body.get(CLIENT_TOKEN) {
        Some(Value::String(token)) if CLIENT_TOKENS.allows(token) => Some(token),
        Some(_) | None => None,
    }
}

/// GetPendingJobExecutions, as it arrives: without members of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetPending;

/// StartNextPendingJobExecution, as it arrives.
#[derive(Debug, Clone, Default)]
pub struct StartNext {
    /// `statusDetails`, unchecked.
    pub status_details: Option<Value>,
    /// `stepTimeoutInMinutes`, unchecked.
    pub step_timeout_in_minutes: Option<i64>,
    /// Members of the wrong type.
    pub(super) violations: Violations,
}

/// DescribeJobExecution, as it arrives.
#[derive(Debug, Clone)]
pub struct Describe {
    /// `executionNumber`; the latest unless said otherwise.
    pub execution_number: Option<i64>,
    /// `includeJobDocument`; yes unless said otherwise.
    pub include_job_document: bool,
    /// Members of the wrong type.
    pub(super) violations: Violations,
}

/// UpdateJobExecution, as it arrives.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// `status`, unchecked; that it is missing is among the violations.
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
    /// Members that are missing or of the wrong type.
    pub(super) violations: Violations,
}

impl GetPending {
    /// Reads the request from its body.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, DeviceError> {
        let violations = Members::of(body).violations.into_result();
        violations
            .map(|()| Self)
            .map_err(DeviceError::InvalidRequest)
    }
}

impl StartNext {
    /// Reads the request from its body; what is wrong with it, the model tells with all else.
    pub fn parse(body: &Map<String, Value>) -> Self {
        let mut members = Members::of(body);
        Self {
            status_details: members.value("statusDetails"),
            step_timeout_in_minutes: members.number("stepTimeoutInMinutes"),
            violations: members.violations,
        }
    }
}

impl Describe {
    /// Reads the request from its body; what is wrong with it, the model tells.
    pub fn parse(body: &Map<String, Value>) -> Self {
        let mut members = Members::of(body);
        Self {
            execution_number: members.number("executionNumber"),
            include_job_document: members.flag("includeJobDocument").unwrap_or(true),
            violations: members.violations,
        }
    }
}

impl Update {
    /// Reads the request from its body; what is wrong with it, the model tells with all else.
    pub fn parse(body: &Map<String, Value>) -> Self {
        let mut members = Members::of(body);
        Self {
            status: members.required_text("status"),
            status_details: members.value("statusDetails"),
            expected_version: members.number("expectedVersion"),
            execution_number: members.number("executionNumber"),
            include_job_execution_state: members
                .flag("includeJobExecutionState")
                .unwrap_or_default(),
            include_job_document: members.flag("includeJobDocument").unwrap_or_default(),
            step_timeout_in_minutes: members.number("stepTimeoutInMinutes"),
            violations: members.violations,
        }
    }
}

/// Reads the members of a body and notes those of the wrong type. Other members are tolerated, and
/// `null` is as good as absent.
struct Members<'a> {
    body: &'a Map<String, Value>,
    violations: Violations,
}

impl<'a> Members<'a> {
    fn of(body: &'a Map<String, Value>) -> Self {
        let mut violations = Violations::default();
        match body.get(CLIENT_TOKEN) {
            None | Some(Value::Null) => {}
            Some(Value::String(token)) => violations.text(CLIENT_TOKEN, token, CLIENT_TOKENS),
            Some(other) => violations.note(other, CLIENT_TOKEN, A_STRING),
        }
        Self { body, violations }
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.body
            .get(name)
            .filter(|value| !value.is_null())
            .cloned()
    }

    fn required_text(&mut self, name: &str) -> Option<String> {
        if self.value(name).is_none() {
            self.violations.missing(name);
        }
        self.read(name, A_STRING, |value| value.as_str().map(str::to_owned))
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, "Member must be a boolean", Value::as_bool)
    }

    /// A number, or one written as a string, as AWS's embedded SDK does.
    fn number(&mut self, name: &str) -> Option<i64> {
        self.read(name, "Member must be an integer", |value| {
            value.as_i64().or_else(|| value.as_str()?.parse().ok())
        })
    }

    fn read<T>(
        &mut self,
        name: &str,
        rule: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.body.get(name).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            self.violations.note(value, name, rule);
        }
        read
    }
}

/// Reads the names in the path of a request over HTTP: a thing, and a job or `$next`.
pub fn path_names(thing: &str, job: &str) -> Result<(ThingName, Selector), DeviceError> {
    match (ThingName::parse(thing), Selector::parse(job)) {
        (Some(thing), Some(which)) => Ok((thing, which)),
        (_, which) => Err(misnamed(thing, Some(job).filter(|_| which.is_none()))),
    }
}

/// Reads the name of a thing in the path of a request over HTTP.
pub fn path_thing(thing: &str) -> Result<ThingName, DeviceError> {
    ThingName::parse(thing).ok_or_else(|| misnamed(thing, None))
}

/// Says what is wrong with the names in a path.
fn misnamed(thing: &str, job: Option<&str>) -> DeviceError {
    let mut violations = Violations::default();
    violations.text("thingName", thing, THING_NAME);
    if let Some(job) = job {
        violations.text("jobId", job, JOB_ID);
    }
    DeviceError::InvalidRequest(violations.into_result().err().unwrap_or_default())
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
    pub fn to_mqtt(&self, presign: &dyn Presign, now: Timestamp) -> Value {
        let document = self.document.as_ref();
        let document = document.map(|document| ("jobDocument", document.to_object(presign, now)));
        self.with(document)
    }

    /// The `execution` of an HTTP answer: the document a string, with fresh URLs.
    pub fn to_http(&self, presign: &dyn Presign, now: Timestamp) -> Value {
        let thing = ("thingName", Value::from(self.thing_name.as_str()));
        let document = self.document.as_ref();
        let document =
            document.map(|document| ("jobDocument", document.to_text(presign, now).into()));
        self.with([thing].into_iter().chain(document))
    }

    fn with(&self, members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
        // Maps of strings and plain numbers always serialize.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        for (name, member) in members {
            if let Value::Object(object) = &mut value {
                object.insert(name.to_owned(), member);
            }
        }
        value
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
