//! What can happen to the service, as one value each.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::catalog::{OfCatalog, of_catalog};
use super::{GROUPS, JOBS, NAMESPACES, STATUSES, TARGETS, THINGS};
use crate::model::calendar::print_minute;
use crate::model::tests::{NOON, group_arn, thing_arn};

/// An operation, or time that passes. Numbers are indices into the names of [`super`].
#[derive(Debug, Clone)]
pub(in crate::model::tests) enum Step {
    /// UpdateEventConfigurations.
    Events {
        jobs: bool,
        executions: bool,
    },
    OfCatalog(OfCatalog),
    OfDevice(OfDevice),
    OfExecution(OfExecution),
    OfJob(OfJob),
    OfRegistry(OfRegistry),
    Wait {
        secs: u64,
    },
}

/// What a device asks.
#[derive(Debug, Clone)]
pub(in crate::model::tests) enum OfDevice {
    StartNext {
        thing: usize,
        namespace: usize,
        minutes: Option<i64>,
    },
    Update {
        thing: usize,
        job: usize,
        status: usize,
        minutes: Option<i64>,
        number: Option<i64>,
        expected: Option<i64>,
    },
}

/// What becomes of one execution.
#[derive(Debug, Clone)]
pub(in crate::model::tests) enum OfExecution {
    Cancel {
        thing: usize,
        job: usize,
        force: bool,
        expected: Option<i64>,
    },
    Delete {
        thing: usize,
        job: usize,
        number: i64,
        force: bool,
    },
}

/// What becomes of jobs and templates.
#[derive(Debug, Clone)]
pub(in crate::model::tests) enum OfJob {
    Associate {
        job: usize,
        targets: usize,
    },
    Cancel {
        job: usize,
        force: bool,
    },
    Create {
        job: usize,
        namespace: usize,
        targets: usize,
        rules: Rules,
        from_template: bool,
    },
    CreateTemplate {
        job: usize,
    },
    Delete {
        job: usize,
        force: bool,
    },
    DeleteTemplate,
    /// As many jobs for one thing as there are names for.
    Flood {
        thing: usize,
        namespace: usize,
        windows: bool,
    },
    Update {
        job: usize,
        change: usize,
    },
}

/// What becomes of things and groups.
#[derive(Debug, Clone)]
pub(in crate::model::tests) enum OfRegistry {
    AddThing { thing: usize },
    CreateGroup { group: usize },
    DeleteGroup { group: usize },
    DeleteThing { thing: usize },
    Join { thing: usize, group: usize },
    Leave { thing: usize, group: usize },
}

/// How a job behaves.
#[derive(Debug, Clone, Copy)]
pub(in crate::model::tests) struct Rules {
    aborts: bool,
    continuous: bool,
    per_minute: Option<u64>,
    retries: Option<u64>,
    schedule: Schedule,
}

impl Rules {
    pub(super) const NONE: Self = Self {
        aborts: false,
        continuous: false,
        per_minute: None,
        retries: None,
        schedule: Schedule::None,
    };
    pub(super) const WINDOWS: Self = Self {
        schedule: Schedule::Windows,
        ..Self::NONE
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schedule {
    None,
    End,
    Start,
    StartAndEnd,
    Windows,
}

/// The bodies of UpdateJob: each changes another member.
pub(super) fn changes() -> [Value; 7] {
    let abort = json!([{
        "failureType": "ALL",
        "action": "CANCEL",
        "thresholdPercentage": 34,
        "minNumberOfExecutedThings": 1,
    }]);
    [
        json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 1}}),
        json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 3, "exponentialRate": {
            "baseRatePerMinute": 1,
            "incrementFactor": 2,
            "rateIncreaseCriteria": {"numberOfSucceededThings": 1},
        }}}),
        json!({"abortConfig": {"criteriaList": abort}}),
        json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}}),
        json!({"jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "ALL", "numberOfRetries": 0},
        ]}}),
        json!({"description": "new"}),
        json!({"presignedUrlConfig": {"expiresInSec": 60}}),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let per_minute = proptest::option::of(1..3_u64);
    let retries = proptest::option::of(0..3_u64);
    let schedule = prop_oneof![
        6 => Just(Schedule::None),
        1 => Just(Schedule::End),
        1 => Just(Schedule::Start),
        1 => Just(Schedule::StartAndEnd),
        3 => Just(Schedule::Windows),
    ];
    let rules = (any::<bool>(), any::<bool>(), per_minute, retries, schedule);
    rules.prop_map(
        |(aborts, continuous, per_minute, retries, schedule)| Rules {
            aborts,
            continuous,
            per_minute,
            retries,
            schedule,
        },
    )
}

/// A job: mostly one of a few, so that steps meet.
fn job() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..4_usize, 1 => 0..JOBS.len()]
}

pub(in crate::model::tests) fn step() -> impl Strategy<Value = Step> {
    let events = (any::<bool>(), any::<bool>());
    prop_oneof![
        36 => of_job().prop_map(Step::OfJob),
        6 => of_execution().prop_map(Step::OfExecution),
        24 => of_device().prop_map(Step::OfDevice),
        20 => of_registry().prop_map(Step::OfRegistry),
        8 => of_catalog().prop_map(Step::OfCatalog),
        16 => waits(),
        1 => events.prop_map(|(jobs, executions)| Step::Events { jobs, executions }),
    ]
}

fn of_job() -> impl Strategy<Value = OfJob> {
    let force = any::<bool>;
    let create = (job(), 0..NAMESPACES.len(), 0..TARGETS.len(), rules());
    prop_oneof![
        2 => (job(), 0..TARGETS.len()).prop_map(|(job, targets)| OfJob::Associate { job, targets }),
        1 => (job(), force()).prop_map(|(job, force)| OfJob::Cancel { job, force }),
        8 => (create, proptest::bool::weighted(0.1)).prop_map(
            |((job, namespace, targets, rules), from_template)|
                OfJob::Create { job, namespace, targets, rules, from_template }
        ),
        1 => job().prop_map(|job| OfJob::CreateTemplate { job }),
        1 => (job(), force()).prop_map(|(job, force)| OfJob::Delete { job, force }),
        1 => Just(OfJob::DeleteTemplate),
        1 => (0..THINGS.len(), 0..NAMESPACES.len(), any::<bool>()).prop_map(
            |(thing, namespace, windows)| OfJob::Flood { thing, namespace, windows }
        ),
        3 => (job(), 0..changes().len()).prop_map(|(job, change)| OfJob::Update { job, change }),
    ]
}

fn of_execution() -> impl Strategy<Value = OfExecution> {
    let version = proptest::option::weighted(0.2, 1..4_i64);
    prop_oneof![
        2 => (0..THINGS.len(), job(), any::<bool>(), version).prop_map(
            |(thing, job, force, expected)| OfExecution::Cancel { thing, job, force, expected }
        ),
        1 => (0..THINGS.len(), job(), 1..3_i64, any::<bool>()).prop_map(
            |(thing, job, number, force)| OfExecution::Delete { thing, job, number, force }
        ),
    ]
}

fn of_device() -> impl Strategy<Value = OfDevice> {
    let minutes =
        || proptest::option::of(prop_oneof![4 => 1..4_i64, 1 => Just(-1), 1 => Just(5000)]);
    let rarely = || proptest::option::weighted(0.1, 1..3_i64);
    prop_oneof![
        1 => (0..THINGS.len(), 0..NAMESPACES.len(), minutes()).prop_map(
            |(thing, namespace, minutes)| OfDevice::StartNext { thing, namespace, minutes }
        ),
        2 => (0..THINGS.len(), job(), 0..STATUSES.len(), minutes(), rarely(), rarely()).prop_map(
            |(thing, job, status, minutes, number, expected)|
                OfDevice::Update { thing, job, status, minutes, number, expected }
        ),
    ]
}

fn of_registry() -> impl Strategy<Value = OfRegistry> {
    let (things, groups) = (|| 0..THINGS.len(), || 0..GROUPS.len());
    prop_oneof![
        2 => things().prop_map(|thing| OfRegistry::AddThing { thing }),
        1 => groups().prop_map(|group| OfRegistry::CreateGroup { group }),
        1 => groups().prop_map(|group| OfRegistry::DeleteGroup { group }),
        1 => things().prop_map(|thing| OfRegistry::DeleteThing { thing }),
        5 => (things(), groups()).prop_map(|(thing, group)| OfRegistry::Join { thing, group }),
        3 => (things(), groups()).prop_map(|(thing, group)| OfRegistry::Leave { thing, group }),
    ]
}

fn waits() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => 0..200_u64,
        2 => 0..4000_u64,
        1 => 0..300_000_u64,
    ]
    .prop_map(|secs| Step::Wait { secs })
}

/// The ARNs of one of [`TARGETS`].
pub(super) fn arns(targets: usize) -> Value {
    let names = TARGETS[targets].iter();
    let is_group = |name: &str| GROUPS.iter().any(|(group, _)| *group == name);
    let arns = names.map(|name| match is_group(name) {
        true => group_arn(name),
        false => thing_arn(name),
    });
    arns.collect()
}

/// The members of a job with these targets and rules.
pub(super) fn members(targets: usize, rules: Rules, now: u64) -> Value {
    let mut members = json!({
        "targets": arns(targets),
        "timeoutConfig": {"inProgressTimeoutInMinutes": 2},
    });
    if rules.aborts {
        members["abortConfig"] = json!({"criteriaList": [{
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": 60,
            "minNumberOfExecutedThings": 2,
        }]});
    }
    if rules.continuous || rules.schedule == Schedule::Windows {
        members["targetSelection"] = json!("CONTINUOUS");
    }
    if let Some(rate) = rules.per_minute {
        members["jobExecutionsRolloutConfig"] = json!({ "maximumPerMinute": rate });
    }
    if let Some(retries) = rules.retries {
        let criteria = json!([{"failureType": "ALL", "numberOfRetries": retries}]);
        members["jobExecutionsRetryConfig"] = json!({ "criteriaList": criteria });
    }
    if let Some(schedule) = scheduling_config(rules.schedule, now) {
        members["schedulingConfig"] = schedule;
    }
    members
}

/// Windows open once in every hour from the next one on, for three hours.
fn scheduling_config(schedule: Schedule, now: u64) -> Option<Value> {
    let minute = |after: u64| print_minute((NOON + now) / 60 + after);
    let behaviors = ["STOP_ROLLOUT", "CANCEL", "FORCE_CANCEL"];
    let behavior = behaviors.iter().cycle().nth(now as usize % 3);
    let windows = json!([{"startTime": "20 * * * ? *", "durationInMinutes": 25}]);
    match schedule {
        Schedule::None => None,
        Schedule::End => Some(json!({"endTime": minute(31), "endBehavior": behavior})),
        Schedule::Start => Some(json!({"startTime": minute(31)})),
        Schedule::StartAndEnd => Some(json!({
            "startTime": minute(31),
            "endTime": minute(61),
            "endBehavior": behavior,
        })),
        Schedule::Windows => Some(json!({
            "startTime": minute(31),
            "endTime": minute(211),
            "endBehavior": behavior,
            "maintenanceWindows": windows,
        })),
    }
}
