//! What holds after any sequence of operations.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::AtConcurrencyLimit;
use crate::model::events::Event;
use crate::model::operation::PendingSummary;
use crate::model::request::{CancelJobExecution, DeleteJob, DeleteJobExecution, UpdateJob};
use crate::model::status::{ExecutionStatus, JobStatus};

use super::*;

const THINGS: [&str; 3] = ["gw-1", "gw-2", "gw-3"];
/// The second is below the first.
const GROUPS: [&str; 2] = ["site", "hall"];
const JOBS: [&str; 4] = ["J0", "J1", "J2", "J3"];
const NAMESPACES: [Option<&str>; 3] = [None, Some("acme"), Some("other")];
/// Things and groups.
const TARGETS: [&[&str]; 4] = [
    &["gw-1"],
    &["gw-1", "gw-2", "gw-3"],
    &["site"],
    &["gw-1", "hall"],
];
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
        targets: usize,
        rules: Rules,
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
    Join {
        thing: usize,
        group: usize,
    },
    Leave {
        thing: usize,
        group: usize,
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
    UpdateJob {
        job: usize,
        per_minute: u64,
    },
    Wait {
        secs: u64,
    },
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    aborts: bool,
    continuous: bool,
    per_minute: Option<u64>,
    retries: Option<u64>,
    windows: bool,
}

fn rules() -> impl Strategy<Value = Rules> {
    let per_minute = proptest::option::of(1..3_u64);
    let retries = proptest::option::of(0..3_u64);
    let windows = proptest::bool::weighted(0.3);
    (any::<bool>(), any::<bool>(), per_minute, retries, windows).prop_map(
        |(aborts, continuous, per_minute, retries, windows)| Rules {
            aborts,
            continuous,
            per_minute,
            retries,
            windows,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let (things, jobs, groups) = (0..THINGS.len(), 0..JOBS.len(), 0..GROUPS.len());
    prop_oneof![
        1 => (things.clone(), jobs.clone(), any::<bool>())
            .prop_map(|(thing, job, force)| Step::CancelExecution { thing, job, force }),
        1 => (jobs.clone(), any::<bool>()).prop_map(|(job, force)| Step::CancelJob { job, force }),
        6 => (jobs.clone(), 0..NAMESPACES.len(), 0..TARGETS.len(), rules()).prop_map(
            |(job, namespace, targets, rules)| Step::CreateJob { job, namespace, targets, rules }
        ),
        1 => (things.clone(), jobs.clone(), any::<bool>())
            .prop_map(|(thing, job, force)| Step::DeleteExecution { thing, job, force }),
        1 => (jobs.clone(), any::<bool>()).prop_map(|(job, force)| Step::DeleteJob { job, force }),
        4 => (things.clone(), groups.clone()).prop_map(|(thing, group)| Step::Join { thing, group }),
        2 => (things.clone(), groups).prop_map(|(thing, group)| Step::Leave { thing, group }),
        1 => things.clone().prop_map(|thing| Step::LeaveAndReturn { thing }),
        1 => (jobs.clone(), 1..4_u64)
            .prop_map(|(job, per_minute)| Step::UpdateJob { job, per_minute }),
        3 => (things.clone(), 0..NAMESPACES.len(), 1..4_i64)
            .prop_map(|(thing, namespace, minutes)| Step::StartNext { thing, namespace, minutes }),
        6 => (things, jobs, 0..STATUSES.len(), proptest::option::of(1..4_i64)).prop_map(
            |(thing, job, status, minutes)| Step::Update { thing, job, status, minutes }
        ),
        3 => (0..200_u64).prop_map(|secs| Step::Wait { secs }),
        2 => (0..4000_u64).prop_map(|secs| Step::Wait { secs }),
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

/// Tells apart every execution there ever was: the life of its job, its thing and its number.
type Name = (String, String, u64);

/// The model beside what its devices and its watchers were told.
struct Watch {
    model: Model,
    now: u64,
    lists: BTreeMap<(ThingName, Option<NamespaceId>), BTreeSet<String>>,
    /// By the order in which executions are made, which tells apart all there ever were.
    firsts: BTreeMap<(ThingName, Option<NamespaceId>), u64>,
    seen: BTreeMap<Name, (u64, ExecutionStatus)>,
    jobs: BTreeMap<u64, (JobId, JobStatus)>,
    /// The events of the last step.
    events: Vec<String>,
}

impl Watch {
    fn new(knobs: Knobs) -> Self {
        let mut model = Model::new(Knobs {
            events: true,
            ..knobs
        });
        THINGS.iter().for_each(|name| add_thing(&mut model, name));
        create_group(&mut model, GROUPS[0], None).unwrap();
        create_group(&mut model, GROUPS[1], Some(GROUPS[0])).unwrap();
        Self {
            model,
            now: 0,
            lists: BTreeMap::new(),
            firsts: BTreeMap::new(),
            seen: BTreeMap::new(),
            jobs: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    fn walk(&mut self, steps: &[Step]) {
        for step in steps {
            self.take(step);
            self.listen();
            self.check();
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
                targets,
                rules,
            } => {
                let mut members = members(targets, rules, self.now);
                members["namespaceId"] = json!(NAMESPACES[namespace]);
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
            Step::Join { thing, group } => join(model, GROUPS[group], THINGS[thing], now),
            Step::Leave { thing, group } => leave(model, GROUPS[group], THINGS[thing], now),
            Step::LeaveAndReturn { thing } => {
                model.delete_thing(THINGS[thing], None, now).unwrap();
                add_thing(model, THINGS[thing]);
            }
            Step::StartNext { .. } | Step::Update { .. } => self.device(step),
            Step::UpdateJob { job, per_minute } => {
                let body = json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": per_minute}});
                let mut request: UpdateJob = serde_json::from_value(body).unwrap();
                request.job_id = JOBS[job].to_owned();
                let _ = model.update_job(request, now);
            }
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
            | Step::Join { .. }
            | Step::Leave { .. }
            | Step::LeaveAndReturn { .. }
            | Step::UpdateJob { .. }
            | Step::Wait { .. } => unreachable!("not a device's step"),
        }
    }

    /// Takes in what devices are told; each message must say something new.
    fn listen(&mut self) {
        for effect in self.model.take_effects() {
            match effect {
                Effect::Event(event) => self.events.push(in_short(&event)),
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
        self.check_jobs();
        self.check_targets();
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
        let (mut running, mut rolling) = (0, 0);
        for (id, job) in &self.model.jobs {
            let mut counts = BTreeMap::new();
            for ((name, number), execution) in &job.executions {
                *counts.entry(execution.status).or_insert(0) += 1;
                running += usize::from(execution.deadline().is_some());
                // A job made anew under an old id is another one.
                let life = format!("{id}/{}/{}", job.order, execution.order);
                seen.insert(
                    (life, name.to_string(), *number),
                    (execution.version, execution.status),
                );
            }
            for status in ExecutionStatus::ALL {
                assert_eq!(job.count(status), counts.get(&status).copied().unwrap_or(0));
            }
            // Or it waits for its turn to.
            let waits = !job.rollout.waiting.is_empty();
            rolling += usize::from(job.status() == JobStatus::InProgress && waits);
            assert!(!job.is_over(), "{id} has nothing to do");
        }
        assert_eq!(
            self.model.ticks.len(),
            rolling,
            "a tick too many or too few"
        );
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
        let is_over = |name: &Name| {
            let before = self.seen.get(name);
            before.is_some_and(|(_, status)| status.is_terminal())
        };
        let ended = seen
            .iter()
            .filter(|(name, (_, status))| status.is_terminal() && !is_over(name))
            .map(|(name, (_, status))| (name, status.as_str().to_lowercase()));
        let gone = self.seen.keys().filter(|name| !seen.contains_key(*name));
        let gone = gone.map(|name| (name, "deleted".to_owned()));
        let expected = ended.chain(gone).map(|((life, thing, number), operation)| {
            let id = life.split('/').next().unwrap();
            format!("{operation} {id} {} {number}", thing_arn(thing))
        });
        self.expect_events(expected.collect(), true);
        self.seen = seen;
    }

    /// What jobs became is told as often as it came about.
    fn check_jobs(&mut self) {
        let jobs = self.model.jobs.iter();
        let jobs: BTreeMap<_, _> = jobs
            .map(|(id, job)| (job.order, (id.clone(), job.status())))
            .collect();
        let mut expected = Vec::new();
        for (order, (id, status)) in &jobs {
            let before = self.jobs.get(order).map(|(_, status)| *status);
            if before == Some(*status) {
                continue;
            }
            assert!(
                before.is_none_or(|before| {
                    matches!(before, JobStatus::InProgress | JobStatus::Scheduled)
                }),
                "{id} came back"
            );
            match status {
                JobStatus::Canceled => {
                    expected.push(format!("cancellation_in_progress {id}"));
                    expected.push(format!("canceled {id}"));
                }
                JobStatus::Completed => expected.push(format!("completed {id}")),
                JobStatus::InProgress | JobStatus::Scheduled => {}
                JobStatus::DeletionInProgress => panic!("{id} is small"),
            }
        }
        for (id, _) in self.gone_jobs(&jobs) {
            expected.push(format!("deletion_in_progress {id}"));
            expected.push(format!("deleted {id}"));
        }
        self.expect_events(expected, false);
        self.events.clear();
        self.jobs = jobs;
    }

    fn gone_jobs(&self, jobs: &BTreeMap<u64, (JobId, JobStatus)>) -> Vec<(JobId, JobStatus)> {
        let gone = self
            .jobs
            .iter()
            .filter(|(order, _)| !jobs.contains_key(order));
        gone.map(|(_, job)| job.clone()).collect()
    }

    /// Checks the last step's events of executions, or of jobs, in any order.
    fn expect_events(&self, mut expected: Vec<String>, of_executions: bool) {
        let told = self.events.iter();
        let mut told: Vec<_> = told
            .filter(|event| event.contains("arn:") == of_executions)
            .cloned()
            .collect();
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
    }

    /// Who is no target waits for nothing, and no thing has two open executions of one job.
    fn check_targets(&self) {
        for (id, job) in &self.model.jobs {
            let mut open = BTreeSet::new();
            for ((name, number), execution) in &job.executions {
                if execution.status.is_pending() {
                    assert!(open.insert(name.clone()), "{id} is open twice on {name}");
                    assert!(!job.rollout.waiting.contains(name), "{id} waits for {name}");
                    assert_eq!(job.latest(name).unwrap().0, *number);
                }
                if job.status() == JobStatus::InProgress
                    && execution.status == ExecutionStatus::Queued
                {
                    assert!(self.model.is_target(job, name), "{id} is queued on {name}");
                }
            }
            for name in &job.rollout.waiting {
                assert!(self.model.is_target(job, name), "{id} waits for {name}");
            }
        }
    }
}

/// The members of a job with these targets and rules.
fn members(targets: usize, rules: Rules, now: u64) -> Value {
    let targets = TARGETS[targets].iter().map(|name| {
        if GROUPS.contains(name) {
            group_arn(name)
        } else {
            thing_arn(name)
        }
    });
    let mut members = json!({
        "targets": targets.collect::<Vec<_>>(),
        "timeoutConfig": {"inProgressTimeoutInMinutes": 2},
    });
    if rules.aborts {
        members["abortConfig"] = json!({"criteriaList": [{
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": 60,
            "minNumberOfExecutedThings": 2,
        }]});
    }
    if rules.continuous {
        members["targetSelection"] = json!("CONTINUOUS");
    }
    if let Some(rate) = rules.per_minute {
        members["jobExecutionsRolloutConfig"] = json!({ "maximumPerMinute": rate });
    }
    if let Some(retries) = rules.retries {
        let criteria = json!([{"failureType": "ALL", "numberOfRetries": retries}]);
        members["jobExecutionsRetryConfig"] = json!({ "criteriaList": criteria });
    }
    if rules.windows {
        members["targetSelection"] = json!("CONTINUOUS");
        members["schedulingConfig"] = schedule(now);
    }
    members
}

fn in_short(event: &Event) -> String {
    let payload = serde_json::to_value(event).unwrap();
    let (operation, job) = (event.operation(), event.job());
    match event {
        Event::Job(_) => format!("{operation} {job}"),
        Event::JobExecution(_) => {
            let thing = payload["thingArn"].as_str().unwrap();
            format!("{operation} {job} {thing} {}", payload["executionNumber"])
        }
    }
}

fn jobs_of(pending: &Pending) -> BTreeSet<String> {
    let all = pending.in_progress_jobs.iter().chain(&pending.queued_jobs);
    all.map(|summary| summary.job_id.to_string()).collect()
}

proptest! {
    #[test]
    fn books_and_notifications_are_true_to_the_executions(steps in vec(step(), 1..60)) {
        Watch::new(Knobs::default()).walk(&steps);
    }

    #[test]
    fn they_are_true_where_few_jobs_roll_out_at_a_time_and_timers_are_late(
        steps in vec(step(), 1..60),
        holds in any::<bool>(),
    ) {
        let mut knobs = Knobs {
            timeout_slack_seconds: 7,
            minimum_schedule_lead_minutes: 0,
            ..Knobs::default()
        };
        if holds {
            knobs.at_concurrency_limit = AtConcurrencyLimit::Hold;
        }
        knobs.quotas.concurrent_jobs = 1;
        Watch::new(knobs).walk(&steps);
    }
}
