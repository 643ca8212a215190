//! Jobs once they exist: describe, list, cancel, delete.

use super::Model;
use super::create::{COMMENT, JOB_ID, NAMESPACE_ID};
use super::error::ControlError;
use super::execution::Execution;
use super::job::{Cancellation, Job};
use super::names::{JobId, Scope};
use super::page::{self, descending, page};
use super::request::{CancelJob, DeleteJob, ListJobs};
use super::status::{ExecutionStatus, JobStatus, TargetSelection};
use super::time::Timestamp;
use super::validate::{Pattern, Text, Violations};
use super::view::{JobDescription, JobDocument, JobList, JobReference, TagList};

const REASON_CODE: Text = Text {
    min: 0,
    max: 128,
    pattern: Some(Pattern {
        printed: "[\\p{Upper}\\p{Digit}_]+",
        allows: is_reason_char,
    }),
};

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

    /// GetJobDocument; on request as it was before its parameters were put in.
    pub fn job_document(
        &self,
        id: &str,
        before_substitution: bool,
    ) -> Result<JobDocument, ControlError> {
        let (_, job) = self.existing_job(id, Violations::default())?;
        let before = job.terms.before_substitution.as_ref();
        let before = before.filter(|_| before_substitution);
        Ok(JobDocument {
            document: before.unwrap_or(&job.document).clone(),
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

        let chosen = self.jobs.iter().filter(|(_, job)| is_chosen(job, request));
        let entries = chosen.map(|(id, job)| (descending(job.order), job.summary(id, scope)));
        let token = request.next_token.as_ref();
        let (jobs, next_token) = page("jobs", entries, request.max_results, token)?;
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
        let force = request.force;
        let why = Cancellation {
            force,
            reason_code: request.reason_code,
            comment: request.comment,
        };
        let reference = job.reference(&id, scope);
        let cancelled = job.ids(&id, |execution| is_cancellable(execution, force));
        if let Some(job) = self.jobs.get_mut(&id) {
            job.cancel(why, now);
        }
        for execution in cancelled {
            self.change(&execution, now, |execution| execution.cancel(force, now));
        }
        Ok(reference)
    }

    /// DeleteJob. Its executions are gone at once.
    pub fn delete_job(&mut self, request: &DeleteJob, now: Timestamp) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        let namespace = request.namespace_id.as_ref();
        violations.optional_text("namespaceId", namespace, NAMESPACE_ID);
        let (id, job) = self.existing_job(&request.job_id, violations)?;
        if !job.is_in(namespace) {
            return Err(job_not_found(&id));
        }
        if job.is_running() && !request.force {
            let status = job.status().as_str();
            return Err(ControlError::InvalidStateTransition(format!(
                "Job {id} in status {status} cannot be deleted."
            )));
        }
        for execution in job.ids(&id, |_| true) {
            self.put(&execution, None, now);
        }
        self.plan_edge(&id, None);
        self.jobs.remove(&id);
        Ok(())
    }

    /// ListTagsForResource, of jobs, job templates and thing groups.
    pub fn list_tags_for_resource(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<TagList, ControlError> {
        let job = scope.job(arn).and_then(|id| self.jobs.get(&id));
        let tags = job
            .map(|job| &job.terms.tags)
            .or_else(|| self.group_tags(scope, arn))
            .or_else(|| self.template_tags(scope, arn));
        match tags {
            Some(tags) => Ok(TagList { tags: tags.clone() }),
            None => Err(ControlError::ResourceNotFound(format!(
                "Resource {arn} cannot be found."
            ))),
        }
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
    let group = request.thing_group_name.as_deref();
    let group_id = request.thing_group_id.as_deref();
    namespace == request.namespace_id.as_deref()
        && status.is_none_or(|status| job.status().as_str() == status)
        && selection.is_none_or(|selection| job.terms.selection.as_str() == selection)
        && group.is_none_or(|group| job.groups.iter().any(|(name, _)| name.as_str() == group))
        && group_id.is_none_or(|group| job.groups.iter().any(|(_, id)| id == group))
}

fn is_reason_char(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}

fn job_not_found(id: impl core::fmt::Display) -> ControlError {
    ControlError::ResourceNotFound(format!("Job {id} cannot be found."))
}
