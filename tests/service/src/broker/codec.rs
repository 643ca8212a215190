//! The bytes of one MQTT connection, for MQTT 3.1.1 and MQTT 5 alike.
//!
//! [`Codec`] is sans-IO and the only place that names packet types of `mqtt-protocol-core`. It turns
//! bytes into [`Incoming`] and collects in [`Codec::output`] what is to be written. It keeps no time and
//! decides nothing about sessions.
//!
//! QoS 2 is refused as AWS IoT refuses it: the server announces QoS 1 as its maximum to MQTT 5 clients
//! and closes on a publish at QoS 2. A subscription at QoS 2 is granted at QoS 1 over MQTT 5; over
//! 3.1.1 it is not answered: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>

mod read;
mod write;

use core::time::Duration;

use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::ConnectionOptions;
use mqtt_protocol_core::mqtt::packet::GenericPacket;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};
use tokio::time::Instant;

use super::message::{Message, Qos};
use super::quotas::MqttQuotas;
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
    /// How long the message may wait for its receivers, once published.
    pub(super) expires_after: Option<Duration>,
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
    quotas: MqttQuotas,
}

impl Codec {
    pub(super) fn new(quotas: MqttQuotas) -> Self {
        let receive_maximum = u16::try_from(quotas.in_flight_messages).unwrap_or(u16::MAX);
        let options = ConnectionOptions::new()
            .maximum_packet_size_recv(PACKET_LIMIT)
            .receive_maximum(receive_maximum);
        let mut connection = Connection::with_options(mqtt::Version::Undetermined, options);
        connection.set_auto_ping_response(true);
        Self {
            connection,
            output: Vec::new(),
            quotas,
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

    /// Says goodbye with a reason, where the protocol can, and gives that reason back as an error.
    fn violation(&mut self, reason: MqttError, code: DisconnectReasonCode) -> Violation {
        self.disconnect(code);
        Violation { reason }
    }
}
