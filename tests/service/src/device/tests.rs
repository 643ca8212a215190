//! The device plane, driven by the conversations in `tests/fixtures/service`.

mod again;
mod faults;
mod kept;

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::faults::DeviceFaults;
use super::*;
use crate::clock::Clock;
use crate::faults::{Fault, Plan, Standing};
use crate::model::Knobs;
use crate::model::document::Access;
use crate::model::names::Scope;
use crate::model::request::{
    CancelJob, CreateJob, CreateThing, DeleteJob, UpdateEventConfigurations,
};
use crate::throttle::Rates;

const JOBS: &str = "$aws/things/gw-1/jobs/";
const NOON: u64 = 1_700_000_000;
const CALLER: ConnectionId = ConnectionId(7);

/// What went out: to one connection, or to who subscribed.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    to: Option<ConnectionId>,
    topic: String,
    payload: Value,
}

#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Sent>>);

impl Recorder {
    fn record(&self, to: Option<&ConnectionId>, topic: &str, payload: &Bytes) {
        self.0.lock().unwrap().push(Sent {
            to: to.cloned(),
            topic: topic.strip_prefix(JOBS).unwrap_or(topic).to_owned(),
            payload: serde_json::from_slice(payload).unwrap(),
        });
    }
}

impl Outlet for Recorder {
    fn is_heard(&self, _: &str) -> bool {
        true
    }

    fn payload_limit(&self) -> usize {
        128 * 1024
    }

    fn publish(&self, topic: &str, payload: Bytes) {
        self.record(None, topic, &payload);
    }

    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes) {
        self.record(to, topic, &payload);
    }

    fn disconnect(&self, connection: &ConnectionId) {
        self.record(Some(connection), "closed", &Bytes::from_static(b"{}"));
    }

    fn disconnect_thing(&self, thing: &str) {
        let topic = format!("{thing} closed");
        self.record(None, &topic, &Bytes::from_static(b"{}"));
    }
}

/// Makes URLs of which no two are equal.
#[derive(Default)]
struct Counting(AtomicU64);

impl Presign for Counting {
    fn presign(
        &self,
        _: Access,
        bucket: &str,
        key: &str,
        expires: Duration,
        _now: Timestamp,
    ) -> String {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        format!("https://{bucket}/{key}?{}#{count}", expires.as_secs())
    }
}

/// No device listens.
struct Nobody;

impl Outlet for Nobody {
    fn is_heard(&self, _: &str) -> bool {
        false
    }

    fn payload_limit(&self) -> usize {
        128 * 1024
    }

    fn publish(&self, topic: &str, _: Bytes) {
        panic!("nobody hears {topic}");
    }

    fn reply(&self, _: Option<&ConnectionId>, topic: &str, _: Bytes) {
        panic!("nobody asked for {topic}");
    }

    fn disconnect(&self, connection: &ConnectionId) {
        panic!("nobody is connected as {connection:?}");
    }

    fn disconnect_thing(&self, thing: &str) {
        panic!("{thing} is not connected");
    }
}

struct Bench {
    shared: Shared,
    sent: Arc<Recorder>,
}

impl Bench {
    fn at(secs: u64) -> Self {
        let sent = Arc::new(Recorder::default());
        let outlet = Arc::clone(&sent) as Arc<dyn Outlet>;
        Self::with(secs, sent, outlet, Arc::new(Counting::default()))
    }

    fn with(
        secs: u64,
        sent: Arc<Recorder>,
        outlet: Arc<dyn Outlet>,
        presign: Arc<Counting>,
    ) -> Self {
        let clock = Clock::frozen(Timestamp::from_secs(secs));
        let model = Model::new(Knobs::default());
        let shared = Shared::new(model, clock, presign, outlet);
        let thing = CreateThing {
            thing_name: "gw-1".to_owned(),
            ..CreateThing::default()
        };
        shared.with(|model, now| model.create_thing(&scope(), thing, now).unwrap());
        Self { shared, sent }
    }

    fn wait_until(&self, secs: u64) {
        let clock = self.shared.clock();
        clock.advance(Timestamp::from_secs(secs).since(clock.now()));
    }

    fn create(&self, body: &Value) {
        let mut request: CreateJob = serde_json::from_value(body.clone()).unwrap();
        request.job_id = body["jobId"].as_str().unwrap().to_owned();
        request.targets = Some(vec![
            "arn:aws:iot:eu-west-1:123456789012:thing/gw-1".to_owned(),
        ]);
        request
            .document
            .get_or_insert(r#"{"operation":"test"}"#.to_owned());
        let create = |model: &mut Model, now| model.create_job(&scope(), request, now);
        self.shared.with(create).unwrap();
    }

    fn publish(&self, topic: &str, payload: impl Into<Bytes>) {
        let request = Request {
            connection: Some(CALLER),
            topic: format!("{JOBS}{topic}"),
            payload: payload.into(),
        };
        answer(&self.shared, &request);
    }

    fn update(&self, job: &str, status: &str) {
        let body = json!({ "status": status }).to_string();
        self.publish(&format!("{job}/update"), body);
    }

    /// Plans faults of requests.
    fn plan(&self, faults: Value) {
        let requests = planned(faults, json!([]), 0);
        let faults = DeviceFaults::new(requests, Plan::default());
        self.shared.set_faults(faults);
    }

    /// Plans faults of notifications.
    fn plan_notifications(&self, faults: Value) {
        let notifications = planned(faults, json!([]), 0);
        let faults = DeviceFaults::new(Plan::default(), notifications);
        self.shared.set_faults(faults);
    }

    fn topics(&self) -> Vec<String> {
        self.drain().into_iter().map(|sent| sent.topic).collect()
    }

    fn drain(&self) -> Vec<Sent> {
        core::mem::take(&mut self.sent.0.lock().unwrap())
    }

    /// The answer to a request.
    fn ask(&self, topic: &str, body: &Value) -> Value {
        self.drain();
        self.publish(topic, body.to_string());
        let mut sent = self.drain();
        sent.remove(0).payload
    }
}

fn planned<F: Fault + DeserializeOwned>(next: Value, all: Value, seed: u64) -> Plan<F> {
    let next = serde_json::from_value(next).unwrap();
    let Standing(all) = serde_json::from_value(all).unwrap();
    Plan::new(next, all, seed).unwrap()
}

fn scope() -> Scope {
    Scope {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
    }
}

#[test]
fn what_nobody_hears_is_not_made() {
    let presign = Arc::new(Counting::default());
    let bench = Bench::with(NOON, Arc::default(), Arc::new(Nobody), Arc::clone(&presign));
    bench.create(&json!({
        "jobId": "j",
        "document": r#"{"url":"${aws:iot:s3-presigned-url:https://s3.amazonaws.com/b/k}"}"#,
        "presignedUrlConfig": {"roleArn": "arn:aws:iam::123456789012:role/r"},
    }));
    assert_eq!(presign.0.load(Ordering::Relaxed), 0);
}

#[test]
fn an_answer_that_no_message_can_carry_is_refused_with_its_token() {
    let bench = Bench::at(NOON);
    bench.shared.with(|model, _| {
        let mut knobs = model.knobs();
        knobs.quotas.document_bytes = 128 * 1024;
        model.set_knobs(knobs);
    });
    // So many characters that CreateJob takes it, and four bytes each.
    let document = format!("\"{}\"", "\u{1f600}".repeat(32_766));
    bench.create(&json!({"jobId": "J", "document": document}));
    let answer = bench.ask("J/get", &json!({"clientToken": "c"}));
    assert_eq!(answer["code"], "InternalError");
    assert_eq!(answer["clientToken"], "c");
    let told = answer["message"].as_str().unwrap();
    assert!(told.ends_with("no message has more than 131072"), "{told}");
    let short = json!({"includeJobDocument": false});
    let answer = bench.ask("J/get", &short);
    assert_eq!(answer["execution"]["jobId"], "J");
}

#[test]
fn events_go_to_the_topics_of_their_job() {
    let bench = Bench::at(NOON);
    let asked: UpdateEventConfigurations = serde_json::from_value(json!({
        "eventConfigurations": {"JOB": {"Enabled": true}, "JOB_EXECUTION": {"Enabled": true}},
    }))
    .unwrap();
    let ask = |model: &mut Model, now| model.update_event_configurations(&asked, now);
    bench.shared.with(ask).unwrap();
    bench.create(&json!({"jobId": "J"}));
    bench.update("J", "IN_PROGRESS");
    bench.drain();
    bench.update("J", "SUCCEEDED");
    let sent = bench.drain();
    let topics: Vec<_> = sent.iter().map(|sent| sent.topic.as_str()).collect();
    assert_eq!(
        topics,
        [
            "J/update/accepted",
            "notify",
            "notify-next",
            "$aws/events/jobExecution/J/succeeded",
            "$aws/events/job/J/completed",
        ]
    );
    assert_eq!(sent[3].payload["eventType"], "JOB_EXECUTION");
    assert_eq!(sent[4].payload["status"], "COMPLETED");
}

#[derive(Deserialize)]
struct Conversation {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    at: u64,
    create: Option<Value>,
    delete: Option<Value>,
    publish: Option<(String, Value)>,
    update: Option<(String, String)>,
    sent: Vec<(String, Value)>,
}

fn play(text: &str) {
    let conversation: Conversation = serde_json::from_str(text).unwrap();
    let bench = Bench::at(conversation.steps[0].at);
    for (index, step) in conversation.steps.into_iter().enumerate() {
        bench.wait_until(step.at);
        if let Some(body) = step.create {
            bench.create(&body);
        }
        if let Some(body) = step.delete {
            let request = DeleteJob {
                job_id: body["jobId"].as_str().unwrap().to_owned(),
                force: true,
                namespace_id: None,
            };
            let delete = |model: &mut Model, now| model.delete_job(&request, now);
            bench.shared.with(delete).unwrap();
        }
        if let Some((topic, body)) = step.publish {
            let body = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            bench.publish(&topic, body);
        }
        let updates = step.update.is_some();
        if let Some((job, status)) = step.update {
            bench.update(&job, &status);
        }
        let sent = bench.drain().into_iter().skip(usize::from(updates));
        let sent: Vec<_> = sent
            .map(|mut sent| {
                let timestamp = sent.payload.as_object_mut().unwrap().remove("timestamp");
                assert_eq!(timestamp, Some(json!(step.at)), "step {index}");
                (sent.topic, sent.payload)
            })
            .collect();
        assert_eq!(sent, step.sent, "step {index}");
    }
}

#[test]
fn notifications_follow_the_walk_through_of_the_developer_guide() {
    play(include_str!("../../../fixtures/service/notifications.json"));
}

#[test]
fn every_request_is_answered_in_the_shape_of_its_page() {
    play(include_str!(
        "../../../fixtures/service/device-messages.json"
    ));
}

#[test]
fn namespaces_share_a_queue_but_no_lists() {
    play(include_str!("../../../fixtures/service/namespaces.json"));
}

#[test]
fn answers_go_to_who_asked_and_notifications_to_who_subscribed() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.drain();
    bench.update("J", "SUCCEEDED");
    let sent: Vec<_> = bench
        .drain()
        .into_iter()
        .map(|sent| (sent.to, sent.topic))
        .collect();
    assert_eq!(
        sent,
        [
            (Some(CALLER), "J/update/accepted".to_owned()),
            (None, "notify".to_owned()),
            (None, "notify-next".to_owned()),
        ]
    );
}

#[test]
fn every_read_of_a_document_makes_fresh_urls() {
    let bench = Bench::at(NOON);
    bench.create(&json!({
        "jobId": "J",
        "document": r#"{"url":"${aws:iot:s3-presigned-url:https://s3.amazonaws.com/fw/a.bin}"}"#,
        "presignedUrlConfig": {
            "roleArn": "arn:aws:iam::123456789012:role/jobs-download",
            "expiresInSec": 300,
        },
    }));
    let pushed = bench.drain().remove(1).payload;
    let asked = bench.ask("J/get", &json!({}));
    let url = |message: &Value| message["execution"]["jobDocument"]["url"].clone();
    assert_eq!(url(&pushed), "https://fw/a.bin?300#0");
    assert_eq!(url(&asked), "https://fw/a.bin?300#1");
}

#[test]
fn the_refusal_of_the_longest_request_is_one_that_mqtt_carries() {
    const PAYLOAD_LIMIT: usize = 128 * 1024;
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    let many: serde_json::Map<_, _> = (0..10_000).map(|n| (n.to_string(), json!([]))).collect();
    let long = json!({"\u{1}".repeat(10_000): "\u{1}".repeat(10_000)});
    for details in [Value::Object(many), long] {
        let body = json!({"status": "FAILED", "statusDetails": details});
        assert!(body.to_string().len() <= PAYLOAD_LIMIT);
        let answer = bench.ask("J/update", &body);
        assert_eq!(answer["code"], "InvalidRequest");
        assert!(answer.to_string().len() <= PAYLOAD_LIMIT);
    }
}

#[test]
fn a_client_token_is_echoed_as_it_came() {
    let bench = Bench::at(NOON);
    for token in ["", "ü \"quoted\" \\ \u{1f680}", &"t".repeat(4096)] {
        let answer = bench.ask("get", &json!({ "clientToken": token }));
        assert_eq!(answer["clientToken"], token);
    }
}

#[test]
fn a_client_token_too_long_to_be_echoed_is_refused_and_not_echoed() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    let token = "t".repeat(4097);
    for topic in ["get", "start-next", "$next/get", "J/get", "J/update"] {
        let body = json!({"clientToken": token, "status": "FAILED"});
        let answer = bench.ask(topic, &body);
        assert_eq!(answer["code"], "InvalidRequest", "{topic}");
        assert_eq!(answer.get("clientToken"), None, "{topic}");
        assert!(answer.to_string().len() < 1000, "{topic}");
    }
}

#[test]
fn all_that_is_wrong_with_a_request_is_told_at_once() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    let answer = bench.ask(
        "J/update",
        &json!({
            "clientToken": "t",
            "expectedVersion": "one",
            "includeJobDocument": "yes",
            "status": "DONE",
            "statusDetails": {"a b": "c"},
            "stepTimeoutInMinutes": 0,
        }),
    );
    assert_eq!(
        (&answer["code"], &answer["clientToken"]),
        (&json!("InvalidRequest"), &json!("t"))
    );
    let expected = [
        "5 validation errors detected: Value '\"one\"' at 'expectedVersion' failed to satisfy \
         constraint: Member must be an integer",
        "Value '\"yes\"' at 'includeJobDocument' failed to satisfy constraint: Member must be a \
         boolean",
        "Value '{a b=c}' at 'statusDetails' failed to satisfy constraint: Map keys must satisfy \
         constraint: [Member must have length less than or equal to 128, Member must have length \
         greater than or equal to 1, Member must satisfy regular expression pattern: \
         [a-zA-Z0-9:_-]+]",
        "Value '0' at 'stepTimeoutInMinutes' failed to satisfy constraint: Member must have value \
         greater than or equal to 1",
        "Value 'DONE' at 'status' failed to satisfy constraint: Member must satisfy enum value \
         set: [",
    ];
    let message = answer["message"].as_str().unwrap();
    assert!(message.starts_with(&expected.join("; ")), "{message}");
}

#[test]
fn a_status_is_missing_or_wrong_but_not_both() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    for (body, expected) in [
        (
            json!({"stepTimeoutInMinutes": "soon"}),
            "2 validation errors detected: Value null at 'status' failed to satisfy constraint: \
             Member must not be null; Value '\"soon\"' at 'stepTimeoutInMinutes' failed to satisfy \
             constraint: Member must be an integer",
        ),
        (
            json!({"status": 7}),
            "1 validation error detected: Value '7' at 'status' failed to satisfy constraint: \
             Member must be a string",
        ),
    ] {
        assert_eq!(bench.ask("J/update", &body)["message"], expected);
    }
}

#[test]
fn a_request_beyond_the_rate_is_rejected_until_the_clock_moves() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.shared.set_rates(Rates {
        data_plane_reads: Some(2),
        data_plane_writes: Some(1),
        ..Rates::default()
    });
    bench.ask("get", &json!({}));
    bench.ask("$next/get", &json!({}));
    let reads = ["get", "J/get", "$next/get", "no-such/get"];
    for topic in reads {
        let answer = bench.ask(topic, &json!({"clientToken": "t"}));
        let expected = json!({
            "code": "RequestThrottled", "message": "Rate exceeded", "clientToken": "t",
            "timestamp": NOON,
        });
        assert_eq!(answer, expected, "{topic}");
    }
    assert_eq!(
        bench.ask("start-next", &json!({}))["execution"]["jobId"],
        "J"
    );
    bench.drain();
    let answer = bench.ask("J/update", &json!({"status": "SUCCEEDED"}));
    assert_eq!(answer["code"], "RequestThrottled");
    bench.wait_until(NOON + 1);
    let answer = bench.ask("J/get", &json!({}));
    assert_eq!(answer["execution"]["status"], "IN_PROGRESS");
}

#[test]
fn bodies_that_are_no_objects_are_invalid_json() {
    let bench = Bench::at(NOON);
    for payload in ["{", "[]", "null", "7", "{} {}", "\u{0}"] {
        bench.publish("get", payload);
        assert_eq!(bench.drain()[0].payload["code"], "InvalidJson", "{payload}");
    }
    bench.publish("get", vec![b'{', 0xff, b'}']);
    assert_eq!(bench.drain()[0].payload["code"], "InvalidJson");
    bench.publish("get", "[".repeat(100_000));
    assert_eq!(bench.drain()[0].payload["code"], "InvalidJson");
}

#[test]
fn members_of_the_wrong_type_are_invalid_requests() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    for (topic, body) in [
        ("get", json!({"clientToken": 7})),
        ("J/get", json!({"includeJobDocument": "yes"})),
        ("J/get", json!({"executionNumber": "one"})),
        ("J/update", json!({"status": 7})),
        ("J/update", json!({"status": "DONE"})),
        (
            "J/update",
            json!({"status": "SUCCEEDED", "expectedVersion": "1.5"}),
        ),
        (
            "J/update",
            json!({"status": "SUCCEEDED", "stepTimeoutInMinutes": 0}),
        ),
        (
            "J/update",
            json!({"status": "SUCCEEDED", "stepTimeoutInMinutes": 10_081}),
        ),
        (
            "J/update",
            json!({"status": "SUCCEEDED", "statusDetails": {"a b": "c"}}),
        ),
        ("start-next", json!({"stepTimeoutInMinutes": -2})),
        ("start-next", json!({"statusDetails": []})),
    ] {
        assert_eq!(bench.ask(topic, &body)["code"], "InvalidRequest", "{body}");
    }
}

#[test]
fn null_members_are_as_good_as_absent() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    let body = json!({"includeJobDocument": null, "executionNumber": null, "clientToken": null});
    let answer = bench.ask("J/get", &body);
    assert_eq!(answer["execution"]["jobId"], "J");
    assert_eq!(answer.get("clientToken"), None);
}

#[test]
fn a_document_that_is_no_object_is_told_as_it_is() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J", "document": "[1,null]"}));
    let answer = bench.ask("J/get", &json!({}));
    assert_eq!(answer["execution"]["jobDocument"], json!([1, null]));
}

#[test]
fn a_device_learns_of_a_forced_cancel_from_its_next_update() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.update("J", "IN_PROGRESS");
    let request = CancelJob {
        job_id: "J".to_owned(),
        force: true,
        ..CancelJob::default()
    };
    let cancel = |model: &mut Model, now| model.cancel_job(&scope(), request, now);
    bench.shared.with(cancel).unwrap();

    let answer = bench.ask("J/update", &json!({"status": "IN_PROGRESS"}));
    assert_eq!(answer["code"], "InvalidStateTransition");
    assert_eq!(
        answer["executionState"],
        json!({"status": "CANCELED", "versionNumber": 3})
    );
}

#[test]
fn topics_of_other_services_get_no_answer() {
    let bench = Bench::at(NOON);
    let request = Request {
        connection: Some(CALLER),
        topic: "$aws/things/gw-1/shadow/get".to_owned(),
        payload: Bytes::new(),
    };
    answer(&bench.shared, &request);
    assert_eq!(bench.drain(), []);
}

#[test]
fn urls_live_an_hour_unless_the_job_says_otherwise() {
    let bench = Bench::at(NOON);
    bench.create(&json!({
        "jobId": "J",
        "document": r#"["${aws:iot:s3-presigned-url:s3://fw/a}"]"#,
        "presignedUrlConfig": {"roleArn": "arn:aws:iam::123456789012:role/r"},
    }));
    let answer = bench.ask("J/get", &json!({}));
    assert_eq!(answer["execution"]["jobDocument"][0], "https://fw/a?3600#1");
}

#[tokio::test]
async fn a_stepped_clock_wakes_the_timers() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J", "timeoutConfig": {"inProgressTimeoutInMinutes": 10}}));
    bench.update("J", "IN_PROGRESS");
    bench.drain();
    let clock = bench.shared.clock().clone();
    let stepped = async {
        clock.advance(Duration::from_secs(599));
        tokio::task::yield_now().await;
        assert_eq!(bench.drain(), []);
        clock.advance(Duration::from_secs(1));
        while bench.sent.0.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = bench.shared.run_timers() => {}
        () = stepped => {}
    }
    let topics: Vec<_> = bench.drain().into_iter().map(|sent| sent.topic).collect();
    assert_eq!(topics, ["notify", "notify-next"]);
}

#[test]
fn a_timer_that_is_due_fires_before_a_late_report() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J", "timeoutConfig": {"inProgressTimeoutInMinutes": 1}}));
    bench.update("J", "IN_PROGRESS");
    bench.drain();
    bench.wait_until(NOON + 60);
    bench.update("J", "SUCCEEDED");
    let sent = bench.drain();
    let topics: Vec<_> = sent.iter().map(|sent| sent.topic.as_str()).collect();
    assert_eq!(topics, ["notify", "notify-next", "J/update/rejected"]);
    assert_eq!(sent[2].payload["executionState"]["status"], "TIMED_OUT");
}

#[tokio::test]
async fn requests_are_answered_until_the_broker_is_gone() {
    let bench = Bench::at(NOON);
    let (broker, requests) = mpsc::channel(2);
    for topic in ["get", "start-next"] {
        let request = Request {
            connection: None,
            topic: format!("{JOBS}{topic}"),
            payload: Bytes::new(),
        };
        broker.send(request).await.unwrap();
    }
    drop(broker);
    serve(bench.shared.clone(), requests).await;
    let topics: Vec<_> = bench.drain().into_iter().map(|sent| sent.topic).collect();
    assert_eq!(topics, ["get/accepted", "start-next/accepted"]);
}

/// Levels that mean something somewhere, and some that do not.
fn level() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("get".to_owned()),
        Just("update".to_owned()),
        Just("start-next".to_owned()),
        Just("$next".to_owned()),
        Just("J".to_owned()),
        Just("namespace-acme".to_owned()),
        "[a-c$/+# ]{0,8}",
    ]
}

/// Bodies whose members have any type.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let member = prop_oneof![
        Just("clientToken"),
        Just("status"),
        Just("statusDetails"),
        Just("expectedVersion"),
        Just("executionNumber"),
        Just("stepTimeoutInMinutes"),
        Just("includeJobDocument"),
        Just("includeJobExecutionState"),
    ];
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "IN_PROGRESS|FAILED|QUEUED|7|\\PC*".prop_map(Value::from),
        vec(("\\PC{0,4}", ".{0,4}"), 0..12).prop_map(|pairs| pairs.into_iter().collect()),
    ];
    let object = vec((member, value), 0..6).prop_map(|members| {
        let object: Value = members.into_iter().collect();
        object.to_string().into_bytes()
    });
    prop_oneof![8 => object, 1 => any::<Vec<u8>>()]
}

proptest! {
    #[test]
    fn every_jobs_request_gets_one_answer_whatever_it_says(
        requests in vec((vec(level(), 1..5), body()), 1..8),
    ) {
        let bench = Bench::at(NOON);
        bench.create(&json!({"jobId": "J"}));
        for (levels, body) in requests {
            bench.drain();
            let topic = levels.join("/");
            bench.publish(&topic, body);
            let mut sent = bench.drain();
            let verdict = sent.remove(0);
            prop_assert_eq!(verdict.to, Some(CALLER));
            let answers = ["accepted", "rejected"].map(|answer| format!("{topic}/{answer}"));
            prop_assert!(answers.contains(&verdict.topic));
            prop_assert!(sent.iter().all(|sent| sent.to.is_none()));
        }
    }
}
