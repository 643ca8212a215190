//! A service on a bad day, on every plane of a device: each job ends as on a good one, and the day comes again with its seed.
//!
//! What the agent asks, and when, is its own; what befalls its n-th request of a kind is the seed's. So two days of one seed agree as far
//! as both of them went.
//! `IOT_JOBS_FAULTS_SEED` sets the seed.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;

use iot_jobs_e2e::{Scene, THING};
use iot_jobs_kit::KitError;
use iot_jobs_kit::aws::Execution;
use iot_jobs_kit::image::{Image, digest};
use serde_json::{Value, json};

/// The seed unless told otherwise.
const SEED: u64 = 1;
/// Bytes of a file: a few cuts' worth.
const FILE: usize = 2 << 20;
/// How long the jobs may take: an answer that is lost is waited for, and what is refused is asked again later and later.
const ENDS_WITHIN: Duration = Duration::from_secs(240);
/// The device's `[download]`: a connection that brings nothing is given up soon.
const SOON_STALLED: &str = "[download]\nstall_timeout_secs = 1";
/// Jobs of a day.
const JOBS: u64 = 3;

/// What befell: the fault by its plane, kind and number.
type Befallen = BTreeMap<(&'static str, String, u64), Value>;

#[test]
fn every_job_succeeds_on_a_bad_day_and_the_day_comes_again_with_its_seed() {
    let seed = std::env::var("IOT_JOBS_FAULTS_SEED").map_or(SEED, |text| text.parse().unwrap());
    let day = || live(seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(day);
        (day(), other.join().unwrap())
    });

    let planes: Vec<_> = first.keys().map(|(plane, ..)| *plane).collect();
    for plane in ["downloads", "notifications", "requests"] {
        assert!(planes.contains(&plane), "seed {seed}: no fault of {plane}");
    }
    assert_eq!(
        until(&first, &second),
        until(&second, &first),
        "seed {seed}"
    );
}

#[test]
fn a_job_that_cannot_be_seen_when_the_device_comes_up_is_found_without_a_notification() {
    let mut scene = Scene::new(|_| {}).unwrap();
    let hidden = json!({"nextNotifications": [{"hideNext": 4}]});
    scene.service.fault(&hidden).unwrap();
    let (job, ..) = file_job(&mut scene, 0).unwrap();
    scene.device.power_on().unwrap();
    let end = scene.end_of(&job).unwrap();
    assert_eq!(end.status(), "SUCCEEDED", "{end:?}");
}

#[test]
fn a_download_that_stalls_and_answers_that_are_short_end_in_the_whole_file() {
    let mut scene = Scene::new(|_| {}).unwrap();
    scene.configure("[download]", SOON_STALLED).unwrap();
    // The third answer is a part, the others begin at the first byte.
    let faults = json!([
        {"truncateAfterBytes": FILE / 2},
        {"stallAfterBytes": FILE / 2},
        {"truncateAfterBytes": FILE / 4},
    ]);
    let planned = json!({"nextDownloads": faults});
    scene.service.fault(&planned).unwrap();
    let (job, sha256, path) = file_job(&mut scene, 0).unwrap();
    scene.device.power_on().unwrap();

    let end = scene.end_of(&job).unwrap();
    assert_eq!(end.status(), "SUCCEEDED", "{end:?}");
    assert_eq!(digest(&std::fs::read(path).unwrap()), sha256);
    let befallen = scene.service.fault_log().unwrap().downloads.befallen;
    let befallen: Vec<_> = befallen.into_iter().map(|each| each.fault).collect();
    assert_eq!(json!(befallen), faults);
}

/// Faults on every plane, none of which a device needs to give a job up for.
fn bad_day(seed: u64) -> Value {
    json!({
        "seed": seed,
        "allRequests": [
            {"drop": true, "chance": 0.06},
            {"ignore": true, "chance": 0.06},
            {"duplicate": true, "chance": 0.1},
            {"code": "InternalError", "chance": 0.1},
            {"code": "RequestThrottled", "chance": 0.1},
            {"delaySeconds": 0.5, "chance": 0.1},
            {"holdForMessages": 1, "delaySeconds": 2, "chance": 0.1},
            {"closeConnection": true, "chance": 0.06},
        ],
        "allNotifications": [
            {"drop": true, "chance": 0.1},
            {"duplicate": true, "chance": 0.2},
            {"delaySeconds": 0.5, "chance": 0.2},
            {"holdForMessages": 1, "delaySeconds": 2, "chance": 0.2},
            {"hideNext": 0.5, "chance": 0.2},
            {"closeConnection": true, "chance": 0.1},
        ],
        "allDownloads": [
            {"closeAfterBytes": FILE / 4, "chance": 0.5},
            {"truncateAfterBytes": FILE / 8, "chance": 0.1},
            {"stallAfterBytes": FILE / 2, "chance": 0.2},
            {"status": 503, "retryAfterSeconds": 1, "chance": 0.3},
            {"bytesPerSecond": 8 << 20, "chance": 0.5},
        ],
        "urlsExpireAfterSeconds": 10,
    })
}

/// Lets a device do its jobs on a bad day; what befell it.
fn live(seed: u64) -> Result<Befallen, KitError> {
    let mut scene = Scene::new(|options| {
        options.jobs.push_str("\nanswer_within_secs = 1");
    })?;
    scene.configure("[download]", SOON_STALLED)?;
    scene.service.fault(&bad_day(seed))?;
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        jobs.push(file_job(&mut scene, number)?);
    }
    scene.device.power_on()?;
    for (job, sha256, path) in jobs {
        let aws = scene.aws.clone();
        let end = scene
            .device
            .live_until(&format!("the end of {job}"), ENDS_WITHIN, || {
                let execution = aws.execution(THING, &job).ok();
                execution.filter(Execution::is_terminal)
            })?;
        assert_eq!(end.status(), "SUCCEEDED", "seed {seed}: {end:?}");
        assert_eq!(digest(&std::fs::read(path).unwrap_or_default()), sha256);
    }
    let log = scene.service.fault_log()?;
    let planes = [
        ("downloads", log.downloads),
        ("notifications", log.notifications),
        ("requests", log.requests),
    ];
    let mut befallen = Befallen::new();
    for (plane, log) in planes {
        assert_eq!(log.forgotten, 0, "the log of {plane} is too short");
        let entries = log.befallen.into_iter();
        befallen.extend(entries.map(|each| ((plane, each.kind, each.number), each.fault)));
    }
    Ok(befallen)
}

/// Makes a job that downloads a file; its id, the file's digest and where it goes.
fn file_job(scene: &mut Scene, number: u64) -> Result<(String, String, PathBuf), KitError> {
    let file = Image::new(number + 1, FILE);
    let path = scene.device.path(&format!("files/{number}"));
    let job = scene.firmware_job(&file, |document| {
        document["operation"] = json!("file-download");
        document["path"] = json!(path);
    })?;
    Ok((job, file.sha256, path))
}

/// What befell on `day` until the last fault of each kind that `other` knows.
fn until(day: &Befallen, other: &Befallen) -> Befallen {
    let last = |plane: &str, kind: &str| {
        let same = other.keys().filter(|(p, k, _)| *p == plane && k == kind);
        same.map(|(.., number)| *number).max().unwrap_or_default()
    };
    let common = day
        .iter()
        .filter(|((plane, kind, number), _)| *number <= last(plane, kind));
    common
        .map(|(at, fault)| (at.clone(), fault.clone()))
        .collect()
}
