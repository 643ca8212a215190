//! The MQTT side of the service: an embedded broker, or a client attached to an outside one.
//!
//! The embedded broker behaves towards a device as AWS IoT does: mutual TLS, the certificate's common
//! name as the thing, a policy that keeps each thing to its own topics, and AWS IoT's limits. It knows
//! nothing of jobs: what devices publish below `$aws/things/THING/jobs/` comes out as [`Request`]s, and
//! what the service says goes in through [`Broker::reply`] and [`Broker::publish`], which never wait.
//!
//! It keeps no retained messages, has no QoS 2, and forgets every session when the process ends.

mod codec;
mod embedded;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hub;
mod message;
mod outside;
mod peer;
mod policy;
mod quotas;
mod session;
mod sessions;
#[cfg(test)]
mod testing;
mod topic;

use core::net::SocketAddr;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) use embedded::CONNECTION_LIMIT;
use embedded::Embedded;
use hub::Close;
use message::{Message, Qos};
use outside::Outside;
pub use outside::{BrokerError, OutsideBroker};
pub use quotas::MqttQuotas;
use quotas::limit;

/// Names one MQTT connection for as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A message that a device published below `$aws/things/THING/jobs/`.
#[derive(Debug, Clone)]
pub struct Request {
    /// The connection that asked; `None` on an outside broker, which does not say.
    pub connection: Option<ConnectionId>,
    /// The topic, as published. On the embedded broker it names the thing that published.
    pub topic: String,
    /// The body, as published.
    pub payload: Bytes,
}

/// A client of the embedded broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveConnection {
    /// The connection.
    pub id: ConnectionId,
    /// The client id that it connected with, or was given.
    pub client_id: String,
    /// The thing that its certificate names.
    pub thing: String,
    /// The version of MQTT, for people.
    pub protocol: &'static str,
}

/// A handle to the broker; clones share one broker, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct Broker(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Embedded(Arc<Embedded>),
    Outside(Arc<Outside>),
}

impl Broker {
    /// Starts the embedded broker. Requests arrive on the receiver; while it is full, devices wait.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be listened on.
    pub async fn embedded(
        listen: SocketAddr,
        tls: Arc<rustls::ServerConfig>,
    ) -> io::Result<(Self, mpsc::Receiver<Request>)> {
        let (embedded, requests) = Embedded::start(listen, tls, CONNECTION_LIMIT).await?;
        Ok((Self(Kind::Embedded(Arc::new(embedded))), requests))
    }

    /// Attaches to an outside broker, now or when it comes up; see [`Broker::ready`].
    ///
    /// Requests arrive on the receiver, without the connection that asked.
    ///
    /// # Errors
    ///
    /// Fails if the certificates cannot be read or used.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime, in which the link lives.
    pub fn outside(broker: &OutsideBroker) -> Result<(Self, mpsc::Receiver<Request>), BrokerError> {
        let (outside, requests) = Outside::start(broker)?;
        Ok((Self(Kind::Outside(Arc::new(outside))), requests))
    }

    /// Waits until devices are heard: at once on the embedded broker, and on an outside one when it has
    /// confirmed the subscriptions.
    pub async fn ready(&self) {
        match &self.0 {
            Kind::Embedded(_) => {}
            Kind::Outside(outside) => outside.ready().await,
        }
    }

    /// Whether devices are heard.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            Kind::Embedded(_) => true,
            Kind::Outside(outside) => outside.is_ready(),
        }
    }

    /// The address that the embedded broker listens on.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Embedded(embedded) => Some(embedded.address),
            Kind::Outside(_) => None,
        }
    }

    /// Whether a message on `topic` could reach anybody, now or later. An outside broker does not tell.
    #[must_use]
    pub fn is_heard(&self, topic: &str) -> bool {
        match &self.0 {
            Kind::Embedded(embedded) => embedded.hub.lock().is_heard(topic),
            Kind::Outside(_) => true,
        }
    }

    /// Publishes to every subscriber of `topic` (QoS 1 to a QoS 1 subscription).
    ///
    /// What exceeds the payload limit of AWS IoT is discarded.
    /// A persistent session whose client is away gets it later, if its subscription is QoS 1.
    pub fn publish(&self, topic: &str, payload: Bytes) {
        match &self.0 {
            Kind::Embedded(embedded) => {
                let mut hub = embedded.hub.lock();
                let Some(message) = said(topic, payload, hub.quotas()) else {
                    return;
                };
                hub.publish(now(), None, &message, Qos::AtLeastOnce);
            }
            Kind::Outside(outside) => outside.publish(topic, payload),
        }
    }

    /// Answers one connection, subscribed or not (QoS 0 when it is not). On an outside broker this is a publish.
    ///
    /// The answer is lost if the connection has ended. Without a connection this is [`Broker::publish`].
    pub fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes) {
        match (&self.0, to) {
            (Kind::Embedded(embedded), Some(connection)) => {
                let mut hub = embedded.hub.lock();
                let Some(message) = said(topic, payload, hub.quotas()) else {
                    return;
                };
                hub.reply(connection, &message);
            }
            (Kind::Embedded(_), None) | (Kind::Outside(_), _) => self.publish(topic, payload),
        }
    }

    /// The clients of the embedded broker that are connected; an outside one does not tell.
    #[must_use]
    pub fn connections(&self) -> Vec<LiveConnection> {
        match &self.0 {
            Kind::Embedded(embedded) => embedded.hub.lock().list(),
            Kind::Outside(_) => Vec::new(),
        }
    }

    /// A number that grows with every client of the embedded broker that comes or goes.
    #[must_use]
    pub fn traffic(&self) -> u64 {
        match &self.0 {
            Kind::Embedded(embedded) => embedded.hub.lock().traffic(),
            Kind::Outside(_) => 0,
        }
    }

    /// Forgets the messages that wait for clients of the embedded broker, or for an outside one; sessions stay.
    ///
    /// What an outside broker has taken is its own.
    pub fn forget_messages(&self) {
        match &self.0 {
            Kind::Embedded(embedded) => embedded.hub.lock().forget_messages(),
            Kind::Outside(outside) => outside.forget_messages(),
        }
    }

    /// Waits until messages for an outside broker were discarded, as too many waited for it, and all others
    /// have gone out; then takes some of the topics on which something may have to be said again.
    ///
    /// With the embedded broker this waits forever: its sessions discard what exceeds them, as AWS IoT's do.
    pub async fn lost(&self) -> Vec<String> {
        match &self.0 {
            Kind::Embedded(_) => core::future::pending().await,
            Kind::Outside(outside) => outside.lost().await,
        }
    }

    /// The quotas of the embedded broker; an outside one has its own, and does not tell.
    #[must_use]
    pub fn quotas(&self) -> MqttQuotas {
        match &self.0 {
            Kind::Embedded(embedded) => embedded.hub.lock().quotas(),
            Kind::Outside(_) => MqttQuotas::default(),
        }
    }

    /// Puts other quotas in force on the embedded broker; an outside one keeps its own. What exists beyond them stays.
    pub fn set_quotas(&self, quotas: MqttQuotas) {
        match &self.0 {
            Kind::Embedded(embedded) => embedded.hub.lock().set_quotas(quotas),
            Kind::Outside(_) => {}
        }
    }

    /// Ends one connection of the embedded broker.
    pub fn disconnect(&self, connection: &ConnectionId) {
        match &self.0 {
            Kind::Embedded(embedded) => {
                embedded.hub.lock().close(connection, Close::Administrative);
            }
            Kind::Outside(_) => {}
        }
    }

    /// Ends the connections of a thing to the embedded broker, and says how many.
    pub fn disconnect_thing(&self, thing: &str) -> usize {
        match &self.0 {
            Kind::Embedded(embedded) => {
                let mut hub = embedded.hub.lock();
                hub.close_thing(thing, Close::Administrative)
            }
            Kind::Outside(_) => 0,
        }
    }

    /// Whether the connections of devices are the broker's own, so that it can end them.
    #[must_use]
    pub fn has_connections(&self) -> bool {
        match &self.0 {
            Kind::Embedded(_) => true,
            Kind::Outside(_) => false,
        }
    }

    /// Ends every connection: what a restart of the service does to its devices.
    ///
    /// On an outside broker the service's own link is ended, and made anew.
    pub fn disconnect_all(&self) {
        match &self.0 {
            Kind::Embedded(embedded) => embedded.hub.lock().close_all(Close::Administrative),
            Kind::Outside(outside) => outside.restart(),
        }
    }
}

/// A message of the service's own, unless it is longer than AWS IoT sends any.
fn said(topic: &str, payload: Bytes, quotas: MqttQuotas) -> Option<Arc<Message>> {
    if payload.len() > limit(quotas.payload_bytes) {
        tracing::warn!(topic, len = payload.len(), "discarded message");
        return None;
    }
    Some(Arc::new(Message::new(topic, payload)))
}

/// The broker's clock; everything below takes the time as an argument.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
