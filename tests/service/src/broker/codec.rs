//! The bytes of one MQTT connection, for MQTT 3.1.1 and MQTT 5 alike.
//!
//! [`Codec`] is sans-IO and the only place that names packet types of `mqtt-protocol-core`. It turns
//! bytes into [`Incoming`] and collects in [`Codec::output`] what is to be written. It keeps no time and
//! decides nothing about sessions.
//!
//! QoS 2 is refused as AWS IoT refuses it: the server announces QoS 1 as its maximum to MQTT 5 clients
//! and closes on a publish at QoS 2. A subscription at QoS 2 is granted at QoS 1 over MQTT 5; over
//! 3.1.1 it is not answered: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>

mod write;

use core::time::Duration;

use bytes::Bytes;
use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::ConnectionOptions;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacket, Properties, Property, PropertyId, SubEntry, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::prelude::PropertyValueAccess;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};
use tokio::time::Instant;

use super::message::{Message, Qos};
use super::session::Subscription;
pub(super) use write::{Accepted, Refusal};

/// The largest payload of a message.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
pub(super) const PAYLOAD_LIMIT: usize = 128 * 1024;

/// The largest packet, as AWS IoT announces it to MQTT 5 clients.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
const PACKET_LIMIT: u32 = 146 * 1024;

/// The most unacknowledged QoS 1 messages from one client.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
const RECEIVE_MAXIMUM: u16 = 100;

type Connection = mqtt::Connection<mqtt::role::Server>;

/// The version of MQTT that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V3,
    V5,
}

impl Version {
    /// The name for people.
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::V3 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5",
        }
    }
}

/// What a client sent.
#[derive(Debug)]
pub(super) enum Incoming {
    Acknowledge {
        packet_id: u16,
    },
    Connect(Box<Connect>),
    Disconnect {
        keeps_will: bool,
        lifetime: Option<Duration>,
    },
    /// Answered, or of no consequence.
    Nothing,
    Publish(Publish),
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, Subscription)>,
        answered: bool,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
}

/// How a client introduces itself.
#[derive(Debug)]
pub(super) struct Connect {
    pub(super) version: Version,
    pub(super) client_id: String,
    pub(super) wants_clean: bool,
    /// How long the session shall outlive the connection, where the client can say so.
    pub(super) lifetime: Option<Duration>,
    pub(super) keep_alive: Duration,
    pub(super) will: Option<Will>,
    pub(super) wants_authentication: bool,
}

/// What is published for a client that goes without a word.
#[derive(Debug)]
pub(super) struct Will {
    pub(super) message: Message,
    pub(super) qos: Qos,
    pub(super) delay: Duration,
    /// What the client must be refused for, if the will cannot be kept.
    pub(super) unsupported: Option<Refusal>,
}

/// A message from a client.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) message: Message,
    pub(super) retain: bool,
    /// Set for QoS 1.
    pub(super) packet_id: Option<u16>,
}

impl Publish {
    pub(super) fn qos(&self) -> Qos {
        match self.packet_id {
            Some(_) => Qos::AtLeastOnce,
            None => Qos::AtMostOnce,
        }
    }
}

/// The client broke the protocol; the connection is to be closed once the output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("protocol error {reason:?}")]
pub(super) struct Violation {
    reason: MqttError,
}

/// One MQTT connection as bytes.
pub(super) struct Codec {
    connection: Connection,
    output: Vec<u8>,
}

impl Codec {
    pub(super) fn new() -> Self {
        let options = ConnectionOptions::new()
            .maximum_packet_size_recv(PACKET_LIMIT)
            .receive_maximum(RECEIVE_MAXIMUM);
        let mut connection = Connection::with_options(mqtt::Version::Undetermined, options);
        connection.set_auto_ping_response(true);
        Self {
            connection,
            output: Vec::new(),
        }
    }

    /// What is to be written.
    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Forgets the first bytes of the output, which were written.
    pub(super) fn consume(&mut self, written: usize) {
        self.output.drain(..written.min(self.output.len()));
    }

    /// Reads one packet from the front of `input` and shortens it; `None` if there is no whole packet.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        input: &mut &[u8],
    ) -> Result<Option<Incoming>, Violation> {
        let mut cursor = Cursor::new(*input);
        let events = self.connection.recv(&mut cursor);
        let consumed = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        *input = input.get(consumed..).unwrap_or_default();

        let packet = self.apply(events)?;
        packet.map(|packet| self.read(now, packet)).transpose()
    }

    /// Collects output and the received packet from what the connection wants done.
    ///
    /// Its timers are not used: AWS IoT bounds the keep-alive in its own way.
    fn apply(
        &mut self,
        events: Vec<mqtt::connection::Event>,
    ) -> Result<Option<GenericPacket<u16>>, Violation> {
        use mqtt::connection::Event;

        let mut received = None;
        let mut failure = None;
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => received = Some(packet),
                Event::RequestSendPacket { packet, .. } => self.append(&packet),
                Event::NotifyError(reason) => failure = Some(reason),
                Event::RequestClose => {
                    failure = failure.or(Some(MqttError::UnspecifiedError));
                }
                Event::NotifyPacketIdReleased(_)
                | Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_) => {}
            }
        }
        match failure {
            Some(reason) => Err(Violation { reason }),
            None => Ok(received),
        }
    }

    fn read(&mut self, now: Instant, packet: GenericPacket<u16>) -> Result<Incoming, Violation> {
        match packet {
            GenericPacket::V3_1_1Connect(packet) => Ok(connect_v3(&packet)),
            GenericPacket::V5_0Connect(packet) => Ok(connect_v5(now, &packet)),
            GenericPacket::V3_1_1Publish(packet) => self.publish_v3(&packet),
            GenericPacket::V5_0Publish(packet) => self.publish_v5(now, &packet),
            GenericPacket::V3_1_1Puback(packet) => Ok(acknowledge(packet.packet_id())),
            GenericPacket::V5_0Puback(packet) => Ok(acknowledge(packet.packet_id())),
            GenericPacket::V3_1_1Subscribe(packet) => Ok(Incoming::Subscribe {
                packet_id: self.checked_id(packet.packet_id())?,
                filters: packet.entries().iter().map(subscription).collect(),
                answered: !packet.entries().iter().any(is_exactly_once),
            }),
            GenericPacket::V5_0Subscribe(packet) => self.subscribe_v5(&packet),
            GenericPacket::V3_1_1Unsubscribe(packet) => Ok(Incoming::Unsubscribe {
                packet_id: self.checked_id(packet.packet_id())?,
                filters: strings(packet.entries()),
            }),
            GenericPacket::V5_0Unsubscribe(packet) => Ok(Incoming::Unsubscribe {
                packet_id: self.checked_id(packet.packet_id())?,
                filters: strings(packet.entries()),
            }),
            GenericPacket::V3_1_1Disconnect(_) => Ok(Incoming::Disconnect {
                keeps_will: false,
                lifetime: None,
            }),
            GenericPacket::V5_0Disconnect(packet) => Ok(disconnect_v5(&packet)),
            GenericPacket::V3_1_1Pingreq(_) | GenericPacket::V5_0Pingreq(_) => {
                Ok(Incoming::Nothing)
            }
            // Enhanced authentication and QoS 2 are never agreed on; the rest only a server sends.
            GenericPacket::V5_0Auth(_)
            | GenericPacket::V3_1_1Pubrec(_)
            | GenericPacket::V5_0Pubrec(_)
            | GenericPacket::V3_1_1Pubrel(_)
            | GenericPacket::V5_0Pubrel(_)
            | GenericPacket::V3_1_1Pubcomp(_)
            | GenericPacket::V5_0Pubcomp(_)
            | GenericPacket::V3_1_1Connack(_)
            | GenericPacket::V5_0Connack(_)
            | GenericPacket::V3_1_1Suback(_)
            | GenericPacket::V5_0Suback(_)
            | GenericPacket::V3_1_1Unsuback(_)
            | GenericPacket::V5_0Unsuback(_)
            | GenericPacket::V3_1_1Pingresp(_)
            | GenericPacket::V5_0Pingresp(_) => Err(self.violation(
                MqttError::ProtocolError,
                DisconnectReasonCode::ProtocolError,
            )),
        }
    }

    fn publish_v3(&mut self, packet: &v3_1_1::Publish) -> Result<Incoming, Violation> {
        let message = Message::new(packet.topic_name(), payload(packet.payload()));
        self.publish(message, packet.qos(), packet.retain(), packet.packet_id())
    }

    fn publish_v5(&mut self, now: Instant, packet: &v5_0::Publish) -> Result<Incoming, Violation> {
        let message = Message {
            topic: packet.topic_name().to_owned(),
            payload: payload(packet.payload()),
            properties: passed_on(packet.props()),
            expires_at: expiry(now, packet.props()),
        };
        if packet.retain() {
            return Err(self.violation(
                MqttError::RetainNotSupported,
                DisconnectReasonCode::RetainNotSupported,
            ));
        }
        self.publish(message, packet.qos(), packet.retain(), packet.packet_id())
    }

    fn publish(
        &mut self,
        message: Message,
        qos: mqtt::packet::Qos,
        retain: bool,
        packet_id: Option<u16>,
    ) -> Result<Incoming, Violation> {
        if qos == mqtt::packet::Qos::ExactlyOnce {
            return Err(self.violation(
                MqttError::QosNotSupported,
                DisconnectReasonCode::QosNotSupported,
            ));
        }
        if message.payload.len() > PAYLOAD_LIMIT {
            return Err(self.violation(
                MqttError::PacketTooLarge,
                DisconnectReasonCode::PacketTooLarge,
            ));
        }
        let packet_id = packet_id.map(|id| self.checked_id(id)).transpose()?;
        Ok(Incoming::Publish(Publish {
            message,
            retain,
            packet_id,
        }))
    }

    fn subscribe_v5(&mut self, packet: &v5_0::Subscribe) -> Result<Incoming, Violation> {
        if has(packet.props(), PropertyId::SubscriptionIdentifier) {
            return Err(self.violation(
                MqttError::SubscriptionIdentifiersNotSupported,
                DisconnectReasonCode::SubscriptionIdentifiersNotSupported,
            ));
        }
        Ok(Incoming::Subscribe {
            packet_id: self.checked_id(packet.packet_id())?,
            filters: packet.entries().iter().map(subscription).collect(),
            answered: true,
        })
    }

    /// Packet id zero is not an id, and could not be answered.
    fn checked_id(&mut self, packet_id: u16) -> Result<u16, Violation> {
        if packet_id == 0 {
            return Err(self.violation(
                MqttError::MalformedPacket,
                DisconnectReasonCode::MalformedPacket,
            ));
        }
        Ok(packet_id)
    }

    /// Says goodbye with a reason, where the protocol can, and gives that reason back as an error.
    fn violation(&mut self, reason: MqttError, code: DisconnectReasonCode) -> Violation {
        self.disconnect(code);
        Violation { reason }
    }
}

fn connect_v3(packet: &v3_1_1::Connect) -> Incoming {
    let will = packet.will_topic().map(|topic| Will {
        message: Message::new(topic, bytes_of(packet.will_payload())),
        qos: at_most_qos1(packet.will_qos()),
        delay: Duration::ZERO,
        unsupported: None,
    });
    Incoming::Connect(Box::new(Connect {
        version: Version::V3,
        client_id: packet.client_id().to_owned(),
        wants_clean: packet.clean_session(),
        lifetime: None,
        keep_alive: Duration::from_secs(packet.keep_alive().into()),
        will,
        wants_authentication: false,
    }))
}

fn connect_v5(now: Instant, packet: &v5_0::Connect) -> Incoming {
    let will = packet.will_topic().map(|topic| Will {
        message: Message {
            topic: topic.to_owned(),
            payload: bytes_of(packet.will_payload()),
            properties: passed_on(packet.will_props()),
            expires_at: expiry(now, packet.will_props()),
        },
        qos: at_most_qos1(packet.will_qos()),
        delay: duration(packet.will_props(), PropertyId::WillDelayInterval).unwrap_or_default(),
        unsupported: match packet.will_qos() {
            mqtt::packet::Qos::ExactlyOnce => Some(Refusal::Qos),
            mqtt::packet::Qos::AtMostOnce | mqtt::packet::Qos::AtLeastOnce => {
                packet.will_retain().then_some(Refusal::Retain)
            }
        },
    });
    Incoming::Connect(Box::new(Connect {
        version: Version::V5,
        client_id: packet.client_id().to_owned(),
        wants_clean: packet.clean_start(),
        lifetime: Some(
            duration(packet.props(), PropertyId::SessionExpiryInterval).unwrap_or_default(),
        ),
        keep_alive: Duration::from_secs(packet.keep_alive().into()),
        will,
        wants_authentication: has(packet.props(), PropertyId::AuthenticationMethod),
    }))
}

fn disconnect_v5(packet: &v5_0::Disconnect) -> Incoming {
    Incoming::Disconnect {
        keeps_will: packet
            .reason_code()
            .is_some_and(|reason| reason != DisconnectReasonCode::NormalDisconnection),
        lifetime: packet
            .props()
            .as_ref()
            .and_then(|properties| duration(properties, PropertyId::SessionExpiryInterval)),
    }
}

fn acknowledge(packet_id: u16) -> Incoming {
    Incoming::Acknowledge { packet_id }
}

fn subscription(entry: &SubEntry) -> (String, Subscription) {
    let options = entry.sub_opts();
    let subscription = Subscription {
        qos: at_most_qos1(options.qos()),
        no_local: options.nl(),
    };
    (entry.topic_filter().to_owned(), subscription)
}

fn is_exactly_once(entry: &SubEntry) -> bool {
    entry.sub_opts().qos() == mqtt::packet::Qos::ExactlyOnce
}

fn at_most_qos1(qos: mqtt::packet::Qos) -> Qos {
    match qos {
        mqtt::packet::Qos::AtMostOnce => Qos::AtMostOnce,
        mqtt::packet::Qos::AtLeastOnce | mqtt::packet::Qos::ExactlyOnce => Qos::AtLeastOnce,
    }
}

fn expiry(now: Instant, properties: &Properties) -> Option<Instant> {
    now.checked_add(duration(properties, PropertyId::MessageExpiryInterval)?)
}

fn duration(properties: &Properties, id: PropertyId) -> Option<Duration> {
    let property = properties.iter().find(|property| property.id() == id)?;
    property.as_u32().map(u64::from).map(Duration::from_secs)
}

fn has(properties: &Properties, id: PropertyId) -> bool {
    properties.iter().any(|property| property.id() == id)
}

/// The properties of a message that a server passes on unchanged (MQTT 5, 3.3.2.3).
fn passed_on(properties: &Properties) -> Properties {
    properties
        .iter()
        .filter(|property| {
            matches!(
                property,
                Property::PayloadFormatIndicator(_)
                    | Property::ContentType(_)
                    | Property::ResponseTopic(_)
                    | Property::CorrelationData(_)
                    | Property::UserProperty(_)
            )
        })
        .cloned()
        .collect()
}

fn strings(entries: &[mqtt::packet::MqttString]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| entry.as_str().to_owned())
        .collect()
}

fn payload(payload: &mqtt::ArcPayload) -> Bytes {
    Bytes::copy_from_slice(payload.as_slice())
}

fn bytes_of(payload: Option<&[u8]>) -> Bytes {
    Bytes::copy_from_slice(payload.unwrap_or_default())
}
