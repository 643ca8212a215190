//! Holds back what is said until it is known to be true.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::broker::ConnectionId;
use crate::device::Outlet;

/// A way to the devices that opens once: what was said before is then said in its order, or never.
pub(super) struct Held {
    outlet: Arc<dyn Outlet>,
    said: Mutex<Said>,
}

enum Said {
    /// Nothing goes out yet.
    Waiting(Vec<Message>),
    /// It is true, and what follows goes out at once.
    True,
    /// It is not to be heard.
    Void,
}

struct Message {
    /// `None` for every subscriber.
    to: Option<Option<ConnectionId>>,
    topic: String,
    payload: Bytes,
}

impl Held {
    pub(super) fn new(outlet: Arc<dyn Outlet>) -> Self {
        let said = Mutex::new(Said::Waiting(Vec::new()));
        Self { outlet, said }
    }

    /// Whether nothing goes out yet.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(*self.said(), Said::Waiting(_))
    }

    /// Says what waits, if it is true.
    pub(super) fn release(&self, is_true: bool) {
        let mut said = self.said();
        let verdict = if is_true { Said::True } else { Said::Void };
        if let Said::Waiting(messages) = core::mem::replace(&mut *said, verdict)
            && is_true
        {
            messages.into_iter().for_each(|message| self.send(message));
        }
    }

    fn say(&self, message: Message) {
        let mut said = self.said();
        match &mut *said {
            Said::Waiting(messages) => messages.push(message),
            Said::True => self.send(message),
            Said::Void => {}
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, message: Message) {
        let Message { to, topic, payload } = message;
        match to {
            Some(to) => self.outlet.reply(to.as_ref(), &topic, payload),
            None => self.outlet.publish(&topic, payload),
        }
    }
}

impl Outlet for Held {
    fn publish(&self, topic: &str, payload: Bytes) {
        self.say(Message {
            to: None,
            topic: topic.to_owned(),
            payload,
        });
    }

    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes) {
        self.say(Message {
            to: Some(to.cloned()),
            topic: topic.to_owned(),
            payload,
        });
    }
}
