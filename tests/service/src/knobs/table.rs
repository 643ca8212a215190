//! The names of all knobs, what each is for, and where AWS documents it.

use core::fmt::Write as _;

use serde_json::Value;

use super::{Knobs, OFF};
use crate::broker::MqttQuotas;
use crate::model::{AtConcurrencyLimit, Quotas};
use crate::throttle::Rates;

/// The page of the general reference with the quotas of Jobs.
const JOBS_QUOTAS: &str = "general reference, iot_device_management";
/// The page of the general reference with the quotas of the message broker.
const BROKER_QUOTAS: &str = "general reference, iot-core";
const JOB_LIMITS: &str = "developer guide, job-limits";
const JOB_CONFIGURATIONS: &str = "developer guide, jobs-configurations-details";
const JOB_TROUBLESHOOTING: &str = "developer guide, jobs-troubleshooting";

/// A choice that has a name.
pub(super) struct Knob {
    pub(super) name: &'static str,
    /// What the value means, in a few words.
    about: &'static str,
    /// The page of AWS's that has it, or why none has.
    page: &'static str,
    pub(super) access: Access,
}

/// Where a knob's value is, and what it may be.
pub(super) enum Access {
    Count {
        at: fn(&mut Knobs) -> &mut u32,
        min: u32,
        max: u32,
    },
    Flag(fn(&mut Knobs) -> &mut bool),
    Limit(fn(&mut Knobs) -> &mut AtConcurrencyLimit),
    /// Off, or so many in a second; `aws` is AWS's number.
    Rate {
        at: fn(&mut Knobs) -> &mut Option<u32>,
        aws: u32,
    },
}

const fn count(
    name: &'static str,
    about: &'static str,
    page: &'static str,
    (min, max): (u32, u32),
    at: fn(&mut Knobs) -> &mut u32,
) -> Knob {
    Knob {
        name,
        about,
        page,
        access: Access::Count { at, min, max },
    }
}

const fn flag(
    name: &'static str,
    about: &'static str,
    page: &'static str,
    at: fn(&mut Knobs) -> &mut bool,
) -> Knob {
    Knob {
        name,
        about,
        page,
        access: Access::Flag(at),
    }
}

const fn rate(
    name: &'static str,
    about: &'static str,
    page: &'static str,
    aws: u32,
    at: fn(&mut Knobs) -> &mut Option<u32>,
) -> Knob {
    Knob {
        name,
        about,
        page,
        access: Access::Rate { at, aws },
    }
}

/// Every knob, by name.
pub(super) static TABLE: [Knob; 34] = [
    Knob {
        name: "atConcurrencyLimit",
        about: "a job too many to roll out is refused, or scheduled and cancelled; or it waits",
        page: "developer guide, jobs-troubleshooting and jobs-configurations-details disagree",
        access: Access::Limit(|knobs| &mut knobs.jobs.at_concurrency_limit),
    },
    flag(
        "bothRateCriteria",
        "take a rollout whose rate rises at notified and at succeeded things",
        "developer guide, job-configurations-api against the samples of create-job",
        |knobs| &mut knobs.jobs.both_rate_criteria,
    ),
    flag(
        "deniedFilterFailsAlone",
        "answer a filter that the policy denies in the SUBACK, and do not end the connection",
        "developer guide, mqtt against life-cycle-events and reports of clients",
        |knobs| &mut knobs.mqtt.denied_filter_fails_alone,
    ),
    flag(
        "events",
        "publish events of jobs and executions, as after UpdateEventConfigurations",
        "developer guide, events-jobs",
        |knobs| &mut knobs.jobs.events,
    ),
    count(
        "groupMembershipLagSeconds",
        "seconds until a snapshot of a group shows who has joined it",
        JOB_TROUBLESHOOTING,
        (0, 3600),
        |knobs| &mut knobs.jobs.group_membership_lag_seconds,
    ),
    flag(
        "iotJobsEndpointRetired",
        "refuse DescribeEndpoint of iot:Jobs",
        "API reference, DescribeEndpoint; seen by MiniStack",
        |knobs| &mut knobs.jobs.iot_jobs_endpoint_retired,
    ),
    flag(
        "listJobsOmitsScheduledInGroups",
        "leave scheduled jobs out of ListJobs with a group's name",
        "aws-cli issue #8924",
        |knobs| &mut knobs.jobs.list_jobs_omits_scheduled_in_groups,
    ),
    count(
        "minimumScheduleLeadMinutes",
        "minutes that a schedule's start and end are ahead, and apart",
        JOB_CONFIGURATIONS,
        (0, 1440),
        |knobs| &mut knobs.jobs.minimum_schedule_lead_minutes,
    ),
    flag(
        "notifyNextPerNamespace",
        "publish notify-next of a namespace while another one heads the queue",
        "aws-greengrass-lite issue #1151",
        |knobs| &mut knobs.jobs.notify_next_per_namespace,
    ),
    count(
        "quotas.activeJobs",
        "jobs that are scheduled or in progress",
        JOBS_QUOTAS,
        (1, 1_000_000),
        |knobs| &mut knobs.jobs.quotas.active_jobs,
    ),
    count(
        "quotas.concurrentJobs",
        "jobs that roll out at one time",
        JOBS_QUOTAS,
        (1, 100_000),
        |knobs| &mut knobs.jobs.quotas.concurrent_jobs,
    ),
    rate(
        "quotas.connectsPerSecond",
        "CONNECTs of one client id",
        BROKER_QUOTAS,
        MqttQuotas::AWS_CONNECTS_PER_SECOND,
        |knobs| &mut knobs.mqtt.connects_per_second,
    ),
    count(
        "quotas.deletingJobs",
        "jobs that are deleted at one time",
        JOB_LIMITS,
        (1, 100_000),
        |knobs| &mut knobs.jobs.quotas.deleting_jobs,
    ),
    count(
        "quotas.documentBytes",
        "bytes of a job document",
        JOBS_QUOTAS,
        (2, Quotas::DOCUMENT_BYTES_MAX),
        |knobs| &mut knobs.jobs.quotas.document_bytes,
    ),
    count(
        "quotas.filtersPerSubscribe",
        "filters in one SUBSCRIBE",
        BROKER_QUOTAS,
        (1, 65_535),
        |knobs| &mut knobs.mqtt.filters_per_subscribe,
    ),
    count(
        "quotas.inFlightMessages",
        "QoS 1 messages that are not acknowledged, either way",
        BROKER_QUOTAS,
        (1, 65_535),
        |knobs| &mut knobs.mqtt.in_flight_messages,
    ),
    count(
        "quotas.jobTemplates",
        "job templates",
        JOBS_QUOTAS,
        (1, 100_000),
        |knobs| &mut knobs.jobs.quotas.job_templates,
    ),
    count(
        "quotas.pageSize",
        "entries on one page of a list",
        JOBS_QUOTAS,
        (1, 250),
        |knobs| &mut knobs.jobs.quotas.page_size,
    ),
    count(
        "quotas.payloadBytes",
        "bytes of the payload of one message",
        BROKER_QUOTAS,
        (1, MqttQuotas::PAYLOAD_BYTES_MAX),
        |knobs| &mut knobs.mqtt.payload_bytes,
    ),
    count(
        "quotas.pendingExecutions",
        "executions in a pending list",
        JOB_LIMITS,
        (1, 250),
        |knobs| &mut knobs.jobs.quotas.pending_executions,
    ),
    count(
        "quotas.pendingExecutionsInWindow",
        "more of them, of jobs whose maintenance window is open",
        JOB_LIMITS,
        (0, 250),
        |knobs| &mut knobs.jobs.quotas.pending_executions_in_window,
    ),
    rate(
        "quotas.publishesPerSecond",
        "messages that one connection publishes",
        BROKER_QUOTAS,
        MqttQuotas::AWS_PUBLISHES_PER_SECOND,
        |knobs| &mut knobs.mqtt.publishes_per_second,
    ),
    rate(
        "quotas.requestsPerSecond.controlPlane",
        "requests of each operation on jobs and templates",
        JOBS_QUOTAS,
        Rates::AWS_CONTROL_PLANE,
        |knobs| &mut knobs.rates.control_plane,
    ),
    rate(
        "quotas.requestsPerSecond.dataPlaneReads",
        "DescribeJobExecution and GetPendingJobExecutions together",
        JOBS_QUOTAS,
        Rates::AWS_DATA_PLANE_READS,
        |knobs| &mut knobs.rates.data_plane_reads,
    ),
    rate(
        "quotas.requestsPerSecond.dataPlaneWrites",
        "StartNextPendingJobExecution and UpdateJobExecution together",
        JOBS_QUOTAS,
        Rates::AWS_DATA_PLANE_WRITES,
        |knobs| &mut knobs.rates.data_plane_writes,
    ),
    count(
        "quotas.retriesPerThing",
        "retries on one thing, of all failure types together",
        JOB_CONFIGURATIONS,
        (0, 20),
        |knobs| &mut knobs.jobs.quotas.retries_per_thing,
    ),
    count(
        "quotas.rolloutPerMinute",
        "things that one job reaches in a minute",
        JOBS_QUOTAS,
        (1, 1_000_000),
        |knobs| &mut knobs.jobs.quotas.rollout_per_minute,
    ),
    count(
        "quotas.statusDetailsPairs",
        "pairs in status details",
        JOBS_QUOTAS,
        (0, 1000),
        |knobs| &mut knobs.jobs.quotas.status_details_pairs,
    ),
    count(
        "quotas.statusDetailsValueCharacters",
        "characters of a value in status details",
        JOBS_QUOTAS,
        (1, 32_768),
        |knobs| &mut knobs.jobs.quotas.status_details_value_characters,
    ),
    count(
        "quotas.subscriptionsPerConnection",
        "subscriptions of one client",
        BROKER_QUOTAS,
        (1, 65_535),
        |knobs| &mut knobs.mqtt.subscriptions_per_connection,
    ),
    count(
        "quotas.targetsPerJob",
        "things and groups that one job names",
        JOBS_QUOTAS,
        (1, 1000),
        |knobs| &mut knobs.jobs.quotas.targets_per_job,
    ),
    count(
        "quotas.timeoutMinutes",
        "minutes of the in-progress and of the step timer",
        JOBS_QUOTAS,
        (1, 525_600),
        |knobs| &mut knobs.jobs.quotas.timeout_minutes,
    ),
    flag(
        "strictStatusDetails",
        "refuse status details whose values are not strings",
        "none: AWS takes scalars, though its model has strings",
        |knobs| &mut knobs.jobs.strict_status_details,
    ),
    count(
        "timeoutSlackSeconds",
        "seconds that an execution outlives its timers",
        "API reference, TimeoutConfig",
        (0, 60),
        |knobs| &mut knobs.jobs.timeout_slack_seconds,
    ),
];

/// All knobs for people: what may be set, to what, what it is now, and where AWS documents it.
#[must_use]
pub fn listing() -> String {
    let mut text = String::new();
    let mut defaults = Knobs::default();
    for Knob {
        name,
        about,
        page,
        access,
    } in &TABLE
    {
        let values = match access {
            Access::Count { min, max, .. } => format!("{min}..{max}"),
            Access::Flag(_) => "true|false".to_owned(),
            Access::Limit(_) => AtConcurrencyLimit::NAMES.join("|"),
            Access::Rate { aws, .. } => format!("{OFF}|N, on AWS {aws}"),
        };
        let default = match access.read(&mut defaults) {
            Value::Null => OFF.to_owned(),
            Value::String(text) => text,
            value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                value.to_string()
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}={values} [{default}]\n    {about}\n    {page}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_no_name_is_there_twice() {
        assert!(TABLE.is_sorted_by(|left, right| left.name < right.name));
    }

    #[test]
    fn each_knob_is_its_own() {
        for knob in &TABLE {
            let mut knobs = Knobs::default();
            let before = knob.access.read(&mut knobs);
            let other = match &knob.access {
                Access::Count { min, max, .. } if before == *min => (*max).into(),
                Access::Count { min, .. } => (*min).into(),
                Access::Flag(_) => true.into(),
                Access::Limit(_) => "hold".into(),
                Access::Rate { aws, .. } => (*aws).into(),
            };
            assert_ne!(before, other, "{}", knob.name);
            knob.access.write(&mut knobs, &other).unwrap();

            let changed = TABLE.iter().filter(|knob| {
                knob.access.read(&mut knobs) != knob.access.read(&mut Knobs::default())
            });
            let changed: Vec<_> = changed.map(|knob| knob.name).collect();
            assert_eq!(changed, [knob.name]);
        }
    }

    #[test]
    fn each_bound_is_legal_and_what_is_beyond_is_not() {
        for knob in &TABLE {
            let mut knobs = Knobs::default();
            let mut takes = |value: i64| knob.access.write(&mut knobs, &value.into()).is_some();
            match knob.access {
                Access::Count { min, max, .. } => {
                    let (min, max) = (i64::from(min), i64::from(max));
                    let verdicts = [min - 1, min, max, max + 1].map(&mut takes);
                    assert_eq!(verdicts, [false, true, true, false], "{}", knob.name);
                }
                Access::Rate { .. } => {
                    let verdicts = [0, 1, 1_000_000, 1_000_001].map(&mut takes);
                    assert_eq!(verdicts, [false, true, true, false], "{}", knob.name);
                }
                Access::Flag(_) | Access::Limit(_) => assert!(!takes(1), "{}", knob.name),
            }
        }
    }

    #[test]
    fn the_listing_has_every_knob_with_its_default() {
        let listing = listing();
        assert!(
            listing.contains("quotas.concurrentJobs=1..100000 [500]\n"),
            "{listing}"
        );
        assert!(listing.contains("quotas.connectsPerSecond=off|N, on AWS 1 [off]\n"));
        assert!(listing.contains("atConcurrencyLimit=hold|refuse [refuse]\n"));
        assert_eq!(listing.lines().count(), 3 * TABLE.len());
    }
}
