//! Whatever happens: no panic, no handler twice, no report lost.

use core::time::Duration;
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::bench::{Bench, D, Done, details, settings};
use super::service::{Fault, PREFIX};
use crate::details::StatusDetails;
use crate::event::Event;
use crate::session::{Admission, Input, Lane, Outcome, Session};
use crate::time::Instant;

/// One thing that may happen to an agent.
#[derive(Debug, Clone)]
enum Happening {
    Queue(u8),
    Cancel(u8),
    LinkUp,
    LinkDown,
    Pass(u32),
    Finish(u8, u8),
    Progress(u8),
    State(u8, u8),
    Renew(u8),
    LoseAnswer(bool),
    LoseRequest(bool),
    Throttle(bool),
    Empty,
    DiskFails(bool),
    Die,
    /// Into a trial or not.
    Reboot(bool),
    Stop,
    Redeliver,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0u8..3).prop_map(Happening::Queue),
        1 => (0u8..3).prop_map(Happening::Cancel),
        4 => Just(Happening::LinkUp),
        2 => Just(Happening::LinkDown),
        5 => (0u32..120_000).prop_map(Happening::Pass),
        1 => (0u32..4_000_000).prop_map(Happening::Pass),
        6 => (0u8..2, 0u8..7).prop_map(|(lane, how)| Happening::Finish(lane, how)),
        2 => (0u8..2).prop_map(Happening::Progress),
        2 => (0u8..2, any::<u8>()).prop_map(|(lane, state)| Happening::State(lane, state)),
        1 => (0u8..2).prop_map(Happening::Renew),
        2 => any::<bool>().prop_map(Happening::LoseAnswer),
        2 => any::<bool>().prop_map(Happening::LoseRequest),
        1 => any::<bool>().prop_map(Happening::Throttle),
        1 => Just(Happening::Empty),
        1 => any::<bool>().prop_map(Happening::DiskFails),
        2 => Just(Happening::Die),
        2 => any::<bool>().prop_map(Happening::Reboot),
        1 => Just(Happening::Stop),
        2 => Just(Happening::Redeliver),
    ]
}

const JOBS: [&str; 3] = ["one", "two", "three"];

fn verb(update: bool) -> &'static str {
    if update { "/update" } else { "/get" }
}

/// The statuses that were promised: durable, as the agent held them with a disk that works.
#[derive(Default)]
struct Promises {
    held: BTreeSet<(String, i64)>,
    refused: BTreeSet<(String, i64)>,
    seen: usize,
}

impl Promises {
    /// A status that is held on a disk that works is durable at once.
    fn note(&mut self, bench: &Bench<2>) {
        for event in &bench.events[self.seen..] {
            match event {
                Event::Held(id, _) if !bench.disk_fails => {
                    self.held.insert((String::from(id.job.as_str()), id.number));
                }
                Event::ReportRefused { execution, .. } => {
                    let id = (String::from(execution.job.as_str()), execution.number);
                    self.refused.insert(id);
                }
                _ => {}
            }
        }
        self.seen = bench.events.len();
    }
}

fn apply(bench: &mut Bench<2>, happening: &Happening) {
    match *happening {
        Happening::Queue(job) => {
            let job = JOBS[usize::from(job)];
            let mut executions = bench.service.executions.iter();
            // A thing has one open execution of a job.
            if !executions.any(|e| e.job == job && matches!(e.status, "QUEUED" | "IN_PROGRESS")) {
                bench.queue(job);
            }
        }
        Happening::Cancel(job) => {
            let job = JOBS[usize::from(job)];
            let mut executions = bench.service.executions.iter();
            if executions.any(|e| e.job == job && matches!(e.status, "QUEUED" | "IN_PROGRESS")) {
                bench.set(job, "CANCELED");
            }
        }
        Happening::LinkUp => bench.link_up(),
        Happening::LinkDown => bench.link_down(),
        Happening::Pass(millis) => bench.pass(Duration::from_millis(millis.into())),
        Happening::Finish(lane, how) => {
            if bench.running[usize::from(lane)] {
                let details = details(&[("reason", "random")]);
                bench.finish(
                    lane,
                    match how {
                        0 | 1 => Outcome::Succeeded(&details),
                        2 => Outcome::Failed(&details),
                        3 => Outcome::Rejected(&details),
                        4 => Outcome::Reboot(&details),
                        5 => Outcome::Defer(Duration::from_secs(30)),
                        _ => Outcome::Stopped,
                    },
                );
            }
        }
        Happening::Progress(lane) => {
            bench.handle(Input::Progress(Lane(lane), &details(&[("progress", "1")])));
        }
        Happening::State(lane, state) => bench.handle(Input::HandlerState(Lane(lane), &[state])),
        Happening::Renew(lane) => bench.handle(Input::RenewDocument(Lane(lane))),
        Happening::LoseAnswer(update) => bench.fault(verb(update), Fault::LoseAnswer),
        Happening::LoseRequest(update) => bench.fault(verb(update), Fault::LoseRequest),
        Happening::Throttle(update) => {
            bench.fault(verb(update), Fault::Refuse("RequestThrottled"));
        }
        Happening::Empty => bench.fault("$next/get", Fault::Empty),
        Happening::DiskFails(fails) => bench.disk_fails = fails,
        Happening::Die => bench.restart(),
        Happening::Reboot(trial) => {
            bench.settings.trial = trial;
            bench.reboot();
        }
        Happening::Stop => {
            bench.handle(Input::Stop);
            bench.restart();
        }
        Happening::Redeliver => {
            let notify = bench.service.notify();
            bench.deliver(notify.clone());
            bench.deliver(notify);
        }
    }
    obey(bench);
}

/// What a driver does when it is told to go away.
fn obey(bench: &mut Bench<2>) {
    let leaves = |done: &Done| matches!(done, Done::Reboot(_) | Done::RollBack(_));
    let Some(done) = bench.done.iter().find(|done| leaves(done)).cloned() else {
        return;
    };
    bench.done.clear();
    if let Done::RollBack(_) = done {
        assert!(bench.settings.trial, "rolls back what is not on trial");
        bench.settings.trial = false;
    }
    bench.reboot();
}

/// Calms everything down and lets what is held go out.
fn settle(bench: &mut Bench<2>) {
    bench.service.faults.clear();
    bench.disk_fails = false;
    bench.settings.trial = false;
    bench.reboot();
    obey(bench);
    bench.link_up();
    bench.pass_secs(3_600);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// The driver double asserts that no handler runs twice in a lane.
    #[test]
    fn a_status_that_is_held_reaches_the_service_once(
        happenings in prop::collection::vec(happening(), 1..60),
        latency in prop_oneof![Just(0u64), 0u64..3_000],
    ) {
        let mut bench = Bench::<2>::with(settings());
        bench.latency = latency;
        let mut promises = Promises::default();
        for happening in &happenings {
            apply(&mut bench, happening);
            promises.note(&bench);
        }
        settle(&mut bench);
        promises.note(&bench);
        for (job, number) in promises.held.difference(&promises.refused) {
            let mut executions = bench.service.executions.iter();
            let execution = executions.find(|e| e.job == *job && e.number == *number).unwrap();
            prop_assert!(
                matches!(execution.status, "SUCCEEDED" | "FAILED" | "REJECTED"),
                "{job}/{number} is {}", execution.status
            );
        }
        for execution in &bench.service.executions {
            prop_assert!(execution.ends <= 1);
        }
    }

    #[test]
    fn every_job_ends_once_all_is_calm(
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut bench = Bench::<2>::with(settings());
        for happening in &happenings {
            apply(&mut bench, happening);
        }
        settle(&mut bench);
        for _ in 0..20 {
            for lane in 0..2u8 {
                if bench.running[usize::from(lane)] {
                    bench.succeed(lane);
                }
            }
            bench.pass_secs(600);
        }
        for execution in &bench.service.executions {
            prop_assert!(!matches!(execution.status, "QUEUED" | "IN_PROGRESS"), "{execution:?}");
        }
    }

    #[test]
    fn no_bytes_make_a_session_panic(
        messages in prop::collection::vec(message(), 0..40),
    ) {
        let mut bench = Bench::<2>::with(settings());
        bench.service.queue("one");
        bench.link_up();
        let mut buffer = [0; 4096];
        for (topic, payload) in &messages {
            bench.session.handle(bench.at(), Input::Message { topic, payload });
            while bench.session.poll_action(&mut buffer).is_some() {}
            while bench.session.poll_event().is_some() {}
            bench.now += 700;
            let _ = bench.session.poll_timeout();
        }
    }

    #[test]
    fn no_order_of_inputs_makes_a_session_panic(
        inputs in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u32>()), 0..200),
        room in 0usize..600,
    ) {
        let mut session = Session::<2, D>::new(Instant::from_millis(0), settings(), None).unwrap();
        let details = StatusDetails::new();
        let mut buffer = std::vec![0; room];
        for (what, lane, number) in inputs {
            let lane = Lane(lane % 3);
            let now = Instant::from_millis(u64::from(number));
            session.handle(now, match what % 16 {
                0 => Input::LinkUp { session_present: number % 2 == 0 },
                1 => Input::LinkDown,
                2 => Input::Subscribed(&[true, false]),
                3 => Input::Subscribed(&[]),
                4 => Input::Admitted(lane, Admission::Claim),
                5 => Input::Admitted(lane, Admission::Later),
                6 => Input::Admitted(lane, Admission::Reject { reason: "a b", message: "\n" }),
                7 => Input::RenewDocument(lane),
                8 => Input::Progress(lane, &details),
                9 => Input::HandlerState(lane, &[0; 300]),
                10 => Input::Finished(lane, Outcome::Succeeded(&details)),
                11 => Input::Finished(lane, Outcome::Defer(Duration::MAX)),
                12 => Input::Saved(number % 8),
                13 => Input::SaveFailed(number % 8),
                14 => Input::Message {
                    topic: "$aws/things/thing-1/jobs/$next/get/accepted",
                    payload: br#"{"execution":{"jobId":"a","jobDocument":{}}}"#,
                },
                _ => Input::Timeout,
            });
            for _ in 0..8 {
                if session.poll_action(&mut buffer).is_none() {
                    break;
                }
            }
            let _ = session.poll_timeout();
        }
    }

    #[test]
    fn no_bytes_are_a_record_by_chance(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Session::<2, D>::new(Instant::from_millis(0), settings(), Some(&bytes)).is_err());
    }
}

/// Messages that are nearly right.
fn message() -> impl Strategy<Value = (String, Vec<u8>)> {
    let topic = prop_oneof![
        Just("notify"),
        Just("notify-next"),
        Just("get/accepted"),
        Just("$next/get/accepted"),
        Just("$next/get/rejected"),
        Just("one/get/accepted"),
        Just("one/get/rejected"),
        Just("one/update/accepted"),
        Just("one/update/rejected"),
    ];
    let token = (0u32..12).prop_map(|number| format!("{:016x}-{number:x}", 7));
    let code = prop_oneof![
        Just("VersionMismatch"),
        Just("ResourceNotFound"),
        Just("InvalidRequest"),
        Just("InvalidStateTransition"),
        Just("InvalidJson"),
        Just("TerminalStateReached"),
        Just("?"),
    ];
    let number = prop_oneof![any::<i64>(), Just(1i64)];
    let body = prop_oneof![
        4 => (token, code, number).prop_map(|(token, code, number)| {
            format!(
                r#"{{"clientToken":"{token}","code":"{code}","executionState":{{"status":"{}"}},
                "jobs":{{"QUEUED":[{{"jobId":"two","executionNumber":{number}}}]}},
                "queuedJobs":[{{"jobId":"two","executionNumber":{number}}}],
                "execution":{{"jobId":"one","status":"QUEUED","executionNumber":{number},
                "versionNumber":{number},"approximateSecondsBeforeTimedOut":{number},
                "jobDocument":{{"a":1}}}}}}"#,
                if number % 2 == 0 { "CANCELED" } else { "IN_PROGRESS" },
            )
            .into_bytes()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..64),
    ];
    (topic.prop_map(|topic| format!("{PREFIX}{topic}")), body)
}
