//! The executions that answers and notifications carry.

use core::ops::Range;

use crate::json::{BufferTooSmall, Elements, Json, JsonStr, Kind, Object};
use crate::names::{JOB_ID_LEN_MAX, JobId, NameError};
use crate::time::Seconds;
use crate::wire::response::MessageError;
use crate::wire::status::Status;

/// Longest name of a member that is read (`approximateSecondsBeforeTimedOut`).
pub(super) const MEMBER_LEN_MAX: usize = 32;
/// Longest spelling of a status that is known.
const STATUS_LEN_MAX: usize = 16;

/// `JobExecution`: one execution with all that the service says of it.
#[derive(Debug, Clone)]
pub struct Execution<'a> {
    /// The job.
    pub job_id: JobId,
    /// The execution's number on this device; opaque.
    pub execution_number: Option<i64>,
    /// Counts the changes of the execution.
    pub version_number: Option<i64>,
    /// Its status; [`Status::Unknown`] when it is absent.
    pub status: Status,
    /// Its details; absent when never set.
    pub status_details: Option<DetailsView<'a>>,
    /// When it was queued.
    pub queued_at: Option<Seconds>,
    /// When it was started.
    pub started_at: Option<Seconds>,
    /// When it was changed.
    pub last_updated_at: Option<Seconds>,
    /// Seconds until the service times it out, if a timer runs.
    pub seconds_before_timed_out: Option<i64>,
    /// Its document, unless the request left it out.
    pub job_document: Option<JobDocument<'a>>,
}

impl<'a> Execution<'a> {
    /// Reads `execution`; none when it is empty.
    pub(super) fn read(value: Json<'a>) -> Result<Option<Self>, MessageError> {
        let Some(object) = value.as_object().filter(|object| !object.is_empty()) else {
            return Ok(None);
        };
        let common = Summary::read(object)?;
        let mut execution = Self {
            job_id: common.job_id,
            execution_number: common.execution_number,
            version_number: common.version_number,
            status: Status::Unknown,
            status_details: None,
            queued_at: common.queued_at,
            started_at: common.started_at,
            last_updated_at: common.last_updated_at,
            seconds_before_timed_out: None,
            job_document: None,
        };
        for (name, value) in object.members() {
            match name.resolve(&mut [0; MEMBER_LEN_MAX]).unwrap_or_default() {
                "approximateSecondsBeforeTimedOut" => {
                    execution.seconds_before_timed_out = value.as_i64_truncated();
                }
                "jobDocument" => execution.job_document = JobDocument::read(value),
                "status" => execution.status = status(value),
                "statusDetails" => execution.status_details = DetailsView::read(value),
                _ => {}
            }
        }
        Ok(Some(execution))
    }
}

/// `JobExecutionSummary`: one line of a list.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The job.
    pub job_id: JobId,
    /// The execution's number on this device; opaque.
    pub execution_number: Option<i64>,
    /// Counts the changes of the execution.
    pub version_number: Option<i64>,
    /// When it was queued.
    pub queued_at: Option<Seconds>,
    /// When it was started.
    pub started_at: Option<Seconds>,
    /// When it was changed.
    pub last_updated_at: Option<Seconds>,
}

impl Summary {
    /// Reads the members that a summary and an execution share.
    fn read(object: Object<'_>) -> Result<Self, MessageError> {
        let mut job_id = None;
        let mut execution_number = None;
        let mut version_number = None;
        let mut queued_at = None;
        let mut started_at = None;
        let mut last_updated_at = None;
        for (name, value) in object.members() {
            match name.resolve(&mut [0; MEMBER_LEN_MAX]).unwrap_or_default() {
                "executionNumber" => execution_number = value.as_i64(),
                "jobId" => job_id = value.as_text(),
                "lastUpdatedAt" => last_updated_at = seconds(value),
                "queuedAt" => queued_at = seconds(value),
                "startedAt" => started_at = seconds(value),
                "versionNumber" => version_number = value.as_i64(),
                _ => {}
            }
        }
        Ok(Self {
            job_id: job(job_id.ok_or(MessageError::NoJobId)?).map_err(MessageError::JobId)?,
            execution_number,
            version_number,
            queued_at,
            started_at,
            last_updated_at,
        })
    }
}

/// `JobExecutionState`: what an update found or made.
#[derive(Debug, Clone, Copy)]
pub struct ExecutionState<'a> {
    /// The status; [`Status::Unknown`] when it is absent.
    pub status: Status,
    /// The details; absent when never set.
    pub status_details: Option<DetailsView<'a>>,
    /// Counts the changes of the execution.
    pub version_number: Option<i64>,
}

impl<'a> ExecutionState<'a> {
    pub(super) fn read(value: Json<'a>) -> Option<Self> {
        let object = value.as_object().filter(|object| !object.is_empty())?;
        Some(Self {
            status: object.member("status").map_or(Status::Unknown, status),
            status_details: object.member("statusDetails").and_then(DetailsView::read),
            version_number: object
                .member("versionNumber")
                .and_then(|value| value.as_i64()),
        })
    }
}

/// The executions of a list, any number of them. Entries without a legal job id are left out.
#[derive(Debug, Clone, Default)]
pub struct Summaries<'a> {
    rest: Option<Elements<'a>>,
}

impl<'a> Summaries<'a> {
    pub(super) fn read(value: Json<'a>) -> Self {
        Self {
            rest: value.as_array(),
        }
    }
}

impl Iterator for Summaries<'_> {
    type Item = Summary;

    fn next(&mut self) -> Option<Summary> {
        self.rest
            .as_mut()?
            .find_map(|entry| Summary::read(entry.as_object()?).ok())
    }
}

/// The `statusDetails` that the service holds.
#[derive(Debug, Clone, Copy)]
pub struct DetailsView<'a>(Object<'a>);

impl<'a> DetailsView<'a> {
    fn read(value: Json<'a>) -> Option<Self> {
        value.as_object().map(Self)
    }

    /// The value of `key`, if it is a string.
    pub fn value(&self, key: &str) -> Option<JsonStr<'a>> {
        self.0.member(key)?.as_text()
    }

    /// The pairs whose values are strings.
    pub fn iter(&self) -> impl Iterator<Item = (JsonStr<'a>, JsonStr<'a>)> {
        self.0
            .members()
            .filter_map(|(key, value)| Some((key, value.as_text()?)))
    }
}

/// A job's document within the message that carried it.
#[derive(Debug, Clone, Copy)]
pub struct JobDocument<'a>(Json<'a>);

impl<'a> JobDocument<'a> {
    pub(super) fn read(value: Json<'a>) -> Option<Self> {
        (value.kind() != Kind::Null).then_some(Self(value))
    }

    /// Where in the payload the document stands: a JSON object over MQTT, a string (with its quotes) over HTTPS.
    pub fn range(&self) -> Range<usize> {
        self.0.range()
    }

    /// The document's text: borrowed over MQTT, unescaped into `buffer` over HTTPS.
    pub fn resolve<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall>
    where
        'a: 'b,
    {
        match self.0.as_text() {
            Some(text) => text.resolve(buffer),
            None => Ok(self.0.raw()),
        }
    }
}

pub(super) fn seconds(value: Json<'_>) -> Option<Seconds> {
    value.as_i64_truncated().map(Seconds::from_service)
}

fn status(value: Json<'_>) -> Status {
    let mut buffer = [0; STATUS_LEN_MAX];
    let text = value
        .as_text()
        .and_then(|text| text.resolve(&mut buffer).ok());
    text.map_or(Status::Unknown, Status::parse)
}

fn job(text: JsonStr<'_>) -> Result<JobId, NameError> {
    let mut buffer = [0; JOB_ID_LEN_MAX];
    let id = text
        .resolve(&mut buffer)
        .map_err(|error| NameError::TooLong {
            len: error.needed,
            limit: JOB_ID_LEN_MAX,
        })?;
    JobId::parse(id)
}
