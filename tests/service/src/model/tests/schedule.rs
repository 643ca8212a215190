//! Schedules and maintenance windows, with a stepped clock.

use crate::model::calendar::{parse_minute, start_of};
use crate::model::ledger::{PENDING_LIMIT, PENDING_LIMIT_IN_WINDOW};

use super::*;

/// The day of [`NOON`] is 2023-11-15.
fn on(text: &str) -> Timestamp {
    start_of(parse_minute(text).unwrap())
}

fn refusal(selection: &str, config: Value) -> String {
    let members = json!({"targetSelection": selection, "schedulingConfig": config});
    let request = create_request("J", members);
    let refused = model().create_job(&scope(), request, at(0)).unwrap_err();
    assert_eq!(refused.exception(), "InvalidRequestException");
    refused.to_string()
}

fn schedule(model: &mut Model, id: &str, config: Value) {
    create(model, id, json!({ "schedulingConfig": config }), at(0));
}

/// A continuous job with a window from 22:00 to 23:00 each day, from this day on.
fn nightly(model: &mut Model, id: &str, more: Value) {
    let mut config = json!({
        "startTime": "2023-11-15T13:00",
        "maintenanceWindows": [{"startTime": "0 22 * * ? *", "durationInMinutes": 60}],
    });
    config.as_object_mut().unwrap().extend(object(more));
    nightly_with(model, id, json!({ "schedulingConfig": config }));
}

/// Like [`nightly`], with members of the job beside its schedule.
fn nightly_with(model: &mut Model, id: &str, members: Value) {
    let config = json!({
        "startTime": "2023-11-15T13:00",
        "maintenanceWindows": [{"startTime": "0 22 * * ? *", "durationInMinutes": 60}],
    });
    let mut all = json!({"targetSelection": "CONTINUOUS", "schedulingConfig": config});
    all.as_object_mut().unwrap().extend(object(members));
    create(model, id, all, at(0));
}

fn described(model: &Model, id: &str, now: Timestamp) -> Value {
    let described = model.describe_job(&scope(), id, now).unwrap();
    serde_json::to_value(described).unwrap()["job"].take()
}

fn job_status(model: &Model, id: &str) -> &'static str {
    let described = model.describe_job(&scope(), id, at(0)).unwrap();
    described.job.status.as_str()
}

fn pending(model: &Model) -> Vec<String> {
    let pending = model.pending_job_executions(&thing("gw-1"), None).unwrap();
    let (in_progress, queued) = ids(&pending);
    in_progress
        .into_iter()
        .chain(queued)
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_time_must_have_the_services_format() {
    for time in [
        "2023-11-15T13:00Z",
        "2023-11-15 13:00",
        "2023-02-29T13:00",
        "soon",
    ] {
        let expected = format!(
            "1 validation error detected: Provided time {time} UTC must follow the format \
             YYYY-MM-DDThh:mm."
        );
        assert_eq!(refusal("SNAPSHOT", json!({ "startTime": time })), expected);
        assert_eq!(refusal("SNAPSHOT", json!({ "endTime": time })), expected);
    }
}

#[test]
fn members_beyond_the_service_model_are_told_all_at_once() {
    let message = refusal(
        "CONTINUOUS",
        json!({
            "startTime": "",
            "endTime": "x".repeat(65),
            "endBehavior": "EXPLODE",
            "maintenanceWindows": [{"startTime": "", "durationInMinutes": 0}, {}],
        }),
    );
    for part in [
        "7 validation errors detected: ",
        "Value '' at 'schedulingConfig.startTime' failed to satisfy constraint: Member must have \
         length greater than or equal to 1",
        "Value 'EXPLODE' at 'schedulingConfig.endBehavior' failed to satisfy constraint: Member \
         must satisfy enum value set: [STOP_ROLLOUT, CANCEL, FORCE_CANCEL]",
        "Value '0' at 'schedulingConfig.maintenanceWindows.1.member.durationInMinutes' failed to \
         satisfy constraint: Member must have value greater than or equal to 1",
        "Value null at 'schedulingConfig.maintenanceWindows.2.member.startTime' failed to satisfy \
         constraint: Member must not be null",
    ] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
}

#[test]
fn times_too_near_or_too_far_are_refused() {
    for (config, text) in [
        (json!({"startTime": "2023-11-15T12:29"}), "StartTime"),
        (json!({"startTime": "2024-11-14T12:01"}), "StartTime"),
        (json!({"endTime": "2023-11-15T12:29"}), "EndTime"),
        (json!({"endTime": "2025-11-14T12:01"}), "EndTime"),
        (
            json!({"startTime": "2023-11-15T12:30", "endTime": "2023-11-15T12:59"}),
            "EndTime",
        ),
    ] {
        let message = refusal("SNAPSHOT", config);
        assert!(message.starts_with(text), "{message}");
    }
}

#[test]
fn times_at_their_limits_are_taken() {
    for (index, config) in [
        json!({"startTime": "2023-11-15T12:30"}),
        json!({"startTime": "2024-11-14T12:00"}),
        json!({"endTime": "2023-11-15T12:30"}),
        json!({"endTime": "2025-11-14T12:00"}),
        json!({"startTime": "2023-11-15T12:30", "endTime": "2023-11-15T13:00"}),
        json!({"endBehavior": "CANCEL"}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut model = model();
        schedule(&mut model, &format!("J{index}"), config.clone());
        let described = described(&model, &format!("J{index}"), at(0));
        assert_eq!(described["schedulingConfig"], config);
        assert_eq!(described.get("scheduledJobRollouts"), None);
    }
}

#[test]
fn windows_are_for_continuous_jobs_with_a_start() {
    let windows = json!([{"startTime": "0 22 * * ? *", "durationInMinutes": 60}]);
    let start = "2023-11-15T13:00";
    assert_eq!(
        refusal(
            "SNAPSHOT",
            json!({"startTime": start, "maintenanceWindows": windows})
        ),
        "TargetSelection is invalid. MaintenanceWindow cannot be used with SNAPSHOT job."
    );
    assert_eq!(
        refusal("CONTINUOUS", json!({ "maintenanceWindows": windows })),
        "MaintenanceWindow cannot be used without StartTime of SchedulingConfig."
    );
    let daily = json!([{"startTime": "every day", "durationInMinutes": 60}]);
    assert_eq!(
        refusal(
            "CONTINUOUS",
            json!({"startTime": start, "maintenanceWindows": daily})
        ),
        "StartTime every day of MaintenanceWindow is not a valid cron expression."
    );
}

#[test]
fn nothing_is_told_of_a_scheduled_job_until_it_starts() {
    let mut model = model();
    schedule(&mut model, "J", json!({"startTime": "2023-11-15T13:00"}));
    assert_eq!(job_status(&model, "J"), "SCHEDULED");
    assert_eq!(news(&mut model), [""; 0]);
    assert_eq!(pending(&model), [""; 0]);
    assert_eq!(model.next_deadline(), Some(on("2023-11-15T13:00")));

    model.advance(on("2023-11-15T12:59"));
    assert_eq!(job_status(&model, "J"), "SCHEDULED");
    model.advance(on("2023-11-15T13:00"));
    assert_eq!(job_status(&model, "J"), "IN_PROGRESS");
    assert_eq!(news(&mut model), ["notify J", "next J"]);
    let queued_at = execution(&model, "J").queued_at;
    assert_eq!(queued_at, on("2023-11-15T13:00"));
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn a_scheduled_job_can_be_cancelled_and_then_reaches_nobody() {
    let mut model = model();
    schedule(&mut model, "J", json!({"startTime": "2023-11-15T13:00"}));
    cancel(&mut model, "J", false, at(60));
    assert_eq!(job_status(&model, "J"), "CANCELED");
    model.advance(on("2023-11-16T00:00"));
    assert_eq!(news(&mut model), [""; 0]);
    assert_eq!(job_status(&model, "J"), "CANCELED");
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn a_scheduled_job_is_deleted_only_by_force_and_its_start_with_it() {
    let mut model = model();
    schedule(&mut model, "J", json!({"startTime": "2023-11-15T13:00"}));
    let mut request = crate::model::request::DeleteJob {
        job_id: "J".to_owned(),
        ..Default::default()
    };
    let refused = model.delete_job(&request, at(1)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Job J in status SCHEDULED cannot be deleted."
    );
    request.force = true;
    model.delete_job(&request, at(1)).unwrap();
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn a_thing_that_was_deleted_before_the_start_is_not_reached() {
    let mut model = model();
    schedule(&mut model, "J", json!({"startTime": "2023-11-15T13:00"}));
    model.delete_thing("gw-1", None, at(1)).unwrap();
    add_thing(&mut model, "gw-1");
    model.advance(on("2023-11-15T13:00"));
    assert_eq!(pending(&model), [""; 0]);
    assert_eq!(job_status(&model, "J"), "COMPLETED");
}

/// What is left of a queued and of a started execution at the end, and of the job; then, once the
/// open ones succeeded, of the job again.
fn end_with(behavior: Value) -> ([&'static str; 2], &'static str, &'static str) {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    let mut config = json!({"endTime": "2023-11-15T13:00"});
    config.as_object_mut().unwrap().extend(object(behavior));
    let targets = [thing_arn("gw-1"), thing_arn("gw-2")];
    let members = json!({"targets": targets, "schedulingConfig": config});
    create(&mut model, "J", members, at(0));
    report(&mut model, "J", "IN_PROGRESS", at(1));
    model.advance(on("2023-11-15T13:00"));

    let of = |model: &Model, name: &str| {
        let job = &model.jobs["J"];
        job.latest(&thing(name)).unwrap().1.status
    };
    let left = ["gw-2", "gw-1"].map(|name| of(&model, name));
    let status = job_status(&model, "J");
    for name in ["gw-1", "gw-2"] {
        if of(&model, name).is_pending() {
            let request = Update::parse(&object(json!({"status": "SUCCEEDED"}))).unwrap();
            let later = on("2023-11-15T14:00");
            model
                .update(&thing(name), None, &job("J"), &request, later)
                .unwrap();
        }
    }
    (
        left.map(|left| left.as_str()),
        status,
        job_status(&model, "J"),
    )
}

#[test]
fn an_end_completes_the_job_and_does_to_its_executions_what_it_says() {
    let stop = (["QUEUED", "IN_PROGRESS"], "IN_PROGRESS", "COMPLETED");
    for (behavior, expected) in [
        (json!({}), stop),
        (json!({"endBehavior": "STOP_ROLLOUT"}), stop),
        (
            json!({"endBehavior": "CANCEL"}),
            (["CANCELED", "IN_PROGRESS"], "IN_PROGRESS", "COMPLETED"),
        ),
        (
            json!({"endBehavior": "FORCE_CANCEL"}),
            (["CANCELED", "CANCELED"], "COMPLETED", "COMPLETED"),
        ),
    ] {
        assert_eq!(end_with(behavior.clone()), expected, "{behavior}");
    }
}

#[test]
fn a_continuous_job_is_completed_by_its_end_alone() {
    let mut model = model();
    let config = json!({"endTime": "2023-11-15T13:00"});
    let members = json!({"targetSelection": "CONTINUOUS", "schedulingConfig": config});
    create(&mut model, "J", members, at(0));
    report(&mut model, "J", "SUCCEEDED", at(1));
    assert_eq!(job_status(&model, "J"), "IN_PROGRESS");
    model.advance(on("2023-11-15T13:00"));
    assert_eq!(job_status(&model, "J"), "COMPLETED");
}

#[test]
fn at_a_windows_edges_the_lists_change_and_the_job_is_scheduled_between() {
    let mut model = model();
    nightly(&mut model, "J", json!({}));
    for (now, status, told, list) in [
        ("2023-11-15T13:00", "SCHEDULED", vec![], vec![]),
        (
            "2023-11-15T22:00",
            "IN_PROGRESS",
            vec!["notify J", "next J"],
            vec!["J"],
        ),
        ("2023-11-15T22:59", "IN_PROGRESS", vec![], vec!["J"]),
        (
            "2023-11-15T23:00",
            "SCHEDULED",
            vec!["notify ", "next -"],
            vec![],
        ),
        (
            "2023-11-16T22:00",
            "IN_PROGRESS",
            vec!["notify J", "next J"],
            vec!["J"],
        ),
    ] {
        model.advance(on(now));
        assert_eq!(job_status(&model, "J"), status, "{now}");
        assert_eq!(news(&mut model), told, "{now}");
        assert_eq!(pending(&model), list, "{now}");
    }
}

#[test]
fn a_clock_that_leaps_over_windows_passes_every_edge() {
    let mut model = model();
    nightly(&mut model, "J", json!({}));
    model.advance(on("2023-11-17T12:00"));
    let told = ["notify J", "next J", "notify ", "next -"];
    assert_eq!(news(&mut model), [told, told].concat());
    assert_eq!(execution(&model, "J").queued_at, on("2023-11-15T22:00"));
}

#[test]
fn outside_its_window_an_execution_in_progress_is_hidden_but_goes_on() {
    let mut model = model();
    nightly(&mut model, "J", json!({}));
    model.advance(on("2023-11-15T22:00"));
    report(&mut model, "J", "IN_PROGRESS", on("2023-11-15T22:01"));
    news(&mut model);

    let outside = on("2023-11-15T23:30");
    model.advance(outside);
    assert_eq!(news(&mut model), ["notify ", "next -"]);
    assert_eq!(start_next(&mut model, json!({}), outside), None);
    assert_eq!(status(&model, "J"), "IN_PROGRESS");
    report(&mut model, "J", "SUCCEEDED", outside);
    assert_eq!(news(&mut model), [""; 0], "what was hidden cannot leave");
    assert_eq!(status(&model, "J"), "SUCCEEDED");
    model.advance(on("2023-11-16T22:00"));
    assert_eq!(news(&mut model), [""; 0]);
}

#[test]
fn outside_its_window_a_queued_execution_cannot_be_started() {
    let mut model = model();
    nightly(&mut model, "J", json!({}));
    model.advance(on("2023-11-15T23:30"));
    let refused = update(
        &mut model,
        "J",
        json!({"status": "IN_PROGRESS"}),
        on("2023-11-15T23:31"),
    )
    .unwrap_err();
    assert_eq!(refused.code(), "InvalidStateTransition");
    let state = refused.state().unwrap();
    assert_eq!((state.status.as_str(), state.version_number), ("QUEUED", 1));
    assert_eq!(status(&model, "J"), "QUEUED");
}

#[test]
fn a_job_outside_its_window_lets_another_one_be_the_first() {
    let mut model = model();
    nightly(&mut model, "J1", json!({}));
    model.advance(on("2023-11-15T22:00"));
    create(&mut model, "J2", json!({}), on("2023-11-15T22:10"));
    news(&mut model);
    model.advance(on("2023-11-15T23:00"));
    assert_eq!(news(&mut model), ["notify J2", "next J2"]);
    model.advance(on("2023-11-16T22:00"));
    assert_eq!(news(&mut model), ["notify J1,J2", "next J1"]);
}

#[test]
fn a_timer_runs_out_outside_the_window_too() {
    let mut model = model();
    nightly(&mut model, "J", json!({}));
    model.advance(on("2023-11-15T22:00"));
    let step = json!({"status": "IN_PROGRESS", "stepTimeoutInMinutes": 90});
    update(&mut model, "J", step, on("2023-11-15T22:00")).unwrap();
    news(&mut model);
    model.advance(on("2023-11-16T01:00"));
    assert_eq!(news(&mut model), ["notify ", "next -"]);
    assert_eq!(status(&model, "J"), "TIMED_OUT");
    assert_eq!(
        execution(&model, "J").last_updated_at,
        on("2023-11-15T23:30")
    );
}

#[test]
fn an_end_outside_the_window_offers_what_still_is_to_do() {
    let mut model = model();
    nightly(&mut model, "J", json!({"endTime": "2023-11-16T12:00"}));
    model.advance(on("2023-11-15T23:30"));
    news(&mut model);
    model.advance(on("2023-11-16T12:00"));
    assert_eq!(news(&mut model), ["notify J", "next J"]);
    assert_eq!(job_status(&model, "J"), "IN_PROGRESS");
    report(&mut model, "J", "SUCCEEDED", on("2023-11-16T12:01"));
    assert_eq!(job_status(&model, "J"), "COMPLETED");
}

#[test]
fn an_end_outside_the_window_that_cancels_tells_nobody() {
    let mut model = model();
    let more = json!({"endTime": "2023-11-16T12:00", "endBehavior": "CANCEL"});
    nightly(&mut model, "J", more);
    model.advance(on("2023-11-15T23:30"));
    news(&mut model);
    model.advance(on("2023-11-16T12:00"));
    assert_eq!(news(&mut model), [""; 0]);
    assert_eq!(status(&model, "J"), "CANCELED");
    assert_eq!(job_status(&model, "J"), "COMPLETED");
}

#[test]
fn a_window_hides_what_a_cancelled_job_has_in_progress() {
    let mut model = model();
    nightly(&mut model, "J", json!({}));
    model.advance(on("2023-11-15T22:00"));
    report(&mut model, "J", "IN_PROGRESS", on("2023-11-15T22:01"));
    cancel(&mut model, "J", false, on("2023-11-15T22:02"));
    model.advance(on("2023-11-15T23:00"));
    assert_eq!(pending(&model), [""; 0]);
    model.advance(on("2023-11-16T22:00"));
    assert_eq!(pending(&model), ["J"]);
    assert_eq!(job_status(&model, "J"), "CANCELED");
    report(&mut model, "J", "SUCCEEDED", on("2023-11-16T22:30"));
    model.advance(on("2023-11-17T00:00"));
    assert_eq!(model.next_deadline(), None);
}

#[test]
fn the_next_seven_windows_are_described() {
    let mut model = model();
    nightly(&mut model, "J", json!({"endTime": "2023-11-25T00:00"}));
    let day = |day: u64| json!({"startTime": format!("2023-11-{day}T22:00")});
    let rollouts = |now| described(&model, "J", now)["scheduledJobRollouts"].take();
    assert_eq!(rollouts(at(0)), (15..22).map(day).collect::<Value>());
    assert_eq!(
        rollouts(on("2023-11-15T22:00")),
        (16..23).map(day).collect::<Value>()
    );
    assert_eq!(
        rollouts(on("2023-11-22T12:00")),
        (22..25).map(day).collect::<Value>(),
        "none behind the end"
    );
    assert_eq!(rollouts(on("2023-11-25T00:00")), json!([]));
}

#[test]
fn windows_over_a_years_end_and_on_a_leap_day_open_and_shut() {
    let mut model = model();
    let windows = json!([
        {"startTime": "cron(30 23 31 12 ? *)", "durationInMinutes": 60},
        {"startTime": "0 23 29 2 ? *", "durationInMinutes": 120},
    ]);
    let config = json!({"startTime": "2023-12-01T00:00", "maintenanceWindows": windows});
    let members = json!({"targetSelection": "CONTINUOUS", "schedulingConfig": config});
    create(&mut model, "J", members, at(0));
    for (now, status) in [
        ("2023-12-31T23:29", "SCHEDULED"),
        ("2024-01-01T00:29", "IN_PROGRESS"),
        ("2024-01-01T00:30", "SCHEDULED"),
        ("2024-02-29T23:00", "IN_PROGRESS"),
        ("2024-03-01T00:59", "IN_PROGRESS"),
        ("2024-03-01T01:00", "SCHEDULED"),
    ] {
        model.advance(on(now));
        assert_eq!(job_status(&model, "J"), status, "{now}");
    }
}

#[test]
fn jobs_in_their_window_have_places_of_their_own_in_the_lists() {
    let mut model = model();
    for index in 0..PENDING_LIMIT + 2 {
        create(&mut model, &format!("A{index:02}"), json!({}), at(0));
    }
    assert_eq!(pending(&model).len(), PENDING_LIMIT);
    for index in 0..PENDING_LIMIT_IN_WINDOW + 2 {
        nightly(&mut model, &format!("W{index}"), json!({}));
    }
    model.advance(on("2023-11-15T22:00"));
    let list = pending(&model);
    assert_eq!(list.len(), PENDING_LIMIT + PENDING_LIMIT_IN_WINDOW);
    let in_window = list.iter().filter(|id| id.starts_with('W')).count();
    assert_eq!(in_window, PENDING_LIMIT_IN_WINDOW);
}

#[test]
fn a_retry_waits_for_the_next_window() {
    let mut model = model();
    let retries = json!({"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}]});
    nightly_with(
        &mut model,
        "J",
        json!({"jobExecutionsRetryConfig": retries}),
    );
    model.advance(on("2023-11-15T22:00"));
    report(&mut model, "J", "FAILED", on("2023-11-15T22:10"));
    let first = [(1, "FAILED", 0), (2, "QUEUED", 1)];
    assert_eq!(history(&model, "J", "gw-1"), first, "within it, none");

    report(&mut model, "J", "IN_PROGRESS", on("2023-11-15T22:20"));
    model.advance(on("2023-11-15T23:00"));
    report(&mut model, "J", "FAILED", on("2023-11-15T23:10"));
    let second = [(1, "FAILED", 0), (2, "FAILED", 1)];
    assert_eq!(history(&model, "J", "gw-1"), second);
    model.advance(on("2023-11-16T22:00"));
    let third = [(1, "FAILED", 0), (2, "FAILED", 1), (3, "QUEUED", 2)];
    assert_eq!(history(&model, "J", "gw-1"), third);
    assert_eq!(execution(&model, "J").queued_at, on("2023-11-16T22:00"));
}

#[test]
fn after_the_end_nothing_is_retried() {
    let mut model = model();
    let retries = json!({"criteriaList": [{"failureType": "ALL", "numberOfRetries": 9}]});
    let members = json!({
        "schedulingConfig": {"endTime": "2023-11-15T13:00"},
        "jobExecutionsRetryConfig": retries,
    });
    create(&mut model, "J", members, at(0));
    report(&mut model, "J", "IN_PROGRESS", at(1));
    model.advance(on("2023-11-15T13:00"));
    report(&mut model, "J", "FAILED", on("2023-11-15T13:01"));
    assert_eq!(history(&model, "J", "gw-1"), [(1, "FAILED", 0)]);
    assert_eq!(job_status(&model, "J"), "COMPLETED");
}

#[test]
fn a_cancel_gives_up_a_retry_that_waits() {
    let mut model = model();
    let retries = json!({"criteriaList": [{"failureType": "ALL", "numberOfRetries": 9}]});
    nightly_with(
        &mut model,
        "J",
        json!({"jobExecutionsRetryConfig": retries}),
    );
    model.advance(on("2023-11-15T22:00"));
    report(&mut model, "J", "IN_PROGRESS", on("2023-11-15T22:10"));
    model.advance(on("2023-11-15T23:00"));
    report(&mut model, "J", "FAILED", on("2023-11-15T23:10"));
    cancel(&mut model, "J", false, on("2023-11-15T23:20"));
    model.advance(on("2023-11-16T22:00"));
    assert_eq!(history(&model, "J", "gw-1"), [(1, "FAILED", 0)]);
}

#[test]
fn who_joins_outside_the_window_is_reached_at_the_next_one() {
    let mut model = model();
    create_group(&mut model, "site", None).unwrap();
    add_thing(&mut model, "gw-2");
    add_thing(&mut model, "gw-3");
    nightly_with(&mut model, "J", json!({"targets": [group_arn("site")]}));
    model.advance(on("2023-11-15T23:30"));
    for name in ["gw-2", "gw-3"] {
        join(&mut model, "site", name, on("2023-11-15T23:31"));
        assert_eq!(history(&model, "J", name), []);
    }
    leave(&mut model, "site", "gw-3", on("2023-11-15T23:32"));
    model.advance(on("2023-11-16T22:00"));
    assert_eq!(history(&model, "J", "gw-2"), [(1, "QUEUED", 0)]);
    assert_eq!(history(&model, "J", "gw-3"), []);
}

#[test]
fn a_rollout_stops_with_the_window_and_goes_on_in_the_next() {
    let mut model = model();
    let names: Vec<_> = (1..=5).map(|n| format!("gw-{n}")).collect();
    names.iter().for_each(|name| add_thing(&mut model, name));
    let targets: Vec<_> = names.iter().map(|name| thing_arn(name)).collect();
    let window = json!([{"startTime": "0 22 * * ? *", "durationInMinutes": 2}]);
    let members = json!({
        "targets": targets,
        "targetSelection": "CONTINUOUS",
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
        "schedulingConfig": {"startTime": "2023-11-15T13:00", "maintenanceWindows": window},
    });
    create(&mut model, "J", members, at(0));
    for (now, reached) in [
        ("2023-11-15T21:59", 0),
        ("2023-11-15T22:00", 1),
        ("2023-11-15T22:01", 2),
        ("2023-11-15T22:02", 2),
        ("2023-11-16T21:00", 2),
        ("2023-11-16T22:00", 3),
        ("2023-11-17T22:01", 5),
    ] {
        model.advance(on(now));
        assert_eq!(model.jobs["J"].executions.len(), reached, "{now}");
    }
}

#[test]
fn an_abort_between_two_windows_cancels_the_job() {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    let criteria = json!({
        "failureType": "FAILED",
        "action": "CANCEL",
        "thresholdPercentage": 50,
        "minNumberOfExecutedThings": 1,
    });
    let members = json!({
        "targets": [thing_arn("gw-1"), thing_arn("gw-2")],
        "abortConfig": {"criteriaList": [criteria]},
    });
    nightly_with(&mut model, "J", members);
    model.advance(on("2023-11-15T22:00"));
    report(&mut model, "J", "IN_PROGRESS", on("2023-11-15T22:10"));
    model.advance(on("2023-11-15T23:00"));
    report(&mut model, "J", "FAILED", on("2023-11-15T23:10"));
    assert_eq!(job_status(&model, "J"), "CANCELED");
    assert_eq!(history(&model, "J", "gw-2"), [(1, "CANCELED", 0)]);
}

#[test]
fn a_job_has_a_hundred_windows_at_most() {
    let windows = |count: usize| {
        let window = json!({"startTime": "0 22 * * ? *", "durationInMinutes": 60});
        json!({
            "startTime": "2023-11-15T13:00",
            "maintenanceWindows": vec![window; count],
        })
    };
    let refused = refusal("CONTINUOUS", windows(101));
    let expected = "1 validation error detected: Value '[MaintenanceWindow]' at \
                    'schedulingConfig.maintenanceWindows' failed to satisfy constraint: Member \
                    must have length less than or equal to 100";
    assert_eq!(refused, expected);
    let members = json!({
        "targetSelection": "CONTINUOUS",
        "schedulingConfig": windows(100),
    });
    create(&mut model(), "J", members, at(0));
}
