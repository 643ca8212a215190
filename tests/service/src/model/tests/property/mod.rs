//! What holds after any sequence of operations.
//!
//! Long runs, each under its seed, in a fraction of the time that the development profile takes:
//!
//! ```sh
//! PROPTEST_CASES=1000000 PROPTEST_RNG_SEED=7 cargo test --release -p iot-jobs-local property
//! ```
//!
//! A run that fails prints the shortest steps that it found, and keeps their seed in
//! `proptest-regressions/`; what was found so becomes a test of its own.

mod api;
mod apply;
mod catalog;
mod device;
pub(super) mod step;

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::AtConcurrencyLimit;
use crate::model::events::Event;
use crate::model::operation::PendingSummary;
use crate::model::status::{ExecutionStatus, JobStatus};

use super::*;
use apply::apply;
use device::{Device, Numbered};
use step::{OfDevice, Step, step};

const THINGS: [&str; 4] = ["gw-1", "gw-2", "gw-3", "gw-4"];
/// Each with the one above it.
const GROUPS: [(&str, Option<&str>); 5] = [
    ("site", None),
    ("hall", Some("site")),
    ("rack", Some("hall")),
    ("slot", Some("rack")),
    ("yard", None),
];
/// More than a pending list shows.
const JOBS: [&str; 20] = [
    "J0", "J1", "J2", "J3", "J4", "J5", "J6", "J7", "J8", "J9", "J10", "J11", "J12", "J13", "J14",
    "J15", "J16", "J17", "J18", "J19",
];
/// The first job of a flood.
const FLOOD: usize = 3;
const TEMPLATE: &str = "T";
const NAMESPACES: [Option<&str>; 3] = [None, Some("acme"), Some("other")];
/// Things and groups.
const TARGETS: [&[&str]; 6] = [
    &["gw-1"],
    &["gw-1", "gw-2", "gw-3"],
    &["site"],
    &["gw-1", "hall"],
    &["rack", "yard"],
    &["slot", "site", "gw-4"],
];
const STATUSES: [&str; 5] = ["IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED", "QUEUED"];

/// A thing and a namespace: who is told, and of what.
type Place = (ThingName, Option<NamespaceId>);
/// Tells apart every execution there ever was: the life of its job, its thing and its number.
type Name = (String, String, u64);

proptest! {
    #[test]
    fn books_and_notifications_are_true_to_the_executions(
        steps in vec(step(), 1..80),
        notify_next_per_namespace in any::<bool>(),
    ) {
        let mut watch = Watch::new(Knobs { notify_next_per_namespace, ..knobs() });
        watch.walk(&steps);
        api::check(&watch.model, at(watch.now));
    }

    #[test]
    fn they_are_true_where_few_jobs_roll_out_at_a_time_and_timers_are_late(
        steps in vec(step(), 1..60),
        holds in any::<bool>(),
    ) {
        let mut knobs = Knobs {
            timeout_slack_seconds: 7,
            minimum_schedule_lead_minutes: 0,
            ..knobs()
        };
        if holds {
            knobs.at_concurrency_limit = AtConcurrencyLimit::Hold;
        }
        knobs.quotas.concurrent_jobs = 1;
        Watch::new(knobs).walk(&steps);
    }

    #[test]
    fn time_that_jumps_does_what_time_that_creeps_does(
        steps in vec(step(), 1..60),
        pieces in 2..9_u64,
    ) {
        let (mut jumps, mut creeps) = (populated(knobs()), populated(knobs()));
        let mut now = 0;
        for step in &steps {
            if let Step::Wait { secs } = *step {
                for piece in 1..pieces {
                    creeps.advance(at(now + secs * piece / pieces));
                }
                now += secs;
                jumps.advance(at(now));
                creeps.advance(at(now));
            } else {
                apply(&mut jumps, step, now);
                apply(&mut creeps, step, now);
            }
            assert_eq!(jumps.take_effects(), creeps.take_effects());
        }
        assert_eq!(format!("{jumps:?}"), format!("{creeps:?}"));
    }
}

fn knobs() -> Knobs {
    Knobs {
        events: true,
        ..Knobs::default()
    }
}

/// A model with all things and groups.
fn populated(knobs: Knobs) -> Model {
    let mut model = Model::new(knobs);
    THINGS.iter().for_each(|name| add_thing(&mut model, name));
    for (name, parent) in GROUPS {
        create_group(&mut model, name, parent).unwrap();
    }
    model
}

/// The model beside what its devices and its watchers were told.
pub(super) struct Watch {
    pub(super) model: Model,
    pub(super) now: u64,
    devices: BTreeMap<Place, Device>,
    seen: BTreeMap<Name, (u64, ExecutionStatus)>,
    jobs: BTreeMap<u64, (JobId, JobStatus)>,
    /// The events of the last step.
    events: Vec<String>,
    tells_jobs: bool,
    tells_executions: bool,
}

impl Watch {
    pub(super) fn new(knobs: Knobs) -> Self {
        Self {
            model: populated(knobs),
            now: 0,
            devices: BTreeMap::new(),
            seen: BTreeMap::new(),
            jobs: BTreeMap::new(),
            events: Vec::new(),
            tells_jobs: true,
            tells_executions: true,
        }
    }

    fn walk(&mut self, steps: &[Step]) {
        for step in steps {
            self.take(step);
            self.listen();
            self.check();
        }
    }

    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::OfDevice(
                OfDevice::StartNext { thing: name, .. } | OfDevice::Update { thing: name, .. },
            ) => {
                for namespace in NAMESPACES {
                    let place = (thing(THINGS[name]), namespace.and_then(NamespaceId::parse));
                    self.devices.entry(place).or_default().begins();
                }
            }
            Step::Events { jobs, executions } => {
                (self.tells_jobs, self.tells_executions) = (jobs, executions);
            }
            Step::OfCatalog(_)
            | Step::OfExecution(_)
            | Step::OfJob(_)
            | Step::OfRegistry(_)
            | Step::Wait { .. } => {}
        }
        apply(&mut self.model, step, self.now);
        if let Step::Wait { secs } = *step {
            self.now += secs;
        }
    }

    /// Takes in what devices and watchers are told.
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
                    let device = self.devices.entry((thing, namespace)).or_default();
                    device.notify(&pending);
                }
                Effect::NotifyNext {
                    thing,
                    namespace,
                    next,
                } => {
                    let device = self.devices.entry((thing, namespace)).or_default();
                    device.notify_next(next.as_deref());
                }
            }
        }
    }

    fn check(&mut self) {
        self.model.check(at(self.now));
        for name in THINGS.map(thing) {
            self.check_device(&name);
        }
        self.check_executions();
        self.check_jobs();
    }

    /// What was told is what would be answered. Of a namespace that does not head the thing's queue
    /// the first execution is told only if a knob says so.
    fn check_device(&mut self, name: &ThingName) {
        let whole = self.whole_head(name);
        for namespace in NAMESPACES {
            let namespace = namespace.and_then(NamespaceId::parse);
            let pending = self.model.pending(name, namespace.as_ref());
            let asked = self.model.pending_job_executions(name, namespace.as_ref());
            match self.model.things.contains_key(name) {
                true => assert_eq!(asked.as_ref(), Ok(&pending)),
                false => assert_eq!(pending, Pending::default(), "{name} is gone"),
            }
            let all = self.all_pending(name, namespace.as_ref());
            let head = pending.in_progress_jobs.first();
            let head = head.or(pending.queued_jobs.first()).map(numbered);
            let is_told = namespace.is_none()
                || head.is_none()
                || head == whole
                || self.model.knobs.notify_next_per_namespace;
            let device = self.devices.entry((name.clone(), namespace)).or_default();
            device.expect_list(&pending, &all);
            if is_told {
                device.expect_first(head.as_ref());
            }
        }
    }

    /// The executions that are pending and not hidden.
    fn all_pending(&self, name: &ThingName, namespace: Option<&NamespaceId>) -> BTreeSet<Numbered> {
        let jobs = self.model.jobs.iter();
        let shown = jobs.filter(|(_, job)| !job.hidden && job.namespace.as_ref() == namespace);
        let executions = shown.flat_map(|(id, job)| {
            let executions = job.executions.iter();
            executions.map(move |((of, number), execution)| (id, of, *number, execution))
        });
        executions
            .filter(|(_, of, _, execution)| *of == name && execution.status.is_pending())
            .map(|(id, _, number, _)| (id.clone(), number))
            .collect()
    }

    /// The first pending execution of all namespaces.
    fn whole_head(&self, name: &ThingName) -> Option<Numbered> {
        let all = NAMESPACES.map(|namespace| {
            let namespace = namespace.and_then(NamespaceId::parse);
            self.model.pending(name, namespace.as_ref())
        });
        let order = |summary: &&PendingSummary| {
            let key = (name.clone(), summary.execution_number);
            let execution = &self.model.jobs[&summary.job_id].executions[&key];
            (execution.queued_at, execution.order)
        };
        let started = all.iter().flat_map(|pending| &pending.in_progress_jobs);
        let queued = all.iter().flat_map(|pending| &pending.queued_jobs);
        let head = started.min_by_key(order).or(queued.min_by_key(order));
        head.map(numbered)
    }

    /// Versions grow, what is over stays so, and the end of each execution is told once.
    fn check_executions(&mut self) {
        let mut seen = BTreeMap::new();
        for (id, job) in &self.model.jobs {
            for ((name, number), execution) in &job.executions {
                // A job made anew under an old id is another one.
                let life = format!("{id}/{}/{}", job.order, execution.order);
                let name = (life, name.to_string(), *number);
                seen.insert(name, (execution.version, execution.status));
            }
        }
        for (name, (version, status)) in &seen {
            let Some((old_version, old_status)) = self.seen.get(name) else {
                continue;
            };
            assert!(version >= old_version, "{name:?} went back");
            let is_silent = *status == ExecutionStatus::Removed;
            assert!(
                status == old_status || is_silent || version > old_version,
                "{name:?} changed in silence"
            );
            assert!(
                !old_status.is_terminal() || old_status == status,
                "{name:?} came back"
            );
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
        let expected = expected.filter(|_| self.tells_executions).collect();
        self.expect_events(expected, true);
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
        let gone = self.jobs.iter();
        for (_, (id, _)) in gone.filter(|(order, _)| !jobs.contains_key(order)) {
            expected.push(format!("deletion_in_progress {id}"));
            expected.push(format!("deleted {id}"));
        }
        expected.retain(|_| self.tells_jobs);
        self.expect_events(expected, false);
        self.events.clear();
        self.jobs = jobs;
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
}

fn numbered(summary: &PendingSummary) -> Numbered {
    (summary.job_id.clone(), summary.execution_number)
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
