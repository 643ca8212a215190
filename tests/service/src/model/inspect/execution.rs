//! One execution: what happened to it, and what it waits for.

use serde::Serialize;

use super::super::Model;
use super::super::execution::ExecutionId;
use super::super::job::Job;
use super::super::names::{JobId, NamespaceId, ThingName};
use super::super::status::{ExecutionStatus, StatusDetails};
use super::super::time::Timestamp;
use super::super::timeline::{Entry, Timer, redacted};
use super::{millis, optional_millis};

/// One execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionDetail {
    /// Its job.
    pub job_id: JobId,
    /// Its thing.
    pub thing_name: ThingName,
    /// The job's namespace.
    pub namespace_id: Option<NamespaceId>,
    /// Counts the executions of the job on the thing.
    pub execution_number: u64,
    /// The numbers of all executions of the job on the thing.
    pub numbers: Vec<u64>,
    /// How many retries there were up to this one.
    pub retry_attempt: u64,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Grows with every change.
    pub version_number: u64,
    /// When it was queued.
    #[serde(serialize_with = "millis")]
    pub queued_at: Timestamp,
    /// When the device began.
    #[serde(serialize_with = "optional_millis")]
    pub started_at: Option<Timestamp>,
    /// When it changed last.
    #[serde(serialize_with = "millis")]
    pub last_updated_at: Timestamp,
    /// What the device attached last, without the queries of presigned URLs.
    pub status_details: StatusDetails,
    /// Why the job was cancelled, for programs.
    pub reason_code: Option<String>,
    /// Why the job was cancelled, for people.
    pub comment: Option<String>,
    /// What must happen next.
    pub waits: Waits,
    /// What happened, the first first.
    pub timeline: Vec<Entry>,
    /// How many entries went.
    pub left_out: u32,
    /// Behind how many entries they went.
    pub left_out_after: usize,
    /// The execution that came after this one.
    pub followed_by: Option<Follower>,
}

/// A later execution of the same job on the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Follower {
    /// Its number.
    pub execution_number: u64,
    /// When it was queued.
    #[serde(serialize_with = "millis")]
    pub queued_at: Timestamp,
    /// Whether it is a retry.
    pub is_retry: bool,
}

/// What an execution waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Waits {
    /// The device takes another job first.
    AnotherJob {
        /// That one.
        job_id: JobId,
    },
    /// The device is to begin.
    Device,
    /// The device is to report, at the latest when the timer runs out, if one runs.
    Report {
        /// The timer that runs out first.
        timer: Option<Timer>,
        /// When the execution times out by it, which may be a while after the timer's end:
        /// see `timeout_slack_seconds` of [`super::super::Knobs`].
        #[serde(serialize_with = "optional_millis")]
        until: Option<Timestamp>,
    },
    /// The job's start, or its next maintenance window.
    Schedule {
        /// When it opens.
        #[serde(serialize_with = "optional_millis")]
        until: Option<Timestamp>,
    },
    /// Nothing: it is over.
    Nothing,
}

impl Model {
    /// One execution; the latest, if no number is given.
    pub fn inspect_execution(
        &self,
        job_id: &str,
        thing: &str,
        number: Option<u64>,
    ) -> Option<ExecutionDetail> {
        let (job_id, job) = self.jobs.get_key_value(job_id)?;
        let thing = ThingName::parse(thing)?;
        let of_thing = (thing.clone(), 0)..=(thing.clone(), u64::MAX);
        let numbers: Vec<_> = job
            .executions
            .range(of_thing)
            .map(|((_, n), _)| *n)
            .collect();
        let id = ExecutionId {
            number: number.or_else(|| numbers.last().copied())?,
            thing,
            job: job_id.clone(),
        };
        let execution = self.execution(&id)?;
        let details = execution.status_details.iter().flatten();
        let why = job.cancellation();
        Some(ExecutionDetail {
            waits: self.waits(job, &id, execution.status),
            followed_by: follower(job, &id),
            job_id: id.job,
            thing_name: id.thing,
            namespace_id: job.namespace.clone(),
            execution_number: id.number,
            numbers,
            retry_attempt: execution.retries.total(),
            status: execution.status,
            version_number: execution.version,
            queued_at: execution.queued_at,
            started_at: execution.started_at,
            last_updated_at: execution.last_updated_at,
            status_details: details
                .map(|(key, value)| (key.clone(), redacted(value)))
                .collect(),
            reason_code: why.and_then(|why| why.reason_code.clone()),
            comment: why.and_then(|why| why.comment.clone()),
            timeline: execution.timeline.entries().to_vec(),
            left_out: execution.timeline.left_out(),
            left_out_after: execution.timeline.first_kept(),
        })
    }

    fn waits(&self, job: &Job, id: &ExecutionId, status: ExecutionStatus) -> Waits {
        if status.is_terminal() {
            return Waits::Nothing;
        }
        let execution = self.execution(id);
        if status == ExecutionStatus::InProgress {
            let until = execution.and_then(|execution| execution.deadline());
            let until = until.map(|until| until.plus(self.knobs.timeout_slack()));
            let timer = execution.map(|execution| execution.timer());
            let timer = timer.filter(|_| until.is_some());
            return Waits::Report { timer, until };
        }
        if job.hidden {
            return Waits::Schedule { until: job.edge };
        }
        let first = self.first(&id.thing, job.namespace.as_ref());
        match first.filter(|first| (first.id, first.number) != (&id.job, id.number)) {
            Some(first) => Waits::AnotherJob {
                job_id: first.id.clone(),
            },
            None => Waits::Device,
        }
    }
}

fn follower(job: &Job, id: &ExecutionId) -> Option<Follower> {
    let number = id.number.checked_add(1)?;
    let before = job.executions.get(&(id.thing.clone(), id.number))?;
    let after = job.executions.get(&(id.thing.clone(), number))?;
    Some(Follower {
        execution_number: number,
        queued_at: after.queued_at,
        is_retry: after.retries.total() > before.retries.total(),
    })
}
