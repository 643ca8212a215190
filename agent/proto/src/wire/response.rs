//! Answers and notifications, read in place.
//!
//! What the protocol may leave out is optional, what this version does not know is skipped, and an optional member of a wrong type
//! counts as left out: one odd member must not hide a job.

use crate::json::{Json, JsonError, JsonStr, Kind};
use crate::names::NameError;
use crate::time::Seconds;
use crate::wire::error::ErrorCode;
use crate::wire::execution::{Execution, ExecutionState, JobDocument, Summaries, seconds};

/// Longest spelling of a code that is known.
const CODE_LEN_MAX: usize = 32;

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
        let [token, timestamp, execution] =
            open(payload, &["clientToken", "timestamp", "execution"])?;
        let mut described = Self {
            client_token: text(token),
            timestamp: None,
            execution: None,
        };
        if let Some(value) = execution {
            Execution::read(value, &mut described.execution)?;
        }
        seconds(&timestamp, &mut described.timestamp);
        Ok(described)
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
        let [token, timestamp, state, document] = open(
            payload,
            &["clientToken", "timestamp", "executionState", "jobDocument"],
        )?;
        let mut updated = Self {
            client_token: text(token),
            timestamp: None,
            execution_state: state.and_then(ExecutionState::read),
            job_document: document.and_then(JobDocument::read),
        };
        seconds(&timestamp, &mut updated.timestamp);
        Ok(updated)
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
    /// Reads the payload of get accepted (`inProgressJobs`, `queuedJobs`) or of notify (`jobs` by status).
    pub fn parse(payload: &'a [u8]) -> Result<Self, MessageError> {
        let [token, timestamp, in_progress, queued, jobs] = open(
            payload,
            &[
                "clientToken",
                "timestamp",
                "inProgressJobs",
                "queuedJobs",
                "jobs",
            ],
        )?;
        let [in_progress, queued] = match jobs.and_then(|jobs| jobs.as_object()) {
            Some(jobs) => jobs.pick(&["IN_PROGRESS", "QUEUED"]),
            None => [in_progress, queued],
        };
        let mut pending = Self {
            client_token: text(token),
            timestamp: None,
            in_progress: in_progress.map(Summaries::read).unwrap_or_default(),
            queued: queued.map(Summaries::read).unwrap_or_default(),
        };
        seconds(&timestamp, &mut pending.timestamp);
        Ok(pending)
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
        let [token, timestamp, code, message, state] = open(
            payload,
            &[
                "clientToken",
                "timestamp",
                "code",
                "message",
                "executionState",
            ],
        )?;
        let code_text = text(code);
        let mut buffer = [0; CODE_LEN_MAX];
        let code = code_text.and_then(|code| code.resolve(&mut buffer).ok());
        let mut rejected = Self {
            client_token: text(token),
            timestamp: None,
            code: code.map_or(ErrorCode::Unknown, ErrorCode::parse),
            code_text,
            message: text(message),
            execution_state: state.and_then(ExecutionState::read),
        };
        seconds(&timestamp, &mut rejected.timestamp);
        Ok(rejected)
    }
}

/// These members of a message.
fn open<'a, const N: usize>(
    payload: &'a [u8],
    names: &[&str; N],
) -> Result<[Option<Json<'a>>; N], MessageError> {
    let (message, found) = Json::parse_envelope(payload, names)?;
    match message.kind() {
        Kind::Object => Ok(found),
        Kind::Array | Kind::Bool | Kind::Null | Kind::Number | Kind::Text => {
            Err(MessageError::NotAnObject)
        }
    }
}

fn text(value: Option<Json<'_>>) -> Option<JsonStr<'_>> {
    value?.as_text()
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::status::Status;

    fn described(payload: &str) -> Described<'_> {
        Described::parse(payload.as_bytes()).unwrap()
    }

    fn execution(members: &str) -> String {
        format!(r#"{{"execution":{{"jobId":"j"{members}}}}}"#)
    }

    fn ids(summaries: Summaries<'_>) -> Vec<String> {
        summaries
            .map(|summary| summary.job_id.to_string())
            .collect()
    }

    #[test]
    fn an_empty_execution_means_that_nothing_is_pending() {
        for payload in [
            r#"{"timestamp":1}"#,
            r#"{"execution":{}}"#,
            r#"{"execution":null}"#,
            "{}",
        ] {
            assert!(described(payload).execution.is_none(), "{payload}");
        }
    }

    #[test]
    fn an_execution_needs_nothing_but_its_job_id() {
        let text = execution("");
        let execution = described(&text).execution.unwrap();
        assert_eq!(execution.job_id.as_str(), "j");
        assert_eq!(execution.status, Status::Unknown);
        assert!(execution.execution_number.is_none() && execution.job_document.is_none());
    }

    #[test]
    fn an_execution_without_a_legal_job_id_is_refused() {
        assert_eq!(
            Described::parse(br#"{"execution":{"status":"QUEUED"}}"#).unwrap_err(),
            MessageError::NoJobId
        );
        assert_eq!(
            Described::parse(br#"{"execution":{"jobId":"a/b"}}"#).unwrap_err(),
            MessageError::JobId(NameError::Character('/'))
        );
        let long = format!(r#"{{"execution":{{"jobId":"\u006a{}"}}}}"#, "j".repeat(64));
        assert_eq!(
            Described::parse(long.as_bytes()).unwrap_err(),
            MessageError::JobId(NameError::TooLong { len: 65, limit: 64 })
        );
    }

    #[test]
    fn every_status_of_the_service_is_read_and_others_are_kept_as_unknown() {
        let statuses = [
            ("CANCELED", Status::Canceled),
            ("FAILED", Status::Failed),
            ("IN_PROGRESS", Status::InProgress),
            ("QUEUED", Status::Queued),
            ("REJECTED", Status::Rejected),
            ("REMOVED", Status::Removed),
            ("SUCCEEDED", Status::Succeeded),
            ("TIMED_OUT", Status::TimedOut),
            ("A_STATUS_THAT_AWS_ADDS_LATER", Status::Unknown),
        ];
        for (spelling, status) in statuses {
            let text = execution(&format!(r#","status":"{spelling}""#));
            assert_eq!(described(&text).execution.unwrap().status, status);
        }
    }

    #[test]
    fn a_job_id_of_64_characters_is_legal() {
        let id = "j".repeat(64);
        let text = format!(r#"{{"execution":{{"jobId":"{id}"}}}}"#);
        assert_eq!(described(&text).execution.unwrap().job_id.as_str(), id);
    }

    #[test]
    fn a_list_may_be_of_any_length() {
        let entries: Vec<_> = (0..40).map(|n| format!(r#"{{"jobId":"j{n}"}}"#)).collect();
        let text = format!(r#"{{"jobs":{{"QUEUED":[{}]}}}}"#, entries.join(","));
        let pending = Pending::parse(text.as_bytes()).unwrap();
        assert_eq!(pending.queued.count(), 40);
        assert_eq!(pending.in_progress.count(), 0);
    }

    #[test]
    fn an_entry_that_cannot_be_read_hides_no_other() {
        let text = br#"{"inProgressJobs":[{"jobId":"a"},{},7,{"jobId":""},{"jobId":"b"}]}"#;
        let pending = Pending::parse(text).unwrap();
        assert_eq!(ids(pending.in_progress), ["a", "b"]);
    }

    #[test]
    fn details_may_be_ten_and_more_and_others_than_strings_are_skipped() {
        let pairs: Vec<_> = (0..12).map(|n| format!(r#""k{n}":"v{n}""#)).collect();
        let text = execution(&format!(
            r#","statusDetails":{{"n":1,{}}}"#,
            pairs.join(",")
        ));
        let details = described(&text).execution.unwrap().status_details.unwrap();
        assert_eq!(details.iter().count(), 12);
        assert!(details.value("k11").unwrap() == *"v11");
        assert!(details.value("n").is_none());
    }

    #[test]
    fn a_document_of_any_depth_leaves_its_message_readable() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let text = execution(&format!(r#","jobDocument":{deep},"versionNumber":2"#));
        let execution = described(&text).execution.unwrap();
        assert_eq!(&text[execution.job_document.unwrap().range()], deep);
        assert_eq!(execution.version_number, Some(2));
    }

    #[test]
    fn the_document_over_mqtt_is_a_range_of_the_payload() {
        let text = execution(r#","jobDocument": {"operation":"reboot"} ,"versionNumber":2"#);
        let document = described(&text).execution.unwrap().job_document.unwrap();
        assert_eq!(&text[document.range()], r#"{"operation":"reboot"}"#);
    }

    #[test]
    fn the_document_over_https_is_a_string_to_resolve() {
        let text = execution(r#","jobDocument":"{\"operation\":\"reboot\"}""#);
        let document = described(&text).execution.unwrap().job_document.unwrap();
        assert_eq!(
            document.resolve(&mut [0; 64]),
            Ok(r#"{"operation":"reboot"}"#)
        );
    }

    #[test]
    fn times_are_seconds_however_they_are_spelled() {
        for time in [
            "1489096425",
            "1489096425069",
            "1489096425.069",
            "1.489096425E9",
        ] {
            let text = execution(&format!(r#","queuedAt":{time}"#));
            let queued_at = described(&text).execution.unwrap().queued_at.unwrap();
            assert_eq!(queued_at.as_i64(), 1_489_096_425, "{time}");
        }
    }

    #[test]
    fn an_optional_member_of_a_wrong_type_counts_as_left_out() {
        let text = execution(r#","queuedAt":"x","versionNumber":{},"status":7,"statusDetails":[]"#);
        let execution = described(&text).execution.unwrap();
        assert!(execution.queued_at.is_none() && execution.version_number.is_none());
        assert!(execution.status_details.is_none());
    }

    #[test]
    fn a_code_that_is_not_known_is_kept_as_text() {
        let text = br#"{"code":"BrandNew","message":"no \u0026 no"}"#;
        let rejected = Rejected::parse(text).unwrap();
        assert_eq!(rejected.code, ErrorCode::Unknown);
        assert!(rejected.code_text.unwrap() == *"BrandNew");
        assert!(rejected.message.unwrap() == *"no & no");
    }

    #[test]
    fn a_rejection_without_a_code_is_no_reason_to_fail() {
        assert_eq!(Rejected::parse(b"{}").unwrap().code, ErrorCode::Unknown);
    }

    #[test]
    fn the_state_behind_a_rejection_is_read() {
        let text = br#"{"code":"VersionMismatch","executionState":{"status":"CANCELED","versionNumber":4}}"#;
        let state = Rejected::parse(text).unwrap().execution_state.unwrap();
        assert_eq!(state.status, Status::Canceled);
        assert_eq!(state.version_number, Some(4));
    }

    #[test]
    fn a_payload_that_is_no_object_is_refused() {
        assert_eq!(
            Updated::parse(b"[]").unwrap_err(),
            MessageError::NotAnObject
        );
        assert_eq!(
            Updated::parse(b"").unwrap_err(),
            MessageError::Json(JsonError::Incomplete)
        );
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = Described::parse(&payload);
            let _ = Updated::parse(&payload);
            let _ = Pending::parse(&payload).map(|lists| lists.queued.count() + lists.in_progress.count());
            let _ = Rejected::parse(&payload);
        }
    }
}
