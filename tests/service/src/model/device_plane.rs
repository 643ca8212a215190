//! The rules of the device plane's operations.
//!
//! Errors and the order of their checks: developer guide, jobs-api, and MiniStack's captures. A job
//! of another namespace is not seen, whether by list, by `$next` or by its id.

use core::time::Duration;

use super::Model;
use super::details;
use super::error::DeviceError;
use super::execution::{Execution, ExecutionId, StepTimer};
use super::job::{Job, MAX_TIMEOUT_MINUTES};
use super::ledger::Entry;
use super::names::{JobId, NamespaceId, ThingName};
use super::operation::{Describe, JobExecution, Pending, Selector, StartNext, Update, Updated};
use super::status::ExecutionStatus;
use super::time::Timestamp;
use super::validate::Violations;

/// The step timeout that ends the step timer instead.
const STOP_STEP_TIMER: i64 = -1;

impl Model {
    /// GetPendingJobExecutions.
    pub fn pending_job_executions(
        &self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
    ) -> Result<Pending, DeviceError> {
        self.registered(thing)?;
        Ok(self.pending(thing, namespace))
    }

    /// StartNextPendingJobExecution. `None` when nothing is pending.
    pub fn start_next(
        &mut self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
        request: &StartNext,
        now: Timestamp,
    ) -> Result<Option<JobExecution>, DeviceError> {
        let mut violations = Violations::default();
        let details = details::read(
            &mut violations,
            request.status_details.as_ref(),
            self.knobs.strict_status_details,
        );
        let step = step_timer(&mut violations, request.step_timeout_in_minutes);
        violations
            .into_result()
            .map_err(DeviceError::InvalidRequest)?;
        self.registered(thing)?;

        let Some(first) = self.first(thing, namespace) else {
            return Ok(None);
        };
        let id = first.execution_id(thing);
        if first.execution.status == ExecutionStatus::Queued {
            let timeout = first.job.timeout();
            self.change(&id, now, |execution| {
                execution.report(ExecutionStatus::InProgress, details, step, timeout, now);
            });
        }
        Ok(self.seen(&id, true, now))
    }

    /// DescribeJobExecution of the device plane. `None` when `$next` was asked for and nothing is
    /// pending.
    pub fn describe(
        &self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
        which: &Selector,
        request: &Describe,
        now: Timestamp,
    ) -> Result<Option<JobExecution>, DeviceError> {
        let id = match which {
            Selector::Job(job) => self.find(thing, namespace, job, request.execution_number)?,
            Selector::Next => {
                self.registered(thing)?;
                let Some(first) = self.first(thing, namespace) else {
                    return Ok(None);
                };
                first.execution_id(thing)
            }
        };
        let seen = self.seen(&id, request.include_job_document, now);
        if seen.as_ref().is_some_and(|seen| seen.status.is_terminal()) {
            return Err(DeviceError::TerminalStateReached);
        }
        Ok(seen)
    }

    /// UpdateJobExecution.
    ///
    /// The checks come in this order: shape, a status that devices may not set, existence, version,
    /// terminal state.
    pub fn update(
        &mut self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
        job: &JobId,
        request: &Update,
        now: Timestamp,
    ) -> Result<Updated, DeviceError> {
        let updated = self.take_update(thing, namespace, job, request, now);
        if let Err(error) = &updated {
            let number = request.execution_number;
            self.note_refusal(thing, namespace, job, number, error, now);
        }
        updated
    }

    fn take_update(
        &mut self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
        job: &JobId,
        request: &Update,
        now: Timestamp,
    ) -> Result<Updated, DeviceError> {
        let mut violations = Violations::default();
        let details = details::read(
            &mut violations,
            request.status_details.as_ref(),
            self.knobs.strict_status_details,
        );
        let step = step_timer(&mut violations, request.step_timeout_in_minutes);
        let status = read_status(violations, request.status.as_ref())?;

        let id = self.find(thing, namespace, job, request.execution_number)?;
        let Some((execution, timeout)) = self.execution(&id).zip(self.timeout(job)) else {
            return Err(not_found(thing, job));
        };
        if let Some(expected) = request.expected_version
            && u64::try_from(expected) != Ok(execution.version)
        {
            let state = execution.state();
            return Err(DeviceError::VersionMismatch { expected, state });
        }
        if execution.status.is_terminal() {
            let status = execution.status.as_str();
            return Err(DeviceError::InvalidStateTransition {
                message: format!("Job {job} for {thing} has already finished with status {status}"),
                state: Some(execution.state()),
            });
        }
        // AWS does not offer it, and says that it cannot be started; how it refuses is unknown.
        let hidden = self.jobs.get(job).is_some_and(|job| job.hidden);
        if hidden && execution.status == ExecutionStatus::Queued {
            return Err(DeviceError::InvalidStateTransition {
                message: format!("Job {job} for {thing} is outside its maintenance window"),
                state: Some(execution.state()),
            });
        }
        self.change(&id, now, |execution| {
            execution.report(status, details, step, timeout, now);
        });
        let state = self.execution(&id).map(Execution::state);
        let document = self.jobs.get(job).map(|job| job.document(&id));
        Ok(Updated {
            state: state.filter(|_| request.include_job_execution_state),
            document: document.filter(|_| request.include_job_document),
        })
    }

    fn registered(&self, thing: &ThingName) -> Result<(), DeviceError> {
        if self.things.contains_key(thing) {
            return Ok(());
        }
        let message = format!("Thing {thing} cannot be found.");
        Err(DeviceError::ResourceNotFound(message))
    }

    /// The execution of `job` with `number`, or the latest; a job of another namespace is not seen.
    pub(super) fn find(
        &self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
        job: &JobId,
        number: Option<i64>,
    ) -> Result<ExecutionId, DeviceError> {
        let found = self.jobs.get(job);
        let found = found.filter(|found| found.namespace.as_ref() == namespace);
        let number = found.and_then(|found| found.numbered(thing, number));
        let (number, _) = number.ok_or_else(|| not_found(thing, job))?;
        Ok(ExecutionId {
            thing: thing.clone(),
            job: job.clone(),
            number,
        })
    }

    fn timeout(&self, job: &JobId) -> Option<Option<Duration>> {
        self.jobs.get(job).map(Job::timeout)
    }

    fn seen(&self, id: &ExecutionId, with_document: bool, now: Timestamp) -> Option<JobExecution> {
        let job = self.jobs.get(&id.job)?;
        let entry = Entry {
            id: &id.job,
            number: id.number,
            job,
            execution: self.execution(id)?,
        };
        Some(entry.seen(&id.thing, with_document, now))
    }
}

fn read_status(
    mut violations: Violations,
    status: Option<&String>,
) -> Result<ExecutionStatus, DeviceError> {
    match status {
        Some(_) => {
            let names = ExecutionStatus::ALL.map(ExecutionStatus::as_str);
            violations.one_of("status", status, &names);
        }
        None => violations.missing("status"),
    }
    violations
        .into_result()
        .map_err(DeviceError::InvalidRequest)?;

    let status = status.and_then(|status| ExecutionStatus::parse(status));
    match status {
        Some(status) if status.is_for_devices() => Ok(status),
        Some(_) | None => {
            let name = status.map(ExecutionStatus::as_str).unwrap_or_default();
            Err(DeviceError::InvalidStateTransition {
                message: format!("The status of job execution cannot be changed to be {name}"),
                state: None,
            })
        }
    }
}

fn step_timer(violations: &mut Violations, minutes: Option<i64>) -> StepTimer {
    match minutes {
        None => StepTimer::Keep,
        Some(STOP_STEP_TIMER) => StepTimer::Stop,
        Some(minutes) => {
            let member = "stepTimeoutInMinutes";
            violations.range(member, Some(minutes), 1, MAX_TIMEOUT_MINUTES);
            let minutes = u64::try_from(minutes).unwrap_or_default();
            StepTimer::Restart(Duration::from_secs(minutes.saturating_mul(60)))
        }
    }
}

fn not_found(thing: &ThingName, job: &JobId) -> DeviceError {
    DeviceError::ResourceNotFound(format!("Job {job} not found for {thing}"))
}
