//! While a handler runs: progress, timers, deferral, and what is in flight.

use core::time::Duration;
use std::format;

use serde_json::json;

use super::bench::{Bench, Done, details};
use super::service::{Fault, PREFIX};
use crate::details::StatusDetails;
use crate::session::{CancelReason, Input, Lane, Outcome, Run, Session};

#[test]
fn a_job_goes_from_queued_to_succeeded() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    bench.pass_secs(1);
    bench.queue("job");
    assert_eq!(bench.status("job"), "IN_PROGRESS");
    bench.finish(0, Outcome::Succeeded(&details(&[("version", "2")])));
    assert_eq!(bench.status("job"), "SUCCEEDED");
    assert_eq!(bench.detail("job", "version"), "2");
}

#[test]
fn progress_is_sent_every_few_seconds_and_the_last_one_wins() {
    let mut bench = Bench::<1>::running("job");
    for step in 0..100 {
        bench.progress(0, &[("progress", format!("{step}").as_str())]);
        bench.pass(Duration::from_millis(200));
    }
    bench.pass_secs(6);
    let updates = bench.service.requests("job/update").len();
    assert!((4..=7).contains(&updates), "{updates}");
    assert_eq!(bench.detail("job", "progress"), "99");
}

#[test]
fn a_burst_of_notifications_is_asked_for_once() {
    let mut bench = Bench::<1>::new();
    bench.latency = 10;
    bench.link_up();
    bench.pass_secs(1);
    let before = bench.service.requests("$next/get").len();
    for _ in 0..20 {
        bench.receive(&format!("{PREFIX}notify"), r#"{"timestamp":1,"jobs":{}}"#);
    }
    bench.pass(Duration::from_millis(150));
    assert_eq!(bench.service.requests("$next/get").len() - before, 1);
}

#[test]
fn one_update_is_in_flight_at_a_time() {
    let mut bench = Bench::<1>::running("job");
    bench.pass_secs(10);
    bench.fault("job/update", Fault::LoseRequest);
    bench.progress(0, &[("progress", "1")]);
    bench.succeed(0);
    assert_eq!(bench.service.requests("job/update").len(), 2);
    assert_eq!(bench.status("job"), "IN_PROGRESS");
    bench.pass_secs(10);
    assert_eq!(bench.status("job"), "SUCCEEDED");
    assert_eq!(bench.service.requests("job/update").len(), 3);
}

#[test]
fn progress_that_was_lost_does_not_let_an_unsaved_report_out() {
    let mut bench = Bench::<1>::running("job");
    bench.pass_secs(10);
    bench.fault("job/update", Fault::LoseRequest);
    bench.progress(0, &[("progress", "1")]);
    bench.disk_fails = true;
    bench.succeed(0);
    bench.pass_secs(60);
    assert_eq!(bench.status("job"), "IN_PROGRESS");
    bench.disk_fails = false;
    bench.pass_secs(60);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

#[test]
fn an_answer_to_progress_does_not_end_the_report() {
    let mut bench = Bench::<1>::running("job");
    bench.pass_secs(10);
    bench.fault("job/update", Fault::LoseRequest);
    bench.progress(0, &[("progress", "1")]);
    let token = bench.service.requests("job/update")[1]["clientToken"].clone();
    bench.fault("job/update", Fault::LoseRequest);
    bench.succeed(0);
    let body = json!({"clientToken": token, "timestamp": 1});
    bench.receive(&format!("{PREFIX}job/update/accepted"), &format!("{body}"));
    assert!(!bench.did(&Done::Release(0)));
    assert_eq!(
        bench.service.requests("job/update")[2]["status"],
        "SUCCEEDED"
    );
}

#[test]
fn a_deferred_job_runs_again_and_keeps_its_step_timer() {
    let mut bench = Bench::<1>::running("job");
    bench.finish(0, Outcome::Defer(Duration::from_secs(3_600)));
    bench.pass_secs(3_599);
    assert_eq!(bench.runs(), [Run::First]);
    assert!(bench.service.requests("job/update").len() > 10);
    bench.pass_secs(2);
    assert_eq!(bench.runs(), [Run::First, Run::First]);
}

#[test]
fn a_deferred_job_that_is_cancelled_is_released() {
    let mut bench = Bench::<1>::running("job");
    bench.finish(0, Outcome::Defer(Duration::from_secs(3_600)));
    bench.set("job", "CANCELED");
    assert!(bench.did(&Done::Release(0)));
}

#[test]
fn a_handler_that_hangs_is_reported_before_the_service_gives_up() {
    let mut bench = Bench::<1>::running("job");
    bench.obedient = false;
    let start = bench.now;
    while bench.status("job") == "IN_PROGRESS" {
        bench.pass_secs(1);
    }
    assert!(bench.now - start < 900_000);
    assert_eq!(bench.status("job"), "FAILED");
    assert!(!bench.did(&Done::Release(0)), "its handler runs still");
    bench.finish(0, Outcome::Stopped);
    assert!(bench.did(&Done::Release(0)));
}

#[test]
fn a_job_that_ends_well_just_after_its_time_was_up_succeeded() {
    let mut bench = Bench::<1>::running("job");
    bench.obedient = false;
    while !bench.did(&Done::Cancel(0, CancelReason::TimedOut)) {
        bench.pass_secs(1);
    }
    bench.succeed(0);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

#[test]
fn a_short_job_timer_leaves_the_job_most_of_its_time() {
    let mut bench = Bench::<1>::new();
    bench.latency = 20;
    bench.service.queue("job");
    bench.service.execution("job").seconds_left = Some(60);
    bench.link_up();
    bench.pass_secs(40);
    assert!(bench.running[0]);
    bench.pass_secs(10);
    assert!(!bench.running[0]);
}

#[test]
fn the_step_timers_end_is_not_taken_for_the_jobs() {
    let mut bench = Bench::<1>::new();
    bench.latency = 20;
    bench.service.queue("job");
    // The service says when its first timer ends: that is the step timer, whatever is left of it.
    bench.service.execution("job").seconds_left = Some(600);
    bench.link_up();
    for _ in 0..40 {
        bench.pass_secs(30);
        bench.progress(0, &[("progress", "1")]);
    }
    assert!(bench.running[0]);
}

#[test]
fn without_a_step_timer_none_is_asked_for() {
    let mut settings = super::bench::settings();
    settings.timing.step_timeout = None;
    let mut bench = Bench::<1>::with(settings);
    bench.service.queue("job");
    bench.link_up();
    bench.pass_secs(7_200);
    assert!(bench.running[0]);
    let updates = bench.service.requests("job/update");
    assert!(
        updates
            .iter()
            .all(|update| update["stepTimeoutInMinutes"].is_null())
    );
}

#[test]
fn a_document_that_is_no_object_is_rejected() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("bad");
    bench.service.execution("bad").document = json!("no object");
    bench.service.queue("good");
    bench.link_up();
    assert_eq!(bench.status("bad"), "REJECTED");
    assert_eq!(bench.detail("bad", "reason"), "invalid_document");
    assert_eq!(bench.status("good"), "IN_PROGRESS");
}

#[test]
fn jobs_are_asked_for_now_and_then_without_any_notification() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    bench.service.mute = true;
    bench.service.queue("job");
    bench.pass_secs(31 * 60);
    assert!(bench.running[0]);
}

#[test]
fn a_running_job_survives_an_outage() {
    let mut bench = Bench::<1>::running("job");
    bench.link_down();
    bench.progress(0, &[("progress", "50")]);
    bench.pass_secs(60);
    bench.link_up();
    bench.pass_secs(31);
    assert_eq!(bench.detail("job", "progress"), "50");
    assert_eq!(bench.runs(), [Run::First]);
    bench.succeed(0);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

#[test]
fn inputs_for_lanes_that_are_empty_or_unknown_change_nothing() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    for lane in [Lane(0), Lane(1), Lane(255)] {
        bench.handle(Input::RenewDocument(lane));
        bench.handle(Input::HandlerState(lane, b"x"));
        bench.handle(Input::Progress(lane, &StatusDetails::new()));
        bench.handle(Input::Finished(lane, Outcome::Stopped));
        bench.handle(Input::Admitted(lane, crate::session::Admission::Claim));
    }
    assert_eq!(bench.runs(), []);
}

#[test]
fn the_longest_request_fits_the_promised_buffer() {
    const DETAILS: usize = 256;
    let mut session = Session::<1, DETAILS>::new(
        crate::time::Instant::from_millis(0),
        super::bench::settings(),
        None,
    )
    .unwrap();
    session.handle(
        crate::time::Instant::from_millis(0),
        Input::LinkUp {
            session_present: false,
        },
    );
    let mut buffer = [0; Session::<1, DETAILS>::BUFFER_LEN_MAX];
    let Some(crate::session::Action::Subscribe(filters)) = session.poll_action(&mut buffer) else {
        panic!("no subscribe");
    };
    assert_eq!(filters.len(), 8);
}
