//! Answers about job templates.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::names::TemplateId;
use crate::model::request::{AbortConfig, MaintenanceWindow, RetryConfig};
use crate::model::time::Timestamp;

/// CreateJobTemplate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobTemplateReference {
    /// The template's ARN.
    pub job_template_arn: String,
    /// The template's id.
    pub job_template_id: TemplateId,
}

/// DescribeJobTemplate. Every member is written, `null` if it was never set; three configurations as
/// objects of `null`s.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobTemplateDescription {
    /// The template's ARN.
    pub job_template_arn: String,
    /// The template's id.
    pub job_template_id: TemplateId,
    /// As given.
    pub description: Option<String>,
    /// Where the document came from, if it was not given itself.
    pub document_source: Option<String>,
    /// The document.
    pub document: Option<String>,
    /// When the template was made.
    pub created_at: Timestamp,
    /// As given.
    pub presigned_url_config: Value,
    /// As given.
    pub job_executions_rollout_config: Value,
    /// As given.
    pub abort_config: Option<AbortConfig>,
    /// As given.
    pub timeout_config: Value,
    /// As given.
    pub job_executions_retry_config: Option<RetryConfig>,
    /// As given.
    pub maintenance_windows: Option<Vec<MaintenanceWindow>>,
    /// As given.
    pub destination_package_versions: Option<Vec<String>>,
}

/// A configuration with `null` for each of `names` that it lacks.
pub(in crate::model) fn with_nulls<T: Serialize>(config: Option<&T>, names: &[&str]) -> Value {
    // Maps of strings and plain numbers always serialize.
    let mut object = match serde_json::to_value(config) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => Map::new(),
    };
    for name in names {
        object.entry(*name).or_insert(Value::Null);
    }
    Value::Object(object)
}

/// ListJobTemplates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobTemplateList {
    /// One page of templates, the newest first.
    pub job_templates: Vec<JobTemplateSummary>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One template of ListJobTemplates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobTemplateSummary {
    /// The template's ARN.
    pub job_template_arn: String,
    /// The template's id.
    pub job_template_id: TemplateId,
    /// As given.
    pub description: Option<String>,
    /// When the template was made.
    pub created_at: Timestamp,
}

/// DescribeManagedJobTemplate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedJobTemplate {
    /// The template's name.
    pub template_name: &'static str,
    /// The template's ARN, which names no account.
    pub template_arn: String,
    /// What it is for.
    pub description: &'static str,
    /// The only version.
    pub template_version: &'static str,
    /// Where its actions run.
    pub environments: [&'static str; 1],
    /// What a job can, or must, say.
    pub document_parameters: Vec<DocumentParameter>,
    /// The document, with placeholders.
    pub document: String,
}

/// What a job can say to a managed template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentParameter {
    /// Its name.
    pub key: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What its value looks like.
    pub regex: String,
    /// A value.
    pub example: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
}

/// ListManagedJobTemplates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedJobTemplateList {
    /// One page of templates.
    pub managed_job_templates: Vec<ManagedJobTemplateSummary>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One template of ListManagedJobTemplates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedJobTemplateSummary {
    /// The template's ARN, which names no account.
    pub template_arn: String,
    /// The template's name.
    pub template_name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Where its actions run.
    pub environments: [&'static str; 1],
    /// The only version.
    pub template_version: &'static str,
}
