//! What becomes of a client that asks for more than it may have.

use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use tokio::time::Instant;

use super::super::MqttQuotas;
use super::super::codec::Violation;
use super::super::hub::Grant;
use super::super::quotas::limit;
use super::{Peer, State};

impl Peer {
    /// Whether the quota allows another message of this client; one that exceeds it is discarded, which only
    /// MQTT 5 can say.
    ///
    /// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
    pub(super) fn takes_publish(&mut self, now: Instant) -> bool {
        let rate = self.hub.lock().quotas().publishes_per_second;
        match &mut self.state {
            State::Connected(connected) => connected.publishes.take(rate, now),
            State::AwaitingConnect { .. } | State::Closing { .. } => true,
        }
    }

    /// Ends the connection of a client that asked for subscriptions that it must not have.
    ///
    /// AWS IoT closes without a word over MQTT 3.1.1 (aws-iot-device-sdk-js issues #125 and #191, MQTTnet
    /// issue #1427):
    /// <https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html>
    pub(super) fn deny_subscribe(
        &mut self,
        now: Instant,
        packet_id: u16,
        grants: &[Grant],
        why: DisconnectReasonCode,
    ) -> Result<(), Violation> {
        tracing::info!(thing = self.thing, ?why, "denied subscription");
        self.codec.refuse_subscribe(packet_id, grants)?;
        self.codec.disconnect(why);
        self.close(now, true);
        Ok(())
    }
}

/// Why the client must go that was answered with `grants`, if it must: one filter that fails for another
/// reason fails alone.
pub(super) fn ends_connection(
    grants: &[Grant],
    quotas: MqttQuotas,
) -> Option<DisconnectReasonCode> {
    if grants.len() > limit(quotas.filters_per_subscribe) {
        return Some(DisconnectReasonCode::QuotaExceeded);
    }
    let denied = grants.contains(&Grant::NotAuthorized) && !quotas.denied_filter_fails_alone;
    denied.then_some(DisconnectReasonCode::NotAuthorized)
}
