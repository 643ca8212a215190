//! `[jobs]`

use core::time::Duration;

use iot_jobs_proto::names::{JOB_ID_LEN_MAX, Namespace, NamespaceId, ThingName};
use iot_jobs_proto::session::Timing;

use super::OPERATION_LEN_MAX;
use crate::Jobs;
use crate::reader::At;
use crate::table::{Section, Unit};

const NAMESPACES_MAX: usize = 8;
const CONCURRENT: u64 = 1;
const CONCURRENT_MAX: u64 = 4;
const PREFIXES_MAX: usize = 32;
const LEFT_OPERATIONS_MAX: usize = 64;

/// The namespace of jobs created without `namespaceId`.
const DEFAULT: &str = "default";
/// Namespaces of AWS IoT Greengrass.
const RESERVED_PREFIX: &str = "aws-gg-";
/// Longest topic (AWS IoT Core endpoints and quotas, "Topic size").
const TOPIC_LEN_MAX: usize = 256;
/// The fixed part of the longest topic, `$aws/things/T/jobs/J/namespace-NS/update/accepted`.
const TOPIC_FIXED_LEN: usize = "$aws/things//jobs//namespace-/update/accepted".len();

pub(super) fn read(section: Option<Section<'_, '_>>, thing: Option<&ThingName>) -> Jobs {
    let Some(mut section) = section else {
        return Jobs {
            namespaces: vec![Namespace::Default],
            concurrent: 1,
            job_id_prefixes: Vec::new(),
            leave_operations: Vec::new(),
            timing: Timing::default(),
        };
    };
    let namespaces = namespaces(&mut section, thing);
    let concurrent = section
        .number("concurrent", 1..=CONCURRENT_MAX, Some(CONCURRENT))
        .and_then(|number| u8::try_from(number).ok());
    let jobs = Jobs {
        namespaces,
        concurrent: concurrent.unwrap_or(1),
        job_id_prefixes: prefixes(&mut section),
        leave_operations: left_operations(&mut section),
        timing: timing(&mut section),
    };
    section.finish();
    jobs
}

fn namespaces(section: &mut Section<'_, '_>, thing: Option<&ThingName>) -> Vec<Namespace> {
    let Some(texts) = section.texts("namespaces", NAMESPACES_MAX) else {
        return vec![Namespace::Default];
    };
    if texts.is_empty() {
        let help = "name at least one, such as \"default\", or remove the line";
        section
            .reader
            .problem(section.offset, "`namespaces` is empty", help);
    }

    let mut namespaces = Vec::new();
    for text in texts.into_iter().filter(|text| !text.value.is_empty()) {
        let Some(namespace) = namespace(section, text, thing) else {
            continue;
        };
        if namespaces.contains(&namespace) {
            let problem = format!("namespace `{}` is named twice", text.value);
            section.reader.problem(text.offset, problem, "remove one");
        } else {
            namespaces.push(namespace);
        }
    }
    namespaces
}

fn namespace(
    section: &mut Section<'_, '_>,
    At { value, offset }: At<&str>,
    thing: Option<&ThingName>,
) -> Option<Namespace> {
    if value == DEFAULT {
        return Some(Namespace::Default);
    }
    if value.starts_with(RESERVED_PREFIX) {
        let problem = format!("namespace `{value}` belongs to AWS IoT Greengrass");
        let help = "choose a name of your own: Greengrass runs the jobs of that one";
        section.reader.problem(offset, problem, help);
        return None;
    }
    let id = match NamespaceId::parse(value) {
        Ok(id) => id,
        Err(error) => {
            let problem = format!("namespace {value:?}: {error}");
            let help = "use 1 to 64 of a-z A-Z 0-9 _ -";
            section.reader.problem(offset, problem, help);
            return None;
        }
    };

    let thing_len = thing.map_or(1, |thing| thing.as_str().len());
    let room = TOPIC_LEN_MAX.saturating_sub(TOPIC_FIXED_LEN + JOB_ID_LEN_MAX + thing_len);
    if value.len() > room {
        let problem = format!("namespace `{value}` does not fit into a topic");
        let help = format!(
            "use at most {room} characters: a topic has {TOPIC_LEN_MAX} bytes, the thing's name takes {thing_len} and a job's id up to \
             {JOB_ID_LEN_MAX}"
        );
        section.reader.problem(offset, problem, help);
        return None;
    }
    Some(Namespace::Named(id))
}

fn prefixes(section: &mut Section<'_, '_>) -> Vec<String> {
    let texts = section.texts("job_id_prefixes", PREFIXES_MAX);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut prefixes = Vec::new();
    for At { value, offset } in texts.unwrap_or_default() {
        if value.len() > JOB_ID_LEN_MAX || !value.chars().all(allowed) {
            let problem = format!("no job id begins with {value:?}");
            let help = format!("use at most {JOB_ID_LEN_MAX} of a-z A-Z 0-9 _ -");
            section.reader.problem(offset, problem, help);
        }
        prefixes.push(value.to_owned());
    }
    prefixes
}

fn left_operations(section: &mut Section<'_, '_>) -> Vec<String> {
    let texts = section.texts("leave_operations", LEFT_OPERATIONS_MAX);
    let mut operations = Vec::new();
    for At { value, offset } in texts.unwrap_or_default() {
        if value.len() > OPERATION_LEN_MAX {
            let problem = format!("an operation of {} bytes is never seen", value.len());
            let help = format!("use at most {OPERATION_LEN_MAX} bytes");
            section.reader.problem(offset, problem, help);
        }
        operations.push(value.to_owned());
    }
    operations
}

fn timing(section: &mut Section<'_, '_>) -> Timing {
    let default = Timing::default();
    let step_timeout = section.number(
        "step_timeout_minutes",
        0..=STEP_TIMEOUT_MINUTES_MAX,
        Some(STEP_TIMEOUT_MINUTES),
    );
    let mut secs = |key, range, default: Duration| {
        section.duration(key, Unit::Seconds, range, default.as_secs_f64())
    };
    let answer_within = secs("answer_within_secs", 0.5..=300.0, default.answer_within);
    let progress_every = secs("progress_every_secs", 0.1..=3600.0, default.progress_every);
    let outage_jitter = secs("outage_jitter_secs", 0.0..=3600.0, default.outage_jitter);
    let reboot_within = secs("reboot_within_secs", 0.0..=3600.0, default.reboot_within);
    let deadline_margin = secs(
        "deadline_margin_secs",
        0.0..=3600.0,
        default.deadline_margin,
    );
    let mut minutes = |key, range, default: Duration| {
        section.duration(key, Unit::Minutes, range, default.as_secs_f64() / 60.0)
    };
    Timing {
        answer_within,
        step_timeout: step_timeout
            .filter(|minutes| *minutes > 0)
            .map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        progress_every,
        outage_jitter,
        poll_every: minutes("poll_every_minutes", 0.01..=1440.0, default.poll_every),
        describe_every: default.describe_every,
        reboot_within,
        trial_window: minutes("trial_window_minutes", 0.01..=1440.0, default.trial_window),
        deadline_margin,
    }
}

const STEP_TIMEOUT_MINUTES: u64 = 10;
/// Longest step timer (AWS IoT API reference, `stepTimeoutInMinutes`: seven days).
const STEP_TIMEOUT_MINUTES_MAX: u64 = 10_080;
