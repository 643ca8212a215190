use core::net::SocketAddr;
use std::fs;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::super::MqttQuotas;
use super::super::codec::{Accepted, Codec, Incoming, Publish};
use super::super::hub::Grant;
use super::super::message::{Delivery, Message, Qos};
use super::*;
use crate::pki::Pki;

const NOTIFY: &str = "$aws/things/pump/jobs/notify";

/// Long enough that only a broken link is caught by it.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_service_is_ready_when_its_subscriptions_are_confirmed_and_not_before() {
    let broker = FakeBroker::start().await;
    let (outside, _requests) = Outside::start(&broker.address()).unwrap();
    let mut link = broker.accept().await;

    let packet_id = link.subscribed().await;
    assert!(!outside.is_ready());
    link.grant(packet_id, Grant::Granted(Qos::AtLeastOnce))
        .await;

    outside.ready().await;
    assert!(outside.is_ready());
}

#[tokio::test]
async fn a_refused_subscription_is_asked_for_again_on_a_new_link() {
    let broker = FakeBroker::start().await;
    let (outside, _requests) = Outside::start(&broker.address()).unwrap();
    let mut link = broker.accept().await;
    let packet_id = link.subscribed().await;

    link.grant(packet_id, Grant::NotAuthorized).await;

    let _link = broker.attach().await;
    outside.ready().await;
}

#[tokio::test]
async fn a_request_arrives_without_its_connection() {
    let broker = FakeBroker::start().await;
    let (_outside, mut requests) = Outside::start(&broker.address()).unwrap();
    let mut link = broker.attach().await;

    link.deliver("$aws/things/pump/jobs/$next/get", "{}").await;

    let request = requests.recv().await.unwrap();
    assert_eq!(request.connection, None);
    assert_eq!(request.topic, "$aws/things/pump/jobs/$next/get");
    assert_eq!(request.payload, "{}");
}

#[tokio::test]
async fn what_was_said_before_there_was_a_link_is_sent_in_order() {
    let broker = FakeBroker::start().await;
    let (outside, _requests) = Outside::start(&broker.address()).unwrap();
    let count = 2 * WINDOW + 1;
    for number in 0..count {
        outside.publish(NOTIFY, number.to_string().into());
    }

    let mut link = broker.attach().await;

    for number in 0..count {
        let publish = link.published().await;
        assert_eq!(publish.message.payload, number.to_string());
        link.confirm(publish).await;
    }
}

#[tokio::test]
async fn what_the_broker_did_not_confirm_is_sent_again() {
    let broker = FakeBroker::start().await;
    let (outside, _requests) = Outside::start(&broker.address()).unwrap();
    let mut link = broker.attach().await;
    outside.publish(NOTIFY, "1".into());
    outside.publish(NOTIFY, "2".into());
    let first = link.published().await;
    link.confirm(first).await;
    assert_eq!(link.published().await.message.payload, "2");

    drop(link);

    let mut link = broker.attach().await;
    let again = link.published().await;
    assert_eq!(again.message.payload, "2");
}

#[tokio::test]
async fn a_restart_makes_a_new_link() {
    let broker = FakeBroker::start().await;
    let (outside, _requests) = Outside::start(&broker.address()).unwrap();
    let _link = broker.attach().await;
    outside.ready().await;

    outside.restart();

    broker.attach().await;
}

#[tokio::test]
async fn what_was_forgotten_before_there_was_a_link_is_not_sent() {
    let broker = FakeBroker::start().await;
    let (outside, _requests) = Outside::start(&broker.address()).unwrap();
    outside.publish(NOTIFY, "old".into());
    outside.forget_messages();
    outside.publish(NOTIFY, "new".into());

    let mut link = broker.attach().await;

    assert_eq!(link.published().await.message.payload, "new");
}

#[tokio::test]
async fn the_topic_of_what_was_too_much_is_named_when_the_rest_is_confirmed() {
    let broker = FakeBroker::start().await;
    let (outside, _requests) = Outside::start(&broker.address()).unwrap();
    let mut link = broker.attach().await;
    for _ in 0..outbox::OUTBOX_LIMIT {
        outside.publish(NOTIFY, "1".into());
    }
    outside.publish("lost", "1".into());

    for _ in 0..outbox::OUTBOX_LIMIT {
        let publish = link.published().await;
        link.confirm(publish).await;
    }

    let lost = timeout(PATIENCE, outside.lost());
    assert_eq!(lost.await.expect("nobody is told"), ["lost"]);
}

#[tokio::test]
async fn the_link_ends_with_its_last_handle() {
    let broker = FakeBroker::start().await;
    let (outside, _requests) = Outside::start(&broker.address()).unwrap();
    let mut link = broker.attach().await;

    drop(outside);

    assert!(link.next().await.is_none());
}

#[test]
fn the_pause_doubles_up_to_a_limit_and_half_of_it_is_chance() {
    assert_eq!(retry_after(0, 0), RETRY_AFTER_MIN / 2);
    assert_eq!(retry_after(0, 250), RETRY_AFTER_MIN);
    assert_eq!(retry_after(1, 0), RETRY_AFTER_MIN);
    assert_eq!(retry_after(u32::MAX, 0), RETRY_AFTER_MAX / 2);
    assert_eq!(retry_after(u32::MAX, 15_000), RETRY_AFTER_MAX);
}

/// A broker that does what a test says.
struct FakeBroker {
    listener: TcpListener,
    tls: TlsAcceptor,
    files: TempDir,
}

impl FakeBroker {
    async fn start() -> Self {
        let pki = Pki::create().unwrap();
        let files = tempfile::tempdir().unwrap();
        let service = pki.issue_thing_certificate("service").unwrap();
        let write = |name: &str, content: &str| {
            fs::write(files.path().join(name), content).unwrap();
        };
        write("ca.pem", pki.ca_pem());
        write("service.pem", &service.certificate_pem);
        write("service.key", &service.private_key_pem);
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listener: TcpListener::bind(listen).await.unwrap(),
            tls: pki.mqtt_server_config().unwrap().into(),
            files,
        }
    }

    fn address(&self) -> OutsideBroker {
        let port = self.listener.local_addr().unwrap().port();
        let file = |name: &str| self.files.path().join(name);
        OutsideBroker::new(&format!("mqtts://127.0.0.1:{port}"), file("ca.pem"))
            .unwrap()
            .with_certificate(file("service.pem"), file("service.key"))
    }

    /// Accepts the next link, and lets it in.
    async fn accept(&self) -> FakeLink {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        let (stream, _) = accepted.expect("the service did not connect").unwrap();
        let mut link = FakeLink {
            stream: self.tls.accept(stream).await.unwrap(),
            codec: Codec::new(MqttQuotas::default()),
            unread: Vec::new(),
        };
        let Some(Incoming::Connect(connect)) = link.next().await else {
            panic!("the service did not introduce itself");
        };
        link.codec
            .accept(Accepted {
                session_present: false,
                assigned_client_id: None,
                keep_alive: connect.keep_alive,
                lifetime: Duration::ZERO,
            })
            .unwrap();
        link.flush().await;
        link
    }

    /// Accepts the next link, and confirms its subscriptions.
    async fn attach(&self) -> FakeLink {
        let mut link = self.accept().await;
        let packet_id = link.subscribed().await;
        link.grant(packet_id, Grant::Granted(Qos::AtLeastOnce))
            .await;
        link
    }
}

struct FakeLink {
    stream: TlsStream<TcpStream>,
    codec: Codec,
    unread: Vec<u8>,
}

impl FakeLink {
    /// What the service says next; `None` when it has closed.
    async fn next(&mut self) -> Option<Incoming> {
        loop {
            let mut rest = self.unread.as_slice();
            let incoming = self.codec.receive(now(), &mut rest).unwrap();
            self.unread = rest.to_vec();
            self.flush().await;
            if incoming.is_some() {
                return incoming;
            }
            if self.unread.is_empty() {
                let mut buffer = vec![0; 4096];
                let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await;
                let len = read.expect("the service said nothing").unwrap_or_default();
                if len == 0 {
                    return None;
                }
                self.unread.extend_from_slice(&buffer[..len]);
            }
        }
    }

    async fn subscribed(&mut self) -> u16 {
        let Some(Incoming::Subscribe {
            packet_id, filters, ..
        }) = self.next().await
        else {
            panic!("the service did not subscribe");
        };
        let filters: Vec<_> = filters.iter().map(|(filter, _)| filter.as_str()).collect();
        assert_eq!(filters, REQUEST_FILTERS);
        packet_id
    }

    async fn grant(&mut self, packet_id: u16, grant: Grant) {
        let grants = [grant; REQUEST_FILTERS.len()];
        self.codec.answer_subscribe(packet_id, &grants).unwrap();
        self.flush().await;
    }

    async fn published(&mut self) -> Publish {
        loop {
            match self.next().await {
                Some(Incoming::Publish(publish)) => return publish,
                Some(Incoming::Nothing) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn confirm(&mut self, publish: Publish) {
        assert_eq!(publish.message.topic, NOTIFY);
        self.codec.acknowledge(publish.packet_id.unwrap()).unwrap();
        self.flush().await;
    }

    async fn deliver(&mut self, topic: &str, payload: &'static str) {
        let message = Arc::new(Message::new(topic, payload.into()));
        let qos = Qos::AtLeastOnce;
        self.codec
            .deliver(
                now(),
                &Delivery {
                    message,
                    qos,
                    for_connection: false,
                },
            )
            .unwrap();
        self.flush().await;
    }

    async fn flush(&mut self) {
        self.stream.write_all(self.codec.output()).await.unwrap();
        self.stream.flush().await.unwrap();
        self.codec.consume(self.codec.output().len());
    }
}
