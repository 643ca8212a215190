//! Reads messages and documents as AWS prints them, each from a fixture that names its page.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fixture that cannot be read fails the test"
)]

use std::fs;
use std::path::PathBuf;

use iot_jobs_proto::document::{Document, Language};
use iot_jobs_proto::names::{JobIdRef, ThingName};
use iot_jobs_proto::topic::{Inbound, Message, Request, Target, Verdict};
use iot_jobs_proto::wire::error::ErrorCode;
use iot_jobs_proto::wire::response::{Described, Pending, Rejected, Updated};
use iot_jobs_proto::wire::status::Status;
use serde_json::Value;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/device")
}

fn fixture(name: &str) -> Value {
    let text = fs::read(directory().join(name).with_extension("json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn payload(name: &str) -> Vec<u8> {
    fixture(name)["payload"].to_string().into_bytes()
}

fn thing() -> ThingName {
    ThingName::parse("gateway-000123").unwrap()
}

#[test]
fn every_fixture_names_its_page_and_is_readable() {
    let mut seen = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let fixture = fixture(name);
        assert!(fixture["page"].as_str().unwrap().starts_with("https://"));
        match fixture["topic"].as_str() {
            Some(topic) => read_message(topic, fixture["payload"].to_string().as_bytes()),
            None => {
                Document::parse(fixture["document"].to_string().as_bytes()).unwrap();
            }
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen} fixtures");
}

/// Reads a payload as what its topic says it is.
fn read_message(topic: &str, payload: &[u8]) {
    match Inbound::parse(topic, &thing()).unwrap().message {
        Message::Notify => drop(Pending::parse(payload).unwrap()),
        Message::NotifyNext => drop(Described::parse(payload).unwrap()),
        Message::Answer {
            verdict: Verdict::Rejected,
            ..
        } => drop(Rejected::parse(payload).unwrap()),
        Message::Answer { to, .. } => match to {
            Request::Describe(_) | Request::StartNext => drop(Described::parse(payload).unwrap()),
            Request::Pending => drop(Pending::parse(payload).unwrap()),
            Request::Update(_) => drop(Updated::parse(payload).unwrap()),
        },
        Message::Echo(_) => panic!("{topic} is no message of the service"),
    }
}

#[test]
fn an_execution_is_read_whole() {
    let payload = payload("describe-accepted");
    let message = Described::parse(&payload).unwrap();
    assert!(message.client_token.unwrap() == *"t-1");
    assert_eq!(message.timestamp.unwrap().as_i64(), 1_760_000_010);

    let execution = message.execution.unwrap();
    assert_eq!(execution.job_id.as_str(), "firmware-2026-11");
    assert_eq!(execution.execution_number, Some(1));
    assert_eq!(execution.version_number, Some(3));
    assert_eq!(execution.status, Status::InProgress);
    assert_eq!(execution.queued_at.unwrap().as_i64(), 1_760_000_000);
    assert_eq!(execution.started_at.unwrap().as_i64(), 1_760_000_005);
    assert_eq!(execution.seconds_before_timed_out, Some(540));
    let details = execution.status_details.unwrap();
    assert!(details.value("progress").unwrap() == *"40");

    let document = Document::parse(&payload[execution.job_document.unwrap().range()]).unwrap();
    assert_eq!(document.member("sha256").unwrap().sha256(), Ok([0xAB; 32]));
}

#[test]
fn milliseconds_of_old_pages_are_read_as_seconds() {
    let payload = payload("describe-accepted-milliseconds");
    let execution = Described::parse(&payload).unwrap().execution.unwrap();
    assert_eq!(execution.queued_at.unwrap().as_i64(), 1_489_096_425);
    assert_eq!(execution.status, Status::TimedOut);
}

#[test]
fn nothing_pending_is_no_execution() {
    for name in [
        "describe-next-accepted-empty",
        "notify-next-empty",
        "notify-next-outside-window",
    ] {
        assert!(
            Described::parse(&payload(name))
                .unwrap()
                .execution
                .is_none(),
            "{name}"
        );
    }
}

#[test]
fn the_lists_of_get_and_notify_are_read_alike() {
    for name in ["get-accepted", "notify"] {
        let payload = payload(name);
        let pending = Pending::parse(&payload).unwrap();
        let running: Vec<_> = pending.in_progress.collect();
        assert_eq!(running[0].job_id.as_str(), "job-0");
        assert_eq!(running[0].started_at.unwrap().as_i64(), 1_760_000_001);
        let waiting = pending.queued.clone().next().unwrap();
        assert_eq!(waiting.job_id.as_str(), "firmware-2026-11");
    }
}

#[test]
fn empty_lists_are_empty_however_they_are_spelled() {
    for name in [
        "get-accepted-empty",
        "notify-empty",
        "notify-outside-window",
    ] {
        let payload = payload(name);
        let pending = Pending::parse(&payload).unwrap();
        assert_eq!(pending.in_progress.count() + pending.queued.count(), 0);
    }
}

#[test]
fn an_update_answers_with_what_was_asked_for() {
    let bare = payload("update-accepted");
    let bare = Updated::parse(&bare).unwrap();
    assert!(bare.execution_state.is_none() && bare.job_document.is_none());

    let full = payload("update-accepted-state");
    let full = Updated::parse(&full).unwrap();
    assert_eq!(full.execution_state.unwrap().version_number, Some(4));
    assert!(full.job_document.is_some());
}

#[test]
fn rejections_carry_their_code_and_the_state_behind_it() {
    let code = |name: &str| Rejected::parse(&payload(name)).unwrap().code;
    assert_eq!(
        code("describe-rejected-terminal"),
        ErrorCode::TerminalStateReached
    );
    assert_eq!(code("get-rejected-throttled"), ErrorCode::RequestThrottled);

    let canceled = payload("update-rejected-canceled");
    let canceled = Rejected::parse(&canceled).unwrap();
    assert_eq!(canceled.code, ErrorCode::InvalidStateTransition);
    assert_eq!(canceled.execution_state.unwrap().status, Status::Canceled);

    let version = payload("update-rejected-version");
    let version = Rejected::parse(&version).unwrap();
    assert_eq!(version.code, ErrorCode::VersionMismatch);
    assert_eq!(version.execution_state.unwrap().version_number, Some(1));
}

#[test]
fn topics_say_what_the_messages_are() {
    let message = |name: &str| {
        let topic = fixture(name)["topic"].as_str().unwrap().to_owned();
        Inbound::parse(topic.leak(), &thing()).unwrap()
    };
    assert_eq!(
        message("describe-next-accepted").message,
        Message::Answer {
            to: Request::Describe(Target::Next),
            verdict: Verdict::Accepted
        }
    );
    let update = message("update-namespace-accepted");
    assert_eq!(update.namespace.unwrap().as_str(), "fleet-a");
    assert_eq!(
        update.message,
        Message::Answer {
            to: Request::Update(JobIdRef::parse("firmware-2026-11").unwrap()),
            verdict: Verdict::Accepted
        }
    );
    for name in ["notify-namespace", "notify-namespace-api-reference"] {
        assert_eq!(message(name).message, Message::Notify);
        assert_eq!(message(name).namespace.unwrap().as_str(), "fleet-a");
    }
}

#[test]
fn documents_are_in_the_language_that_their_page_describes() {
    let text = |name: &str| fixture(name)["document"].to_string();

    let template = text("document-managed-template");
    let template = Document::parse(template.as_bytes()).unwrap();
    assert!(matches!(template.language(), Ok(Language::Steps)));
    let step = template.member("steps").unwrap().elements().unwrap().next();
    let step = step.unwrap().object().unwrap();
    let action = step.member("action").unwrap().object().unwrap();
    assert!(action.optional("runAsUser").unwrap().is_none());

    let ota = text("document-ota");
    let Ok(Language::AfrOta(ota)) = Document::parse(ota.as_bytes()).unwrap().language() else {
        panic!("no OTA document");
    };
    let file = ota.member("files").unwrap().elements().unwrap().next();
    let file = file.unwrap().object().unwrap();
    assert_eq!(file.member("filesize").unwrap().u64(), Ok(1_048_576));
    assert!(file.optional("update_data_url").unwrap().is_none());

    let operation = text("document-operation");
    let operation = Document::parse(operation.as_bytes()).unwrap();
    assert!(matches!(operation.language(), Ok(Language::Operation(name)) if name == *"reboot"));
    assert_eq!(operation.member("includeStdOut").unwrap().bool(), Ok(true));
}
