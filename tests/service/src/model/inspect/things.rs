//! Things, and the executions on one.

use core::cmp::Reverse;
use core::ops::Bound;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Model;
use super::super::names::{GroupName, JobId, ThingName};
use super::super::registry::Thing;
use super::super::status::ExecutionStatus;
use super::super::time::Timestamp;
use super::{Browse, Connected, Listing, MAX_ITEMS, millis, optional_millis};

/// The status that [`Browse`] knows for things.
const CONNECTED: &str = "CONNECTED";
/// How many groups of a thing are told.
const GROUPS_TOLD: usize = 8;

/// One thing of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingRow {
    /// Its name.
    pub thing_name: ThingName,
    /// Whether it is connected, if anybody knows.
    pub connected: Option<bool>,
    /// When its device last asked for something.
    #[serde(serialize_with = "optional_millis")]
    pub last_seen_at: Option<Timestamp>,
    /// The first of the groups that it is itself a member of.
    pub groups: Vec<GroupName>,
    /// How many executions are queued or in progress.
    pub open: usize,
    /// How many executions there are.
    pub executions: usize,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingDetail {
    /// As in a list.
    pub row: ThingRow,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The newest executions, the last first.
    pub newest: Vec<ExecutionOfThing>,
}

/// One execution on a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionOfThing {
    /// Its job.
    pub job_id: JobId,
    /// Counts the executions of the job on the thing.
    pub execution_number: u64,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was queued.
    #[serde(serialize_with = "millis")]
    pub queued_at: Timestamp,
    /// When the device began.
    #[serde(serialize_with = "optional_millis")]
    pub started_at: Option<Timestamp>,
    /// When it changed last.
    #[serde(serialize_with = "millis")]
    pub last_updated_at: Timestamp,
}

impl Model {
    /// Things by their names.
    pub fn browse_things(&self, browse: &Browse, connected: Connected<'_>) -> Listing<ThingRow> {
        let after = browse.after.as_deref().map(Bound::Excluded);
        let from = after.unwrap_or(Bound::Unbounded);
        let only_connected = browse.status == CONNECTED;
        Listing::collect(
            browse.limit(),
            self.things.range::<str, _>((from, Bound::Unbounded)),
            |(name, _)| name.to_string(),
            |(name, _)| {
                let is_here = connected.is_some_and(|names| names.contains(name.as_str()));
                let wanted = browse.finds(name.as_str()) && (is_here || !only_connected);
                wanted.then(|| self.row_of_thing(name, connected))
            },
        )
    }

    /// One thing.
    pub fn inspect_thing(&self, name: &str, connected: Connected<'_>) -> Option<ThingDetail> {
        let (name, Thing { attributes, .. }) = self.things.get_key_value(name)?;
        Some(ThingDetail {
            row: self.row_of_thing(name, connected),
            attributes: attributes.clone(),
            newest: self.newest_on(name),
        })
    }

    fn row_of_thing(&self, name: &ThingName, connected: Connected<'_>) -> ThingRow {
        let groups = self.groups.iter();
        let groups = groups.filter(|(_, group)| group.members.contains_key(name));
        let queue = self.queues.get(name);
        ThingRow {
            thing_name: name.clone(),
            connected: connected.map(|names| names.contains(name.as_str())),
            last_seen_at: self.seen.get(name).copied(),
            groups: groups
                .map(|(group, _)| group.clone())
                .take(GROUPS_TOLD)
                .collect(),
            open: queue.map_or(0, |queue| queue.pending.len()),
            executions: queue.map_or(0, |queue| queue.all.len()),
        }
    }

    fn newest_on(&self, thing: &ThingName) -> Vec<ExecutionOfThing> {
        let all = self.queues.get(thing).map(|queue| &queue.all);
        let mut newest = BTreeMap::new();
        for (id, number) in all.into_iter().flatten() {
            let key = (thing.clone(), *number);
            let job = self.jobs.get(id);
            let Some(execution) = job.and_then(|job| job.executions.get(&key)) else {
                continue;
            };
            newest.insert(Reverse(execution.order), (id, *number, execution));
            if newest.len() > MAX_ITEMS {
                newest.pop_last();
            }
        }
        let newest = newest.into_values();
        newest
            .map(|(id, number, execution)| ExecutionOfThing {
                job_id: id.clone(),
                execution_number: number,
                status: execution.status,
                queued_at: execution.queued_at,
                started_at: execution.started_at,
                last_updated_at: execution.last_updated_at,
            })
            .collect()
    }
}
