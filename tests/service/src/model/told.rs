//! What a thing was last told to be next, so that it is told once, and again when that may be lost.

use core::ops::Bound;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::{NamespaceId, ThingName};
use super::operation::JobExecution;
use super::table::Record;
use super::time::Timestamp;
use super::{Effect, Model};

/// The first execution of each namespace, as a thing was last told: by its order, as a job made anew
/// under an old id has executions of the same numbers.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(
    from = "Vec<(Option<NamespaceId>, u64)>",
    into = "Vec<(Option<NamespaceId>, u64)>"
)]
pub(super) struct Told(pub(super) BTreeMap<Option<NamespaceId>, u64>);

impl Record for Told {}

impl From<Vec<(Option<NamespaceId>, u64)>> for Told {
    fn from(told: Vec<(Option<NamespaceId>, u64)>) -> Self {
        Self(told.into_iter().collect())
    }
}

impl From<Told> for Vec<(Option<NamespaceId>, u64)> {
    fn from(told: Told) -> Self {
        told.0.into_iter().collect()
    }
}

impl Model {
    /// Takes note of what a thing is told to be first in a namespace.
    pub(super) fn note_told(
        &mut self,
        thing: &ThingName,
        namespace: Option<NamespaceId>,
        order: Option<u64>,
    ) {
        if !self.told.contains_key(thing) {
            self.told.insert(thing.clone(), Told::default());
        }
        let Some(Told(told)) = self.told.get_mut(thing) else {
            return;
        };
        match order {
            Some(order) => drop(told.insert(namespace, order)),
            None => drop(told.remove(&namespace)),
        }
        if told.is_empty() {
            self.told.remove(thing);
        }
    }

    /// Tells the things after `last` again what is pending and what is next, as far as that is
    /// anything, and at most `limit` of them: what was told may be lost. Returns the last one, unless
    /// it was the last of all.
    pub fn tell_again(
        &mut self,
        last: Option<&ThingName>,
        limit: usize,
        now: Timestamp,
    ) -> Option<ThingName> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let things = self.queues.range::<ThingName, _>((after, Bound::Unbounded));
        let open = things.filter(|(_, queue)| !queue.pending.is_empty());
        let things: Vec<_> = open.map(|(name, _)| name.clone()).take(limit).collect();
        for thing in &things {
            let effects = self.told_again(thing, now);
            self.effects.extend(effects);
        }
        things.last().filter(|_| things.len() == limit).cloned()
    }

    /// What a thing is told to be next in a namespace: nothing if it may not know yet, as another
    /// namespace comes first.
    pub fn told_next(
        &self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
        now: Timestamp,
    ) -> Option<JobExecution> {
        let head = self.first(thing, namespace)?;
        let Told(told) = self.told.get(thing)?;
        let is_told = told.get(&namespace.cloned()) == Some(&head.order());
        is_told.then(|| head.seen(thing, true, now))
    }

    fn told_again(&self, thing: &ThingName, now: Timestamp) -> Vec<Effect> {
        let queue = self.queue(thing);
        let told = self.told.get(thing).map(|told| &told.0);
        let mut heads = BTreeMap::new();
        for entry in &queue {
            heads.entry(entry.job.namespace.as_ref()).or_insert(entry);
        }
        let mut effects = Vec::new();
        for (namespace, head) in heads {
            let namespace = namespace.cloned();
            effects.push(Effect::Notify {
                thing: thing.clone(),
                job: head.id.clone(),
                pending: self.pending(thing, namespace.as_ref()),
                namespace: namespace.clone(),
            });
            // What was never told, as another namespace came first, is not told now.
            if told.and_then(|told| told.get(&namespace)) == Some(&head.order()) {
                effects.push(Effect::NotifyNext {
                    thing: thing.clone(),
                    namespace,
                    next: Some(Box::new(head.seen(thing, true, now))),
                });
            }
        }
        effects
    }
}
