//! The sessions of all clients, and the routing between them.
//!
//! [`Hub`] does no I/O and never waits: a connection calls it under a short lock, is woken through its
//! [`Notify`] when there is something to do, and then asks for deliveries. A slow client therefore
//! fills its own queue and nobody else's.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::codec::Version;
use super::message::{Delivery, Message, Qos};
use super::policy;
use super::session::{Session, Subscription};
use super::sessions::Sessions;
use super::topic::TopicFilter;
use super::{ConnectionId, LiveConnection};

/// The most sessions, of clients that are connected or away.
const SESSION_LIMIT: usize = 64 * 1024;

/// The most unacknowledged QoS 1 messages towards one client.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
const IN_FLIGHT_LIMIT: usize = 100;

/// A [`Hub`] that connections share.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedHub(Arc<Mutex<Hub>>);

impl SharedHub {
    pub(super) fn lock(&self) -> MutexGuard<'_, Hub> {
        // No method of the hub leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions by client, and the connections that hold them.
#[derive(Debug, Default)]
pub(super) struct Hub {
    sessions: Sessions,
    connections: BTreeMap<ConnectionId, Connection>,
    last_connection: u64,
}

/// Names a client. Two things may use one client id: a policy that lets each connect only under its own
/// names cannot be broken by choosing the name of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClientKey {
    pub(super) thing: String,
    pub(super) client_id: String,
}

#[derive(Debug)]
struct Connection {
    client: ClientKey,
    version: Version,
    wake: Arc<Notify>,
    closing: Option<Close>,
}

/// Why the broker ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The service ends it.
    Administrative,
    /// The client id connected again.
    TakenOver,
}

/// A client that was let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) connection: ConnectionId,
    pub(super) session_present: bool,
    pub(super) wake: Arc<Notify>,
}

/// What a client asks for when it connects.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    pub(super) client: ClientKey,
    pub(super) version: Version,
    pub(super) wants_clean: bool,
    pub(super) lifetime: Duration,
}

/// What became of one requested subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Granted(Qos),
    NotAuthorized,
    NotShared,
    FilterInvalid,
    QuotaExceeded,
}

impl Hub {
    /// Lets a client in, or refuses because there are too many sessions.
    ///
    /// A connection that already holds the session is told to close.
    pub(super) fn admit(&mut self, now: Instant, admission: Admission) -> Option<Admitted> {
        self.sessions.forget_over(now);
        let Admission {
            client,
            version,
            wants_clean,
            lifetime,
        } = admission;
        if self.sessions.len() >= SESSION_LIMIT && self.sessions.get(&client).is_none() {
            return None;
        }

        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        let former = self.sessions.remove(&client);
        if let Some(former) = former.as_ref().and_then(Session::connection).cloned() {
            self.close(&former, Close::TakenOver);
        }
        // AWS IoT does not hand a session from one version of MQTT to the other.
        let resumed = former.filter(|session| {
            !wants_clean && session.version == version && session.is_resumable(now)
        });
        let session_present = resumed.is_some();
        let session = match resumed {
            Some(mut session) => {
                session.resume(connection.clone(), lifetime);
                session
            }
            None => Session::new(connection.clone(), version, lifetime),
        };

        let wake = Arc::new(Notify::new());
        self.sessions.insert(client.clone(), session);
        self.connections.insert(
            connection.clone(),
            Connection {
                client,
                version,
                wake: Arc::clone(&wake),
                closing: None,
            },
        );
        Some(Admitted {
            connection,
            session_present,
            wake,
        })
    }

    /// Forgets a connection. Its session stays for its lifetime, if it has one.
    pub(super) fn leave(&mut self, now: Instant, connection: &ConnectionId) {
        let Some(Connection { client, .. }) = self.connections.remove(connection) else {
            return;
        };
        let session = self.sessions.get(&client);
        if session.and_then(Session::connection) == Some(connection) {
            self.sessions.leave(&client, now);
        }
    }

    /// Changes how long the session outlives the connection.
    pub(super) fn set_lifetime(&mut self, connection: &ConnectionId, lifetime: Duration) {
        if let Some(session) = self.session_of(connection) {
            session.lifetime = lifetime;
        }
    }

    /// Tells a connection to close.
    pub(super) fn close(&mut self, connection: &ConnectionId, why: Close) {
        if let Some(connection) = self.connections.get_mut(connection) {
            connection.closing.get_or_insert(why);
            connection.wake.notify_one();
        }
    }

    /// Tells the connections of a thing to close, and says how many.
    pub(super) fn close_thing(&mut self, thing: &str, why: Close) -> usize {
        let connections = self.connections.values_mut();
        let of_thing =
            connections.filter(|open| open.client.thing == thing && open.closing.is_none());
        let close = |open: &mut Connection| {
            open.closing = Some(why);
            open.wake.notify_one();
        };
        of_thing.map(close).count()
    }

    /// Tells every connection to close.
    pub(super) fn close_all(&mut self, why: Close) {
        for connection in self.connections.values_mut() {
            connection.closing.get_or_insert(why);
            connection.wake.notify_one();
        }
    }

    /// Forgets the messages that wait for any client; sessions and subscriptions stay.
    pub(super) fn forget_messages(&mut self) {
        self.sessions.iter_mut().for_each(Session::forget_messages);
    }

    /// Why the connection has to close, if it has to.
    pub(super) fn closing(&self, connection: &ConnectionId) -> Option<Close> {
        self.connections.get(connection)?.closing
    }

    /// Whether the client has come back since `connection` ended.
    pub(super) fn is_connected(&self, client: &ClientKey) -> bool {
        self.sessions
            .get(client)
            .is_some_and(|session| session.connection().is_some())
    }

    /// How many connections came and went so far, together.
    pub(super) fn traffic(&self) -> u64 {
        let present = u64::try_from(self.connections.len()).unwrap_or_default();
        let gone = self.last_connection.saturating_sub(present);
        self.last_connection + gone
    }

    /// The connections that are not about to close.
    pub(super) fn list(&self) -> Vec<LiveConnection> {
        self.connections
            .iter()
            .filter(|(_, connection)| connection.closing.is_none())
            .map(|(id, connection)| LiveConnection {
                id: id.clone(),
                client_id: connection.client.client_id.clone(),
                thing: connection.client.thing.clone(),
                protocol: connection.version.protocol(),
            })
            .collect()
    }

    /// Adds a subscription, if the thing may have it.
    pub(super) fn subscribe(
        &mut self,
        connection: &ConnectionId,
        filter: &str,
        subscription: Subscription,
    ) -> Grant {
        if filter.starts_with("$share/") {
            return Grant::NotShared;
        }
        let Ok(filter) = TopicFilter::parse(filter) else {
            return Grant::FilterInvalid;
        };
        let Some(client) = self.client_of(connection).cloned() else {
            return Grant::NotAuthorized;
        };
        if !policy::may_subscribe(&client.thing, &filter) {
            return Grant::NotAuthorized;
        }
        if self.sessions.subscribe(&client, filter, subscription) {
            Grant::Granted(subscription.qos)
        } else {
            Grant::QuotaExceeded
        }
    }

    /// Ends a subscription; `false` if there was none.
    pub(super) fn unsubscribe(&mut self, connection: &ConnectionId, filter: &str) -> bool {
        let Ok(filter) = TopicFilter::parse(filter) else {
            return false;
        };
        let client = self.client_of(connection).cloned();
        client.is_some_and(|client| self.sessions.unsubscribe(&client, &filter))
    }

    /// Delivers a message to every session that wants it.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        from: Option<&ConnectionId>,
        message: &Arc<Message>,
        qos: Qos,
    ) {
        let connections = &self.connections;
        self.sessions
            .for_each_listener(&message.topic, |client, session| {
                if session.is_over(now) {
                    return;
                }
                if let Some(wanted) = session.wants(&message.topic, from) {
                    let delivery = Delivery {
                        message: Arc::clone(message),
                        qos: wanted.min(qos),
                        for_connection: false,
                    };
                    offer(session, client, delivery, connections);
                }
            });
    }

    /// Delivers a message to one connection, at QoS 0 if it has not subscribed.
    ///
    /// Responses are sent directly to the client that asked; one that it has not acknowledged when the
    /// connection ends is lost:
    /// <https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html>
    pub(super) fn reply(&mut self, connection: &ConnectionId, message: &Arc<Message>) {
        let Some(client) = self.connections.get(connection).map(|c| &c.client) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        if session.connection() != Some(connection) {
            return;
        }
        let delivery = Delivery {
            message: Arc::clone(message),
            qos: session
                .wants(&message.topic, None)
                .unwrap_or(Qos::AtMostOnce),
            for_connection: true,
        };
        offer(session, client, delivery, &self.connections);
    }

    /// The next message to send to a connection. `has_packet_id` says whether it could be QoS 1.
    pub(super) fn take(
        &mut self,
        now: Instant,
        connection: &ConnectionId,
        has_packet_id: bool,
    ) -> Option<Delivery> {
        let session = self.session_of(connection)?;
        let may_send_qos1 = has_packet_id && session.in_flight() < IN_FLIGHT_LIMIT;
        session.take(now, may_send_qos1)
    }

    /// Holds a QoS 1 message until the client acknowledges it.
    pub(super) fn sent(&mut self, connection: &ConnectionId, packet_id: u16, delivery: Delivery) {
        if let Some(session) = self.session_of(connection) {
            session.sent(packet_id, delivery);
        }
    }

    /// Lets go of a message that the client has.
    pub(super) fn acknowledge(&mut self, connection: &ConnectionId, packet_id: u16) {
        if let Some(session) = self.session_of(connection) {
            session.acknowledge(packet_id);
        }
    }

    /// The client, as long as no other connection has taken its session.
    fn client_of(&self, connection: &ConnectionId) -> Option<&ClientKey> {
        let client = &self.connections.get(connection)?.client;
        let holder = self.sessions.get(client)?.connection();
        (holder == Some(connection)).then_some(client)
    }

    /// The session, as long as no other connection has taken it.
    fn session_of(&mut self, connection: &ConnectionId) -> Option<&mut Session> {
        let client = &self.connections.get(connection)?.client;
        self.sessions
            .get_mut(client)
            .filter(|session| session.connection() == Some(connection))
    }
}

fn offer(
    session: &mut Session,
    client: &ClientKey,
    delivery: Delivery,
    connections: &BTreeMap<ConnectionId, Connection>,
) {
    if !session.offer(delivery) {
        tracing::debug!(client_id = client.client_id, "discarded message");
        return;
    }
    if let Some(connection) = session.connection().and_then(|id| connections.get(id)) {
        connection.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const NOTIFY: &str = "$aws/things/pump/jobs/notify";

    #[test]
    fn a_second_connection_of_the_client_closes_the_first_and_has_the_session() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let first = admit(&mut hub, now, "pump", Version::V3, HOUR);
        subscribe(&mut hub, &first.connection, NOTIFY);

        let second = admit(&mut hub, now, "pump", Version::V3, HOUR);

        assert!(second.session_present);
        assert_eq!(hub.closing(&first.connection), Some(Close::TakenOver));
        publish(&mut hub, now, NOTIFY);
        assert!(hub.take(now, &first.connection, true).is_none());
        assert!(hub.take(now, &second.connection, true).is_some());
    }

    #[test]
    fn the_end_of_the_first_connection_does_not_end_the_session_of_the_second() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let first = admit(&mut hub, now, "pump", Version::V3, Duration::ZERO);
        let second = admit(&mut hub, now, "pump", Version::V3, Duration::ZERO);
        subscribe(&mut hub, &second.connection, NOTIFY);

        hub.leave(now, &first.connection);

        publish(&mut hub, now, NOTIFY);
        assert!(hub.take(now, &second.connection, true).is_some());
    }

    #[test]
    fn the_client_id_of_another_thing_takes_nothing_over() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let victim = admit(&mut hub, now, "pump", Version::V3, HOUR);
        let mut admission = admission("pump", Version::V3, HOUR);
        admission.client.thing = "valve".into();

        let other = hub.admit(now, admission).unwrap();

        assert!(!other.session_present);
        assert_eq!(hub.closing(&victim.connection), None);
    }

    #[test]
    fn a_session_is_not_resumed_by_the_other_version_of_mqtt() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let first = admit(&mut hub, now, "pump", Version::V3, HOUR);
        hub.leave(now, &first.connection);

        let second = admit(&mut hub, now, "pump", Version::V5, HOUR);

        assert!(!second.session_present);
    }

    #[test]
    fn a_reply_needs_no_subscription_and_is_then_qos_0() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let client = admit(&mut hub, now, "pump", Version::V3, HOUR);

        hub.reply(
            &client.connection,
            &message("$aws/things/pump/jobs/get/accepted"),
        );

        let delivery = hub.take(now, &client.connection, true).unwrap();
        assert_eq!(delivery.qos, Qos::AtMostOnce);
    }

    #[test]
    fn a_reply_to_a_qos_1_subscription_is_qos_1() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let client = admit(&mut hub, now, "pump", Version::V3, HOUR);
        subscribe(&mut hub, &client.connection, "$aws/things/pump/jobs/get/+");

        hub.reply(
            &client.connection,
            &message("$aws/things/pump/jobs/get/accepted"),
        );

        let delivery = hub.take(now, &client.connection, true).unwrap();
        assert_eq!(delivery.qos, Qos::AtLeastOnce);
    }

    #[test]
    fn a_reply_that_was_not_acknowledged_is_lost_with_its_connection() {
        let now = Instant::now();
        for is_taken_over in [false, true] {
            let mut hub = Hub::default();
            let first = admit(&mut hub, now, "pump", Version::V3, HOUR);
            subscribe(&mut hub, &first.connection, "$aws/things/pump/jobs/#");
            for packet_id in 1..=2 {
                publish(&mut hub, now, NOTIFY);
                hub.reply(
                    &first.connection,
                    &message("$aws/things/pump/jobs/get/accepted"),
                );
                // One pair is sent and not acknowledged, the other one waits.
                if packet_id == 1 {
                    for packet_id in 1..=2 {
                        let delivery = hub.take(now, &first.connection, true).unwrap();
                        hub.sent(&first.connection, packet_id, delivery);
                    }
                }
            }

            if !is_taken_over {
                hub.leave(now, &first.connection);
            }
            let second = admit(&mut hub, now, "pump", Version::V3, HOUR);

            assert!(second.session_present);
            let mut topics = Vec::new();
            while let Some(delivery) = hub.take(now, &second.connection, true) {
                topics.push(delivery.message.topic.clone());
            }
            assert_eq!(topics, [NOTIFY, NOTIFY], "taken over: {is_taken_over}");
        }
    }

    #[test]
    fn a_reply_reaches_no_other_connection_of_the_thing() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let asking = admit(&mut hub, now, "asking", Version::V3, HOUR);
        let other = admit(&mut hub, now, "other", Version::V3, HOUR);
        subscribe(&mut hub, &other.connection, "$aws/things/pump/jobs/#");

        hub.reply(
            &asking.connection,
            &message("$aws/things/pump/jobs/get/accepted"),
        );

        assert!(hub.take(now, &other.connection, true).is_none());
    }

    #[test]
    fn a_client_that_is_away_gets_its_qos_1_messages_when_it_returns() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let first = admit(&mut hub, now, "pump", Version::V5, HOUR);
        subscribe(&mut hub, &first.connection, NOTIFY);
        hub.leave(now, &first.connection);
        publish(&mut hub, now, NOTIFY);

        let second = admit(&mut hub, now + HOUR / 2, "pump", Version::V5, HOUR);

        assert!(second.session_present);
        assert!(hub.take(now, &second.connection, true).is_some());
    }

    #[test]
    fn messages_are_forgotten_and_subscriptions_stay() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let first = admit(&mut hub, now, "pump", Version::V5, HOUR);
        subscribe(&mut hub, &first.connection, NOTIFY);
        publish(&mut hub, now, NOTIFY);
        let delivery = hub.take(now, &first.connection, true).unwrap();
        hub.sent(&first.connection, 1, delivery);
        hub.leave(now, &first.connection);
        publish(&mut hub, now, NOTIFY);

        hub.forget_messages();

        let second = admit(&mut hub, now, "pump", Version::V5, HOUR);
        assert!(hub.take(now, &second.connection, true).is_none());
        publish(&mut hub, now, NOTIFY);
        assert!(hub.take(now, &second.connection, true).is_some());
    }

    #[test]
    fn a_clean_start_forgets_the_session() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let first = admit(&mut hub, now, "pump", Version::V5, HOUR);
        subscribe(&mut hub, &first.connection, NOTIFY);
        let mut admission = admission("pump", Version::V5, HOUR);
        admission.wants_clean = true;

        let second = hub.admit(now, admission).unwrap();

        assert!(!second.session_present);
        publish(&mut hub, now, NOTIFY);
        assert!(hub.take(now, &second.connection, true).is_none());
    }

    #[test]
    fn unacknowledged_messages_hold_the_next_ones_back() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let client = admit(&mut hub, now, "pump", Version::V3, HOUR);
        subscribe(&mut hub, &client.connection, NOTIFY);
        for packet_id in 1..=100 {
            publish(&mut hub, now, NOTIFY);
            let delivery = hub.take(now, &client.connection, true).unwrap();
            hub.sent(&client.connection, packet_id, delivery);
        }
        publish(&mut hub, now, NOTIFY);
        assert!(hub.take(now, &client.connection, true).is_none());

        hub.acknowledge(&client.connection, 50);

        assert!(hub.take(now, &client.connection, true).is_some());
    }

    #[test]
    fn too_many_sessions_are_refused_until_one_is_over() {
        let now = Instant::now();
        let mut hub = Hub::default();
        for number in 0..SESSION_LIMIT {
            let client = admit(&mut hub, now, &number.to_string(), Version::V3, HOUR);
            hub.leave(now, &client.connection);
        }

        assert!(
            hub.admit(now, admission("pump", Version::V3, HOUR))
                .is_none()
        );
        assert!(
            hub.admit(now + HOUR, admission("pump", Version::V3, HOUR))
                .is_some()
        );
    }

    #[test]
    fn the_connections_of_one_thing_close_once() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let first = admit(&mut hub, now, "first", Version::V3, HOUR);
        let second = admit(&mut hub, now, "second", Version::V5, HOUR);
        let mut admission = admission("other", Version::V3, HOUR);
        admission.client.thing = "valve".into();
        let other = hub.admit(now, admission).unwrap();

        assert_eq!(hub.close_thing("pump", Close::Administrative), 2);
        assert_eq!(hub.close_thing("pump", Close::Administrative), 0);

        for (admitted, closing) in [
            (first, Some(Close::Administrative)),
            (second, Some(Close::Administrative)),
            (other, None),
        ] {
            assert_eq!(hub.closing(&admitted.connection), closing);
        }
    }

    #[test]
    fn a_shared_subscription_is_refused() {
        let now = Instant::now();
        let mut hub = Hub::default();
        let client = admit(&mut hub, now, "pump", Version::V5, HOUR);

        let grant = subscribe(&mut hub, &client.connection, "$share/group/site/pump");

        assert_eq!(grant, Grant::NotShared);
    }

    fn admission(client_id: &str, version: Version, lifetime: Duration) -> Admission {
        Admission {
            client: ClientKey {
                thing: "pump".into(),
                client_id: client_id.into(),
            },
            version,
            wants_clean: false,
            lifetime,
        }
    }

    fn admit(
        hub: &mut Hub,
        now: Instant,
        client_id: &str,
        version: Version,
        lifetime: Duration,
    ) -> Admitted {
        hub.admit(now, admission(client_id, version, lifetime))
            .unwrap()
    }

    fn subscribe(hub: &mut Hub, connection: &ConnectionId, filter: &str) -> Grant {
        let subscription = Subscription {
            qos: Qos::AtLeastOnce,
            no_local: false,
        };
        hub.subscribe(connection, filter, subscription)
    }

    fn publish(hub: &mut Hub, now: Instant, topic: &str) {
        hub.publish(now, None, &message(topic), Qos::AtLeastOnce);
    }

    fn message(topic: &str) -> Arc<Message> {
        Arc::new(Message::new(topic, Bytes::new()))
    }
}
