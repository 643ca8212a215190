//! A message on its way through the broker.

use std::sync::Arc;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::Properties;
use tokio::time::Instant;

/// How a message is delivered. AWS IoT has no QoS 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Qos {
    AtMostOnce,
    AtLeastOnce,
}

/// What was published.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// The MQTT 5 properties that a broker passes on unchanged.
    pub(super) properties: Properties,
    /// When MQTT 5 forbids to deliver it any more.
    pub(super) expires_at: Option<Instant>,
}

impl Message {
    /// A message of the service's own.
    pub(super) fn new(topic: &str, payload: Bytes) -> Self {
        Self {
            topic: topic.to_owned(),
            payload,
            properties: Properties::new(),
            expires_at: None,
        }
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A message for one session.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    pub(super) qos: Qos,
    /// Whether it answers one connection, and is lost with it.
    pub(super) for_connection: bool,
}
