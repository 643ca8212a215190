//! Job templates: what a job need not say itself.
//!
//! A template is checked as a job is, and kept as the members that it gives. A member that CreateJob
//! gives replaces the template's whole; only maintenance windows join a schedule, and only one with
//! a start (developer guide, job-templates-create). A job outlives its template.

use serde::{Deserialize, Serialize};

use super::Model;
use super::create::{COMMENT, JOB_ID, check_tags, check_terms, check_timeout};
use super::destination::check_placeholders;
use super::error::ControlError;
use super::managed::Managed;
use super::names::{JobId, Scope, TemplateId, TemplateName};
use super::page::{self, descending, page};
use super::quotas::{Quotas, limit};
use super::request::{
    AbortConfig, CreateJob, PageRequest, PresignedUrlConfig, RetryConfig, RolloutConfig,
    SchedulingConfig, SourceError, Tag, TimeoutConfig, null_as_absent,
};
use super::schedule::{MaintenanceWindow, check_windows};
use super::source::{check_document, check_sources, read_document};
use super::table::Record;
use super::time::{self, Timestamp};
use super::validate::Violations;
use super::view::{
    JobTemplateDescription, JobTemplateList, JobTemplateReference, JobTemplateSummary, with_nulls,
};

/// CreateJobTemplate.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateJobTemplate {
    /// From the path.
    #[serde(skip)]
    pub job_template_id: String,
    /// What stands at `document_source`; the caller reads it before the model is asked.
    #[serde(skip)]
    pub fetched: Option<Result<Vec<u8>, SourceError>>,
    /// The job to take the members from that are not given.
    pub job_arn: Option<String>,
    /// The job document itself.
    pub document: Option<String>,
    /// An S3 URL of the job document.
    pub document_source: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// How placeholders in the document become URLs.
    pub presigned_url_config: Option<PresignedUrlConfig>,
    /// How fast the targets are reached.
    pub job_executions_rollout_config: Option<RolloutConfig>,
    /// When to give a job up.
    pub abort_config: Option<AbortConfig>,
    /// How long a device may work.
    pub timeout_config: Option<TimeoutConfig>,
    /// How often a thing may try again.
    pub job_executions_retry_config: Option<RetryConfig>,
    /// Labels of the template.
    #[serde(deserialize_with = "null_as_absent")]
    pub tags: Vec<Tag>,
    /// For jobs that are continuous and have a start.
    pub maintenance_windows: Option<Vec<MaintenanceWindow>>,
    /// ARNs of the package versions that a job installs.
    pub destination_package_versions: Option<Vec<String>>,
}

/// A template of the account.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct JobTemplate {
    /// What it gives to a job, the document read.
    pub(super) members: CreateJob,
    pub(super) order: u64,
    #[serde(with = "time::kept")]
    created_at: Timestamp,
}

impl Record for JobTemplate {}

impl Model {
    /// CreateJobTemplate. If `document_source` is set, so must be `fetched`.
    pub fn create_job_template(
        &mut self,
        scope: &Scope,
        request: CreateJobTemplate,
        now: Timestamp,
    ) -> Result<JobTemplateReference, ControlError> {
        let quotas = self.knobs.quotas;
        let id = check_members(&request, &quotas)?;
        for window in request.maintenance_windows.iter().flatten() {
            window.read()?;
        }
        if self.templates.contains_key(&id) {
            return Err(ControlError::Conflict {
                message: format!("Job Template {id} already exists."),
                resource_id: id.to_string(),
            });
        }
        if self.templates.len() >= limit(quotas.job_templates) {
            let quota = quotas.job_templates;
            let message = format!("There cannot be more than {quota} job templates.");
            return Err(ControlError::LimitExceeded(message));
        }
        let job_arn = request.job_arn.clone();
        let mut members = request.into_members();
        check_sources(&members, job_arn.is_some())?;
        if let Some(arn) = &job_arn {
            self.take_over(scope, arn, &mut members)?;
        }
        check_timeout(members.timeout_config.as_ref(), &quotas)?;
        self.check_rules(&members)?;
        check_tags(&members.tags)?;
        let fetched = members.fetched.take();
        let source = members.document_source.clone();
        let inline = members.document.take();
        let document = read_document(inline, source.as_deref(), fetched, &quotas)?;
        let destinations = members.destination_package_versions.as_deref();
        self.check_destinations(scope, destinations.unwrap_or_default())?;
        let presign = members.presigned_url_config.clone().unwrap_or_default();
        check_document(id.as_str(), &document, source.as_deref(), &presign, &quotas)?;
        check_placeholders(&document)?;
        members.document = Some(document);

        let order = self.next_order();
        let reference = JobTemplateReference {
            job_template_arn: scope.template_arn(&id),
            job_template_id: id.clone(),
        };
        let template = JobTemplate {
            members,
            order,
            created_at: now,
        };
        self.templates.insert(id, template);
        Ok(reference)
    }

    /// DescribeJobTemplate.
    pub fn describe_job_template(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<JobTemplateDescription, ControlError> {
        let (id, template) = self.existing_template(id)?;
        let members = &template.members;
        let schedule = members.scheduling_config.as_ref();
        Ok(JobTemplateDescription {
            job_template_arn: scope.template_arn(&id),
            job_template_id: id,
            description: members.description.clone(),
            document_source: members.document_source.clone(),
            document: members.document.clone(),
            created_at: template.created_at,
            presigned_url_config: with_nulls(
                members.presigned_url_config.as_ref(),
                &["expiresInSec", "roleArn"],
            ),
            job_executions_rollout_config: with_nulls(
                members.job_executions_rollout_config.as_ref(),
                &["exponentialRate", "maximumPerMinute"],
            ),
            abort_config: members.abort_config.clone(),
            timeout_config: with_nulls(
                members.timeout_config.as_ref(),
                &["inProgressTimeoutInMinutes"],
            ),
            job_executions_retry_config: members.job_executions_retry_config.clone(),
            maintenance_windows: schedule.and_then(|schedule| schedule.maintenance_windows.clone()),
            destination_package_versions: members.destination_package_versions.clone(),
        })
    }

    /// ListJobTemplates, the newest first.
    pub fn list_job_templates(
        &self,
        scope: &Scope,
        request: &PageRequest,
    ) -> Result<JobTemplateList, ControlError> {
        let mut violations = Violations::default();
        page::check(&mut violations, request.max_results);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        let entries = self.templates.iter().map(|(id, template)| {
            let summary = JobTemplateSummary {
                job_template_arn: scope.template_arn(id),
                job_template_id: id.clone(),
                description: template.members.description.clone(),
                created_at: template.created_at,
            };
            (descending(template.order), summary)
        });
        let token = request.next_token.as_ref();
        let (job_templates, next_token) = page(
            "templates",
            entries,
            self.page_size(request.max_results),
            token,
        )?;
        Ok(JobTemplateList {
            job_templates,
            next_token,
        })
    }

    /// DeleteJobTemplate. The jobs that were made from it stay.
    pub fn delete_job_template(&mut self, id: &str) -> Result<(), ControlError> {
        let (id, _) = self.existing_template(id)?;
        self.templates.remove(&id);
        Ok(())
    }

    /// Fills in what `request` leaves to its template, and returns that if AWS manages it.
    pub(super) fn fill_from_template(
        &self,
        scope: &Scope,
        request: &mut CreateJob,
    ) -> Result<Option<&'static Managed>, ControlError> {
        let Some(arn) = request.job_template_arn.clone() else {
            return Ok(None);
        };
        match scope.template(&arn) {
            Some(TemplateName::Managed { name, version }) => {
                let managed = Managed::find(name, version).ok_or_else(|| not_found(&arn))?;
                if request.document.is_none() && request.document_source.is_none() {
                    request.document = Some(managed.document());
                }
                let description = Some(managed.description.to_owned());
                request.description = request.description.take().or(description);
                Ok(Some(managed))
            }
            Some(TemplateName::Own(id)) => {
                let template = self.templates.get(&id).ok_or_else(|| not_found(&id))?;
                request.fill_from(&template.members);
                Ok(None)
            }
            None => Err(not_found(arn.rsplit('/').next().unwrap_or_default())),
        }
    }

    /// Fills in what a template takes over from a job.
    fn take_over(
        &self,
        scope: &Scope,
        arn: &str,
        members: &mut CreateJob,
    ) -> Result<(), ControlError> {
        let id: Option<JobId> = scope.job(arn);
        let job = id.as_ref().and_then(|id| self.jobs.get(id));
        let Some(job) = job else {
            let name = arn.rsplit('/').next().unwrap_or_default();
            return Err(ControlError::ResourceNotFound(format!(
                "Job {name} cannot be found."
            )));
        };
        members.fill_from(&CreateJob {
            document: Some(job.document.to_string()),
            document_source: job.terms.document_source.clone(),
            presigned_url_config: Some(job.terms.presigned_url_config.clone()),
            job_executions_rollout_config: Some(job.terms.rollout.clone()),
            abort_config: job.terms.abort.clone(),
            timeout_config: Some(job.terms.timeout_config.clone()),
            job_executions_retry_config: job.terms.retry.clone(),
            destination_package_versions: job.terms.destination_package_versions.clone(),
            ..CreateJob::default()
        });
        Ok(())
    }

    fn existing_template(&self, id: &str) -> Result<(TemplateId, &JobTemplate), ControlError> {
        let mut violations = Violations::default();
        violations.text("jobTemplateId", id, JOB_ID);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        let found = self.templates.get_key_value(id);
        found
            .map(|(id, template)| (id.clone(), template))
            .ok_or_else(|| not_found(id))
    }
}

impl CreateJob {
    /// Takes each member that is not given, but tags and description, from `other`.
    fn fill_from(&mut self, other: &Self) {
        if self.document.is_none() && self.document_source.is_none() {
            self.document.clone_from(&other.document);
            self.document_source.clone_from(&other.document_source);
        }
        fill(&mut self.presigned_url_config, &other.presigned_url_config);
        fill(
            &mut self.job_executions_rollout_config,
            &other.job_executions_rollout_config,
        );
        fill(&mut self.abort_config, &other.abort_config);
        fill(&mut self.timeout_config, &other.timeout_config);
        fill(
            &mut self.job_executions_retry_config,
            &other.job_executions_retry_config,
        );
        fill(
            &mut self.destination_package_versions,
            &other.destination_package_versions,
        );
        let windows = other.scheduling_config.as_ref();
        let windows = windows.and_then(|schedule| schedule.maintenance_windows.as_ref());
        if let Some(schedule) = &mut self.scheduling_config
            && schedule.start_time.is_some()
            && schedule.maintenance_windows.is_none()
        {
            schedule.maintenance_windows = windows.cloned();
        }
    }
}

fn fill<T: Clone>(member: &mut Option<T>, other: &Option<T>) {
    if member.is_none() {
        member.clone_from(other);
    }
}

impl CreateJobTemplate {
    fn into_members(self) -> CreateJob {
        let windows: Option<Vec<MaintenanceWindow>> = self.maintenance_windows;
        CreateJob {
            fetched: self.fetched,
            document: self.document,
            document_source: self.document_source,
            description: self.description,
            presigned_url_config: self.presigned_url_config,
            job_executions_rollout_config: self.job_executions_rollout_config,
            abort_config: self.abort_config,
            timeout_config: self.timeout_config,
            job_executions_retry_config: self.job_executions_retry_config,
            tags: self.tags,
            destination_package_versions: self.destination_package_versions,
            scheduling_config: windows.map(|windows| SchedulingConfig {
                maintenance_windows: Some(windows),
                ..SchedulingConfig::default()
            }),
            ..CreateJob::default()
        }
    }
}

/// Checks what AWS's service model says of the members, all at once.
fn check_members(request: &CreateJobTemplate, quotas: &Quotas) -> Result<TemplateId, ControlError> {
    let mut violations = Violations::default();
    let id = &request.job_template_id;
    violations.text("jobTemplateId", id, JOB_ID);
    match &request.description {
        Some(description) => violations.text("description", description, COMMENT),
        None => violations.missing("description"),
    }
    let members = CreateJob {
        description: None,
        ..request.clone().into_members()
    };
    check_terms(&mut violations, &members, quotas);
    let windows = request.maintenance_windows.as_deref();
    check_windows(&mut violations, "maintenanceWindows", windows);
    violations
        .into_result()
        .map_err(ControlError::InvalidRequest)?;
    TemplateId::parse(id)
        .ok_or_else(|| ControlError::InvalidRequest("jobTemplateId is invalid.".to_owned()))
}

fn not_found(id: impl core::fmt::Display) -> ControlError {
    ControlError::ResourceNotFound(format!("Job Template {id} cannot be found."))
}
