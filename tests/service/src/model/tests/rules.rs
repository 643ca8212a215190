//! Rollout, abort, retry, update and deletion, as they work together in the model.

use crate::model::request::{DeleteJob, ListJobs, UpdateJob};
use crate::model::status::{ExecutionStatus, JobStatus};

use super::*;

const MINUTE: u64 = 60;

/// A model with `count` things, and their ARNs.
fn fleet(count: usize) -> (Model, Vec<String>) {
    let mut model = Model::new(Knobs::default());
    let names = (0..count).map(|n| format!("t{n:06}"));
    let arns = names.map(|name| {
        add_thing(&mut model, &name);
        thing_arn(&name)
    });
    let arns = arns.collect();
    (model, arns)
}

/// A group with `count` things.
fn group_of(count: usize) -> Model {
    let (mut model, _) = fleet(count);
    create_group(&mut model, "all", None).unwrap();
    for n in 0..count {
        join(&mut model, "all", &format!("t{n:06}"), at(0));
    }
    model
}

fn abort(list: Value) -> Value {
    let mut list = list;
    for criteria in list.as_array_mut().unwrap() {
        criteria["action"] = json!("CANCEL");
    }
    json!({ "criteriaList": list })
}

fn count(model: &Model, id: &str, status: ExecutionStatus) -> usize {
    model.jobs[&job(id)].count(status)
}

fn made(model: &Model, id: &str) -> usize {
    model.jobs[&job(id)].executions.len()
}

fn change(model: &mut Model, id: &str, body: Value) -> Result<(), ControlError> {
    let mut request: UpdateJob = parsed(body);
    request.job_id = id.to_owned();
    model.update_job(request, at(5))
}

fn refusal(members: Value) -> String {
    let request = create_request("J", members);
    let refused = model().create_job(&scope(), request, at(0)).unwrap_err();
    assert_eq!(refused.exception(), "InvalidRequestException");
    refused.to_string()
}

#[test]
fn a_rollout_takes_a_batch_each_minute_from_the_start_of_its_job() {
    let (mut model, targets) = fleet(30);
    let rate = json!({
        "baseRatePerMinute": 2,
        "incrementFactor": 2,
        "rateIncreaseCriteria": {"numberOfNotifiedThings": 4},
    });
    let rollout = json!({"maximumPerMinute": 10, "exponentialRate": rate});
    let members = json!({"targets": targets, "jobExecutionsRolloutConfig": rollout});
    create(&mut model, "J", members, at(0));
    for (minute, total) in [2, 4, 8, 16, 26, 30].into_iter().enumerate() {
        let start = minute as u64 * MINUTE;
        model.advance(at(start));
        assert_eq!(made(&model, "J"), total, "minute {minute}");
        model.advance(at(start + MINUTE - 1));
        assert_eq!(
            made(&model, "J"),
            total,
            "just before minute {}",
            minute + 1
        );
    }
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn a_long_step_of_the_clock_takes_every_batch_in_between() {
    let (mut model, targets) = fleet(5);
    let rollout = json!({"maximumPerMinute": 1});
    let members = json!({"targets": targets, "jobExecutionsRolloutConfig": rollout});
    create(&mut model, "J", members, at(0));
    model.advance(at(3 * MINUTE));
    let queued: Vec<_> = model.jobs[&job("J")]
        .executions
        .values()
        .map(|execution| execution.queued_at)
        .collect();
    assert_eq!(queued, [0, 60, 120, 180].map(at));
}

#[test]
fn a_rate_by_successes_waits_for_them() {
    let (mut model, targets) = fleet(9);
    let rate = json!({
        "baseRatePerMinute": 1,
        "incrementFactor": 5,
        "rateIncreaseCriteria": {"numberOfSucceededThings": 1},
    });
    let rollout = json!({"maximumPerMinute": 10, "exponentialRate": rate});
    let members = json!({"targets": targets, "jobExecutionsRolloutConfig": rollout});
    create(&mut model, "J", members, at(0));
    model.advance(at(MINUTE));
    assert_eq!(made(&model, "J"), 2);
    finish(&mut model, "J", "t000000", "SUCCEEDED", at(MINUTE));
    model.advance(at(2 * MINUTE));
    assert_eq!(made(&model, "J"), 7);
}

#[test]
fn a_job_is_concurrent_while_it_rolls_out_and_not_completed_before() {
    let (mut model, targets) = fleet(2);
    let rollout = json!({"maximumPerMinute": 1});
    let members = json!({"targets": targets, "jobExecutionsRolloutConfig": rollout});
    create(&mut model, "J", members, at(0));
    finish(&mut model, "J", "t000000", "SUCCEEDED", at(1));
    let job = described(&model, "J");
    assert_eq!(job["isConcurrent"], true);
    assert_eq!(job["status"], "IN_PROGRESS");
    assert_eq!(
        job["jobProcessDetails"]["processingTargets"],
        json!(targets)
    );
    model.advance(at(MINUTE));
    let job = described(&model, "J");
    assert_eq!(job["isConcurrent"], false);
    assert_eq!(job["jobProcessDetails"]["processingTargets"], Value::Null);
    finish(&mut model, "J", "t000001", "SUCCEEDED", at(MINUTE));
    assert_eq!(described(&model, "J")["status"], "COMPLETED");
}

#[test]
fn a_thing_that_is_deleted_before_its_batch_is_not_waited_for() {
    let (mut model, targets) = fleet(2);
    let rollout = json!({"maximumPerMinute": 1});
    let members = json!({"targets": targets, "jobExecutionsRolloutConfig": rollout});
    create(&mut model, "J", members, at(0));
    finish(&mut model, "J", "t000000", "SUCCEEDED", at(1));
    model.delete_thing("t000001", None, at(2)).unwrap();
    assert_eq!(described(&model, "J")["status"], "COMPLETED");
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn a_hundred_thousand_things_are_rolled_out_and_deleted() {
    const THINGS: usize = 100_000;
    let mut model = group_of(THINGS);
    let targets = json!({"targets": [group_arn("all")]});
    create(&mut model, "J", targets, at(0));
    assert_eq!(made(&model, "J"), 1000);
    model.take_effects();
    model.advance(at(99 * MINUTE));
    assert_eq!(made(&model, "J"), THINGS);
    // Each thing is told of its list and of what is first.
    assert_eq!(model.take_effects().len(), 2 * (THINGS - 1000));

    let request = DeleteJob {
        job_id: "J".to_owned(),
        force: true,
        namespace_id: None,
    };
    let now = at(100 * MINUTE);
    model.delete_job(&request, now).unwrap();
    assert_eq!(described(&model, "J")["status"], "DELETION_IN_PROGRESS");
    model.advance(at(100 * MINUTE + 98));
    assert_eq!(count(&model, "J", ExecutionStatus::Queued), 1000);
    model.advance(at(100 * MINUTE + 99));
    assert_eq!(model.job_count(), 0);
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn an_abort_cancels_what_is_queued_and_lets_the_rest_go_on() {
    let (mut model, targets) = fleet(5);
    let criteria = json!([{
        "failureType": "FAILED",
        "thresholdPercentage": 50,
        "minNumberOfExecutedThings": 2,
    }]);
    let members = json!({
        "targets": targets,
        "abortConfig": abort(criteria),
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 4},
        "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "ALL", "numberOfRetries": 0}]},
    });
    create(&mut model, "J", members, at(0));
    finish(&mut model, "J", "t000002", "IN_PROGRESS", at(1));
    finish(&mut model, "J", "t000000", "FAILED", at(2));
    assert_eq!(described(&model, "J")["status"], "IN_PROGRESS");
    finish(&mut model, "J", "t000001", "SUCCEEDED", at(3));
    let job = described(&model, "J");
    assert_eq!(job["status"], "CANCELED");
    assert_eq!(job["forceCanceled"], false);
    assert_eq!(job["reasonCode"], "ABORT_CANCEL");
    assert_eq!(
        job["comment"],
        "Abort criteria for failure type FAILED with threshold 50.00% met. Total completed \
         executions: 2, total FAILED executions: 1"
    );
    assert_eq!(count(&model, "J", ExecutionStatus::Canceled), 1);
    assert_eq!(count(&model, "J", ExecutionStatus::InProgress), 1);
    model.advance(at(10 * MINUTE));
    assert_eq!(made(&model, "J"), 4);
    finish(&mut model, "J", "t000002", "SUCCEEDED", at(10 * MINUTE));
    assert_eq!(count(&model, "J", ExecutionStatus::Succeeded), 2);
}

#[test]
fn each_type_of_failure_aborts_a_job_that_says_so() {
    for (kind, end, status) in [
        ("FAILED", "FAILED", "CANCELED"),
        ("REJECTED", "REJECTED", "CANCELED"),
        ("ALL", "FAILED", "CANCELED"),
        ("ALL", "REJECTED", "CANCELED"),
        ("FAILED", "REJECTED", "IN_PROGRESS"),
        ("TIMED_OUT", "FAILED", "IN_PROGRESS"),
        ("ALL", "SUCCEEDED", "IN_PROGRESS"),
    ] {
        let (mut model, targets) = fleet(2);
        let criteria = json!([{
            "failureType": kind,
            "thresholdPercentage": 100,
            "minNumberOfExecutedThings": 1,
        }]);
        let members = json!({"targets": targets, "abortConfig": abort(criteria)});
        create(&mut model, "J", members, at(0));
        finish(&mut model, "J", "t000000", end, at(1));
        assert_eq!(described(&model, "J")["status"], status, "{kind} {end}");
    }
}

#[test]
fn a_time_out_aborts_before_what_is_due_at_the_same_time_rolls_out() {
    let (mut model, targets) = fleet(2);
    let criteria = json!([{
        "failureType": "TIMED_OUT",
        "thresholdPercentage": 0.5,
        "minNumberOfExecutedThings": 1,
    }]);
    let members = json!({
        "targets": targets,
        "abortConfig": abort(criteria),
        "timeoutConfig": {"inProgressTimeoutInMinutes": 1},
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
    });
    create(&mut model, "J", members, at(0));
    finish(&mut model, "J", "t000000", "IN_PROGRESS", at(0));
    model.advance(at(MINUTE));
    assert_eq!(described(&model, "J")["status"], "CANCELED");
    assert_eq!(made(&model, "J"), 1);
}

#[test]
fn a_retry_is_an_execution_of_its_own() {
    let mut model = model();
    let retry = json!({"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}]});
    create(
        &mut model,
        "J",
        json!({ "jobExecutionsRetryConfig": retry }),
        at(0),
    );
    news(&mut model);
    report(&mut model, "J", "FAILED", at(1));
    assert_eq!(
        news(&mut model),
        ["notify ", "next -", "notify J", "next J"]
    );
    let second = execution(&model, "J");
    assert_eq!((second.execution_number, second.version_number), (2, 1));
    assert_eq!(second.queued_at, at(1));
    report(&mut model, "J", "FAILED", at(2));
    report(&mut model, "J", "FAILED", at(3));
    assert_eq!(
        history(&model, "J", "gw-1"),
        [(1, "FAILED", 0), (2, "FAILED", 1), (3, "FAILED", 2)]
    );
    let job = described(&model, "J");
    assert_eq!(job["status"], "COMPLETED");
    assert_eq!(job["jobProcessDetails"]["numberOfFailedThings"], 3);
}

#[test]
fn a_time_out_is_retried_when_it_comes_about() {
    let mut model = model();
    let retry = json!({"criteriaList": [{"failureType": "TIMED_OUT", "numberOfRetries": 1}]});
    let members = json!({
        "jobExecutionsRetryConfig": retry,
        "timeoutConfig": {"inProgressTimeoutInMinutes": 1},
    });
    create(&mut model, "J", members, at(0));
    start_next(&mut model, json!({}), at(0));
    model.advance(at(10 * MINUTE));
    assert_eq!(execution(&model, "J").queued_at, at(MINUTE));
    report(&mut model, "J", "FAILED", at(11 * MINUTE));
    assert_eq!(
        history(&model, "J", "gw-1"),
        [(1, "TIMED_OUT", 0), (2, "FAILED", 1)]
    );
}

#[test]
fn what_was_rejected_or_cancelled_is_not_retried() {
    for end in ["REJECTED", "CANCELED", "SUCCEEDED"] {
        let mut model = model();
        let retry = json!({"criteriaList": [{"failureType": "ALL", "numberOfRetries": 10}]});
        create(
            &mut model,
            "J",
            json!({ "jobExecutionsRetryConfig": retry }),
            at(0),
        );
        match end {
            "CANCELED" => cancel(&mut model, "J", false, at(1)),
            end => report(&mut model, "J", end, at(1)),
        }
        assert_eq!(history(&model, "J", "gw-1"), [(1, end, 0)]);
    }
}

#[test]
fn a_cancelled_job_retries_nothing() {
    let mut model = model();
    let retry = json!({"criteriaList": [{"failureType": "ALL", "numberOfRetries": 10}]});
    create(
        &mut model,
        "J",
        json!({ "jobExecutionsRetryConfig": retry }),
        at(0),
    );
    report(&mut model, "J", "IN_PROGRESS", at(1));
    cancel(&mut model, "J", false, at(2));
    report(&mut model, "J", "FAILED", at(3));
    assert_eq!(history(&model, "J", "gw-1"), [(1, "FAILED", 0)]);
}

#[test]
fn an_abort_leaves_no_retry() {
    let mut model = model();
    let criteria = json!([{
        "failureType": "FAILED",
        "thresholdPercentage": 100,
        "minNumberOfExecutedThings": 2,
    }]);
    let members = json!({
        "abortConfig": abort(criteria),
        "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "ALL", "numberOfRetries": 10}]},
    });
    create(&mut model, "J", members, at(0));
    report(&mut model, "J", "FAILED", at(1));
    news(&mut model);
    report(&mut model, "J", "FAILED", at(2));
    assert_eq!(news(&mut model), ["notify ", "next -"]);
    assert_eq!(described(&model, "J")["status"], "CANCELED");
}

#[test]
fn rules_are_told_as_they_were_given() {
    let mut model = model();
    let given = json!({
        "jobExecutionsRolloutConfig": {
            "maximumPerMinute": 10,
            "exponentialRate": {
                "baseRatePerMinute": 2,
                "incrementFactor": 2,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": 4},
            },
        },
        "abortConfig": {"criteriaList": [{
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": 25,
            "minNumberOfExecutedThings": 3,
        }]},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": 3},
        ]},
    });
    create(&mut model, "J", given, at(0));
    let job = model.describe_job(&scope(), "J", at(0)).unwrap();
    let told = serde_json::to_string(&job).unwrap();
    // Fractions come back as such.
    for text in [
        r#""incrementFactor":2.0"#,
        r#""thresholdPercentage":25.0"#,
        r#""jobExecutionsRetryConfig":{"criteriaList":[{"failureType":"FAILED","numberOfRetries":3}]}"#,
    ] {
        assert!(told.contains(text), "{text} in {told}");
    }
}

#[test]
fn contradictory_rules_are_refused_in_the_words_of_aws() {
    let rate = |criteria: Value| json!({"baseRatePerMinute": 2, "incrementFactor": 2, "rateIncreaseCriteria": criteria});
    let notified = json!({"numberOfNotifiedThings": 1});
    let rollout = |config: Value| json!({ "jobExecutionsRolloutConfig": config });
    let aborting = |list: Value| json!({ "abortConfig": abort(list) });
    let failed = |threshold: f64| json!({"failureType": "FAILED", "thresholdPercentage": threshold, "minNumberOfExecutedThings": 1});
    let retrying = |list: Value| json!({"jobExecutionsRetryConfig": {"criteriaList": list}});
    for (members, message) in [
        (
            rollout(json!({ "exponentialRate": rate(notified.clone()) })),
            "Provide MaximumPerMinute value when ExponentialRate is defined",
        ),
        (
            rollout(json!({"maximumPerMinute": 5, "exponentialRate": rate(json!({}))})),
            "Provide either NumberOfNotifiedThings or NumberOfSucceededThings when \
             RateIncreaseCriteria is defined",
        ),
        (
            rollout(json!({"maximumPerMinute": 5, "exponentialRate": rate(
                json!({"numberOfNotifiedThings": 1, "numberOfSucceededThings": 1})
            )})),
            "Provide only one of NumberOfNotifiedThings or NumberOfSucceededThings when \
             RateIncreaseCriteria is defined",
        ),
        (
            rollout(json!({"maximumPerMinute": 1, "exponentialRate": rate(notified)})),
            "Exponential rollout baseRatePerMinute should be less than maximumPerMinute.",
        ),
        (
            aborting(json!([failed(10.0), failed(20.0)])),
            "Multiple AbortCriteria cannot have the same failure type",
        ),
        (
            aborting(json!([failed(0.0)])),
            "ThresholdPercentage value 0.0 for AbortCriteria must have value greater than 0",
        ),
        (
            aborting(json!([failed(10.123)])),
            "Abort thresholdPercentage must have two or less decimal digits",
        ),
        (
            retrying(json!([
                {"failureType": "ALL", "numberOfRetries": 1},
                {"failureType": "FAILED", "numberOfRetries": 1},
            ])),
            "A retryCriteria with failure type ALL must be used by itself.",
        ),
    ] {
        assert_eq!(refusal(members), message);
    }
}

#[test]
fn every_rule_beyond_its_bounds_is_told_at_once() {
    let message = refusal(json!({
        "jobExecutionsRolloutConfig": {
            "maximumPerMinute": 1001,
            "exponentialRate": {
                "baseRatePerMinute": 0,
                "incrementFactor": 1,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": 0},
            },
        },
        "abortConfig": {"criteriaList": [{
            "failureType": "SUCCEEDED",
            "action": "WAIT",
            "thresholdPercentage": 101,
            "minNumberOfExecutedThings": 0,
        }, {}]},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "REJECTED", "numberOfRetries": 11},
            {"failureType": "FAILED", "numberOfRetries": 0},
            {"failureType": "FAILED", "numberOfRetries": 0},
        ]},
    }));
    for clause in [
        "Value '1001' at 'jobExecutionsRolloutConfig.maximumPerMinute' failed to satisfy constraint: Member must have value less than or equal to 1000",
        "Value '0' at 'jobExecutionsRolloutConfig.exponentialRate.baseRatePerMinute' failed to satisfy constraint: Member must have value greater than or equal to 1",
        "Value '1.0' at 'jobExecutionsRolloutConfig.exponentialRate.incrementFactor' failed to satisfy constraint: Member must have value greater than or equal to 1.1",
        "Value '0' at 'jobExecutionsRolloutConfig.exponentialRate.rateIncreaseCriteria.numberOfNotifiedThings' failed to satisfy constraint: Member must have value greater than or equal to 1",
        "Value 'SUCCEEDED' at 'abortConfig.criteriaList.1.member.failureType' failed to satisfy constraint: Member must satisfy enum value set: [ALL, TIMED_OUT, FAILED, REJECTED]",
        "Value 'WAIT' at 'abortConfig.criteriaList.1.member.action' failed to satisfy constraint: Member must satisfy enum value set: [CANCEL]",
        "Value '101.0' at 'abortConfig.criteriaList.1.member.thresholdPercentage' failed to satisfy constraint: Member must have value less than or equal to 100",
        "Value '0' at 'abortConfig.criteriaList.1.member.minNumberOfExecutedThings' failed to satisfy constraint: Member must have value greater than or equal to 1",
        "Value null at 'abortConfig.criteriaList.2.member.action' failed to satisfy constraint: Member must not be null",
        "Value '[RetryCriteria(failureType=REJECTED, numberOfRetries=11), RetryCriteria(failureType=FAILED, numberOfRetries=0), RetryCriteria(failureType=FAILED, numberOfRetries=0)]' at 'jobExecutionsRetryConfig.criteriaList' failed to satisfy constraint: Member must have length less than or equal to 2",
        "Value '11' at 'jobExecutionsRetryConfig.criteriaList.1.member.numberOfRetries' failed to satisfy constraint: Member must have value less than or equal to 10",
        "Value 'REJECTED' at 'jobExecutionsRetryConfig.criteriaList.1.member.failureType' failed to satisfy constraint: Member must satisfy enum value set: [ALL, TIMED_OUT, FAILED]",
    ] {
        assert!(message.contains(clause), "{clause}\nin {message}");
    }
    assert!(
        message.starts_with("15 validation errors detected: "),
        "{message}"
    );
}

#[test]
fn of_several_faults_the_one_that_comes_first_is_told() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    let mut members = json!({
        "targets": [thing_arn("nobody")],
        "document": "{",
        "tags": [{"Key": "k"}],
        "abortConfig": {"criteriaList": [{
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": 0,
            "minNumberOfExecutedThings": 1,
        }]},
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 0},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 0},
    });
    let mut id = "J";
    for (message, mend) in [
        (
            "1 validation error detected",
            json!({"jobExecutionsRolloutConfig": {}}),
        ),
        ("Provide valid timeout value", json!({"timeoutConfig": {}})),
        (
            "ThresholdPercentage value 0.0",
            json!({"abortConfig": null}),
        ),
        ("Invalid tag parameter exception", json!({"tags": []})),
        ("Job J already exists.", json!({})),
        (
            "Thing nobody cannot be found.",
            json!({"targets": [thing_arn("gw-1")]}),
        ),
        (
            "Job document located at request input is an invalid",
            json!({}),
        ),
    ] {
        let request = create_request(id, members.clone());
        let refused = model.create_job(&scope(), request, at(1)).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.starts_with(message), "{refused}");
        if message.contains("already exists") {
            id = "K";
        }
        members.as_object_mut().unwrap().extend(object(mend));
    }
}

#[test]
fn both_criteria_of_a_rate_are_taken_on_request() {
    let knobs = Knobs {
        both_rate_criteria: true,
        ..Knobs::default()
    };
    let criteria = json!({"numberOfNotifiedThings": 2, "numberOfSucceededThings": 1});
    let rate =
        json!({"baseRatePerMinute": 1, "incrementFactor": 5, "rateIncreaseCriteria": criteria});
    let rollout = json!({"maximumPerMinute": 5, "exponentialRate": rate});
    let members = json!({ "jobExecutionsRolloutConfig": rollout });
    create(&mut with_knobs(knobs), "J", members, at(0));
}

#[test]
fn an_update_replaces_each_member_it_gives() {
    let (mut model, targets) = fleet(3);
    let members = json!({
        "targets": targets,
        "description": "first",
        "timeoutConfig": {"inProgressTimeoutInMinutes": 1},
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
    });
    create(&mut model, "J", members, at(0));
    finish(&mut model, "J", "t000000", "IN_PROGRESS", at(1));
    let body = json!({
        "timeoutConfig": {"inProgressTimeoutInMinutes": 60},
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 2},
    });
    change(&mut model, "J", body).unwrap();
    let job = described(&model, "J");
    assert_eq!(job["description"], "first");
    assert_eq!(job["lastUpdatedAt"], NOON + 5);
    model.advance(at(MINUTE));
    assert_eq!(made(&model, "J"), 3);
    // What had started before keeps its timer.
    model.advance(at(MINUTE + 1));
    assert_eq!(count(&model, "J", ExecutionStatus::TimedOut), 1);
}

#[test]
fn an_update_is_refused_in_the_words_of_aws() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    create(&mut model, "over", json!({}), at(0));
    report(&mut model, "over", "SUCCEEDED", at(1));
    let retry = json!({"jobExecutionsRetryConfig": {"criteriaList": [
        {"failureType": "FAILED", "numberOfRetries": 0},
    ]}});
    for (id, body, message) in [
        (
            "J",
            json!({}),
            "Update Job request for job J cannot be empty.",
        ),
        (
            "none",
            json!({}),
            "Update Job request for job none cannot be empty.",
        ),
        (
            "none",
            json!({"description": "x"}),
            "Job none cannot be found.",
        ),
        (
            "over",
            json!({"description": "x"}),
            "Job over in status COMPLETED cannot be updated.",
        ),
        (
            "J",
            retry,
            "RetryConfig cannot be updated if the job has no RetryConfig defined during creation.",
        ),
        (
            "J",
            json!({"jobExecutionsRolloutConfig": {}}),
            "Provide MaximumPerMinute value or provide ExponentialRate and MaximumPerMinute",
        ),
        (
            "J",
            json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 0}}),
            "Provide valid timeout value, inProgressTimeoutInMinutes cannot be 0.",
        ),
        (
            "J",
            json!({"presignedUrlConfig": {"roleArn": "arn:aws:iam::12:role/jobs"}}),
            "Given role arn:aws:iam::12:role/jobs is invalid.",
        ),
        (
            "J",
            json!({"abortConfig": {}}),
            "1 validation error detected: Value null at 'abortConfig.criteriaList' failed to \
             satisfy constraint: Member must not be null",
        ),
    ] {
        let refused = change(&mut model, id, body).unwrap_err();
        assert_eq!(refused.to_string(), message);
    }
}

#[test]
fn retries_are_given_up_by_an_update() {
    let mut model = model();
    let retry = |retries: u64| {
        json!({"jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": retries},
        ]}})
    };
    create(&mut model, "J", retry(5), at(0));
    report(&mut model, "J", "FAILED", at(1));
    change(&mut model, "J", retry(0)).unwrap();
    report(&mut model, "J", "FAILED", at(6));
    assert_eq!(
        history(&model, "J", "gw-1"),
        [(1, "FAILED", 0), (2, "FAILED", 1)]
    );
}

#[test]
fn a_job_that_is_being_deleted_is_listed_and_nothing_else() {
    let mut model = group_of(1001);
    let targets = json!({"targets": [group_arn("all")], "jobExecutionsRolloutConfig": {"maximumPerMinute": 1000}});
    create(&mut model, "J", targets, at(0));
    model.advance(at(MINUTE));
    let request = DeleteJob {
        job_id: "J".to_owned(),
        force: true,
        namespace_id: None,
    };
    model.delete_job(&request, at(MINUTE)).unwrap();
    let list = ListJobs {
        status: Some("DELETION_IN_PROGRESS".to_owned()),
        ..ListJobs::default()
    };
    let listed = model.list_jobs(&scope(), &list).unwrap().jobs;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].status, JobStatus::DeletionInProgress);
    let again = model.delete_job(&request, at(MINUTE)).unwrap_err();
    assert_eq!(
        again.to_string(),
        "Job J in status DELETION_IN_PROGRESS cannot be deleted."
    );
    let cancelled = model.cancel_job(
        &scope(),
        CancelJob {
            job_id: "J".to_owned(),
            ..CancelJob::default()
        },
        at(MINUTE),
    );
    assert!(cancelled.is_err());
    model.advance(at(MINUTE + 1));
    assert_eq!(model.job_count(), 0);
}

#[test]
fn ten_jobs_are_deleted_at_the_same_time() {
    let mut model = group_of(1001);
    let delete = |model: &mut Model, n: u64| {
        let request = DeleteJob {
            job_id: format!("J{n}"),
            force: true,
            namespace_id: None,
        };
        model.delete_job(&request, at(MINUTE))
    };
    for n in 0..11 {
        let targets = json!({"targets": [group_arn("all")]});
        create(&mut model, &format!("J{n}"), targets, at(0));
    }
    model.advance(at(MINUTE));
    for n in 0..10 {
        delete(&mut model, n).unwrap();
    }
    let refused = delete(&mut model, 10).unwrap_err();
    assert_eq!(refused.exception(), "LimitExceededException");
    model.advance(at(MINUTE + 1));
    delete(&mut model, 10).unwrap();
}
