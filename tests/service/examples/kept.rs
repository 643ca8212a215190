//! Measures what it costs to keep the state on disk:
//!
//! ```text
//! cargo run --profile demo -p iot-jobs-local --example kept [DIRECTORY]
//! ```
//!
//! The directory is where the files go, and so the disk that is measured.

use core::error::Error;
use core::time::Duration;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use iot_jobs_local::broker::ConnectionId;
use iot_jobs_local::clock::Clock;
use iot_jobs_local::device::Outlet;
use iot_jobs_local::model::document::{Access, Presign};
use iot_jobs_local::model::names::{Scope, ThingName};
use iot_jobs_local::model::operation::StartNext;
use iot_jobs_local::model::request::{CreateJob, CreateThing, CreateThingGroup, GroupMembership};
use iot_jobs_local::model::time::Timestamp;
use iot_jobs_local::model::{Knobs, Model};
use iot_jobs_local::shared::Shared;
use iot_jobs_local::store::Store;

const NOON: Timestamp = Timestamp::from_secs(1_700_049_600);
const MINUTE: Duration = Duration::from_secs(60);
/// How many executions are claimed, one operation each, to tell the rate.
const OPERATIONS: usize = 2000;
const FLEETS: [usize; 2] = [10_000, 100_000];
/// How many things a job reaches in a minute.
const PER_MINUTE: usize = 1000;

type Failure = Box<dyn Error>;

/// Devices and URLs that cost nothing.
struct Nobody;

impl Outlet for Nobody {
    fn publish(&self, _: &str, _: Bytes) {}

    fn reply(&self, _: Option<&ConnectionId>, _: &str, _: Bytes) {}
}

impl Presign for Nobody {
    fn presign(&self, _: Access, _: &str, _: &str, _: Duration, _: Timestamp) -> String {
        String::new()
    }
}

fn main() -> Result<(), Failure> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.unwrap_or_else(std::env::temp_dir);
    let path = directory.join(format!("kept-{}.redb", std::process::id()));
    let measured = measure(&path);
    let _ = fs::remove_file(&path);
    measured
}

fn measure(path: &Path) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let memory = claims_per_second(None)?;
    let disk = claims_per_second(Some(Arc::new(Store::open(path)?)))?;
    writeln!(out, "operations per second in memory   {memory:10.0}")?;
    writeln!(out, "operations per second on disk     {disk:10.0}")?;
    writeln!(
        out,
        "memory to disk                    {:10.1}",
        memory / disk
    )?;
    for things in FLEETS {
        fs::remove_file(path)?;
        let store = Arc::new(Store::open(path)?);
        let (shared, created) = fleet(things, Some(Arc::clone(&store)))?;
        roll_out(&shared, things);
        store.close();
        drop((shared, store));
        let size = fs::metadata(path)?.len();
        let loading = stopwatch();
        let (model, _) = Store::open(path)?.load(Knobs::default())?;
        let loaded = loading.elapsed();
        writeln!(out, "{things} executions:")?;
        writeln!(
            out,
            "  CreateJob                       {:10.0} ms",
            millis(created)
        )?;
        writeln!(
            out,
            "  file                            {:10.1} MiB",
            size as f64 / f64::from(1 << 20)
        )?;
        writeln!(
            out,
            "  start, {:6} things            {:10.0} ms",
            model.thing_count(),
            millis(loaded)
        )?;
    }
    Ok(())
}

fn claims_per_second(store: Option<Arc<Store>>) -> Result<f64, Failure> {
    let (shared, _) = fleet(OPERATIONS, store)?;
    roll_out(&shared, OPERATIONS);
    let names: Vec<_> = (0..OPERATIONS).map(name).collect();
    let claiming = stopwatch();
    for name in &names {
        let thing = ThingName::parse(name).ok_or("a name")?;
        let start = StartNext::default();
        let claimed = shared.with(|model, now| model.start_next(&thing, None, &start, now))?;
        claimed.ok_or("an execution")?;
    }
    Ok(OPERATIONS as f64 / claiming.elapsed().as_secs_f64())
}

/// A service with a job for a group of so many things, and how long it took to make the job.
fn fleet(things: usize, store: Option<Arc<Store>>) -> Result<(Shared, Duration), Failure> {
    let model = match &store {
        Some(store) => store.load(Knobs::default())?.0,
        None => Model::new(Knobs::default()),
    };
    let nobody = Arc::new(Nobody);
    let shared = Shared::keeping(model, Clock::frozen(NOON), nobody.clone(), nobody, store);
    let scope = Scope {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
    };
    shared.with(|model, now| {
        let group = CreateThingGroup {
            thing_group_name: "fleet".to_owned(),
            ..CreateThingGroup::default()
        };
        model.create_thing_group(&scope, group, now)?;
        for number in 0..things {
            let thing = CreateThing {
                thing_name: name(number),
                ..CreateThing::default()
            };
            model.create_thing(&scope, thing, now)?;
            let member = GroupMembership {
                thing_group_name: Some("fleet".to_owned()),
                thing_name: Some(name(number)),
                ..GroupMembership::default()
            };
            model.add_thing_to_thing_group(&scope, &member, now)?;
        }
        Ok::<_, Failure>(())
    })?;
    let job = CreateJob {
        job_id: "update".to_owned(),
        targets: Some(vec![
            "arn:aws:iot:eu-west-1:123456789012:thinggroup/fleet".to_owned(),
        ]),
        document: Some("{\"operation\": \"none\"}".to_owned()),
        ..CreateJob::default()
    };
    let creating = stopwatch();
    shared.with(|model, now| model.create_job(&scope, job, now))?;
    Ok((shared, creating.elapsed()))
}

/// Lets the job reach all things.
fn roll_out(shared: &Shared, things: usize) {
    for _ in 0..things.div_ceil(PER_MINUTE) {
        shared.clock().advance(MINUTE);
        shared.with(|_, _| ());
    }
}

fn name(number: usize) -> String {
    format!("gateway-{number:06}")
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::disallowed_methods, reason = "measures a real disk")]
fn stopwatch() -> Instant {
    Instant::now()
}
