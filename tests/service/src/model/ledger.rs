//! Where executions come, change and go, and what their devices are told of it.
//!
//! [`Model::put`] is the only way in. It keeps the counters, the timers and each thing's queue true
//! to the executions, and appends the notifications (developer guide, jobs-comm-notifications):
//!
//! * *notify* when an execution enters or leaves the pending ones of its namespace,
//! * *notify-next* when another execution is the first of them; but that of a namespace only once
//!   it is also the first of the whole thing (aws-greengrass-lite issue #1151).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::document::Document;
use super::execution::{Execution, ExecutionId};
use super::job::Job;
use super::names::{JobId, NamespaceId, ThingName};
use super::operation::{JobExecution, Pending, PendingSummary};
use super::quotas::limit;
use super::retry::Retries;
use super::status::ExecutionStatus;
use super::time::Timestamp;
use super::timeline::{Origin, What};
use super::{Effect, Model};

type Numbered = (JobId, u64);

/// The executions on one thing.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Every execution, over or not.
    pub(super) all: BTreeSet<Numbered>,
    /// The ones that are queued or in progress.
    pub(super) pending: BTreeSet<Numbered>,
}

/// One pending execution.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) id: &'a JobId,
    pub(super) number: u64,
    pub(super) job: &'a Job,
    pub(super) execution: &'a Execution,
}

impl Model {
    /// Gives `thing` a first or further execution of `job`.
    pub(super) fn enqueue(
        &mut self,
        job: &JobId,
        thing: &ThingName,
        retries: Retries,
        origin: Origin,
        now: Timestamp,
    ) {
        let latest = self.jobs.get(job).and_then(|job| job.latest(thing));
        let id = ExecutionId {
            thing: thing.clone(),
            job: job.clone(),
            number: latest.map_or(1, |(number, _)| number + 1),
        };
        let mut execution = Execution::queued(self.next_order(), retries, now);
        execution.timeline.note(now, What::Queued(origin));
        self.put(&id, Some(execution), now);
    }

    /// Changes an execution, if it exists.
    pub(super) fn change(
        &mut self,
        id: &ExecutionId,
        now: Timestamp,
        change: impl FnOnce(&mut Execution),
    ) {
        let Some(mut execution) = self.execution(id).cloned() else {
            return;
        };
        change(&mut execution);
        self.put(id, Some(execution), now);
    }

    /// The execution that `id` names.
    pub(super) fn execution(&self, id: &ExecutionId) -> Option<&Execution> {
        let key = (id.thing.clone(), id.number);
        self.jobs.get(&id.job)?.executions.get(&key)
    }

    /// Stores an execution, or forgets it.
    pub(super) fn put(&mut self, id: &ExecutionId, new: Option<Execution>, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let namespace = job.namespace.clone();
        let hidden = job.hidden;
        let status = new.as_ref().map(|execution| execution.status);
        let deadline = new.as_ref().and_then(Execution::deadline);
        let old = job.replace(id, new);

        if let Some(deadline) = old.as_ref().and_then(Execution::deadline) {
            self.deadlines.remove(&(deadline, id.clone()));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id.clone()));
        }
        let was_pending = old
            .as_ref()
            .is_some_and(|execution| execution.status.is_pending());
        let is_pending = status.is_some_and(ExecutionStatus::is_pending);
        let before = old.as_ref().map(|execution| execution.status);
        self.line_up(id, before, status);

        if was_pending != is_pending && !hidden {
            self.effects.push(Effect::Notify {
                thing: id.thing.clone(),
                job: id.job.clone(),
                pending: self.pending(&id.thing, namespace.as_ref()),
                namespace,
            });
        }
        self.tell_next(&id.thing, now);
        if self.queues.get(&id.thing).is_some_and(|q| q.all.is_empty()) {
            self.queues.remove(&id.thing);
        }
        if let Some(old) = &old {
            self.note_execution(id, old, now);
        }
        if was_pending && !is_pending {
            self.follow_up(id, status, now);
        }
    }

    /// Puts an execution where it belongs in its thing's queue, or takes it out.
    pub(super) fn line_up(
        &mut self,
        id: &ExecutionId,
        before: Option<ExecutionStatus>,
        after: Option<ExecutionStatus>,
    ) {
        let is_pending = |status: Option<_>| status.is_some_and(ExecutionStatus::is_pending);
        let queue = self.queues.entry(id.thing.clone()).or_default();
        set_membership(&mut queue.all, id, before.is_some(), after.is_some());
        set_membership(
            &mut queue.pending,
            id,
            is_pending(before),
            is_pending(after),
        );
    }

    /// What the end of an execution means for its job: an abort first, as it leaves no retry. One
    /// that was deleted has not failed.
    fn follow_up(&mut self, id: &ExecutionId, status: Option<ExecutionStatus>, now: Timestamp) {
        if status.is_some() {
            self.abort_if_failing(&id.job, now);
            self.retry(id, now);
        }
        self.complete_if_over(&id.job, now);
    }

    /// Does everything that is due at `now`, in order: executions time out, jobs open, shut and end,
    /// jobs roll on.
    pub(super) fn fire_timers(&mut self, now: Timestamp) {
        let slack = self.knobs.timeout_slack();
        while let Some(due) = self.next_deadline().filter(|due| *due <= now) {
            let timer = self.deadlines.first().cloned();
            let edge = self.edges.first().cloned();
            if let Some((_, id)) = timer.filter(|(deadline, _)| deadline.plus(slack) == due) {
                self.change(&id, due, |execution| execution.time_out(due));
            } else if let Some((_, id)) = edge.filter(|(edge, _)| *edge == due) {
                self.pass_edge(&id, due);
            } else if let Some((_, id)) = self.ticks.first().cloned() {
                self.tick(&id, due);
            }
        }
    }

    /// Tells the devices that have open executions of a job that these came into the lists, or left.
    pub(super) fn tell_things_of(&mut self, id: &JobId, now: Timestamp) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let namespace = job.namespace.clone();
        let open = job.ids(id, |execution| execution.status.is_pending());
        let things: Vec<_> = open.map(|id| id.thing).collect();
        for thing in things {
            self.effects.push(Effect::Notify {
                pending: self.pending(&thing, namespace.as_ref()),
                thing: thing.clone(),
                job: id.clone(),
                namespace: namespace.clone(),
            });
            self.tell_next(&thing, now);
        }
    }

    /// The names of all executions on a thing.
    pub(super) fn executions_on(&self, thing: &ThingName) -> Vec<ExecutionId> {
        let all = self.queues.get(thing).map(|queue| &queue.all);
        all.into_iter()
            .flatten()
            .map(|(job, number)| ExecutionId {
                thing: thing.clone(),
                job: job.clone(),
                number: *number,
            })
            .collect()
    }

    /// What is pending on a thing in any namespace, first to last, and not hidden by a schedule.
    pub(super) fn queue(&self, thing: &ThingName) -> Vec<Entry<'_>> {
        let pending = self.queues.get(thing).map(|queue| &queue.pending);
        let mut entries: Vec<_> = pending
            .into_iter()
            .flatten()
            .filter_map(|(id, number)| self.entry(thing, id, *number))
            .filter(|entry| !entry.job.hidden)
            .collect();
        entries.sort_by_key(|entry| entry.execution.rank());
        entries
    }

    fn entry<'a>(&'a self, thing: &ThingName, id: &'a JobId, number: u64) -> Option<Entry<'a>> {
        let job = self.jobs.get(id)?;
        let execution = job.executions.get(&(thing.clone(), number))?;
        Some(Entry {
            id,
            number,
            job,
            execution,
        })
    }

    /// The first pending execution of a namespace.
    pub(super) fn first(
        &self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
    ) -> Option<Entry<'_>> {
        let queue = self.queue(thing);
        queue
            .into_iter()
            .find(|entry| entry.job.namespace.as_ref() == namespace)
    }

    /// The pending lists of a namespace.
    pub fn pending(&self, thing: &ThingName, namespace: Option<&NamespaceId>) -> Pending {
        let mut pending = Pending::default();
        let queue = self.queue(thing);
        let quotas = &self.knobs.quotas;
        let (mut shown, mut more) = (0, 0);
        let in_namespace = queue
            .iter()
            .filter(|entry| entry.job.namespace.as_ref() == namespace);
        for entry in in_namespace {
            if shown < limit(quotas.pending_executions) {
                shown += 1;
            } else if more < limit(quotas.pending_executions_in_window) && entry.job.has_windows() {
                more += 1;
            } else {
                continue;
            }
            let list = if entry.execution.status == ExecutionStatus::InProgress {
                &mut pending.in_progress_jobs
            } else {
                &mut pending.queued_jobs
            };
            list.push(entry.summary());
        }
        pending
    }

    fn tell_next(&mut self, thing: &ThingName, now: Timestamp) {
        let queue = self.queue(thing);
        let whole = queue.first().map(Entry::order);
        let mut heads = BTreeMap::new();
        for entry in &queue {
            heads.entry(entry.job.namespace.clone()).or_insert(*entry);
        }
        let told = self.told.get(thing).map(|told| &told.0);
        let told_before = told.into_iter().flatten().map(|(namespace, _)| namespace);
        let namespaces: BTreeSet<_> = heads.keys().chain(told_before).collect();

        let mut news = Vec::new();
        for namespace in namespaces {
            let head = heads.get(namespace);
            let order = head.map(Entry::order);
            let heads_all = order == whole || self.knobs.notify_next_per_namespace;
            let hidden = namespace.is_some() && head.is_some() && !heads_all;
            let known = told.and_then(|told| told.get(namespace).copied());
            if !hidden && known != order {
                let next = head.map(|head| Box::new(head.seen(thing, true, now)));
                news.push((namespace.clone(), order, next));
            }
        }
        for (namespace, order, next) in news {
            self.note_told(thing, namespace.clone(), order);
            if let Some(next) = &next {
                self.note_offer(next, now);
            }
            self.effects.push(Effect::NotifyNext {
                thing: thing.clone(),
                namespace,
                next,
            });
        }
    }
}

impl Entry<'_> {
    /// The name of the execution, which is one of `thing`.
    pub(super) fn execution_id(&self, thing: &ThingName) -> ExecutionId {
        ExecutionId {
            thing: thing.clone(),
            job: self.id.clone(),
            number: self.number,
        }
    }

    /// Which of all executions ever made this is.
    pub(super) fn order(&self) -> u64 {
        self.execution.order
    }

    fn summary(&self) -> PendingSummary {
        PendingSummary {
            job_id: self.id.clone(),
            queued_at: self.execution.queued_at,
            last_updated_at: self.execution.last_updated_at,
            started_at: self.execution.started_at,
            execution_number: self.number,
            version_number: self.execution.version,
        }
    }

    /// The execution as its device sees it.
    pub(super) fn seen(
        &self,
        thing: &ThingName,
        with_document: bool,
        now: Timestamp,
    ) -> JobExecution {
        JobExecution {
            job_id: self.id.clone(),
            thing_name: thing.clone(),
            document: with_document.then(|| self.job.document(&self.execution_id(thing))),
            status: self.execution.status,
            status_details: self.execution.status_details.clone(),
            queued_at: self.execution.queued_at,
            started_at: self.execution.started_at,
            last_updated_at: self.execution.last_updated_at,
            version_number: self.execution.version,
            execution_number: self.number,
            approximate_seconds_before_timed_out: self.execution.seconds_left(now),
        }
    }
}

impl Job {
    /// The document, to be read by the device that runs `execution`.
    pub(super) fn document(&self, execution: &ExecutionId) -> Document {
        Document {
            text: Arc::clone(&self.document),
            execution: execution.clone(),
            expires: self.presigned_for(),
        }
    }
}

fn set_membership(set: &mut BTreeSet<Numbered>, id: &ExecutionId, was: bool, is: bool) {
    let numbered = || (id.job.clone(), id.number);
    match (was, is) {
        (false, true) => drop(set.insert(numbered())),
        (true, false) => drop(set.remove(&numbered())),
        (false, false) | (true, true) => {}
    }
}
