//! A service double: the device plane of AWS IoT Jobs as far as a session sees it, over serde_json, sharing no type with the core.

use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use serde_json::{Value, json};

pub(super) const PREFIX: &str = "$aws/things/thing-1/jobs/";

/// One job execution as the service holds it.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) job: String,
    pub(super) number: i64,
    pub(super) status: &'static str,
    pub(super) version: i64,
    pub(super) details: Option<Value>,
    pub(super) document: Value,
    /// Seconds until the job timer ends it; none runs when `None`.
    pub(super) seconds_left: Option<i64>,
    /// Left out of every list, as outside a maintenance window.
    pub(super) hidden: bool,
    /// The terminal statuses that were accepted.
    pub(super) ends: u32,
}

/// What goes wrong with the next request whose topic ends with that.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// It is applied, and the answer is lost.
    LoseAnswer,
    /// It never arrives.
    LoseRequest,
    /// It is refused with this code.
    Refuse(&'static str),
    /// It is refused with this code and this status in `executionState`.
    RefuseWith(&'static str, &'static str),
    /// `$next` is answered as if nothing was pending.
    Empty,
}

#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) executions: Vec<Execution>,
    /// Consumed one by one, by the first request whose topic ends with the text.
    pub(super) faults: Vec<(&'static str, Fault)>,
    /// Every request that arrived.
    pub(super) log: Vec<(String, Value)>,
    /// `/namespace-NS` in requests and `-namespace-NS` in notifications.
    pub(super) namespace: Option<&'static str>,
    /// The first pending execution that was last announced.
    pub(super) announced: Option<(String, i64)>,
    /// No notification is sent.
    pub(super) mute: bool,
}

pub(super) type Messages = Vec<(String, Value)>;

impl Service {
    pub(super) fn queue(&mut self, job: &str) -> Messages {
        let number = 1 + self.executions.iter().filter(|e| e.job == job).count() as i64;
        self.executions.push(Execution {
            job: job.to_string(),
            number,
            status: "QUEUED",
            version: 1,
            details: None,
            document: json!({"operation": "test", "job": job}),
            seconds_left: None,
            hidden: false,
            ends: 0,
        });
        self.notify()
    }

    /// The latest execution of a job.
    pub(super) fn execution(&mut self, job: &str) -> &mut Execution {
        self.executions
            .iter_mut()
            .rev()
            .find(|e| e.job == job)
            .expect("the job exists")
    }

    /// Sets a status as the control plane does.
    pub(super) fn set(&mut self, job: &str, status: &'static str) -> Messages {
        let execution = self.execution(job);
        execution.status = status;
        execution.version += 1;
        self.notify()
    }

    pub(super) fn requests(&self, suffix: &str) -> Vec<Value> {
        self.log
            .iter()
            .filter(|(topic, _)| topic.ends_with(suffix))
            .map(|(_, body)| body.clone())
            .collect()
    }

    fn pending(&self) -> Vec<&Execution> {
        let open = |status: &'static str| {
            self.executions
                .iter()
                .filter(move |e| e.status == status && !e.hidden)
        };
        open("IN_PROGRESS").chain(open("QUEUED")).collect()
    }

    fn summaries(&self, status: &str) -> Value {
        self.pending()
            .iter()
            .filter(|e| e.status == status)
            .map(|e| {
                json!({"jobId": e.job, "executionNumber": e.number, "versionNumber": e.version,
                       "queuedAt": 1_760_000_000, "lastUpdatedAt": 1_760_000_000})
            })
            .collect()
    }

    /// Both notifications, the second one only when another execution is the first.
    pub(super) fn notify(&mut self) -> Messages {
        let first = self.pending().first().map(|e| (e.job.clone(), e.number));
        let mut jobs = json!({});
        for status in ["IN_PROGRESS", "QUEUED"] {
            let list = self.summaries(status);
            if list.as_array().is_some_and(|list| !list.is_empty()) {
                jobs[status] = list;
            }
        }
        let suffix = self
            .namespace
            .map(|ns| format!("-namespace-{ns}"))
            .unwrap_or_default();
        let mut messages = Vec::new();
        messages.push((
            format!("{PREFIX}notify{suffix}"),
            json!({"timestamp": 1_760_000_001, "jobs": jobs}),
        ));
        if first != self.announced {
            let mut body = json!({"timestamp": 1_760_000_001});
            if let Some(first) = self.pending().first() {
                body["execution"] = describe(first, true);
            }
            messages.push((format!("{PREFIX}notify-next{suffix}"), body));
            self.announced = first;
        }
        if self.mute { Vec::new() } else { messages }
    }

    /// Answers a request: the answer first, then notifications.
    pub(super) fn handle(&mut self, topic: &str, body: &Value) -> Messages {
        self.log.push((topic.to_string(), body.clone()));
        let fault = self
            .faults
            .iter()
            .position(|(suffix, _)| topic.ends_with(suffix))
            .map(|index| self.faults.remove(index).1);
        let (mut messages, answer) = match fault {
            Some(Fault::LoseRequest) => return Vec::new(),
            Some(Fault::Refuse(code)) => (Vec::new(), Err(json!({"code": code}))),
            Some(Fault::RefuseWith(code, status)) => (
                Vec::new(),
                Err(json!({"code": code,
                           "executionState": {"status": status, "versionNumber": 9}})),
            ),
            Some(Fault::Empty) => (Vec::new(), Ok(json!({}))),
            Some(Fault::LoseAnswer) => {
                let (messages, _) = self.apply(topic, body);
                return messages;
            }
            None => self.apply(topic, body),
        };
        let (verdict, mut reply) = match answer {
            Ok(reply) => ("accepted", reply),
            Err(reply) => ("rejected", reply),
        };
        reply["clientToken"] = body["clientToken"].clone();
        reply["timestamp"] = json!(1_760_000_002);
        messages.insert(0, (format!("{topic}/{verdict}"), reply));
        messages
    }

    fn apply(&mut self, topic: &str, body: &Value) -> (Messages, Result<Value, Value>) {
        let path = topic.strip_prefix(PREFIX).expect("a Jobs topic");
        let path = match self.namespace {
            Some(ns) => path.replace(&format!("/namespace-{ns}"), ""),
            None => path.to_string(),
        };
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["get"] => (
                Vec::new(),
                Ok(json!({"inProgressJobs": self.summaries("IN_PROGRESS"),
                          "queuedJobs": self.summaries("QUEUED")})),
            ),
            ["$next", "get"] => {
                let answer = self
                    .pending()
                    .first()
                    .map_or(json!({}), |e| json!({"execution": describe(e, true)}));
                (Vec::new(), Ok(answer))
            }
            [job, "get"] => (Vec::new(), self.describe(job, body)),
            [job, "update"] => self.update(job, body),
            other => panic!("no such topic: {other:?}"),
        }
    }

    fn find(&mut self, job: &str, body: &Value) -> Result<&mut Execution, Value> {
        let number = body["executionNumber"].as_i64();
        self.executions
            .iter_mut()
            .rev()
            .find(|e| e.job == job && number.is_none_or(|number| number == e.number))
            .ok_or_else(|| json!({"code": "ResourceNotFound"}))
    }

    fn describe(&mut self, job: &str, body: &Value) -> Result<Value, Value> {
        let execution = self.find(job, body)?;
        if !matches!(execution.status, "QUEUED" | "IN_PROGRESS") {
            return Err(json!({"code": "TerminalStateReached"}));
        }
        let with_document = body["includeJobDocument"].as_bool().unwrap_or(true);
        Ok(json!({"execution": describe(execution, with_document)}))
    }

    fn update(&mut self, job: &str, body: &Value) -> (Messages, Result<Value, Value>) {
        match self.try_update(job, body) {
            Ok(ended) => {
                let first = self.pending().first().map(|e| (e.job.clone(), e.number));
                let messages = if ended || first != self.announced {
                    self.notify()
                } else {
                    Vec::new()
                };
                (messages, Ok(json!({})))
            }
            Err(refusal) => (Vec::new(), Err(refusal)),
        }
    }

    fn try_update(&mut self, job: &str, body: &Value) -> Result<bool, Value> {
        for value in body["statusDetails"].as_object().into_iter().flatten() {
            let text = value.1.as_str().unwrap_or_default();
            if text.is_empty() || text.contains(char::is_control) {
                return Err(json!({"code": "InvalidRequest"}));
            }
        }
        let status = match body["status"].as_str() {
            Some("IN_PROGRESS") => "IN_PROGRESS",
            Some("SUCCEEDED") => "SUCCEEDED",
            Some("FAILED") => "FAILED",
            Some("REJECTED") => "REJECTED",
            _ => return Err(json!({"code": "InvalidRequest"})),
        };
        let execution = self.find(job, body)?;
        let state = json!({"status": execution.status, "versionNumber": execution.version});
        let expected = body["expectedVersion"].as_i64();
        if expected.is_some_and(|expected| expected != execution.version) {
            return Err(json!({"code": "VersionMismatch", "executionState": state}));
        }
        if !matches!(execution.status, "QUEUED" | "IN_PROGRESS") {
            return Err(json!({"code": "InvalidStateTransition", "executionState": state}));
        }
        execution.status = status;
        execution.version += 1;
        if body["statusDetails"].is_object() {
            execution.details = Some(body["statusDetails"].clone());
        }
        let ended = status != "IN_PROGRESS";
        execution.ends += u32::from(ended);
        Ok(ended)
    }
}

fn describe(execution: &Execution, with_document: bool) -> Value {
    let mut described = json!({
        "jobId": execution.job, "status": execution.status,
        "queuedAt": 1_760_000_000, "lastUpdatedAt": 1_760_000_000,
        "versionNumber": execution.version, "executionNumber": execution.number,
    });
    if with_document {
        described["jobDocument"] = execution.document.clone();
    }
    if let Some(details) = &execution.details {
        described["statusDetails"] = details.clone();
    }
    if let Some(seconds) = execution.seconds_left
        && execution.status == "IN_PROGRESS"
    {
        described["approximateSecondsBeforeTimedOut"] = json!(seconds);
    }
    described
}
