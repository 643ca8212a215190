//! Holds back what is said until it is known to be true.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::broker::ConnectionId;
use crate::device::Outlet;

/// A way to the devices that can be shut: what is said then goes out in its order when it opens, or
/// never.
pub(super) struct Gate {
    outlet: Arc<dyn Outlet>,
    waiting: Mutex<Option<Vec<Said>>>,
}

enum Said {
    Close(ConnectionId),
    CloseThing(String),
    Publish(String, Bytes),
    Reply(Option<ConnectionId>, String, Bytes),
}

impl Gate {
    pub(super) fn new(outlet: Arc<dyn Outlet>) -> Self {
        Self {
            outlet,
            waiting: Mutex::default(),
        }
    }

    /// Lets nothing out until it opens.
    pub(super) fn shut(&self) {
        self.waiting().get_or_insert_default();
    }

    /// Lets what waits out if it is true, and forgets it otherwise.
    pub(super) fn open(&self, is_true: bool) {
        let mut waiting = self.waiting();
        let said = waiting.take().unwrap_or_default();
        if is_true {
            said.into_iter().for_each(|said| self.pass(said));
        }
    }

    fn say(&self, said: Said) {
        let mut waiting = self.waiting();
        match &mut *waiting {
            Some(waiting) => waiting.push(said),
            None => {
                drop(waiting);
                self.pass(said);
            }
        }
    }

    fn pass(&self, said: Said) {
        match said {
            Said::Close(connection) => self.outlet.disconnect(&connection),
            Said::CloseThing(thing) => self.outlet.disconnect_thing(&thing),
            Said::Publish(topic, payload) => self.outlet.publish(&topic, payload),
            Said::Reply(to, topic, payload) => self.outlet.reply(to.as_ref(), &topic, payload),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Said>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Gate {
    fn is_heard(&self, topic: &str) -> bool {
        self.outlet.is_heard(topic)
    }

    fn payload_limit(&self) -> usize {
        self.outlet.payload_limit()
    }

    fn publish(&self, topic: &str, payload: Bytes) {
        self.say(Said::Publish(topic.to_owned(), payload));
    }

    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes) {
        self.say(Said::Reply(to.cloned(), topic.to_owned(), payload));
    }

    fn disconnect(&self, connection: &ConnectionId) {
        self.say(Said::Close(connection.clone()));
    }

    fn disconnect_thing(&self, thing: &str) {
        self.say(Said::CloseThing(thing.to_owned()));
    }
}
