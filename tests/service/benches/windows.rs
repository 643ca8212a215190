//! Time that passes over a job with as many maintenance windows as one may have, the first of which opens in every other minute.
//!
//! `cargo bench -p iot-jobs-local --bench windows`
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints"
)]

use std::time::Instant;

use iot_jobs_local::model::names::Scope;
use iot_jobs_local::model::request::{CreateJob, CreateThing};
use iot_jobs_local::model::time::Timestamp;
use iot_jobs_local::model::{Knobs, Model};
use serde_json::json;

const WINDOWS: usize = 100;
const EVERY_OTHER_MINUTE: &str = "*/2 * * * ? *";
const START: Timestamp = Timestamp::from_secs(1_700_049_600);
const DAY: u64 = 24 * 60 * 60;
const DAYS: u64 = 30;

fn main() {
    println!("{DAYS} days, {WINDOWS} windows");
    for (name, others, minutes) in [
        ("all the same", EVERY_OTHER_MINUTE, 1),
        ("once in four years", "0 0 29 2 ? *", 1),
        ("never", "0 0 31 2 ? *", 1),
        ("always", "* * * * ? *", 1430),
    ] {
        measure(name, others, minutes);
    }
}

/// Says what it takes if the other windows open so, for so many minutes.
fn measure(name: &str, others: &str, minutes: u32) {
    let mut windows = vec![json!({"startTime": others, "durationInMinutes": minutes}); WINDOWS];
    if let Some(first) = windows.first_mut() {
        *first = json!({"startTime": EVERY_OTHER_MINUTE, "durationInMinutes": 1});
    }
    let mut model = Model::new(Knobs::default());
    let scope = Scope {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
    };
    let thing = CreateThing {
        thing_name: "gw-1".to_owned(),
        ..CreateThing::default()
    };
    model.create_thing(&scope, thing, START).expect("a thing");
    let mut job: CreateJob = serde_json::from_value(json!({
        "targets": ["arn:aws:iot:eu-west-1:123456789012:thing/gw-1"],
        "targetSelection": "CONTINUOUS",
        "document": "{}",
        "schedulingConfig": {"startTime": "2023-11-15T13:00", "maintenanceWindows": windows},
    }))
    .expect("a job");
    job.job_id = "job".to_owned();
    model.create_job(&scope, job, START).expect("a job");
    let began = Instant::now();
    let mut told = 0;
    for day in 1..=DAYS {
        model.advance(Timestamp::from_secs(START.as_secs() + day * DAY));
        told += model.take_effects().len();
    }
    let took = began.elapsed().as_secs_f64();
    let each = took * 1e3 / DAYS as f64;
    println!("{name:<24}{took:>8.2} s {each:>8.2} ms a day {told:>8} messages");
}
