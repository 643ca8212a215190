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
/// How many devices ask at the same time: as many as the embedded broker lets wait.
const WAITING: usize = 64;
const FLEETS: [usize; 2] = [10_000, 100_000];
/// How many things a job reaches in a minute.
const PER_MINUTE: usize = 1000;

type Failure = Box<dyn Error>;

/// Devices and URLs that cost nothing.
struct Nobody;

impl Outlet for Nobody {
    fn is_heard(&self, _: &str) -> bool {
        true
    }

    fn payload_limit(&self) -> usize {
        usize::MAX
    }

    fn publish(&self, _: &str, _: Bytes) {}

    fn reply(&self, _: Option<&ConnectionId>, _: &str, _: Bytes) {}

    fn disconnect(&self, _: &ConnectionId) {}

    fn disconnect_thing(&self, _: &str) {}
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
    let memory = claims_per_second(None, 1)?;
    let disk = claims_per_second(Some(Arc::new(Store::open(path)?)), 1)?;
    fs::remove_file(path)?;
    let together = claims_per_second(Some(Arc::new(Store::open(path)?)), WAITING)?;
    tell("claims per second in memory", memory)?;
    tell("claims per second on disk", disk)?;
    tell("... if 64 devices wait", together)?;
    for things in FLEETS {
        fs::remove_file(path)?;
        let store = Arc::new(Store::open(path)?);
        let (shared, created) = fleet(things, Some(Arc::clone(&store)))?;
        roll_out(&shared, things);
        // As a kill would leave it.
        let killed = path.with_extension("killed");
        fs::copy(path, &killed)?;
        store.close();
        drop((shared, store));
        let started = start(path)?;
        let restarted = start(&killed);
        fs::remove_file(killed)?;
        tell("executions", things as f64)?;
        tell("... CreateJob, ms", millis(created))?;
        let size = fs::metadata(path)?.len();
        tell("... file, KiB", size as f64 / 1024.0)?;
        tell("... start, ms", millis(started))?;
        tell("... start after a kill, ms", millis(restarted?))?;
    }
    Ok(())
}

fn tell(what: &str, number: f64) -> io::Result<()> {
    writeln!(io::stdout(), "{what:30} {number:10.0}")
}

fn claims_per_second(store: Option<Arc<Store>>, waiting: usize) -> Result<f64, Failure> {
    let (shared, _) = fleet(OPERATIONS, store)?;
    roll_out(&shared, OPERATIONS);
    let names: Vec<_> = (0..OPERATIONS).map(name).collect();
    let claiming = stopwatch();
    for names in names.chunks(waiting) {
        let mut claimed = Ok(());
        shared
            .together(|shared| claimed = names.iter().try_for_each(|name| claim(shared, name)))?;
        claimed?;
    }
    Ok(OPERATIONS as f64 / claiming.elapsed().as_secs_f64())
}

fn claim(shared: &Shared, name: &str) -> Result<(), Failure> {
    let thing = ThingName::parse(name).ok_or("a name")?;
    let start = StartNext::default();
    let claimed = shared.with(|model, now| model.start_next(&thing, None, &start, now))?;
    claimed.map(drop).ok_or_else(|| "an execution".into())
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

/// How long it takes to open what a store holds.
fn start(path: &Path) -> Result<Duration, Failure> {
    let loading = stopwatch();
    Store::open(path)?.load(Knobs::default())?;
    Ok(loading.elapsed())
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
