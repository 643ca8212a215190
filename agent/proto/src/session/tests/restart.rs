//! What survives restarts and reboots of the agent: records, trials, held reports, crash loops.

use core::time::Duration;
use std::string::{String, ToString as _};
use std::vec;
use std::vec::Vec;

use super::bench::{Bench, D, Done, details, settings};
use super::service::Fault;
use crate::details::StatusDetails;
use crate::execution::STARTS_MAX;
use crate::record::RecordError;
use crate::session::{Action, Admission, CancelReason, Input, Lane, Outcome, Run, Session};
use crate::time::Instant;

/// One job whose handler asked for a reboot that the device is about to make.
fn rebooting() -> Bench<1> {
    let mut bench = Bench::running("job");
    bench.finish(0, Outcome::Reboot(&details(&[("message", "rebooting")])));
    assert!(bench.did(&Done::Reboot(0)));
    bench
}

/// The same after the reboot, into the trial of an image.
fn on_trial() -> Bench<1> {
    let mut bench = rebooting();
    bench.settings.trial = true;
    bench.reboot();
    bench
}

/// One job whose handler has prepared something for the next boot.
fn armed() -> Bench<1> {
    let mut bench = Bench::running("job");
    bench.handle(Input::HandlerState(Lane(0), b"marked"));
    bench
}

#[test]
fn a_reboot_is_announced_and_saved_before_it_is_made() {
    let mut bench = Bench::<1>::running("job");
    bench.done.clear();
    bench.finish(0, Outcome::Reboot(&details(&[("message", "rebooting")])));
    let kinds: Vec<&Done> = bench.done.iter().collect();
    let announced = kinds
        .iter()
        .position(|done| matches!(done, Done::Publish(topic) if topic.ends_with("update")));
    let saved = kinds.iter().rposition(|done| **done == Done::Save);
    let made = kinds.iter().position(|done| **done == Done::Reboot(0));
    assert!(
        announced.unwrap() < saved.unwrap() && saved.unwrap() < made.unwrap(),
        "{kinds:?}"
    );
    assert_eq!(bench.detail("job", "message"), "rebooting");
}

#[test]
fn a_reboot_is_never_made_unsaved() {
    let mut bench = Bench::<1>::running("job");
    bench.disk_fails = true;
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    bench.pass_secs(3_600);
    assert!(!bench.did(&Done::Reboot(0)));
}

#[test]
fn a_link_that_is_down_delays_a_reboot_by_a_minute_at_most() {
    let mut bench = Bench::<1>::running("job");
    bench.link_down();
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    bench.pass_secs(59);
    assert!(!bench.did(&Done::Reboot(0)));
    bench.pass_secs(2);
    assert!(bench.did(&Done::Reboot(0)));
}

#[test]
fn the_handler_runs_after_the_reboot_it_asked_for() {
    let mut bench = rebooting();
    bench.reboot();
    bench.link_up();
    assert_eq!(bench.runs(), [Run::First, Run::AfterReboot]);
    bench.succeed(0);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

#[test]
fn a_reboot_that_did_not_happen_is_told_from_one_that_did() {
    let mut bench = rebooting();
    bench.restart();
    bench.link_up();
    assert_eq!(bench.runs(), [Run::First, Run::AfterRestart]);
}

#[test]
fn a_power_cut_is_no_reboot_that_was_asked_for() {
    let mut bench = Bench::<1>::running("job");
    bench.reboot();
    bench.link_up();
    assert_eq!(bench.runs(), [Run::First, Run::AfterRestart]);
}

#[test]
fn a_power_cut_after_the_reboot_does_not_undo_it() {
    let mut bench = rebooting();
    bench.reboot();
    bench.link_up();
    bench.reboot();
    bench.link_up();
    assert_eq!(
        bench.runs(),
        [Run::First, Run::AfterReboot, Run::AfterReboot]
    );
}

#[test]
fn the_handlers_state_survives() {
    let mut bench = Bench::<1>::running("job");
    bench.handle(Input::HandlerState(Lane(0), b"at step 3"));
    bench.reboot();
    assert_eq!(bench.session.handler_state(Lane(0)), b"at step 3");
}

#[test]
fn a_state_that_is_too_long_is_not_taken() {
    let mut bench = Bench::<1>::running("job");
    bench.handle(Input::HandlerState(Lane(0), b"good"));
    bench.handle(Input::HandlerState(Lane(0), &[0; 257]));
    assert_eq!(bench.session.handler_state(Lane(0)), b"good");
}

#[test]
fn a_trial_that_never_reaches_the_service_is_rolled_back() {
    let mut bench = on_trial();
    bench.pass_secs(29 * 60);
    assert!(!bench.did(&Done::RollBack(0)));
    bench.pass_secs(61);
    assert!(bench.did(&Done::RollBack(0)));
}

#[test]
fn a_trial_whose_handler_hangs_is_rolled_back() {
    let mut bench = on_trial();
    bench.link_up();
    assert!(bench.running[0]);
    for _ in 0..31 {
        bench.pass_secs(60);
        if bench.did(&Done::RollBack(0)) {
            return;
        }
        bench.handle(Input::Progress(Lane(0), &StatusDetails::new()));
    }
    panic!("not rolled back");
}

#[test]
fn a_rolled_back_image_is_reported_and_never_tried_again() {
    let mut bench = on_trial();
    bench.pass_secs(31 * 60);
    bench.settings.trial = false;
    bench.reboot();
    bench.link_up();
    assert_eq!(bench.status("job"), "FAILED");
    assert_eq!(bench.detail("job", "reason"), "rolled_back");
    assert_eq!(bench.runs(), [Run::First]);
}

#[test]
fn a_roll_back_that_did_not_happen_is_made_again() {
    let mut bench = on_trial();
    bench.pass_secs(31 * 60);
    bench.done.clear();
    bench.restart();
    assert!(bench.did(&Done::RollBack(0)));
}

#[test]
fn a_trial_is_over_when_its_job_succeeds() {
    let mut bench = on_trial();
    bench.link_up();
    bench.succeed(0);
    bench.pass_secs(3_600);
    assert!(!bench.did(&Done::RollBack(0)));
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

#[test]
fn a_trial_whose_job_was_cancelled_is_rolled_back() {
    let mut bench = on_trial();
    bench.service.set("job", "CANCELED");
    bench.link_up();
    assert!(bench.did(&Done::RollBack(0)));
}

#[test]
fn a_trial_whose_handler_fails_is_rolled_back_and_says_why() {
    let mut bench = on_trial();
    bench.link_up();
    bench.finish(
        0,
        Outcome::Failed(&details(&[("message", "health check failed")])),
    );
    assert!(bench.did(&Done::RollBack(0)));
    bench.settings.trial = false;
    bench.reboot();
    bench.link_up();
    assert_eq!(bench.detail("job", "reason"), "rolled_back");
    assert_eq!(bench.detail("job", "message"), "health check failed");
}

#[test]
fn a_reboot_without_a_trial_image_is_never_rolled_back() {
    let mut bench = rebooting();
    bench.reboot();
    bench.pass_secs(3_600);
    assert!(!bench.did(&Done::RollBack(0)));
}

#[test]
fn a_power_cut_before_the_reboot_was_saved_does_not_hide_a_trial() {
    let mut bench = Bench::<1>::running("job");
    bench.handle(Input::HandlerState(Lane(0), b"marked"));
    bench.settings.trial = true;
    bench.reboot();
    bench.pass_secs(31 * 60);
    assert!(bench.did(&Done::RollBack(0)));
}

#[test]
fn a_job_that_installed_nothing_has_no_part_in_another_ones_trial() {
    let mut bench = Bench::<1>::running("job");
    bench.settings.trial = true;
    bench.reboot();
    bench.link_up();
    bench.finish(0, Outcome::Failed(&StatusDetails::new()));
    bench.pass_secs(31 * 60);
    assert!(!bench.did(&Done::RollBack(0)));
    assert_eq!(bench.status("job"), "FAILED");
}

#[test]
fn a_roll_back_whose_reboot_did_not_come_is_not_reported() {
    let mut bench = on_trial();
    bench.pass_secs(31 * 60);
    // The bootloader knows, and the agent dies before it can reboot.
    bench.settings.trial = false;
    bench.done.clear();
    bench.restart();
    bench.link_up();
    assert!(bench.did(&Done::RollBack(0)));
    assert_eq!(bench.status("job"), "IN_PROGRESS");
}

#[test]
fn a_roll_back_that_a_power_cut_forestalled_is_made_in_the_next_boot() {
    let mut bench = on_trial();
    bench.pass_secs(31 * 60);
    bench.done.clear();
    bench.reboot();
    assert!(bench.did(&Done::RollBack(0)));
}

#[test]
fn a_job_that_is_ended_while_a_reboot_is_announced_leaves_nothing_for_the_next_boot() {
    let mut bench = armed();
    bench.fault("/update", Fault::LoseAnswer);
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    bench.set("job", "CANCELED");
    bench.pass_secs(30);
    assert!(bench.did(&Done::Withdraw(0, b"marked".to_vec())));
    assert!(bench.did(&Done::Release(0)));
    assert!(!bench.did(&Done::Reboot(0)));
}

#[test]
fn a_trial_that_is_given_up_while_a_reboot_is_announced_is_rolled_back() {
    let mut bench = on_trial();
    bench.link_up();
    bench.fault("/update", Fault::LoseAnswer);
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    bench.done.clear();
    bench.set("job", "CANCELED");
    bench.pass_secs(30);
    assert!(bench.did(&Done::RollBack(0)));
}

#[test]
fn a_job_that_runs_out_of_time_leaves_nothing_for_the_next_boot() {
    let mut bench = armed();
    bench.pass_secs(15 * 60);
    assert_eq!(bench.detail("job", "reason"), "timed_out");
    assert!(bench.did(&Done::Withdraw(0, b"marked".to_vec())));
}

#[test]
fn what_was_prepared_is_taken_back_after_a_crash_too() {
    for end in ["CANCELED", "TIMED_OUT"] {
        let mut bench = armed();
        bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
        bench.service.set("job", end);
        bench.restart();
        bench.link_up();
        assert!(bench.did(&Done::Withdraw(0, b"marked".to_vec())), "{end}");
        assert!(bench.did(&Done::Release(0)), "{end}");
    }
}

#[test]
fn the_record_of_a_job_stays_until_what_it_prepared_is_taken_back() {
    let mut bench = armed();
    bench.withdrawals_fail = true;
    bench.set("job", "CANCELED");
    assert!(!bench.did(&Done::Release(0)));
    bench.done.clear();
    bench.restart();
    bench.link_up();
    assert!(bench.did(&Done::Withdraw(0, b"marked".to_vec())));
    bench.withdrawals_fail = false;
    bench.pass_secs(61);
    assert!(bench.did(&Done::Release(0)));
}

#[test]
fn what_can_never_be_taken_back_does_not_hold_up_other_jobs() {
    let mut bench = armed();
    bench.withdrawals_fail = true;
    bench.set("job", "CANCELED");
    bench.queue("other");
    bench.pass_secs(10 * 60);
    assert_eq!(bench.status("other"), "IN_PROGRESS");
}

#[test]
fn a_success_takes_nothing_back() {
    let mut bench = armed();
    bench.succeed(0);
    let withdrew = |done: &Done| matches!(done, Done::Withdraw(..));
    assert!(!bench.done.iter().any(withdrew));
}

#[test]
fn a_restart_within_one_boot_starts_no_trial() {
    let mut settings = settings();
    settings.trial = true;
    let mut bench = Bench::<1>::with(settings);
    bench.service.queue("job");
    bench.link_up();
    bench.restart();
    bench.pass_secs(3_600);
    assert!(!bench.did(&Done::RollBack(0)));
}

#[test]
fn a_job_that_takes_the_agent_down_each_time_is_given_up() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..STARTS_MAX {
        bench.restart();
        bench.link_up();
    }
    assert_eq!(bench.runs().len(), usize::from(STARTS_MAX));
    assert_eq!(bench.status("job"), "FAILED");
    assert_eq!(bench.detail("job", "reason"), "crash_loop");
}

#[test]
fn a_job_that_runs_for_long_between_power_cuts_is_not_given_up() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..2 * STARTS_MAX {
        bench.progress(0, &[("progress", "1")]);
        bench.pass_secs(6 * 60);
        bench.reboot();
        bench.link_up();
    }
    assert!(bench.running[0]);
}

#[test]
fn a_job_that_gets_on_between_crashes_is_not_given_up() {
    let mut bench = Bench::<1>::running("job");
    for step in 0..10u8 {
        bench.handle(Input::HandlerState(Lane(0), &[step]));
        bench.restart();
        bench.link_up();
    }
    assert_eq!(bench.runs().len(), 11);
    assert!(bench.running[0]);
}

#[test]
fn a_handler_that_asks_for_reboots_for_ever_is_given_up() {
    let mut bench = Bench::<1>::running("job");
    for _ in 0..20 {
        if !bench.running[0] {
            break;
        }
        bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
        bench.reboot();
        bench.link_up();
    }
    assert_eq!(bench.detail("job", "reason"), "reboot_loop");
}

#[test]
fn a_handler_that_gets_on_may_ask_for_many_reboots() {
    let mut bench = Bench::<1>::running("job");
    for step in 0..12u8 {
        bench.handle(Input::HandlerState(Lane(0), &[step]));
        bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
        bench.reboot();
        bench.link_up();
    }
    assert!(bench.running[0]);
}

#[test]
fn an_agent_that_stops_resumes_its_job_afterwards() {
    let mut bench = Bench::<1>::running("job");
    bench.handle(Input::Stop);
    assert!(bench.did(&Done::Cancel(0, CancelReason::Stopping)));
    assert!(bench.session.is_idle());
    for _ in 0..5 {
        bench.restart();
        bench.link_up();
        assert!(bench.running[0]);
        bench.handle(Input::Stop);
    }
    assert_eq!(bench.status("job"), "IN_PROGRESS");
}

#[test]
fn an_agent_that_stops_waits_for_its_handler() {
    let mut bench = Bench::<1>::running("job");
    bench.obedient = false;
    bench.handle(Input::Stop);
    assert!(!bench.session.is_idle());
    bench.finish(0, Outcome::Stopped);
    assert!(bench.session.is_idle());
}

#[test]
fn an_agent_that_stops_claims_nothing_new() {
    let mut bench = Bench::<1>::new();
    bench.link_up();
    bench.handle(Input::Stop);
    bench.queue("job");
    bench.pass_secs(60);
    assert_eq!(bench.status("job"), "QUEUED");
}

#[test]
fn an_end_that_comes_while_the_agent_stops_is_held() {
    let mut bench = Bench::<1>::running("job");
    bench.obedient = false;
    bench.handle(Input::Stop);
    bench.link_down();
    bench.succeed(0);
    assert!(bench.session.is_idle());
    bench.restart();
    bench.link_up();
    assert_eq!(bench.status("job"), "SUCCEEDED");
    assert_eq!(bench.runs().len(), 1);
}

#[test]
fn a_restart_that_was_asked_for_is_made_and_the_job_goes_on() {
    let mut bench = Bench::<1>::running("job");
    bench.finish(0, Outcome::Restart(&StatusDetails::new()));
    assert!(bench.did(&Done::Restart(0)));
    bench.restart();
    bench.link_up();
    assert_eq!(bench.runs(), [Run::First, Run::AfterRestart]);
}

#[test]
fn a_job_that_ended_while_the_device_was_away_is_forgotten() {
    let mut bench = rebooting();
    bench.service.set("job", "TIMED_OUT");
    bench.reboot();
    bench.link_up();
    bench.pass_secs(60);
    assert_eq!(bench.runs(), [Run::First]);
    assert!(bench.did(&Done::Release(0)));
}

#[test]
fn a_claim_that_was_not_saved_is_claimed_again() {
    let mut bench = Bench::<1>::new();
    bench.service.queue("job");
    bench.disk_fails = true;
    bench.link_up();
    bench.disk_fails = false;
    bench.restart();
    bench.link_up();
    assert_eq!(bench.runs(), [Run::First]);
    let claims = bench.service.requests("job/update");
    assert!(claims[1]["expectedVersion"].is_null());
}

#[test]
fn a_resumed_job_that_needs_what_is_in_use_is_offered_again_later() {
    let mut bench = Bench::<1>::running("job");
    bench.restart();
    bench
        .admissions
        .insert(String::from("job"), Admission::Later);
    bench.link_up();
    bench.pass_secs(3_600);
    assert!(!bench.running[0]);
    bench.admissions.clear();
    bench.pass_secs(600);
    assert_eq!(bench.runs().len(), 2);
}

#[test]
fn a_record_of_more_lanes_than_there_are_is_an_error() {
    let mut bench = Bench::<2>::new();
    bench.service.queue("one");
    bench.service.queue("two");
    bench.link_up();
    let error = Session::<1, D>::new(bench.at(), settings(), bench.disk.as_deref()).unwrap_err();
    assert_eq!(error, RecordError::NoRoom);
}

#[test]
fn a_failed_save_is_tried_again_with_a_wait() {
    let mut bench = Bench::<1>::running("job");
    bench.disk_fails = true;
    bench.handle(Input::HandlerState(Lane(0), b"state"));
    let saves = |bench: &Bench<1>| {
        bench
            .done
            .iter()
            .filter(|done| **done == Done::Save)
            .count()
    };
    let before = saves(&bench);
    bench.pass_secs(10);
    let after = saves(&bench);
    assert!(
        after > before && after < before + 100,
        "{before} to {after}"
    );
    bench.disk_fails = false;
    bench.pass_secs(60);
    bench.restart();
    assert_eq!(bench.session.handler_state(Lane(0)), b"state");
}

#[test]
fn the_first_save_after_a_state_covers_it() {
    let mut bench = Bench::<1>::running("job");
    let session = &mut bench.session;
    let mut buffer = vec![0; Session::<1, D>::BUFFER_LEN_MAX];
    let mut record = vec![0; Session::<1, D>::RECORD_LEN_MAX];
    let at = Instant::from_millis(bench.now);
    session.handle(at, Input::HandlerState(Lane(0), b"one"));
    let Some(Action::Save(first)) = session.poll_action(&mut buffer) else {
        panic!("no save");
    };
    session.handle(at, Input::HandlerState(Lane(0), b"two"));
    session.handle(at, Input::Saved(first));
    let Some(Action::Save(second)) = session.poll_action(&mut buffer) else {
        panic!("no second save");
    };
    assert_ne!(first, second);
    let len = session.record(&mut record).unwrap();
    let restored = Session::<1, D>::new(at, settings(), Some(&record[..len])).unwrap();
    assert_eq!(restored.handler_state(Lane(0)), b"two");
}

#[test]
fn every_link_after_an_outage_waits_a_random_while() {
    let mut waits = Vec::new();
    for seed in 0..8 {
        let mut bench = Bench::<1>::with(crate::session::Settings { seed, ..settings() });
        bench.link_up();
        assert_eq!(bench.service.log.len(), 1, "the first start does not wait");
        bench.link_down();
        bench.link_up();
        let up_at = bench.now;
        while bench.service.log.len() < 2 {
            bench.pass(Duration::from_millis(100));
        }
        assert!(bench.now - up_at <= 30_100);
        waits.push((bench.now - up_at).to_string());
    }
    waits.sort();
    waits.dedup();
    assert!(waits.len() > 4, "{waits:?}");
}

#[test]
fn a_trial_ends_when_it_would_have_however_often_the_agent_starts() {
    let mut bench = on_trial();
    for _ in 0..2 {
        bench.pass_secs(14 * 60);
        bench.restart();
    }
    assert!(!bench.did(&Done::RollBack(0)));
    bench.pass_secs(3 * 60);
    assert!(bench.did(&Done::RollBack(0)));
}

#[test]
fn a_trial_in_another_boot_has_its_whole_time() {
    let mut bench = on_trial();
    bench.pass_secs(20 * 60);
    bench.reboot();
    bench.pass_secs(29 * 60);
    assert!(!bench.did(&Done::RollBack(0)));
}

#[test]
fn a_job_whose_image_is_not_the_one_on_trial_fails_without_a_roll_back() {
    let mut bench = on_trial();
    bench.handle(Input::TrialOver(Lane(0)));
    bench.link_up();
    bench.finish(0, Outcome::Failed(&details(&[("reason", "other")])));
    bench.pass_secs(3_600);
    assert!(!bench.did(&Done::RollBack(0)));
    assert_eq!(bench.detail("job", "reason"), "other");
}

#[test]
fn a_roll_back_of_what_is_confirmed_makes_the_job_go_on() {
    let mut bench = on_trial();
    bench.link_up();
    bench.finish(0, Outcome::Failed(&StatusDetails::new()));
    assert!(bench.did(&Done::RollBack(0)));
    bench.handle(Input::TrialOver(Lane(0)));
    assert!(bench.running[0], "{:?}", bench.events);
    bench.succeed(0);
    assert_eq!(bench.status("job"), "SUCCEEDED");
}

#[test]
fn a_roll_back_for_a_cancelled_job_whose_image_is_confirmed_forgets_the_job() {
    let mut bench = on_trial();
    bench.service.set("job", "CANCELED");
    bench.link_up();
    assert!(bench.did(&Done::RollBack(0)));
    bench.handle(Input::TrialOver(Lane(0)));
    assert!(bench.did(&Done::Release(0)));
    assert!(!bench.running[0]);
}

#[test]
fn a_reboot_whose_announcement_says_that_the_job_has_ended_leaves_nothing_for_the_next_boot() {
    for end in ["CANCELED", "TIMED_OUT"] {
        let mut bench = armed();
        bench.fault("/update", Fault::RefuseWith("InvalidStateTransition", end));
        bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
        assert!(bench.did(&Done::Withdraw(0, b"marked".to_vec())), "{end}");
        assert!(!bench.did(&Done::Reboot(0)), "{end}");
    }
}

#[test]
fn a_handler_that_asks_for_a_reboot_after_its_cancel_leaves_nothing_for_the_next_boot() {
    let mut bench = Bench::<1>::running("job");
    bench.obedient = false;
    bench.set("job", "CANCELED");
    bench.handle(Input::HandlerState(Lane(0), b"marked"));
    bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
    assert!(bench.did(&Done::Withdraw(0, b"marked".to_vec())));
    assert!(!bench.did(&Done::Reboot(0)));
}

#[test]
fn a_job_given_up_for_its_crashes_leaves_nothing_for_the_next_boot() {
    let mut bench = armed();
    for _ in 0..20 {
        bench.restart();
        bench.link_up();
    }
    assert_eq!(bench.detail("job", "reason"), "crash_loop");
    assert!(bench.did(&Done::Withdraw(0, b"marked".to_vec())));
}

#[test]
fn a_job_that_a_restart_moved_to_another_lane_leaves_nothing_for_the_next_boot() {
    let mut bench = Bench::<3>::new();
    for job in ["one", "two", "three"] {
        bench.service.queue(job);
    }
    bench.link_up();
    bench.handle(Input::HandlerState(Lane(2), b"marked"));
    for lane in [0, 1] {
        bench.succeed(lane);
    }
    bench.service.set("three", "CANCELED");
    let mut settings = bench.settings.clone();
    settings.seed += 1;
    let mut fewer = Bench::<1>::with(settings);
    fewer.service = bench.service;
    fewer.disk = bench.disk;
    fewer.restart();
    fewer.link_up();
    assert!(fewer.did(&Done::Withdraw(0, b"marked".to_vec())));
}
