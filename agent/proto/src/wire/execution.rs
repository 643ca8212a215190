//! The executions that answers and notifications carry.

use core::ops::Range;

use crate::json::{BufferTooSmall, Elements, Json, JsonStr, Kind, Object};
use crate::names::{JOB_ID_LEN_MAX, JobId, NameError};
use crate::time::Seconds;
use crate::wire::response::MessageError;
use crate::wire::status::Status;

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
    /// Reads `execution` into `place`; nothing when it is empty.
    #[inline(never)]
    pub(super) fn read(value: Json<'a>, place: &mut Option<Self>) -> Result<(), MessageError> {
        let Some(object) = value.as_object().filter(|object| !object.is_empty()) else {
            return Ok(());
        };
        let [
            id,
            number,
            version,
            queued,
            started,
            updated,
            timer,
            document,
            now,
            details,
        ] = &object.pick(&[
            "jobId",
            "executionNumber",
            "versionNumber",
            "queuedAt",
            "startedAt",
            "lastUpdatedAt",
            "approximateSecondsBeforeTimedOut",
            "jobDocument",
            "status",
            "statusDetails",
        ]);
        let execution = place.insert(Self {
            job_id: job(id)?,
            execution_number: None,
            version_number: None,
            status: status(now),
            status_details: details.and_then(DetailsView::read),
            queued_at: None,
            started_at: None,
            last_updated_at: None,
            seconds_before_timed_out: None,
            job_document: document.and_then(JobDocument::read),
        });
        whole(number, &mut execution.execution_number);
        whole(version, &mut execution.version_number);
        seconds(queued, &mut execution.queued_at);
        seconds(started, &mut execution.started_at);
        seconds(updated, &mut execution.last_updated_at);
        truncated(timer, &mut execution.seconds_before_timed_out);
        Ok(())
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
    fn read(object: Object<'_>) -> Result<Self, MessageError> {
        let [id, number, version, queued, started, updated] = &object.pick(&[
            "jobId",
            "executionNumber",
            "versionNumber",
            "queuedAt",
            "startedAt",
            "lastUpdatedAt",
        ]);
        let mut summary = Self {
            job_id: job(id)?,
            execution_number: None,
            version_number: None,
            queued_at: None,
            started_at: None,
            last_updated_at: None,
        };
        whole(number, &mut summary.execution_number);
        whole(version, &mut summary.version_number);
        seconds(queued, &mut summary.queued_at);
        seconds(started, &mut summary.started_at);
        seconds(updated, &mut summary.last_updated_at);
        Ok(summary)
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
        let [now, details, version] = &object.pick(&["status", "statusDetails", "versionNumber"]);
        let mut state = Self {
            status: status(now),
            status_details: details.and_then(DetailsView::read),
            version_number: None,
        };
        whole(version, &mut state.version_number);
        Some(state)
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

// The readers below are called for member after member: by reference, in place and never inlined they are smallest.

#[inline(never)]
pub(super) fn seconds(value: &Option<Json<'_>>, place: &mut Option<Seconds>) {
    let mut number = None;
    truncated(value, &mut number);
    *place = number.map(Seconds::from_service);
}

#[inline(never)]
fn truncated(value: &Option<Json<'_>>, place: &mut Option<i64>) {
    *place = value.and_then(|value| value.as_i64_truncated());
}

#[inline(never)]
fn whole(value: &Option<Json<'_>>, place: &mut Option<i64>) {
    *place = value.and_then(|value| value.as_i64());
}

#[inline(never)]
fn status(value: &Option<Json<'_>>) -> Status {
    let mut buffer = [0; STATUS_LEN_MAX];
    let text = value.and_then(|value| value.as_text()?.resolve(&mut buffer).ok());
    text.map_or(Status::Unknown, Status::parse)
}

#[inline(never)]
fn job(value: &Option<Json<'_>>) -> Result<JobId, MessageError> {
    let text = value
        .and_then(|value| value.as_text())
        .ok_or(MessageError::NoJobId)?;
    let mut buffer = [0; JOB_ID_LEN_MAX];
    text.resolve(&mut buffer)
        .map_err(|error| NameError::TooLong {
            len: error.needed,
            limit: JOB_ID_LEN_MAX,
        })
        .and_then(JobId::parse)
        .map_err(MessageError::JobId)
}
