//! The packets that the broker sends.

use core::time::Duration;

use mqtt_protocol_core::mqtt::Version as Negotiated;
use mqtt_protocol_core::mqtt::packet::{
    AssignedClientIdentifier, GenericPacket, GenericPacketTrait, MaximumQos, MessageExpiryInterval,
    Properties, Property, Qos as WireQos, RetainAvailable, ServerKeepAlive, SessionExpiryInterval,
    SharedSubscriptionAvailable, SubscriptionIdentifierAvailable, TopicAliasMaximum, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode,
    SubackReasonCode, SubackReturnCode, UnsubackReasonCode,
};
use tokio::time::Instant;

use super::super::hub::Grant;
use super::super::message::{Delivery, Qos};
use super::{Codec, Violation};

/// The most topic aliases that a client may use.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
const TOPIC_ALIAS_MAXIMUM: u16 = 8;

/// What a client is told that was let in.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) session_present: bool,
    /// The client id, if the client left the choice to the server.
    pub(crate) assigned_client_id: Option<String>,
    pub(crate) keep_alive: Duration,
    pub(crate) lifetime: Duration,
}

/// Why a client was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Authentication,
    Busy,
    ClientId,
    NotAuthorized,
    Qos,
    Retain,
    Throttled,
    Topic,
}

impl Codec {
    /// Lets the client in.
    pub(crate) fn accept(&mut self, accepted: Accepted) -> Result<(), Violation> {
        let packet = match self.connection.get_protocol_version() {
            Negotiated::V5_0 => v5_0::Connack::builder()
                .session_present(accepted.session_present)
                .reason_code(ConnectReasonCode::Success)
                .props(announcement(accepted)?)
                .build()?
                .into(),
            Negotiated::V3_1_1 | Negotiated::Undetermined => v3_1_1::Connack::builder()
                .session_present(accepted.session_present)
                .return_code(ConnectReturnCode::Accepted)
                .build()?
                .into(),
        };
        self.send(packet)
    }

    /// Refuses the client; the connection is to be closed once the output is written.
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> Result<(), Violation> {
        match self.connection.get_protocol_version() {
            Negotiated::V5_0 => {
                let reason = match refusal {
                    Refusal::Authentication => ConnectReasonCode::BadAuthenticationMethod,
                    Refusal::Busy => ConnectReasonCode::ServerBusy,
                    Refusal::ClientId => ConnectReasonCode::ClientIdentifierNotValid,
                    Refusal::NotAuthorized => ConnectReasonCode::NotAuthorized,
                    Refusal::Qos => ConnectReasonCode::QosNotSupported,
                    Refusal::Retain => ConnectReasonCode::RetainNotSupported,
                    Refusal::Throttled => ConnectReasonCode::QuotaExceeded,
                    Refusal::Topic => ConnectReasonCode::TopicNameInvalid,
                };
                let packet = v5_0::Connack::builder()
                    .session_present(false)
                    .reason_code(reason)
                    .build()?;
                // A refusal always ends the connection, which the codec reports as an error.
                let _ended = self.send(packet.into());
            }
            Negotiated::V3_1_1 | Negotiated::Undetermined => {
                // AWS IoT answers 7, which is not in the standard, where that has 5:
                // https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
                let code = match refusal {
                    Refusal::Authentication
                    | Refusal::NotAuthorized
                    | Refusal::Qos
                    | Refusal::Retain
                    | Refusal::Topic => 7,
                    Refusal::Busy => 3,
                    Refusal::ClientId => 2,
                    // AWS IoT hangs up (aws-iot-device-sdk-java issue #127).
                    Refusal::Throttled => return Ok(()),
                };
                self.output.extend_from_slice(&[0x20, 2, 0, code]);
            }
        }
        Ok(())
    }

    /// Confirms a QoS 1 message.
    pub(crate) fn acknowledge(&mut self, packet_id: u16) -> Result<(), Violation> {
        let packet = match self.connection.get_protocol_version() {
            Negotiated::V5_0 => v5_0::Puback::builder().packet_id(packet_id).build()?.into(),
            Negotiated::V3_1_1 | Negotiated::Undetermined => v3_1_1::Puback::builder()
                .packet_id(packet_id)
                .build()?
                .into(),
        };
        self.send(packet)
    }

    /// Refuses a QoS 1 message, where the protocol can.
    pub(crate) fn refuse_publish(
        &mut self,
        packet_id: u16,
        reason: PubackReasonCode,
    ) -> Result<(), Violation> {
        if self.connection.get_protocol_version() != Negotiated::V5_0 {
            return Ok(());
        }
        let packet = v5_0::Puback::builder()
            .packet_id(packet_id)
            .reason_code(reason)
            .build()?;
        self.send(packet.into())
    }

    /// Answers a SUBSCRIBE.
    pub(crate) fn answer_subscribe(
        &mut self,
        packet_id: u16,
        grants: &[Grant],
    ) -> Result<(), Violation> {
        let packet = match self.connection.get_protocol_version() {
            Negotiated::V5_0 => v5_0::Suback::builder()
                .packet_id(packet_id)
                .reason_codes(grants.iter().copied().map(reason_code).collect())
                .build()?
                .into(),
            Negotiated::V3_1_1 | Negotiated::Undetermined => v3_1_1::Suback::builder()
                .packet_id(packet_id)
                .return_codes(grants.iter().copied().map(return_code).collect())
                .build()?
                .into(),
        };
        self.send(packet)
    }

    /// Answers a SUBSCRIBE that ends the connection, where the protocol can.
    pub(crate) fn refuse_subscribe(
        &mut self,
        packet_id: u16,
        grants: &[Grant],
    ) -> Result<(), Violation> {
        match self.connection.get_protocol_version() {
            Negotiated::V5_0 => self.answer_subscribe(packet_id, grants),
            Negotiated::V3_1_1 | Negotiated::Undetermined => Ok(()),
        }
    }

    /// Answers an UNSUBSCRIBE; `existed` says for each filter whether it was subscribed.
    pub(crate) fn answer_unsubscribe(
        &mut self,
        packet_id: u16,
        existed: &[bool],
    ) -> Result<(), Violation> {
        let packet = match self.connection.get_protocol_version() {
            Negotiated::V5_0 => {
                let reasons = existed.iter().map(|existed| match existed {
                    true => UnsubackReasonCode::Success,
                    false => UnsubackReasonCode::NoSubscriptionExisted,
                });
                v5_0::Unsuback::builder()
                    .packet_id(packet_id)
                    .reason_codes(reasons.collect())
                    .build()?
                    .into()
            }
            Negotiated::V3_1_1 | Negotiated::Undetermined => v3_1_1::Unsuback::builder()
                .packet_id(packet_id)
                .build()?
                .into(),
        };
        self.send(packet)
    }

    /// Whether the client takes another QoS 1 message now.
    pub(crate) fn has_vacancy(&self) -> bool {
        self.connection
            .get_receive_maximum_vacancy_for_send()
            .is_none_or(|vacancy| vacancy > 0)
    }

    /// Sends a message, and gives the packet id under which a QoS 1 one will be acknowledged.
    ///
    /// A message that is larger than the client takes counts as delivered (MQTT 5, 3.1.2.11.4).
    pub(crate) fn deliver(&mut self, now: Instant, delivery: &Delivery) -> Option<u16> {
        let packet_id = match delivery.qos {
            Qos::AtMostOnce => None,
            Qos::AtLeastOnce => Some(self.connection.acquire_packet_id().ok()?),
        };
        let sent = self
            .delivery(now, delivery, packet_id)
            .and_then(|packet| self.send(packet));
        match sent {
            Ok(()) => packet_id,
            Err(violation) => {
                tracing::debug!(%violation, "discarded message");
                if let Some(packet_id) = packet_id {
                    self.connection.release_packet_id(packet_id);
                }
                None
            }
        }
    }

    /// Says why the connection ends, where the protocol can.
    pub(crate) fn disconnect(&mut self, reason: DisconnectReasonCode) {
        if self.connection.get_protocol_version() != Negotiated::V5_0 {
            return;
        }
        if let Ok(packet) = v5_0::Disconnect::builder().reason_code(reason).build() {
            // It ends the connection, which the codec reports as an error.
            let _ended = self.send(packet.into());
        }
    }

    fn delivery(
        &self,
        now: Instant,
        delivery: &Delivery,
        packet_id: Option<u16>,
    ) -> Result<GenericPacket<u16>, Violation> {
        let message = &delivery.message;
        let qos = match delivery.qos {
            Qos::AtMostOnce => WireQos::AtMostOnce,
            Qos::AtLeastOnce => WireQos::AtLeastOnce,
        };
        let packet = match self.connection.get_protocol_version() {
            Negotiated::V5_0 => {
                let mut properties = message.properties.clone();
                if let Some(at) = message.expires_at {
                    let left = at.saturating_duration_since(now).as_secs();
                    let left = u32::try_from(left).unwrap_or(u32::MAX);
                    properties.push(MessageExpiryInterval::new(left)?.into());
                }
                v5_0::Publish::builder()
                    .topic_name(message.topic.as_str())?
                    .qos(qos)
                    .packet_id(packet_id)
                    .props(properties)
                    .payload(message.payload.as_ref())
                    .build()?
                    .into()
            }
            Negotiated::V3_1_1 | Negotiated::Undetermined => v3_1_1::Publish::builder()
                .topic_name(message.topic.as_str())?
                .qos(qos)
                .packet_id(packet_id)
                .payload(message.payload.as_ref())
                .build()?
                .into(),
        };
        Ok(packet)
    }

    fn send(&mut self, packet: GenericPacket<u16>) -> Result<(), Violation> {
        let events = self.connection.send(packet);
        self.apply(events).map(|_| ())
    }

    pub(super) fn append(&mut self, packet: &GenericPacket<u16>) {
        self.output.extend(packet.to_continuous_buffer());
    }
}

impl From<MqttError> for Violation {
    fn from(reason: MqttError) -> Self {
        Self { reason }
    }
}

/// What an MQTT 5 client has to know of this server.
fn announcement(accepted: Accepted) -> Result<Properties, MqttError> {
    let keep_alive = u16::try_from(accepted.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let lifetime = u32::try_from(accepted.lifetime.as_secs()).unwrap_or(u32::MAX);
    let mut properties: Properties = vec![
        SessionExpiryInterval::new(lifetime)?.into(),
        MaximumQos::new(1)?.into(),
        RetainAvailable::new(0)?.into(),
        TopicAliasMaximum::new(TOPIC_ALIAS_MAXIMUM)?.into(),
        SubscriptionIdentifierAvailable::new(0)?.into(),
        SharedSubscriptionAvailable::new(0)?.into(),
        ServerKeepAlive::new(keep_alive)?.into(),
    ];
    if let Some(client_id) = accepted.assigned_client_id {
        properties.push(Property::from(AssignedClientIdentifier::new(client_id)?));
    }
    Ok(properties)
}

fn reason_code(grant: Grant) -> SubackReasonCode {
    match grant {
        Grant::Granted(Qos::AtMostOnce) => SubackReasonCode::GrantedQos0,
        Grant::Granted(Qos::AtLeastOnce) => SubackReasonCode::GrantedQos1,
        Grant::NotAuthorized => SubackReasonCode::NotAuthorized,
        Grant::NotShared => SubackReasonCode::SharedSubscriptionsNotSupported,
        Grant::FilterInvalid => SubackReasonCode::TopicFilterInvalid,
        Grant::QuotaExceeded => SubackReasonCode::QuotaExceeded,
    }
}

fn return_code(grant: Grant) -> SubackReturnCode {
    match grant {
        Grant::Granted(Qos::AtMostOnce) => SubackReturnCode::SuccessMaximumQos0,
        Grant::Granted(Qos::AtLeastOnce) => SubackReturnCode::SuccessMaximumQos1,
        Grant::NotAuthorized | Grant::NotShared | Grant::FilterInvalid | Grant::QuotaExceeded => {
            SubackReturnCode::Failure
        }
    }
}
