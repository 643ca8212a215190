//! An MQTT client for tests, of either version, that is not our own code.

use core::time::Duration;

use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacket, GenericPacketTrait, MqttString, Properties, Qos, SessionExpiryInterval,
    SubEntry, SubOpts, WillDelayInterval, v3_1_1, v5_0,
};

use super::codec::Version;

/// Packets as `mqtt-protocol-core`'s client role makes and reads them.
pub(super) struct TestClient {
    connection: mqtt::Connection<mqtt::role::Client>,
    version: Version,
    /// Bytes that the client wants to send on its own: its acknowledgements.
    pub(super) unsent: Vec<u8>,
}

/// What a test client connects with.
#[derive(Clone, Default)]
pub(super) struct Hello {
    pub(super) client_id: &'static str,
    /// Keeps the session for an hour.
    pub(super) persistent: bool,
    pub(super) keep_alive: u16,
    pub(super) will: Option<&'static str>,
    pub(super) will_delay: Duration,
    pub(super) properties: Properties,
}

impl Hello {
    pub(super) fn named(client_id: &'static str) -> Self {
        Self {
            client_id,
            ..Self::default()
        }
    }
}

impl TestClient {
    pub(super) fn new(version: Version) -> Self {
        let mut connection = mqtt::Connection::new(match version {
            Version::V3 => mqtt::Version::V3_1_1,
            Version::V5 => mqtt::Version::V5_0,
        });
        connection.set_auto_pub_response(true);
        Self {
            connection,
            version,
            unsent: Vec::new(),
        }
    }

    pub(super) fn connect(&mut self, hello: Hello) -> Vec<u8> {
        let packet = match self.version {
            Version::V3 => {
                let mut packet = v3_1_1::Connect::builder()
                    .client_id(hello.client_id)
                    .unwrap()
                    .keep_alive(hello.keep_alive)
                    .clean_session(!hello.persistent);
                if let Some(topic) = hello.will {
                    packet = packet
                        .will_message(topic, "gone", Qos::AtLeastOnce, false)
                        .unwrap();
                }
                packet.build().unwrap().into()
            }
            Version::V5 => {
                let mut properties = hello.properties;
                if hello.persistent {
                    properties.push(SessionExpiryInterval::new(3600).unwrap().into());
                }
                let mut packet = v5_0::Connect::builder()
                    .client_id(hello.client_id)
                    .unwrap()
                    .keep_alive(hello.keep_alive)
                    .clean_start(!hello.persistent)
                    .props(properties);
                if let Some(topic) = hello.will {
                    let delay = u32::try_from(hello.will_delay.as_secs()).unwrap();
                    packet = packet
                        .will_message(topic, "gone", Qos::AtLeastOnce, false)
                        .unwrap()
                        .will_props(vec![WillDelayInterval::new(delay).unwrap().into()]);
                }
                packet.build().unwrap().into()
            }
        };
        self.send(packet)
    }

    pub(super) fn subscribe(&mut self, filters: &[&str], qos: Qos) -> Vec<u8> {
        let entries: Vec<_> = filters
            .iter()
            .map(|filter| SubEntry::new(*filter, SubOpts::new().set_qos(qos)).unwrap())
            .collect();
        let packet_id = self.connection.acquire_packet_id().unwrap();
        let packet = match self.version {
            Version::V3 => v3_1_1::Subscribe::builder()
                .packet_id(packet_id)
                .entries(entries)
                .build()
                .unwrap()
                .into(),
            Version::V5 => v5_0::Subscribe::builder()
                .packet_id(packet_id)
                .entries(entries)
                .build()
                .unwrap()
                .into(),
        };
        self.send(packet)
    }

    pub(super) fn unsubscribe(&mut self, filter: &str) -> Vec<u8> {
        let packet_id = self.connection.acquire_packet_id().unwrap();
        let entries = vec![MqttString::new(filter).unwrap()];
        let packet = match self.version {
            Version::V3 => v3_1_1::Unsubscribe::builder()
                .packet_id(packet_id)
                .entries(entries)
                .unwrap()
                .build()
                .unwrap()
                .into(),
            Version::V5 => v5_0::Unsubscribe::builder()
                .packet_id(packet_id)
                .entries(entries)
                .unwrap()
                .build()
                .unwrap()
                .into(),
        };
        self.send(packet)
    }

    pub(super) fn publish(&mut self, topic: &str, payload: &[u8], qos: Qos) -> Vec<u8> {
        self.publish_with(topic, payload, qos, false, Properties::new())
    }

    pub(super) fn publish_with(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
        properties: Properties,
    ) -> Vec<u8> {
        let packet_id =
            (qos != Qos::AtMostOnce).then(|| self.connection.acquire_packet_id().unwrap());
        let packet = match self.version {
            Version::V3 => v3_1_1::Publish::builder()
                .topic_name(topic)
                .unwrap()
                .qos(qos)
                .retain(retain)
                .packet_id(packet_id)
                .payload(payload)
                .build()
                .unwrap()
                .into(),
            Version::V5 => v5_0::Publish::builder()
                .topic_name(topic)
                .unwrap()
                .qos(qos)
                .retain(retain)
                .packet_id(packet_id)
                .props(properties)
                .payload(payload)
                .build()
                .unwrap()
                .into(),
        };
        self.send(packet)
    }

    pub(super) fn disconnect(&mut self) -> Vec<u8> {
        let packet = match self.version {
            Version::V3 => v3_1_1::Disconnect::builder().build().unwrap().into(),
            Version::V5 => v5_0::Disconnect::builder().build().unwrap().into(),
        };
        self.send(packet)
    }

    pub(super) fn send(&mut self, packet: GenericPacket<u16>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for event in self.connection.send(packet) {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    bytes.extend(packet.to_continuous_buffer());
                }
                Event::NotifyError(error) => panic!("test client cannot send: {error:?}"),
                Event::NotifyPacketReceived(_)
                | Event::NotifyPacketIdReleased(_)
                | Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_)
                | Event::RequestClose => {}
            }
        }
        bytes
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) -> Vec<GenericPacket<u16>> {
        let mut packets = Vec::new();
        let mut cursor = Cursor::new(bytes);
        while cursor.position() < bytes.len() as u64 {
            for event in self.connection.recv(&mut cursor) {
                match event {
                    Event::NotifyPacketReceived(packet) => packets.push(packet),
                    Event::RequestSendPacket { packet, .. } => {
                        self.unsent.extend(packet.to_continuous_buffer());
                    }
                    Event::NotifyError(error) => panic!("test client cannot read: {error:?}"),
                    Event::NotifyPacketIdReleased(_)
                    | Event::RequestTimerReset { .. }
                    | Event::RequestTimerCancel(_)
                    | Event::RequestClose => {}
                }
            }
        }
        packets
    }
}

/// Says in a line what a packet is: enough to compare with.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what no test expects is shown as it is"
)]
pub(super) fn told(packet: &GenericPacket<u16>) -> String {
    match packet {
        GenericPacket::V3_1_1Connack(packet) => format!(
            "CONNACK {:#04x} present={}",
            packet.return_code() as u8,
            packet.session_present()
        ),
        GenericPacket::V5_0Connack(packet) => format!(
            "CONNACK {:#04x} present={}",
            packet.reason_code() as u8,
            packet.session_present()
        ),
        GenericPacket::V3_1_1Suback(packet) => {
            let codes: Vec<_> = packet.return_codes().iter().map(|c| *c as u8).collect();
            format!("SUBACK {codes:02x?}")
        }
        GenericPacket::V5_0Suback(packet) => {
            let codes: Vec<_> = packet.reason_codes().iter().map(|c| *c as u8).collect();
            format!("SUBACK {codes:02x?}")
        }
        GenericPacket::V3_1_1Unsuback(_) => "UNSUBACK".into(),
        GenericPacket::V5_0Unsuback(packet) => {
            let codes: Vec<_> = packet.reason_codes().iter().map(|c| *c as u8).collect();
            format!("UNSUBACK {codes:02x?}")
        }
        GenericPacket::V3_1_1Puback(_) => "PUBACK 0x00".into(),
        GenericPacket::V5_0Puback(packet) => format!(
            "PUBACK {:#04x}",
            packet.reason_code().map_or(0, |code| code as u8)
        ),
        GenericPacket::V3_1_1Publish(packet) => {
            format!("PUBLISH {} qos={}", packet.topic_name(), packet.qos() as u8)
        }
        GenericPacket::V5_0Publish(packet) => {
            format!("PUBLISH {} qos={}", packet.topic_name(), packet.qos() as u8)
        }
        GenericPacket::V5_0Disconnect(packet) => format!(
            "DISCONNECT {:#04x}",
            packet.reason_code().map_or(0, |code| code as u8)
        ),
        other => format!("{other:?}"),
    }
}
