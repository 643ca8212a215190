//! A job for 100,000 things in the model alone: what each part takes, and the memory of a thing and of an execution.
//!
//! `cargo bench -p iot-jobs-local --bench model`. Memory is what the system gave to this process, as `/proc` tells it: an allocator's
//! slack is in it, as it is in the service's.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints"
)]

use std::fs;
use std::time::Instant;

use iot_jobs_local::model::names::{JobId, Scope, ThingName};
use iot_jobs_local::model::operation::Update;
use iot_jobs_local::model::request::{CreateJob, CreateThing, CreateThingGroup, GroupMembership};
use iot_jobs_local::model::time::Timestamp;
use iot_jobs_local::model::{Knobs, Model};
use serde_json::Map;

const THINGS: usize = 100_000;
const GROUP: &str = "all";
const MINUTE: u64 = 60;
/// A job reaches 1000 things each minute.
const MINUTES: u64 = THINGS as u64 / PER_MINUTE as u64;
const PER_MINUTE: usize = 1000;
/// How many things are told at once, and the bytes of the document that they are told of.
const TOLD: usize = 10_000;
const DOCUMENT_BYTES: usize = 30_000;

fn main() {
    let scope = Scope {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
    };
    let names: Vec<_> = (0..THINGS)
        .map(|number| format!("thing-{number:06}"))
        .collect();
    let mut model = Model::new(Knobs::default());
    part("things in a group", THINGS, || {
        add_things(&mut model, &scope, &names)
    });
    part("executions queued", THINGS, || roll_out(&mut model, &scope));
    part("begun by their devices", THINGS, || {
        report(&mut model, &names, "IN_PROGRESS")
    });
    part("succeeded", THINGS, || {
        report(&mut model, &names, "SUCCEEDED")
    });
    tell_of_large_document(&scope, &names);
}

/// The clock steps over many minutes of a rollout: what devices are told waits in memory together.
fn tell_of_large_document(scope: &Scope, names: &[String]) {
    let mut model = Model::new(Knobs::default());
    add_things(&mut model, scope, names.get(..TOLD).expect("as many names"));
    let document = format!("\"{}\"", "d".repeat(DOCUMENT_BYTES - 2));
    create_job(&mut model, scope, document);
    let minutes = (TOLD / PER_MINUTE - 1) as u64;
    part("told of 30 KB at once", TOLD, || {
        model.advance(Timestamp::from_secs(minutes * MINUTE));
    });
    assert_eq!(model.take_effects().len(), 2 * TOLD);
}

/// Does something for each of `things`, and says what it took.
fn part(name: &str, things: usize, work: impl FnOnce()) {
    let before = resident();
    let began = Instant::now();
    work();
    let took = began.elapsed();
    let grown = resident().saturating_sub(before);
    println!(
        "{name:<24}{:>8.2} s {:>8.2} us each {:>8} bytes each",
        took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / things as f64,
        grown / things
    );
}

fn add_things(model: &mut Model, scope: &Scope, names: &[String]) {
    let now = Timestamp::from_secs(0);
    let group = CreateThingGroup {
        thing_group_name: GROUP.to_owned(),
        ..CreateThingGroup::default()
    };
    model
        .create_thing_group(scope, group, now)
        .expect("a group");
    for name in names {
        let thing = CreateThing {
            thing_name: name.clone(),
            ..CreateThing::default()
        };
        model.create_thing(scope, thing, now).expect("a thing");
        let membership = GroupMembership {
            thing_group_name: Some(GROUP.to_owned()),
            thing_name: Some(name.clone()),
            ..GroupMembership::default()
        };
        let added = model.add_thing_to_thing_group(scope, &membership, now);
        added.expect("a member");
    }
}

fn create_job(model: &mut Model, scope: &Scope, document: String) {
    let job = CreateJob {
        job_id: "job".to_owned(),
        targets: Some(vec![format!(
            "arn:aws:iot:{}:{}:thinggroup/{GROUP}",
            scope.region, scope.account
        )]),
        document: Some(document),
        ..CreateJob::default()
    };
    let created = model.create_job(scope, job, Timestamp::from_secs(0));
    created.expect("a job");
}

fn roll_out(model: &mut Model, scope: &Scope) {
    create_job(model, scope, "{}".to_owned());
    for minute in 0..MINUTES {
        model.advance(Timestamp::from_secs(minute * MINUTE));
        // Each thing is told of its list and of what is first.
        assert_eq!(model.take_effects().len(), 2000);
    }
}

fn report(model: &mut Model, names: &[String], status: &str) {
    let now = Timestamp::from_secs(MINUTES * MINUTE);
    let job = JobId::parse("job").expect("a job id");
    let body = Map::from_iter([("status".to_owned(), status.into())]);
    let update = Update::parse(&body);
    for name in names {
        let thing = ThingName::parse(name).expect("a thing name");
        let updated = model.update(&thing, None, &job, &update, now);
        updated.expect("an update");
        drop(model.take_effects());
    }
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.expect("VmRSS") * 1024
}
