use core::time::Duration;

use mqtt_protocol_core::mqtt::packet::{GenericPacket, Qos as WireQos};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, PublishOptions, QoS,
    TlsConfiguration, Transport,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::codec::{PAYLOAD_LIMIT, Version};
use super::testing::{Hello, TestClient, told};
use super::*;
use crate::pki::{MQTT_ALPN, Pki, ThingCertificate};

const GET: &str = "$aws/things/pump/jobs/get";
const ACCEPTED: &str = "$aws/things/pump/jobs/get/accepted";
const NOTIFY: &str = "$aws/things/pump/jobs/notify";

/// Long enough that only a broken broker is caught by it.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let service = Service::start().await;

    let refused = service.open(&service.client_config(None), None).await;

    assert!(refused.is_err());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let service = Service::start().await;
    let forged = Pki::create()
        .unwrap()
        .issue_thing_certificate("pump")
        .unwrap();

    let refused = service
        .open(&service.client_config(Some(&forged)), None)
        .await;

    assert!(refused.is_err());
}

#[tokio::test]
async fn one_client_too_many_waits_until_another_has_gone() {
    let service = Service::start_for(1).await;
    let mut first = service
        .raw("pump", Version::V3, Hello::named("first"))
        .await;

    let second = service.raw("valve", Version::V3, Hello::named("second"));
    let mut second = core::pin::pin!(second);
    // While the first one is answered, the second one is not even shaken hands with.
    let subscribe = first.client.subscribe(&[NOTIFY], WireQos::AtLeastOnce);
    first.write(&subscribe).await;
    tokio::select! {
        biased;
        _ = second.as_mut() => panic!("the second client was let in"),
        answer = first.read() => assert_eq!(answer.len(), 1),
    }
    drop(first);
    second.await;
}

#[tokio::test]
async fn tls_12_and_13_are_spoken_with_and_without_the_alpn_of_aws() {
    let service = Service::start().await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for alpn in [None, Some(MQTT_ALPN)] {
            let config = service.client_config_of(Some(&service.certificate("pump")), version);

            let stream = service.open(&config, alpn).await.unwrap();

            let (_, session) = stream.get_ref();
            assert_eq!(session.alpn_protocol(), alpn);
        }
    }
}

#[tokio::test]
async fn a_reply_reaches_a_client_that_has_not_subscribed_at_qos_0() {
    let mut service = Service::start().await;
    let mut old = service.rumqttc("pump", "old", true).await;
    let mut new = service.raw("pump", Version::V5, Hello::named("new")).await;

    old.ask(GET).await;
    service.answer_one(ACCEPTED).await;
    let publish = old.message().await;
    assert_eq!((publish.qos, publish.pkid), (QoS::AtMostOnce, 0));

    let bytes = new.client.publish(GET, b"{}", WireQos::AtLeastOnce);
    new.write(&bytes).await;
    assert_eq!(new.read().await, ["PUBACK 0x00"]);
    service.answer_one(ACCEPTED).await;
    assert_eq!(new.read().await, [format!("PUBLISH {ACCEPTED} qos=0")]);
}

#[tokio::test]
async fn a_reply_matches_a_wildcard_subscription_at_qos_1() {
    let mut service = Service::start().await;
    let mut device = service.rumqttc("pump", "pump", true).await;
    device.subscribe("$aws/things/pump/jobs/+/update/+").await;

    device.ask("$aws/things/pump/jobs/job-1/update").await;
    service
        .answer_one("$aws/things/pump/jobs/job-1/update/accepted")
        .await;

    let publish = device.message().await;
    assert_eq!(publish.qos, QoS::AtLeastOnce);
    assert_eq!(publish.topic, "$aws/things/pump/jobs/job-1/update/accepted");
}

#[tokio::test]
async fn what_the_service_says_beyond_the_payload_limit_is_discarded() {
    let service = Service::start().await;
    let mut device = service.rumqttc("pump", "pump", true).await;
    device.subscribe(NOTIFY).await;
    let broker = &service.broker;

    broker.publish(NOTIFY, vec![b'x'; PAYLOAD_LIMIT + 1].into());
    let connection = broker.connections().remove(0).id;
    broker.reply(
        Some(&connection),
        NOTIFY,
        vec![b'x'; PAYLOAD_LIMIT + 1].into(),
    );
    broker.publish(NOTIFY, "x".into());

    assert_eq!(device.message().await.payload, "x");
}

#[tokio::test]
async fn a_denied_publish_ends_the_connection_of_the_old_protocol_without_a_word() {
    let service = Service::start().await;
    let mut device = service.rumqttc("pump", "pump", true).await;

    device.publish("$aws/things/valve/jobs/get", "{}").await;

    device.end().await;
}

#[tokio::test]
async fn a_denied_publish_ends_the_connection_of_the_new_protocol_with_0x87() {
    let service = Service::start().await;
    let mut device = service.raw("pump", Version::V5, Hello::named("pump")).await;

    let bytes = device
        .client
        .publish("$aws/things/valve/jobs/get", b"{}", WireQos::AtLeastOnce);
    device.write(&bytes).await;

    assert_eq!(device.rest().await, ["PUBACK 0x87", "DISCONNECT 0x87"]);
}

#[tokio::test]
async fn an_offline_client_gets_qos_1_messages_when_it_returns() {
    let service = Service::start().await;
    let mut device = service.rumqttc("pump", "pump", false).await;
    device.subscribe(NOTIFY).await;
    device.client.disconnect().await.unwrap();
    device.end().await;

    service.broker.publish(NOTIFY, "1".into());
    service.broker.publish(NOTIFY, "2".into());

    let mut device = service.rumqttc("pump", "pump", false).await;
    assert_eq!(device.message().await.payload, "1");
    assert_eq!(device.message().await.payload, "2");
}

#[tokio::test]
async fn a_client_id_that_connects_again_takes_the_session_over() {
    let service = Service::start().await;
    let mut first = service.rumqttc("pump", "pump", false).await;
    first.subscribe(NOTIFY).await;

    let mut second = service.rumqttc("pump", "pump", false).await;

    first.end().await;
    service.broker.publish(NOTIFY, "1".into());
    assert_eq!(second.message().await.payload, "1");
    assert_eq!(service.broker.connections().len(), 1);
}

#[tokio::test]
async fn what_one_client_does_wrong_is_no_matter_to_another() {
    let service = Service::start().await;
    let mut good = service.rumqttc("pump", "good", true).await;
    good.subscribe("site/pump").await;

    let mut garbage = service.open_thing("pump").await;
    garbage.write_all(&[0xff; 512]).await.unwrap();
    assert_eq!(garbage.read_to_end_of(PATIENCE).await, 0);
    let mut oversize = service.raw("valve", Version::V5, Hello::named("big")).await;
    // The first bytes of a PUBLISH of 256 MiB: nobody waits for the rest.
    oversize.write(&[0x30, 0xff, 0xff, 0xff, 0x7f]).await;
    assert_eq!(oversize.rest().await, ["DISCONNECT 0x95"]);

    good.publish("site/pump", "still here").await;
    assert_eq!(good.message().await.payload, "still here");
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_hold_up_another() {
    let service = Service::start().await;
    let mut deaf = service.raw("pump", Version::V3, Hello::named("deaf")).await;
    let bytes = deaf.client.subscribe(&[NOTIFY], WireQos::AtLeastOnce);
    deaf.write(&bytes).await;
    assert_eq!(deaf.read().await, ["SUBACK [01]"]);
    let mut good = service.rumqttc("pump", "good", true).await;
    good.subscribe(NOTIFY).await;

    let payload = Bytes::from(vec![b'x'; PAYLOAD_LIMIT]);
    for _ in 0..200 {
        service.broker.publish(NOTIFY, payload.clone());
        assert_eq!(good.message().await.payload.len(), PAYLOAD_LIMIT);
    }
}

#[tokio::test]
async fn every_connection_can_be_ended_and_made_again() {
    let service = Service::start().await;
    let mut old = service.rumqttc("pump", "old", true).await;
    let mut new = service.raw("pump", Version::V5, Hello::named("new")).await;

    service.broker.disconnect_all();

    old.end().await;
    assert_eq!(new.rest().await, ["DISCONNECT 0x8b"]);
    service.rumqttc("pump", "old", true).await;
}

#[tokio::test]
async fn one_connection_can_be_ended() {
    let service = Service::start().await;
    let mut pump = service.rumqttc("pump", "pump", true).await;
    let _valve = service
        .raw("valve", Version::V5, Hello::named("valve"))
        .await;
    let listed = service.broker.connections();
    assert_eq!(
        (listed[0].thing.as_str(), listed[0].protocol),
        ("pump", "MQTT 3.1.1")
    );
    assert_eq!(
        (listed[1].thing.as_str(), listed[1].protocol),
        ("valve", "MQTT 5")
    );

    service.broker.disconnect(&listed[0].id);

    pump.end().await;
    assert_eq!(service.broker.connections(), listed[1..]);
}

#[tokio::test]
async fn the_broker_ends_with_its_last_handle() {
    let Service {
        pki,
        broker,
        requests,
    } = Service::start().await;
    let service = Service {
        pki,
        broker: broker.clone(),
        requests,
    };
    let mut device = service.rumqttc("pump", "pump", true).await;

    drop(broker);
    drop(service);

    device.end().await;
}

#[tokio::test]
async fn requests_wait_for_a_slow_service_and_none_is_lost() {
    let mut service = Service::start().await;
    let mut device = service.raw("pump", Version::V3, Hello::named("pump")).await;
    let mut bytes = Vec::new();
    for number in 0..1000 {
        let payload = number.to_string();
        bytes.extend(
            device
                .client
                .publish(GET, payload.as_bytes(), WireQos::AtMostOnce),
        );
    }
    device.write(&bytes).await;

    for number in 0..1000 {
        assert_eq!(service.next_request().await.payload, number.to_string());
    }
}

/// A broker, and what clients need to reach it.
struct Service {
    pki: Pki,
    broker: Broker,
    requests: mpsc::Receiver<Request>,
}

impl Service {
    async fn start() -> Self {
        Self::start_for(CONNECTION_LIMIT).await
    }

    async fn start_for(connections: usize) -> Self {
        let pki = Pki::create().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let tls = pki.mqtt_server_config().unwrap();
        let (broker, requests) = Embedded::start(listen, tls, connections).await.unwrap();
        Self {
            pki,
            broker: Broker(Kind::Embedded(Arc::new(broker))),
            requests,
        }
    }

    fn certificate(&self, thing: &str) -> ThingCertificate {
        self.pki.issue_thing_certificate(thing).unwrap()
    }

    /// Answers the next request with its own payload.
    async fn answer_one(&mut self, topic: &str) {
        let request = self.next_request().await;
        self.broker
            .reply(request.connection.as_ref(), topic, request.payload);
    }

    async fn next_request(&mut self) -> Request {
        let request = timeout(PATIENCE, self.requests.recv()).await;
        request.expect("the broker passed no request on").unwrap()
    }

    fn client_config(&self, certificate: Option<&ThingCertificate>) -> ClientConfig {
        self.client_config_of(certificate, &rustls::version::TLS13)
    }

    fn client_config_of(
        &self,
        certificate: Option<&ThingCertificate>,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pki.ca_pem().as_bytes()).unwrap())
            .unwrap();
        let builder =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots);
        match certificate {
            None => builder.with_no_client_auth(),
            Some(thing) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(thing.certificate_pem.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(thing.private_key_pem.as_bytes()).unwrap(),
                )
                .unwrap(),
        }
    }

    /// Shakes hands, and makes sure that the server has accepted the certificate.
    async fn open(
        &self,
        config: &ClientConfig,
        alpn: Option<&[u8]>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut config = config.clone();
        config.alpn_protocols = alpn.into_iter().map(<[u8]>::to_vec).collect();
        let stream = TcpStream::connect(self.broker.address().unwrap()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        let mut client = TestClient::new(Version::V3);
        stream
            .write_all(&client.connect(Hello::named("open")))
            .await?;
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).await?;
        Ok(stream)
    }

    /// Shakes hands and says nothing.
    async fn open_thing(&self, thing: &str) -> Silent {
        let config = self.client_config(Some(&self.certificate(thing)));
        let stream = TcpStream::connect(self.broker.address().unwrap())
            .await
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        Silent(connector.connect(name, stream).await.unwrap())
    }

    async fn raw(&self, thing: &str, version: Version, hello: Hello) -> Raw {
        let Silent(stream) = self.open_thing(thing).await;
        let mut raw = Raw {
            stream,
            client: TestClient::new(version),
        };
        let connect = raw.client.connect(hello);
        raw.write(&connect).await;
        assert_eq!(raw.read().await, ["CONNACK 0x00 present=false"]);
        raw
    }

    async fn rumqttc(&self, thing: &str, client_id: &str, clean: bool) -> Device {
        let config = self.client_config(Some(&self.certificate(thing)));
        let port = self.broker.address().unwrap().port();
        let mut options = MqttOptions::new(client_id, ("localhost", port));
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                Arc::new(config),
            )))
            .set_max_packet_size(2 * PAYLOAD_LIMIT, 2 * PAYLOAD_LIMIT)
            .set_clean_session(clean);
        let (client, events) = AsyncClient::builder(options).capacity(10).build();
        let mut device = Device { client, events };
        device
            .until(|packet| matches!(packet, Packet::ConnAck(_)))
            .await;
        device
    }
}

/// A device that uses rumqttc.
struct Device {
    client: AsyncClient,
    events: EventLoop,
}

impl Device {
    async fn publish(&mut self, topic: &str, payload: &str) {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        self.client
            .publish(topic, payload.to_owned(), options)
            .await
            .unwrap();
    }

    /// Publishes a request, and waits until the service has it.
    async fn ask(&mut self, topic: &str) {
        self.publish(topic, "{}").await;
        self.until(|packet| matches!(packet, Packet::PubAck(_)))
            .await;
    }

    async fn subscribe(&mut self, filter: &str) {
        self.client
            .subscribe(filter, QoS::AtLeastOnce)
            .await
            .unwrap();
        self.until(|packet| matches!(packet, Packet::SubAck(_)))
            .await;
    }

    async fn message(&mut self) -> rumqttc::Publish {
        let packet = self.until(|packet| matches!(packet, Packet::Publish(_)));
        let Packet::Publish(publish) = packet.await else {
            unreachable!("only a publish was waited for")
        };
        publish
    }

    async fn until(&mut self, wanted: impl Fn(&Packet) -> bool) -> Packet {
        loop {
            match self.poll().await {
                Ok(Event::Incoming(packet)) if wanted(&packet) => return packet,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until the connection ends.
    async fn end(&mut self) {
        while self.poll().await.is_ok() {}
    }

    async fn poll(&mut self) -> Result<Event, Box<ConnectionError>> {
        let event = timeout(PATIENCE, self.events.poll()).await;
        event.expect("the broker did not do it").map_err(Box::new)
    }
}

/// A TLS connection on which nothing was said.
struct Silent(TlsStream<TcpStream>);

impl Silent {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Reads until the broker closes, and counts the bytes.
    async fn read_to_end_of(&mut self, patience: Duration) -> usize {
        let mut bytes = Vec::new();
        let read = timeout(patience, self.0.read_to_end(&mut bytes)).await;
        read.expect("the broker did not close").unwrap_or_default()
    }
}

/// A client of either version that sends what it is told to.
struct Raw {
    stream: TlsStream<TcpStream>,
    client: TestClient,
}

impl Raw {
    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// What comes next.
    async fn read(&mut self) -> Vec<String> {
        let mut buffer = vec![0; 64 * 1024];
        let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await;
        let len = read.expect("the broker said nothing").unwrap();
        tell(&self.client.receive(&buffer[..len]))
    }

    /// What comes before the broker closes.
    async fn rest(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await;
        read.expect("the broker did not close").unwrap();
        tell(&self.client.receive(&bytes))
    }
}

fn tell(packets: &[GenericPacket<u16>]) -> Vec<String> {
    packets.iter().map(told).collect()
}
