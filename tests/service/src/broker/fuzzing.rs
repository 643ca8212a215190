//! A connection of the embedded broker without its socket, for the fuzz targets.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::hub::SharedHub;
use super::message::{Message, Qos};
use super::peer::Peer;
use super::{Request, now};

/// What one client makes of the broker, byte by byte.
pub struct BareConnection {
    hub: SharedHub,
    peer: Peer,
    now: Instant,
}

impl BareConnection {
    /// A connection whose client has shown the certificate of `thing` and said nothing yet.
    #[must_use]
    pub fn new(thing: &str) -> Self {
        let (hub, now) = (SharedHub::default(), now());
        Self {
            peer: Peer::new(now, hub.clone(), thing.to_owned()),
            hub,
            now,
        }
    }

    /// Whether the broker would read from the socket.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.peer.wants_input()
    }

    /// Whether the broker is about to close the socket.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.peer.is_closing()
    }

    /// What the broker would write to the socket.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.peer.output()
    }

    /// Forgets output as if it were written.
    pub fn written(&mut self, len: usize) {
        self.peer.written(self.now, len);
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.peer.receive(self.now, bytes);
    }

    /// Takes the request that waits for the service.
    pub fn take_request(&mut self) -> Option<Request> {
        self.peer.take_request(self.now)
    }

    /// Publishes as the service does.
    pub fn publish(&mut self, topic: &str, payload: Bytes) {
        let message = Arc::new(Message::new(topic, payload));
        self.hub
            .lock()
            .publish(self.now, None, &message, Qos::AtLeastOnce);
        self.peer.pump(self.now);
    }

    /// Lets time pass, and closes the connection if it was silent for too long.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.peer.expire(self.now);
    }

    /// Ends the connection.
    pub fn finish(self) {
        if let Some(will) = self.peer.finish(self.now) {
            let at = will.at;
            will.publish(at, &self.hub);
        }
    }
}
