//! The device plane over MQTT.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::broker::{Broker, ConnectionId, Request};
use crate::shared::Shared;

/// The way to the devices.
pub trait Outlet: Send + Sync {
    /// Publishes to every subscriber of `topic`.
    fn publish(&self, topic: &str, payload: Bytes);

    /// Answers one connection, subscribed or not.
    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes);
}

impl Outlet for Broker {
    fn publish(&self, topic: &str, payload: Bytes) {
        Self::publish(self, topic, payload);
    }

    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes) {
        Self::reply(self, to, topic, payload);
    }
}

/// Answers the devices' requests until the broker is gone.
pub async fn serve(_shared: Shared, _requests: mpsc::Receiver<Request>) {
    unimplemented!()
}
