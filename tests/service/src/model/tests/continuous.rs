//! Continuous jobs: who comes, goes and comes back.

use crate::model::request::{AssociateTargets, DeleteJobExecution, ListJobs};

use super::*;

/// A continuous job for `site`, which has gw-1; gw-2 is in no group, `hall` is below `site`.
fn site() -> Model {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    create_group(&mut model, "site", None).unwrap();
    create_group(&mut model, "hall", Some("site")).unwrap();
    join(&mut model, "site", "gw-1", at(0));
    create(&mut model, "J", continuous(&["site"]), at(0));
    news(&mut model);
    model
}

fn continuous(groups: &[&str]) -> Value {
    let targets: Vec<_> = groups.iter().map(|group| group_arn(group)).collect();
    json!({"targets": targets, "targetSelection": "CONTINUOUS"})
}

fn associate(model: &mut Model, id: &str, body: Value) -> Result<(), ControlError> {
    let mut request: AssociateTargets = parsed(body);
    request.job_id = id.to_owned();
    let associated = model.associate_targets(&scope(), request, at(5));
    associated.map(|reference| assert_eq!(reference.job_id.as_str(), id))
}

fn statuses(model: &Model, name: &str) -> Vec<(u64, &'static str)> {
    let history = history(model, "J", name).into_iter();
    history
        .map(|(number, status, _)| (number, status))
        .collect()
}

#[test]
fn a_continuous_job_is_never_completed() {
    let mut model = site();
    report(&mut model, "J", "SUCCEEDED", at(1));
    let job = described(&model, "J");
    assert_eq!(job["status"], "IN_PROGRESS");
    assert_eq!(job["targetSelection"], "CONTINUOUS");
    assert_eq!(job["isConcurrent"], false);
}

#[test]
fn who_joins_later_is_reached_at_once() {
    let mut model = site();
    join(&mut model, "site", "gw-2", at(7));
    assert_eq!(statuses(&model, "gw-2"), [(1, "QUEUED")]);
    assert_eq!(news(&mut model), ["notify J", "next J"]);
}

#[test]
fn who_joins_a_group_below_is_reached_too() {
    let mut model = site();
    join(&mut model, "hall", "gw-2", at(7));
    assert_eq!(statuses(&model, "gw-2"), [(1, "QUEUED")]);
    leave(&mut model, "hall", "gw-2", at(8));
    assert_eq!(statuses(&model, "gw-2"), [(1, "REMOVED")]);
}

#[test]
fn who_leaves_is_removed_unless_it_has_begun() {
    let mut model = site();
    join(&mut model, "site", "gw-2", at(1));
    finish(&mut model, "J", "gw-2", "IN_PROGRESS", at(2));
    news(&mut model);
    leave(&mut model, "site", "gw-1", at(3));
    leave(&mut model, "site", "gw-2", at(3));
    assert_eq!(news(&mut model), ["notify ", "next -"]);
    let removed = execution(&model, "J");
    assert_eq!(removed.status.as_str(), "REMOVED");
    assert_eq!(removed.version_number, 1);
    finish(&mut model, "J", "gw-2", "SUCCEEDED", at(4));
    assert_eq!(statuses(&model, "gw-2"), [(1, "SUCCEEDED")]);
}

#[test]
fn who_leaves_one_of_two_targets_stays() {
    let mut model = site();
    join(&mut model, "hall", "gw-1", at(1));
    leave(&mut model, "site", "gw-1", at(2));
    assert_eq!(statuses(&model, "gw-1"), [(1, "QUEUED")]);
    leave(&mut model, "hall", "gw-1", at(3));
    assert_eq!(statuses(&model, "gw-1"), [(1, "REMOVED")]);
}

#[test]
fn who_comes_back_gets_another_execution() {
    let mut model = site();
    leave(&mut model, "site", "gw-1", at(1));
    join(&mut model, "site", "gw-1", at(2));
    assert_eq!(statuses(&model, "gw-1"), [(1, "REMOVED"), (2, "QUEUED")]);
    assert_eq!(execution(&model, "J").version_number, 1);
    let details = described(&model, "J")["jobProcessDetails"].clone();
    assert_eq!(details["numberOfRemovedThings"], 1);
    assert_eq!(details["numberOfQueuedThings"], 1);
}

#[test]
fn who_comes_back_while_at_work_gets_no_other_execution() {
    let mut model = site();
    report(&mut model, "J", "IN_PROGRESS", at(1));
    leave(&mut model, "site", "gw-1", at(2));
    join(&mut model, "site", "gw-1", at(3));
    assert_eq!(statuses(&model, "gw-1"), [(1, "IN_PROGRESS")]);
}

#[test]
fn joining_another_target_begins_anew_only_once_the_old_is_over() {
    let mut model = site();
    join(&mut model, "hall", "gw-1", at(1));
    assert_eq!(statuses(&model, "gw-1"), [(1, "QUEUED")]);
    leave(&mut model, "hall", "gw-1", at(2));
    report(&mut model, "J", "SUCCEEDED", at(3));
    join(&mut model, "hall", "gw-1", at(4));
    assert_eq!(statuses(&model, "gw-1"), [(1, "SUCCEEDED"), (2, "QUEUED")]);
}

#[test]
fn joining_the_same_group_again_changes_nothing() {
    let mut model = site();
    report(&mut model, "J", "SUCCEEDED", at(1));
    join(&mut model, "site", "gw-1", at(2));
    assert_eq!(statuses(&model, "gw-1"), [(1, "SUCCEEDED")]);
}

#[test]
fn a_deleted_execution_comes_back_with_its_thing() {
    let mut model = site();
    let request = DeleteJobExecution {
        job_id: "J".to_owned(),
        thing_name: "gw-1".to_owned(),
        execution_number: 1,
        ..DeleteJobExecution::default()
    };
    model.delete_job_execution(&request, at(1)).unwrap();
    model.advance(at(1000));
    assert_eq!(statuses(&model, "gw-1"), []);
    leave(&mut model, "site", "gw-1", at(1001));
    join(&mut model, "site", "gw-1", at(1002));
    assert_eq!(statuses(&model, "gw-1"), [(1, "QUEUED")]);
}

#[test]
fn a_thing_that_left_is_not_retried_and_starts_anew_when_it_returns() {
    let mut model = site();
    let mut members = continuous(&["site"]);
    members["jobExecutionsRetryConfig"] =
        json!({"criteriaList": [{"failureType": "ALL", "numberOfRetries": 1}]});
    create(&mut model, "R", members, at(0));
    report(&mut model, "R", "FAILED", at(1));
    report(&mut model, "R", "IN_PROGRESS", at(2));
    leave(&mut model, "site", "gw-1", at(3));
    report(&mut model, "R", "FAILED", at(4));
    join(&mut model, "site", "gw-1", at(5));
    report(&mut model, "R", "FAILED", at(6));
    assert_eq!(
        history(&model, "R", "gw-1"),
        [
            (1, "FAILED", 0),
            (2, "FAILED", 1),
            (3, "FAILED", 0),
            (4, "QUEUED", 1)
        ]
    );
    leave(&mut model, "site", "gw-1", at(7));
    let last = history(&model, "R", "gw-1").pop();
    assert_eq!(last, Some((4, "REMOVED", 1)));
}

#[test]
fn who_leaves_before_its_batch_is_not_reached() {
    let mut model = site();
    join(&mut model, "site", "gw-2", at(0));
    let mut members = continuous(&["site"]);
    members["jobExecutionsRolloutConfig"] = json!({"maximumPerMinute": 1});
    create(&mut model, "slow", members, at(0));
    leave(&mut model, "site", "gw-2", at(1));
    model.advance(at(600));
    assert_eq!(history(&model, "slow", "gw-2"), []);
    join(&mut model, "site", "gw-2", at(601));
    assert_eq!(history(&model, "slow", "gw-2"), [(1, "QUEUED", 0)]);
}

#[test]
fn a_group_that_is_deleted_lets_go_of_its_members() {
    let mut model = site();
    join(&mut model, "hall", "gw-2", at(1));
    model.delete_thing_group("hall", None, at(2)).unwrap();
    assert_eq!(statuses(&model, "gw-2"), [(1, "REMOVED")]);
    model.delete_thing_group("site", None, at(3)).unwrap();
    create_group(&mut model, "site", None).unwrap();
    join(&mut model, "site", "gw-2", at(4));
    // It is another group, for all its name.
    assert_eq!(statuses(&model, "gw-2"), [(1, "REMOVED")]);
}

#[test]
fn a_cancelled_job_takes_nobody() {
    let mut model = site();
    cancel(&mut model, "J", false, at(1));
    join(&mut model, "site", "gw-2", at(2));
    assert_eq!(statuses(&model, "gw-2"), []);
}

#[test]
fn targets_are_added_to_a_continuous_job() {
    let mut model = site();
    report(&mut model, "J", "SUCCEEDED", at(1));
    let targets = [thing_arn("gw-2"), thing_arn("gw-1"), group_arn("site")];
    associate(
        &mut model,
        "J",
        json!({"targets": targets, "comment": "more"}),
    )
    .unwrap();
    assert_eq!(statuses(&model, "gw-2"), [(1, "QUEUED")]);
    assert_eq!(statuses(&model, "gw-1"), [(1, "SUCCEEDED")]);
    let job = described(&model, "J");
    assert_eq!(
        job["targets"],
        json!([group_arn("site"), thing_arn("gw-2"), thing_arn("gw-1")])
    );
    assert_eq!(
        (&job["comment"], &job["lastUpdatedAt"]),
        (&json!("more"), &json!(NOON + 5))
    );
    // Now a target by itself.
    leave(&mut model, "site", "gw-1", at(6));
    join(&mut model, "site", "gw-1", at(7));
    assert_eq!(statuses(&model, "gw-1"), [(1, "SUCCEEDED"), (2, "QUEUED")]);
}

#[test]
fn targets_are_added_to_no_other_job() {
    let mut model = site();
    create(&mut model, "S", json!({}), at(0));
    let target = json!({"targets": [thing_arn("gw-2")]});
    for (id, body, exception) in [
        ("S", target.clone(), "InvalidRequestException"),
        ("none", target.clone(), "ResourceNotFoundException"),
        ("J", json!({}), "InvalidRequestException"),
        ("J", json!({"targets": []}), "InvalidRequestException"),
        (
            "J",
            json!({"targets": [thing_arn("gw-9")]}),
            "ResourceNotFoundException",
        ),
        (
            "J",
            json!({"targets": [thing_arn("gw-2")], "comment": "two\nlines"}),
            "InvalidRequestException",
        ),
    ] {
        let refused = associate(&mut model, id, body).unwrap_err();
        assert_eq!(refused.exception(), exception, "{refused}");
    }
    for n in 0..100 {
        add_thing(&mut model, &format!("t{n}"));
    }
    let many: Vec<_> = (0..100).map(|n| thing_arn(&format!("t{n}"))).collect();
    let refused = associate(&mut model, "J", json!({ "targets": many })).unwrap_err();
    assert_eq!(refused.exception(), "LimitExceededException");
    cancel(&mut model, "J", false, at(6));
    let refused = associate(&mut model, "J", target).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Job J in status CANCELED cannot be associated with targets."
    );
}

#[test]
fn jobs_are_listed_by_group_and_selection() {
    let mut model = site();
    create(&mut model, "S", json!({}), at(1));
    let id = model.describe_thing_group(&scope(), "site").unwrap();
    let id = id.identity.thing_group_id;
    for (query, jobs) in [
        (json!({"targetSelection": "CONTINUOUS"}), vec!["J"]),
        (json!({"targetSelection": "SNAPSHOT"}), vec!["S"]),
        (json!({"thingGroupName": "site"}), vec!["J"]),
        (json!({"thingGroupName": "hall"}), vec![]),
        (json!({"thingGroupId": id}), vec!["J"]),
        (json!({"thingGroupId": "00000000-0000"}), vec![]),
    ] {
        let request: ListJobs = parsed(query.clone());
        let list = model.list_jobs(&scope(), &request).unwrap();
        let listed: Vec<_> = list.jobs.iter().map(|job| job.job_id.as_str()).collect();
        assert_eq!(listed, jobs, "{query}");
    }
    for (query, exception) in [
        (
            json!({"thingGroupName": "nowhere"}),
            "ResourceNotFoundException",
        ),
        (
            json!({"thingGroupName": "bad name"}),
            "InvalidRequestException",
        ),
        (json!({"thingGroupId": "bad id"}), "InvalidRequestException"),
    ] {
        let request: ListJobs = parsed(query.clone());
        let refused = model.list_jobs(&scope(), &request).unwrap_err();
        assert_eq!(refused.exception(), exception, "{query}");
    }
}

#[test]
fn a_flood_of_targets_is_refused_before_it_is_compared_pair_by_pair() {
    let mut model = model();
    let continuous = json!({"targetSelection": "CONTINUOUS"});
    create(&mut model, "J", continuous, at(0));
    let flood: Vec<_> = (0..60_000).map(|number| format!("x{number}")).collect();
    let refused = associate(&mut model, "J", json!({ "targets": flood })).unwrap_err();
    assert_eq!(refused.exception(), "LimitExceededException");
}
