//! A job and its executions.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::abort::AbortConfig;
use super::continuous::Reach;
use super::execution::{Execution, ExecutionId};
use super::names::{JobId, NamespaceId, Scope, ThingName};
use super::request::{PresignedUrlConfig, SchedulingConfig, Tag, TimeoutConfig};
use super::retry::{Retries, RetryConfig};
use super::rollout::{Rollout, RolloutConfig};
use super::status::{ExecutionStatus, JobStatus, TargetSelection};
use super::table::{Noted, Record, Table};
use super::time::{self, Timestamp};
use super::view::{JobProcessDetails, JobReference, JobSummary, JobView};
use super::window::{Phase, Schedule};

/// How long presigned URLs live (API reference, PresignedUrlConfig).
const DEFAULT_EXPIRES_SECS: i64 = 3600;

/// What is large, or changes rarely, or by single rows, is kept apart from the rest of the job.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Job {
    #[serde(skip)]
    pub(super) terms: Noted<Terms>,
    pub(super) namespace: Option<NamespaceId>,
    #[serde(skip)]
    pub(super) reach: Noted<Reach>,
    pub(super) rollout: Rollout,
    /// The things that get an execution when the job opens next, whatever its rate.
    #[serde(skip)]
    pub(super) deferred: Table<ThingName, Retries>,
    pub(super) phase: Phase,
    /// When the phase may change next.
    #[serde(with = "time::kept::option")]
    pub(super) edge: Option<Timestamp>,
    /// Whether devices are not told of the job's executions at present.
    pub(super) hidden: bool,
    /// Never changes.
    #[serde(skip)]
    pub(super) document: Arc<str>,
    /// Tells apart jobs that were made at the same time.
    pub(super) order: u64,
    #[serde(with = "time::kept")]
    pub(super) created_at: Timestamp,
    #[serde(with = "time::kept")]
    last_updated_at: Timestamp,
    stage: Stage,
    /// Whether its executions are being deleted, and the job after them.
    deleting: bool,
    /// Why the job was changed or cancelled last.
    comment: Option<String>,
    #[serde(skip)]
    pub(super) executions: Table<(ThingName, u64), Execution>,
    #[serde(skip)]
    counts: BTreeMap<ExecutionStatus, usize>,
}

impl Record for Job {
    fn record(&mut self) {
        self.rollout.waiting.record();
        self.deferred.record();
        self.executions.record();
    }
}

/// What its maker asked of the job.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct Terms {
    /// In whose name the job was made.
    pub(super) scope: Scope,
    pub(super) targets: Vec<String>,
    pub(super) selection: TargetSelection,
    pub(super) document_source: Option<String>,
    pub(super) template_arn: Option<String>,
    /// What the document was filled with.
    pub(super) document_parameters: Option<BTreeMap<String, String>>,
    /// The document before it was filled, if it was.
    pub(super) before_substitution: Option<String>,
    /// The package versions that the job installs.
    pub(super) destination_package_versions: Option<Vec<String>>,
    /// The same as they were given, which may be by `$default`.
    pub(super) destinations_before_substitution: Option<Vec<String>>,
    pub(super) description: Option<String>,
    pub(super) presigned_url_config: PresignedUrlConfig,
    pub(super) timeout_config: TimeoutConfig,
    pub(super) rollout: RolloutConfig,
    pub(super) abort: Option<AbortConfig>,
    pub(super) retry: Option<RetryConfig>,
    pub(super) scheduling_config: SchedulingConfig,
    /// What `scheduling_config` means.
    #[serde(skip)]
    pub(super) schedule: Schedule,
    pub(super) tags: Vec<Tag>,
}

/// Why, and how, a job was cancelled.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Cancellation {
    pub(super) force: bool,
    pub(super) reason_code: Option<String>,
    pub(super) comment: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
enum Stage {
    InProgress,
    Completed {
        #[serde(with = "time::kept")]
        at: Timestamp,
    },
    Canceled {
        #[serde(with = "time::kept")]
        at: Timestamp,
        why: Cancellation,
    },
}

impl Job {
    /// A job without executions.
    pub(super) fn new(
        terms: Terms,
        namespace: Option<NamespaceId>,
        reach: Reach,
        document: String,
        order: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            terms: Noted::new(terms),
            namespace,
            reach: Noted::new(reach),
            rollout: Rollout::default(),
            deferred: Table::default(),
            phase: Phase::default(),
            edge: None,
            hidden: false,
            document: document.into(),
            order,
            created_at: now,
            last_updated_at: now,
            stage: Stage::InProgress,
            deleting: false,
            comment: None,
            executions: Table::default(),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn status(&self) -> JobStatus {
        match self.stage {
            _ if self.deleting => JobStatus::DeletionInProgress,
            Stage::InProgress if self.phase == Phase::Shut => JobStatus::Scheduled,
            Stage::InProgress => JobStatus::InProgress,
            Stage::Completed { .. } => JobStatus::Completed,
            Stage::Canceled { .. } => JobStatus::Canceled,
        }
    }

    /// The latest execution on a thing.
    pub(super) fn latest(&self, thing: &ThingName) -> Option<(u64, &Execution)> {
        let of_thing = (thing.clone(), 0)..=(thing.clone(), u64::MAX);
        let latest = self.executions.range(of_thing).next_back();
        latest.map(|((_, number), execution)| (*number, execution))
    }

    /// The name of the latest execution on a thing, if it has `status`.
    pub(super) fn latest_id(
        &self,
        job: &JobId,
        thing: &ThingName,
        status: ExecutionStatus,
    ) -> Option<ExecutionId> {
        let latest = self.latest(thing);
        let (number, _) = latest.filter(|(_, execution)| execution.status == status)?;
        Some(ExecutionId {
            thing: thing.clone(),
            job: job.clone(),
            number,
        })
    }

    /// The execution on a thing with `number`, or the latest.
    pub(super) fn numbered(
        &self,
        thing: &ThingName,
        number: Option<i64>,
    ) -> Option<(u64, &Execution)> {
        let Some(number) = number else {
            return self.latest(thing);
        };
        let number = u64::try_from(number).ok()?;
        let execution = self.executions.get(&(thing.clone(), number))?;
        Some((number, execution))
    }

    /// The names of the executions that `which` picks.
    pub(super) fn ids<'a>(
        &'a self,
        job: &'a JobId,
        which: impl Fn(&Execution) -> bool + 'a,
    ) -> impl Iterator<Item = ExecutionId> + 'a {
        let picked = self
            .executions
            .iter()
            .filter(move |(_, execution)| which(execution));
        picked.map(|((thing, number), _)| ExecutionId {
            thing: thing.clone(),
            job: job.clone(),
            number: *number,
        })
    }

    /// Stores or forgets an execution and returns the one before it.
    pub(super) fn replace(
        &mut self,
        id: &ExecutionId,
        new: Option<Execution>,
    ) -> Option<Execution> {
        let key = (id.thing.clone(), id.number);
        if let Some(new) = &new {
            *self.counts.entry(new.status).or_default() += 1;
        }
        let old = match new {
            Some(new) => self.executions.insert(key, new),
            None => self.executions.remove(&key),
        };
        if let Some(count) = old
            .as_ref()
            .and_then(|old| self.counts.get_mut(&old.status))
        {
            *count -= 1;
        }
        self.counts.retain(|_, count| *count > 0);
        old
    }

    /// Whether nothing is left to do: nothing waits, and no execution is open. A continuous job
    /// waits for who may yet join, until its end.
    pub(super) fn is_over(&self) -> bool {
        let reached = match self.terms.selection {
            TargetSelection::Continuous => self.phase == Phase::Ended,
            TargetSelection::Snapshot => self.phase != Phase::Shut,
        };
        reached
            && self.is_running()
            && self.rollout.waiting.is_empty()
            && self.deferred.is_empty()
            && !self.has_open_executions()
    }

    /// Whether the job was neither completed, cancelled nor deleted.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::InProgress) && !self.deleting
    }

    /// Whether the job, or an execution of it, is not over.
    pub(super) fn is_open(&self) -> bool {
        self.is_running() || self.has_open_executions()
    }

    /// Whether the job reaches its things within maintenance windows only.
    pub(super) fn has_windows(&self) -> bool {
        !self.terms.schedule.windows.is_empty()
    }

    fn has_open_executions(&self) -> bool {
        self.count(ExecutionStatus::Queued) + self.count(ExecutionStatus::InProgress) > 0
    }

    /// Marks the job as completed.
    pub(super) fn complete(&mut self, now: Timestamp) {
        self.stage = Stage::Completed { at: now };
        self.touch(now);
    }

    /// Marks the job as cancelled; its executions are the caller's to cancel.
    pub(super) fn cancel(&mut self, why: Cancellation, now: Timestamp) {
        if why.comment.is_some() {
            self.comment.clone_from(&why.comment);
        }
        self.stage = Stage::Canceled { at: now, why };
        self.touch(now);
    }

    /// Marks the job as being deleted; its executions are the caller's to delete.
    pub(super) fn begin_deletion(&mut self, now: Timestamp) {
        self.deleting = true;
        self.touch(now);
    }

    /// Adds targets.
    pub(super) fn associate(
        &mut self,
        targets: Vec<String>,
        reach: Reach,
        comment: Option<String>,
        now: Timestamp,
    ) {
        self.terms.targets.extend(targets);
        *self.reach = reach;
        if comment.is_some() {
            self.comment = comment;
        }
        self.touch(now);
    }

    /// Notes that the job changed.
    pub(super) fn touch(&mut self, now: Timestamp) {
        self.last_updated_at = now;
    }

    /// How many executions have `status`.
    pub(super) fn count(&self, status: ExecutionStatus) -> usize {
        self.counts.get(&status).copied().unwrap_or_default()
    }

    /// How long an execution may be in progress.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let minutes = self.terms.timeout_config.in_progress_timeout_in_minutes?;
        let minutes = u64::try_from(minutes).unwrap_or_default();
        Some(Duration::from_secs(minutes.saturating_mul(60)))
    }

    /// How long the URLs in the document live.
    pub(super) fn presigned_for(&self) -> Duration {
        let secs = self.terms.presigned_url_config.expires_in_sec;
        let secs = u64::try_from(secs.unwrap_or(DEFAULT_EXPIRES_SECS));
        Duration::from_secs(secs.unwrap_or_default())
    }

    pub(super) fn reference(&self, id: &JobId, scope: &Scope) -> JobReference {
        JobReference {
            job_arn: scope.job_arn(id),
            job_id: id.clone(),
            description: self.terms.description.clone(),
        }
    }

    pub(super) fn summary(&self, id: &JobId, scope: &Scope) -> JobSummary {
        JobSummary {
            job_arn: scope.job_arn(id),
            job_id: id.clone(),
            thing_group_id: self.only_group().map(str::to_owned),
            target_selection: self.terms.selection.as_str(),
            status: self.status(),
            created_at: self.created_at,
            last_updated_at: self.last_updated_at,
            completed_at: self.completed_at(),
            is_concurrent: self.is_rolling_out(),
        }
    }

    pub(super) fn view(&self, id: &JobId, scope: &Scope, now: Timestamp) -> JobView {
        let why = self.cancellation();
        JobView {
            job_arn: scope.job_arn(id),
            job_id: id.clone(),
            target_selection: self.terms.selection.as_str(),
            status: self.status(),
            force_canceled: why.map(|why| why.force),
            reason_code: why.and_then(|why| why.reason_code.clone()),
            comment: self.comment.clone(),
            targets: self.terms.targets.clone(),
            description: self.terms.description.clone(),
            presigned_url_config: self.terms.presigned_url_config.clone(),
            job_executions_rollout_config: self.terms.rollout.clone(),
            abort_config: self.terms.abort.clone(),
            job_executions_retry_config: self.terms.retry.clone(),
            created_at: self.created_at,
            last_updated_at: self.last_updated_at,
            completed_at: self.completed_at(),
            job_process_details: self.process_details(),
            timeout_config: self.terms.timeout_config.clone(),
            namespace_id: self.namespace.clone(),
            job_template_arn: self.terms.template_arn.clone(),
            document_parameters: self.terms.document_parameters.clone(),
            destination_package_versions: self.terms.destination_package_versions.clone(),
            is_concurrent: self.is_rolling_out(),
            scheduling_config: self.terms.scheduling_config.clone(),
            scheduled_job_rollouts: self.terms.schedule.next_rollouts(now),
        }
    }

    /// Why, and how, the job was cancelled, if it was.
    pub(super) fn cancellation(&self) -> Option<&Cancellation> {
        match &self.stage {
            Stage::Canceled { why, .. } => Some(why),
            Stage::Completed { .. } | Stage::InProgress => None,
        }
    }

    fn process_details(&self) -> JobProcessDetails {
        JobProcessDetails {
            processing_targets: self.is_rolling_out().then(|| self.terms.targets.clone()),
            number_of_canceled_things: self.count(ExecutionStatus::Canceled),
            number_of_succeeded_things: self.count(ExecutionStatus::Succeeded),
            number_of_failed_things: self.count(ExecutionStatus::Failed),
            number_of_rejected_things: self.count(ExecutionStatus::Rejected),
            number_of_queued_things: self.count(ExecutionStatus::Queued),
            number_of_in_progress_things: self.count(ExecutionStatus::InProgress),
            number_of_removed_things: self.count(ExecutionStatus::Removed),
            number_of_timed_out_things: self.count(ExecutionStatus::TimedOut),
        }
    }

    pub(super) fn completed_at(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::InProgress => None,
            Stage::Completed { at } | Stage::Canceled { at, .. } => Some(at),
        }
    }

    fn only_group(&self) -> Option<&str> {
        match (self.reach.groups.as_slice(), self.terms.targets.len()) {
            ([(_, id)], 1) => Some(id),
            _ => None,
        }
    }
}
