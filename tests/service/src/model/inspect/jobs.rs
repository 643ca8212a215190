//! Jobs, and the executions of one.

use core::cmp::Reverse;
use core::ops::Bound;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Model;
use super::super::execution::Execution;
use super::super::job::Job;
use super::super::names::{JobId, NamespaceId, Scope, ThingName};
use super::super::status::{ExecutionStatus, JobStatus};
use super::super::time::Timestamp;
use super::super::timeline::redacted;
use super::super::view::JobView;
use super::super::window::Phase;
use super::{Browse, Counts, Listing, counts, millis, optional_millis, waiting};

/// One job of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRow {
    /// Its id.
    pub job_id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// Its namespace.
    pub namespace_id: Option<NamespaceId>,
    /// For people.
    pub description: Option<String>,
    /// CONTINUOUS or SNAPSHOT.
    pub target_selection: &'static str,
    /// When it was made.
    #[serde(serialize_with = "millis")]
    pub created_at: Timestamp,
    /// When it was completed or cancelled.
    #[serde(serialize_with = "optional_millis")]
    pub completed_at: Option<Timestamp>,
    /// How many executions have which status.
    pub counts: Counts,
    /// How many things it has yet to reach.
    pub waiting: usize,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobDetail {
    /// As in a list.
    pub row: JobRow,
    /// As DescribeJob tells it, with times in seconds.
    pub job: JobView,
    /// The document, without the queries of presigned URLs.
    pub document: String,
    /// How far the rollout is.
    pub rollout: RolloutProgress,
}

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutProgress {
    /// How many things were reached.
    pub notified: usize,
    /// How many are to be reached when the job opens next.
    pub deferred: usize,
    /// How many are to be reached batch by batch.
    pub waiting: usize,
    /// Whether the job waits until fewer jobs roll out.
    pub awaits_turn: bool,
    /// When the next batch is due, if it is the job's turn.
    #[serde(serialize_with = "optional_millis")]
    pub next_batch_at: Option<Timestamp>,
    /// Whether the job is in its schedule: `open`, `shut` or `ended`.
    pub phase: &'static str,
    /// When that may change.
    #[serde(serialize_with = "optional_millis")]
    pub phase_until: Option<Timestamp>,
}

/// One execution of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionOfJob {
    /// Its thing.
    pub thing_name: ThingName,
    /// Counts the executions of the job on the thing.
    pub execution_number: u64,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was queued.
    #[serde(serialize_with = "millis")]
    pub queued_at: Timestamp,
    /// When the device began.
    #[serde(serialize_with = "optional_millis")]
    pub started_at: Option<Timestamp>,
    /// When it changed last.
    #[serde(serialize_with = "millis")]
    pub last_updated_at: Timestamp,
}

impl Model {
    /// Jobs of every namespace, the newest first.
    pub fn browse_jobs(&self, browse: &Browse) -> Listing<JobRow> {
        let limit = browse.limit();
        let before = browse.after.as_ref().and_then(|after| after.parse().ok());
        let before = before.unwrap_or(u64::MAX);
        let found = self.jobs.iter().filter(|(id, job)| {
            job.order < before
                && browse.has_status(job.status().as_str())
                && browse.finds(id.as_str())
        });
        // One more than wanted tells whether there is more.
        let mut newest = BTreeMap::new();
        for (id, job) in found {
            newest.insert(Reverse(job.order), (id, job));
            if newest.len() > limit + 1 {
                newest.pop_last();
            }
        }
        Listing::collect(
            limit,
            newest.into_values(),
            |(_, job)| job.order.to_string(),
            |(id, job)| Some(row(id, job)),
        )
    }

    /// One job.
    pub fn inspect_job(&self, scope: &Scope, id: &str, now: Timestamp) -> Option<JobDetail> {
        let (id, job) = self.jobs.get_key_value(id)?;
        Some(JobDetail {
            row: row(id, job),
            job: job.view(id, scope, now),
            document: redacted(&job.document),
            rollout: RolloutProgress::of(job),
        })
    }

    /// Executions of a job, by the names of their things.
    pub fn browse_executions(&self, id: &str, browse: &Browse) -> Option<Listing<ExecutionOfJob>> {
        let job = self.jobs.get(id)?;
        let after = browse.after.as_deref().and_then(read_key);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Some(Listing::collect(
            browse.limit(),
            job.executions.range((from, Bound::Unbounded)),
            |((thing, number), _)| format!("{thing}/{number}"),
            |((thing, number), execution)| {
                let wanted =
                    browse.has_status(execution.status.as_str()) && browse.finds(thing.as_str());
                wanted.then(|| of_job(thing, *number, execution))
            },
        ))
    }
}

impl RolloutProgress {
    fn of(job: &Job) -> Self {
        // Who waits for its turn tries again then, which reaches nobody as long as it has none.
        let (next, has_turn) = (job.rollout.next, job.is_rolling_out());
        let waits = job.status() == JobStatus::InProgress && !job.rollout.waiting.is_empty();
        Self {
            notified: job.rollout.notified,
            deferred: job.deferred.len(),
            waiting: job.rollout.waiting.len(),
            awaits_turn: waits && !has_turn && next.is_some(),
            next_batch_at: next.filter(|_| has_turn),
            phase: match job.phase {
                Phase::Ended => "ended",
                Phase::Open => "open",
                Phase::Shut => "shut",
            },
            phase_until: job.edge,
        }
    }
}

fn row(id: &JobId, job: &Job) -> JobRow {
    JobRow {
        job_id: id.clone(),
        status: job.status(),
        namespace_id: job.namespace.clone(),
        description: job.terms.description.clone(),
        target_selection: job.terms.selection.as_str(),
        created_at: job.created_at,
        completed_at: job.completed_at(),
        counts: counts(job),
        waiting: waiting(job),
    }
}

fn of_job(thing: &ThingName, number: u64, execution: &Execution) -> ExecutionOfJob {
    ExecutionOfJob {
        thing_name: thing.clone(),
        execution_number: number,
        status: execution.status,
        queued_at: execution.queued_at,
        started_at: execution.started_at,
        last_updated_at: execution.last_updated_at,
    }
}

fn read_key(key: &str) -> Option<(ThingName, u64)> {
    let (thing, number) = key.split_once('/')?;
    Some((ThingName::parse(thing)?, number.parse().ok()?))
}
