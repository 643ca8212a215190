//! What holds after any sequence of operations.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::operation::PendingSummary;
use crate::model::request::{CancelJobExecution, DeleteJob, DeleteJobExecution};
use crate::model::status::ExecutionStatus;

use super::*;

const THINGS: [&str; 2] = ["gw-1", "gw-2"];
const JOBS: [&str; 4] = ["J0", "J1", "J2", "J3"];
const NAMESPACES: [Option<&str>; 3] = [None, Some("acme"), Some("other")];
const STATUSES: [&str; 5] = ["IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED", "QUEUED"];

#[derive(Debug, Clone)]
enum Step {
    CancelExecution {
        thing: usize,
        job: usize,
        force: bool,
    },
    CancelJob {
        job: usize,
        force: bool,
    },
    CreateJob {
        job: usize,
        namespace: usize,
        both: bool,
        windows: bool,
    },
    DeleteExecution {
        thing: usize,
        job: usize,
        force: bool,
    },
    DeleteJob {
        job: usize,
        force: bool,
    },
    LeaveAndReturn {
        thing: usize,
    },
    StartNext {
        thing: usize,
        namespace: usize,
        minutes: i64,
    },
    Update {
        thing: usize,
        job: usize,
        status: usize,
        minutes: Option<i64>,
    },
    Wait {
        secs: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (things, jobs) = (0..THINGS.len(), 0..JOBS.len());
    prop_oneof![
        1 => (things.clone(), jobs.clone(), any::<bool>())
            .prop_map(|(thing, job, force)| Step::CancelExecution { thing, job, force }),
        1 => (jobs.clone(), any::<bool>()).prop_map(|(job, force)| Step::CancelJob { job, force }),
        6 => (jobs.clone(), 0..NAMESPACES.len(), any::<bool>(), any::<bool>())
            .prop_map(|(job, namespace, both, windows)| {
                Step::CreateJob { job, namespace, both, windows }
            }),
        1 => (things.clone(), jobs.clone(), any::<bool>())
            .prop_map(|(thing, job, force)| Step::DeleteExecution { thing, job, force }),
        1 => (jobs.clone(), any::<bool>()).prop_map(|(job, force)| Step::DeleteJob { job, force }),
        1 => things.clone().prop_map(|thing| Step::LeaveAndReturn { thing }),
        3 => (things.clone(), 0..NAMESPACES.len(), 1..4_i64)
            .prop_map(|(thing, namespace, minutes)| Step::StartNext { thing, namespace, minutes }),
        6 => (things, jobs, 0..STATUSES.len(), proptest::option::of(1..4_i64)).prop_map(
            |(thing, job, status, minutes)| Step::Update { thing, job, status, minutes }
        ),
        3 => (0..200_u64).prop_map(|secs| Step::Wait { secs }),
        3 => (0..4000_u64).prop_map(|secs| Step::Wait { secs }),
    ]
}

/// A window in every hour from the next one on, for three hours.
fn schedule(now: u64) -> Value {
    let minute = |after: u64| crate::model::calendar::print_minute((NOON + now) / 60 + after);
    let behaviors = ["STOP_ROLLOUT", "CANCEL", "FORCE_CANCEL"];
    json!({
        "startTime": minute(31),
        "endTime": minute(211),
        "endBehavior": behaviors.iter().cycle().nth(now as usize % 3),
        "maintenanceWindows": [{"startTime": "20 * * * ? *", "durationInMinutes": 25}],
    })
}

/// The model beside what its devices were told.
struct Watch {
    model: Model,
    now: u64,
    lists: BTreeMap<(ThingName, Option<NamespaceId>), BTreeSet<String>>,
    /// By the order in which executions are made, which tells apart all there ever were.
    firsts: BTreeMap<(ThingName, Option<NamespaceId>), u64>,
    seen: BTreeMap<(String, &'static str, u64), (u64, ExecutionStatus)>,
}

impl Watch {
    fn new() -> Self {
        let mut model = Model::new(Knobs::default());
        THINGS.iter().for_each(|name| add_thing(&mut model, name));
        Self {
            model,
            now: 0,
            lists: BTreeMap::new(),
            firsts: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Whether the step is legal where it falls is the model's to say.
    fn take(&mut self, step: &Step) {
        let now = at(self.now);
        let model = &mut self.model;
        match *step {
            Step::CancelExecution { thing, job, force } => {
                let request = CancelJobExecution {
                    job_id: JOBS[job].to_owned(),
                    thing_name: THINGS[thing].to_owned(),
                    force,
                    ..CancelJobExecution::default()
                };
                let _ = model.cancel_job_execution(request, now);
            }
            Step::CancelJob { job, force } => {
                let request = CancelJob {
                    job_id: JOBS[job].to_owned(),
                    force,
                    ..CancelJob::default()
                };
                let _ = model.cancel_job(&scope(), request, now);
            }
            Step::CreateJob {
                job,
                namespace,
                both,
                windows,
            } => {
                let mut members = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 2}});
                members["namespaceId"] = json!(NAMESPACES[namespace]);
                let targets = THINGS.map(thing_arn);
                members["targets"] = json!(if both { &targets[..] } else { &targets[..1] });
                if windows {
                    members["targetSelection"] = json!("CONTINUOUS");
                    members["schedulingConfig"] = schedule(self.now);
                }
                let request = create_request(JOBS[job], members);
                let _ = model.create_job(&scope(), request, now);
            }
            Step::DeleteExecution { thing, job, force } => {
                let request = DeleteJobExecution {
                    job_id: JOBS[job].to_owned(),
                    thing_name: THINGS[thing].to_owned(),
                    execution_number: 1,
                    force,
                    namespace_id: None,
                };
                let _ = model.delete_job_execution(&request, now);
            }
            Step::DeleteJob { job, force } => {
                let request = DeleteJob {
                    job_id: JOBS[job].to_owned(),
                    force,
                    namespace_id: None,
                };
                let _ = model.delete_job(&request, now);
            }
            Step::LeaveAndReturn { thing } => {
                model.delete_thing(THINGS[thing], None, now).unwrap();
                add_thing(model, THINGS[thing]);
            }
            Step::StartNext { .. } | Step::Update { .. } => self.device(step),
            Step::Wait { secs } => {
                self.now += secs;
                model.advance(at(self.now));
            }
        }
    }

    fn device(&mut self, step: &Step) {
        let now = at(self.now);
        match *step {
            Step::StartNext {
                thing: name,
                namespace,
                minutes,
            } => {
                let namespace = NAMESPACES[namespace].and_then(NamespaceId::parse);
                let request = StartNext {
                    step_timeout_in_minutes: Some(minutes),
                    ..StartNext::default()
                };
                let name = thing(THINGS[name]);
                let started = self
                    .model
                    .start_next(&name, namespace.as_ref(), &request, now);
                let started = started.unwrap().map(|execution| execution.status);
                assert!(started.is_none_or(|status| status == ExecutionStatus::InProgress));
            }
            Step::Update {
                thing: name,
                job: id,
                status,
                minutes,
            } => {
                let request = Update {
                    status: Some(STATUSES[status].to_owned()),
                    step_timeout_in_minutes: minutes,
                    ..Update::default()
                };
                for namespace in NAMESPACES {
                    let namespace = namespace.and_then(NamespaceId::parse);
                    let name = thing(THINGS[name]);
                    let _ =
                        self.model
                            .update(&name, namespace.as_ref(), &job(JOBS[id]), &request, now);
                }
            }
            Step::CancelExecution { .. }
            | Step::CancelJob { .. }
            | Step::CreateJob { .. }
            | Step::DeleteExecution { .. }
            | Step::DeleteJob { .. }
            | Step::LeaveAndReturn { .. }
            | Step::Wait { .. } => unreachable!("not a device's step"),
        }
    }

    /// Takes in what devices are told; each message must say something new.
    fn listen(&mut self) {
        for effect in self.model.take_effects() {
            match effect {
                Effect::Notify {
                    thing,
                    namespace,
                    pending,
                    ..
                } => {
                    let list = jobs_of(&pending);
                    let old = self.lists.insert((thing, namespace), list.clone());
                    assert_ne!(old.unwrap_or_default(), list, "told twice");
                }
                Effect::NotifyNext {
                    thing,
                    namespace,
                    next,
                } => {
                    let first =
                        next.map(|next| self.order(&thing, &next.job_id, next.execution_number));
                    let place = (thing, namespace);
                    let old = match first {
                        Some(first) => self.firsts.insert(place, first),
                        None => self.firsts.remove(&place),
                    };
                    assert_ne!(old, first, "told twice");
                }
            }
        }
    }

    fn check(&mut self) {
        for name in THINGS.map(thing) {
            let mut heads = Vec::new();
            for namespace in NAMESPACES {
                let namespace = namespace.and_then(NamespaceId::parse);
                let pending = self.model.pending_job_executions(&name, namespace.as_ref());
                let pending = pending.unwrap();
                let place = (name.clone(), namespace.clone());
                let told = self.lists.get(&place).cloned().unwrap_or_default();
                assert_eq!(told, jobs_of(&pending), "{place:?}");
                let head = pending
                    .in_progress_jobs
                    .first()
                    .or(pending.queued_jobs.first());
                let order = head.map(|head| self.order_of(&name, head));
                heads.push((place, order));
            }
            let whole = self.whole_head(&name);
            for (place, head) in heads {
                let told = self.firsts.get(&place).copied();
                if place.1.is_none() || head.is_none() || head == whole {
                    assert_eq!(told, head, "{place:?}");
                }
            }
        }
        self.check_executions();
    }

    /// The first pending execution of all namespaces.
    fn whole_head(&self, name: &ThingName) -> Option<u64> {
        let all = NAMESPACES.map(|namespace| {
            let namespace = namespace.and_then(NamespaceId::parse);
            self.model.pending(name, namespace.as_ref())
        });
        let order = |summary: &PendingSummary| self.order_of(name, summary);
        let started = all.iter().flat_map(|pending| &pending.in_progress_jobs);
        let queued = all.iter().flat_map(|pending| &pending.queued_jobs);
        started.map(order).min().or_else(|| queued.map(order).min())
    }

    fn order_of(&self, name: &ThingName, summary: &PendingSummary) -> u64 {
        self.order(name, &summary.job_id, summary.execution_number)
    }

    fn order(&self, name: &ThingName, id: &JobId, number: u64) -> u64 {
        self.model.jobs[id].executions[&(name.clone(), number)].order
    }

    fn check_executions(&mut self) {
        let mut seen = BTreeMap::new();
        let mut running = 0;
        for (id, job) in &self.model.jobs {
            let mut counts = BTreeMap::new();
            for ((name, number), execution) in &job.executions {
                *counts.entry(execution.status).or_insert(0) += 1;
                running += usize::from(execution.deadline().is_some());
                let name = THINGS
                    .iter()
                    .find(|thing| **thing == name.as_str())
                    .unwrap();
                // A job made anew under an old id is another one.
                let life = format!("{id}/{}/{}", job.order, execution.order);
                seen.insert(
                    (life, *name, *number),
                    (execution.version, execution.status),
                );
            }
            for status in ExecutionStatus::ALL {
                assert_eq!(job.count(status), counts.get(&status).copied().unwrap_or(0));
            }
            let open = job.count(ExecutionStatus::Queued) + job.count(ExecutionStatus::InProgress);
            let in_progress = job.status().as_str() == "IN_PROGRESS";
            let awaits_end = job.has_windows();
            assert!(
                !in_progress || open > 0 || awaits_end,
                "{id} has nothing open"
            );
        }
        assert_eq!(
            self.model.deadlines.len(),
            running,
            "a timer too many or too few"
        );
        assert!(
            self.model
                .next_deadline()
                .is_none_or(|deadline| deadline > at(self.now))
        );
        for (name, (version, status)) in &seen {
            if let Some((old_version, old_status)) = self.seen.get(name) {
                assert!(version >= old_version, "{name:?} went back");
                assert!(
                    !old_status.is_terminal() || old_status == status,
                    "{name:?} came back"
                );
            }
        }
        self.seen = seen;
    }
}

fn jobs_of(pending: &Pending) -> BTreeSet<String> {
    let all = pending.in_progress_jobs.iter().chain(&pending.queued_jobs);
    all.map(|summary| summary.job_id.to_string()).collect()
}

proptest! {
    #[test]
    fn books_and_notifications_are_true_to_the_executions(steps in vec(step(), 1..60)) {
        let mut watch = Watch::new();
        for step in &steps {
            watch.take(step);
            watch.listen();
            watch.check();
        }
    }
}
