//! Several executions at a time, and looking behind `$next`.

use std::format;
use std::string::String;

use super::bench::{Bench, Done, named};
use super::service::{Fault, PREFIX};
use crate::details::StatusDetails;
use crate::session::{Admission, CancelReason, Input, Lane, Outcome, Run};

#[test]
fn free_lanes_are_filled_from_the_pending_list() {
    let mut bench = Bench::<3>::new();
    for job in ["one", "two", "three", "four"] {
        bench.service.queue(job);
    }
    bench.link_up();
    assert_eq!(bench.running, [true; 3]);
    assert_eq!(bench.status("four"), "QUEUED");
    bench.succeed(1);
    assert_eq!(bench.running, [true; 3]);
    assert_eq!(bench.status("four"), "IN_PROGRESS");
}

#[test]
fn more_jobs_than_are_remembered_of_a_list_are_found_by_asking_again() {
    let mut bench = Bench::<14>::new();
    for job in 0..14 {
        bench.service.queue(&format!("job-{job}"));
    }
    bench.link_up();
    assert_eq!(bench.running, [true; 14]);
}

#[test]
fn a_list_that_names_what_cannot_be_described_is_not_asked_for_again_and_again() {
    let mut bench = Bench::<14>::new();
    for job in 0..12 {
        bench.service.queue(&format!("job-{job:02}"));
    }
    for tens in [
        "0/get", "1/get", "2/get", "3/get", "4/get", "5/get", "6/get", "7/get", "8/get", "9/get",
    ] {
        for _ in 0..20 {
            bench.fault(tens, Fault::Refuse("InvalidRequest"));
        }
    }
    bench.link_up();
    bench.pass_secs(60);
    // `$next`, the list twice, each of the others once, and the looks at the one that runs.
    assert!(bench.service.log.len() < 20, "{}", bench.service.log.len());
}

#[test]
fn the_list_of_a_namespace_comes_with_its_notification() {
    let mut bench = Bench::<2>::with(named("fleet"));
    bench.link_up();
    bench.queue("one");
    bench.pass_secs(1);
    bench.queue("two");
    bench.pass_secs(1);
    assert_eq!(bench.running, [true; 2]);
    assert!(!bench.did(&Done::Publish(format!("{PREFIX}get"))));
    assert!(
        !bench
            .done
            .iter()
            .any(|done| matches!(done, Done::Publish(topic) if topic.contains("jobs/namespace-")))
    );
}

#[test]
fn a_single_lane_does_not_ask_for_the_list() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("one");
    bench.service.queue("two");
    bench.link_up();
    bench.pass_secs(60);
    assert!(bench.service.requests("jobs/get").is_empty());
}

#[test]
fn a_postponed_job_lets_others_go_first_and_is_offered_when_one_ended() {
    let mut bench = Bench::<2>::new();
    bench
        .admissions
        .insert(String::from("big"), Admission::Later);
    bench.service.queue("one");
    bench.service.queue("big");
    bench.service.queue("two");
    bench.link_up();
    assert_eq!(bench.running, [true; 2]);
    assert_eq!(bench.status("big"), "QUEUED");
    bench.admissions.clear();
    bench.succeed(0);
    assert_eq!(bench.status("big"), "IN_PROGRESS");
}

#[test]
fn a_cancel_of_one_job_does_not_touch_the_other() {
    let mut bench = Bench::<2>::new();
    bench.service.queue("one");
    bench.service.queue("two");
    bench.link_up();
    bench.set("one", "CANCELED");
    assert!(bench.did(&Done::Cancel(0, CancelReason::CanceledByService)));
    assert_eq!(bench.running, [false, true]);
}

#[test]
fn a_reboot_waits_for_the_other_handlers_to_stop() {
    let mut bench = Bench::<2>::new();
    bench.service.queue("one");
    bench.service.queue("two");
    bench.link_up();
    bench.obedient = false;
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    assert!(bench.did(&Done::Cancel(1, CancelReason::Stopping)));
    assert!(!bench.did(&Done::Reboot(0)));
    bench.finish(1, Outcome::Stopped);
    assert!(bench.did(&Done::Reboot(0)));
    bench.reboot();
    bench.link_up();
    assert_eq!(bench.running, [true; 2]);
    assert_eq!(
        bench.runs(),
        [Run::First, Run::First, Run::AfterReboot, Run::AfterRestart]
    );
}

#[test]
fn a_handler_that_does_not_stop_delays_a_reboot_by_a_minute_at_most() {
    let mut bench = Bench::<2>::new();
    bench.service.queue("one");
    bench.service.queue("two");
    bench.link_up();
    bench.obedient = false;
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    bench.pass_secs(61);
    assert!(bench.did(&Done::Reboot(0)));
}

#[test]
fn jobs_stopped_for_a_reboot_that_was_called_off_go_on() {
    let mut bench = Bench::<2>::new();
    bench.service.queue("one");
    bench.service.queue("two");
    bench.link_up();
    bench.service.mute = true;
    bench.service.set("one", "CANCELED");
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    assert!(!bench.did(&Done::Reboot(0)));
    assert_eq!(bench.running, [false, true]);
    assert_eq!(
        bench.session.execution(Lane(1)).unwrap().job.as_str(),
        "two"
    );
}

#[test]
fn a_second_execution_of_a_job_waits_for_the_first_to_end() {
    let mut bench = Bench::<2>::new();
    bench.service.queue("job");
    bench.link_up();
    bench.obedient = false;
    bench.set("job", "CANCELED");
    bench.queue("job");
    bench.pass_secs(30);
    assert_eq!(bench.runs().len(), 1);
    bench.finish(0, Outcome::Stopped);
    assert_eq!(bench.runs().len(), 2);
}

#[test]
fn a_resumed_job_that_waits_for_another_runs_when_that_one_ended() {
    let mut bench = Bench::<2>::new();
    bench.service.queue("one");
    bench.service.queue("two");
    bench.link_up();
    bench.restart();
    bench
        .admissions
        .insert(String::from("one"), Admission::Later);
    bench.link_up();
    assert_eq!(bench.running, [false, true]);
    bench.admissions.clear();
    bench.succeed(1);
    assert_eq!(bench.running, [true, false]);
}

#[test]
fn a_claim_that_the_service_does_not_take_is_tried_again_much_later() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    bench.fault("job/update", Fault::Refuse("InvalidStateTransition"));
    bench.link_up();
    bench.pass_secs(600);
    assert_eq!(bench.runs(), []);
    bench.pass_secs(1_200);
    assert_eq!(bench.runs(), [Run::First]);
}

/// Two jobs: the second one has prepared an image, the first one asks for the reboot that starts its trial.
fn rebooted_by_another() -> Bench<2> {
    let mut bench = Bench::<2>::new();
    bench.service.queue("reboot");
    bench.service.queue("image");
    bench.link_up();
    bench.handle(Input::HandlerState(Lane(1), b"marked"));
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    assert!(bench.did(&Done::Reboot(0)));
    bench.settings.trial = true;
    bench.reboot();
    bench.link_up();
    assert_eq!(bench.running, [true; 2]);
    bench
}

#[test]
fn a_trial_is_not_of_the_job_that_only_asked_for_the_reboot() {
    let mut bench = rebooted_by_another();
    bench.finish(0, Outcome::Failed(&StatusDetails::new()));
    bench.pass_secs(1);
    assert!(!bench.did(&Done::RollBack(0)));
    assert_eq!(bench.status("reboot"), "FAILED");
}

#[test]
fn a_trial_is_of_the_job_that_prepared_it_whoever_asked_for_the_reboot() {
    let mut bench = rebooted_by_another();
    bench.finish(1, Outcome::Failed(&StatusDetails::new()));
    assert!(bench.did(&Done::RollBack(1)));
}
