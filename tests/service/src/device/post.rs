//! The way out to the devices: at once, or later when a fault says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Outlet;
use super::held::{Held, Hold, Message};
use crate::model::time::Timestamp;

/// An outlet, and the messages that are held back from it.
pub(crate) struct Post {
    outlet: Arc<dyn Outlet>,
    held: Mutex<Held>,
    /// Notified when [`Post::next_due`] may have become another.
    moved: Arc<Notify>,
}

impl Post {
    pub(crate) fn new(outlet: Arc<dyn Outlet>, moved: Arc<Notify>) -> Self {
        Self {
            outlet,
            held: Mutex::default(),
            moved,
        }
    }

    /// Where messages go.
    pub(crate) fn outlet(&self) -> &dyn Outlet {
        &*self.outlet
    }

    /// Sends a message, unless it is to be held; then what waited for it.
    pub(super) fn send(&self, message: Message, hold: Hold, now: Timestamp) {
        let mut held = self.held();
        if hold.is_none() && held.is_empty() {
            drop(held);
            return self.hand_over(message);
        }
        let before = held.next_due();
        for message in held.pass(message, hold, now) {
            self.hand_over(message);
        }
        if held.next_due() != before {
            self.moved.notify_one();
        }
    }

    /// Sends what is due by `now`.
    pub(crate) fn release(&self, now: Timestamp) {
        let mut held = self.held();
        if held.next_due().is_some_and(|due| due <= now) {
            for message in held.due(now) {
                self.hand_over(message);
            }
        }
    }

    /// When [`Post::release`] has something to do.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.held().next_due()
    }

    /// Drops what is held.
    pub(crate) fn forget(&self) {
        self.held().forget();
    }

    fn hand_over(&self, message: Message) {
        let Message { to, topic, payload } = message;
        match to {
            Some(connection) => self.outlet.reply(Some(&connection), &topic, payload),
            None => self.outlet.publish(&topic, payload),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // No method of what is held leaves it half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
