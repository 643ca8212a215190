//! The messages of the device plane as JSON.
//!
//! Every answer and notification carries the time at which it was made; answers echo the client
//! token of their request as it was, or carry none.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::model::document::Presign;
use crate::model::error::DeviceError;
use crate::model::events::Event;
use crate::model::operation::{
    CLIENT_TOKEN, JobExecution, Pending, PendingSummary, Updated, client_token,
};
use crate::model::time::Timestamp;

type Object = Map<String, Value>;

/// The body of a request.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) members: Object,
    /// The client token, if it can be echoed.
    pub(super) token: Option<String>,
}

/// A body that is no JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotAnObject;

impl Body {
    /// Reads a body; an empty one is as good as `{}`.
    pub(super) fn read(payload: &[u8]) -> Result<Self, NotAnObject> {
        let payload = if payload.is_empty() { b"{}" } else { payload };
        let Ok(Value::Object(members)) = serde_json::from_slice(payload) else {
            return Err(NotAnObject);
        };
        let token = client_token(&members).cloned();
        Ok(Self { members, token })
    }
}

impl NotAnObject {
    /// The `code` and `message` of the answer.
    pub(super) fn told(&self) -> (&'static str, &'static str) {
        ("InvalidJson", "The payload is not a JSON object")
    }
}

/// The members of an accepted answer that depend on the operation.
pub(super) type Answer = Object;

pub(super) fn pending(pending: &Pending) -> Answer {
    object(json!({
        "inProgressJobs": summaries(&pending.in_progress_jobs),
        "queuedJobs": summaries(&pending.queued_jobs),
    }))
}

pub(super) fn execution(
    execution: Option<&JobExecution>,
    presign: &dyn Presign,
    now: Timestamp,
) -> Answer {
    match execution {
        Some(execution) => object(json!({ "execution": execution.to_mqtt(presign, now) })),
        None => Object::new(),
    }
}

pub(super) fn updated(updated: &Updated, presign: &dyn Presign, now: Timestamp) -> Answer {
    let mut answer = Object::new();
    if let Some(state) = &updated.state {
        answer.insert("executionState".to_owned(), json!(state));
    }
    if let Some(document) = &updated.document {
        answer.insert("jobDocument".to_owned(), document.to_object(presign, now));
    }
    answer
}

/// An accepted answer.
pub(super) fn accepted(answer: Answer, token: Option<&String>, now: Timestamp) -> Bytes {
    stamped(answer, token, now)
}

/// A rejected answer.
pub(super) fn rejected(error: &DeviceError, token: Option<&String>, now: Timestamp) -> Bytes {
    let mut answer = object(json!({"code": error.code(), "message": error.to_string()}));
    if let Some(state) = error.state() {
        answer.insert("executionState".to_owned(), json!(state));
    }
    stamped(answer, token, now)
}

/// A rejected answer to what could not be read.
pub(super) fn unreadable(
    code: &str,
    message: &str,
    token: Option<&String>,
    now: Timestamp,
) -> Bytes {
    stamped(
        object(json!({"code": code, "message": message})),
        token,
        now,
    )
}

/// A notification of what is pending; lists without entries are left out.
pub(super) fn notify(pending: &Pending, now: Timestamp) -> Bytes {
    let lists = [
        ("IN_PROGRESS", &pending.in_progress_jobs),
        ("QUEUED", &pending.queued_jobs),
    ];
    let jobs: Object = lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(status, list)| (status.to_owned(), summaries(list)))
        .collect();
    stamped(object(json!({ "jobs": jobs })), None, now)
}

/// A notification of what is first.
pub(super) fn notify_next(
    next: Option<&JobExecution>,
    presign: &dyn Presign,
    now: Timestamp,
) -> Bytes {
    stamped(execution(next, presign, now), None, now)
}

/// An event, which carries the time at which it came about.
pub(super) fn event(event: &Event) -> Bytes {
    json!(event).to_string().into()
}

fn stamped(mut message: Object, token: Option<&String>, now: Timestamp) -> Bytes {
    message.insert("timestamp".to_owned(), json!(now));
    if let Some(token) = token {
        message.insert(CLIENT_TOKEN.to_owned(), json!(token));
    }
    Value::Object(message).to_string().into()
}

fn summaries(list: &[PendingSummary]) -> Value {
    json!(list)
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Object::new()
        }
    }
}
