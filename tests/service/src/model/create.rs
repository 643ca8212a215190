//! CreateJob.
//!
//! Messages without a page of their own were seen on the live service (control-plane notes of
//! MiniStack 1.5.33).

use std::collections::{BTreeMap, BTreeSet};

use super::Model;
use super::continuous::{Reach, check_targets};
use super::destination::{Destinations, check_arns};
use super::error::ControlError;
use super::job::{Job, Terms};
use super::managed::{Managed, substitute};
use super::names::{JobId, MAX_JOB_ID, NamespaceId, PLAIN, Scope, Target};
use super::quotas::{INLINE_DOCUMENT_CHARACTERS, Quotas, limit};
use super::request::{CreateJob, PresignedUrlConfig, Tag, TimeoutConfig};
use super::source::{check_document, check_json, check_sources, read_document};
use super::status::TargetSelection;
use super::tags::{KEY, MAX_TAGS, is_reserved};
use super::time::Timestamp;
use super::validate::{PRINTABLE, Text, Violations};
use super::view::JobReference;

pub(super) const JOB_ID: Text = Text {
    min: 1,
    max: MAX_JOB_ID,
    pattern: Some(PLAIN),
};
pub(super) const NAMESPACE_ID: Text = Text {
    min: 1,
    max: 128,
    pattern: Some(PLAIN),
};
pub(super) const COMMENT: Text = Text {
    min: 0,
    max: 2028,
    pattern: Some(PRINTABLE),
};
const SOURCE: Text = Text {
    min: 1,
    max: 1350,
    pattern: None,
};
pub(super) const TARGET: Text = Text {
    min: 0,
    max: 2048,
    pattern: None,
};
pub(super) const ROLE: Text = Text {
    min: 20,
    max: 2048,
    pattern: None,
};
const TEMPLATE_ARN: Text = Text {
    min: 1,
    max: 1600,
    pattern: None,
};
const PARAMETER_KEY: Text = Text {
    min: 1,
    max: 128,
    pattern: Some(PLAIN),
};
const PARAMETER_VALUE: Text = Text {
    min: 1,
    max: 30_720,
    pattern: Some(PRINTABLE),
};
const DOCUMENT: Text = Text {
    min: 0,
    max: INLINE_DOCUMENT_CHARACTERS,
    pattern: None,
};

impl Model {
    /// CreateJob. If `document_source` is set, so must be `fetched`.
    pub fn create_job(
        &mut self,
        scope: &Scope,
        mut request: CreateJob,
        now: Timestamp,
    ) -> Result<JobReference, ControlError> {
        let quotas = self.knobs.quotas;
        let id = check_members(&request, &quotas)?;
        check_sources(&request, request.job_template_arn.is_some())?;
        let managed = self.fill_from_template(scope, &mut request)?;
        check_parameters(&request, managed)?;
        check_timeout(request.timeout_config.as_ref(), &quotas)?;
        self.check_rules(&request)?;
        let selection = request.target_selection.as_deref();
        let selection = selection
            .and_then(TargetSelection::parse)
            .unwrap_or_default();
        let scheduling_config = request.scheduling_config.clone().unwrap_or_default();
        let lead = self.knobs.minimum_schedule_lead();
        let schedule = scheduling_config.read(selection, lead, now)?;
        check_tags(&request.tags)?;
        if self.jobs.contains_key(&id) {
            return Err(ControlError::ResourceAlreadyExists {
                message: format!("Job {id} already exists."),
                resource_arn: scope.job_arn(&id),
                resource_id: id.to_string(),
            });
        }
        let targets = request.targets.clone().unwrap_or_default();
        let reach = self.resolve(scope, &targets)?;
        let arns = request.destination_package_versions.take();
        let destinations = self.destinations(scope, arns.as_deref().unwrap_or_default())?;
        let (document, before_substitution) =
            self.write_document(scope, &id, &mut request, managed, &destinations)?;
        self.refuse_crowd(&schedule, now)?;

        let terms = Terms {
            scope: scope.clone(),
            targets,
            selection,
            document_source: request.document_source,
            template_arn: request.job_template_arn,
            document_parameters: request.document_parameters,
            before_substitution,
            destination_package_versions: arns.is_some().then(|| destinations.arns(scope)),
            destinations_before_substitution: arns,
            description: request.description,
            presigned_url_config: request.presigned_url_config.unwrap_or_default(),
            timeout_config: request.timeout_config.unwrap_or_default(),
            rollout: request.job_executions_rollout_config.unwrap_or_default(),
            abort: request.abort_config,
            retry: request.job_executions_retry_config,
            scheduling_config,
            schedule,
            tags: request.tags,
        };
        let namespace = request.namespace_id.as_deref().and_then(NamespaceId::parse);
        let order = self.next_order();
        let things = match selection {
            TargetSelection::Continuous => self.things_of(&reach),
            TargetSelection::Snapshot => self.settled_things_of(&reach, now),
        };
        let mut job = Job::new(terms, namespace, reach, document, order, now);
        job.rollout.waiting = things.into_iter().map(|thing| (thing, ())).collect();
        let reference = job.reference(&id, scope);
        self.jobs.insert(id.clone(), job);
        self.begin(&id, now);
        Ok(reference)
    }

    /// The document of a new job, and what it was before it was filled in if that differs.
    fn write_document(
        &self,
        scope: &Scope,
        id: &JobId,
        request: &mut CreateJob,
        managed: Option<&'static Managed>,
        destinations: &Destinations,
    ) -> Result<(String, Option<String>), ControlError> {
        let source = request.document_source.as_deref();
        let written = read_document(
            request.document.take(),
            source,
            request.fetched.take(),
            &self.knobs.quotas,
        )?;
        let filled = match (managed, &request.document_parameters) {
            (Some(_), Some(parameters)) => substitute(&written, parameters),
            (Some(_), None) => substitute(&written, &BTreeMap::new()),
            (None, _) => written.clone(),
        };
        // What is filled in must not make JSON of what is none.
        check_json(&filled, source, &self.knobs.quotas)?;
        let presign = request.presigned_url_config.clone().unwrap_or_default();
        let document = destinations.fill(&self.packages, scope, &filled, &presign)?;
        check_document(id.as_str(), &document, source, &presign, &self.knobs.quotas)?;
        let before = (document != written).then_some(written);
        Ok((document, before))
    }

    /// Refuses rules of a new job that the service model does not rule out.
    pub(super) fn check_rules(&self, request: &CreateJob) -> Result<(), ControlError> {
        if let Some(abort) = &request.abort_config {
            abort.refuse()?;
        }
        let rollout = request.job_executions_rollout_config.as_ref();
        if let Some(rollout) = rollout.filter(|rollout| !rollout.is_empty()) {
            rollout.refuse(self.knobs.both_rate_criteria)?;
        }
        if let Some(retry) = &request.job_executions_retry_config {
            retry.refuse(request.timeout_config.as_ref(), &self.knobs.quotas)?;
        }
        Ok(())
    }

    /// Refuses a job with more targets than may be.
    pub(super) fn refuse_targets(&self, count: usize) -> Result<(), ControlError> {
        let quota = self.knobs.quotas.targets_per_job;
        if count > limit(quota) {
            let message = format!("A job cannot have more than {quota} targets.");
            return Err(ControlError::LimitExceeded(message));
        }
        Ok(())
    }

    /// What `targets` name, if all of it exists.
    pub(super) fn resolve(&self, scope: &Scope, targets: &[String]) -> Result<Reach, ControlError> {
        self.refuse_targets(targets.len())?;
        let mut reach = Reach::default();
        for arn in targets {
            match scope.target(arn) {
                Some(Target::Thing(thing)) if self.things.contains_key(&thing) => {
                    reach.things.insert(thing);
                }
                Some(Target::Group(group)) if self.groups.contains_key(&group) => {
                    let id = self.groups.get(&group).map(|found| found.id.clone());
                    reach.groups.push((group, id.unwrap_or_default()));
                }
                Some(Target::Thing(_) | Target::Group(_)) | None => {
                    return Err(unknown_target(arn));
                }
            }
        }
        Ok(reach)
    }
}

/// Checks what AWS's service model says of the members, all at once.
fn check_members(request: &CreateJob, quotas: &Quotas) -> Result<JobId, ControlError> {
    let mut violations = Violations::default();
    violations.text("jobId", &request.job_id, JOB_ID);
    check_targets(&mut violations, request.targets.as_ref());
    check_terms(&mut violations, request, quotas);
    violations.one_of(
        "targetSelection",
        request.target_selection.as_ref(),
        &TargetSelection::NAMES,
    );
    if let Some(schedule) = &request.scheduling_config {
        schedule.check(&mut violations);
    }
    violations.optional_text("namespaceId", request.namespace_id.as_ref(), NAMESPACE_ID);
    let template = request.job_template_arn.as_ref();
    violations.optional_arn("jobTemplateArn", template, TEMPLATE_ARN);
    if let Some(parameters) = &request.document_parameters {
        let (keys, values) = (PARAMETER_KEY, PARAMETER_VALUE);
        violations.map("documentParameters", parameters, usize::MAX, keys, values);
    }
    violations
        .into_result()
        .map_err(ControlError::InvalidRequest)?;
    JobId::parse(&request.job_id).ok_or_else(|| invalid("jobId is invalid."))
}

/// Checks what AWS's service model says of the members that a template may give.
pub(super) fn check_terms(violations: &mut Violations, request: &CreateJob, quotas: &Quotas) {
    violations.optional_text("document", request.document.as_ref(), DOCUMENT);
    violations.optional_text("documentSource", request.document_source.as_ref(), SOURCE);
    violations.optional_text("description", request.description.as_ref(), COMMENT);
    check_presign(violations, request.presigned_url_config.as_ref());
    check_arns(violations, request.destination_package_versions.as_ref());
    if let Some(rollout) = &request.job_executions_rollout_config {
        rollout.check(violations, quotas);
    }
    if let Some(abort) = &request.abort_config {
        abort.check(violations);
    }
    if let Some(retry) = &request.job_executions_retry_config {
        retry.check(violations);
    }
}

/// Checks the values for a managed template's document; no other document takes any. AWS's text for
/// those is unknown.
fn check_parameters(
    request: &CreateJob,
    managed: Option<&'static Managed>,
) -> Result<(), ControlError> {
    let given = request.document_parameters.clone().unwrap_or_default();
    match managed {
        Some(managed) => managed.check(&given),
        None if given.is_empty() => Ok(()),
        None => Err(invalid(
            "Document parameters can only be used with an AWS managed job template.",
        )),
    }
}

/// Checks what AWS's service model says of how URLs are made.
pub(super) fn check_presign(violations: &mut Violations, presign: Option<&PresignedUrlConfig>) {
    if let Some(presign) = presign {
        let member = "presignedUrlConfig.roleArn";
        violations.optional_text(member, presign.role_arn.as_ref(), ROLE);
        let member = "presignedUrlConfig.expiresInSec";
        violations.range(member, presign.expires_in_sec, 60, 3600);
    }
}

pub(super) fn check_timeout(
    config: Option<&TimeoutConfig>,
    quotas: &Quotas,
) -> Result<(), ControlError> {
    let longest = i64::from(quotas.timeout_minutes);
    match config.and_then(|config| config.in_progress_timeout_in_minutes) {
        Some(minutes) if !(1..=longest).contains(&minutes) => Err(invalid(&format!(
            "Provide valid timeout value, inProgressTimeoutInMinutes cannot be {minutes}."
        ))),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn check_tags(tags: &[Tag]) -> Result<(), ControlError> {
    let legal = |tag: &Tag| {
        let value = tag.value.as_ref().map(|value| value.chars().count());
        KEY.allows(&tag.key) && !is_reserved(&tag.key) && value.is_some_and(|length| length <= 256)
    };
    let keys: BTreeSet<_> = tags.iter().map(|tag| &tag.key).collect();
    if tags.iter().all(legal) && keys.len() == tags.len() && tags.len() <= MAX_TAGS {
        return Ok(());
    }
    Err(invalid(
        "Invalid tag parameter exception. Please check the input.",
    ))
}

fn unknown_target(arn: &str) -> ControlError {
    let resource = arn
        .strip_prefix("arn:")
        .and_then(|rest| rest.split(':').nth(4));
    match resource.and_then(|resource| resource.split_once('/')) {
        Some(("thing", name)) => {
            ControlError::ResourceNotFound(format!("Thing {name} cannot be found."))
        }
        Some(("thinggroup", name)) => {
            ControlError::ResourceNotFound(format!("Thing Group {name} cannot be found."))
        }
        Some(_) | None => invalid(&format!("Target {arn} is invalid.")),
    }
}

fn invalid(message: &str) -> ControlError {
    ControlError::InvalidRequest(message.to_owned())
}
