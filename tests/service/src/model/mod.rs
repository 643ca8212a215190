//! The rules of AWS IoT Jobs, pure.
//!
//! [`Model`] owns no socket, clock, file, thread or random source. An operation is a method that
//! takes what was asked and `now`, and answers with a typed result or error; whatever it changes
//! for a device is appended to the effects, which [`Model::take_effects`] hands over. Time that
//! passes by itself is told with [`Model::advance`] when [`Model::next_deadline`] is due. Whoever
//! keeps the model elsewhere records its rows (see [`rows`]).

mod abort;
pub(crate) mod calendar;
mod continuous;
mod create;
mod cron;
mod crowd;
mod destination;
mod details;
mod device_plane;
pub mod document;
pub mod endpoint;
pub mod error;
pub mod events;
mod execution;
mod executions;
mod groups;
mod idempotency;
pub mod inspect;
#[cfg(any(test, fuzzing))]
mod invariants;
mod job;
mod jobs;
mod knobs;
mod ledger;
mod managed;
pub mod names;
pub mod operation;
mod package_requests;
mod package_versions;
mod packages;
mod page;
mod quotas;
mod registry;
pub mod request;
mod restore;
mod retry;
mod rollout;
pub mod rows;
mod schedule;
mod source;
pub mod status;
mod table;
mod tags;
mod template;
pub mod time;
pub mod timeline;
mod told;
mod update;
mod validate;
pub mod view;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use events::{Event, EventTypes};
use execution::ExecutionId;
use groups::Group;
use job::Job;
pub use knobs::{AtConcurrencyLimit, Knobs};
use ledger::Queue;
use names::{GroupName, JobId, NamespaceId, TemplateId, ThingName};
use operation::{JobExecution, Pending};
use packages::Packages;
pub use quotas::Quotas;
pub(crate) use quotas::limit;
use registry::Thing;
use rows::Recorded;
use table::Table;
use template::JobTemplate;
use time::Timestamp;
use told::Told;

/// What devices, or who watches the service, must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Something became of a job or an execution.
    Event(Event),
    /// The set of pending executions changed.
    Notify {
        /// The thing to tell.
        thing: ThingName,
        /// The namespace whose set changed.
        namespace: Option<NamespaceId>,
        /// The job whose execution came or went.
        job: JobId,
        /// What is pending.
        pending: Pending,
    },
    /// Another execution is the first pending one.
    NotifyNext {
        /// The thing to tell.
        thing: ThingName,
        /// The namespace whose first execution changed.
        namespace: Option<NamespaceId>,
        /// The first pending execution, with its document.
        next: Option<Box<JobExecution>>,
    },
}

/// Things, groups, jobs and executions, job templates and software packages.
#[derive(Debug, Default)]
pub struct Model {
    knobs: Knobs,
    things: Table<ThingName, Thing>,
    groups: Table<GroupName, Group>,
    jobs: Table<JobId, Job>,
    templates: Table<TemplateId, JobTemplate>,
    packages: Packages,
    told: Table<ThingName, Told>,
    /// What the executions in `jobs` mean for each thing.
    queues: BTreeMap<ThingName, Queue>,
    /// The executions in `jobs` that will time out.
    deadlines: BTreeSet<(Timestamp, ExecutionId)>,
    /// The jobs that have more to do, and when.
    ticks: BTreeSet<(Timestamp, JobId)>,
    /// The jobs whose schedules have something to come, and when.
    edges: BTreeSet<(Timestamp, JobId)>,
    /// Which events are published.
    events: EventTypes,
    /// When a device last asked for something, of the things that one did for.
    seen: BTreeMap<ThingName, Timestamp>,
    effects: Vec<Effect>,
    /// How many things, groups, jobs and executions were made: tells their order.
    made: u64,
    /// What was handed over last, once somebody records.
    record: Option<Recorded>,
}

impl Model {
    /// A service without things and jobs.
    pub fn new(knobs: Knobs) -> Self {
        Self {
            knobs,
            events: EventTypes::all(knobs.events),
            ..Self::default()
        }
    }

    /// The choices in force.
    pub fn knobs(&self) -> Knobs {
        self.knobs
    }

    /// Makes other choices, from now on. What exists beyond a new quota stays. A change of
    /// [`Knobs::events`] overrides what UpdateEventConfigurations asked for.
    pub fn set_knobs(&mut self, knobs: Knobs) {
        if self.knobs.events != knobs.events {
            self.events = EventTypes::all(knobs.events);
        }
        self.knobs = knobs;
    }

    /// Forgets everything but the knobs. Devices are not told.
    pub fn reset(&mut self) {
        let recorded = self.record.take();
        *self = Self::new(self.knobs);
        if recorded.is_some() {
            self.record_anew();
        }
    }

    /// How many things there are.
    pub fn thing_count(&self) -> usize {
        self.things.len()
    }

    /// How many jobs there are, in every namespace.
    pub fn job_count(&self) -> usize {
        self.jobs.len()
    }

    /// What devices must be told since the last call, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.effects)
    }

    /// When [`Model::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let slack = self.knobs.timeout_slack();
        let deadline = self.deadlines.first();
        let deadline = deadline.map(|(deadline, _)| deadline.plus(slack));
        let tick = self.ticks.first().map(|(tick, _)| *tick);
        let edge = self.edges.first().map(|(edge, _)| *edge);
        deadline.into_iter().chain(tick).chain(edge).min()
    }

    /// Does what became due up to `now`: ends executions whose timers have run out, opens, shuts and
    /// ends jobs by their schedules, rolls jobs out.
    pub fn advance(&mut self, now: Timestamp) {
        self.fire_timers(now);
    }

    fn next_order(&mut self) -> u64 {
        self.made += 1;
        self.made
    }
}

#[cfg(test)]
mod tests;
