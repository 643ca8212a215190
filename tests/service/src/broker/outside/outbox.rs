//! What the service has said and the broker has not confirmed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::super::codec::PAYLOAD_LIMIT;
use super::super::topic;

/// The most messages that wait for the link: those of four of the largest rollout batches, of 1000 things with two
/// notifications each.
const OUTBOX_LIMIT: usize = 4 * 2 * 1000;

/// The most bytes of their payloads.
const OUTBOX_BYTES: usize = 64 * 1024 * 1024;

/// Messages that the broker has not confirmed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    pub(super) filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<(String, Bytes)>,
    /// How long their payloads are together.
    bytes: usize,
    /// How many messages were confirmed or forgotten before the first of these.
    gone: u64,
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
        if !is_legal || is_full {
            tracing::warn!(topic, is_legal, "discarded message");
            return;
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
    }

    /// Forgets every message.
    pub(super) fn clear(&self) {
        self.lock().forget(usize::MAX);
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
