//! Job executions as the control plane sees them: describe, list, cancel, delete.

use super::Model;
use super::create::{JOB_ID, NAMESPACE_ID};
use super::details;
use super::error::ControlError;
use super::execution::{Execution, ExecutionId};
use super::job::Job;
use super::jobs::is_cancellable;
use super::names::{JobId, Scope, ThingName};
use super::page::{self, descending, page};
use super::registry::THING_NAME;
use super::request::{
    CancelJobExecution, DeleteJobExecution, DescribeJobExecution, ListJobExecutionsForJob,
    ListJobExecutionsForThing,
};
use super::status::ExecutionStatus;
use super::time::Timestamp;
use super::timeline::Canceler;
use super::validate::Violations;
use super::view::{
    DetailsMap, JobExecutionDescription, JobExecutionSummary, JobExecutionView,
    JobExecutionsForJob, JobExecutionsForThing, SummaryForJob, SummaryForThing,
};

impl Model {
    /// DescribeJobExecution of the control plane. A finished execution is told as well.
    pub fn describe_job_execution(
        &self,
        scope: &Scope,
        request: &DescribeJobExecution,
        now: Timestamp,
    ) -> Result<JobExecutionDescription, ControlError> {
        let (job, thing) = (&request.job_id, &request.thing_name);
        let number = request.execution_number;
        let (id, execution) = self.existing(job, thing, number, Violations::default())?;
        let details = execution.status_details.clone();
        let execution = JobExecutionView {
            status: execution.status,
            force_canceled: execution.force_canceled,
            status_details: details.map(|details_map| DetailsMap { details_map }),
            thing_arn: scope.thing_arn(&id.thing),
            queued_at: execution.queued_at,
            started_at: execution.started_at,
            last_updated_at: execution.last_updated_at,
            execution_number: id.number,
            version_number: execution.version,
            approximate_seconds_before_timed_out: execution.seconds_left(now),
            job_id: id.job,
        };
        Ok(JobExecutionDescription { execution })
    }

    /// ListJobExecutionsForJob, the latest change first.
    pub fn list_job_executions_for_job(
        &self,
        scope: &Scope,
        request: &ListJobExecutionsForJob,
    ) -> Result<JobExecutionsForJob, ControlError> {
        let mut violations = Violations::default();
        check_status(&mut violations, request.status.as_ref());
        page::check(&mut violations, request.max_results);
        let (id, job) = self.existing_job(&request.job_id, violations)?;

        let chosen = job
            .executions
            .iter()
            .filter(|(_, execution)| has_status(execution, request.status.as_ref()));
        let entries = chosen.map(|((thing, number), execution)| {
            let latest = descending(execution.last_updated_at.as_millis());
            let summary = SummaryForJob {
                thing_arn: scope.thing_arn(thing),
                job_execution_summary: summary(*number, execution),
            };
            (format!("{latest}/{thing}/{}", descending(*number)), summary)
        });
        let list = format!("executions/{id}");
        let token = request.next_token.as_ref();
        let (execution_summaries, next_token) = page(&list, entries, request.max_results, token)?;
        Ok(JobExecutionsForJob {
            execution_summaries,
            next_token,
        })
    }

    /// ListJobExecutionsForThing, the newest first. Without a namespace, those of the default one.
    pub fn list_job_executions_for_thing(
        &self,
        request: &ListJobExecutionsForThing,
    ) -> Result<JobExecutionsForThing, ControlError> {
        let mut violations = Violations::default();
        check_status(&mut violations, request.status.as_ref());
        page::check(&mut violations, request.max_results);
        violations.optional_text("namespaceId", request.namespace_id.as_ref(), NAMESPACE_ID);
        violations.optional_text("jobId", request.job_id.as_ref(), JOB_ID);
        let thing = self.existing_thing(&request.thing_name, violations)?;

        let all = self.queues.get(&thing).map(|queue| &queue.all);
        let found = all.into_iter().flatten().filter_map(|(id, number)| {
            let job = self.jobs.get(id)?;
            let (_, execution) = job.numbered(&thing, i64::try_from(*number).ok())?;
            is_chosen(id, job, execution, request).then_some((id, *number, execution))
        });
        let entries = found.map(|(id, number, execution)| {
            let summary = SummaryForThing {
                job_id: id.clone(),
                job_execution_summary: summary(number, execution),
            };
            (descending(execution.order), summary)
        });
        let list = format!("executions-on/{thing}");
        let token = request.next_token.as_ref();
        let (execution_summaries, next_token) = page(&list, entries, request.max_results, token)?;
        Ok(JobExecutionsForThing {
            execution_summaries,
            next_token,
        })
    }

    /// CancelJobExecution.
    pub fn cancel_job_execution(
        &mut self,
        request: CancelJobExecution,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        if let Some(details) = &request.status_details {
            details::check(&mut violations, details);
        }
        let (job, thing) = (&request.job_id, &request.thing_name);
        let (id, execution) = self.existing(job, thing, None, violations)?;
        let found = execution.version;
        if let Some(expected) = request.expected_version
            && u64::try_from(expected) != Ok(found)
        {
            return Err(ControlError::VersionConflict { expected, found });
        }
        if !is_cancellable(execution, request.force) {
            return Err(ControlError::InvalidStateTransition(format!(
                "Job execution for thing {thing} within job {job} cannot be canceled."
            )));
        }
        self.change(&id, now, |execution| {
            if request.status_details.is_some() {
                execution.status_details = request.status_details;
            }
            execution.cancel(Canceler::Execution, request.force, now);
        });
        Ok(())
    }

    /// DeleteJobExecution.
    pub fn delete_job_execution(
        &mut self,
        request: &DeleteJobExecution,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        let namespace = request.namespace_id.as_ref();
        violations.optional_text("namespaceId", namespace, NAMESPACE_ID);
        let (job, thing) = (&request.job_id, &request.thing_name);
        violations.text("jobId", job, JOB_ID);
        violations.text("thingName", thing, THING_NAME);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        if request.execution_number < 1 {
            let message = "Execution number is invalid.".to_owned();
            return Err(ControlError::InvalidRequest(message));
        }
        let number = Some(request.execution_number);
        let (id, execution) = self.existing(job, thing, number, Violations::default())?;
        if !self
            .jobs
            .get(&id.job)
            .is_some_and(|job| job.is_in(namespace))
        {
            return Err(not_found(job, thing));
        }
        if execution.status == ExecutionStatus::InProgress && !request.force {
            return Err(ControlError::InvalidStateTransition(format!(
                "Job execution for thing {thing} within job {job} cannot be deleted."
            )));
        }
        self.put(&id, None, now);
        Ok(())
    }

    fn existing(
        &self,
        job: &str,
        thing: &str,
        number: Option<i64>,
        mut violations: Violations,
    ) -> Result<(ExecutionId, &Execution), ControlError> {
        violations.text("thingName", thing, THING_NAME);
        let (job_id, found) = self.existing_job(job, violations)?;
        let thing_name = ThingName::parse(thing).ok_or_else(|| not_found(job, thing))?;
        let (number, execution) = found
            .numbered(&thing_name, number)
            .ok_or_else(|| not_found(job, thing))?;
        let id = ExecutionId {
            thing: thing_name,
            job: job_id,
            number,
        };
        Ok((id, execution))
    }
}

fn check_status(violations: &mut Violations, status: Option<&String>) {
    let names = ExecutionStatus::ALL.map(ExecutionStatus::as_str);
    violations.one_of("status", status, &names);
}

fn has_status(execution: &Execution, status: Option<&String>) -> bool {
    status.is_none_or(|status| execution.status.as_str() == status)
}

fn is_chosen(
    id: &JobId,
    job: &Job,
    execution: &Execution,
    request: &ListJobExecutionsForThing,
) -> bool {
    let namespace = job.namespace.as_ref().map(|namespace| namespace.as_str());
    let job_id = request.job_id.as_deref();
    namespace == request.namespace_id.as_deref()
        && job_id.is_none_or(|job_id| id.as_str() == job_id)
        && has_status(execution, request.status.as_ref())
}

fn summary(number: u64, execution: &Execution) -> JobExecutionSummary {
    JobExecutionSummary {
        status: execution.status,
        queued_at: execution.queued_at,
        started_at: execution.started_at,
        last_updated_at: execution.last_updated_at,
        execution_number: number,
        retry_attempt: execution.retries.total(),
    }
}

fn not_found(job: &str, thing: &str) -> ControlError {
    ControlError::ResourceNotFound(format!(
        "Job execution for thing {thing} cannot be found within job {job}."
    ))
}
