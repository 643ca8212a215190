//! A job and its executions.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::execution::{Execution, ExecutionId};
use super::names::{GroupName, JobId, NamespaceId, Scope, ThingName};
use super::request::{PresignedUrlConfig, SchedulingConfig, Tag, TimeoutConfig};
use super::status::{ExecutionStatus, JobStatus, TargetSelection};
use super::time::Timestamp;
use super::view::{Empty, JobProcessDetails, JobReference, JobSummary, JobView};
use super::window::{Phase, Schedule};

/// Longest in-progress or step timeout: seven days (API reference, TimeoutConfig).
pub(super) const MAX_TIMEOUT_MINUTES: i64 = 10_080;
/// How long presigned URLs live (API reference, PresignedUrlConfig).
const DEFAULT_EXPIRES_SECS: i64 = 3600;

#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) terms: Terms,
    pub(super) namespace: Option<NamespaceId>,
    /// The targets that are groups, with the ids that these had.
    pub(super) groups: Vec<(GroupName, String)>,
    /// The things it has yet to reach.
    pub(super) waiting: BTreeSet<ThingName>,
    pub(super) phase: Phase,
    /// When the phase may change next.
    pub(super) edge: Option<Timestamp>,
    pub(super) document: String,
    /// Tells apart jobs that were made at the same time.
    pub(super) order: u64,
    pub(super) created_at: Timestamp,
    last_updated_at: Timestamp,
    stage: Stage,
    pub(super) executions: BTreeMap<(ThingName, u64), Execution>,
    counts: BTreeMap<ExecutionStatus, usize>,
}

/// What its maker asked of the job.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) targets: Vec<String>,
    pub(super) selection: TargetSelection,
    pub(super) document_source: Option<String>,
    pub(super) template_arn: Option<String>,
    /// What the document was filled with.
    pub(super) document_parameters: Option<BTreeMap<String, String>>,
    /// The document before it was filled, if it was.
    pub(super) before_substitution: Option<String>,
    pub(super) description: Option<String>,
    pub(super) presigned_url_config: PresignedUrlConfig,
    pub(super) timeout_config: TimeoutConfig,
    pub(super) scheduling_config: SchedulingConfig,
    /// What `scheduling_config` means.
    pub(super) schedule: Schedule,
    pub(super) tags: Vec<Tag>,
}

/// Why, and how, a job was cancelled.
#[derive(Debug, Clone)]
pub(super) struct Cancellation {
    pub(super) force: bool,
    pub(super) reason_code: Option<String>,
    pub(super) comment: Option<String>,
}

#[derive(Debug, Clone)]
enum Stage {
    InProgress,
    Completed { at: Timestamp },
    Canceled { at: Timestamp, why: Cancellation },
}

impl Job {
    /// A job without executions.
    pub(super) fn new(
        terms: Terms,
        namespace: Option<NamespaceId>,
        groups: Vec<(GroupName, String)>,
        document: String,
        order: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            terms,
            namespace,
            groups,
            waiting: BTreeSet::new(),
            phase: Phase::default(),
            edge: None,
            document,
            order,
            created_at: now,
            last_updated_at: now,
            stage: Stage::InProgress,
            executions: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn status(&self) -> JobStatus {
        match self.stage {
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
    pub(super) fn ids(&self, job: &JobId, which: impl Fn(&Execution) -> bool) -> Vec<ExecutionId> {
        let picked = self
            .executions
            .iter()
            .filter(|(_, execution)| which(execution));
        picked
            .map(|((thing, number), _)| ExecutionId {
                thing: thing.clone(),
                job: job.clone(),
                number: *number,
            })
            .collect()
    }

    /// Stores or forgets an execution and returns the one before it. The job is completed once
    /// every execution is over.
    pub(super) fn replace(
        &mut self,
        id: &ExecutionId,
        new: Option<Execution>,
        now: Timestamp,
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
        self.complete_if_over(now);
        old
    }

    /// Completes the job if it is running, no execution is open and none is to come: to a continuous
    /// job, they come until its end.
    pub(super) fn complete_if_over(&mut self, now: Timestamp) {
        let reached = match self.terms.selection {
            TargetSelection::Continuous => self.phase == Phase::Ended,
            TargetSelection::Snapshot => self.waiting.is_empty(),
        };
        if reached && self.is_running() && !self.has_open_executions() {
            self.stage = Stage::Completed { at: now };
            self.last_updated_at = now;
        }
    }

    /// Marks the job as cancelled; its executions are the caller's to cancel.
    pub(super) fn cancel(&mut self, why: Cancellation, now: Timestamp) {
        self.stage = Stage::Canceled { at: now, why };
        self.waiting.clear();
        self.last_updated_at = now;
    }

    /// Whether the job was neither completed nor cancelled.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::InProgress)
    }

    /// Whether the job, or an execution of it, is not over.
    pub(super) fn is_open(&self) -> bool {
        self.is_running() || self.has_open_executions()
    }

    /// Whether devices are not told of the job's executions at present.
    pub(super) fn is_hidden(&self) -> bool {
        self.phase == Phase::Shut
    }

    /// Whether the job reaches its things within maintenance windows only.
    pub(super) fn has_windows(&self) -> bool {
        !self.terms.schedule.windows.is_empty()
    }

    fn has_open_executions(&self) -> bool {
        self.count(ExecutionStatus::Queued) + self.count(ExecutionStatus::InProgress) > 0
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
            is_concurrent: false,
        }
    }

    pub(super) fn view(&self, id: &JobId, scope: &Scope, now: Timestamp) -> JobView {
        let why = match &self.stage {
            Stage::Canceled { why, .. } => Some(why),
            Stage::Completed { .. } | Stage::InProgress => None,
        };
        JobView {
            job_arn: scope.job_arn(id),
            job_id: id.clone(),
            target_selection: self.terms.selection.as_str(),
            status: self.status(),
            force_canceled: why.map(|why| why.force),
            reason_code: why.and_then(|why| why.reason_code.clone()),
            comment: why.and_then(|why| why.comment.clone()),
            targets: self.terms.targets.clone(),
            description: self.terms.description.clone(),
            presigned_url_config: self.terms.presigned_url_config.clone(),
            job_executions_rollout_config: Empty {},
            created_at: self.created_at,
            last_updated_at: self.last_updated_at,
            completed_at: self.completed_at(),
            job_process_details: self.process_details(),
            timeout_config: self.terms.timeout_config.clone(),
            namespace_id: self.namespace.clone(),
            job_template_arn: self.terms.template_arn.clone(),
            document_parameters: self.terms.document_parameters.clone(),
            is_concurrent: false,
            scheduling_config: self.terms.scheduling_config.clone(),
            scheduled_job_rollouts: self.terms.schedule.next_rollouts(now),
        }
    }

    fn process_details(&self) -> JobProcessDetails {
        JobProcessDetails {
            processing_targets: None,
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

    fn completed_at(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::InProgress => None,
            Stage::Completed { at } | Stage::Canceled { at, .. } => Some(at),
        }
    }

    fn only_group(&self) -> Option<&str> {
        match (self.groups.as_slice(), self.terms.targets.len()) {
            ([(_, id)], 1) => Some(id),
            _ => None,
        }
    }
}
