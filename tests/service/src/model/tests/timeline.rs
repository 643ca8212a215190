//! What is remembered of an execution.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::model::inspect::{ExecutionDetail, Waits};
use crate::model::status::ExecutionStatus;
use crate::model::timeline::{StepChange, Timer, What};

const MINUTE: u64 = 60;

fn inspect(model: &Model, id: &str) -> ExecutionDetail {
    model.inspect_execution(id, "gw-1", None).unwrap()
}

fn numbered(model: &Model, id: &str, number: u64) -> ExecutionDetail {
    model.inspect_execution(id, "gw-1", Some(number)).unwrap()
}

/// The entries in short, each with the seconds since noon.
fn told(detail: &ExecutionDetail) -> Vec<String> {
    let entries = detail.timeline.iter();
    entries
        .map(|entry| {
            let secs = entry.at.as_secs() - NOON;
            let what = match &entry.what {
                What::Canceled { by, force } => format!("canceled by {by:?}, force {force}"),
                What::Offered => "offered".to_owned(),
                What::Queued(origin) => format!("queued {origin:?}"),
                What::Refused(refusal) => format!("refused {}", refusal.code),
                What::Removed => "removed".to_owned(),
                What::Reported { from, to, report } => {
                    let details = report.iter().flat_map(|report| &report.details);
                    let details = details.map(|detail| {
                        format!(" {}={}", detail.key, detail.value.as_deref().unwrap_or("-"))
                    });
                    let details: String = details.collect();
                    format!("{}→{}{details}", from.as_str(), to.as_str())
                }
                What::TimedOut(timer) => format!("timed out by {timer:?}"),
            };
            format!("{secs} {what}")
        })
        .collect()
}

#[test]
fn a_job_that_succeeds_tells_each_step_with_its_time() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    start_next(
        &mut model,
        json!({"statusDetails": {"step": "load"}}),
        at(3),
    );
    let progress =
        json!({"status": "IN_PROGRESS", "statusDetails": {"step": "load", "percent": 50}});
    update(&mut model, "J", progress, at(5)).unwrap();
    report(&mut model, "J", "SUCCEEDED", at(9));
    assert_eq!(
        told(&inspect(&model, "J")),
        [
            "0 queued RolledOut",
            "0 offered",
            "3 QUEUED→IN_PROGRESS step=load",
            "5 IN_PROGRESS→IN_PROGRESS percent=50",
            "9 IN_PROGRESS→SUCCEEDED",
        ]
    );
    assert_eq!(inspect(&model, "J").waits, Waits::Nothing);
}

#[test]
fn a_job_behind_another_is_offered_when_its_turn_comes() {
    let mut model = model();
    create(&mut model, "J0", json!({}), at(0));
    create(&mut model, "J1", json!({}), at(1));
    let first = Waits::AnotherJob { job_id: job("J0") };
    assert_eq!(inspect(&model, "J1").waits, first);
    report(&mut model, "J0", "SUCCEEDED", at(8));
    assert_eq!(
        told(&inspect(&model, "J1")),
        ["1 queued RolledOut", "8 offered"]
    );
    assert_eq!(inspect(&model, "J1").waits, Waits::Device);
}

#[test]
fn updates_that_are_refused_are_told_with_their_codes() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    let stale = json!({"status": "IN_PROGRESS", "expectedVersion": 7});
    update(&mut model, "J", stale, at(1)).unwrap_err();
    update(&mut model, "J", json!({"status": "QUEUED"}), at(2)).unwrap_err();
    update(&mut model, "J", json!({"status": "DONE"}), at(3)).unwrap_err();
    report(&mut model, "J", "REJECTED", at(4));
    update(&mut model, "J", json!({"status": "SUCCEEDED"}), at(5)).unwrap_err();
    let refused = told(&inspect(&model, "J")).split_off(2);
    assert_eq!(
        refused,
        [
            "1 refused VersionMismatch",
            "2 refused InvalidStateTransition",
            "3 refused InvalidRequest",
            "4 QUEUED→REJECTED",
            "5 refused InvalidStateTransition",
        ]
    );
    assert_eq!(inspect(&model, "J").version_number, 2);
}

#[test]
fn a_device_that_is_refused_in_a_loop_changes_nothing_after_a_while() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    model.record();
    let refuse = |model: &mut Model, secs: u64| {
        let stale = json!({"status": "IN_PROGRESS", "expectedVersion": 7});
        update(model, "J", stale, at(secs)).unwrap_err();
        !model.take_changes().unwrap().is_empty()
    };
    model.take_changes().unwrap();
    let changed: Vec<_> = (1..=50).filter(|secs| refuse(&mut model, *secs)).collect();
    assert_eq!(changed, [1, 2, 3, 4, 5, 6, 7, 8]);
    let is_last_noted = |model: &Model| {
        let timeline = inspect(model, "J").timeline;
        matches!(&timeline.last().unwrap().what, What::Refused(last) if last.is_last_noted)
    };
    assert!(is_last_noted(&model));

    report(&mut model, "J", "IN_PROGRESS", at(51));
    model.take_changes().unwrap();
    assert!(refuse(&mut model, 52), "a refusal after a report is news");
    assert!(!is_last_noted(&model));
}

#[test]
fn a_step_timer_is_told_when_it_is_set_stopped_and_runs_out() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    start_next(&mut model, json!({"stepTimeoutInMinutes": 5}), at(0));
    let stop = json!({"status": "IN_PROGRESS", "stepTimeoutInMinutes": -1});
    update(&mut model, "J", stop, at(10)).unwrap();
    let set = json!({"status": "IN_PROGRESS", "stepTimeoutInMinutes": 1});
    update(&mut model, "J", set, at(20)).unwrap();
    let waits = Waits::Report {
        timer: Some(Timer::Step),
        until: Some(at(20 + MINUTE)),
    };
    assert_eq!(inspect(&model, "J").waits, waits);
    model.advance(at(20 + MINUTE));

    let detail = inspect(&model, "J");
    let mut steps = Vec::new();
    for entry in &detail.timeline {
        if let What::Reported { report, .. } = &entry.what {
            steps.extend(report.as_ref().map(|report| report.step));
        }
    }
    let expected = [
        StepChange::Set(at(5 * MINUTE)),
        StepChange::Stopped,
        StepChange::Set(at(20 + MINUTE)),
    ];
    assert_eq!(steps, expected);
    assert_eq!(told(&detail).last().unwrap(), "80 timed out by Step");
}

#[test]
fn the_jobs_timer_is_told_when_it_runs_out_first() {
    let mut model = model();
    let timeout = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}});
    create(&mut model, "J", timeout, at(0));
    start_next(&mut model, json!({"stepTimeoutInMinutes": 5}), at(0));
    model.advance(at(MINUTE));
    let told = told(&inspect(&model, "J"));
    assert_eq!(told.last().unwrap(), "60 timed out by InProgress");
}

#[test]
fn what_an_execution_waits_for_includes_the_slack_of_its_timers() {
    let mut model = with_knobs(Knobs {
        timeout_slack_seconds: 30,
        ..Knobs::default()
    });
    create(&mut model, "J", json!({}), at(0));
    start_next(&mut model, json!({"stepTimeoutInMinutes": 1}), at(0));
    let until = at(MINUTE + 30);
    let waits = Waits::Report {
        timer: Some(Timer::Step),
        until: Some(until),
    };
    assert_eq!(inspect(&model, "J").waits, waits);
    assert_eq!(model.next_deadline(), Some(until));
}

#[test]
fn a_retry_is_told_on_both_executions() {
    let mut model = model();
    let retry = json!({"jobExecutionsRetryConfig": {
        "criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1}]
    }});
    create(&mut model, "J", retry, at(0));
    report(&mut model, "J", "FAILED", at(4));
    let first = numbered(&model, "J", 1);
    let followed_by = first.followed_by.unwrap();
    assert_eq!(
        (followed_by.execution_number, followed_by.is_retry),
        (2, true)
    );
    let second = inspect(&model, "J");
    assert_eq!(second.numbers, [1, 2]);
    assert_eq!(told(&second), ["4 queued Retried", "4 offered"]);
}

#[test]
fn what_cancels_or_removes_an_execution_is_told() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    cancel(&mut model, "J", true, at(1));
    let told_of = |model: &Model, id: &str| told(&inspect(model, id)).split_off(2);
    assert_eq!(told_of(&model, "J"), ["1 canceled by Job, force true"]);

    create_group(&mut model, "site", None).unwrap();
    let members = json!({"targets": [group_arn("site")], "targetSelection": "CONTINUOUS"});
    create(&mut model, "K", members, at(2));
    join(&mut model, "site", "gw-1", at(3));
    leave(&mut model, "site", "gw-1", at(4));
    assert_eq!(
        told(&inspect(&model, "K")),
        ["3 queued Joined", "3 offered", "4 removed"]
    );
}

#[test]
fn an_abort_is_told_with_its_reason() {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    let abort = json!({
        "targets": [thing_arn("gw-1"), thing_arn("gw-2")],
        "abortConfig": {"criteriaList": [{
            "failureType": "FAILED", "action": "CANCEL",
            "thresholdPercentage": 10.0, "minNumberOfExecutedThings": 1,
        }]},
    });
    create(&mut model, "J", abort, at(0));
    finish(&mut model, "J", "gw-2", "FAILED", at(1));
    let detail = inspect(&model, "J");
    assert_eq!(
        told(&detail).last().unwrap(),
        "1 canceled by Job, force false"
    );
    assert_eq!(detail.reason_code.as_deref(), Some("ABORT_CANCEL"));
}

#[test]
fn a_presigned_url_in_a_detail_is_told_without_its_query() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    let url = "https://h/b/k?X-Amz-Signature=00ff";
    start_next(&mut model, json!({"statusDetails": {"from": url}}), at(1));
    let detail = inspect(&model, "J");
    let expected = "1 QUEUED→IN_PROGRESS from=https://h/b/k?<redacted>";
    assert_eq!(told(&detail).last().unwrap(), expected);
    assert_eq!(detail.status_details["from"], "https://h/b/k?<redacted>");
}

/// Where the entries say that the execution stands.
fn status_told(detail: &ExecutionDetail) -> Option<ExecutionStatus> {
    let mut status = None;
    for entry in &detail.timeline {
        match &entry.what {
            What::Canceled { .. } => status = Some(ExecutionStatus::Canceled),
            What::Queued(_) => status = Some(ExecutionStatus::Queued),
            What::Removed => status = Some(ExecutionStatus::Removed),
            What::Reported { from, to, .. } => {
                assert_eq!(status, Some(*from));
                status = Some(*to);
            }
            What::TimedOut(_) => status = Some(ExecutionStatus::TimedOut),
            What::Offered | What::Refused(_) => {}
        }
    }
    status
}

proptest! {
    #[test]
    fn a_timeline_ends_where_its_execution_stands(
        steps in vec((0..6_usize, -1..3_i64, 0..90_u64), 1..150),
    ) {
        let mut model = model();
        let retry = json!({"jobExecutionsRetryConfig": {
            "criteriaList": [{"failureType": "FAILED", "numberOfRetries": 3}]
        }});
        create(&mut model, "J", retry, at(0));
        let mut now = 0;
        for (step, minutes, pause) in steps {
            now += pause;
            model.advance(at(now));
            let timer = (minutes != 0).then_some(minutes);
            let status = ["IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "FAILED", "QUEUED"].get(step);
            match status {
                Some(status) => {
                    let body = json!({"status": status, "stepTimeoutInMinutes": timer});
                    // Refused or not, it is told.
                    let _ = update(&mut model, "J", body, at(now));
                }
                None => drop(start_next(&mut model, json!({}), at(now))),
            }
        }
        for number in inspect(&model, "J").numbers {
            let detail = numbered(&model, "J", number);
            prop_assert_eq!(status_told(&detail), Some(detail.status));
            prop_assert!(detail.timeline.is_sorted_by_key(|entry| entry.at));
        }
    }
}
