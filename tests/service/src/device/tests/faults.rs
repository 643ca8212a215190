//! What goes wrong on purpose.

use super::*;
use crate::device::faults::{NotificationFault, RequestFault};
use crate::faults::FaultError;
use crate::model::names::ThingName;

impl Bench {
    /// Lets faults of requests stand.
    fn stand(&self, all: Value, seed: u64) {
        let requests = planned(json!([]), all, seed);
        let faults = DeviceFaults::new(requests, Plan::default());
        self.shared.set_faults(faults);
    }

    /// Steps the clock, and lets happen what is due then.
    fn step_to(&self, secs: u64) {
        self.wait_until(secs);
        self.shared.with(|_, _| ());
    }
}

#[test]
fn the_answer_to_a_request_is_lost_and_what_it_asked_for_is_done() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"drop": true}]));
    bench.drain();
    bench.update("J", "SUCCEEDED");
    assert_eq!(bench.topics(), ["notify", "notify-next"]);
    bench.update("J", "SUCCEEDED");
    assert_eq!(bench.topics(), ["J/update/rejected"]);
}

#[test]
fn an_ignored_request_changes_nothing() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"ignore": true}]));
    bench.drain();
    bench.update("J", "SUCCEEDED");
    assert_eq!(bench.topics(), Vec::<String>::new());
    bench.update("J", "SUCCEEDED");
    assert_eq!(
        bench.topics(),
        ["J/update/accepted", "notify", "notify-next"]
    );
}

#[test]
fn a_request_is_answered_twice_and_done_once() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"duplicate": true}]));
    bench.drain();
    bench.publish("start-next", "{}");
    let sent = bench.drain();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0].payload["execution"]["versionNumber"], 2);
}

#[test]
fn a_throttled_request_is_refused_with_its_token_and_not_done() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"code": "RequestThrottled"}, {"code": "InternalError"}]));
    for code in ["RequestThrottled", "InternalError"] {
        let answer = bench.ask("start-next", &json!({"clientToken": "c"}));
        assert_eq!(answer["code"], code);
        assert_eq!(answer["clientToken"], "c");
        assert_eq!(answer["timestamp"], NOON);
    }
    let described = bench.ask("J/get", &json!({}));
    assert_eq!(described["execution"]["status"], "QUEUED");
}

#[test]
fn a_fault_comes_before_the_throttle_and_takes_no_token_and_the_body_comes_last() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.shared.set_rates(Rates {
        data_plane_writes: Some(1),
        ..Rates::default()
    });
    bench.plan(json!([{"ignore": true}, {"code": "InternalError"}]));
    for expected in [
        None,
        Some("InternalError"),
        Some("InvalidJson"),
        Some("RequestThrottled"),
    ] {
        bench.drain();
        bench.publish("J/update", "no JSON");
        let sent = bench.drain();
        let code = sent.first().map(|sent| &sent.payload["code"]);
        assert_eq!(code, expected.map(Value::from).as_ref());
    }
}

#[test]
fn a_device_is_seen_whatever_becomes_of_its_request() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"ignore": true}, {"code": "InternalError"}, {"hideNext": 5}]));
    for secs in NOON + 1..NOON + 5 {
        bench.wait_until(secs);
        // The last one cannot be read.
        let body = if secs < NOON + 4 { "{}" } else { "no JSON" };
        bench.publish("$next/get", body);
        let thing = bench
            .shared
            .look(|model, _| model.inspect_thing("gw-1", None).unwrap());
        assert_eq!(thing.row.last_seen_at, Some(Timestamp::from_secs(secs)));
    }
}

#[test]
fn what_is_next_is_hidden_for_a_while_and_the_job_is_not() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"hideNext": 5}]));
    let is_seen = |answer: Value| answer["execution"].is_object();
    for topic in ["$next/get", "start-next"] {
        assert!(!is_seen(bench.ask(topic, &json!({}))), "{topic}");
    }
    assert_eq!(bench.ask("get", &json!({}))["queuedJobs"], json!([]));
    assert!(is_seen(bench.ask("J/get", &json!({}))));
    bench.wait_until(NOON + 5);
    assert!(is_seen(bench.ask("$next/get", &json!({}))));
}

#[test]
fn a_request_takes_the_first_fault_that_is_for_its_operation() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([
        {"operation": "update", "code": "InternalError"},
        {"operation": "start-next", "ignore": true},
        {"code": "RequestThrottled"},
    ]));
    assert_eq!(
        bench.ask("J/get", &json!({}))["code"],
        json!("RequestThrottled")
    );
    assert!(bench.ask("get", &json!({}))["code"].is_null());
    let body = json!({"status": "IN_PROGRESS"});
    assert_eq!(bench.ask("J/update", &body)["code"], "InternalError");
    bench.drain();
    bench.publish("start-next", "{}");
    assert_eq!(bench.topics(), Vec::<String>::new());
}

#[test]
fn later_requests_share_one_fault() {
    let bench = Bench::at(NOON);
    bench.stand(json!({"code": "RequestThrottled"}), 0);
    for _ in 0..3 {
        assert_eq!(bench.ask("get", &json!({}))["code"], "RequestThrottled");
    }
}

#[test]
fn notifications_are_lost_or_doubled_by_their_kind() {
    let bench = Bench::at(NOON);
    bench.plan_notifications(json!([
        {"kind": "notify-next", "drop": true},
        {"kind": "notify", "duplicate": true},
    ]));
    bench.create(&json!({"jobId": "J"}));
    assert_eq!(bench.topics(), ["notify", "notify"]);
    bench.update("J", "SUCCEEDED");
    assert_eq!(
        bench.topics(),
        ["J/update/accepted", "notify", "notify-next"]
    );
}

#[test]
fn a_late_answer_comes_by_the_clock_as_it_was_made() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"delaySeconds": 5}, {"delaySeconds": 2.5, "code": "InternalError"}]));
    bench.drain();
    bench.update("J", "SUCCEEDED");
    assert_eq!(bench.topics(), ["notify", "notify-next"]);
    bench.publish("get", "{}");
    bench.step_to(NOON + 2);
    assert_eq!(bench.topics(), Vec::<String>::new());
    bench.step_to(NOON + 4);
    assert_eq!(bench.topics(), ["get/rejected"]);
    bench.step_to(NOON + 60);
    let late = bench.drain().remove(0);
    assert_eq!(
        (late.to, late.topic.as_str()),
        (Some(CALLER), "J/update/accepted")
    );
    assert_eq!(late.payload["timestamp"], NOON);
}

#[test]
fn an_answer_changes_places_with_the_next_message() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"holdForMessages": 1}]));
    bench.drain();
    bench.update("J", "SUCCEEDED");
    assert_eq!(
        bench.topics(),
        ["notify", "J/update/accepted", "notify-next"]
    );
}

#[test]
fn a_held_notification_goes_out_after_the_next_or_in_the_end() {
    let bench = Bench::at(NOON);
    let first = json!([{"kind": "notify", "holdForMessages": 1}]);
    bench.plan_notifications(first.clone());
    bench.create(&json!({"jobId": "J"}));
    assert_eq!(bench.topics(), ["notify-next", "notify"]);
    bench.plan_notifications(first);
    bench.create(&json!({"jobId": "K"}));
    assert_eq!(bench.topics(), Vec::<String>::new());
    bench.step_to(NOON + 30);
    assert_eq!(bench.topics(), ["notify"]);
}

#[test]
fn what_is_late_goes_out_before_what_a_later_timer_brings() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J", "timeoutConfig": {"inProgressTimeoutInMinutes": 1}}));
    bench.update("J", "IN_PROGRESS");
    bench.plan(json!([{"delaySeconds": 59}, {"delaySeconds": 61}]));
    bench.publish("get", "{}");
    bench.publish("$next/get", "{}");
    bench.drain();
    bench.step_to(NOON + 120);
    assert_eq!(
        bench.topics(),
        [
            "get/accepted",
            "notify",
            "notify-next",
            "$next/get/accepted"
        ]
    );
}

#[tokio::test]
async fn the_timers_send_what_is_late() {
    let bench = Bench::at(NOON);
    bench.plan(json!([{"delaySeconds": 5}]));
    let clock = bench.shared.clock().clone();
    let stepped = async {
        tokio::task::yield_now().await;
        bench.publish("get", "{}");
        tokio::task::yield_now().await;
        assert_eq!(bench.drain(), []);
        clock.advance(Duration::from_secs(5));
        while bench.sent.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = bench.shared.run_timers() => {}
        () = stepped => {}
    }
    assert_eq!(bench.topics(), ["get/accepted"]);
}

#[test]
fn what_is_held_is_dropped_on_demand() {
    let bench = Bench::at(NOON);
    bench.plan(json!([{"delaySeconds": 5}]));
    bench.publish("get", "{}");
    bench.shared.forget_held();
    bench.step_to(NOON + 60);
    assert_eq!(bench.topics(), Vec::<String>::new());
}

#[test]
fn a_connection_ends_instead_of_an_answer() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([
        {"ignore": true, "closeConnection": true},
        {"code": "InternalError", "closeConnection": true},
        {"closeConnection": true},
    ]));
    bench.drain();
    for sent in [
        &["closed"][..],
        &["closed"],
        &["closed", "notify", "notify-next"],
    ] {
        bench.update("J", "SUCCEEDED");
        assert_eq!(bench.topics(), sent);
    }
}

#[test]
fn the_connections_of_a_thing_end_before_a_notification() {
    let bench = Bench::at(NOON);
    bench.plan_notifications(json!([{"kind": "notify-next", "closeConnection": true}]));
    bench.create(&json!({"jobId": "J"}));
    assert_eq!(bench.topics(), ["notify", "gw-1 closed", "notify-next"]);
}

#[test]
fn what_a_notification_tells_of_is_hidden_for_a_while() {
    let bench = Bench::at(NOON);
    bench.plan_notifications(json!([{"kind": "notify-next", "hideNext": 2.5}]));
    let is_seen = || bench.ask("$next/get", &json!({}))["execution"].is_object();
    bench.create(&json!({"jobId": "J"}));
    assert!(!is_seen());
    bench.wait_until(NOON + 2);
    assert!(!is_seen());
    bench.wait_until(NOON + 3);
    assert!(is_seen());
}

#[test]
fn a_fault_of_another_thing_or_namespace_passes_by() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([
        {"only": "gw-2", "code": "InternalError"},
        {"only": "gw-2", "hideNext": 5},
        {"namespace": "acme", "code": "InternalError"},
        {"namespace": "", "only": "gw-1", "code": "RequestThrottled"},
    ]));
    let code = |topic| bench.ask(topic, &json!({}))["code"].clone();
    assert_eq!(code("J/get"), "RequestThrottled");
    assert_eq!(code("J/get"), Value::Null);
    assert_eq!(code("J/namespace-acme/get"), "InternalError");
    assert!(bench.ask("$next/get", &json!({}))["execution"].is_object());
}

#[test]
fn only_what_one_device_asks_for_is_hidden_from_it() {
    let bench = Bench::at(NOON);
    bench.create(&json!({"jobId": "J"}));
    bench.plan(json!([{"only": "gw-1", "hideNext": 5}]));
    assert_eq!(bench.ask("$next/get", &json!({}))["execution"], Value::Null);
    let faults = bench.shared.faults();
    let now = bench.shared.clock().now();
    let is_hidden = |thing| faults.is_next_hidden(&ThingName::parse(thing).unwrap(), now);
    assert!(is_hidden("gw-1") && !is_hidden("gw-2"));
}

#[test]
fn a_seed_decides_which_requests_fail() {
    let faults = json!([
        {"operation": "update", "code": "InternalError", "chance": 0.25},
        {"drop": true, "chance": 0.25},
    ]);
    let conversation = |seed| {
        let bench = Bench::at(NOON);
        bench.create(&json!({"jobId": "J"}));
        bench.stand(faults.clone(), seed);
        for _ in 0..32 {
            bench.update("J", "IN_PROGRESS");
            bench.publish("get", "{}");
        }
        let log = bench.shared.faults().requests.log().0.clone();
        (bench.topics(), log)
    };
    let (heard, log) = conversation(7);
    assert_eq!(conversation(7), (heard.clone(), log.clone()));
    assert_ne!(conversation(8), (heard.clone(), log.clone()));
    let lost = log.iter().filter(|befallen| befallen.fault["drop"] == true);
    let refused = heard.iter().filter(|topic| *topic == "J/update/rejected");
    let failed = log
        .iter()
        .filter(|befallen| befallen.fault["code"].is_string());
    assert_eq!(refused.count(), failed.count());
    // Two of the messages told of the job; one in four requests is about what is lost.
    assert_eq!(heard.len(), 2 + 64 - lost.clone().count());
    assert!((8..=24).contains(&lost.count()));
}

#[test]
fn faults_without_meaning_or_bound_are_refused() {
    fn check<F: Fault + DeserializeOwned>(next: Value) -> Option<FaultError> {
        Plan::<F>::new(serde_json::from_value(next).unwrap(), Vec::new(), 0).err()
    }
    let requests = check::<RequestFault>;
    let notifications = check::<NotificationFault>;
    let (list, plane) = ("next", "Requests");
    assert_eq!(requests(json!(vec![json!({}); 64])), None);
    assert_eq!(
        requests(json!(vec![json!({}); 65])),
        Some(FaultError::TooMany { list, plane })
    );
    for member in ["hideNext", "delaySeconds"] {
        let refused = Some(FaultError::OutOfTime {
            member,
            min: 0,
            max: 86_400,
        });
        assert_eq!(requests(json!([{ member: 86_401 }])), refused);
        assert_eq!(notifications(json!([{ member: 86_401 }])), refused);
        assert_eq!(requests(json!([{ member: 86_400 }])), None);
    }
    for messages in [0, 1001] {
        let refused = Some(FaultError::OutOfHold { limit: 1000 });
        let held = json!([{ "holdForMessages": messages }]);
        assert_eq!(requests(held.clone()), refused);
        assert_eq!(notifications(held), refused);
    }
    let name = "gw 1".to_owned();
    assert_eq!(
        requests(json!([{ "only": name }])),
        Some(FaultError::NotAThing { name })
    );
}
