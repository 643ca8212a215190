//! The sessions of all clients, found by client, by the topics that they may hear, and by their end.
//!
//! Below a thing's reserved topics only its own clients listen, see [`policy`]; who listens elsewhere is known by
//! name. So a message costs what its listeners cost, not what all clients do.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::hub::ClientKey;
use super::policy;
use super::session::{Session, Subscription};
use super::topic::TopicFilter;

/// Sessions by client.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_client: BTreeMap<ClientKey, Session>,
    /// The clients with a subscription beyond the reserved topics of their thing.
    wide: BTreeSet<ClientKey>,
    /// When the sessions of clients that are away are over.
    ends: BTreeSet<(Instant, ClientKey)>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_client.len()
    }

    pub(super) fn get(&self, client: &ClientKey) -> Option<&Session> {
        self.by_client.get(client)
    }

    /// The session of a client, to be used as long as it is connected.
    pub(super) fn get_mut(&mut self, client: &ClientKey) -> Option<&mut Session> {
        self.by_client.get_mut(client)
    }

    /// Every session.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.by_client.values_mut()
    }

    /// Keeps the session of a client that is connected.
    pub(super) fn insert(&mut self, client: ClientKey, session: Session) {
        if session.has_wide_subscriptions(&client.thing) {
            self.wide.insert(client.clone());
        }
        self.by_client.insert(client, session);
    }

    /// Takes the session of a client away.
    pub(super) fn remove(&mut self, client: &ClientKey) -> Option<Session> {
        let session = self.by_client.remove(client)?;
        self.wide.remove(client);
        if let Some(end) = session.end() {
            self.ends.remove(&(end, client.clone()));
        }
        Some(session)
    }

    /// Ends the connection of a session, which stays for its lifetime, if it has one.
    pub(super) fn leave(&mut self, client: &ClientKey, now: Instant) {
        let Some(session) = self.by_client.get_mut(client) else {
            return;
        };
        session.leave(now);
        match session.end() {
            Some(end) if end > now => drop(self.ends.insert((end, client.clone()))),
            Some(_) | None => drop(self.remove(client)),
        }
    }

    /// Forgets the sessions that are over at `now`.
    pub(super) fn forget_over(&mut self, now: Instant) {
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, client)) = self.ends.pop_first() {
                self.by_client.remove(&client);
                self.wide.remove(&client);
            }
        }
    }

    /// Shows every session that may want messages on `topic`.
    pub(super) fn for_each_listener(
        &mut self,
        topic: &str,
        mut hear: impl FnMut(&ClientKey, &mut Session),
    ) {
        let Some(thing) = policy::thing_of(topic) else {
            for client in &self.wide {
                if let Some(session) = self.by_client.get_mut(client) {
                    hear(client, session);
                }
            }
            return;
        };
        let first = ClientKey {
            thing: thing.to_owned(),
            client_id: String::new(),
        };
        let of_thing = self.by_client.range_mut(first..);
        for (client, session) in of_thing.take_while(|(client, _)| client.thing == thing) {
            hear(client, session);
        }
    }

    /// Adds or replaces a subscription; `false` if there are too many.
    pub(super) fn subscribe(
        &mut self,
        client: &ClientKey,
        filter: TopicFilter,
        subscription: Subscription,
    ) -> bool {
        let is_wide = !policy::is_below_thing(&client.thing, &filter);
        let Some(session) = self.by_client.get_mut(client) else {
            return false;
        };
        let is_granted = session.subscribe(filter, subscription);
        if is_granted && is_wide {
            self.wide.insert(client.clone());
        }
        is_granted
    }

    /// Ends a subscription; `false` if there was none.
    pub(super) fn unsubscribe(&mut self, client: &ClientKey, filter: &TopicFilter) -> bool {
        let Some(session) = self.by_client.get_mut(client) else {
            return false;
        };
        let existed = session.unsubscribe(filter);
        if existed && !session.has_wide_subscriptions(&client.thing) {
            self.wide.remove(client);
        }
        existed
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::super::ConnectionId;
    use super::super::codec::Version;
    use super::super::message::Qos;
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn every_session_that_wants_a_topic_is_among_its_listeners() {
        let filters = [
            "#",
            "+/+",
            "site/pump",
            "$aws/events/job/#",
            "$aws/things/THING/#",
            "$aws/things/THING/jobs/notify",
            "$aws/things/THING/jobs/+/get/accepted",
        ];
        let topics = [
            "site/pump",
            "site",
            "$aws/events/job/a/completed",
            "$aws/things/pump/jobs/notify",
            "$aws/things/pump/jobs/a/get/accepted",
            "$aws/things/pump2/jobs/notify",
            "$aws/things/pum/shadow/get",
        ];
        let mut sessions = Sessions::default();
        for thing in ["pum", "pump", "pump2"] {
            for (number, filter) in filters.iter().enumerate() {
                let client = key(thing, &number.to_string());
                sessions.insert(client.clone(), session());
                assert!(subscribe(
                    &mut sessions,
                    &client,
                    &filter.replace("THING", thing)
                ));
            }
        }
        for topic in topics {
            let mut wanting: Vec<_> = sessions
                .by_client
                .iter()
                .filter(|(_, session)| session.wants(topic, None).is_some())
                .map(|(client, _)| client.clone())
                .collect();
            sessions.for_each_listener(topic, |client, session| {
                if session.wants(topic, None).is_some() {
                    let at = wanting.iter().position(|wanting| wanting == client);
                    wanting.remove(at.expect("heard once"));
                }
            });
            assert_eq!(wanting, [], "{topic}");
        }
    }

    #[test]
    fn a_message_for_one_thing_passes_the_sessions_of_others_by() {
        let mut sessions = Sessions::default();
        for thing in ["pum", "pump", "pump2", "valve"] {
            let client = key(thing, "agent");
            sessions.insert(client.clone(), session());
            subscribe(&mut sessions, &client, &format!("$aws/things/{thing}/#"));
        }
        assert_eq!(
            listeners(&mut sessions, "$aws/things/pump/jobs/notify"),
            ["pump"]
        );
        assert_eq!(
            listeners(&mut sessions, "$aws/events/job/a/completed"),
            [""; 0]
        );
        assert_eq!(listeners(&mut sessions, "site/pump"), [""; 0]);
    }

    #[test]
    fn a_session_listens_widely_until_its_last_wide_subscription_ends() {
        let mut sessions = Sessions::default();
        let client = key("pump", "agent");
        sessions.insert(client.clone(), session());
        for filter in ["site/+", "site/pump", "$aws/things/pump/#"] {
            subscribe(&mut sessions, &client, filter);
        }
        sessions.unsubscribe(&client, &TopicFilter::parse("site/+").unwrap());
        assert_eq!(listeners(&mut sessions, "site/pump"), ["pump"]);
        sessions.unsubscribe(&client, &TopicFilter::parse("site/pump").unwrap());
        assert_eq!(listeners(&mut sessions, "site/pump"), [""; 0]);
    }

    #[test]
    fn a_session_that_is_taken_up_again_still_listens_widely() {
        let mut sessions = Sessions::default();
        let client = key("pump", "agent");
        sessions.insert(client.clone(), session());
        subscribe(&mut sessions, &client, "site/pump");
        let session = sessions.remove(&client).unwrap();
        assert_eq!(listeners(&mut sessions, "site/pump"), [""; 0]);
        sessions.insert(client, session);
        assert_eq!(listeners(&mut sessions, "site/pump"), ["pump"]);
    }

    #[test]
    fn only_sessions_whose_time_is_up_are_forgotten() {
        let now = Instant::now();
        let mut sessions = Sessions::default();
        for thing in ["away", "back", "here"] {
            sessions.insert(key(thing, "agent"), session());
        }
        sessions.leave(&key("away", "agent"), now);
        sessions.leave(&key("back", "agent"), now);
        let mut back = sessions.remove(&key("back", "agent")).unwrap();
        back.resume(ConnectionId(2), HOUR);
        sessions.insert(key("back", "agent"), back);

        sessions.forget_over(now + HOUR - Duration::from_secs(1));
        assert_eq!(sessions.len(), 3);
        sessions.forget_over(now + HOUR);
        assert_eq!(sessions.len(), 2);
        assert!(sessions.get(&key("away", "agent")).is_none());
    }

    fn key(thing: &str, client_id: &str) -> ClientKey {
        ClientKey {
            thing: thing.to_owned(),
            client_id: client_id.to_owned(),
        }
    }

    fn session() -> Session {
        Session::new(ConnectionId(1), Version::V3, HOUR)
    }

    fn subscribe(sessions: &mut Sessions, client: &ClientKey, filter: &str) -> bool {
        let subscription = Subscription {
            qos: Qos::AtLeastOnce,
            no_local: false,
        };
        sessions.subscribe(client, TopicFilter::parse(filter).unwrap(), subscription)
    }

    fn listeners(sessions: &mut Sessions, topic: &str) -> Vec<String> {
        let mut things = Vec::new();
        sessions.for_each_listener(topic, |client, _| things.push(client.thing.clone()));
        things
    }
}
