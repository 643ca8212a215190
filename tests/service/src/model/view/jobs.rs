//! Answers about jobs, their executions and their tags.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::names::{JobId, NamespaceId};
use crate::model::request::{
    AbortConfig, PresignedUrlConfig, RetryConfig, RolloutConfig, SchedulingConfig, Tag,
    TimeoutConfig,
};
use crate::model::status::{ExecutionStatus, JobStatus, StatusDetails};
use crate::model::time::Timestamp;

/// ListTagsForResource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagList {
    /// The tags of the resource.
    pub tags: Vec<Tag>,
}

/// CreateJob and CancelJob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobReference {
    /// The job's ARN.
    pub job_arn: String,
    /// The job's id.
    pub job_id: JobId,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// DescribeJob.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobDescription {
    /// Where the document came from, if it was not given itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_source: Option<String>,
    /// The job.
    pub job: JobView,
}

/// The job within [`JobDescription`].
///
/// Configurations that were never set come back as `{}`; those of aborts and retries are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// The job's ARN.
    pub job_arn: String,
    /// The job's id.
    pub job_id: JobId,
    /// CONTINUOUS or SNAPSHOT.
    pub target_selection: &'static str,
    /// Where the job stands.
    pub status: JobStatus,
    /// Of a cancelled job: whether it was cancelled by force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_canceled: Option<bool>,
    /// Why it was cancelled, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// Why it was cancelled, or given more targets, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// ARNs, as given.
    pub targets: Vec<String>,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As given.
    pub presigned_url_config: PresignedUrlConfig,
    /// As given.
    pub job_executions_rollout_config: RolloutConfig,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_config: Option<AbortConfig>,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_executions_retry_config: Option<RetryConfig>,
    /// When the job was made.
    pub created_at: Timestamp,
    /// When the job changed last.
    pub last_updated_at: Timestamp,
    /// When the job was completed or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// How many executions are in which state.
    pub job_process_details: JobProcessDetails,
    /// As given.
    pub timeout_config: TimeoutConfig,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_id: Option<NamespaceId>,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_template_arn: Option<String>,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_parameters: Option<BTreeMap<String, String>>,
    /// As given, but for `$default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_package_versions: Option<Vec<String>>,
    /// Whether executions are being rolled out right now.
    pub is_concurrent: bool,
    /// As given.
    pub scheduling_config: SchedulingConfig,
    /// When the next maintenance windows open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_job_rollouts: Option<Vec<ScheduledJobRollout>>,
}

/// When a maintenance window opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledJobRollout {
    /// `YYYY-MM-DDThh:mm`, in UTC.
    pub start_time: String,
}

/// How many executions of a job are in which state. Every execution counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobProcessDetails {
    /// The job's targets while it is rolled out to them.
    pub processing_targets: Option<Vec<String>>,
    /// CANCELED.
    pub number_of_canceled_things: usize,
    /// SUCCEEDED.
    pub number_of_succeeded_things: usize,
    /// FAILED.
    pub number_of_failed_things: usize,
    /// REJECTED.
    pub number_of_rejected_things: usize,
    /// QUEUED.
    pub number_of_queued_things: usize,
    /// IN_PROGRESS.
    pub number_of_in_progress_things: usize,
    /// REMOVED.
    pub number_of_removed_things: usize,
    /// TIMED_OUT.
    pub number_of_timed_out_things: usize,
}

/// ListJobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobList {
    /// One page of jobs, the newest first.
    pub jobs: Vec<JobSummary>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One job of ListJobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    /// The job's ARN.
    pub job_arn: String,
    /// The job's id.
    pub job_id: JobId,
    /// Of a job that targets one group: the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_group_id: Option<String>,
    /// CONTINUOUS or SNAPSHOT.
    pub target_selection: &'static str,
    /// Where the job stands.
    pub status: JobStatus,
    /// When the job was made.
    pub created_at: Timestamp,
    /// When the job changed last.
    pub last_updated_at: Timestamp,
    /// When the job was completed or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Whether executions are being rolled out right now.
    pub is_concurrent: bool,
}

/// GetJobDocument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobDocument {
    /// As given, but for its parameters and package versions; other placeholders are not replaced.
    pub document: String,
}

/// DescribeJobExecution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobExecutionDescription {
    /// The execution.
    pub execution: JobExecutionView,
}

/// The execution within [`JobExecutionDescription`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionView {
    /// The job's id.
    pub job_id: JobId,
    /// Where the execution stands.
    pub status: ExecutionStatus,
    /// Whether it was cancelled by force.
    pub force_canceled: bool,
    /// Absent when never set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_details: Option<DetailsMap>,
    /// The thing's ARN.
    pub thing_arn: String,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When the device began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it changed last.
    pub last_updated_at: Timestamp,
    /// Counts the executions of one job on one thing.
    pub execution_number: u64,
    /// Grows with every change.
    pub version_number: u64,
    /// Only while a timer runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate_seconds_before_timed_out: Option<u64>,
}

/// Status details as the control plane wraps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DetailsMap {
    /// The details.
    pub details_map: StatusDetails,
}

/// ListJobExecutionsForJob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionsForJob {
    /// One page of executions, the latest change first.
    pub execution_summaries: Vec<SummaryForJob>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One execution of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SummaryForJob {
    /// The thing's ARN.
    pub thing_arn: String,
    /// The execution.
    pub job_execution_summary: JobExecutionSummary,
}

/// ListJobExecutionsForThing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionsForThing {
    /// One page of executions, the newest first.
    pub execution_summaries: Vec<SummaryForThing>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One execution on a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SummaryForThing {
    /// The job's id.
    pub job_id: JobId,
    /// The execution.
    pub job_execution_summary: JobExecutionSummary,
}

/// The control plane's short form of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionSummary {
    /// Where the execution stands.
    pub status: ExecutionStatus,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When the device began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it changed last.
    pub last_updated_at: Timestamp,
    /// Counts the executions of one job on one thing.
    pub execution_number: u64,
    /// How many retries there were up to this execution.
    pub retry_attempt: u64,
}
