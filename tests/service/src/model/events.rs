//! What becomes of jobs and executions, for who watches them: the `$aws/events` topics.
//!
//! AWS publishes only the types that UpdateEventConfigurations asks for. Payloads: developer guide,
//! events-jobs; job events tell times in milliseconds, as its examples do. The service notes each
//! event in the order in which things came about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::ControlError;
use super::execution::{Execution, ExecutionId};
use super::job::Job;
use super::names::JobId;
use super::request::null_as_absent;
use super::status::{ExecutionStatus, StatusDetails};
use super::time::{self, Timestamp};
use super::view::JobProcessDetails;
use super::{Effect, Model};

const JOB: &str = "JOB";
const JOB_EXECUTION: &str = "JOB_EXECUTION";
/// API reference, UpdateEventConfigurations.
const EVENT_TYPES: [&str; 11] = [
    "CA_CERTIFICATE",
    "CERTIFICATE",
    JOB,
    JOB_EXECUTION,
    "POLICY",
    "THING",
    "THING_GROUP",
    "THING_GROUP_HIERARCHY",
    "THING_GROUP_MEMBERSHIP",
    "THING_TYPE",
    "THING_TYPE_ASSOCIATION",
];

/// One event. Serializes to its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// A job was completed, cancelled or deleted.
    Job(Box<JobEvent>),
    /// An execution ended or was deleted.
    JobExecution(Box<JobExecutionEvent>),
}

impl Event {
    /// The job that the event is about.
    pub fn job(&self) -> &JobId {
        match self {
            Self::Job(event) => &event.job_id,
            Self::JobExecution(event) => &event.job_id,
        }
    }

    /// What happened, as the topic's last level spells it.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Job(event) => event.operation,
            Self::JobExecution(event) => event.operation,
        }
    }
}

/// Tells what became of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobEvent {
    event_type: &'static str,
    event_id: String,
    timestamp: Timestamp,
    operation: &'static str,
    job_id: JobId,
    status: &'static str,
    target_selection: &'static str,
    targets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    force_canceled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<u64>,
    created_at: u64,
    last_updated_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_process_details: Option<Counts>,
}

/// Tells what became of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionEvent {
    event_type: &'static str,
    event_id: String,
    timestamp: Timestamp,
    operation: &'static str,
    job_id: JobId,
    thing_arn: String,
    status: &'static str,
    execution_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_details: Option<StatusDetails>,
}

/// How many executions ended in which way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    number_of_canceled_things: usize,
    number_of_rejected_things: usize,
    number_of_failed_things: usize,
    number_of_removed_things: usize,
    number_of_succeeded_things: usize,
    number_of_timed_out_things: usize,
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobOperation {
    Canceled,
    CancellationInProgress,
    Completed,
    Deleted,
    DeletionInProgress,
}

impl JobOperation {
    /// The topic's last level, and the status in the payload.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Canceled => ("canceled", "CANCELED"),
            Self::CancellationInProgress => {
                ("cancellation_in_progress", "CANCELLATION_IN_PROGRESS")
            }
            Self::Completed => ("completed", "COMPLETED"),
            Self::Deleted => ("deleted", "DELETED"),
            Self::DeletionInProgress => ("deletion_in_progress", "DELETION_IN_PROGRESS"),
        }
    }
}

/// Which types of events are published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct EventTypes {
    job: bool,
    job_execution: bool,
    #[serde(with = "time::kept::option")]
    created_at: Option<Timestamp>,
    #[serde(with = "time::kept::option")]
    modified_at: Option<Timestamp>,
}

impl EventTypes {
    /// All types that there are here, or none.
    pub(super) fn all(enabled: bool) -> Self {
        Self {
            job: enabled,
            job_execution: enabled,
            ..Self::default()
        }
    }

    /// What was kept, unless nobody ever chose: then all types or none.
    pub(super) fn or_all(self, enabled: bool) -> Self {
        match self.created_at {
            Some(_) => self,
            None => Self::all(enabled),
        }
    }
}

/// UpdateEventConfigurations, as it arrives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateEventConfigurations {
    /// The types to change.
    pub event_configurations: Option<BTreeMap<String, EventConfiguration>>,
}

/// Whether events of one type are published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventConfiguration {
    /// Whether they are.
    #[serde(deserialize_with = "null_as_absent")]
    pub enabled: bool,
}

/// DescribeEventConfigurations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventConfigurations {
    /// Every type there is.
    pub event_configurations: BTreeMap<&'static str, EventConfiguration>,
    /// When one was first changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_date: Option<Timestamp>,
    /// When one was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified_date: Option<Timestamp>,
}

impl Model {
    /// DescribeEventConfigurations.
    pub fn event_configurations(&self) -> EventConfigurations {
        let configurations = EVENT_TYPES.map(|name| {
            let enabled = match name {
                JOB => self.events.job,
                JOB_EXECUTION => self.events.job_execution,
                _ => false,
            };
            (name, EventConfiguration { enabled })
        });
        EventConfigurations {
            event_configurations: BTreeMap::from(configurations),
            creation_date: self.events.created_at,
            last_modified_date: self.events.modified_at,
        }
    }

    /// UpdateEventConfigurations. Types that are not named stay as they are.
    pub fn update_event_configurations(
        &mut self,
        request: &UpdateEventConfigurations,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let Some(asked) = &request.event_configurations else {
            return Err(invalid("Configuration cannot be null".to_owned()));
        };
        if !asked
            .keys()
            .all(|name| EVENT_TYPES.contains(&name.as_str()))
        {
            return Err(invalid(format!(
                "1 validation error detected: Value at 'eventConfigurations' failed to satisfy \
                 constraint: Map keys must satisfy constraint: [Member must satisfy enum value \
                 set: [{}]]",
                EVENT_TYPES.join(", ")
            )));
        }
        let mut events = self.events;
        for (name, configuration) in asked {
            match name.as_str() {
                JOB => events.job = configuration.enabled,
                JOB_EXECUTION => events.job_execution = configuration.enabled,
                other if configuration.enabled => {
                    return Err(invalid(format!(
                        "Events of type {other} are not supported yet by this service."
                    )));
                }
                _ => {}
            }
        }
        events.created_at.get_or_insert(now);
        events.modified_at = Some(now);
        self.events = events;
        Ok(())
    }

    /// Notes what became of a job.
    pub(super) fn note_job(&mut self, id: &JobId, operation: JobOperation, now: Timestamp) {
        if !self.events.job {
            return;
        }
        let event_id = self.derive_id(id.as_str(), now);
        if let Some(job) = self.jobs.get(id) {
            let event = job.event(id, event_id, operation, now);
            self.effects
                .push(Effect::Event(Event::Job(Box::new(event))));
        }
    }

    /// Notes what became of an execution that was `old`: that it ended, or was deleted.
    pub(super) fn note_execution(&mut self, id: &ExecutionId, old: &Execution, now: Timestamp) {
        let Some(job) = self.jobs.get(&id.job).filter(|_| self.events.job_execution) else {
            return;
        };
        let (execution, operation, status) = match self.execution(id) {
            None => (old, "deleted", "DELETED"),
            Some(new) if old.status.is_pending() && new.status.is_terminal() => {
                (new, lower_case(new.status), new.status.as_str())
            }
            Some(_) => return,
        };
        let mut event = JobExecutionEvent {
            event_type: JOB_EXECUTION,
            event_id: String::new(),
            timestamp: now,
            operation,
            job_id: id.job.clone(),
            thing_arn: job.terms.scope.thing_arn(&id.thing),
            status,
            execution_number: id.number,
            status_details: execution.status_details.clone(),
        };
        event.event_id = self.derive_id(id.thing.as_str(), now);
        let event = Event::JobExecution(Box::new(event));
        self.effects.push(Effect::Event(event));
    }
}

impl Job {
    fn event(
        &self,
        id: &JobId,
        event_id: String,
        happened: JobOperation,
        now: Timestamp,
    ) -> JobEvent {
        use JobOperation::{Canceled, CancellationInProgress, Completed};

        let (operation, status) = happened.names();
        let view = self.view(id, &self.terms.scope, now);
        let cancelled = matches!(happened, Canceled | CancellationInProgress);
        let counted = matches!(happened, Canceled | Completed);
        let completed_at = view.completed_at.filter(|_| happened == Completed);
        JobEvent {
            event_type: JOB,
            event_id,
            timestamp: now,
            operation,
            job_id: id.clone(),
            status,
            target_selection: view.target_selection,
            targets: view.targets,
            description: view.description,
            force_canceled: view.force_canceled.filter(|_| cancelled),
            reason_code: view.reason_code.filter(|_| cancelled),
            comment: view.comment,
            completed_at: completed_at.map(Timestamp::as_millis),
            created_at: view.created_at.as_millis(),
            last_updated_at: view.last_updated_at.as_millis(),
            job_process_details: counted.then(|| view.job_process_details.into()),
        }
    }
}

impl From<JobProcessDetails> for Counts {
    fn from(details: JobProcessDetails) -> Self {
        Self {
            number_of_canceled_things: details.number_of_canceled_things,
            number_of_rejected_things: details.number_of_rejected_things,
            number_of_failed_things: details.number_of_failed_things,
            number_of_removed_things: details.number_of_removed_things,
            number_of_succeeded_things: details.number_of_succeeded_things,
            number_of_timed_out_things: details.number_of_timed_out_things,
        }
    }
}

fn lower_case(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Canceled => "canceled",
        ExecutionStatus::Failed => "failed",
        ExecutionStatus::InProgress => "in_progress",
        ExecutionStatus::Queued => "queued",
        ExecutionStatus::Rejected => "rejected",
        ExecutionStatus::Removed => "removed",
        ExecutionStatus::Succeeded => "succeeded",
        ExecutionStatus::TimedOut => "timed_out",
    }
}

fn invalid(message: String) -> ControlError {
    ControlError::InvalidRequest(message)
}
