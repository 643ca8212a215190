//! The life of an execution: states, versions, timers, and the order in which errors are found.

use crate::model::error::ControlError;
use crate::model::operation::{Describe, Selector};
use crate::model::request::{CancelJobExecution, DeleteJobExecution, UpdateThing};
use crate::model::status::ExecutionStatus;

use super::*;

fn cancel_execution(
    model: &mut Model,
    members: Value,
    force: bool,
    now: Timestamp,
) -> Result<(), ControlError> {
    model.cancel_job_execution(cancel_request(members, force), now)
}

fn cancel_request(members: Value, force: bool) -> CancelJobExecution {
    let request: CancelJobExecution = serde_json::from_value(members).unwrap();
    CancelJobExecution {
        job_id: "J".to_owned(),
        thing_name: "gw-1".to_owned(),
        force,
        ..request
    }
}

fn delete_execution(model: &mut Model, number: i64, force: bool) -> Result<(), ControlError> {
    let request = DeleteJobExecution {
        job_id: "J".to_owned(),
        thing_name: "gw-1".to_owned(),
        execution_number: number,
        force,
        namespace_id: None,
    };
    model.delete_job_execution(&request, at(9))
}

fn describe(model: &Model, which: &str, body: Value) -> Result<Option<JobExecution>, DeviceError> {
    let which = if which == "$next" {
        Selector::Next
    } else {
        Selector::Job(job(which))
    };
    let request = Describe::parse(&object(body));
    model.describe(&thing("gw-1"), None, &which, &request, at(0))
}

/// A model whose job J is in `status`.
fn model_in(status: ExecutionStatus) -> Model {
    let mut model = model();
    let timeout = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}});
    create(&mut model, "J", timeout, at(0));
    match status {
        ExecutionStatus::Queued => {}
        ExecutionStatus::Canceled => cancel(&mut model, "J", true, at(1)),
        ExecutionStatus::Removed => model.delete_thing("gw-1", None, at(1)).unwrap(),
        ExecutionStatus::TimedOut => {
            report(&mut model, "J", "IN_PROGRESS", at(1));
            model.advance(at(61));
        }
        ExecutionStatus::Failed
        | ExecutionStatus::InProgress
        | ExecutionStatus::Rejected
        | ExecutionStatus::Succeeded => report(&mut model, "J", status.as_str(), at(1)),
    }
    assert_eq!(execution(&model, "J").status, status);
    model
}

#[test]
fn a_device_may_report_from_any_pending_state_to_its_own_states() {
    for from in [ExecutionStatus::Queued, ExecutionStatus::InProgress] {
        for to in ["IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED"] {
            let mut model = model_in(from);
            report(&mut model, "J", to, at(2));
            assert_eq!(status(&model, "J"), to);
        }
    }
}

#[test]
fn a_device_may_not_set_the_states_of_the_service() {
    for to in ["QUEUED", "CANCELED", "TIMED_OUT", "REMOVED"] {
        let mut model = model_in(ExecutionStatus::InProgress);
        assert_eq!(
            update(&mut model, "J", json!({ "status": to }), at(2)),
            Err(DeviceError::InvalidStateTransition {
                message: format!("The status of job execution cannot be changed to be {to}"),
                state: None,
            })
        );
    }
}

#[test]
fn no_terminal_state_is_left() {
    for from in ExecutionStatus::ALL {
        if from.is_pending() {
            continue;
        }
        let mut model = model_in(from);
        let before = execution(&model, "J");
        for to in ["IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED"] {
            let refused = update(&mut model, "J", json!({ "status": to }), at(70));
            let Err(DeviceError::InvalidStateTransition { state, .. }) = refused else {
                panic!("{from:?} to {to}: {refused:?}");
            };
            assert_eq!(state.unwrap().status, from);
        }
        assert_eq!(execution(&model, "J"), before);
    }
}

#[test]
fn a_finished_execution_cannot_be_described_by_its_device() {
    for from in ExecutionStatus::ALL {
        let described = describe(&model_in(from), "J", json!({}));
        if from.is_pending() {
            assert_eq!(described.unwrap().unwrap().status, from);
        } else {
            assert_eq!(described, Err(DeviceError::TerminalStateReached));
        }
    }
}

#[test]
fn every_accepted_change_raises_the_version_by_one() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    let mut versions = vec![execution(&model, "J").version_number];
    start_next(&mut model, json!({}), at(1));
    versions.push(execution(&model, "J").version_number);
    for status in ["IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED"] {
        report(&mut model, "J", status, at(2));
        versions.push(execution(&model, "J").version_number);
    }
    assert_eq!(versions, [1, 2, 3, 4, 5]);
}

#[test]
fn a_refused_update_changes_nothing() {
    let mut model = model_in(ExecutionStatus::InProgress);
    let before = execution(&model, "J");
    for body in [
        json!({"status": "SUCCEEDED", "expectedVersion": 9}),
        json!({"status": "SUCCEEDED", "executionNumber": 2}),
        json!({"status": "SUCCEEDED", "statusDetails": {"k": ""}}),
        json!({"status": "TIMED_OUT"}),
    ] {
        update(&mut model, "J", body, at(5)).unwrap_err();
    }
    assert_eq!(execution(&model, "J"), before);
}

#[test]
fn faults_are_found_in_the_order_of_the_service() {
    // Each request has one fault less than the one before.
    let mut model = model_in(ExecutionStatus::Succeeded);
    let codes: Vec<_> = [
        (
            "K",
            json!({"status": "QUEUED", "expectedVersion": 9, "statusDetails": {"k": ""}}),
        ),
        ("K", json!({"status": "QUEUED", "expectedVersion": 9})),
        ("K", json!({"status": "FAILED", "expectedVersion": 9})),
        ("J", json!({"status": "FAILED", "expectedVersion": 9})),
        ("J", json!({"status": "FAILED"})),
    ]
    .into_iter()
    .map(|(id, body)| update(&mut model, id, body, at(5)).unwrap_err().code())
    .collect();
    assert_eq!(
        codes,
        [
            "InvalidRequest",
            "InvalidStateTransition",
            "ResourceNotFound",
            "VersionMismatch",
            "InvalidStateTransition",
        ]
    );
}

#[test]
fn all_faults_of_shape_are_told_at_once() {
    let mut model = model();
    let body = json!({"status": "DONE", "statusDetails": {"k": ""}, "stepTimeoutInMinutes": 0});
    let Err(DeviceError::InvalidRequest(message)) = update(&mut model, "J", body, at(0)) else {
        panic!("accepted");
    };
    assert!(
        message.starts_with("3 validation errors detected: "),
        "{message}"
    );
}

#[test]
fn status_details_replace_the_whole_map() {
    let mut model = model_in(ExecutionStatus::InProgress);
    for details in [json!({"a": "1", "b": "2"}), json!({"c": "3"})] {
        let body = json!({"status": "IN_PROGRESS", "statusDetails": details});
        update(&mut model, "J", body, at(2)).unwrap();
    }
    let details = execution(&model, "J").status_details.unwrap().details_map;
    assert_eq!(details, [("c".to_owned(), "3".to_owned())].into());
}

#[test]
fn starting_what_is_started_returns_it_unchanged() {
    let mut model = model();
    let timeout = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 10}});
    create(&mut model, "J", timeout, at(0));
    start_next(&mut model, json!({"statusDetails": {"a": "1"}}), at(1));
    let before = execution(&model, "J");
    let again = json!({"statusDetails": {"a": "2"}, "stepTimeoutInMinutes": 1});
    let handed = start_next(&mut model, again, at(100)).unwrap();
    assert_eq!(handed.version_number, 2);
    assert_eq!(execution(&model, "J"), before);
    assert_eq!(model.next_deadline(), Some(at(601)));
}

#[test]
fn a_step_timer_may_be_refused_with_minus_one_at_the_start() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    start_next(&mut model, json!({"stepTimeoutInMinutes": -1}), at(1));
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn the_seconds_left_are_told_only_while_a_timer_runs() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    let left = |model: &Model| execution(model, "J").approximate_seconds_before_timed_out;
    report(&mut model, "J", "IN_PROGRESS", at(0));
    assert_eq!(left(&model), None);
    let step = json!({"status": "IN_PROGRESS", "stepTimeoutInMinutes": 2});
    update(&mut model, "J", step, at(0)).unwrap();
    assert_eq!(left(&model), Some(120));
    report(&mut model, "J", "FAILED", at(0));
    assert_eq!(left(&model), None);
}

#[test]
fn a_time_out_bears_the_time_at_which_its_timer_ended() {
    let mut model = model_in(ExecutionStatus::InProgress);
    model.advance(at(60));
    assert_eq!(status(&model, "J"), "IN_PROGRESS");
    model.advance(at(86_400));
    let execution = execution(&model, "J");
    assert_eq!(execution.status, ExecutionStatus::TimedOut);
    assert_eq!(execution.last_updated_at, at(61));
    assert_eq!(execution.version_number, 3);
}

#[test]
fn an_execution_that_ended_does_not_time_out() {
    let mut model = model_in(ExecutionStatus::InProgress);
    report(&mut model, "J", "SUCCEEDED", at(2));
    assert_eq!(model.next_deadline(), None);
    model.advance(at(86_400));
    assert_eq!(status(&model, "J"), "SUCCEEDED");
}

#[test]
fn a_cancel_without_force_leaves_what_is_in_progress() {
    let mut model = model_in(ExecutionStatus::InProgress);
    assert_eq!(
        cancel_execution(&mut model, json!({}), false, at(2)),
        Err(ControlError::InvalidStateTransition(
            "Job execution for thing gw-1 within job J cannot be canceled.".to_owned()
        ))
    );
    cancel(&mut model, "J", false, at(2));
    report(&mut model, "J", "SUCCEEDED", at(3));
    assert_eq!(status(&model, "J"), "SUCCEEDED");
}

#[test]
fn a_cancel_by_force_ends_what_is_in_progress() {
    let mut model = model_in(ExecutionStatus::InProgress);
    let details = json!({"statusDetails": {"why": "operator"}, "expectedVersion": 2});
    cancel_execution(&mut model, details, true, at(2)).unwrap();
    let execution = execution(&model, "J");
    assert_eq!(execution.status, ExecutionStatus::Canceled);
    assert!(execution.force_canceled);
    assert_eq!(execution.version_number, 3);
    assert_eq!(
        execution.status_details.unwrap().details_map["why"],
        "operator"
    );
}

#[test]
fn a_cancel_with_a_stale_version_is_a_conflict() {
    let mut model = model_in(ExecutionStatus::InProgress);
    let refused = cancel_execution(&mut model, json!({"expectedVersion": 1}), true, at(2));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "Expected version 1 but found version 2"
    );
}

#[test]
fn what_is_over_is_not_cancelled_even_by_force() {
    let mut model = model_in(ExecutionStatus::Succeeded);
    let refused = cancel_execution(&mut model, json!({}), true, at(2)).unwrap_err();
    assert_eq!(refused.exception(), "InvalidStateTransitionException");
}

#[test]
fn what_is_in_progress_is_deleted_only_by_force() {
    let mut model = model_in(ExecutionStatus::InProgress);
    let refused = delete_execution(&mut model, 1, false).unwrap_err();
    assert_eq!(refused.exception(), "InvalidStateTransitionException");
    delete_execution(&mut model, 1, true).unwrap();
    assert_eq!(
        describe(&model, "J", json!({})),
        Err(DeviceError::ResourceNotFound(
            "Job J not found for gw-1".to_owned()
        ))
    );
}

#[test]
fn a_deleted_execution_is_named_by_its_number() {
    let mut model = model_in(ExecutionStatus::Queued);
    let messages = [0, 2].map(|number| {
        let refused = delete_execution(&mut model, number, true);
        refused.unwrap_err().to_string()
    });
    assert_eq!(
        messages,
        [
            "Execution number is invalid.",
            "Job execution for thing gw-1 cannot be found within job J."
        ]
    );
}

#[test]
fn a_thing_that_goes_takes_its_open_executions_along() {
    let mut model = model_in(ExecutionStatus::InProgress);
    model.delete_thing("gw-1", None, at(2)).unwrap();
    let execution = execution(&model, "J");
    assert_eq!(execution.status, ExecutionStatus::Removed);
    assert_eq!(execution.version_number, 2);
}

#[test]
fn an_unknown_thing_has_nothing_to_ask_for() {
    let model = model();
    let refused = model.pending_job_executions(&thing("gw-9"), None);
    assert_eq!(refused.unwrap_err().code(), "ResourceNotFound");
}

#[test]
fn an_execution_of_another_number_is_not_found() {
    let model = model_in(ExecutionStatus::Queued);
    for number in [-1, 0, 2, i64::MAX] {
        let refused = describe(&model, "J", json!({ "executionNumber": number }));
        assert_eq!(refused.unwrap_err().code(), "ResourceNotFound");
    }
    assert!(describe(&model, "J", json!({"executionNumber": 1})).is_ok());
}

#[test]
fn a_job_of_another_namespace_is_not_seen_by_its_id() {
    let mut model = model();
    create(&mut model, "N", json!({"namespaceId": "acme"}), at(0));
    let request = Update::parse(&object(json!({"status": "SUCCEEDED"})));
    for other in [None, namespace("other")] {
        let refused = model.update(&thing("gw-1"), other.as_ref(), &job("N"), &request, at(1));
        assert_eq!(refused.unwrap_err().code(), "ResourceNotFound");
    }
    let own = namespace("acme");
    let accepted = model.update(&thing("gw-1"), own.as_ref(), &job("N"), &request, at(1));
    assert!(accepted.is_ok());
}

#[test]
fn http_tells_the_thing_and_the_document_as_a_string() {
    struct Never;
    use crate::model::document::{Access, Presign};
    impl Presign for Never {
        fn presign(
            &self,
            _: Access,
            _: &str,
            _: &str,
            _: core::time::Duration,
            _: Timestamp,
        ) -> String {
            unreachable!("the document has no placeholder")
        }
    }
    let mut model = model();
    create(
        &mut model,
        "J",
        json!({"document": r#"{ "b":null, "a":1 }"#}),
        at(0),
    );
    let seen = describe(&model, "J", json!({})).unwrap().unwrap();
    let http = seen.to_http(&Never, at(0));
    assert_eq!(http["thingName"], "gw-1");
    assert_eq!(http["jobDocument"], r#"{ "b":null, "a":1 }"#);
    let mqtt = seen.to_mqtt(&Never, at(0));
    assert_eq!(mqtt.get("thingName"), None);
    assert_eq!(mqtt["jobDocument"], json!({"a": 1}));
}

#[test]
fn a_thing_is_changed_only_at_the_version_seen() {
    let mut model = model();
    let request = |expected| UpdateThing {
        thing_name: "gw-1".to_owned(),
        expected_version: Some(expected),
        ..UpdateThing::default()
    };
    assert_eq!(model.update_thing(request(1)), Ok(()));
    assert_eq!(
        model.update_thing(request(1)),
        Err(ControlError::VersionConflict {
            expected: 1,
            found: 2
        })
    );
}
