//! The traps of the protocol that concern the core, one test each (numbers as in the protocol reference, "Traps").

use core::time::Duration;
use std::format;
use std::string::{String, ToString as _};
use std::vec;
use std::vec::Vec;

use serde_json::{Value, json};

use super::bench::{Bench, Done, details, named, settings};
use super::service::{Fault, PREFIX};
use crate::event::Event;
use crate::session::{Admission, CancelReason, Input, Lane, Outcome, Run, Settings};
use crate::wire::status::Status;

/// T1
#[test]
fn a_message_that_comes_twice_starts_one_handler() {
    let mut bench = Bench::<2>::running("job");
    let notify = bench.service.notify();
    bench.deliver(notify.clone());
    bench.deliver(notify);
    bench.pass_secs(60);
    assert_eq!(bench.runs(), [Run::First]);
}

/// T1
#[test]
fn a_job_comes_again_under_another_execution_number() {
    let mut bench = Bench::<1>::running("job");
    bench.succeed(0);
    bench.queue("job");
    bench.pass_secs(1);
    assert_eq!(bench.runs(), [Run::First, Run::First]);
    assert_eq!(bench.session.execution(Lane(0)).unwrap().number, 2);
}

/// T1
#[test]
fn an_execution_that_ended_here_is_not_offered_again() {
    let mut bench = Bench::<1>::running("job");
    bench.succeed(0);
    let execution = bench.service.execution("job");
    execution.status = "IN_PROGRESS";
    let notify = bench.service.notify();
    bench.deliver(notify);
    bench.pass_secs(120);
    assert_eq!(bench.runs().len(), 1);
}

/// T2
#[test]
fn a_job_redelivered_after_a_restart_is_resumed_once() {
    let mut bench = Bench::<1>::running("job");
    bench.restart();
    bench.link_up();
    bench.pass_secs(60);
    assert_eq!(bench.runs(), [Run::First, Run::AfterRestart]);
}

/// T2
#[test]
fn the_record_is_durable_before_the_handler_starts() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    bench.disk_fails = true;
    bench.link_up();
    assert_eq!(bench.status("job"), "IN_PROGRESS");
    assert_eq!(bench.runs(), []);
    bench.disk_fails = false;
    bench.pass_secs(5);
    assert_eq!(bench.runs(), [Run::First]);
}

/// T4
#[test]
fn nothing_pending_means_an_absent_member() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    for (topic, body) in [
        ("notify", r#"{"timestamp":1,"jobs":{}}"#),
        ("notify", r#"{"timestamp":1,"jobs":{"QUEUED":[]}}"#),
        ("notify-next", r#"{"timestamp":1}"#),
        ("notify-next", r#"{"timestamp":1,"execution":{}}"#),
    ] {
        bench.receive(&format!("{PREFIX}{topic}"), body);
    }
    bench.pass_secs(60);
    assert_eq!(
        bench
            .events
            .iter()
            .filter(|e| **e == Event::Unreadable)
            .count(),
        0
    );
    assert!(bench.events.contains(&Event::NothingPending));
}

/// T7
#[test]
fn the_next_job_is_asked_for_without_a_notification() {
    let mut bench = Bench::<1>::new();
    bench.service.mute = true;
    bench.service.queue("one");
    bench.service.queue("two");
    bench.link_up();
    bench.succeed(0);
    assert!(bench.running[0]);
    assert_eq!(
        bench.session.execution(Lane(0)).unwrap().job.as_str(),
        "two"
    );
}

/// T8
#[test]
fn an_empty_answer_after_a_notification_is_asked_again() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    for _ in 0..3 {
        bench.fault("$next/get", Fault::Empty);
    }
    bench.queue("job");
    assert!(!bench.running[0]);
    bench.pass_secs(8);
    assert!(bench.running[0]);
}

/// T8
#[test]
fn an_empty_answer_is_asked_again_four_times_at_most() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    for _ in 0..20 {
        bench.fault("$next/get", Fault::Empty);
    }
    bench.pass_secs(1);
    let before = bench.service.requests("$next/get").len();
    bench.queue("job");
    bench.pass_secs(300);
    // The one that the notification starts, and four more.
    assert_eq!(bench.service.requests("$next/get").len() - before, 5);
}

/// T8
#[test]
fn a_job_that_a_new_link_does_not_see_yet_is_found_without_a_notification() {
    let mut bench = Bench::<1>::new();
    // Its notification goes out before anything is subscribed.
    bench.service.queue("job");
    bench.fault("$next/get", Fault::Empty);
    bench.link_up();
    assert!(!bench.running[0]);
    bench.pass_secs(15);
    assert!(bench.running[0]);
}

/// T8
#[test]
fn the_first_empty_answer_of_each_link_is_asked_again_once() {
    let mut bench = Bench::<1>::new();
    for link in 1..=2 {
        bench.link_up();
        bench.pass_secs(1_200);
        assert_eq!(bench.service.requests("$next/get").len(), link * 2);
        bench.link_down();
    }
}

/// T8
#[test]
fn a_fleet_whose_first_answer_is_empty_does_not_ask_again_at_once() {
    let mut seconds = [0; 16];
    for seed in 0..64 {
        let mut bench = Bench::<1>::with(Settings { seed, ..settings() });
        bench.link_up();
        let (again, _) = bench.session.poll_timeout().unwrap();
        let wait = again.since(bench.at()).as_secs().min(15);
        seconds[usize::try_from(wait).unwrap()] += 1;
    }
    assert!(seconds[..5].iter().all(|asks| *asks == 0), "{seconds:?}");
    assert!(seconds.iter().all(|asks| *asks <= 16), "{seconds:?}");
}

/// T8
#[test]
fn a_notification_that_promises_nothing_does_not_keep_a_new_link_from_asking_again() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    bench.fault("$next/get", Fault::Empty);
    bench.fault("$next/get", Fault::Empty);
    bench.link_up();
    bench.receive(&format!("{PREFIX}notify"), r#"{"timestamp":1,"jobs":{}}"#);
    bench.pass_secs(1);
    assert_eq!(bench.service.requests("$next/get").len(), 2);
    bench.pass_secs(14);
    assert!(bench.running[0]);
}

/// T8
#[test]
fn a_new_link_that_sees_a_job_is_not_asked_again() {
    let mut bench = Bench::<2>::new();
    bench.service.queue("job");
    bench.link_up();
    bench.pass_secs(1);
    let before = bench.service.requests("$next/get").len();
    bench.pass_secs(60);
    assert_eq!(bench.service.requests("$next/get").len(), before);
}

/// T8
#[test]
fn a_notification_takes_the_place_of_asking_a_new_link_again() {
    let mut bench = Bench::<2>::new();
    bench.link_up();
    bench.queue("job");
    bench.pass_secs(1);
    assert!(bench.running[0]);
    let before = bench.service.requests("$next/get").len();
    bench.pass_secs(60);
    assert_eq!(bench.service.requests("$next/get").len(), before);
}

/// T8
#[test]
fn a_claim_names_the_version_that_was_described() {
    let bench = Bench::<1>::running("job");
    let claims = bench.service.requests("job/update");
    assert_eq!(claims[0]["expectedVersion"], 1);
    assert_eq!(claims[0]["executionNumber"], 1);
    assert_eq!(claims[0]["stepTimeoutInMinutes"], 10);
}

/// T9
#[test]
fn a_forced_cancel_stops_the_handler_and_reports_nothing() {
    let mut bench = Bench::<1>::running("job");
    bench.set("job", "CANCELED");
    assert!(bench.did(&Done::Cancel(0, CancelReason::CanceledByService)));
    assert!(bench.did(&Done::Release(0)));
    bench.pass_secs(600);
    assert_eq!(bench.service.requests("job/update").len(), 1);
}

/// T9
#[test]
fn a_cancel_that_no_list_tells_of_is_seen_by_the_next_update() {
    let mut bench = Bench::<1>::running("job");
    bench.service.mute = true;
    bench.set("job", "CANCELED");
    bench.pass_secs(10);
    bench.progress(0, &[("progress", "50")]);
    assert!(bench.did(&Done::Cancel(0, CancelReason::CanceledByService)));
}

/// T9
#[test]
fn a_handler_that_ends_well_after_its_cancel_is_not_reported() {
    let mut bench = Bench::<1>::running("job");
    bench.obedient = false;
    bench.set("job", "CANCELED");
    assert!(!bench.did(&Done::Release(0)));
    bench.succeed(0);
    assert!(bench.did(&Done::Release(0)));
    assert_eq!(bench.service.requests("job/update").len(), 1);
}

/// T9
#[test]
fn a_lane_with_a_cancelled_handler_is_not_reused_before_it_ended() {
    let mut bench = Bench::<1>::running("one");
    bench.obedient = false;
    bench.set("one", "CANCELED");
    bench.queue("two");
    bench.pass_secs(60);
    assert_eq!(bench.runs().len(), 1);
    bench.finish(0, Outcome::Stopped);
    assert_eq!(bench.runs().len(), 2);
}

/// T10
#[test]
fn updates_after_the_claim_carry_no_version() {
    let mut bench = Bench::<1>::running("job");
    bench.progress(0, &[("progress", "1")]);
    bench.pass_secs(10);
    bench.succeed(0);
    let updates = bench.service.requests("job/update");
    assert!(updates.len() >= 3);
    assert!(
        updates[1..]
            .iter()
            .all(|update| update["expectedVersion"].is_null())
    );
    assert!(updates.iter().all(|update| update["executionNumber"] == 1));
}

/// T10
#[test]
fn a_version_mismatch_is_described_and_claimed_anew() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    bench.fault("job/update", Fault::RefuseWith("VersionMismatch", "QUEUED"));
    bench.service.execution("job").version = 3;
    bench.link_up();
    let claims = bench.service.requests("job/update");
    assert_eq!(claims.len(), 2);
    assert_eq!(claims[1]["expectedVersion"], 3);
    assert!(bench.running[0]);
}

/// T10
#[test]
fn a_mismatch_with_what_the_lost_claim_wrote_is_a_claim() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    bench.fault("job/update", Fault::LoseAnswer);
    bench.link_up();
    bench.pass_secs(11);
    assert!(bench.running[0]);
    assert_eq!(bench.service.requests("job/update").len(), 2);
}

/// T10
#[test]
fn a_claim_of_what_has_ended_is_abandoned() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    bench.fault(
        "job/update",
        Fault::RefuseWith("VersionMismatch", "CANCELED"),
    );
    bench.link_up();
    bench.pass_secs(60);
    assert_eq!(bench.runs(), []);
    assert!(bench.did(&Done::Release(0)));
}

/// T11
#[test]
fn a_report_is_sent_until_it_is_accepted() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..3 {
        bench.fault("job/update", Fault::LoseRequest);
    }
    bench.succeed(0);
    assert!(!bench.did(&Done::Release(0)));
    bench.pass_secs(120);
    assert_eq!(bench.status("job"), "SUCCEEDED");
    assert!(bench.did(&Done::Release(0)));
}

/// T11
#[test]
fn a_refusal_that_names_the_reported_status_is_success() {
    let mut bench = Bench::<1>::running("job");
    bench.fault("job/update", Fault::LoseAnswer);
    bench.succeed(0);
    bench.pass_secs(15);
    let execution = bench.session.execution(Lane(0)).cloned();
    assert_eq!(execution, None);
    assert!(bench.events.iter().any(|event| matches!(
        event,
        Event::Reported {
            status: Status::Succeeded,
            attempts: 2,
            ..
        }
    )));
}

/// T11
#[test]
fn a_report_outlives_the_agent() {
    let mut bench = Bench::<1>::running("job");
    bench.link_down();
    bench.finish(
        0,
        Outcome::Failed(&details(&[("reason", "digest_mismatch")])),
    );
    bench.reboot();
    bench.link_up();
    assert_eq!(bench.status("job"), "FAILED");
    assert_eq!(bench.detail("job", "reason"), "digest_mismatch");
    assert_eq!(bench.runs().len(), 1);
}

/// T11
#[test]
fn a_report_is_durable_before_it_is_sent() {
    let mut bench = Bench::<1>::running("job");
    bench.disk_fails = true;
    bench.succeed(0);
    assert_eq!(bench.status("job"), "IN_PROGRESS");
    bench.disk_fails = false;
    bench.pass_secs(5);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

/// T11
#[test]
fn the_record_forgets_a_report_that_was_accepted() {
    let mut bench = Bench::<1>::running("job");
    bench.succeed(0);
    let before = bench.service.requests("job/update").len();
    bench.restart();
    bench.link_up();
    bench.pass_secs(60);
    assert_eq!(bench.service.requests("job/update").len(), before);
}

/// T12
#[test]
fn each_attempt_has_its_own_token() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..3 {
        bench.fault("job/update", Fault::LoseRequest);
    }
    bench.succeed(0);
    bench.pass_secs(120);
    bench.restart();
    bench.link_up();
    let mut tokens: Vec<String> = bench
        .service
        .log
        .iter()
        .map(|(_, body)| String::from(body["clientToken"].as_str().unwrap()))
        .collect();
    let sent = tokens.len();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), sent);
}

/// T12
#[test]
fn an_answer_to_an_earlier_attempt_changes_nothing() {
    let mut bench = Bench::<1>::running("job");
    bench.fault("job/update", Fault::LoseRequest);
    bench.fault("job/update", Fault::LoseRequest);
    bench.succeed(0);
    let first = bench.service.requests("job/update")[1]["clientToken"].clone();
    bench.pass_secs(11);
    bench.receive(
        &format!("{PREFIX}job/update/accepted"),
        &json!({"clientToken": first, "timestamp": 1}).to_string(),
    );
    assert!(!bench.did(&Done::Release(0)));
}

/// T12
#[test]
fn an_answer_to_somebody_else_changes_nothing() {
    let mut bench = Bench::<1>::running("job");
    bench.fault("job/update", Fault::LoseRequest);
    bench.succeed(0);
    for token in [
        json!("other"),
        json!("0000000000000007-"),
        Value::Null,
        json!(1),
    ] {
        let body = json!({"clientToken": token, "code": "InvalidRequest"});
        bench.receive(&format!("{PREFIX}job/update/accepted"), &body.to_string());
        bench.receive(&format!("{PREFIX}job/update/rejected"), &body.to_string());
    }
    assert!(!bench.did(&Done::Release(0)));
}

/// T13
#[test]
fn every_update_starts_the_step_timer_anew() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..3 {
        bench.pass_secs(200);
        bench.handle(Input::HandlerState(Lane(0), b"alive"));
    }
    let updates = bench.service.requests("job/update");
    assert!(updates.len() >= 2, "{updates:?}");
    assert!(
        updates
            .iter()
            .all(|update| update["stepTimeoutInMinutes"] == 10)
    );
    assert!(updates[1]["statusDetails"].is_null());
}

/// T13
#[test]
fn the_step_timer_of_a_handler_without_life_is_not_renewed() {
    let mut bench = Bench::<1>::running("job");
    bench.pass(Duration::from_secs(500));
    // The start itself is life, and that of half the timer ago.
    assert!(bench.service.requests("job/update").len() <= 2);
    bench.pass_secs(600);
    assert!(bench.did(&Done::Cancel(0, CancelReason::TimedOut)));
    assert_eq!(bench.status("job"), "FAILED");
    assert_eq!(bench.detail("job", "reason"), "timed_out");
}

/// T13
#[test]
fn a_job_ends_itself_before_the_job_timer_does() {
    let mut bench = Bench::<1>::new();
    bench.latency = 50;
    bench.service.queue("job");
    bench.service.execution("job").job_timer = Some(400);
    bench.link_up();
    for _ in 0..309 {
        bench.pass_secs(1);
        bench.progress(0, &[("progress", "1")]);
    }
    assert!(bench.running[0]);
    bench.pass_secs(3);
    assert!(bench.did(&Done::Cancel(0, CancelReason::TimedOut)));
    assert_eq!(bench.status("job"), "FAILED");
}

/// T14
#[test]
fn both_notifications_of_a_namespace_are_subscribed_to() {
    let mut bench = Bench::<1>::with(named("fleet"));
    bench.link_up();
    let Some(Done::Subscribe(filters)) = bench.done.first().cloned() else {
        panic!("{:?}", bench.done);
    };
    for suffix in ["notify-namespace-fleet", "notify-next-namespace-fleet"] {
        assert!(
            filters.contains(&format!("{PREFIX}{suffix}")),
            "{filters:?}"
        );
    }
}

/// T14
#[test]
fn a_list_notification_alone_starts_a_namespaced_job() {
    let mut bench = Bench::<1>::with(named("fleet"));
    bench.link_up();
    let messages = bench.service.queue("job");
    let list = messages
        .into_iter()
        .filter(|(topic, _)| !topic.contains("notify-next"));
    bench.deliver(list.collect());
    assert!(bench.running[0]);
    assert!(bench.did(&Done::Publish(format!(
        "{PREFIX}job/namespace-fleet/update"
    ))));
}

/// T14
#[test]
fn a_namespace_that_is_not_ours_is_never_touched() {
    let mut bench = Bench::<1>::with(named("fleet"));
    bench.link_up();
    bench.pass_secs(60);
    let before = bench.service.log.len();
    bench.receive(
        &format!("{PREFIX}notify"),
        r#"{"timestamp":1,"jobs":{"QUEUED":[{"jobId":"plain","executionNumber":1}]}}"#,
    );
    bench.pass_secs(60);
    assert_eq!(bench.service.log.len(), before);
}

/// T14
#[test]
fn what_nobody_handles_is_rejected_at_once() {
    let mut bench = Bench::<1>::new();
    bench.admissions.insert(
        String::from("odd"),
        Admission::Reject {
            reason: "unsupported_operation",
            message: "no handler runs it",
        },
    );
    bench.service.queue("odd");
    bench.service.queue("job");
    bench.link_up();
    assert_eq!(bench.status("odd"), "REJECTED");
    assert_eq!(bench.detail("odd", "reason"), "unsupported_operation");
    assert_eq!(bench.status("job"), "IN_PROGRESS");
}

/// T14
#[test]
fn a_job_of_another_agent_is_left_alone_and_does_not_block() {
    let mut bench = Bench::<1>::new();
    bench
        .admissions
        .insert(String::from("theirs"), Admission::Leave);
    bench.service.queue("theirs");
    bench.service.queue("ours");
    bench.link_up();
    bench.pass_secs(3_700);
    assert_eq!(bench.status("theirs"), "QUEUED");
    assert_eq!(bench.status("ours"), "FAILED");
    let offers = |job: &str| {
        let offers = bench.done.iter();
        offers
            .filter(|done| matches!(done, Done::Offer(_, text) if text.contains(job)))
            .count()
    };
    assert_eq!(offers("theirs"), 1);
}

/// T15
#[test]
fn a_report_whose_details_are_refused_is_sent_without_them() {
    let mut bench = Bench::<1>::running("job");
    bench.fault("job/update", Fault::Refuse("InvalidRequest"));
    bench.finish(0, Outcome::Failed(&details(&[("reason", "odd")])));
    assert_eq!(bench.status("job"), "FAILED");
    let updates = bench.service.requests("job/update");
    assert!(updates[2]["statusDetails"].is_null());
    assert!(
        bench
            .events
            .iter()
            .any(|event| matches!(event, Event::DetailsRefused(_)))
    );
}

/// T15
#[test]
fn progress_whose_details_are_refused_does_not_end_the_job() {
    let mut bench = Bench::<1>::running("job");
    bench.pass_secs(10);
    bench.fault("job/update", Fault::Refuse("InvalidRequest"));
    bench.progress(0, &[("progress", "1")]);
    bench.pass_secs(30);
    assert!(bench.running[0]);
    bench.succeed(0);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

/// T16
#[test]
fn a_fresh_document_is_described_when_the_handler_asks() {
    let mut bench = Bench::<1>::running("job");
    bench.service.execution("job").document = json!({"job": "job", "url": "fresh"});
    bench.handle(Input::RenewDocument(Lane(0)));
    assert!(
        bench
            .done
            .iter()
            .any(|done| matches!(done, Done::Document(0, text) if text.contains("fresh"))),
    );
}

/// T16
#[test]
fn a_handler_that_asks_during_an_outage_gets_its_document_afterwards() {
    let mut bench = Bench::<1>::running("job");
    bench.link_down();
    bench.handle(Input::RenewDocument(Lane(0)));
    bench.link_up();
    bench.pass_secs(31);
    assert!(
        bench
            .done
            .iter()
            .any(|done| matches!(done, Done::Document(..)))
    );
}

/// T17
#[test]
fn messages_on_foreign_and_unknown_topics_change_nothing() {
    let mut bench = Bench::<1>::running("job");
    let before = bench.done.len();
    for topic in [
        "",
        "$aws/things/other/jobs/notify",
        "$aws/things/thing-1/jobs/job/update",
        "$aws/things/thing-1/jobs/start-next/accepted",
        "$aws/things/thing-1/shadow/update",
    ] {
        bench.receive(topic, "{}");
    }
    assert_eq!(bench.done.len(), before);
}

/// T18
#[test]
fn a_report_refused_for_good_is_dropped() {
    let mut bench = Bench::<1>::running("job");
    bench.fault(
        "job/update",
        Fault::RefuseWith("InvalidStateTransition", "TIMED_OUT"),
    );
    bench.succeed(0);
    assert!(bench.did(&Done::Release(0)));
    assert!(bench.events.iter().any(|event| matches!(
        event,
        Event::ReportRefused {
            actual: Some(Status::TimedOut),
            ..
        }
    )));
}

/// T18
#[test]
fn a_throttled_report_is_sent_again_after_a_wait() {
    let mut bench = Bench::<1>::running("job");
    for code in ["RequestThrottled", "InternalError", "SomethingNew"] {
        bench.fault("job/update", Fault::Refuse(code));
    }
    bench.succeed(0);
    assert_eq!(bench.status("job"), "IN_PROGRESS");
    bench.pass_secs(120);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

/// T18
#[test]
fn a_report_that_is_not_found_is_tried_a_few_times_and_then_dropped() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..10 {
        bench.fault("job/update", Fault::Refuse("ResourceNotFound"));
    }
    bench.succeed(0);
    bench.pass_secs(600);
    assert!(bench.did(&Done::Release(0)));
    assert_eq!(bench.service.requests("job/update").len(), 1 + 4);
}

/// T18
#[test]
fn a_describe_that_is_throttled_is_not_the_last_one() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    for _ in 0..4 {
        bench.fault("$next/get", Fault::Refuse("RequestThrottled"));
    }
    bench.link_up();
    bench.pass_secs(120);
    assert!(bench.running[0]);
}

/// T19
#[test]
fn a_describe_of_what_has_ended_is_a_refusal_and_ends_the_handler() {
    let mut bench = Bench::<1>::running("job");
    bench.service.mute = true;
    bench.set("job", "CANCELED");
    bench.handle(Input::RenewDocument(Lane(0)));
    assert!(bench.did(&Done::Cancel(0, CancelReason::CanceledByService)));
}

/// T20
#[test]
fn a_notification_of_a_finished_job_starts_nothing() {
    let mut bench = Bench::<1>::running("job");
    bench.succeed(0);
    bench.receive(
        &format!("{PREFIX}notify-next"),
        r#"{"timestamp":1,"execution":{"jobId":"job","executionNumber":1,"versionNumber":1,
            "status":"QUEUED","jobDocument":{"job":"job"}}}"#,
    );
    bench.pass_secs(60);
    assert_eq!(bench.runs().len(), 1);
}

/// T20
#[test]
fn each_link_is_asked_for_what_was_missed() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    bench.link_down();
    bench.service.queue("job");
    bench.linked = true;
    bench.handle(Input::LinkUp {
        session_present: true,
    });
    bench.pass_secs(31);
    assert!(bench.running[0]);
    let subscribes = bench.done.iter();
    let subscribes = subscribes.filter(|done| matches!(done, Done::Subscribe(_)));
    assert_eq!(subscribes.count(), 1);
}

/// T20
#[test]
fn a_session_that_the_broker_lost_is_subscribed_anew() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    bench.link_down();
    bench.link_up();
    let subscribes = bench.done.iter();
    let subscribes = subscribes.filter(|done| matches!(done, Done::Subscribe(_)));
    assert_eq!(subscribes.count(), 2);
}

/// T21
#[test]
fn a_status_of_a_later_service_does_not_end_a_job() {
    let mut bench = Bench::<1>::running("job");
    bench.pass_secs(10);
    bench.fault(
        "job/update",
        Fault::RefuseWith("InvalidStateTransition", "PAUSED"),
    );
    bench.progress(0, &[("progress", "1")]);
    bench.pass_secs(60);
    assert!(bench.running[0]);
}

/// T22
#[test]
fn one_subscribe_has_eight_filters_at_most() {
    for settings in [settings(), named("fleet")] {
        let mut bench = Bench::<1>::with(settings);
        bench.link_up();
        let Some(Done::Subscribe(filters)) = bench.done.first() else {
            panic!("{:?}", bench.done);
        };
        assert!((1..=8).contains(&filters.len()));
    }
}

/// T22
#[test]
fn a_denied_filter_is_said_and_asked_for_again() {
    let mut bench = Bench::<1>::new();
    bench.granted = vec![true, false, true, true, true, true, true, true];
    bench.service.queue("job");
    bench.link_up();
    assert!(bench.events.contains(&Event::SubscriptionDenied(1)));
    assert!(bench.running[0], "answers come without a subscription");
    bench.granted = vec![true; 8];
    bench.pass_secs(61);
    let subscribes = bench.done.iter();
    let subscribes = subscribes.filter(|done| matches!(done, Done::Subscribe(_)));
    assert_eq!(subscribes.count(), 2);
}

/// T23
#[test]
fn a_retry_by_the_service_is_a_new_execution() {
    let mut bench = Bench::<1>::running("job");
    bench.finish(0, Outcome::Failed(&details(&[])));
    bench.queue("job");
    bench.pass_secs(1);
    assert_eq!(bench.runs(), [Run::First, Run::First]);
}

/// T24
#[test]
fn several_jobs_in_progress_are_all_resumed() {
    let mut bench = Bench::<2>::new();
    for job in ["one", "two"] {
        bench.service.queue(job);
        bench.service.set(job, "IN_PROGRESS");
    }
    bench.link_up();
    assert_eq!(bench.running, [true, true]);
}

/// T26
#[test]
fn a_job_that_no_list_shows_goes_on() {
    let mut bench = Bench::<1>::running("job");
    bench.service.execution("job").hidden = true;
    let notify = bench.service.notify();
    bench.deliver(notify);
    assert_eq!(bench.service.requests("job/get").len(), 2);
    bench.pass_secs(60);
    assert!(bench.running[0]);
    bench.succeed(0);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

/// Outside its maintenance window the service does not let an execution begin.
#[test]
fn a_claim_that_the_window_refuses_waits_longer_and_longer() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    for _ in 0..300 {
        bench.fault(
            "job/update",
            Fault::RefuseWith("InvalidStateTransition", "QUEUED"),
        );
    }
    bench.link_up();
    bench.pass_secs(2 * 3_600);
    let claims = bench.service.requests("job/update").len();
    assert!((2..60).contains(&claims), "{claims}");
    assert_eq!(bench.status("job"), "QUEUED");
    bench.service.faults.clear();
    bench.pass_secs(3_600);
    assert_eq!(bench.runs(), [Run::First]);
}

#[test]
fn a_resumed_job_that_the_window_refuses_is_neither_spun_nor_ended() {
    let mut bench = Bench::<1>::running("job");
    bench.service.set("job", "QUEUED");
    for _ in 0..300 {
        bench.fault(
            "job/update",
            Fault::RefuseWith("InvalidStateTransition", "QUEUED"),
        );
    }
    bench.reboot();
    let before = bench.service.requests("job/update").len();
    bench.link_up();
    bench.pass_secs(2 * 3_600);
    let claims = bench.service.requests("job/update").len() - before;
    assert!((2..100).contains(&claims), "{claims}");
    assert_eq!(bench.status("job"), "QUEUED");
    bench.service.faults.clear();
    bench.pass_secs(600);
    assert_eq!(bench.runs(), [Run::First, Run::AfterRestart]);
}
