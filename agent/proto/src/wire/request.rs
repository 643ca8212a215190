//! Requests, written into the caller's buffer.
//!
//! Only what the service takes can be written: names are parsed types, details were made to fit when they were inserted.

use core::time::Duration;

use crate::details::StatusDetails;
use crate::json::BufferTooSmall;
use crate::names::ClientToken;
use crate::wire::status::Status;
use crate::wire::writer::RequestWriter;

/// The `stepTimeoutInMinutes` of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimeout(i16);

impl StepTimeout {
    /// Ends the timer that runs; the service takes it in an update only.
    pub const OFF: Self = Self(-1);
    /// Longest timer in minutes (AWS developer guide, `jobs-mqtt-api`).
    pub const MINUTES_MAX: i16 = 10_080;

    /// A timer of at least `time`, in whole minutes within the service's limits.
    pub fn at_least(time: Duration) -> Self {
        let part = u64::from(time.subsec_nanos() > 0);
        let minutes = time.as_secs().saturating_add(part).div_ceil(60);
        let minutes = i16::try_from(minutes).unwrap_or(Self::MINUTES_MAX);
        Self(minutes.clamp(1, Self::MINUTES_MAX))
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
        let mut request = RequestWriter::new(buffer);
        request.text("{");
        request.number("\"executionNumber\":", self.execution_number);
        request.text(match self.include_job_document {
            true => "\"includeJobDocument\":true,",
            false => "\"includeJobDocument\":false,",
        });
        request.finish(self.client_token)
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
        let mut request = RequestWriter::new(buffer);
        request.text("{\"status\":\"");
        request.text(self.status.as_str());
        request.end_string();
        write_details(&mut request, self.status_details);
        request.number("\"expectedVersion\":", self.expected_version);
        request.number("\"executionNumber\":", self.execution_number);
        write_step_timeout(&mut request, self.step_timeout);
        if self.include_job_execution_state {
            request.text("\"includeJobExecutionState\":true,");
        }
        if self.include_job_document {
            request.text("\"includeJobDocument\":true,");
        }
        request.finish(self.client_token)
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
        let mut request = RequestWriter::new(buffer);
        request.text("{");
        request.finish(self.client_token)
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
        let mut request = RequestWriter::new(buffer);
        request.text("{");
        write_details(&mut request, self.status_details);
        write_step_timeout(&mut request, self.step_timeout);
        request.finish(self.client_token)
    }
}

fn write_details<const D: usize>(
    request: &mut RequestWriter<'_>,
    details: Option<&StatusDetails<D>>,
) {
    if let Some(details) = details {
        request.text("\"statusDetails\":");
        request.strings(details.packed());
    }
}

fn write_step_timeout(request: &mut RequestWriter<'_>, timeout: Option<StepTimeout>) {
    let minutes = timeout.map(|StepTimeout(minutes)| minutes.into());
    request.number("\"stepTimeoutInMinutes\":", minutes);
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn token() -> ClientToken {
        ClientToken::parse("t-1").unwrap()
    }

    fn update(client_token: &ClientToken) -> Update<'_, 64> {
        Update {
            client_token,
            status: Status::Succeeded,
            status_details: None,
            expected_version: None,
            execution_number: None,
            step_timeout: None,
            include_job_execution_state: false,
            include_job_document: false,
        }
    }

    fn text(write: impl FnOnce(&mut [u8]) -> Result<usize, BufferTooSmall>) -> String {
        let mut buffer = [0; 512];
        let len = write(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].into()).unwrap()
    }

    #[test]
    fn an_update_says_only_what_was_set() {
        assert_eq!(
            text(|buffer| update(&token()).write(buffer)),
            r#"{"status":"SUCCEEDED","clientToken":"t-1"}"#
        );
    }

    #[test]
    fn numbers_are_written_as_numbers_and_details_as_strings() {
        let mut details = StatusDetails::<64>::new();
        details.insert("progress", r#"4"2"#).unwrap();
        let token = token();
        let update = Update {
            status: Status::InProgress,
            status_details: Some(&details),
            expected_version: Some(7),
            execution_number: Some(3),
            step_timeout: Some(StepTimeout::OFF),
            include_job_execution_state: true,
            include_job_document: true,
            ..update(&token)
        };
        assert_eq!(
            text(|buffer| update.write(buffer)),
            r#"{"status":"IN_PROGRESS","statusDetails":{"progress":"4\"2"},"expectedVersion":7,"executionNumber":3,"stepTimeoutInMinutes":-1,"includeJobExecutionState":true,"includeJobDocument":true,"clientToken":"t-1"}"#
        );
    }

    #[test]
    fn a_buffer_of_exactly_the_length_is_enough_and_any_shorter_one_is_told_how_much_is_needed() {
        let token = token();
        for given in 0..42 {
            assert_eq!(
                update(&token).write(&mut [0; 42][..given]),
                Err(BufferTooSmall { needed: 42, given })
            );
        }
        assert_eq!(update(&token).write(&mut [0; 42]), Ok(42));
    }

    #[test]
    fn the_other_requests_carry_their_token_too() {
        let client_token = &token();
        let describe = Describe {
            client_token,
            execution_number: Some(2),
            include_job_document: false,
        };
        assert_eq!(
            text(|buffer| describe.write(buffer)),
            r#"{"executionNumber":2,"includeJobDocument":false,"clientToken":"t-1"}"#
        );
        assert_eq!(
            text(|buffer| Pending { client_token }.write(buffer)),
            r#"{"clientToken":"t-1"}"#
        );
        let start_next = StartNext::<64> {
            client_token,
            status_details: None,
            step_timeout: Some(StepTimeout::at_least(Duration::from_secs(600))),
        };
        assert_eq!(
            text(|buffer| start_next.write(buffer)),
            r#"{"stepTimeoutInMinutes":10,"clientToken":"t-1"}"#
        );
    }

    #[test]
    fn a_step_timer_is_never_shorter_than_asked_nor_outside_the_limits() {
        let minutes = |secs| StepTimeout::at_least(Duration::from_secs(secs)).0;
        assert_eq!(minutes(0), 1);
        assert_eq!(minutes(60), 1);
        assert_eq!(minutes(61), 2);
        assert_eq!(minutes(u64::MAX), 10_080);
        assert_eq!(StepTimeout::at_least(Duration::from_millis(60_001)).0, 2);
    }

    proptest! {
        #[test]
        fn serde_json_reads_back_what_an_update_says(
            token in "[a-zA-Z0-9:_-]{1,64}",
            pairs in prop::collection::btree_map("[a-z]{1,4}", "\\PC{1,20}", 0..=10),
            expected_version: Option<i64>,
            execution_number: Option<i64>,
        ) {
            let mut details = StatusDetails::<2048>::new();
            for (key, value) in &pairs {
                details.insert(key, value).unwrap();
            }
            let token = ClientToken::parse(&token).unwrap();
            let update = Update {
                client_token: &token,
                status: Status::Failed,
                status_details: Some(&details),
                expected_version,
                execution_number,
                step_timeout: None,
                include_job_execution_state: false,
                include_job_document: false,
            };
            let mut buffer = [0; 4096];
            let len = update.write(&mut buffer).unwrap();
            let read: Value = serde_json::from_slice(&buffer[..len]).unwrap();
            prop_assert_eq!(&read["clientToken"], token.as_str());
            prop_assert_eq!(read.get("expectedVersion").and_then(Value::as_i64), expected_version);
            prop_assert_eq!(read.get("executionNumber").and_then(Value::as_i64), execution_number);
            let sent: std::collections::BTreeMap<&str, &str> = details.iter().collect();
            prop_assert_eq!(&read["statusDetails"], &serde_json::json!(sent));
        }
    }
}
