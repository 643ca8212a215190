//! The MQTT side of the service: an embedded broker, or a client attached to an outside one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Names one MQTT connection for as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A message that a device published below `$aws/`.
#[derive(Debug, Clone)]
pub struct Request {
    /// The connection that asked; `None` on an outside broker, which does not say.
    pub connection: Option<ConnectionId>,
    /// The topic, as published.
    pub topic: String,
    /// The body, as published.
    pub payload: Bytes,
}

/// A handle to the broker; clones share one broker.
#[derive(Debug, Clone)]
pub struct Broker {}

impl Broker {
    /// Starts the embedded broker. Requests arrive on the receiver.
    pub async fn embedded(
        _listen: SocketAddr,
        _tls: Arc<rustls::ServerConfig>,
    ) -> io::Result<(Self, mpsc::Receiver<Request>)> {
        unimplemented!()
    }

    /// The address that the embedded broker listens on.
    pub fn address(&self) -> Option<SocketAddr> {
        unimplemented!()
    }

    /// Publishes to every subscriber of `topic` (QoS 1 to a QoS 1 subscription).
    pub fn publish(&self, _topic: &str, _payload: Bytes) {
        unimplemented!()
    }

    /// Answers one connection, subscribed or not (QoS 0 when it is not). On an outside broker this is a publish.
    pub fn reply(&self, _to: Option<&ConnectionId>, _topic: &str, _payload: Bytes) {
        unimplemented!()
    }

    /// Ends every connection: what a restart of the service does to its devices.
    pub fn disconnect_all(&self) {
        unimplemented!()
    }
}
