//! The states of jobs and of executions, as the wire spells them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The details a device attached to its execution.
pub type StatusDetails = BTreeMap<String, String>;

/// The state of one execution (developer guide, iot-jobs-lifecycle).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// The service cancelled it.
    Canceled,
    /// The device could not do it.
    Failed,
    /// The device works on it.
    InProgress,
    /// It waits for the device.
    Queued,
    /// The device refused it.
    Rejected,
    /// The thing left the job's targets.
    Removed,
    /// The device did it.
    Succeeded,
    /// A timer ran out.
    TimedOut,
}

impl ExecutionStatus {
    /// Every status, in the order of the API reference.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::InProgress,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Rejected,
        Self::Removed,
        Self::Canceled,
    ];

    /// The status that the wire spells `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The wire's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
            Self::InProgress => "IN_PROGRESS",
            Self::Queued => "QUEUED",
            Self::Rejected => "REJECTED",
            Self::Removed => "REMOVED",
            Self::Succeeded => "SUCCEEDED",
            Self::TimedOut => "TIMED_OUT",
        }
    }

    /// Whether the execution still waits for the device or is worked on.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Queued | Self::InProgress)
    }

    /// Whether the execution is over for good.
    pub const fn is_terminal(self) -> bool {
        !self.is_pending()
    }

    /// Whether a device may set this status.
    pub const fn is_for_devices(self) -> bool {
        matches!(
            self,
            Self::InProgress | Self::Succeeded | Self::Failed | Self::Rejected
        )
    }
}

/// What the service tells of an execution beside an error, or on request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionState {
    /// Where the execution stands.
    pub status: ExecutionStatus,
    /// Absent when never set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_details: Option<StatusDetails>,
    /// Grows with every change.
    pub version_number: u64,
}

/// The state of a job (developer guide, iot-jobs-lifecycle).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// It was cancelled.
    Canceled,
    /// Every execution is over.
    Completed,
    /// Its executions are being deleted, and the job after them.
    DeletionInProgress,
    /// Executions are open, or yet to come.
    InProgress,
    /// Its start, or its next window, is to come.
    Scheduled,
}

impl JobStatus {
    /// Every status that a filter may name, in the order of the API reference.
    pub const NAMES: [&'static str; 5] = [
        "IN_PROGRESS",
        "CANCELED",
        "COMPLETED",
        "DELETION_IN_PROGRESS",
        "SCHEDULED",
    ];

    /// The wire's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Canceled => "CANCELED",
            Self::Completed => "COMPLETED",
            Self::DeletionInProgress => "DELETION_IN_PROGRESS",
            Self::InProgress => "IN_PROGRESS",
            Self::Scheduled => "SCHEDULED",
        }
    }
}

/// When the targets of a job are told apart (API reference, TargetSelection).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum TargetSelection {
    /// Whenever they change.
    Continuous,
    /// As the job is made.
    #[default]
    Snapshot,
}

impl TargetSelection {
    /// The names of all, in the order of the API reference.
    pub(super) const NAMES: [&'static str; 2] = ["CONTINUOUS", "SNAPSHOT"];

    /// The selection that the wire spells `text`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Continuous, Self::Snapshot]
            .into_iter()
            .find(|selection| selection.as_str() == text)
    }

    /// The wire's spelling.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Continuous => "CONTINUOUS",
            Self::Snapshot => "SNAPSHOT",
        }
    }
}
