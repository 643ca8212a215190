//! What there is, for people: overviews, searches and the life of one execution.
//!
//! These are no operations of AWS's. They change nothing, take what is in the model as it is, and are
//! bounded: a page of a list has at most [`MAX_ITEMS`] entries, and is made after a look at so many
//! things or executions that the model is not held for long; who gets fewer than asked goes on
//! behind the last key. Times are in milliseconds.

mod execution;
mod jobs;
mod things;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::Model;
use super::job::Job;
use super::names::ThingName;
use super::status::ExecutionStatus;
use super::time::Timestamp;

pub use execution::{ExecutionDetail, Waits};
pub use jobs::{ExecutionOfJob, JobDetail, JobRow, RolloutProgress};
pub use things::{ExecutionOfThing, ThingDetail, ThingRow};

/// Most entries of one page.
pub const MAX_ITEMS: usize = 200;
/// Most things or executions that are looked at for one page.
const MAX_LOOKED_AT: usize = 20_000;

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Browse {
    /// What names contain, in lower case; empty for all.
    pub search: String,
    /// A status, as the wire spells it; empty for all.
    pub status: String,
    /// The key of the last entry seen.
    pub after: Option<String>,
    /// How many entries are wanted.
    pub limit: usize,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listing<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The key behind which there may be more.
    pub next: Option<String>,
}

/// How many executions have which status; those that none has are left out.
pub type Counts = BTreeMap<ExecutionStatus, usize>;

/// The things that are connected; `None` if nobody knows.
pub type Connected<'a> = Option<&'a BTreeSet<String>>;

/// How much there is of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// How many things there are.
    pub things: usize,
    /// How many of these are connected, if anybody knows.
    pub connected: Option<usize>,
    /// How many thing groups there are.
    pub groups: usize,
    /// How many jobs have which status.
    pub jobs: BTreeMap<&'static str, usize>,
    /// How many executions have which status.
    pub executions: Counts,
    /// How many things wait until a job is rolled out to them.
    pub waiting: usize,
}

impl Browse {
    fn limit(&self) -> usize {
        self.limit.clamp(1, MAX_ITEMS)
    }

    fn finds(&self, name: &str) -> bool {
        self.search.is_empty() || name.to_ascii_lowercase().contains(&self.search)
    }

    fn has_status(&self, status: &str) -> bool {
        self.status.is_empty() || self.status == status
    }
}

impl<T> Listing<T> {
    /// The first entries that `pick` takes, each named by its key.
    fn collect<E>(
        limit: usize,
        entries: impl Iterator<Item = E>,
        key: impl Fn(&E) -> String,
        pick: impl Fn(&E) -> Option<T>,
    ) -> Self {
        let (mut items, mut next) = (Vec::new(), None);
        let mut entries = entries.peekable();
        let mut looked_at = 0;
        while let Some(entry) = entries.next() {
            items.extend(pick(&entry));
            looked_at += 1;
            if items.len() >= limit || looked_at >= MAX_LOOKED_AT {
                next = entries.peek().map(|_| key(&entry));
                break;
            }
        }
        Self { items, next }
    }
}

impl Model {
    /// How much there is of everything.
    pub fn overview(&self, connected: Connected<'_>) -> Overview {
        let mut jobs = BTreeMap::new();
        let mut executions = Counts::new();
        for job in self.jobs.values() {
            *jobs.entry(job.status().as_str()).or_default() += 1;
            for (status, count) in counts(job) {
                *executions.entry(status).or_default() += count;
            }
        }
        let waiting = self.jobs.values().map(waiting).sum();
        let known = |name: &&String| self.things.contains_key(name.as_str());
        Overview {
            things: self.things.len(),
            connected: connected.map(|names| names.iter().filter(known).count()),
            groups: self.groups.len(),
            jobs,
            executions,
            waiting,
        }
    }

    /// Notes that a device asked for something.
    pub fn saw(&mut self, thing: &ThingName, now: Timestamp) {
        if let Some(seen) = self.seen.get_mut(thing) {
            *seen = now;
        } else if self.things.contains_key(thing) {
            self.seen.insert(thing.clone(), now);
        }
    }
}

fn counts(job: &Job) -> Counts {
    let counts = ExecutionStatus::ALL.map(|status| (status, job.count(status)));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// How many things a job has yet to reach.
fn waiting(job: &Job) -> usize {
    job.rollout.waiting.len() + job.deferred.len()
}

fn millis<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(at.as_millis())
}

fn optional_millis<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    at.map(Timestamp::as_millis).serialize(to)
}
