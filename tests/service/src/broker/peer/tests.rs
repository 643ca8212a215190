use core::ops::Add;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacket, MaximumPacketSize, Properties, Property, PropertyId, Qos as WireQos,
    ReceiveMaximum, TopicAlias, UserProperty,
};
use mqtt_protocol_core::mqtt::prelude::PropertyValueAccess;
use proptest::prelude::*;

use super::super::MqttQuotas;
use super::super::codec::{PAYLOAD_LIMIT, Version};
use super::super::message::{Message, Qos};
use super::super::testing::{Hello, TestClient, told};
use super::*;

const BOTH: [Version; 2] = [Version::V3, Version::V5];
const REQUEST: &str = "$aws/things/pump/jobs/get";
const NOTIFY: &str = "$aws/things/pump/jobs/notify";

#[test]
fn a_client_is_closed_when_it_is_silent_for_one_and_a_half_keep_alives() {
    for version in BOTH {
        let mut link = Link::connected(version, keep_alive(60));

        link.expire_at(secs(89));
        assert!(!link.is_closed());
        link.expire_at(secs(90));
        assert!(link.is_closed());
    }
}

#[test]
fn a_short_keep_alive_is_30_seconds_and_a_missing_one_20_minutes() {
    for version in BOTH {
        for (asked, closed_after) in [(1, 45), (30, 45), (1201, 1800), (0, 1800)] {
            let link = Link::connected(version, keep_alive(asked));

            let deadline = link.peer.deadline().unwrap();

            assert_eq!(deadline - link.start, secs(closed_after), "{asked}");
        }
    }
}

#[test]
fn every_packet_renews_the_deadline() {
    let mut link = Link::connected(Version::V3, keep_alive(60));

    link.wait(secs(80));
    link.publish("site/pump", WireQos::AtMostOnce);

    link.expire_at(secs(169));
    assert!(!link.is_closed());
}

#[test]
fn a_client_is_not_closed_for_the_slowness_of_the_service() {
    let mut link = Link::connected(Version::V3, keep_alive(60));
    link.publish(REQUEST, WireQos::AtLeastOnce);

    link.expire_at(secs(600));
    assert!(!link.is_closed());
    link.wait(secs(600));
    link.peer.take_request(link.now).unwrap();

    assert_eq!(link.peer.deadline(), Some(link.start + secs(690)));
}

#[test]
fn a_client_that_does_not_connect_in_time_is_closed() {
    let mut link = Link::new(Version::V3);

    link.expire_at(CONNECT_WITHIN);

    assert!(link.is_closed());
}

#[test]
fn garbage_before_connect_closes() {
    let mut link = Link::new(Version::V3);

    link.feed(&[b'G'; 256]);

    assert!(link.is_closed());
}

#[test]
fn a_second_connect_closes() {
    for version in BOTH {
        let mut link = Link::connected(version, Hello::named("pump"));

        let again = TestClient::new(version).connect(Hello::named("pump"));
        link.feed(&again);

        assert!(link.is_closed());
    }
}

#[test]
fn an_empty_client_id_is_replaced_by_the_server() {
    let mut link = Link::new(Version::V5);

    let answers = link.connect(Hello::named(""));

    let GenericPacket::V5_0Connack(connack) = &answers[0] else {
        panic!("{answers:?}");
    };
    let assigned = connack
        .props()
        .iter()
        .find(|property| property.id() == PropertyId::AssignedClientIdentifier)
        .and_then(|property| property.as_str());
    assert_eq!(Some(link.hub.lock().list()[0].client_id.as_str()), assigned);
}

#[test]
fn a_client_id_that_begins_with_a_dollar_is_refused() {
    let mut link = Link::new(Version::V5);

    assert_eq!(
        tell(link.connect(Hello::named("$pump"))),
        ["CONNACK 0x85 present=false"]
    );
    assert!(link.is_closed());
}

#[test]
fn a_will_on_the_topic_of_another_thing_is_refused() {
    let mut link = Link::new(Version::V5);
    let mut hello = Hello::named("pump");
    hello.will = Some("$aws/things/valve/jobs/get");

    assert_eq!(tell(link.connect(hello)), ["CONNACK 0x87 present=false"]);
}

#[test]
fn mqtt_3_refuses_what_is_not_allowed_with_the_code_of_aws() {
    let mut link = Link::new(Version::V3);
    let mut hello = Hello::named("pump");
    hello.will = Some("$aws/things/valve/jobs/get");
    let connect = link.client.connect(hello);

    link.peer.receive(link.now, &connect);

    assert_eq!(link.peer.output(), [0x20, 2, 0, 7]);
    assert!(link.is_closed());
}

#[test]
fn a_request_waits_for_the_service_and_nothing_is_read_meanwhile() {
    for version in BOTH {
        let mut link = Link::connected(version, Hello::named("pump"));
        let mut bytes = link.client.publish(REQUEST, b"1", WireQos::AtLeastOnce);
        bytes.extend(link.client.publish(REQUEST, b"2", WireQos::AtLeastOnce));

        assert!(link.feed(&bytes).is_empty());
        assert!(!link.peer.wants_input());
        let first = link.peer.take_request(link.now).unwrap();
        assert_eq!(tell(link.drain()), ["PUBACK 0x00"]);
        let second = link.peer.take_request(link.now).unwrap();
        assert_eq!(tell(link.drain()), ["PUBACK 0x00"]);

        assert_eq!(first.payload, "1");
        assert_eq!(second.payload, "2");
        assert!(link.peer.wants_input());
    }
}

#[test]
fn a_client_may_publish_more_than_the_receive_maximum_in_turn() {
    for version in BOTH {
        let mut link = Link::connected(version, Hello::named("pump"));

        for _ in 0..300 {
            assert_eq!(
                tell(link.publish("site/pump", WireQos::AtLeastOnce)),
                ["PUBACK 0x00"]
            );
        }
    }
}

#[test]
fn a_request_is_not_echoed_to_subscribers() {
    for version in BOTH {
        let mut link = Link::connected(version, Hello::named("pump"));
        link.subscribe(&["$aws/things/pump/jobs/#"], WireQos::AtLeastOnce);

        link.publish(REQUEST, WireQos::AtLeastOnce);
        link.peer.take_request(link.now).unwrap();

        assert_eq!(tell(link.drain()), ["PUBACK 0x00"]);
    }
}

#[test]
fn a_denied_publish_closes_and_mqtt_5_says_why() {
    for topic in ["$aws/things/valve/jobs/get", NOTIFY, "$SYS/x"] {
        let mut old = Link::connected(Version::V3, Hello::named("pump"));
        let mut new = Link::connected(Version::V5, Hello::named("pump"));

        assert!(old.publish(topic, WireQos::AtLeastOnce).is_empty());
        assert_eq!(
            tell(new.publish(topic, WireQos::AtLeastOnce)),
            ["PUBACK 0x87", "DISCONNECT 0x87"]
        );

        assert!(old.is_closed() && new.is_closed(), "{topic}");
    }
}

#[test]
fn a_denied_filter_closes_and_mqtt_5_says_why() {
    for denied in ["$aws/things/valve/#", "$aws/things/+/jobs/notify", "$SYS/#"] {
        let filters = [NOTIFY, denied];
        let mut old = Link::connected(Version::V3, Hello::named("pump"));
        let mut new = Link::connected(Version::V5, Hello::named("pump"));

        assert!(old.subscribe(&filters, WireQos::AtLeastOnce).is_empty());
        assert_eq!(
            tell(new.subscribe(&filters, WireQos::AtLeastOnce)),
            ["SUBACK [01, 87]", "DISCONNECT 0x87"]
        );

        assert!(old.is_closed() && new.is_closed(), "{denied}");
    }
}

#[test]
fn a_denied_filter_fails_alone_where_that_is_chosen() {
    for (version, code) in [(Version::V3, "80"), (Version::V5, "87")] {
        let hub = limited(|quotas| quotas.denied_filter_fails_alone = true);
        let mut link = Link::on(&hub, version, Hello::named("pump"));

        let answers = link.subscribe(&[NOTIFY, "$aws/things/valve/#"], WireQos::AtLeastOnce);

        assert_eq!(tell(answers), [format!("SUBACK [01, {code}]")]);
        assert!(!link.is_closed());
    }
}

#[test]
fn a_filter_that_is_none_fails_alone() {
    for (version, code) in [(Version::V3, "80"), (Version::V5, "8f")] {
        let mut link = Link::connected(version, Hello::named("pump"));

        let answers = link.subscribe(&[NOTIFY, "a/#/b"], WireQos::AtLeastOnce);

        assert_eq!(tell(answers), [format!("SUBACK [01, {code}]")]);
        assert!(!link.is_closed());
    }
}

#[test]
fn eight_filters_at_once_are_taken_and_nine_close() {
    for version in BOTH {
        let mut link = Link::connected(version, Hello::named("pump"));
        let taken = link.subscribe(&["a"; 8], WireQos::AtMostOnce);
        assert_eq!(tell(taken), [format!("SUBACK [{}]", ["00"; 8].join(", "))]);

        let refused = link.subscribe(&["a"; 9], WireQos::AtMostOnce);

        match version {
            Version::V3 => assert!(refused.is_empty()),
            Version::V5 => assert_eq!(
                tell(refused),
                [
                    format!("SUBACK [{}]", ["97"; 9].join(", ")),
                    "DISCONNECT 0x97".to_owned()
                ]
            ),
        }
        assert!(link.is_closed());
    }
}

#[test]
fn the_fiftieth_subscription_is_granted_and_the_next_fails_alone() {
    for (version, code) in [(Version::V3, "80"), (Version::V5, "97")] {
        let mut link = Link::connected(version, Hello::named("pump"));
        for number in 0..50 {
            let granted = link.subscribe(&[&format!("a/{number}")], WireQos::AtMostOnce);
            assert_eq!(tell(granted), ["SUBACK [00]"]);
        }

        let refused = link.subscribe(&["b"], WireQos::AtMostOnce);

        assert_eq!(tell(refused), [format!("SUBACK [{code}]")]);
        assert!(!link.is_closed());
        assert_eq!(
            tell(link.subscribe(&["a/0"], WireQos::AtMostOnce)),
            ["SUBACK [00]"]
        );
    }
}

#[test]
fn a_client_id_connects_once_a_second_and_mqtt_5_says_so() {
    for version in BOTH {
        let hub = limited(|quotas| quotas.connects_per_second = Some(1));
        let mut first = Link::on(&hub, version, Hello::named("pump"));
        first.subscribe(&[NOTIFY], WireQos::AtMostOnce);
        let mut other = Link::new_on(&hub, version);
        assert_eq!(
            tell(other.connect(Hello::named("other"))),
            ["CONNACK 0x00 present=false"]
        );

        let mut again = Link::new_on(&hub, version);
        let refused = tell(again.connect(Hello::named("pump")));

        match version {
            Version::V3 => assert!(refused.is_empty(), "{refused:?}"),
            Version::V5 => assert_eq!(refused, ["CONNACK 0x97 present=false"]),
        }
        assert!(again.is_closed());
        first.service_publishes(NOTIFY, 1);
        assert_eq!(first.pump().len(), 1, "who is connected stays so");

        let mut later = Link::new_on(&hub, version);
        later.now = first.now + secs(1);
        assert_eq!(
            tell(later.connect(Hello::named("pump"))),
            ["CONNACK 0x00 present=false"]
        );
    }
}

#[test]
fn a_message_too_many_in_a_second_is_discarded_and_mqtt_5_says_so() {
    for version in BOTH {
        let hub = limited(|quotas| quotas.publishes_per_second = Some(3));
        let mut link = Link::on(&hub, version, Hello::named("pump"));
        let mut watcher = Link::on(&hub, Version::V3, Hello::named("watcher"));
        watcher.subscribe(&["site/pump"], WireQos::AtMostOnce);
        for _ in 0..3 {
            let taken = link.publish("site/pump", WireQos::AtLeastOnce);
            assert_eq!(tell(taken), ["PUBACK 0x00"]);
        }
        assert_eq!(watcher.pump().len(), 3);

        let discarded = tell(link.publish("site/pump", WireQos::AtLeastOnce));

        match version {
            Version::V3 => assert!(discarded.is_empty(), "{discarded:?}"),
            Version::V5 => assert_eq!(discarded, ["PUBACK 0x97"]),
        }
        assert!(watcher.pump().is_empty() && !link.is_closed());
        link.wait(secs(1));
        let taken = link.publish("site/pump", WireQos::AtLeastOnce);
        assert_eq!(tell(taken), ["PUBACK 0x00"]);
    }
}

#[test]
fn a_discarded_request_does_not_reach_the_service() {
    for version in BOTH {
        let hub = limited(|quotas| quotas.publishes_per_second = Some(1));
        let mut link = Link::on(&hub, version, Hello::named("pump"));
        link.publish(REQUEST, WireQos::AtMostOnce);
        assert!(link.peer.take_request(link.now).is_some());

        link.publish(REQUEST, WireQos::AtMostOnce);

        assert!(link.peer.take_request(link.now).is_none());
    }
}

#[test]
fn a_smaller_payload_quota_holds_for_the_next_connections() {
    for version in BOTH {
        let hub = limited(|quotas| quotas.payload_bytes = 2);
        let mut link = Link::on(&hub, version, Hello::named("pump"));
        assert_eq!(
            tell(link.publish("a", WireQos::AtLeastOnce)),
            ["PUBACK 0x00"]
        );

        let bytes = link.client.publish("a", b"123", WireQos::AtLeastOnce);
        link.feed(&bytes);

        assert!(link.is_closed());
    }
}

#[test]
fn an_in_flight_quota_holds_the_next_message_back() {
    let hub = limited(|quotas| quotas.in_flight_messages = 2);
    let mut link = Link::on(&hub, Version::V3, Hello::named("pump"));
    link.subscribe(&[NOTIFY], WireQos::AtLeastOnce);
    for _ in 0..3 {
        link.service_publishes(NOTIFY, 1);
    }
    assert_eq!(link.pump().len(), 2);
}

#[test]
fn qos_2_is_never_granted() {
    let mut old = Link::connected(Version::V3, Hello::named("pump"));
    let mut new = Link::connected(Version::V5, Hello::named("pump"));

    assert!(old.subscribe(&["a"], WireQos::ExactlyOnce).is_empty());
    assert!(!old.is_closed());
    assert_eq!(
        tell(new.subscribe(&["a"], WireQos::ExactlyOnce)),
        ["SUBACK [01]"]
    );
}

#[test]
fn a_publish_at_qos_2_closes() {
    // The client role would not send it after the server announced QoS 1.
    let publish = [0x34, 6, 0, 1, b'a', 0, 1, 0];
    for (version, said) in [
        (Version::V3, vec![]),
        (Version::V5, vec!["DISCONNECT 0x9b"]),
    ] {
        let mut link = Link::connected(version, Hello::named("pump"));

        assert_eq!(tell(link.feed(&publish)), said);
        assert!(link.is_closed());
    }
}

#[test]
fn a_payload_of_128_kib_is_taken_and_one_byte_more_closes() {
    for version in BOTH {
        let mut link = Link::connected(version, Hello::named("pump"));
        let largest = vec![b'x'; PAYLOAD_LIMIT + 1];

        let bytes = link
            .client
            .publish(REQUEST, &largest[1..], WireQos::AtMostOnce);
        link.feed(&bytes);
        let request = link.peer.take_request(link.now).unwrap();
        assert_eq!(request.payload.len(), PAYLOAD_LIMIT);

        let bytes = link.client.publish(REQUEST, &largest, WireQos::AtMostOnce);
        link.feed(&bytes);
        assert!(link.is_closed());
    }
}

#[test]
fn retain_on_a_reserved_topic_closes() {
    let mut link = Link::connected(Version::V3, Hello::named("pump"));

    let bytes =
        link.client
            .publish_with(REQUEST, b"", WireQos::AtLeastOnce, true, Properties::new());
    link.feed(&bytes);

    assert!(link.is_closed());
}

#[test]
fn a_topic_alias_stands_for_its_topic() {
    let mut link = Link::connected(Version::V5, Hello::named("pump"));
    let alias = || vec![TopicAlias::new(1).unwrap().into()];
    let named = link
        .client
        .publish_with(REQUEST, b"1", WireQos::AtMostOnce, false, alias());
    let aliased = link
        .client
        .publish_with("", b"2", WireQos::AtMostOnce, false, alias());

    link.feed(&named);
    link.peer.take_request(link.now).unwrap();
    link.feed(&aliased);

    assert_eq!(link.peer.take_request(link.now).unwrap().topic, REQUEST);
}

#[test]
fn user_properties_travel_with_a_message() {
    let hub = SharedHub::default();
    let mut sender = Link::on(&hub, Version::V5, Hello::named("sender"));
    let mut receiver = Link::on(&hub, Version::V5, Hello::named("receiver"));
    receiver.subscribe(&["site/pump"], WireQos::AtMostOnce);
    let property: Property = UserProperty::new("unit", "bar").unwrap().into();

    let bytes = sender.client.publish_with(
        "site/pump",
        b"3",
        WireQos::AtMostOnce,
        false,
        vec![property.clone()],
    );
    sender.feed(&bytes);

    let received = receiver.pump();
    let GenericPacket::V5_0Publish(publish) = &received[0] else {
        panic!("{received:?}");
    };
    assert_eq!(publish.props(), &vec![property]);
}

#[test]
fn a_subscription_that_has_ended_receives_nothing() {
    for version in BOTH {
        let mut link = Link::connected(version, Hello::named("pump"));
        link.subscribe(&[NOTIFY], WireQos::AtLeastOnce);

        let unsubscribe = link.client.unsubscribe(NOTIFY);
        assert_eq!(link.feed(&unsubscribe).len(), 1);

        link.service_publishes(NOTIFY, 1);
        assert!(link.pump().is_empty());
    }
}

#[test]
fn a_client_gets_no_more_unacknowledged_messages_than_it_asked_for() {
    let mut hello = Hello::named("pump");
    hello.properties = vec![ReceiveMaximum::new(2).unwrap().into()];
    let mut link = Link::connected(Version::V5, hello);
    link.subscribe(&[NOTIFY], WireQos::AtLeastOnce);

    for _ in 0..3 {
        link.service_publishes(NOTIFY, 1);
    }

    assert_eq!(link.pump().len(), 2);
    let acknowledgements = core::mem::take(&mut link.client.unsent);
    assert_eq!(link.feed(&acknowledgements).len(), 1);
}

#[test]
fn a_message_larger_than_the_client_takes_does_not_hold_up_the_next() {
    let mut hello = Hello::named("pump");
    hello.properties = vec![MaximumPacketSize::new(512).unwrap().into()];
    let mut link = Link::connected(Version::V5, hello);
    link.subscribe(&[NOTIFY], WireQos::AtLeastOnce);

    link.service_publishes(NOTIFY, 1024);
    link.service_publishes(NOTIFY, 1);

    assert_eq!(link.pump().len(), 1);
    assert!(!link.is_closed());
}

#[test]
fn a_client_that_does_not_read_is_not_written_to_without_end() {
    let mut link = Link::connected(Version::V3, Hello::named("pump"));
    link.subscribe(&[NOTIFY], WireQos::AtMostOnce);

    for _ in 0..300 {
        link.service_publishes(NOTIFY, PAYLOAD_LIMIT);
        link.peer.pump(link.now);
    }

    assert!(link.peer.output().len() < OUTPUT_LIMIT + PAYLOAD_LIMIT + 1024);
    assert!(!link.peer.wants_input());
}

#[test]
fn what_could_not_be_read_for_lack_of_room_is_read_when_there_is_room() {
    let mut link = Link::connected(Version::V3, Hello::named("pump"));
    link.subscribe(&[NOTIFY], WireQos::AtMostOnce);
    let publish = link.client.publish("site/pump", b"", WireQos::AtLeastOnce);
    let subscribe = link.client.subscribe(&["a"], WireQos::AtMostOnce);
    for _ in 0..3 {
        link.service_publishes(NOTIFY, PAYLOAD_LIMIT);
    }
    link.peer.receive(link.now, &publish);
    link.peer.receive(link.now, &subscribe);

    let answers = tell(link.drain());

    assert!(answers.contains(&"SUBACK [00]".to_owned()), "{answers:?}");
}

#[test]
fn a_taken_over_client_is_told() {
    let hub = SharedHub::default();
    let mut first = Link::on(&hub, Version::V5, Hello::named("pump"));

    Link::on(&hub, Version::V5, Hello::named("pump"));

    assert_eq!(tell(first.pump()), ["DISCONNECT 0x8e"]);
    assert!(first.is_closed());
}

#[test]
fn a_persistent_session_is_found_again() {
    for version in BOTH {
        let hub = SharedHub::default();
        let mut hello = Hello::named("pump");
        hello.persistent = true;
        let mut first = Link::on(&hub, version, hello.clone());
        first.subscribe(&[NOTIFY], WireQos::AtLeastOnce);
        let now = first.now;
        first.peer.finish(now);
        publish(&hub, now, NOTIFY, 1);

        let mut second = Link::new_on(&hub, version);
        let answers = tell(second.connect(hello));

        assert_eq!(
            answers,
            [
                "CONNACK 0x00 present=true".to_owned(),
                format!("PUBLISH {NOTIFY} qos=1")
            ]
        );
    }
}

#[test]
fn a_session_that_was_to_end_cannot_be_prolonged_at_the_end() {
    let mut link = Link::connected(Version::V5, Hello::named("pump"));
    let disconnect = [0xe0, 7, 0, 5, 0x11, 0, 0, 0x0e, 0x10];

    link.feed(&disconnect);

    let mut hello = Hello::named("pump");
    hello.persistent = true;
    let mut again = Link::new_on(&link.hub, Version::V5);
    assert_eq!(tell(again.connect(hello)), ["CONNACK 0x00 present=false"]);
}

#[test]
fn the_will_of_a_client_that_vanishes_is_published() {
    for version in BOTH {
        let (hub, mut watcher) = watched();
        let link = Link::on(&hub, version, with_will(secs(0)));

        let will = link.peer.finish(link.now).unwrap();
        will.publish(link.now, &hub);

        assert_eq!(tell(watcher.pump()), ["PUBLISH site/will qos=1"]);
    }
}

#[test]
fn a_client_that_says_goodbye_leaves_no_will() {
    for version in BOTH {
        let mut link = Link::connected(version, with_will(secs(0)));

        let goodbye = link.client.disconnect();
        link.feed(&goodbye);

        assert!(link.peer.finish(link.now).is_none());
    }
}

#[test]
fn a_delayed_will_is_dropped_when_the_client_is_back_in_time() {
    let (hub, mut watcher) = watched();
    let mut hello = with_will(secs(60));
    hello.persistent = true;
    let link = Link::on(&hub, Version::V5, hello.clone());
    let will = link.peer.finish(link.now).unwrap();
    assert_eq!(will.at, link.now + secs(60));

    let _back = Link::on(&hub, Version::V5, hello);
    will.publish(link.now + secs(60), &hub);

    assert!(watcher.pump().is_empty());
}

#[test]
fn every_subscription_of_a_disconnected_client_without_a_session_is_forgotten() {
    let link = Link::connected(Version::V3, Hello::named("pump"));

    let hub = link.hub.clone();
    link.peer.finish(link.now);

    assert!(hub.lock().list().is_empty());
}

proptest! {
    #[test]
    fn no_bytes_from_a_client_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        Link::new(Version::V3).take(&bytes);
        Link::connected(Version::V3, Hello::named("pump")).take(&bytes);
        Link::connected(Version::V5, Hello::named("pump")).take(&bytes);
    }

    #[test]
    fn no_change_to_a_valid_conversation_panics(
        version in prop::sample::select(BOTH.as_slice()),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = conversation(version);
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let (first, second) = bytes.split_at(cut.index(bytes.len()));

        let mut link = Link::new(version);
        link.take(first);
        link.take(second);
    }
}

/// All that a client can say.
fn conversation(version: Version) -> Vec<u8> {
    let mut link = Link::new(version);
    let mut hello = with_will(secs(1));
    hello.persistent = true;
    let mut bytes = link.client.connect(hello);
    link.feed(&bytes);
    bytes.extend(
        link.client
            .subscribe(&[NOTIFY, "a/#"], WireQos::AtLeastOnce),
    );
    bytes.extend(link.client.publish("a/b", b"x", WireQos::AtLeastOnce));
    bytes.extend(link.client.publish(REQUEST, b"{}", WireQos::AtLeastOnce));
    bytes.extend([0x40, 2, 0, 1]);
    bytes.extend([0xc0, 0]);
    bytes.extend(link.client.unsubscribe(NOTIFY));
    bytes.extend(link.client.disconnect());
    bytes
}

/// A client and its peer, with time as a number.
struct Link {
    hub: SharedHub,
    client: TestClient,
    peer: Peer,
    start: Instant,
    now: Instant,
}

impl Link {
    fn new(version: Version) -> Self {
        Self::new_on(&SharedHub::default(), version)
    }

    fn new_on(hub: &SharedHub, version: Version) -> Self {
        let start = Instant::now();
        Self {
            hub: hub.clone(),
            client: TestClient::new(version),
            peer: Peer::new(start, hub.clone(), "pump".into()),
            start,
            now: start,
        }
    }

    fn connected(version: Version, hello: Hello) -> Self {
        Self::on(&SharedHub::default(), version, hello)
    }

    fn on(hub: &SharedHub, version: Version, hello: Hello) -> Self {
        let mut link = Self::new_on(hub, version);
        link.connect(hello);
        assert!(!link.is_closed());
        link
    }

    fn connect(&mut self, hello: Hello) -> Vec<GenericPacket<u16>> {
        let bytes = self.client.connect(hello);
        self.feed(&bytes)
    }

    fn subscribe(&mut self, filters: &[&str], qos: WireQos) -> Vec<GenericPacket<u16>> {
        let bytes = self.client.subscribe(filters, qos);
        self.feed(&bytes)
    }

    fn publish(&mut self, topic: &str, qos: WireQos) -> Vec<GenericPacket<u16>> {
        let bytes = self.client.publish(topic, b"{}", qos);
        self.feed(&bytes)
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<GenericPacket<u16>> {
        self.peer.receive(self.now, bytes);
        self.drain()
    }

    fn pump(&mut self) -> Vec<GenericPacket<u16>> {
        self.peer.pump(self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<GenericPacket<u16>> {
        let mut packets = Vec::new();
        while !self.peer.output().is_empty() {
            let output = self.peer.output().to_vec();
            packets.extend(self.client.receive(&output));
            self.peer.written(self.now, output.len());
        }
        packets
    }

    /// Takes bytes, whatever they are, as the socket would bring them.
    fn take(&mut self, bytes: &[u8]) {
        self.peer.receive(self.now, bytes);
        while self.peer.take_request(self.now).is_some() {}
        publish(&self.hub, self.now, NOTIFY, 1);
        self.peer.pump(self.now);
        self.peer.written(self.now, self.peer.output().len());
    }

    fn service_publishes(&self, topic: &str, len: usize) {
        publish(&self.hub, self.now, topic, len);
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.add(time);
    }

    fn expire_at(&mut self, since_start: Duration) {
        self.peer.expire(self.start + since_start);
    }

    fn is_closed(&self) -> bool {
        self.peer.is_closing()
    }
}

/// A hub with other quotas than AWS's.
fn limited(change: impl FnOnce(&mut MqttQuotas)) -> SharedHub {
    let hub = SharedHub::default();
    let mut quotas = MqttQuotas::default();
    change(&mut quotas);
    hub.lock().set_quotas(quotas);
    hub
}

fn watched() -> (SharedHub, Link) {
    let hub = SharedHub::default();
    let mut watcher = Link::on(&hub, Version::V3, Hello::named("watcher"));
    watcher.subscribe(&["site/will"], WireQos::AtLeastOnce);
    (hub, watcher)
}

fn with_will(delay: Duration) -> Hello {
    let mut hello = Hello::named("pump");
    hello.will = Some("site/will");
    hello.will_delay = delay;
    hello
}

fn keep_alive(seconds: u16) -> Hello {
    let mut hello = Hello::named("pump");
    hello.keep_alive = seconds;
    hello
}

fn publish(hub: &SharedHub, now: Instant, topic: &str, len: usize) {
    let message = Arc::new(Message::new(topic, Bytes::from(vec![b'x'; len])));
    hub.lock().publish(now, None, &message, Qos::AtLeastOnce);
}

fn tell(packets: Vec<GenericPacket<u16>>) -> Vec<String> {
    packets.iter().map(told).collect()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
