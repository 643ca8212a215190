//! The link against a broker of a few lines: TLS with client certificates, and packets written out.

use std::path::Path;
use std::sync::Arc;

use iot_jobs_proto::names::ThingName;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

/// CONNACK: accepted, no session kept.
pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
/// CONNACK: accepted, the session was kept.
const CONNACK_KEPT: [u8; 4] = [0x20, 2, 1, 0];
/// CONNACK: AWS's own code for "not authorized".
const CONNACK_NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 7];

#[test]
fn a_link_that_a_policy_ends_again_and_again_is_said_once() {
    let mut told = Told::default();
    let cause = Cause::Closed(Stage::Publishing);

    let said: Vec<_> = (0..3).map(|_| (told.up(), told.down(&cause))).collect();

    assert_eq!(said, [(true, true), (true, false), (false, false)]);
}

#[test]
fn an_endpoint_that_refuses_again_after_the_link_was_up_is_news() {
    let mut told = Told::default();
    let refused = Cause::Unreachable(std::io::ErrorKind::ConnectionRefused);

    assert_eq!([told.down(&refused), told.down(&refused)], [true, false]);
    assert!(told.up());
    assert!(told.down(&refused));
}

#[test]
fn a_link_that_ends_after_it_proved_itself_is_news() {
    let mut told = Told::default();
    let cause = Cause::Closed(Stage::Idle);
    told.down(&cause);
    told.up();
    told.forget();

    assert!(told.down(&cause));
    assert!(told.up());
}

#[test]
fn a_connection_asks_for_a_persistent_session_and_says_whether_it_was_kept() {
    broker_test(async |fixture| {
        let mut link = fixture.link();
        let mut broker = fixture.accept().await;
        let connect = broker.packet().await;
        broker.send(&CONNACK_KEPT).await;

        let event = link.event().await;

        let clean_session = connect[9] & 0b10;
        assert_eq!(clean_session, 0);
        assert!(
            matches!(
                event,
                LinkEvent::Up {
                    session_present: true,
                    news: true,
                }
            ),
            "{event:?}"
        );
    });
}

#[test]
fn a_suback_says_for_each_filter_whether_it_was_granted() {
    broker_test(async |fixture| {
        let (mut link, mut broker) = fixture.connected().await;

        link.subscribe(7, &["$aws/things/gw-1/jobs/notify", "denied"]);
        let subscribe = broker.packet().await;
        broker
            .send(&[0x90, 4, subscribe[2], subscribe[3], 1, 0x80])
            .await;

        let event = link.event().await;
        assert!(
            matches!(&event, LinkEvent::Subscribed { token: 7, granted, news: true } if granted == &[true, false]),
            "{event:?}"
        );
    });
}

#[test]
fn a_connection_closed_after_subscribe_says_so_once() {
    broker_test(async |fixture| {
        let (mut link, mut broker) = fixture.connected().await;
        link.subscribe(0, &["$aws/things/gw-1/jobs/notify"]);
        broker.packet().await;
        drop(broker);

        let first = link.event().await;
        let (mut link, mut broker) = fixture.accepted(link).await;
        link.subscribe(0, &["$aws/things/gw-1/jobs/notify"]);
        broker.packet().await;
        drop(broker);
        let second = link.event().await;

        assert_eq!(down(first), (Cause::Closed(Stage::Subscribing), true));
        assert_eq!(down(second), (Cause::Closed(Stage::Subscribing), false));
    });
}

#[test]
fn a_message_of_the_largest_size_arrives() {
    broker_test(async |fixture| {
        let (mut link, mut broker) = fixture.connected().await;
        let payload = vec![b'x'; 128 * 1024];

        broker
            .publish("$aws/things/gw-1/jobs/notify", &payload)
            .await;

        let event = link.event().await;
        assert!(
            matches!(&event, LinkEvent::Message { payload: got, .. } if *got == payload),
            "{event:?}"
        );
    });
}

#[test]
fn a_publish_leaves_at_qos_1() {
    broker_test(async |fixture| {
        let (link, mut broker) = fixture.connected().await;

        assert!(link.publish("$aws/things/gw-1/jobs/$next/get", b"{}"));

        let publish = broker.packet().await;
        assert_eq!(publish[0], 0x32);
        assert!(publish.ends_with(b"{}"));
    });
}

#[test]
fn nothing_is_queued_without_a_connection() {
    broker_test(async |fixture| {
        let link = fixture.link();

        assert!(!link.publish("$aws/things/gw-1/jobs/$next/get", b"{}"));
    });
}

#[test]
fn a_connack_that_refuses_is_named() {
    broker_test(async |fixture| {
        let mut link = fixture.link();
        let mut broker = fixture.accept().await;
        broker.packet().await;
        broker.send(&CONNACK_NOT_AUTHORIZED).await;

        assert_eq!(down(link.event().await), (Cause::Refused { code: 7 }, true));
    });
}

#[test]
fn a_certificate_that_the_endpoint_does_not_know_is_refused() {
    broker_test(async |fixture| {
        let stranger = Authority::new("stranger");
        stranger.write_device(fixture.directory.path());
        let mut link = fixture.link();
        assert!(fixture.try_accept().await.is_err());

        assert_eq!(
            down(link.event().await).0,
            Cause::CertificateRefused("unknown_ca")
        );
    });
}

#[test]
fn an_expired_device_certificate_is_told_as_such_over_each_version_of_tls() {
    for version in rustls::ALL_VERSIONS {
        broker_test(async |mut fixture| {
            fixture.acceptor = fixture.authority.special_acceptor(&[version], &[]);
            let directory = fixture.directory.path();
            fixture.authority.write_device_until(directory, 2000);
            let mut link = fixture.link();
            assert!(fixture.try_accept().await.is_err());

            assert_eq!(
                down(link.event().await).0,
                Cause::CertificateRefused("certificate_expired"),
                "{version:?}"
            );
        });
    }
}

#[test]
fn an_endpoint_with_one_version_of_tls_is_enough() {
    for version in rustls::ALL_VERSIONS {
        broker_test(async |mut fixture| {
            fixture.acceptor = fixture.authority.special_acceptor(&[version], &[]);

            fixture.connected().await;
        });
    }
}

#[test]
fn an_endpoint_is_offered_the_configured_alpn_protocol_and_refuses_another_one() {
    broker_test(async |mut fixture| {
        let alpn = ["x-amzn-mqtt-ca"];
        let versions = rustls::ALL_VERSIONS;
        fixture.acceptor = fixture.authority.special_acceptor(versions, &alpn);
        let offering = |name: &str| Mqtt {
            alpn: Some(name.to_owned()),
            ..fixture.mqtt()
        };
        fixture
            .accepted(Link::start(offering("x-amzn-mqtt-ca"), 1))
            .await;

        let mut link = Link::start(offering("mqtt"), 1);
        assert!(fixture.try_accept().await.is_err());

        assert_eq!(down(link.event().await).0, Cause::Alpn);
    });
}

#[test]
fn an_endpoint_that_does_not_speak_tls_is_told_as_such() {
    broker_test(async |fixture| {
        let mut link = fixture.link();
        let (mut stream, _) = fixture.listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();

        assert_eq!(down(link.event().await).0, Cause::NoTls);
    });
}

#[test]
fn an_endpoint_that_our_root_does_not_vouch_for_is_not_trusted() {
    broker_test(async |fixture| {
        let stranger = Authority::new("stranger");
        std::fs::write(fixture.directory.path().join("ca.pem"), stranger.ca.pem()).unwrap();
        let mut link = fixture.link();
        assert!(fixture.try_accept().await.is_err());

        assert_eq!(
            down(link.event().await).0,
            Cause::EndpointUntrusted("no root in `root_ca` vouches for it".to_owned())
        );
    });
}

#[test]
fn a_port_that_nobody_listens_at_is_unreachable() {
    broker_test(async |fixture| {
        let mut mqtt = fixture.mqtt();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        mqtt.port = free.local_addr().unwrap().port();
        drop(free);
        let mut link = Link::start(mqtt, 1);

        assert_eq!(
            down(link.event().await).0,
            Cause::Unreachable(std::io::ErrorKind::ConnectionRefused)
        );
    });
}

#[test]
fn a_missing_certificate_file_is_a_cause_not_an_end() {
    broker_test(async |fixture| {
        std::fs::remove_file(fixture.directory.path().join("device.pem")).unwrap();
        let mut link = fixture.link();

        assert!(matches!(
            down(link.event().await).0,
            Cause::Credentials(words) if words.contains("device.pem")
        ));
    });
}

#[test]
fn a_closed_link_says_disconnect() {
    broker_test(async |fixture| {
        let (link, mut broker) = fixture.connected().await;

        let ((), last) = tokio::join!(link.close(), broker.packet());

        assert_eq!(last, [0xE0, 0]);
    });
}

#[test]
fn a_missing_pingresp_means_no_answer() {
    let error = ConnectionError::MqttState(StateError::AwaitPingResp);

    assert_eq!(cause(error, Stage::Idle), Cause::NoAnswer(Stage::Idle));
}

#[test]
fn a_suback_that_never_came_is_told_from_a_normal_end() {
    assert_eq!(
        cause(ConnectionError::RequestsDone, Stage::Subscribing),
        Cause::NoAnswer(Stage::Subscribing)
    );
    assert_eq!(
        cause(ConnectionError::RequestsDone, Stage::Idle),
        Cause::Ended
    );
}

pub(crate) fn broker_test(test: impl AsyncFnOnce(Fixture)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async { test(Fixture::new().await).await });
}

fn down(event: LinkEvent) -> (Cause, bool) {
    let LinkEvent::Down { cause, news, .. } = event else {
        panic!("{event:?}");
    };
    (cause, news)
}

/// A broker's socket, and the files of a device that it knows.
pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    authority: Authority,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("test");
        std::fs::write(directory.path().join("ca.pem"), authority.ca.pem()).unwrap();
        authority.write_device(directory.path());
        Self {
            directory,
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: authority.acceptor(),
            authority,
        }
    }

    pub(crate) fn mqtt(&self) -> Mqtt {
        let file = |name| self.directory.path().join(name);
        Mqtt {
            endpoint: "localhost".to_owned(),
            port: self.listener.local_addr().unwrap().port(),
            alpn: None,
            thing_name: ThingName::parse("gw-1").unwrap(),
            client_id: "gw-1".to_owned(),
            certificate: file("device.pem"),
            private_key: file("device.key"),
            root_ca: file("ca.pem"),
            keep_alive: Duration::from_secs(30),
        }
    }

    fn link(&self) -> Link {
        Link::start(self.mqtt(), 1)
    }

    pub(crate) async fn accept(&self) -> Peer {
        Peer(self.try_accept().await.unwrap())
    }

    async fn try_accept(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let (stream, _) = self.listener.accept().await?;
        self.acceptor.accept(stream).await
    }

    async fn connected(&self) -> (Link, Peer) {
        self.accepted(self.link()).await
    }

    /// Lets a link that connects through to its CONNACK.
    async fn accepted(&self, mut link: Link) -> (Link, Peer) {
        let mut broker = self.accept().await;
        broker.packet().await;
        broker.send(&CONNACK).await;
        let event = link.event().await;
        assert!(matches!(event, LinkEvent::Up { .. }), "{event:?}");
        (link, broker)
    }
}

/// The broker's end of one connection.
pub(crate) struct Peer(TlsStream<TcpStream>);

impl Peer {
    /// One packet of at most 127 bytes of remaining length.
    pub(crate) async fn packet(&mut self) -> Vec<u8> {
        let (first, body) = self.body().await;
        let len = u8::try_from(body.len()).unwrap();
        assert!(len < 128);
        [vec![first, len], body].concat()
    }

    /// The next PUBLISH at QoS 1, acknowledged: its topic and its body. Acknowledgements of ours are skipped.
    pub(crate) async fn published(&mut self) -> (String, Vec<u8>) {
        loop {
            let (first, body) = self.body().await;
            if first & 0xF0 != 0x30 {
                continue;
            }
            let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
            self.send(&[0x40, 2, body[topic], body[topic + 1]]).await;
            let name = String::from_utf8(body[2..topic].to_vec()).unwrap();
            return (name, body[topic + 2..].to_vec());
        }
    }

    /// Takes a SUBSCRIBE and grants all of it.
    pub(crate) async fn subscribed(&mut self) {
        let (_, body) = self.body().await;
        let mut rest = &body[2..];
        let mut suback = vec![0x90, 2, body[0], body[1]];
        while let [high, low, filter @ ..] = rest {
            rest = &filter[usize::from(u16::from_be_bytes([*high, *low])) + 1..];
            suback.push(1);
            suback[1] += 1;
        }
        self.send(&suback).await;
    }

    /// The first byte of a packet, and what follows its length.
    async fn body(&mut self) -> (u8, Vec<u8>) {
        let first = self.0.read_u8().await.unwrap();
        let (mut len, mut shift) = (0, 0);
        loop {
            let byte = self.0.read_u8().await.unwrap();
            len |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; len];
        self.0.read_exact(&mut body).await.unwrap();
        (first, body)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// A PUBLISH at QoS 1.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8]) {
        let mut left = 2 + topic.len() + 2 + payload.len();
        let mut packet = vec![0x32];
        while left > 0 {
            let more = if left > 127 { 0x80 } else { 0 };
            packet.push(u8::try_from(left % 128).unwrap() | more);
            left /= 128;
        }
        packet.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        packet.extend(topic.as_bytes());
        packet.extend(1_u16.to_be_bytes());
        packet.extend(payload);
        self.send(&packet).await;
    }
}

/// A certificate authority of its own.
struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { ca }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        self.issue_until(name, 2500)
    }

    fn issue_until(&self, name: &str, year: i32) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }

    fn write_device(&self, directory: &Path) {
        self.write_device_until(directory, 2500);
    }

    fn write_device_until(&self, directory: &Path, year: i32) {
        let (certificate, key) = self.issue_until("gw-1", year);
        std::fs::write(directory.join("device.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.join("device.key"), key.serialize_pem()).unwrap();
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.special_acceptor(rustls::ALL_VERSIONS, &[])
    }

    /// One that speaks these versions of TLS, and insists on these ALPN protocols when there are any.
    fn special_acceptor(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let (certificate, key) = self.issue("localhost");
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}
