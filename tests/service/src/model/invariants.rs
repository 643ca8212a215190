//! What is true of a model between two operations, whatever they were.
//!
//! Property tests and fuzz targets ask [`Model::check`] after every step; the service never does.

use std::collections::{BTreeMap, BTreeSet};

use super::Model;
use super::execution::{Execution, ExecutionId};
use super::job::Job;
use super::names::JobId;
use super::quotas::limit;
use super::status::{ExecutionStatus, JobStatus};
use super::time::Timestamp;

impl Model {
    /// Compares what the model knows twice: counters, queues and timers with the executions, and
    /// targets with the registry; and the jobs that roll out with their quota.
    ///
    /// # Panics
    ///
    /// Panics if they differ, if something was due by `now` and is not done, or if more jobs roll out than may:
    /// as they do for a while after the quota was lowered, which who checks must not do.
    pub fn check(&self, now: Timestamp) {
        let due = self.next_deadline();
        assert!(due.is_none_or(|due| due > now), "{due:?} has passed");
        for (id, job) in &self.jobs {
            check_counters(id, job);
            self.check_targets(id, job);
            assert!(!job.is_over(), "{id} has nothing to do");
        }
        let rolling_out = self.jobs.values().filter(|job| job.is_rolling_out());
        let quota = limit(self.knobs.quotas.concurrent_jobs);
        assert!(rolling_out.count() <= quota, "more than {quota} roll out");
        self.check_timers();
        self.check_queues();
        self.check_catalog();
        for (name, group) in &self.groups {
            for above in self.lineage(name) {
                assert!(self.groups.contains_key(above), "{name} is below nothing");
            }
            for thing in group.members.keys() {
                assert!(self.things.contains_key(thing), "{name} has a dead member");
            }
        }
    }

    fn check_timers(&self) {
        let running = self.all_executions();
        let deadlines = running.filter_map(|(id, execution)| Some((execution.deadline()?, id)));
        assert_eq!(self.deadlines, deadlines.collect(), "timers");
        let edges = self.jobs.iter();
        let edges = edges.filter_map(|(id, job)| Some((job.edge?, id.clone())));
        assert_eq!(self.edges, edges.collect(), "edges");

        let has_more = |job: &Job| match job.status() {
            // It rolls out, or waits for its turn to.
            JobStatus::InProgress => !job.rollout.waiting.is_empty(),
            JobStatus::DeletionInProgress => true,
            JobStatus::Canceled | JobStatus::Completed | JobStatus::Scheduled => false,
        };
        let due = self.jobs.iter().filter(|(_, job)| has_more(job));
        let due: BTreeSet<_> = due.map(|(id, _)| id).collect();
        let ticks: Vec<_> = self.ticks.iter().map(|(_, id)| id).collect();
        assert_eq!(ticks.len(), due.len(), "a tick too many or too few");
        assert!(ticks.iter().all(|id| due.contains(id)), "a tick in vain");
    }

    fn check_queues(&self) {
        let mut all = BTreeMap::<_, BTreeSet<_>>::new();
        let mut pending = BTreeMap::<_, BTreeSet<_>>::new();
        for (id, execution) in self.all_executions() {
            let numbered = (id.job, id.number);
            if execution.status.is_pending() {
                let pending = pending.entry(id.thing.clone()).or_default();
                pending.insert(numbered.clone());
            }
            all.entry(id.thing).or_default().insert(numbered);
        }
        let names: Vec<_> = self.queues.keys().collect();
        assert_eq!(names, all.keys().collect::<Vec<_>>(), "queues");
        for (name, queue) in &self.queues {
            assert_eq!(Some(&queue.all), all.get(name), "{name}");
            let pending = pending.remove(name).unwrap_or_default();
            assert_eq!(queue.pending, pending, "{name}");
            let mut numbers = pending.iter().map(|(job, _)| job);
            let mut seen = BTreeSet::new();
            assert!(numbers.all(|job| seen.insert(job)), "{name} is asked twice");
        }
    }

    fn check_catalog(&self) {
        let catalog = &self.packages;
        for (package, version) in catalog.versions.keys() {
            let is_known = catalog.packages.contains_key(package);
            assert!(is_known, "{version} is of no package");
        }
        for (name, package) in &catalog.packages {
            if let Some(default) = &package.default_version {
                let found = catalog.version(name, default);
                let is_deployable = found.is_some_and(|version| version.status.is_deployable());
                assert!(is_deployable, "{default} of {name} cannot be the default");
            }
        }
    }

    /// Who is no target waits for nothing, and is not asked to begin.
    fn check_targets(&self, id: &JobId, job: &Job) {
        for ((name, number), execution) in &job.executions {
            if execution.status.is_pending() {
                assert!(
                    !job.rollout.waiting.contains_key(name),
                    "{id} waits for {name}"
                );
                let latest = job.latest(name).map(|(number, _)| number);
                assert_eq!(latest, Some(*number), "{id} is open twice on {name}");
                assert!(self.things.contains_key(name), "{id} waits for no thing");
            }
            if job.is_running() && execution.status == ExecutionStatus::Queued {
                assert!(self.is_target(job, name), "{id} is queued on {name}");
            }
        }
        for name in job.rollout.waiting.keys().chain(job.deferred.keys()) {
            assert!(job.is_running(), "{id} waits for {name}, but is over");
            assert!(self.is_target(job, name), "{id} waits for {name}");
            assert!(self.things.contains_key(name), "{id} waits for no thing");
        }
    }

    fn all_executions(&self) -> impl Iterator<Item = (ExecutionId, &Execution)> {
        self.jobs.iter().flat_map(|(job, found)| {
            found.executions.iter().map(|((thing, number), execution)| {
                let id = ExecutionId {
                    thing: thing.clone(),
                    job: job.clone(),
                    number: *number,
                };
                (id, execution)
            })
        })
    }
}

fn check_counters(id: &JobId, job: &Job) {
    for status in ExecutionStatus::ALL {
        let executions = job.executions.values();
        let counted = executions.filter(|execution| execution.status == status);
        assert_eq!(job.count(status), counted.count(), "{id} {status:?}");
    }
}
