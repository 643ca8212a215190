//! What the service has said and the broker has not confirmed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::super::codec::PAYLOAD_LIMIT;
use super::super::topic;

/// The most messages that wait for the link.
const OUTBOX_LIMIT: usize = 1024;

/// Messages that the broker has not confirmed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<(String, Bytes)>>,
    pub(super) filled: Notify,
}

impl Outbox {
    pub(super) fn offer(&self, topic: &str, payload: Bytes) {
        // A broker would end the link over these, again and again.
        let is_legal = topic::check_name(topic).is_ok() && payload.len() <= PAYLOAD_LIMIT;
        let mut waiting = self.lock();
        if !is_legal || waiting.len() >= OUTBOX_LIMIT {
            tracing::warn!(topic, is_legal, "discarded message");
            return;
        }
        waiting.push_back((topic.to_owned(), payload));
        drop(waiting);
        self.filled.notify_one();
    }

    /// The first messages, at most `limit` of them; they stay until [`Outbox::confirm`].
    pub(super) fn first(&self, limit: usize) -> Vec<(String, Bytes)> {
        self.lock().iter().take(limit).cloned().collect()
    }

    /// Forgets the first `count` messages.
    pub(super) fn confirm(&self, count: usize) {
        let mut waiting = self.lock();
        let count = count.min(waiting.len());
        waiting.drain(..count);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Bytes)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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

        let waiting = outbox.lock();
        assert_eq!(waiting.len(), OUTBOX_LIMIT);
        assert_eq!(waiting.front().unwrap().1, "0");
        assert_eq!(waiting.back().unwrap().1, (OUTBOX_LIMIT - 1).to_string());
    }

    #[test]
    fn what_a_broker_would_end_the_link_for_is_discarded() {
        let outbox = Outbox::default();

        outbox.offer("a/+", Bytes::new());
        outbox.offer("a", vec![0; PAYLOAD_LIMIT + 1].into());
        outbox.offer("a", vec![0; PAYLOAD_LIMIT].into());

        assert_eq!(outbox.lock().len(), 1);
    }
}
