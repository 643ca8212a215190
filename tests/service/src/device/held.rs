//! Messages that a fault holds back.
//!
//! [`Held`] is sans-IO: it is asked what goes out with [`Held::pass`] and [`Held::due`], and says with
//! [`Held::next_due`] when to ask again. A message is held until its time comes, or until so many others
//! have gone out to its thing; what goes out then follows the message that let it go. Among equals, what
//! came first goes first.
//!
//! Bound: [`MAX_HELD`] messages. What comes to a full hold goes out at once: late messages are what was
//! asked for, lost ones are not.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::broker::ConnectionId;
use crate::model::time::Timestamp;

/// The most messages held at one time.
pub(super) const MAX_HELD: usize = 1024;
/// How long a message waits for others that may not come.
const HOLD_WITHIN: Duration = Duration::from_secs(30);

/// A message to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The connection that it answers; `None` for whoever subscribed.
    pub(super) to: Option<ConnectionId>,
    pub(super) topic: String,
    pub(super) payload: Bytes,
}

/// Until when a message is held: for a time, for a number of messages, or for whichever ends first.
///
/// Without a time, a number of messages is waited for 30 seconds of the service's time at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hold {
    time: Option<Duration>,
    messages: Option<u32>,
}

/// The messages that are held.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By when they go out at the latest, and in the order in which they came.
    waiting: BTreeMap<(Timestamp, u64), Waiting>,
    taken: u64,
}

#[derive(Debug)]
struct Waiting {
    message: Message,
    /// How many messages to its thing go first.
    after: Option<u32>,
}

impl Message {
    /// The thing that it is for; events are for none.
    fn thing(&self) -> Option<&str> {
        self.topic.strip_prefix("$aws/things/")?.split('/').next()
    }
}

impl Hold {
    pub(super) fn new(time: Option<Duration>, messages: Option<u32>) -> Self {
        let time = time.filter(|time| !time.is_zero());
        Self { time, messages }
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl Held {
    /// Takes a message in; what goes out at once comes back, in order.
    pub(super) fn pass(&mut self, message: Message, hold: Hold, now: Timestamp) -> Vec<Message> {
        if hold.is_none() {
            return self.followed(vec![message]);
        }
        if self.waiting.len() >= MAX_HELD {
            tracing::warn!(
                topic = message.topic,
                "sent at once: {MAX_HELD} messages are held back"
            );
            return self.followed(vec![message]);
        }
        self.taken += 1;
        let due = now.plus(hold.time.unwrap_or(HOLD_WITHIN));
        let after = hold.messages;
        self.waiting
            .insert((due, self.taken), Waiting { message, after });
        Vec::new()
    }

    /// What is due by `now`, in order.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Message> {
        let later = self.waiting.split_off(&(now, u64::MAX));
        let due = core::mem::replace(&mut self.waiting, later);
        self.followed(due.into_values().map(|waiting| waiting.message).collect())
    }

    /// When the first one is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let ((due, _), _) = self.waiting.first_key_value()?;
        Some(*due)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// Lets go what waited for these messages, and what waited for those in turn.
    fn followed(&mut self, mut outgoing: Vec<Message>) -> Vec<Message> {
        let mut at = 0;
        while let Some(message) = outgoing.get(at).filter(|_| !self.waiting.is_empty()) {
            let released = self.count(message);
            outgoing.extend(released);
            at += 1;
        }
        outgoing
    }

    /// Counts a message that goes out, and takes what waited for it only.
    fn count(&mut self, outgoing: &Message) -> Vec<Message> {
        let Some(thing) = outgoing.thing() else {
            return Vec::new();
        };
        let mut released = Vec::new();
        for (key, waiting) in &mut self.waiting {
            if waiting.message.thing() == Some(thing)
                && let Some(after) = &mut waiting.after
            {
                *after = after.saturating_sub(1);
                if *after == 0 {
                    released.push(*key);
                }
            }
        }
        released.sort_by_key(|(_, taken)| *taken);
        let released = released.into_iter();
        let released = released.filter_map(|key| self.waiting.remove(&key));
        released.map(|waiting| waiting.message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(43_200);

    fn later(seconds: u64) -> Timestamp {
        NOON.plus(Duration::from_secs(seconds))
    }

    fn message(thing: &str, name: &str) -> Message {
        Message {
            to: None,
            topic: format!("$aws/things/{thing}/jobs/{name}"),
            payload: Bytes::new(),
        }
    }

    fn time(seconds: u64) -> Hold {
        Hold::new(Some(Duration::from_secs(seconds)), None)
    }

    fn messages(count: u32) -> Hold {
        Hold::new(None, Some(count))
    }

    fn names(outgoing: Vec<Message>) -> Vec<String> {
        let name = |message: Message| message.topic.rsplit('/').next().unwrap().to_owned();
        outgoing.into_iter().map(name).collect()
    }

    fn pass(held: &mut Held, thing: &str, name: &str, hold: Hold) -> Vec<String> {
        names(held.pass(message(thing, name), hold, NOON))
    }

    #[test]
    fn a_late_message_goes_out_when_its_time_comes() {
        let mut held = Held::default();
        assert!(pass(&mut held, "gw-1", "b", time(9)).is_empty());
        assert!(pass(&mut held, "gw-1", "a", time(5)).is_empty());
        assert!(pass(&mut held, "gw-1", "c", time(9)).is_empty());
        assert_eq!(pass(&mut held, "gw-1", "now", Hold::default()), ["now"]);
        assert_eq!(held.next_due(), Some(later(5)));
        assert!(names(held.due(later(4))).is_empty());
        assert_eq!(names(held.due(later(9))), ["a", "b", "c"]);
        assert_eq!(held.next_due(), None);
    }

    #[test]
    fn a_message_changes_places_with_the_next_one_to_its_thing() {
        let mut held = Held::default();
        assert!(pass(&mut held, "gw-1", "first", messages(1)).is_empty());
        assert_eq!(pass(&mut held, "gw-2", "other", Hold::default()), ["other"]);
        let both = pass(&mut held, "gw-1", "second", Hold::default());
        assert_eq!(both, ["second", "first"]);
    }

    #[test]
    fn what_is_let_go_counts_for_what_still_waits() {
        let mut held = Held::default();
        pass(&mut held, "gw-1", "a", messages(1));
        pass(&mut held, "gw-1", "b", messages(2));
        pass(&mut held, "gw-1", "c", messages(4));
        let outgoing = pass(&mut held, "gw-1", "d", Hold::default());
        assert_eq!(outgoing, ["d", "a", "b"]);
        assert_eq!(pass(&mut held, "gw-1", "e", Hold::default()), ["e", "c"]);
    }

    #[test]
    fn a_message_that_none_follows_goes_out_in_the_end() {
        let mut held = Held::default();
        pass(&mut held, "gw-1", "alone", messages(1));
        assert_eq!(held.next_due(), Some(later(30)));
        assert_eq!(names(held.due(later(30))), ["alone"]);
        let sooner = Hold::new(Some(Duration::from_secs(2)), Some(1));
        pass(&mut held, "gw-1", "sooner", sooner);
        assert_eq!(names(held.due(later(2))), ["sooner"]);
    }

    #[test]
    fn what_comes_to_a_full_hold_goes_out_at_once() {
        let mut held = Held::default();
        for _ in 0..MAX_HELD {
            assert!(pass(&mut held, "gw-1", "late", time(5)).is_empty());
        }
        assert_eq!(pass(&mut held, "gw-1", "more", time(5)), ["more"]);
        held.forget();
        assert!(pass(&mut held, "gw-1", "late", time(5)).is_empty());
    }
}
