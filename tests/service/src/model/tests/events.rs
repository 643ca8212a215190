//! Events: what is told of jobs and executions, and only on request.

use crate::model::request::{DeleteJob, DeleteJobExecution, UpdateEventConfigurations};

use super::*;

fn watched() -> Model {
    with_knobs(Knobs {
        events: true,
        ..Knobs::default()
    })
}

/// The events since the last call, in short.
fn events(model: &mut Model) -> Vec<String> {
    let mut news = news(model);
    news.retain(|line| !line.starts_with("notify") && !line.starts_with("next"));
    news
}

fn payloads(model: &mut Model) -> Vec<Value> {
    let effects = model.take_effects();
    let events = effects.into_iter().filter_map(|effect| match effect {
        Effect::Event(event) => Some(serde_json::to_value(event).unwrap()),
        Effect::Notify { .. } | Effect::NotifyNext { .. } => None,
    });
    events.collect()
}

fn configure(model: &mut Model, body: Value) -> Result<(), ControlError> {
    let request: UpdateEventConfigurations = parsed(json!({ "eventConfigurations": body }));
    model.update_event_configurations(&request, at(1))
}

fn delete(model: &mut Model, id: &str) {
    let request = DeleteJob {
        job_id: id.to_owned(),
        force: true,
        namespace_id: None,
    };
    model.delete_job(&request, at(9)).unwrap();
}

#[test]
fn nothing_is_told_that_was_not_asked_for() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    report(&mut model, "J", "SUCCEEDED", at(1));
    assert_eq!(events(&mut model), [""; 0]);
}

#[test]
fn an_end_is_told_of_the_execution_and_then_of_the_job() {
    for status in ["SUCCEEDED", "FAILED", "REJECTED"] {
        let mut model = watched();
        create(&mut model, "J", json!({}), at(0));
        report(&mut model, "J", "IN_PROGRESS", at(1));
        assert_eq!(events(&mut model), [""; 0]);
        report(&mut model, "J", status, at(2));
        let told = [
            format!("{} J", status.to_lowercase()),
            "completed J".to_owned(),
        ];
        assert_eq!(events(&mut model), told);
    }
}

#[test]
fn a_cancel_is_told_as_it_begins_and_ends() {
    let mut model = watched();
    create(&mut model, "J", json!({}), at(0));
    cancel(&mut model, "J", false, at(1));
    assert_eq!(
        events(&mut model),
        ["cancellation_in_progress J", "canceled J", "canceled J"]
    );
}

#[test]
fn a_deletion_is_told_as_it_begins_and_ends() {
    let mut model = watched();
    create(&mut model, "J", json!({}), at(0));
    delete(&mut model, "J");
    assert_eq!(
        events(&mut model),
        ["deletion_in_progress J", "deleted J", "deleted J"]
    );
}

#[test]
fn a_deleted_execution_leaves_its_job_completed() {
    let mut model = watched();
    create(&mut model, "J", json!({}), at(0));
    let request = DeleteJobExecution {
        job_id: "J".to_owned(),
        thing_name: "gw-1".to_owned(),
        execution_number: 1,
        ..DeleteJobExecution::default()
    };
    model.delete_job_execution(&request, at(1)).unwrap();
    assert_eq!(events(&mut model), ["deleted J", "completed J"]);
}

#[test]
fn timers_and_deleted_things_are_told() {
    let mut model = watched();
    let timeout = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}});
    create(&mut model, "T", timeout, at(0));
    start_next(&mut model, json!({}), at(0));
    model.advance(at(60));
    assert_eq!(events(&mut model), ["timed_out T", "completed T"]);
    create(&mut model, "R", json!({}), at(61));
    model.delete_thing("gw-1", None, at(62)).unwrap();
    assert_eq!(events(&mut model), ["removed R", "completed R"]);
}

#[test]
fn payloads_are_those_of_the_developer_guide() {
    let mut model = watched();
    create(&mut model, "J", json!({"description": "first"}), at(0));
    let details = json!({"status": "SUCCEEDED", "statusDetails": {"step": "done"}});
    update(&mut model, "J", details, at(2)).unwrap();
    let mut payloads = payloads(&mut model);
    for payload in &mut payloads {
        let id = payload["eventId"].take();
        assert_eq!(id.as_str().map(str::len), Some(36), "{payload}");
    }
    let (made, ended) = (NOON * 1000, (NOON + 2) * 1000);
    assert_eq!(
        payloads,
        [
            json!({
                "eventType": "JOB_EXECUTION",
                "eventId": null,
                "timestamp": NOON + 2,
                "operation": "succeeded",
                "jobId": "J",
                "thingArn": thing_arn("gw-1"),
                "status": "SUCCEEDED",
                "executionNumber": 1,
                "statusDetails": {"step": "done"},
            }),
            json!({
                "eventType": "JOB",
                "eventId": null,
                "timestamp": NOON + 2,
                "operation": "completed",
                "jobId": "J",
                "status": "COMPLETED",
                "targetSelection": "SNAPSHOT",
                "targets": [thing_arn("gw-1")],
                "description": "first",
                "completedAt": ended,
                "createdAt": made,
                "lastUpdatedAt": ended,
                "jobProcessDetails": {
                    "numberOfCanceledThings": 0,
                    "numberOfRejectedThings": 0,
                    "numberOfFailedThings": 0,
                    "numberOfRemovedThings": 0,
                    "numberOfSucceededThings": 1,
                    "numberOfTimedOutThings": 0,
                },
            }),
        ]
    );
}

#[test]
fn types_of_events_are_asked_for_one_by_one() {
    let mut model = model();
    configure(&mut model, json!({"JOB": {"Enabled": true}})).unwrap();
    configure(&mut model, json!({"THING": {"Enabled": false}})).unwrap();
    create(&mut model, "J1", json!({}), at(1));
    report(&mut model, "J1", "SUCCEEDED", at(2));
    assert_eq!(events(&mut model), ["completed J1"]);
    configure(
        &mut model,
        json!({"JOB": {"Enabled": false}, "JOB_EXECUTION": {"Enabled": true}}),
    )
    .unwrap();
    create(&mut model, "J2", json!({}), at(3));
    report(&mut model, "J2", "FAILED", at(4));
    assert_eq!(events(&mut model), ["failed J2"]);
    let described = serde_json::to_value(model.event_configurations()).unwrap();
    assert_eq!(
        described["eventConfigurations"]["JOB"],
        json!({"Enabled": false})
    );
    assert_eq!(
        described["eventConfigurations"]["JOB_EXECUTION"],
        json!({"Enabled": true})
    );
    assert_eq!(described["lastModifiedDate"], NOON + 1);
    model.reset();
    assert!(!model.event_configurations().event_configurations["JOB_EXECUTION"].enabled);
}

#[test]
fn other_types_of_events_are_refused() {
    let mut model = model();
    for body in [
        json!(null),
        json!({"JOBS": {"Enabled": true}}),
        json!({"THING": {"Enabled": true}}),
    ] {
        let refused = configure(&mut model, body.clone()).unwrap_err();
        assert_eq!(refused.exception(), "InvalidRequestException", "{body}");
    }
}
