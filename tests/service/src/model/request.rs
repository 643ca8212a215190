//! What the control plane is asked, as it arrives: nothing in here is checked yet.
//!
//! Bodies and query strings deserialize straight into these; members that come in the path are
//! `serde(skip)` and filled in by the caller. Unknown members are ignored, as AWS does; members of
//! AWS's that this service cannot honour are kept as JSON, so that the model can refuse them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use super::abort::{AbortConfig, AbortCriteria};
pub use super::continuous::AssociateTargets;
pub use super::events::{EventConfiguration, UpdateEventConfigurations};
pub use super::managed::{DescribeManagedJobTemplate, ListManagedJobTemplates};
pub use super::package_requests::{
    Artifact, CreatePackage, CreatePackageVersion, DeletePackage, DeletePackageVersion,
    ListPackageVersions, ListPackages, S3Location, UpdatePackage, UpdatePackageConfiguration,
    UpdatePackageVersion, VersionUpdateByJobsConfig,
};
pub use super::retry::{RetryConfig, RetryCriteria};
pub use super::rollout::{ExponentialRate, RateIncreaseCriteria, RolloutConfig};
pub use super::schedule::{MaintenanceWindow, SchedulingConfig};
pub use super::tags::{GivenTag, ListTagsForResource, TagResource, UntagResource};
pub use super::template::CreateJobTemplate;
pub use super::update::UpdateJob;

/// CreateThing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateThing {
    /// From the path.
    #[serde(skip)]
    pub thing_name: String,
    /// Attributes of the thing.
    pub attribute_payload: Option<AttributePayload>,
    /// Not supported.
    pub thing_type_name: Option<Value>,
    /// Not supported.
    pub billing_group_name: Option<Value>,
}

/// UpdateThing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateThing {
    /// From the path.
    #[serde(skip)]
    pub thing_name: String,
    /// Attributes of the thing.
    pub attribute_payload: Option<AttributePayload>,
    /// The version that the caller saw.
    pub expected_version: Option<i64>,
    /// Not supported.
    pub thing_type_name: Option<Value>,
    /// Harmless: there are no types to remove.
    pub remove_thing_type: Option<bool>,
}

/// Attributes of a thing or group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AttributePayload {
    /// Name to value.
    #[serde(deserialize_with = "null_as_absent")]
    pub attributes: BTreeMap<String, String>,
    /// Whether to keep the attributes that are not named.
    #[serde(deserialize_with = "null_as_absent")]
    pub merge: bool,
}

/// CreateThingGroup.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateThingGroup {
    /// From the path.
    #[serde(skip)]
    pub thing_group_name: String,
    /// The group above.
    pub parent_group_name: Option<String>,
    /// Description and attributes.
    pub thing_group_properties: Option<ThingGroupProperties>,
    /// Tags of the group.
    #[serde(deserialize_with = "null_as_absent")]
    pub tags: Vec<Tag>,
}

/// Description and attributes of a group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ThingGroupProperties {
    /// For people.
    pub thing_group_description: Option<String>,
    /// Attributes of the group.
    pub attribute_payload: Option<AttributePayload>,
}

/// AddThingToThingGroup and RemoveThingFromThingGroup: each side by name or by ARN.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupMembership {
    /// The group's name.
    pub thing_group_name: Option<String>,
    /// The group's ARN.
    pub thing_group_arn: Option<String>,
    /// The thing's name.
    pub thing_name: Option<String>,
    /// The thing's ARN.
    pub thing_arn: Option<String>,
    /// Harmless: there are no dynamic groups.
    pub override_dynamic_groups: Option<bool>,
}

/// One page of a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PageRequest {
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// ListThings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListThings {
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
    /// Only things with this attribute.
    pub attribute_name: Option<String>,
    /// Only things whose attribute has this value.
    pub attribute_value: Option<String>,
    /// Whether a value that begins so will do.
    pub use_prefix_attribute_value: bool,
    /// Not supported.
    pub thing_type_name: Option<String>,
}

/// ListThingGroups.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListThingGroups {
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
    /// Only groups below this one.
    pub parent_group: Option<String>,
    /// Only groups whose name begins so.
    pub name_prefix_filter: Option<String>,
    /// Whether to list groups below groups; yes unless said otherwise.
    pub recursive: Option<bool>,
}

/// ListThingsInThingGroup.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListThingsInThingGroup {
    /// From the path.
    #[serde(skip)]
    pub thing_group_name: String,
    /// Whether members of groups below count.
    pub recursive: bool,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// A label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Tag {
    /// 1 to 128 characters.
    #[serde(deserialize_with = "null_as_absent")]
    pub key: String,
    /// Up to 256 characters.
    pub value: Option<String>,
}

/// CreateJob.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateJob {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// What stands at `document_source`; the caller reads it before the model is asked.
    #[serde(skip)]
    pub fetched: Option<Result<Vec<u8>, SourceError>>,
    /// ARNs of things and groups.
    pub targets: Option<Vec<String>>,
    /// The job document itself.
    pub document: Option<String>,
    /// An S3 URL of the job document.
    pub document_source: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// How placeholders in the document become URLs.
    pub presigned_url_config: Option<PresignedUrlConfig>,
    /// SNAPSHOT unless said otherwise.
    pub target_selection: Option<String>,
    /// How long a device may work.
    pub timeout_config: Option<TimeoutConfig>,
    /// Labels.
    #[serde(deserialize_with = "null_as_absent")]
    pub tags: Vec<Tag>,
    /// The agent on the thing that this job is for.
    pub namespace_id: Option<String>,
    /// When to give the job up.
    pub abort_config: Option<AbortConfig>,
    /// How often a thing may try again.
    pub job_executions_retry_config: Option<RetryConfig>,
    /// How fast the targets are reached.
    pub job_executions_rollout_config: Option<RolloutConfig>,
    /// ARNs of the package versions that the job installs.
    pub destination_package_versions: Option<Vec<String>>,
    /// What an AWS managed template's document is filled with.
    pub document_parameters: Option<BTreeMap<String, String>>,
    /// Gives the members that the job does not.
    pub job_template_arn: Option<String>,
    /// When the job runs.
    pub scheduling_config: Option<SchedulingConfig>,
}

/// Why there is no document at `documentSource`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceError {
    /// There is no such bucket.
    BucketNotFound,
    /// There is no such object in the bucket.
    ObjectNotFound,
    /// The URL names no bucket and key.
    UrlInvalid,
}

/// How placeholders in a document become URLs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PresignedUrlConfig {
    /// The role that may read the objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// 60 to 3600 seconds; 3600 unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_sec: Option<i64>,
}

/// How long a device may work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimeoutConfig {
    /// 1 to 10080 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_progress_timeout_in_minutes: Option<i64>,
}

/// ListJobs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListJobs {
    /// Only jobs in this state.
    pub status: Option<String>,
    /// Only SNAPSHOT or only CONTINUOUS jobs.
    pub target_selection: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
    /// Only jobs that target this group.
    pub thing_group_name: Option<String>,
    /// Only jobs that target this group.
    pub thing_group_id: Option<String>,
    /// Only jobs of this namespace; the default one unless said otherwise.
    pub namespace_id: Option<String>,
}

/// CancelJob.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CancelJob {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// From the query: whether executions in progress are cancelled too.
    #[serde(skip)]
    pub force: bool,
    /// For programs.
    pub reason_code: Option<String>,
    /// For people.
    pub comment: Option<String>,
}

/// DeleteJob.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteJob {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// Whether a job in progress is deleted too.
    pub force: bool,
    /// The job's namespace.
    pub namespace_id: Option<String>,
}

/// ListJobExecutionsForJob.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListJobExecutionsForJob {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// Only executions in this state.
    pub status: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// ListJobExecutionsForThing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListJobExecutionsForThing {
    /// From the path.
    #[serde(skip)]
    pub thing_name: String,
    /// Only executions in this state.
    pub status: Option<String>,
    /// Only executions of this namespace; the default one unless said otherwise.
    pub namespace_id: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
    /// Only executions of this job.
    pub job_id: Option<String>,
}

/// DescribeJobExecution of the control plane.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DescribeJobExecution {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// From the path.
    #[serde(skip)]
    pub thing_name: String,
    /// The latest unless said otherwise.
    pub execution_number: Option<i64>,
}

/// CancelJobExecution.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CancelJobExecution {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// From the path.
    #[serde(skip)]
    pub thing_name: String,
    /// From the query: whether an execution in progress is cancelled too.
    #[serde(skip)]
    pub force: bool,
    /// The version that the caller saw.
    pub expected_version: Option<i64>,
    /// Replaces the stored details.
    pub status_details: Option<BTreeMap<String, String>>,
}

/// DeleteJobExecution.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteJobExecution {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// From the path.
    #[serde(skip)]
    pub thing_name: String,
    /// From the path.
    #[serde(skip)]
    pub execution_number: i64,
    /// Whether an execution in progress is deleted too.
    pub force: bool,
    /// The job's namespace.
    pub namespace_id: Option<String>,
}

/// Reads a member as its default if it is `null`: in AWS's JSON protocols that is as good as absent
/// (Smithy 2.0, JSON shape serialization).
pub(super) fn null_as_absent<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
