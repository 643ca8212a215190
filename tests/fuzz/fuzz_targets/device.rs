//! Any publishes of a device, one after the other: each request is answered once, in the shape that the
//! device plane has, and the model stays whole.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use iot_jobs_fuzz::script;
use iot_jobs_fuzz::stage::{Message, PAYLOAD_LIMIT, Stage};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LONGEST_WAIT: u64 = 40 * 24 * 3600;
/// Developer guide, jobs-mqtt-api, ErrorResponse; `InternalError` is for no request to cause.
const CODES: [&str; 7] = [
    "InvalidJson",
    "InvalidRequest",
    "InvalidStateTransition",
    "InvalidTopic",
    "ResourceNotFound",
    "TerminalStateReached",
    "VersionMismatch",
];

fuzz_target!(|text: &[u8]| {
    let stage = Stage::set();
    for part in script::parts(text) {
        let (topic, payload) = script::first_line(part);
        let Ok(topic) = std::str::from_utf8(topic) else {
            continue;
        };
        if let Some(seconds) = topic.strip_prefix("WAIT ") {
            let seconds: u64 = seconds.trim().parse().unwrap_or(1);
            stage.wait(Duration::from_secs(seconds % LONGEST_WAIT));
            continue;
        }
        let said = stage.publish(topic, Bytes::copy_from_slice(payload));
        check(topic, payload, &said);
    }
});

fn check(topic: &str, payload: &[u8], said: &[Message]) {
    for message in said {
        let body: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        assert!(
            body.is_object() && body["timestamp"].is_u64(),
            "{}",
            message.topic
        );
        assert!(message.payload.len() <= PAYLOAD_LIMIT, "{}", message.topic);
        let is_ours = ["$aws/things/", "$aws/events/"]
            .iter()
            .any(|root| message.topic.starts_with(root));
        assert!(is_ours, "{}", message.topic);
    }
    let answers: Vec<_> = said.iter().filter(|message| message.is_answer).collect();
    assert_eq!(answers.len(), usize::from(is_request(topic)), "{topic}");
    let Some(answer) = answers.first() else {
        assert!(said.is_empty(), "{topic} changed something");
        return;
    };
    let verdict = answer
        .topic
        .strip_prefix(topic)
        .expect("the topic that was asked");
    let body: Value = serde_json::from_slice(&answer.payload).expect("JSON");
    match verdict {
        "/accepted" => assert!(body.get("code").is_none(), "{body}"),
        "/rejected" => {
            let code = body["code"].as_str().unwrap_or_default();
            assert!(CODES.contains(&code), "{body}");
            assert!(body["message"].is_string(), "{body}");
        }
        other => panic!("{topic} is answered on {other}"),
    }
    let asked: Value = match payload {
        [] => Value::Null,
        payload => serde_json::from_slice(payload).unwrap_or_default(),
    };
    let token = asked.get("clientToken").filter(|token| token.is_string());
    assert_eq!(body.get("clientToken"), token, "{body}");
}

/// Whether a topic deserves an answer: it is among those of Jobs, and not one that the service itself
/// publishes on.
fn is_request(topic: &str) -> bool {
    let levels: Vec<_> = topic.split('/').collect();
    let ["$aws", "things", _, "jobs", rest @ ..] = levels.as_slice() else {
        return false;
    };
    match rest {
        [.., "accepted" | "rejected"] => false,
        [notice] | [_, notice, ""] => !notice.starts_with("notify"),
        _ => true,
    }
}
