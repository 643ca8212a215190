//! The executions that answers and notifications carry.

use core::ops::Range;

use crate::json::{BufferTooSmall, Elements, Json, JsonStr, Object};
use crate::names::JobId;
use crate::time::Seconds;
use crate::wire::status::Status;

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

/// The executions of a list, any number of them. Entries without a legal job id are left out.
#[derive(Debug, Clone, Default)]
pub struct Summaries<'a> {
    rest: Option<Elements<'a>>,
}

impl Iterator for Summaries<'_> {
    type Item = Summary;

    fn next(&mut self) -> Option<Summary> {
        let _ = &self.rest;
        todo!()
    }
}

/// The `statusDetails` that the service holds.
#[derive(Debug, Clone, Copy)]
pub struct DetailsView<'a>(Object<'a>);

impl<'a> DetailsView<'a> {
    /// The value of `key`, if it is a string.
    pub fn value(&self, key: &str) -> Option<JsonStr<'a>> {
        let _ = (key, self.0);
        todo!()
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
    /// Where in the payload the document stands: a JSON object over MQTT, a string (with its quotes) over HTTPS.
    pub fn range(&self) -> Range<usize> {
        self.0.range()
    }

    /// The document's text, unless it is a string that must be [resolved](Self::resolve) first.
    pub fn as_object(&self) -> Option<&'a str> {
        todo!()
    }

    /// The document's text: borrowed over MQTT, unescaped into `buffer` over HTTPS.
    pub fn resolve<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall>
    where
        'a: 'b,
    {
        let _ = buffer;
        todo!()
    }
}
