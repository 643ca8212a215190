//! Any cron expressions as the windows of a job: what is taken opens in order, from the job's start to
//! its end, and time that leaps passes the same edges as time that creeps.
#![no_main]

use std::time::Duration;

use iot_jobs_local::model::names::Scope;
use iot_jobs_local::model::request::{CreateJob, CreateThing};
use iot_jobs_local::model::time::Timestamp;
use iot_jobs_local::model::{Knobs, Model};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// 2026-10-21T07:28:00Z.
const NOW: Timestamp = Timestamp::from_secs(1_792_567_680);
const START: &str = "2026-10-21T08:00";
const END: &str = "2028-10-19T08:00";
const MAX_WINDOWS: usize = 4;
/// How far time leaps, and how it creeps there.
const LEAP: Duration = Duration::from_secs(3 * 24 * 3600);
const CREEP: Duration = Duration::from_secs(5 * 3600);

// The first byte is how long a window lasts, the rest a line for each window.
fuzz_target!(|input: &[u8]| {
    let Some((minutes, text)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let windows = text.lines().take(MAX_WINDOWS);
    let windows = windows.map(|line| json!({"startTime": line, "durationInMinutes": minutes}));
    let members = json!({
        "targets": ["arn:aws:iot:eu-west-1:123456789012:thing/t1"],
        "document": "{}",
        "targetSelection": "CONTINUOUS",
        "schedulingConfig": {
            "startTime": START,
            "endTime": END,
            "maintenanceWindows": windows.collect::<Value>(),
        },
    });
    let Some(mut leaps) = model(&members) else {
        return;
    };
    check_rollouts(&leaps);

    let mut creeps = model(&members).expect("what was taken before");
    let end = NOW.plus(LEAP);
    leaps.advance(end);
    let mut now = NOW;
    while now < end {
        now = now.plus(CREEP).min(end);
        creeps.advance(now);
    }
    leaps.check(end);
    assert_eq!(leaps.take_effects(), creeps.take_effects());
    assert_eq!(format!("{leaps:?}"), format!("{creeps:?}"));
});

/// A model with the job, unless it is refused.
fn model(members: &Value) -> Option<Model> {
    let mut model = Model::new(Knobs::default());
    let thing = CreateThing {
        thing_name: "t1".to_owned(),
        ..CreateThing::default()
    };
    model.create_thing(&scope(), thing, NOW).expect("a thing");
    let mut job: CreateJob = serde_json::from_value(members.clone()).expect("members");
    job.job_id = "J".to_owned();
    model.create_job(&scope(), job, NOW).ok()?;
    Some(model)
}

fn check_rollouts(model: &Model) {
    let described = model.describe_job(&scope(), "J", NOW).expect("the job");
    let described = serde_json::to_value(described).expect("JSON");
    let rollouts = described["job"]["scheduledJobRollouts"].as_array().cloned();
    let starts: Vec<_> = rollouts
        .iter()
        .flatten()
        .map(|rollout| rollout["startTime"].as_str().expect("a time").to_owned())
        .collect();
    assert!(
        starts.is_sorted_by(|left, right| left < right),
        "{starts:?}"
    );
    assert!(
        starts
            .iter()
            .all(|start| (START..END).contains(&start.as_str())),
        "{starts:?}"
    );
}

fn scope() -> Scope {
    Scope {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
    }
}
