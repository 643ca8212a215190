//! Which things belong to a job, as groups change and targets are added.
//!
//! A snapshot is taken once. A continuous job reaches whoever joins one of its groups, or a group
//! below it, at once and whatever its rate (developer guide, jobs-configurations-details), and again
//! if an earlier execution there is over; it lets go of who leaves its last one: what is queued is
//! REMOVED, what is in progress goes on (both measured by MiniStack, 2026-10-05).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Model;
use super::create::{COMMENT, MAX_TARGETS, NAMESPACE_ID, TARGET};
use super::error::ControlError;
use super::job::Job;
use super::names::{GroupName, JobId, Scope, ThingName};
use super::retry::Retries;
use super::status::{ExecutionStatus, JobStatus, TargetSelection};
use super::table::Table;
use super::time::Timestamp;
use super::validate::Violations;
use super::view::JobReference;

/// AssociateTargetsWithJob.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssociateTargets {
    /// From the path.
    #[serde(skip)]
    pub job_id: String,
    /// From the query: the job's namespace.
    #[serde(skip)]
    pub namespace_id: Option<String>,
    /// ARNs of things and groups.
    pub targets: Option<Vec<String>>,
    /// For people.
    pub comment: Option<String>,
}

/// What the targets of a job stand for.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct Reach {
    /// The targets that are things.
    pub(super) things: BTreeSet<ThingName>,
    /// The targets that are groups, with the ids that these had.
    pub(super) groups: Vec<(GroupName, String)>,
}

impl Model {
    /// AssociateTargetsWithJob.
    ///
    /// Which exceptions AWS chooses where it documents none is unknown; the texts are ours.
    pub fn associate_targets(
        &mut self,
        scope: &Scope,
        request: AssociateTargets,
        now: Timestamp,
    ) -> Result<JobReference, ControlError> {
        let mut violations = Violations::default();
        check_targets(&mut violations, request.targets.as_ref());
        violations.optional_text("comment", request.comment.as_ref(), COMMENT);
        let namespace = request.namespace_id.as_ref();
        violations.optional_text("namespaceId", namespace, NAMESPACE_ID);
        let (id, job) = self.existing_job_in(&request.job_id, namespace, violations)?;
        if job.terms.selection != TargetSelection::Continuous {
            return Err(ControlError::InvalidRequest(format!(
                "Job {id} is not CONTINUOUS: targets cannot be associated with it."
            )));
        }
        if job.status() != JobStatus::InProgress {
            let status = job.status().as_str();
            return Err(ControlError::InvalidRequest(format!(
                "Job {id} in status {status} cannot be associated with targets."
            )));
        }
        let mut reach = Reach::clone(&job.reach);
        let mut known: BTreeSet<_> = job.terms.targets.iter().cloned().collect();
        let mut added = request.targets.unwrap_or_default();
        added.retain(|target| known.insert(target.clone()));
        if job.terms.targets.len() + added.len() > MAX_TARGETS {
            let message = format!("A job cannot have more than {MAX_TARGETS} targets.");
            return Err(ControlError::LimitExceeded(message));
        }
        let new = self.resolve(scope, &added)?;
        let before = self.things_of(&reach);
        reach.things.extend(new.things);
        reach.groups.extend(new.groups);
        let things = self.things_of(&reach);
        let reference = job.reference(&id, scope);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.associate(added, reach, request.comment, now);
        }
        for thing in things.difference(&before) {
            self.admit(&id, thing, now);
        }
        Ok(reference)
    }

    /// Puts a thing into a group, and into the jobs that the group or one above it is a target of.
    pub(super) fn join(&mut self, group: &GroupName, thing: &ThingName, now: Timestamp) {
        let members = self.groups.get_mut(group).map(|group| &mut group.members);
        let joined = |members: &mut Table<_, _>| members.insert(thing.clone(), ()).is_none();
        if !members.is_some_and(joined) {
            return;
        }
        let lineage = self.lineage(group);
        for id in self.continuous_jobs(|job| self.is_aimed_at(job, &lineage)) {
            self.admit(&id, thing, now);
        }
    }

    /// Changes who is in which group, and lets go of `thing` where it is a target no longer.
    pub(super) fn leave(
        &mut self,
        thing: &ThingName,
        now: Timestamp,
        change: impl FnOnce(&mut Self),
    ) {
        let before = self.continuous_jobs(|job| self.is_target(job, thing));
        change(self);
        let after = self.continuous_jobs(|job| self.is_target(job, thing));
        for id in before.iter().filter(|id| !after.contains(id)) {
            self.dismiss(id, thing, now);
        }
    }

    /// Whether a job still concerns a thing: one that took a snapshot does for good.
    pub(super) fn is_target(&self, job: &Job, thing: &ThingName) -> bool {
        let groups = self.groups.iter();
        job.terms.selection == TargetSelection::Snapshot
            || job.reach.things.contains(thing)
            || groups
                .filter(|(_, group)| group.members.contains_key(thing))
                .any(|(name, _)| self.is_aimed_at(job, &self.lineage(name)))
    }

    /// The things that targets stand for at present.
    pub(super) fn things_of(&self, reach: &Reach) -> BTreeSet<ThingName> {
        let mut things = reach.things.clone();
        for (group, id) in &reach.groups {
            if self.groups.get(group).is_some_and(|found| found.id == *id) {
                things.extend(self.members(group));
            }
        }
        things
    }

    /// Whether one of `groups` is a target: a group made anew under an old name is another one.
    fn is_aimed_at(&self, job: &Job, groups: &[&GroupName]) -> bool {
        job.reach.groups.iter().any(|(name, id)| {
            let found = self.groups.get(name);
            groups.contains(&name) && found.is_some_and(|group| group.id == *id)
        })
    }

    fn continuous_jobs(&self, which: impl Fn(&Job) -> bool) -> Vec<JobId> {
        let jobs = self.jobs.iter().filter(|(_, job)| {
            job.terms.selection == TargetSelection::Continuous && job.is_running() && which(job)
        });
        jobs.map(|(id, _)| id.clone()).collect()
    }

    /// Gives `thing` an execution unless one is open there, or waits to be rolled out.
    fn admit(&mut self, id: &JobId, thing: &ThingName, now: Timestamp) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let latest = job.latest(thing).map(|(_, execution)| execution.status);
        let open = latest.is_some_and(ExecutionStatus::is_pending);
        if !open && !job.awaits(thing) {
            self.give(id, thing, Retries::default(), now);
        }
    }

    fn dismiss(&mut self, id: &JobId, thing: &ThingName, now: Timestamp) {
        self.no_longer_reach(id, thing, now);
        let job = self.jobs.get(id);
        let queued = job.and_then(|job| job.latest_id(id, thing, ExecutionStatus::Queued));
        if let Some(queued) = queued {
            self.change(&queued, now, |execution| execution.remove(now));
        }
    }
}

/// Checks what AWS's service model says of targets.
pub(super) fn check_targets(violations: &mut Violations, targets: Option<&Vec<String>>) {
    violations.required("targets", targets);
    if targets.is_some_and(Vec::is_empty) {
        let rule = "Member must have length greater than or equal to 1";
        violations.note("[]", "targets", rule);
    }
    for (index, target) in targets.into_iter().flatten().enumerate() {
        violations.text(&format!("targets.{}.member", index + 1), target, TARGET);
    }
}
