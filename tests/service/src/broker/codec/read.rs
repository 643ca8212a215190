//! What received packets say, free of the version that they came in.

use core::time::Duration;

use bytes::Bytes;
use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacket, Properties, Property, PropertyId, SubEntry, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::prelude::PropertyValueAccess;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};
use tokio::time::Instant;

use super::super::message::{Message, Qos};
use super::super::quotas::limit;
use super::super::session::Subscription;
use super::{Codec, Connect, Incoming, Publish, Refusal, Version, Violation, Will};

impl Codec {
    pub(super) fn read(
        &mut self,
        now: Instant,
        packet: GenericPacket<u16>,
    ) -> Result<Incoming, Violation> {
        match packet {
            GenericPacket::V3_1_1Connect(packet) => Ok(connect_v3(&packet)),
            GenericPacket::V5_0Connect(packet) => Ok(connect_v5(&packet)),
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
            expires_at: duration(packet.props(), PropertyId::MessageExpiryInterval)
                .and_then(|after| now.checked_add(after)),
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
        if message.payload.len() > limit(self.quotas.payload_bytes) {
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
}

fn connect_v3(packet: &v3_1_1::Connect) -> Incoming {
    let will = packet.will_topic().map(|topic| Will {
        message: Message::new(topic, bytes_of(packet.will_payload())),
        qos: at_most_qos1(packet.will_qos()),
        delay: Duration::ZERO,
        expires_after: None,
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

fn connect_v5(packet: &v5_0::Connect) -> Incoming {
    let will = packet.will_topic().map(|topic| Will {
        message: Message {
            topic: topic.to_owned(),
            payload: bytes_of(packet.will_payload()),
            properties: passed_on(packet.will_props()),
            expires_at: None,
        },
        qos: at_most_qos1(packet.will_qos()),
        expires_after: duration(packet.will_props(), PropertyId::MessageExpiryInterval),
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
