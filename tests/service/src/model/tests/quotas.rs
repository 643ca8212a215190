//! Each quota at its limit and one above, and what the other knobs change.

use super::*;
use crate::model::request::{
    AssociateTargets, CancelJobExecution, CreateJobTemplate, DeleteJob, ListJobs, PageRequest,
};
use crate::model::{AtConcurrencyLimit, Quotas};

const HOUR: u64 = 3600;

/// A model with these quotas and the thing `gw-1`.
fn with_quotas(change: impl FnOnce(&mut Quotas)) -> Model {
    let mut knobs = Knobs::default();
    change(&mut knobs.quotas);
    with_knobs(knobs)
}

/// How CreateJob ends: with nothing to say, or with an exception.
fn created(model: &mut Model, id: &str, members: Value) -> &'static str {
    let request = create_request(id, members);
    let created = model.create_job(&scope(), request, at(0));
    created.map_or_else(|error| error.exception(), |_| "")
}

/// CreateJob for three things, of which one a minute is reached.
fn create_slow(model: &mut Model, id: &str) -> Result<(), ControlError> {
    let request = create_request(id, slow());
    model.create_job(&scope(), request, at(0)).map(|_| ())
}

fn named<const N: usize>(things: [&str; N]) -> Vec<String> {
    things.map(thing_arn).to_vec()
}

fn slow() -> Value {
    json!({"targets": named(["a", "b", "c"]), "jobExecutionsRolloutConfig": {"maximumPerMinute": 1}})
}

/// A model in which `limit` jobs may roll out, with the things of [`slow`].
fn crowded(limit: u32, choice: AtConcurrencyLimit) -> Model {
    let mut knobs = Knobs {
        at_concurrency_limit: choice,
        minimum_schedule_lead_minutes: 0,
        ..Knobs::default()
    };
    knobs.quotas.concurrent_jobs = limit;
    let mut model = with_knobs(knobs);
    for name in ["a", "b", "c"] {
        add_thing(&mut model, name);
    }
    model
}

/// How many executions a job has made.
fn reached(model: &Model, id: &str) -> u64 {
    let details = &described(model, id)["jobProcessDetails"];
    ["Queued", "InProgress", "Succeeded"]
        .iter()
        .filter_map(|name| details[format!("numberOf{name}Things")].as_u64())
        .sum()
}

#[test]
fn as_many_jobs_are_active_as_the_quota_has_scheduled_ones_among_them() {
    let mut model = with_quotas(|quotas| quotas.active_jobs = 3);
    assert_eq!(created(&mut model, "A", json!({})), "");
    assert_eq!(created(&mut model, "B", json!({})), "");
    let scheduled = json!({"schedulingConfig": {"startTime": "2023-11-15T13:00"}});
    assert_eq!(created(&mut model, "C", scheduled), "");
    assert_eq!(
        created(&mut model, "D", json!({})),
        "LimitExceededException"
    );
    report(&mut model, "A", "SUCCEEDED", at(1));
    assert_eq!(created(&mut model, "D", json!({})), "");
    assert_eq!(
        created(&mut model, "E", json!({})),
        "LimitExceededException"
    );
    cancel(&mut model, "C", false, at(2));
    assert_eq!(created(&mut model, "E", json!({})), "");
}

#[test]
fn a_job_too_many_to_roll_out_is_refused() {
    let mut model = crowded(2, AtConcurrencyLimit::Refuse);
    create_slow(&mut model, "A").unwrap();
    create_slow(&mut model, "B").unwrap();
    assert_eq!(
        create_slow(&mut model, "C"),
        Err(ControlError::LimitExceeded(
            "No more than 2 jobs can be concurrent.".to_owned()
        ))
    );
    // Once all things of both are reached, their executions still open, there is room.
    model.advance(at(120));
    create_slow(&mut model, "C").unwrap();
}

#[test]
fn a_job_too_many_to_roll_out_waits_where_that_is_chosen() {
    let mut model = crowded(1, AtConcurrencyLimit::Hold);
    for id in ["A", "B", "C"] {
        create_slow(&mut model, id).unwrap();
    }
    for (secs, expected) in [
        (0, [1, 0, 0]),
        (60, [2, 0, 0]),
        (120, [3, 1, 0]),
        (180, [3, 2, 0]),
        (240, [3, 3, 1]),
        (360, [3, 3, 3]),
    ] {
        model.advance(at(secs));
        let jobs = ["A", "B", "C"];
        assert_eq!(jobs.map(|id| reached(&model, id)), expected, "{secs}");
        let concurrent = jobs.map(|id| described(&model, id)["isConcurrent"] == true);
        assert!(concurrent.iter().filter(|is| **is).count() <= 1, "{secs}");
        for id in jobs {
            assert_eq!(described(&model, id)["status"], "IN_PROGRESS", "{secs}");
        }
    }
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn a_job_that_waits_can_be_cancelled_and_deleted() {
    for ends in [true, false] {
        let mut model = crowded(1, AtConcurrencyLimit::Hold);
        create_slow(&mut model, "A").unwrap();
        create_slow(&mut model, "B").unwrap();
        if ends {
            cancel(&mut model, "B", false, at(1));
        } else {
            let request = DeleteJob {
                job_id: "B".to_owned(),
                force: true,
                ..DeleteJob::default()
            };
            model.delete_job(&request, at(1)).unwrap();
        }
        model.advance(at(HOUR));
        assert_eq!(model.next_deadline(), None);
        assert_eq!(reached(&model, "A"), 3);
    }
}

fn at_one(members: Value) -> Value {
    let mut members = members;
    members["schedulingConfig"] = json!({"startTime": "2023-11-15T13:00"});
    members
}

#[test]
fn a_scheduled_job_that_finds_no_turn_at_its_start_is_cancelled() {
    let mut model = crowded(1, AtConcurrencyLimit::Refuse);
    assert_eq!(created(&mut model, "late", at_one(slow())), "");
    model.advance(at(HOUR - 1));
    create_slow_at(&mut model, "first", at(HOUR - 1));
    news(&mut model);

    model.advance(at(HOUR));

    let job = described(&model, "late");
    assert_eq!(
        (&job["status"], &job["reasonCode"], &job["completedAt"]),
        (
            &json!("CANCELED"),
            &json!("CONCURRENT_JOBS_LIMIT"),
            &json!(NOON + HOUR)
        )
    );
    assert_eq!(reached(&model, "late"), 0);
    model.advance(at(2 * HOUR));
    assert_eq!(reached(&model, "late"), 0);
    assert_eq!(reached(&model, "first"), 3);
    assert_eq!(model.next_deadline(), None);
}

fn create_slow_at(model: &mut Model, id: &str, now: Timestamp) {
    let request = create_request(id, slow());
    model.create_job(&scope(), request, now).unwrap();
}

#[test]
fn of_two_jobs_with_one_start_and_one_turn_the_second_is_cancelled() {
    let mut model = crowded(1, AtConcurrencyLimit::Refuse);
    created(&mut model, "A", at_one(slow()));
    created(&mut model, "B", at_one(slow()));
    model.advance(at(HOUR));
    assert_eq!(described(&model, "A")["status"], "IN_PROGRESS");
    assert_eq!(described(&model, "B")["status"], "CANCELED");
}

#[test]
fn a_scheduled_job_waits_for_a_turn_where_that_is_chosen() {
    let mut model = crowded(1, AtConcurrencyLimit::Hold);
    created(&mut model, "A", at_one(slow()));
    created(&mut model, "B", at_one(slow()));
    model.advance(at(HOUR));
    assert_eq!((reached(&model, "A"), reached(&model, "B")), (1, 0));
    assert_eq!(described(&model, "B")["status"], "IN_PROGRESS");
    model.advance(at(2 * HOUR));
    assert_eq!(reached(&model, "B"), 3);
}

#[test]
fn a_job_whose_window_opens_again_while_too_many_roll_out_waits() {
    let mut model = crowded(1, AtConcurrencyLimit::Refuse);
    create_group(&mut model, "G", None).unwrap();
    for name in ["a", "b", "c"] {
        join(&mut model, "G", name, at(0));
    }
    // Two minutes of each hour: two things are reached in the first window.
    let windows = [json!({"startTime": "cron(0 * * * ? *)", "durationInMinutes": 2})];
    let members = json!({
        "targets": [group_arn("G")],
        "targetSelection": "CONTINUOUS",
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
        "schedulingConfig": {"startTime": "2023-11-15T13:00", "maintenanceWindows": windows},
    });
    assert_eq!(created(&mut model, "W", members), "");
    model.advance(at(2 * HOUR - 1));
    assert_eq!(reached(&model, "W"), 2);
    create_slow_at(&mut model, "A", at(2 * HOUR - 1));

    model.advance(at(2 * HOUR + 119));
    assert_eq!(described(&model, "W")["status"], "IN_PROGRESS");
    assert_eq!(reached(&model, "W"), 2);
    model.advance(at(3 * HOUR));
    assert_eq!(reached(&model, "W"), 3);
}

#[test]
fn a_job_names_as_many_targets_as_the_quota_has() {
    let mut model = with_quotas(|quotas| quotas.targets_per_job = 2);
    for name in ["a", "b", "c"] {
        add_thing(&mut model, name);
    }
    let two = json!({"targets": named(["a", "b"]), "targetSelection": "CONTINUOUS"});
    assert_eq!(created(&mut model, "A", two), "");
    let three = json!({"targets": named(["a", "b", "c"])});
    assert_eq!(created(&mut model, "B", three), "LimitExceededException");
    let request = AssociateTargets {
        job_id: "A".to_owned(),
        targets: Some(vec![thing_arn("c")]),
        ..AssociateTargets::default()
    };
    let refused = model.associate_targets(&scope(), request, at(0));
    assert_eq!(refused.unwrap_err().exception(), "LimitExceededException");
}

#[test]
fn a_rollout_is_as_fast_as_the_quota_allows() {
    let rate = |maximum: u32| json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": maximum}});
    for quota in [1, 1000, 5000] {
        let mut model = with_quotas(|quotas| quotas.rollout_per_minute = quota);
        assert_eq!(created(&mut model, "A", rate(quota)), "");
        let refused = created(&mut model, "B", rate(quota + 1));
        assert_eq!(refused, "InvalidRequestException", "{quota}");
    }
    let mut model = with_quotas(|quotas| quotas.rollout_per_minute = 2);
    for name in ["a", "b", "c"] {
        add_thing(&mut model, name);
    }
    create(
        &mut model,
        "J",
        json!({"targets": named(["a", "b", "c"])}),
        at(0),
    );
    assert_eq!(
        reached(&model, "J"),
        2,
        "who asks for no rate gets the quota"
    );
}

#[test]
fn a_document_is_as_long_as_the_quota_and_one_in_the_request_never_beyond_the_service_model() {
    let document = |bytes: usize| json!({"document": format!("\"{}\"", "x".repeat(bytes - 2))});
    let mut model = with_quotas(|quotas| quotas.document_bytes = 100);
    assert_eq!(created(&mut model, "A", document(100)), "");
    assert_eq!(
        created(&mut model, "B", document(101)),
        "LimitExceededException"
    );

    let mut model = with_quotas(|quotas| quotas.document_bytes = 40_000);
    assert_eq!(created(&mut model, "A", document(32_768)), "");
    let refused = created(&mut model, "B", document(32_769));
    assert_eq!(refused, "InvalidRequestException");
    for (id, bytes, expected) in [("C", 40_000, ""), ("D", 40_001, "LimitExceededException")] {
        let mut request = create_request(id, json!({"documentSource": "s3://bucket/key"}));
        request.document = None;
        request.fetched = Some(Ok(format!("\"{}\"", "x".repeat(bytes - 2)).into_bytes()));
        let created = model.create_job(&scope(), request, at(0));
        assert_eq!(
            created.map_or_else(|error| error.exception(), |_| ""),
            expected
        );
    }
}

#[test]
fn there_are_as_many_templates_as_the_quota_has() {
    let mut model = with_quotas(|quotas| quotas.job_templates = 2);
    let create = |model: &mut Model, id: &str| {
        let mut request: CreateJobTemplate = parsed(json!({"description": "d", "document": "{}"}));
        request.job_template_id = id.to_owned();
        let created = model.create_job_template(&scope(), request, at(0));
        created.map_or_else(|error| error.exception(), |_| "")
    };
    assert_eq!(create(&mut model, "A"), "");
    assert_eq!(create(&mut model, "B"), "");
    assert_eq!(create(&mut model, "C"), "LimitExceededException");
    model.delete_job_template("A").unwrap();
    assert_eq!(create(&mut model, "C"), "");
}

#[test]
fn a_pending_list_has_as_many_places_as_the_quota() {
    let mut model = with_quotas(|quotas| quotas.pending_executions = 2);
    for id in ["A", "B", "C"] {
        create(&mut model, id, json!({}), at(0));
    }
    let pending = model.pending_job_executions(&thing("gw-1"), None).unwrap();
    assert_eq!(ids(&pending), (vec![], vec!["A", "B"]));
}

#[test]
fn status_details_have_as_many_pairs_and_characters_as_the_quotas() {
    let mut model = with_quotas(|quotas| {
        quotas.status_details_pairs = 1;
        quotas.status_details_value_characters = 3;
    });
    create(&mut model, "J", json!({}), at(0));
    for (details, legal) in [
        (json!({"a": "xyz"}), true),
        (json!({"a": "wxyz"}), false),
        (json!({"a": "x", "b": "y"}), false),
    ] {
        let body = json!({"status": "IN_PROGRESS", "statusDetails": details});
        assert_eq!(
            update(&mut model, "J", body, at(0)).is_ok(),
            legal,
            "{details}"
        );
        let request = CancelJobExecution {
            job_id: "J".to_owned(),
            thing_name: "gw-1".to_owned(),
            expected_version: Some(99),
            status_details: Some(parsed(details)),
            ..CancelJobExecution::default()
        };
        let refused = model.cancel_job_execution(request, at(0)).unwrap_err();
        assert_eq!(refused.exception() == "VersionConflictException", legal);
    }
}

#[test]
fn timers_run_as_long_as_the_quota_allows() {
    let mut model = with_quotas(|quotas| quotas.timeout_minutes = 5);
    let timeout = |minutes: u32| json!({"timeoutConfig": {"inProgressTimeoutInMinutes": minutes}});
    assert_eq!(created(&mut model, "A", timeout(5)), "");
    assert_eq!(
        created(&mut model, "B", timeout(6)),
        "InvalidRequestException"
    );
    for (minutes, legal) in [(5, true), (6, false)] {
        let body = json!({"status": "IN_PROGRESS", "stepTimeoutInMinutes": minutes});
        assert_eq!(update(&mut model, "A", body, at(0)).is_ok(), legal);
    }
}

#[test]
fn a_thing_retries_as_often_as_the_quota_allows() {
    let mut model = with_quotas(|quotas| quotas.retries_per_thing = 3);
    let retries = |failed: u32, timed_out: u32| {
        let criteria = [("FAILED", failed), ("TIMED_OUT", timed_out)];
        let criteria =
            criteria.map(|(kind, count)| json!({"failureType": kind, "numberOfRetries": count}));
        json!({
            "jobExecutionsRetryConfig": {"criteriaList": criteria},
            "timeoutConfig": {"inProgressTimeoutInMinutes": 1},
        })
    };
    assert_eq!(created(&mut model, "A", retries(1, 2)), "");
    assert_eq!(
        created(&mut model, "B", retries(2, 2)),
        "InvalidRequestException"
    );
}

#[test]
fn a_page_is_no_longer_than_the_quota_whatever_is_asked_for() {
    let mut model = with_quotas(|quotas| quotas.page_size = 2);
    for id in ["A", "B", "C"] {
        create(&mut model, id, json!({}), at(0));
    }
    for (asked, expected) in [(None, 2), (Some(250), 2), (Some(1), 1)] {
        let request = ListJobs {
            max_results: asked,
            ..ListJobs::default()
        };
        let list = model.list_jobs(&scope(), &request).unwrap();
        assert_eq!(list.jobs.len(), expected);
        assert!(list.next_token.is_some());
        let rest = ListJobs {
            next_token: list.next_token,
            ..ListJobs::default()
        };
        let rest = model.list_jobs(&scope(), &rest).unwrap();
        assert_eq!(rest.jobs.len(), (3 - expected).min(2));
    }
    let everything = PageRequest::default();
    let templates = model.list_job_templates(&scope(), &everything).unwrap();
    assert!(templates.job_templates.is_empty());
}

#[test]
fn an_execution_outlives_its_timers_by_the_slack_and_exactly_that() {
    let mut model = with_knobs(Knobs {
        timeout_slack_seconds: 60,
        ..Knobs::default()
    });
    let members = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}});
    create(&mut model, "J", members, at(0));
    report(&mut model, "J", "IN_PROGRESS", at(0));
    assert_eq!(model.next_deadline(), Some(at(120)));
    model.advance(at(119));
    assert_eq!(status(&model, "J"), "IN_PROGRESS");
    let told = execution(&model, "J").approximate_seconds_before_timed_out;
    assert_eq!(told, Some(60), "the slack is not told");
    model.advance(at(120));
    assert_eq!(status(&model, "J"), "TIMED_OUT");
    assert_eq!(execution(&model, "J").last_updated_at, at(120));
}

#[test]
fn a_device_that_reports_within_the_slack_is_not_late() {
    let mut model = with_knobs(Knobs {
        timeout_slack_seconds: 60,
        ..Knobs::default()
    });
    let members = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}});
    create(&mut model, "J", members, at(0));
    report(&mut model, "J", "IN_PROGRESS", at(0));
    model.advance(at(119));
    report(&mut model, "J", "SUCCEEDED", at(119));
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn a_slack_that_is_changed_holds_for_the_timers_that_run() {
    let mut model = model();
    let members = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}});
    create(&mut model, "J", members, at(0));
    report(&mut model, "J", "IN_PROGRESS", at(0));
    let mut knobs = model.knobs();
    knobs.timeout_slack_seconds = 10;
    model.set_knobs(knobs);
    model.advance(at(69));
    assert_eq!(status(&model, "J"), "IN_PROGRESS");
    model.advance(at(70));
    assert_eq!(status(&model, "J"), "TIMED_OUT");
}

#[test]
fn a_snapshot_misses_who_has_just_joined_and_a_continuous_job_does_not() {
    let mut model = with_knobs(Knobs {
        group_membership_lag_seconds: 5,
        ..Knobs::default()
    });
    add_thing(&mut model, "gw-2");
    create_group(&mut model, "G", None).unwrap();
    join(&mut model, "G", "gw-1", at(0));
    join(&mut model, "G", "gw-2", at(4));
    let mut counts = |id: &str, selection: &str, now: u64| {
        let members = json!({"targets": [group_arn("G")], "targetSelection": selection});
        create(&mut model, id, members, at(now));
        reached(&model, id)
    };
    assert_eq!(counts("A", "SNAPSHOT", 4), 0);
    assert_eq!(counts("B", "CONTINUOUS", 4), 2);
    assert_eq!(counts("C", "SNAPSHOT", 5), 1);
    assert_eq!(counts("D", "SNAPSHOT", 9), 2);
}

#[test]
fn a_target_that_is_a_thing_needs_no_group_to_show_it() {
    let mut model = with_knobs(Knobs {
        group_membership_lag_seconds: 5,
        ..Knobs::default()
    });
    create_group(&mut model, "G", None).unwrap();
    join(&mut model, "G", "gw-1", at(0));
    let targets = [group_arn("G"), thing_arn("gw-1")];
    create(&mut model, "J", json!({"targets": targets}), at(0));
    assert_eq!(reached(&model, "J"), 1);
}

#[test]
fn a_schedule_begins_as_early_as_the_lead_allows() {
    for (lead, start, legal) in [
        (30, "2023-11-15T12:29", false),
        (30, "2023-11-15T12:30", true),
        (1, "2023-11-15T12:00", false),
        (1, "2023-11-15T12:01", true),
        (0, "2023-11-15T12:00", true),
    ] {
        let mut model = with_knobs(Knobs {
            minimum_schedule_lead_minutes: lead,
            ..Knobs::default()
        });
        let members = json!({"schedulingConfig": {"startTime": start}});
        let refused = created(&mut model, "J", members);
        assert_eq!(refused.is_empty(), legal, "{lead} {start}");
    }
}

#[test]
fn a_schedule_that_ends_as_it_starts_is_refused_under_any_lead() {
    let mut model = with_knobs(Knobs {
        minimum_schedule_lead_minutes: 0,
        ..Knobs::default()
    });
    for (end, refused) in [
        ("2023-11-15T12:05", "InvalidRequestException"),
        ("2023-11-15T12:06", ""),
    ] {
        let config = json!({"startTime": "2023-11-15T12:05", "endTime": end});
        let answer = created(&mut model, "J", json!({"schedulingConfig": config}));
        assert_eq!(answer, refused, "{end}");
    }
}

#[test]
fn scheduled_jobs_are_left_out_of_the_list_of_a_group_only_where_that_is_chosen() {
    for (omits, expected) in [(false, 2), (true, 1)] {
        let mut model = with_knobs(Knobs {
            list_jobs_omits_scheduled_in_groups: omits,
            ..Knobs::default()
        });
        create_group(&mut model, "G", None).unwrap();
        let of_group = json!({"targets": [group_arn("G")], "targetSelection": "CONTINUOUS"});
        create(&mut model, "A", of_group.clone(), at(0));
        create(&mut model, "B", at_one(of_group), at(0));
        let list = |group: Option<&str>| {
            let request = ListJobs {
                thing_group_name: group.map(str::to_owned),
                ..ListJobs::default()
            };
            model.list_jobs(&scope(), &request).unwrap().jobs.len()
        };
        assert_eq!(list(Some("G")), expected);
        assert_eq!(list(None), 2);
    }
}

#[test]
fn events_are_switched_on_and_off_and_what_was_asked_for_stays_otherwise() {
    let mut model = model();
    let mut knobs = model.knobs();
    knobs.events = true;
    model.set_knobs(knobs);
    create(&mut model, "A", json!({}), at(0));
    report(&mut model, "A", "SUCCEEDED", at(1));
    assert!(news(&mut model).contains(&"completed A".to_owned()));

    let off = parsed(json!({"eventConfigurations": {"JOB": {"Enabled": false}}}));
    model.update_event_configurations(&off, at(2)).unwrap();
    knobs.quotas.page_size = 1;
    model.set_knobs(knobs);
    create(&mut model, "B", json!({}), at(2));
    report(&mut model, "B", "SUCCEEDED", at(3));
    let told = news(&mut model);
    assert!(told.contains(&"succeeded B".to_owned()), "{told:?}");
    assert!(!told.contains(&"completed B".to_owned()), "{told:?}");
}

#[test]
fn as_many_jobs_are_deleted_at_one_time_as_the_quota_has() {
    let mut model = with_quotas(|quotas| {
        quotas.deleting_jobs = 1;
        quotas.rollout_per_minute = 2000;
    });
    create_group(&mut model, "G", None).unwrap();
    for number in 0..1001 {
        let name = format!("t{number}");
        add_thing(&mut model, &name);
        join(&mut model, "G", &name, at(0));
    }
    // The executions of so many things are not deleted at once.
    let rate = json!({"maximumPerMinute": 2000});
    let large = json!({"targets": [group_arn("G")], "jobExecutionsRolloutConfig": rate});
    create(&mut model, "large", large, at(0));
    create(&mut model, "small", json!({}), at(0));
    let delete = |model: &mut Model, id: &str, now: Timestamp| {
        let request = DeleteJob {
            job_id: id.to_owned(),
            force: true,
            ..DeleteJob::default()
        };
        let deleted = model.delete_job(&request, now);
        deleted.map_or_else(|error| error.exception(), |()| "")
    };

    assert_eq!(delete(&mut model, "large", at(0)), "");
    assert_eq!(described(&model, "large")["status"], "DELETION_IN_PROGRESS");
    assert_eq!(delete(&mut model, "small", at(0)), "LimitExceededException");

    model.advance(at(1));
    assert_eq!(delete(&mut model, "small", at(1)), "");
}
