//! One client's connection, from CONNECT to its end.
//!
//! [`Peer`] is sans-IO: it is fed with [`Peer::receive`], drained through [`Peer::output`], woken when
//! [`Peer::wake`] is notified or [`Peer::deadline`] has passed, and asked for the [`Request`] that waits
//! for the service. While one waits it reads no further packet: a client that asks faster than the
//! service answers is slowed down, and nobody else.
//!
//! ```text
//!                  CONNECT              DISCONNECT, violation, deadline
//! AwaitingConnect ────────▶ Connected ─────────────────────────────────▶ Closing
//!        │ refused, deadline                                                ▲
//!        └──────────────────────────────────────────────────────────────────┘
//! ```

mod connect;
mod excess;

use core::time::Duration;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, PubackReasonCode};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::codec::{Codec, Incoming, Publish, Violation, Will};
use super::hub::{ClientKey, Close, Grant, SharedHub};
use super::policy::Publication;
use super::quotas::{Publishes, limit};
use super::session::Subscription;
use super::{ConnectionId, Request, topic};

/// How long a client may take to send CONNECT.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The longest that a session of MQTT 5 may last after its connection.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
const LIFETIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Deliveries stay in the session, and requests unread, while more than this waits to be written.
const OUTPUT_LIMIT: usize = 256 * 1024;

/// One client's connection.
pub(super) struct Peer {
    hub: SharedHub,
    thing: String,
    codec: Codec,
    input: BytesMut,
    state: State,
    /// Notified when there is something to do; replaced by the hub's own once connected.
    wake: Arc<Notify>,
}

enum State {
    AwaitingConnect { deadline: Instant },
    Connected(Connected),
    Closing { will: Option<DueWill> },
}

struct Connected {
    connection: ConnectionId,
    client: ClientKey,
    keep_alive: Duration,
    lifetime: Duration,
    deadline: Instant,
    will: Option<Will>,
    waiting: Option<Waiting>,
    publishes: Publishes,
}

/// A request that the service has not taken yet, and the packet id to confirm then.
struct Waiting {
    request: Request,
    packet_id: Option<u16>,
}

/// A will to publish, unless the client is back by then.
pub(super) struct DueWill {
    client: ClientKey,
    will: Will,
    pub(super) at: Instant,
}

impl Peer {
    pub(super) fn new(now: Instant, hub: SharedHub, thing: String) -> Self {
        let codec = Codec::new(hub.lock().quotas());
        Self {
            hub,
            thing,
            codec,
            input: BytesMut::new(),
            state: State::AwaitingConnect {
                deadline: now + CONNECT_WITHIN,
            },
            wake: Arc::new(Notify::new()),
        }
    }

    /// What is to be written.
    pub(super) fn output(&self) -> &[u8] {
        self.codec.output()
    }

    /// Forgets output that was written, and goes on with what had no room.
    pub(super) fn written(&mut self, now: Instant, len: usize) {
        self.codec.consume(len);
        self.read(now);
    }

    /// Whether bytes from the client can be taken.
    pub(super) fn wants_input(&self) -> bool {
        self.output().len() < OUTPUT_LIMIT && !self.has_request() && !self.is_closing()
    }

    /// Whether the output is to be written and the socket closed.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    /// Notified when the hub has something for this connection.
    pub(super) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// When [`Peer::expire`] is to be called. A client is not silent while it is not read from.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::AwaitingConnect { deadline } => Some(*deadline),
            State::Connected(connected) if connected.waiting.is_some() => None,
            State::Connected(connected) => Some(connected.deadline),
            State::Closing { .. } => None,
        }
    }

    /// Takes bytes from the client.
    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read(now);
    }

    /// Looks after what the hub has for this connection.
    pub(super) fn pump(&mut self, now: Instant) {
        let State::Connected(connected) = &self.state else {
            return;
        };
        let connection = connected.connection.clone();
        let hub = self.hub.clone();
        let mut hub = hub.lock();
        if let Some(why) = hub.closing(&connection) {
            drop(hub);
            self.codec.disconnect(match why {
                Close::Administrative => DisconnectReasonCode::ServerShuttingDown,
                Close::TakenOver => DisconnectReasonCode::SessionTakenOver,
            });
            self.close(now, true);
            return;
        }
        while self.codec.output().len() < OUTPUT_LIMIT {
            let Some(delivery) = hub.take(now, &connection, self.codec.has_vacancy()) else {
                return;
            };
            if let Some(packet_id) = self.codec.deliver(now, &delivery) {
                hub.sent(&connection, packet_id, delivery);
            }
        }
    }

    /// Closes the connection if its deadline has passed.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.codec
                .disconnect(DisconnectReasonCode::KeepAliveTimeout);
            self.close(now, true);
        }
    }

    /// Whether a request waits for the service.
    pub(super) fn has_request(&self) -> bool {
        match &self.state {
            State::Connected(connected) => connected.waiting.is_some(),
            State::AwaitingConnect { .. } | State::Closing { .. } => false,
        }
    }

    /// Hands the waiting request over, confirms it to the client and reads on.
    pub(super) fn take_request(&mut self, now: Instant) -> Option<Request> {
        let State::Connected(connected) = &mut self.state else {
            return None;
        };
        let Waiting { request, packet_id } = connected.waiting.take()?;
        connected.heard(now);
        if let Some(packet_id) = packet_id {
            let confirmed = self.codec.acknowledge(packet_id);
            self.settle(now, confirmed);
        }
        self.read(now);
        Some(request)
    }

    /// Ends the connection, if it has not ended, and gives the will that is then due.
    pub(super) fn finish(mut self, now: Instant) -> Option<DueWill> {
        self.close(now, true);
        match self.state {
            State::Closing { will } => will,
            State::AwaitingConnect { .. } | State::Connected(_) => None,
        }
    }

    /// Handles whole packets until there is none, a request waits, or the output is full.
    fn read(&mut self, now: Instant) {
        while self.wants_input() && !self.input.is_empty() {
            let mut rest = self.input.as_ref();
            let incoming = self.codec.receive(now, &mut rest);
            let consumed = self.input.len() - rest.len();
            self.input.advance(consumed);
            match incoming {
                Ok(Some(incoming)) => {
                    let handled = self.handle(now, incoming);
                    self.settle(now, handled);
                }
                // The codec holds the part of a packet that it has read.
                Ok(None) => {}
                Err(violation) => self.settle(now, Err(violation)),
            }
        }
        self.pump(now);
    }

    /// Closes the connection after a violation.
    fn settle(&mut self, now: Instant, result: Result<(), Violation>) {
        if let Err(violation) = result {
            tracing::info!(thing = self.thing, %violation, "closed connection");
            self.close(now, true);
        }
    }

    fn handle(&mut self, now: Instant, incoming: Incoming) -> Result<(), Violation> {
        match &mut self.state {
            State::AwaitingConnect { .. } => match incoming {
                Incoming::Connect(connect) => self.connect(now, *connect),
                Incoming::Acknowledge { .. }
                | Incoming::Disconnect { .. }
                | Incoming::Nothing
                | Incoming::Publish(_)
                | Incoming::Subscribe { .. }
                | Incoming::Unsubscribe { .. } => {
                    self.close(now, false);
                    Ok(())
                }
            },
            State::Connected(connected) => {
                connected.heard(now);
                self.handle_connected(now, incoming)
            }
            State::Closing { .. } => Ok(()),
        }
    }

    fn handle_connected(&mut self, now: Instant, incoming: Incoming) -> Result<(), Violation> {
        let State::Connected(connected) = &mut self.state else {
            return Ok(());
        };
        let connection = connected.connection.clone();
        match incoming {
            Incoming::Acknowledge { packet_id } => {
                self.hub.lock().acknowledge(&connection, packet_id);
                Ok(())
            }
            // The codec refuses a second CONNECT; this is never reached.
            Incoming::Connect(_) => {
                self.close(now, true);
                Ok(())
            }
            Incoming::Disconnect {
                keeps_will,
                lifetime,
            } => {
                if let Some(lifetime) = lifetime {
                    self.change_lifetime(&connection, lifetime);
                }
                self.close(now, keeps_will);
                Ok(())
            }
            Incoming::Nothing => Ok(()),
            Incoming::Publish(publish) => self.publish(now, &connection, publish),
            Incoming::Subscribe {
                packet_id,
                filters,
                answered,
            } => {
                let grants = self.subscribe(&connection, &filters);
                let quotas = self.hub.lock().quotas();
                if let Some(why) = excess::ends_connection(&grants, quotas) {
                    self.deny_subscribe(now, packet_id, &grants, why)
                } else if answered {
                    self.codec.answer_subscribe(packet_id, &grants)
                } else {
                    Ok(())
                }
            }
            Incoming::Unsubscribe { packet_id, filters } => {
                let mut hub = self.hub.lock();
                let existed: Vec<_> = filters
                    .iter()
                    .map(|filter| hub.unsubscribe(&connection, filter))
                    .collect();
                drop(hub);
                self.codec.answer_unsubscribe(packet_id, &existed)
            }
        }
    }

    fn subscribe(
        &self,
        connection: &ConnectionId,
        filters: &[(String, Subscription)],
    ) -> Vec<Grant> {
        let mut hub = self.hub.lock();
        if filters.len() > limit(hub.quotas().filters_per_subscribe) {
            return vec![Grant::QuotaExceeded; filters.len()];
        }
        filters
            .iter()
            .map(|(filter, subscription)| hub.subscribe(connection, filter, *subscription))
            .collect()
    }

    fn publish(
        &mut self,
        now: Instant,
        connection: &ConnectionId,
        publish: Publish,
    ) -> Result<(), Violation> {
        let qos = publish.qos();
        let Publish {
            message,
            retain,
            packet_id,
        } = publish;
        if topic::check_name(&message.topic).is_err() {
            self.codec
                .disconnect(DisconnectReasonCode::TopicNameInvalid);
            self.close(now, true);
            return Ok(());
        }
        if !self.takes_publish(now) {
            tracing::debug!(thing = self.thing, "discarded message");
            let reason = PubackReasonCode::QuotaExceeded;
            return packet_id.map_or(Ok(()), |id| self.codec.refuse_publish(id, reason));
        }
        let is_reserved = message.topic.starts_with('$');
        match Publication::decide(&self.thing, &message.topic) {
            Publication::Request | Publication::Route if retain && is_reserved => {
                self.deny(now, &message.topic, packet_id)
            }
            Publication::Denied => self.deny(now, &message.topic, packet_id),
            Publication::Request => {
                if let State::Connected(connected) = &mut self.state {
                    connected.waiting = Some(Waiting {
                        request: Request {
                            connection: Some(connection.clone()),
                            topic: message.topic,
                            payload: message.payload,
                        },
                        packet_id,
                    });
                }
                Ok(())
            }
            Publication::Route => {
                self.hub
                    .lock()
                    .publish(now, Some(connection), &Arc::new(message), qos);
                match packet_id {
                    Some(packet_id) => self.codec.acknowledge(packet_id),
                    None => Ok(()),
                }
            }
        }
    }

    /// Ends the connection of a client that published what it must not.
    ///
    /// <https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html>
    fn deny(&mut self, now: Instant, topic: &str, packet_id: Option<u16>) -> Result<(), Violation> {
        tracing::info!(thing = self.thing, ?topic, "denied publish");
        if let Some(packet_id) = packet_id {
            let reason = PubackReasonCode::NotAuthorized;
            self.codec.refuse_publish(packet_id, reason)?;
        }
        self.codec.disconnect(DisconnectReasonCode::NotAuthorized);
        self.close(now, true);
        Ok(())
    }

    /// A session that was to end with its connection stays so (MQTT 5, 3.14.2.2.2).
    fn change_lifetime(&mut self, connection: &ConnectionId, lifetime: Duration) {
        if let State::Connected(connected) = &mut self.state
            && !connected.lifetime.is_zero()
        {
            connected.lifetime = lifetime.min(LIFETIME_MAX);
            self.hub.lock().set_lifetime(connection, connected.lifetime);
        }
    }

    /// Gives the session back; the output that is left is still to be written.
    fn close(&mut self, now: Instant, publishes_will: bool) {
        let closing = State::Closing { will: None };
        match core::mem::replace(&mut self.state, closing) {
            State::AwaitingConnect { .. } => {}
            State::Connected(connected) => {
                self.hub.lock().leave(now, &connected.connection);
                let will = connected.will.filter(|_| publishes_will);
                let will = will.map(|will| DueWill {
                    at: now + will.delay.min(connected.lifetime),
                    client: connected.client,
                    will,
                });
                self.state = State::Closing { will };
            }
            closing @ State::Closing { .. } => self.state = closing,
        }
    }
}

impl Connected {
    /// Gives the client one and a half keep-alives to be heard again.
    fn heard(&mut self, now: Instant) {
        self.deadline = now + self.keep_alive * 3 / 2;
    }
}

impl DueWill {
    /// Publishes the will, unless it was to wait and the client has come back.
    ///
    /// As at AWS IoT, a will below a reserved topic is not a request to a service; it goes nowhere:
    /// <https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html>
    pub(super) fn publish(self, now: Instant, hub: &SharedHub) {
        let Self {
            client, mut will, ..
        } = self;
        will.message.expires_at = will.expires_after.and_then(|after| now.checked_add(after));
        let mut hub = hub.lock();
        let is_back = !will.delay.is_zero() && hub.is_connected(&client);
        if !is_back && !will.message.topic.starts_with('$') {
            hub.publish(now, None, &Arc::new(will.message), will.qos);
        }
    }
}

#[cfg(test)]
mod tests;
