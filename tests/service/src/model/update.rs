//! UpdateJob: what can be changed while a job is in progress.
//!
//! Each member that is given replaces the stored one whole (messages and order of the checks: notes
//! of MiniStack 1.5.33). Executions that are in progress keep the timer they started with.

use serde::Deserialize;

use super::Model;
use super::abort::AbortConfig;
use super::create::{COMMENT, JOB_ID, NAMESPACE_ID, check_presign, check_timeout};
use super::error::ControlError;
use super::job::Job;
use super::quotas::Quotas;
use super::request::{PresignedUrlConfig, TimeoutConfig};
use super::retry::RetryConfig;
use super::rollout::RolloutConfig;
use super::source::{check_role, refuse_role};
use super::status::JobStatus;
use super::time::Timestamp;
use super::validate::Violations;

/// UpdateJob.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateJob {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// From the query: the job's namespace.
    #[serde(skip)]
    pub namespace_id: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// How placeholders in the document become URLs.
    pub presigned_url_config: Option<PresignedUrlConfig>,
    /// How fast the targets are reached.
    pub job_executions_rollout_config: Option<RolloutConfig>,
    /// When to give the job up.
    pub abort_config: Option<AbortConfig>,
    /// How long a device that begins later may work.
    pub timeout_config: Option<TimeoutConfig>,
    /// Gives retries up.
    pub job_executions_retry_config: Option<RetryConfig>,
}

impl Model {
    /// UpdateJob.
    pub fn update_job(&mut self, request: UpdateJob, now: Timestamp) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        let namespace = request.namespace_id.as_ref();
        violations.optional_text("namespaceId", namespace, NAMESPACE_ID);
        request.check(&mut violations, &self.knobs.quotas);
        self.refuse_update(&request, violations)?;
        let (id, job) = self.existing_job_in(&request.job_id, namespace, Violations::default())?;
        if job.status() != JobStatus::InProgress {
            let status = job.status().as_str();
            return Err(ControlError::InvalidRequest(format!(
                "Job {id} in status {status} cannot be updated."
            )));
        }
        if let Some(retry) = &request.job_executions_retry_config {
            retry.refuse_update(job.terms.retry.as_ref())?;
        }
        if let Some(presign) = &request.presigned_url_config {
            check_role(id.as_str(), &job.document, presign)?;
        }
        if let Some(job) = self.jobs.get_mut(&id) {
            job.update(request, now);
        }
        Ok(())
    }

    /// Checks what needs no job: even one that does not exist is refused so.
    fn refuse_update(
        &self,
        request: &UpdateJob,
        mut violations: Violations,
    ) -> Result<(), ControlError> {
        violations.text("jobId", &request.job_id, JOB_ID);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        if request.is_empty() {
            return Err(ControlError::InvalidRequest(format!(
                "Update Job request for job {} cannot be empty.",
                request.job_id
            )));
        }
        check_timeout(request.timeout_config.as_ref(), &self.knobs.quotas)?;
        if let Some(abort) = &request.abort_config {
            abort.refuse()?;
        }
        if let Some(rollout) = &request.job_executions_rollout_config {
            rollout.refuse(self.knobs.both_rate_criteria)?;
        }
        let presign = request.presigned_url_config.as_ref();
        refuse_role(presign.and_then(|presign| presign.role_arn.as_ref()))
    }
}

impl UpdateJob {
    fn is_empty(&self) -> bool {
        self.abort_config.is_none()
            && self.description.is_none()
            && self.job_executions_retry_config.is_none()
            && self.job_executions_rollout_config.is_none()
            && self.presigned_url_config.is_none()
            && self.timeout_config.is_none()
    }

    fn check(&self, violations: &mut Violations, quotas: &Quotas) {
        if let Some(rollout) = &self.job_executions_rollout_config {
            rollout.check(violations, quotas);
        }
        violations.optional_text("description", self.description.as_ref(), COMMENT);
        check_presign(violations, self.presigned_url_config.as_ref());
        if let Some(retry) = &self.job_executions_retry_config {
            retry.check(violations);
        }
        if let Some(abort) = &self.abort_config {
            abort.check(violations);
        }
    }
}

impl Job {
    fn update(&mut self, request: UpdateJob, now: Timestamp) {
        let terms = &mut self.terms;
        if request.abort_config.is_some() {
            terms.abort = request.abort_config;
        }
        if request.description.is_some() {
            terms.description = request.description;
        }
        if request.job_executions_retry_config.is_some() {
            terms.retry = request.job_executions_retry_config;
        }
        if let Some(rollout) = request.job_executions_rollout_config {
            terms.rollout = rollout;
        }
        if let Some(presign) = request.presigned_url_config {
            terms.presigned_url_config = presign;
        }
        if let Some(timeout) = request.timeout_config {
            terms.timeout_config = timeout;
        }
        self.touch(now);
    }
}
