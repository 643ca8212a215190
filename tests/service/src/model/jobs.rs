//! Jobs once they exist: describe, list, cancel, delete.

use core::time::Duration;

use super::Model;
use super::create::{COMMENT, JOB_ID, NAMESPACE_ID};
use super::error::ControlError;
use super::events::JobOperation;
use super::execution::Execution;
use super::job::{Cancellation, Job};
use super::names::{JobId, MAX_THING_NAME, Scope};
use super::page::{self, descending, page};
use super::quotas::limit;
use super::registry::THING_NAME;
use super::request::{CancelJob, DeleteJob, ListJobs};
use super::status::{ExecutionStatus, JobStatus, TargetSelection};
use super::time::Timestamp;
use super::timeline::Canceler;
use super::validate::{Pattern, Text, Violations};
use super::view::{JobDescription, JobDocument, JobList, JobReference};

const REASON_CODE: Text = Text {
    min: 0,
    max: 128,
    pattern: Some(Pattern {
        printed: "[\\p{Upper}\\p{Digit}_]+",
        allows: is_reason_char,
    }),
};
const GROUP_ID: Text = Text {
    min: 1,
    max: MAX_THING_NAME,
    pattern: Some(Pattern {
        printed: "[a-zA-Z0-9\\-]+",
        allows: is_group_id_char,
    }),
};
/// How many executions of a job are deleted at once. AWS tells no number, but that it takes time.
const DELETED_AT_ONCE: usize = 1000;
const DELETION_PAUSE: Duration = Duration::from_secs(1);

impl Model {
    /// DescribeJob.
    pub fn describe_job(
        &self,
        scope: &Scope,
        id: &str,
        now: Timestamp,
    ) -> Result<JobDescription, ControlError> {
        let (id, job) = self.existing_job(id, Violations::default())?;
        Ok(JobDescription {
            document_source: job.terms.document_source.clone(),
            job: job.view(&id, scope, now),
        })
    }

    /// DescribeJob, with the package versions in the words of who made the job.
    pub fn describe_job_before_substitution(
        &self,
        scope: &Scope,
        id: &str,
        now: Timestamp,
    ) -> Result<JobDescription, ControlError> {
        let mut description = self.describe_job(scope, id, now)?;
        if let Some(job) = self.jobs.get(&description.job.job_id) {
            let given = job.terms.destinations_before_substitution.clone();
            description.job.destination_package_versions = given;
        }
        Ok(description)
    }

    /// GetJobDocument; on request as it was before it was filled in.
    pub fn job_document(
        &self,
        id: &str,
        before_substitution: bool,
    ) -> Result<JobDocument, ControlError> {
        let (_, job) = self.existing_job(id, Violations::default())?;
        let before = job.terms.before_substitution.as_ref();
        let before = before.filter(|_| before_substitution);
        Ok(JobDocument {
            document: before.map_or(&*job.document, String::as_str).to_owned(),
        })
    }

    /// ListJobs, the newest first. Without a namespace, those of the default one.
    pub fn list_jobs(&self, scope: &Scope, request: &ListJobs) -> Result<JobList, ControlError> {
        let mut violations = Violations::default();
        let selection = request.target_selection.as_ref();
        violations.one_of("status", request.status.as_ref(), &JobStatus::NAMES);
        violations.one_of("targetSelection", selection, &TargetSelection::NAMES);
        violations.optional_text("namespaceId", request.namespace_id.as_ref(), NAMESPACE_ID);
        page::check(&mut violations, request.max_results);
        violations.optional_text(
            "thingGroupName",
            request.thing_group_name.as_ref(),
            THING_NAME,
        );
        violations.optional_text("thingGroupId", request.thing_group_id.as_ref(), GROUP_ID);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        if let Some(group) = &request.thing_group_name
            && !self.groups.contains_key(group.as_str())
        {
            return Err(ControlError::ResourceNotFound(format!(
                "Thing Group {group} cannot be found."
            )));
        }

        let omits_scheduled =
            self.knobs.list_jobs_omits_scheduled_in_groups && request.thing_group_name.is_some();
        let chosen = self.jobs.iter().filter(|(_, job)| {
            let omitted = omits_scheduled && job.status() == JobStatus::Scheduled;
            is_chosen(job, request) && !omitted
        });
        let entries = chosen.map(|(id, job)| (descending(job.order), job.summary(id, scope)));
        let token = request.next_token.as_ref();
        let (jobs, next_token) = page("jobs", entries, self.page_size(request.max_results), token)?;
        Ok(JobList { jobs, next_token })
    }

    /// CancelJob.
    pub fn cancel_job(
        &mut self,
        scope: &Scope,
        request: CancelJob,
        now: Timestamp,
    ) -> Result<JobReference, ControlError> {
        let mut violations = Violations::default();
        let reason = request.reason_code.as_ref();
        violations.optional_text("reasonCode", reason, REASON_CODE);
        violations.optional_text("comment", request.comment.as_ref(), COMMENT);
        let (id, job) = self.existing_job(&request.job_id, violations)?;
        if !job.is_running() {
            let status = job.status().as_str();
            return Err(ControlError::InvalidRequest(format!(
                "Job {id} in status {status} cannot be canceled."
            )));
        }
        let why = Cancellation {
            force: request.force,
            reason_code: request.reason_code,
            comment: request.comment,
        };
        let reference = job.reference(&id, scope);
        self.cancel(&id, why, now);
        Ok(reference)
    }

    /// Cancels a job, and those of its executions that this reaches.
    pub(super) fn cancel(&mut self, id: &JobId, why: Cancellation, now: Timestamp) {
        let force = why.force;
        self.end_rollout(id);
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.cancel(why, now);
        let cancelled = job.ids(id, |execution| is_cancellable(execution, force));
        let cancelled: Vec<_> = cancelled.collect();
        self.note_job(id, JobOperation::CancellationInProgress, now);
        for execution in cancelled {
            self.change(&execution, now, |execution| {
                execution.cancel(Canceler::Job, force, now);
            });
        }
        self.note_job(id, JobOperation::Canceled, now);
    }

    /// Completes a job if nothing is left to do.
    pub(super) fn complete_if_over(&mut self, id: &JobId, now: Timestamp) {
        if let Some(job) = self.jobs.get_mut(id).filter(|job| job.is_over()) {
            job.complete(now);
            self.plan(id, None);
            self.plan_edge(id, None);
            self.note_job(id, JobOperation::Completed, now);
        }
    }

    /// DeleteJob. A job with few executions is gone at once, one with many bit by bit.
    pub fn delete_job(&mut self, request: &DeleteJob, now: Timestamp) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        let namespace = request.namespace_id.as_ref();
        violations.optional_text("namespaceId", namespace, NAMESPACE_ID);
        let (id, job) = self.existing_job_in(&request.job_id, namespace, violations)?;
        let status = job.status();
        let deletable = match status {
            JobStatus::Canceled | JobStatus::Completed => true,
            JobStatus::InProgress | JobStatus::Scheduled => request.force,
            JobStatus::DeletionInProgress => false,
        };
        if !deletable {
            let status = status.as_str();
            return Err(ControlError::InvalidStateTransition(format!(
                "Job {id} in status {status} cannot be deleted."
            )));
        }
        let deletions = self.jobs.values().map(Job::status);
        let deletions = deletions.filter(|status| *status == JobStatus::DeletionInProgress);
        let quota = self.knobs.quotas.deleting_jobs;
        if deletions.count() >= limit(quota) {
            return Err(ControlError::LimitExceeded(format!(
                "No more than {quota} jobs can be deleted at the same time."
            )));
        }
        self.end_rollout(&id);
        self.plan_edge(&id, None);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.begin_deletion(now);
        }
        self.note_job(&id, JobOperation::DeletionInProgress, now);
        self.delete_more(&id, now);
        Ok(())
    }

    /// Deletes the next executions of a job that is being deleted, and the job with the last.
    pub(super) fn delete_more(&mut self, id: &JobId, now: Timestamp) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let next: Vec<_> = job.ids(id, |_| true).take(DELETED_AT_ONCE).collect();
        for execution in next {
            self.put(&execution, None, now);
        }
        if self
            .jobs
            .get(id)
            .is_some_and(|job| job.executions.is_empty())
        {
            self.note_job(id, JobOperation::Deleted, now);
            self.jobs.remove(id);
        } else {
            self.plan(id, Some(now.plus(DELETION_PAUSE)));
        }
    }

    /// Like [`Model::existing_job`], if the job is in `namespace`; who names none means any.
    pub(super) fn existing_job_in(
        &self,
        id: &str,
        namespace: Option<&String>,
        violations: Violations,
    ) -> Result<(JobId, &Job), ControlError> {
        let (id, job) = self.existing_job(id, violations)?;
        if job.is_in(namespace) {
            return Ok((id, job));
        }
        Err(job_not_found(&id))
    }

    /// The job called `id`, once that and what `violations` found before is in order.
    pub(super) fn existing_job(
        &self,
        id: &str,
        mut violations: Violations,
    ) -> Result<(JobId, &Job), ControlError> {
        violations.text("jobId", id, JOB_ID);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        let found = self.jobs.get_key_value(id);
        found
            .map(|(id, job)| (id.clone(), job))
            .ok_or_else(|| job_not_found(id))
    }
}

impl Job {
    /// Whether the job is in `namespace`; who names none means any.
    pub(super) fn is_in(&self, namespace: Option<&String>) -> bool {
        let own = self.namespace.as_ref().map(|own| own.as_str());
        namespace.is_none_or(|namespace| own == Some(namespace.as_str()))
    }
}

/// Whether a cancel reaches the execution: one in progress only by force.
pub(super) fn is_cancellable(execution: &Execution, force: bool) -> bool {
    match execution.status {
        ExecutionStatus::Queued => true,
        ExecutionStatus::InProgress => force,
        ExecutionStatus::Canceled
        | ExecutionStatus::Failed
        | ExecutionStatus::Rejected
        | ExecutionStatus::Removed
        | ExecutionStatus::Succeeded
        | ExecutionStatus::TimedOut => false,
    }
}

fn is_chosen(job: &Job, request: &ListJobs) -> bool {
    let namespace = job.namespace.as_ref().map(|namespace| namespace.as_str());
    let status = request.status.as_deref();
    let selection = request.target_selection.as_deref();
    let groups = job.reach.groups.iter();
    let group = request.thing_group_name.as_deref();
    let group_id = request.thing_group_id.as_deref();
    namespace == request.namespace_id.as_deref()
        && status.is_none_or(|status| job.status().as_str() == status)
        && selection.is_none_or(|selection| job.terms.selection.as_str() == selection)
        && group.is_none_or(|group| groups.clone().any(|(name, _)| name.as_str() == group))
        && group_id.is_none_or(|group| groups.clone().any(|(_, id)| id == group))
}

fn is_reason_char(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}

fn is_group_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn job_not_found(id: impl core::fmt::Display) -> ControlError {
    ControlError::ResourceNotFound(format!("Job {id} cannot be found."))
}
