//! What one device may do on the embedded broker, and how often.
//!
//! The defaults are AWS's (AWS general reference, [AWS IoT Core endpoints and quotas]), but that nothing is
//! counted by the second unless asked for: a device that a test restarts five times in a second is no
//! fault of the device. What is counted is counted by the broker's clock, which no test stops, as
//! keep-alives are.
//!
//! [AWS IoT Core endpoints and quotas]: https://docs.aws.amazon.com/general/latest/gr/iot-core.html

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::codec::PAYLOAD_LIMIT;
use super::hub::ClientKey;
pub(super) use crate::model::limit;
use crate::throttle::Bucket;

/// The most clients whose CONNECTs are counted at one time; further ones are not let in before a second is over.
const COUNTED_CLIENTS_MAX: usize = 65_536;

/// What a device may do. Each is a row of the general reference, AWS IoT Core message broker and protocol
/// limits and quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MqttQuotas {
    /// Bytes of the payload of one message; of the connections made from then on.
    pub payload_bytes: u32,
    /// Subscriptions per connection: further ones fail in the SUBACK.
    pub subscriptions_per_connection: u32,
    /// Filters in one SUBSCRIBE: one with more ends the connection.
    pub filters_per_subscribe: u32,
    /// QoS 1 messages that are not acknowledged, either way; those from a client of the connections made from
    /// then on.
    pub in_flight_messages: u32,
    /// CONNECTs per second and client id; one more is refused.
    pub connects_per_second: Option<u32>,
    /// Messages per second and connection, from the client; what exceeds it is discarded.
    pub publishes_per_second: Option<u32>,
    /// Whether a filter that the policy denies fails in the SUBACK, as the developer guide (mqtt) has clients
    /// expect it, and not with the connection, as life-cycle-events has it and clients report.
    pub denied_filter_fails_alone: bool,
}

impl MqttQuotas {
    /// CONNECTs per second and client id on AWS.
    pub const AWS_CONNECTS_PER_SECOND: u32 = 1;
    /// Messages per second and connection on AWS.
    pub const AWS_PUBLISHES_PER_SECOND: u32 = 100;
    /// The most that [`MqttQuotas::payload_bytes`] can be.
    pub const PAYLOAD_BYTES_MAX: u32 = 128 * 1024;
}

const _: () = assert!(MqttQuotas::PAYLOAD_BYTES_MAX as usize == PAYLOAD_LIMIT);

impl Default for MqttQuotas {
    fn default() -> Self {
        Self {
            payload_bytes: Self::PAYLOAD_BYTES_MAX,
            subscriptions_per_connection: 50,
            filters_per_subscribe: 8,
            in_flight_messages: 100,
            connects_per_second: None,
            publishes_per_second: None,
            denied_filter_fails_alone: false,
        }
    }
}

/// Counts the CONNECTs of each client.
#[derive(Debug, Default)]
pub(super) struct Connects {
    /// What times are counted from.
    since: Option<Instant>,
    clients: BTreeMap<ClientKey, Bucket>,
}

impl Connects {
    /// Whether `client` may connect at `now`.
    pub(super) fn take(&mut self, rate: Option<u32>, now: Instant, client: &ClientKey) -> bool {
        let Some(rate) = rate else {
            self.clients.clear();
            return true;
        };
        let now = millis(*self.since.get_or_insert(now), now);
        if !self.clients.contains_key(client) {
            self.clients.retain(|_, bucket| !bucket.is_full(rate, now));
            if self.clients.len() >= COUNTED_CLIENTS_MAX {
                return false;
            }
        }
        let bucket = self.clients.entry(client.clone()).or_default();
        bucket.take(rate, now)
    }
}

/// Counts the messages of one connection.
#[derive(Debug)]
pub(super) struct Publishes {
    since: Instant,
    bucket: Bucket,
}

impl Publishes {
    /// Counts from `now` on.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            bucket: Bucket::default(),
        }
    }

    /// Whether another message is taken at `now`.
    pub(super) fn take(&mut self, rate: Option<u32>, now: Instant) -> bool {
        let now = millis(self.since, now);
        rate.is_none_or(|rate| self.bucket.take(rate, now))
    }
}

fn millis(since: Instant, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(since).as_millis();
    u64::try_from(elapsed).unwrap_or(u64::MAX)
}
