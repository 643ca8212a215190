//! What the service has said and the broker has not confirmed.
//!
//! What comes to a full outbox is discarded, but not forgotten: once all that waited has gone out,
//! [`Outbox::lost`] names the topics on which something is to be said again.

use core::mem;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::super::codec::PAYLOAD_LIMIT;
use super::super::topic;

/// The most messages that wait for the link: those of four of the largest rollout batches, of 1000 things with two
/// notifications each.
pub(super) const OUTBOX_LIMIT: usize = 4 * 2 * 1000;

/// The most bytes of their payloads.
const OUTBOX_BYTES: usize = 64 * 1024 * 1024;

/// The most topics that are remembered for what was discarded on them: those of four jobs' notifications to 32,768 things.
const LOST_LIMIT: usize = 4 * 2 * 32_768;

/// The most topics that are named at once; what is said on them again fits into an empty outbox.
const LOST_AT_ONCE: usize = 1000;

/// Messages that the broker has not confirmed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    pub(super) filled: Notify,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<(String, Bytes)>,
    /// How long their payloads are together.
    bytes: usize,
    /// How many messages were confirmed or forgotten before the first of these.
    gone: u64,
    /// How many messages were discarded since it was told last.
    discarded: u64,
    /// Their topics.
    lost: BTreeSet<String>,
}

/// The first messages of an outbox.
#[derive(Debug)]
pub(super) struct Window {
    /// Names the window: how many messages there were before it.
    pub(super) id: u64,
    pub(super) messages: Vec<(String, Bytes)>,
}

impl Outbox {
    pub(super) fn offer(&self, topic: &str, payload: Bytes) {
        // A broker would end the link over these, again and again.
        let is_legal = topic::check_name(topic).is_ok() && payload.len() <= PAYLOAD_LIMIT;
        let mut waiting = self.lock();
        let is_full =
            waiting.messages.len() >= OUTBOX_LIMIT || waiting.bytes + payload.len() > OUTBOX_BYTES;
        if !is_legal {
            tracing::warn!(topic, len = payload.len(), "discarded message");
            return;
        }
        if is_full {
            return waiting.discard(topic);
        }
        waiting.bytes += payload.len();
        waiting.messages.push_back((topic.to_owned(), payload));
        drop(waiting);
        self.filled.notify_one();
    }

    /// The first messages, at most `limit` of them; they stay until [`Outbox::confirm`].
    pub(super) fn first(&self, limit: usize) -> Window {
        let waiting = self.lock();
        Window {
            id: waiting.gone,
            messages: waiting.messages.iter().take(limit).cloned().collect(),
        }
    }

    /// Forgets the first `count` messages of a window. What was forgotten meanwhile is not counted again.
    pub(super) fn confirm(&self, window: u64, count: usize) {
        let mut waiting = self.lock();
        let until = window.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        let count = usize::try_from(until.saturating_sub(waiting.gone)).unwrap_or(usize::MAX);
        waiting.forget(count);
        if waiting.messages.is_empty() && !waiting.lost.is_empty() {
            self.emptied.notify_one();
        }
    }

    /// Forgets every message, discarded ones, too.
    pub(super) fn clear(&self) {
        let mut waiting = self.lock();
        waiting.forget(usize::MAX);
        waiting.lost.clear();
        waiting.discarded = 0;
    }

    /// Waits until messages were discarded and none waits any more, and takes some of their topics.
    pub(super) async fn lost(&self) -> Vec<String> {
        loop {
            let lost = self.lock().take_lost();
            if !lost.is_empty() {
                return lost;
            }
            self.emptied.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn forget(&mut self, count: usize) {
        let count = count.min(self.messages.len());
        let forgotten = self.messages.drain(..count);
        self.bytes -= forgotten.map(|(_, payload)| payload.len()).sum::<usize>();
        self.gone += u64::try_from(count).unwrap_or_default();
    }

    fn discard(&mut self, topic: &str) {
        if self.discarded == 0 {
            tracing::warn!(topic, "too much waits for the broker: discarding messages");
        }
        self.discarded += 1;
        if self.lost.len() < LOST_LIMIT {
            self.lost.insert(topic.to_owned());
        }
    }

    fn take_lost(&mut self) -> Vec<String> {
        if !self.messages.is_empty() || self.lost.is_empty() {
            return Vec::new();
        }
        let discarded = mem::take(&mut self.discarded);
        if discarded > 0 {
            let topics = self.lost.len();
            tracing::warn!(
                discarded,
                topics,
                "discarded messages: saying again what holds"
            );
        }
        let topics = core::iter::from_fn(|| self.lost.pop_first());
        topics.take(LOST_AT_ONCE).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTIFY: &str = "$aws/things/pump/jobs/notify";

    #[test]
    fn a_full_outbox_discards_what_comes_and_keeps_what_waits() {
        let outbox = Outbox::default();

        for number in 0..=OUTBOX_LIMIT {
            outbox.offer(NOTIFY, number.to_string().into());
        }

        let waiting = &outbox.lock().messages;
        assert_eq!(waiting.len(), OUTBOX_LIMIT);
        assert_eq!(waiting.front().unwrap().1, "0");
        assert_eq!(waiting.back().unwrap().1, (OUTBOX_LIMIT - 1).to_string());
    }

    #[test]
    fn an_outbox_is_full_of_bytes_as_well_until_some_are_confirmed() {
        let outbox = Outbox::default();
        let longest = Bytes::from(vec![0; PAYLOAD_LIMIT]);
        for _ in 0..OUTBOX_BYTES / PAYLOAD_LIMIT {
            outbox.offer(NOTIFY, longest.clone());
        }
        let full = outbox.lock().messages.len();

        outbox.offer(NOTIFY, "1".into());
        assert_eq!(outbox.lock().messages.len(), full);

        let window = outbox.first(1);
        outbox.confirm(window.id, 1);
        outbox.offer(NOTIFY, longest);
        assert_eq!(outbox.lock().messages.len(), full);
    }

    #[tokio::test]
    async fn the_topics_of_what_was_discarded_are_named_once_nothing_waits() {
        let outbox = Outbox::default();
        for _ in 0..OUTBOX_LIMIT {
            outbox.offer(NOTIFY, Bytes::new());
        }
        let lost: Vec<_> = (0..=LOST_AT_ONCE).map(|n| format!("lost/{n:04}")).collect();
        for topic in lost.iter().chain(&lost) {
            outbox.offer(topic, Bytes::new());
        }
        outbox.confirm(0, OUTBOX_LIMIT - 1);
        assert!(outbox.lock().take_lost().is_empty());

        outbox.confirm(0, OUTBOX_LIMIT);

        assert_eq!(outbox.lost().await, lost[..LOST_AT_ONCE]);
        assert_eq!(outbox.lost().await, lost[LOST_AT_ONCE..]);
        assert!(outbox.lock().take_lost().is_empty());
    }

    #[test]
    fn what_was_discarded_before_all_was_forgotten_is_not_named() {
        let outbox = Outbox::default();
        for _ in 0..=OUTBOX_LIMIT {
            outbox.offer(NOTIFY, Bytes::new());
        }

        outbox.clear();

        assert!(outbox.lock().take_lost().is_empty());
    }

    #[test]
    fn what_is_confirmed_after_it_was_forgotten_takes_nothing_with_it() {
        let outbox = Outbox::default();
        outbox.offer(NOTIFY, "old".into());
        let window = outbox.first(1);

        outbox.clear();
        outbox.offer(NOTIFY, "new".into());
        outbox.confirm(window.id, 1);

        assert_eq!(
            outbox.first(1).messages,
            [(NOTIFY.to_owned(), "new".into())]
        );
    }

    #[test]
    fn what_a_broker_would_end_the_link_for_is_discarded() {
        let outbox = Outbox::default();

        outbox.offer("a/+", Bytes::new());
        outbox.offer("a", vec![0; PAYLOAD_LIMIT + 1].into());
        outbox.offer("a", vec![0; PAYLOAD_LIMIT].into());

        assert_eq!(outbox.lock().messages.len(), 1);
    }
}
