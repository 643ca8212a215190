//! What the broker keeps for one client: subscriptions, and messages that it has not taken yet.
//!
//! A session never talks to a socket. Its connection takes messages with [`Session::take`] and reports
//! what the client acknowledged with [`Session::acknowledge`].
//!
//! Bounds: as many subscriptions as the quota allows, [`QUEUE_LIMIT`] waiting messages of [`QUEUE_BYTES`]. What comes to a full
//! queue is discarded, and what waits there stays: AWS IoT also drops the excess, not the backlog.
//! Only QoS 1 waits for a client that is away.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use super::ConnectionId;
use super::codec::Version;
use super::message::{Delivery, Qos};
use super::policy;
use super::topic::TopicFilter;

/// The most messages that wait for one client.
pub(super) const QUEUE_LIMIT: usize = 256;

/// The most bytes of topics and payloads that wait for one client, sent and not acknowledged ones among them.
pub(super) const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// One client's side of the broker.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) version: Version,
    /// How long the session outlives its connection; zero for one that does not.
    pub(super) lifetime: Duration,
    presence: Presence,
    subscriptions: BTreeMap<TopicFilter, Subscription>,
    waiting: VecDeque<Delivery>,
    in_flight: VecDeque<(u16, Delivery)>,
}

/// What the client asked of one filter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscription {
    pub(super) qos: Qos,
    /// MQTT 5: the client does not want its own messages back.
    pub(super) no_local: bool,
}

#[derive(Debug)]
enum Presence {
    Connected(ConnectionId),
    Away { expires_at: Instant },
}

impl Session {
    pub(super) fn new(connection: ConnectionId, version: Version, lifetime: Duration) -> Self {
        Self {
            version,
            lifetime,
            presence: Presence::Connected(connection),
            subscriptions: BTreeMap::new(),
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
        }
    }

    /// The connection that holds the session.
    pub(super) fn connection(&self) -> Option<&ConnectionId> {
        match &self.presence {
            Presence::Connected(connection) => Some(connection),
            Presence::Away { .. } => None,
        }
    }

    /// Whether a client that comes back at `now` finds its session.
    pub(super) fn is_resumable(&self, now: Instant) -> bool {
        match self.presence {
            Presence::Connected(_) => !self.lifetime.is_zero(),
            Presence::Away { expires_at } => now < expires_at,
        }
    }

    /// Whether nobody will ask for the session again.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.end().is_some_and(|end| end <= now)
    }

    /// When nobody will ask for the session again; a connected client's has no end.
    pub(super) fn end(&self) -> Option<Instant> {
        match self.presence {
            Presence::Connected(_) => None,
            Presence::Away { expires_at } => Some(expires_at),
        }
    }

    /// Gives the session to a new connection.
    pub(super) fn resume(&mut self, connection: ConnectionId, lifetime: Duration) {
        self.end_connection();
        self.presence = Presence::Connected(connection);
        self.lifetime = lifetime;
    }

    /// Keeps the session for a client that has gone.
    pub(super) fn leave(&mut self, now: Instant) {
        self.end_connection();
        self.waiting
            .retain(|delivery| delivery.qos == Qos::AtLeastOnce);
        self.presence = Presence::Away {
            expires_at: now + self.lifetime,
        };
    }

    /// Adds or replaces a subscription; `false` if there are too many.
    pub(super) fn subscribe(
        &mut self,
        filter: TopicFilter,
        subscription: Subscription,
        quota: usize,
    ) -> bool {
        if self.subscriptions.len() >= quota && !self.subscriptions.contains_key(&filter) {
            return false;
        }
        self.subscriptions.insert(filter, subscription);
        true
    }

    /// Ends a subscription; `false` if there was none.
    pub(super) fn unsubscribe(&mut self, filter: &TopicFilter) -> bool {
        self.subscriptions.remove(filter).is_some()
    }

    /// Whether a subscription reaches beyond the reserved topics of `thing`.
    pub(super) fn has_wide_subscriptions(&self, thing: &str) -> bool {
        let mut filters = self.subscriptions.keys();
        filters.any(|filter| !policy::is_below_thing(thing, filter))
    }

    /// The QoS at which the client wants messages on `topic`, if it does.
    pub(super) fn wants(&self, topic: &str, from: Option<&ConnectionId>) -> Option<Qos> {
        let is_own = from.is_some() && from == self.connection();
        self.subscriptions
            .iter()
            .filter(|(filter, _)| filter.matches(topic))
            .filter(|(_, subscription)| !(is_own && subscription.no_local))
            .map(|(_, subscription)| subscription.qos)
            .max()
    }

    /// Queues a message; `false` if it was discarded.
    pub(super) fn offer(&mut self, delivery: Delivery) -> bool {
        let is_kept = self.connection().is_some() || delivery.qos == Qos::AtLeastOnce;
        if !is_kept || self.waiting.len() >= QUEUE_LIMIT {
            return false;
        }
        if self.held_bytes() + bytes(&delivery) > QUEUE_BYTES {
            return false;
        }
        self.waiting.push_back(delivery);
        true
    }

    /// The next message to send. QoS 1 waits, and with it what is behind, until `may_send_qos1`.
    pub(super) fn take(&mut self, now: Instant, may_send_qos1: bool) -> Option<Delivery> {
        self.waiting
            .retain(|delivery| !delivery.message.is_expired(now));
        let next = self.waiting.front()?;
        if next.qos == Qos::AtLeastOnce && !may_send_qos1 {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Forgets what the client has not taken or acknowledged.
    pub(super) fn forget_messages(&mut self) {
        self.waiting.clear();
        self.in_flight.clear();
    }

    /// Holds a QoS 1 message until the client acknowledges it.
    pub(super) fn sent(&mut self, packet_id: u16, delivery: Delivery) {
        self.in_flight.push_back((packet_id, delivery));
    }

    /// Lets go of a message that the client has.
    pub(super) fn acknowledge(&mut self, packet_id: u16) {
        self.in_flight.retain(|(id, _)| *id != packet_id);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    fn held_bytes(&self) -> usize {
        let in_flight = self.in_flight.iter().map(|(_, delivery)| delivery);
        self.waiting.iter().chain(in_flight).map(bytes).sum()
    }

    /// Puts what was sent and not acknowledged back in front, and drops what only the connection was to have.
    ///
    /// It goes out again under a new packet id and not marked as a duplicate, as AWS IoT says it may:
    /// <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>
    fn end_connection(&mut self) {
        while let Some((_, delivery)) = self.in_flight.pop_back() {
            self.waiting.push_front(delivery);
        }
        self.waiting.retain(|delivery| !delivery.for_connection);
    }
}

fn bytes(delivery: &Delivery) -> usize {
    delivery.message.topic.len() + delivery.message.payload.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::super::message::Message;
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const SUBSCRIPTIONS: usize = 50;

    #[test]
    fn a_full_queue_discards_what_comes_and_keeps_what_waits() {
        let mut session = session();
        for number in 0..QUEUE_LIMIT {
            assert!(session.offer(delivery(number, Qos::AtLeastOnce)));
        }

        assert!(!session.offer(delivery(QUEUE_LIMIT, Qos::AtLeastOnce)));

        assert_eq!(topic_taken(&mut session), Some("0".into()));
    }

    #[test]
    fn a_queue_is_full_of_bytes_as_well_until_the_client_acknowledges_some() {
        let mut session = session();
        let longest = || Delivery {
            message: Arc::new(Message::new("", vec![0; QUEUE_BYTES / 2].into())),
            qos: Qos::AtLeastOnce,
            for_connection: false,
        };
        assert!(session.offer(longest()));
        let sent = session.take(Instant::now(), true).unwrap();
        session.sent(1, sent);
        assert!(session.offer(longest()));

        assert!(!session.offer(delivery(1, Qos::AtLeastOnce)));
        session.acknowledge(1);
        assert!(session.offer(delivery(1, Qos::AtLeastOnce)));
    }

    #[test]
    fn a_session_that_is_away_keeps_qos_1_only() {
        let now = Instant::now();
        let mut session = session();
        session.offer(delivery(1, Qos::AtMostOnce));
        session.offer(delivery(2, Qos::AtLeastOnce));

        session.leave(now);

        assert!(!session.offer(delivery(3, Qos::AtMostOnce)));
        assert!(session.offer(delivery(4, Qos::AtLeastOnce)));
        assert_eq!(topic_taken(&mut session), Some("2".into()));
        assert_eq!(topic_taken(&mut session), Some("4".into()));
        assert_eq!(topic_taken(&mut session), None);
    }

    #[test]
    fn what_was_not_acknowledged_is_sent_again_first_and_in_order() {
        let mut session = session();
        for number in 1..=3 {
            session.offer(delivery(number, Qos::AtLeastOnce));
        }
        for packet_id in 1..=2 {
            let delivery = session.take(Instant::now(), true).unwrap();
            session.sent(packet_id, delivery);
        }

        session.leave(Instant::now());
        session.resume(ConnectionId(2), HOUR);

        for number in 1..=3 {
            assert_eq!(topic_taken(&mut session), Some(number.to_string()));
        }
    }

    #[test]
    fn an_acknowledged_message_is_not_sent_again() {
        let mut session = session();
        session.offer(delivery(1, Qos::AtLeastOnce));
        let delivery = session.take(Instant::now(), true).unwrap();
        session.sent(7, delivery);

        session.acknowledge(7);
        session.leave(Instant::now());

        assert_eq!(topic_taken(&mut session), None);
    }

    #[test]
    fn overlapping_subscriptions_give_the_highest_qos_once() {
        let mut session = session();
        subscribe(&mut session, "a/+", Qos::AtLeastOnce, false);
        subscribe(&mut session, "a/#", Qos::AtMostOnce, false);

        assert_eq!(session.wants("a/b", None), Some(Qos::AtLeastOnce));
        assert_eq!(session.wants("a/b/c", None), Some(Qos::AtMostOnce));
        assert_eq!(session.wants("b", None), None);
    }

    #[test]
    fn no_local_keeps_only_the_clients_own_messages_away() {
        let mut session = session();
        subscribe(&mut session, "a", Qos::AtLeastOnce, true);

        assert_eq!(session.wants("a", Some(&ConnectionId(1))), None);
        assert_eq!(
            session.wants("a", Some(&ConnectionId(2))),
            Some(Qos::AtLeastOnce)
        );
    }

    #[test]
    fn one_subscription_too_many_is_refused_but_an_old_one_can_be_renewed() {
        let mut session = session();
        for number in 0..SUBSCRIPTIONS {
            assert!(subscribe(
                &mut session,
                &format!("a/{number}"),
                Qos::AtMostOnce,
                false
            ));
        }

        assert!(!subscribe(&mut session, "b", Qos::AtMostOnce, false));
        assert!(subscribe(&mut session, "a/0", Qos::AtLeastOnce, false));
    }

    #[test]
    fn a_session_is_over_when_its_lifetime_has_passed() {
        let now = Instant::now();
        let mut session = session();

        session.leave(now);

        assert!(session.is_resumable(now + HOUR - Duration::from_secs(1)));
        assert!(!session.is_resumable(now + HOUR));
        assert!(session.is_over(now + HOUR));
    }

    #[test]
    fn an_expired_message_is_not_delivered() {
        let now = Instant::now();
        let mut session = session();
        let mut message = Message::new("old", Bytes::new());
        message.expires_at = Some(now + Duration::from_secs(5));
        session.offer(Delivery {
            message: Arc::new(message),
            qos: Qos::AtLeastOnce,
            for_connection: false,
        });

        assert!(session.take(now + Duration::from_secs(5), true).is_none());
    }

    fn session() -> Session {
        Session::new(ConnectionId(1), Version::V3, HOUR)
    }

    fn subscribe(session: &mut Session, filter: &str, qos: Qos, no_local: bool) -> bool {
        let filter = TopicFilter::parse(filter).unwrap();
        session.subscribe(filter, Subscription { qos, no_local }, SUBSCRIPTIONS)
    }

    fn delivery(number: usize, qos: Qos) -> Delivery {
        let message = Arc::new(Message::new(&number.to_string(), Bytes::new()));
        Delivery {
            message,
            qos,
            for_connection: false,
        }
    }

    fn topic_taken(session: &mut Session) -> Option<String> {
        let delivery = session.take(Instant::now(), true)?;
        Some(delivery.message.topic.clone())
    }
}
