//! While a handler runs: progress, timers, deferral, and what is in flight.

use core::time::Duration;
use std::format;

use proptest::prelude::*;
use serde_json::json;

use super::bench::{Bench, Done, details};
use super::service::{Fault, PREFIX};
use crate::details::StatusDetails;
use crate::names::ThingName;
use crate::session::{
    Action, Admission, CancelReason, Input, Lane, Outcome, Run, Session, Settings,
};
use crate::time::Instant;

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
fn a_reboot_is_announced_once_older_progress_is_answered() {
    let mut bench = Bench::<1>::running("job");
    bench.pass_secs(10);
    bench.latency = 1_000;
    bench.progress(0, &[("progress", "1")]);
    bench.finish(0, Outcome::Reboot(&details(&[("message", "rebooting")])));
    bench.pass_secs(3);
    assert_eq!(bench.detail("job", "message"), "rebooting");
    assert!(bench.did(&Done::Reboot(0)));
}

#[test]
fn a_refusal_that_cannot_name_its_request_is_that_of_the_one_in_flight() {
    let mut bench = Bench::<1>::running("job");
    bench.fault("job/update", Fault::LoseRequest);
    bench.finish(0, Outcome::Failed(&details(&[("reason", "odd")])));
    let topic = format!("{PREFIX}job/update/rejected");
    bench.receive(&topic, r#"{"code":"InvalidJson","timestamp":1}"#);
    assert_eq!(bench.status("job"), "FAILED");
    assert_eq!(bench.detail("job", "reason"), "");
}

#[test]
fn an_offer_that_the_driver_missed_is_made_again() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    bench.service.execution("job");
    bench.fault("$next/get", Fault::LoseAnswer);
    bench.link_up();
    let token = bench.service.requests("$next/get")[0]["clientToken"].clone();
    let body = json!({"clientToken": token, "execution": {"jobId": "job",
        "executionNumber": 1, "versionNumber": 1, "status": "QUEUED", "jobDocument": {}}});
    let topic = format!("{PREFIX}$next/get/accepted");
    let (at, payload) = (bench.at(), format!("{body}"));
    let payload = payload.as_bytes();
    bench.session.handle(
        at,
        Input::Message {
            topic: &topic,
            payload,
        },
    );
    bench.handle(Input::Timeout);
    assert!(bench.running[0]);
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
    bench.service.execution("job").job_timer = Some(60);
    bench.link_up();
    bench.pass_secs(40);
    assert!(bench.running[0]);
    bench.pass_secs(10);
    assert!(!bench.running[0]);
}

#[test]
fn a_look_that_crossed_an_update_says_nothing_of_the_job_timer() {
    let mut bench = Bench::<1>::running("job");
    bench.fault("job/get", Fault::LoseAnswer);
    bench.pass_secs(301);
    let token = bench.service.requests("job/get")[1]["clientToken"].clone();
    // The update is answered first, and starts the step timer anew.
    bench.progress(0, &[("progress", "1")]);
    let body = json!({"clientToken": token, "execution": {"jobId": "job", "executionNumber": 1,
        "status": "IN_PROGRESS", "approximateSecondsBeforeTimedOut": 300}});
    bench.receive(&format!("{PREFIX}job/get/accepted"), &format!("{body}"));
    bench.pass_secs(280);
    assert!(bench.running[0]);
}

#[test]
fn the_first_progress_is_sent_at_once() {
    let mut bench = Bench::<1>::running("job");
    bench.progress(0, &[("progress", "1")]);
    assert_eq!(bench.detail("job", "progress"), "1");
}

#[test]
fn the_step_timer_covers_the_time_that_the_device_is_away() {
    let mut bench = Bench::<1>::running("job");
    bench.finish(0, Outcome::Reboot(&details(&[("message", "rebooting")])));
    let updates = bench.service.requests("job/update");
    // The step timer, the trial's window and the wait for the announcement's answer.
    assert_eq!(updates[1]["stepTimeoutInMinutes"], 10 + 30 + 1);
}

#[test]
fn a_reboot_that_is_asked_for_after_the_time_was_up_is_not_made() {
    let mut bench = Bench::<1>::running("job");
    bench.obedient = false;
    while !bench.did(&Done::Cancel(0, CancelReason::TimedOut)) {
        bench.pass_secs(1);
    }
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    assert_eq!(bench.detail("job", "reason"), "timed_out");
    assert!(!bench.did(&Done::Reboot(0)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The service's timers end on the second here, and it says when the first of them does.
    #[test]
    fn a_lively_job_ends_itself_just_before_its_job_timer(
        timer in prop::option::of(60u64..4_000),
        latency in 0u64..1_500,
        pauses in prop::collection::vec(1u64..200, 1..8),
    ) {
        let mut bench = Bench::<1>::new();
        bench.latency = latency;
        bench.service.queue("job");
        bench.service.execution("job").job_timer = timer;
        bench.link_up();
        bench.pass_secs(5);
        let start = bench.now;
        let mut ended = None;
        for pause in pauses.iter().cycle() {
            if bench.running[0] {
                bench.progress(0, &[("progress", "1")]);
            } else if ended.is_none() {
                ended = Some((bench.now - start) / 1_000);
            }
            if bench.now - start > 5_000_000 {
                break;
            }
            bench.pass_secs(*pause);
        }
        match timer {
            Some(timer) => {
                prop_assert_eq!(bench.status("job"), "FAILED");
                // It had three quarters of its time, or all but the margin; a pause is how exactly this is measured.
                let least = (timer * 3 / 4).max(timer.saturating_sub(95)).saturating_sub(15);
                prop_assert!(ended.is_some_and(|at| at >= least), "{ended:?} of {timer}");
            }
            None => prop_assert_eq!(bench.status("job"), "IN_PROGRESS"),
        }
    }
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
    // A new link asks a second time soon.
    bench.pass_secs(60);
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
        bench.handle(Input::Admitted(lane, Admission::Claim));
    }
    assert_eq!(bench.runs(), []);
}

#[test]
fn the_longest_request_fits_the_promised_buffer() {
    const LEN: usize = 256;
    let settings = Settings {
        thing: ThingName::parse(&"t".repeat(128)).unwrap(),
        ..super::bench::settings()
    };
    let jobs = format!("$aws/things/{}/jobs", settings.thing);
    let job = "j".repeat(64);
    let mut longest = StatusDetails::<LEN>::new();
    for len in 1..LEN {
        let _ = longest.insert("message", &"\"".repeat(len));
    }
    let at = Instant::from_millis(0);
    let mut session = Session::<1, LEN>::new(at, settings, None).unwrap();
    let mut buffer = [0; Session::<1, LEN>::BUFFER_LEN_MAX];
    let mut saw = (0, 0);
    let mut drain = |session: &mut Session<1, LEN>| {
        let mut save = None;
        while let Some(action) = session.poll_action(&mut buffer) {
            match action {
                Action::Subscribe(filters) => saw.0 = filters.len(),
                Action::Publish { payload, .. } => saw.1 = payload.len(),
                Action::Save(generation) => save = Some(generation),
                Action::Offer { .. }
                | Action::Document { .. }
                | Action::RunHandler { .. }
                | Action::CancelHandler { .. }
                | Action::Release(_)
                | Action::Withdraw(_)
                | Action::Reboot(_)
                | Action::Restart(_)
                | Action::RollBack(_) => {}
                Action::_Details(never, _) => match never {},
            }
        }
        if let Some(generation) = save {
            session.handle(at, Input::Saved(generation));
        }
    };
    let session_present = false;
    session.handle(at, Input::LinkUp { session_present });
    drain(&mut session);
    session.handle(at, Input::Subscribed(&[true; 8]));
    drain(&mut session);
    let described = format!(
        r#"{{"clientToken":"{:016x}-0","execution":{{"jobId":"{job}","executionNumber":{min},
        "versionNumber":{min},"status":"QUEUED","jobDocument":{{}}}}}}"#,
        7,
        min = i64::MIN,
    );
    let claimed = format!(r#"{{"clientToken":"{:016x}-1"}}"#, 7);
    for (topic, body) in [
        (format!("{jobs}/$next/get/accepted"), described),
        (format!("{jobs}/{job}/update/accepted"), claimed),
    ] {
        let (topic, payload) = (topic.as_str(), body.as_bytes());
        session.handle(at, Input::Message { topic, payload });
        drain(&mut session);
        session.handle(at, Input::Admitted(Lane(0), Admission::Claim));
        drain(&mut session);
    }
    session.handle(at, Input::Finished(Lane(0), Outcome::Succeeded(&longest)));
    drain(&mut session);
    drain(&mut session);
    assert_eq!(saw.0, 8, "filters of the subscribe");
    assert!(saw.1 > 2 * (LEN - 10), "the report is {} bytes", saw.1);
}

#[test]
fn a_lively_job_without_a_job_timer_runs_for_hours() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..6 * 60 {
        bench.pass_secs(60);
        bench.progress(0, &[("progress", "1")]);
    }
    assert!(bench.running[0]);
    assert_eq!(bench.status("job"), "IN_PROGRESS");
    assert_eq!(bench.deadlines, [None]);
}

#[test]
fn a_run_is_told_the_end_of_the_job_timer_as_far_as_it_is_known() {
    let mut bench = Bench::<1>::new();
    bench.latency = 50;
    bench.service.queue("job");
    bench.service.execution("job").job_timer = Some(400);
    bench.link_up();
    bench.pass_secs(1);
    bench.finish(0, Outcome::Defer(Duration::from_secs(1)));
    bench.pass_secs(2);
    let deadline = bench.deadlines[1].unwrap().as_millis();
    assert!((300_000..320_000).contains(&deadline), "{deadline}");
}

#[test]
fn throttled_renewals_back_off_with_growing_random_waits() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..200 {
        bench.fault("/update", Fault::Refuse("RequestThrottled"));
    }
    let mut sent_at = std::vec::Vec::new();
    let mut known = bench.service.requests("/update").len();
    for second in 0..1_500 {
        bench.pass_secs(1);
        bench.progress(0, &[("progress", "1")]);
        let updates = bench.service.requests("/update").len();
        assert!(updates <= known + 2, "a burst in second {second}");
        if updates > known {
            sent_at.push(second);
        }
        known = updates;
        if !bench.running[0] {
            break;
        }
    }
    let waits: std::vec::Vec<u64> = sent_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((5..30).contains(&sent_at.len()), "{sent_at:?}");
    assert!(waits.iter().any(|wait| *wait > 60), "{waits:?}");
    assert!(waits.windows(2).any(|pair| pair[0] > pair[1]), "{waits:?}");
}

#[test]
fn a_throttled_renewal_is_not_sent_again_at_the_networks_speed() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..50 {
        bench.fault("/update", Fault::Refuse("InternalError"));
    }
    bench.pass_secs(299);
    bench.handle(Input::HandlerState(Lane(0), b"alive"));
    let before = bench.service.requests("/update").len();
    bench.pass_secs(2);
    assert!(bench.service.requests("/update").len() - before <= 4);
}

#[test]
fn a_service_without_the_document_is_asked_for_it_at_growing_waits() {
    let mut bench = Bench::<1>::running("job");
    bench.service.execution("job").document = json!("no object");
    let before = bench.service.requests("/get").len();
    bench.handle(Input::RenewDocument(Lane(0)));
    bench.pass_secs(200);
    let asked = bench.service.requests("/get").len() - before;
    assert!((3..20).contains(&asked), "{asked}");
}
