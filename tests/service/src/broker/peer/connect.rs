//! How a client is let in.

use core::time::Duration;

use tokio::time::Instant;

use super::super::codec::{Accepted, Connect, Refusal, Violation};
use super::super::hub::{Admission, ClientKey};
use super::super::policy::Publication;
use super::super::quotas::Publishes;
use super::super::topic;
use super::{Connected, LIFETIME_MAX, Peer, State};

/// The keep-alive is brought into these bounds; without one the longest holds.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(30);
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(1200);

/// How long a persistent session of MQTT 3.1.1 lasts after its connection.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
const LIFETIME_V3: Duration = Duration::from_secs(3600);

/// The longest client id, in bytes.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
const CLIENT_ID_LIMIT: usize = 128;

impl Peer {
    pub(super) fn connect(&mut self, now: Instant, connect: Connect) -> Result<(), Violation> {
        if let Err(refusal) = self.check(&connect) {
            return self.refuse(now, refusal);
        }
        let assigned_client_id = connect
            .client_id
            .is_empty()
            .then(|| uuid::Uuid::new_v4().to_string());
        let client = ClientKey {
            thing: self.thing.clone(),
            client_id: assigned_client_id.clone().unwrap_or(connect.client_id),
        };
        if !self.hub.lock().may_connect(now, &client) {
            return self.refuse(now, Refusal::Throttled);
        }
        let lifetime = match connect.lifetime {
            Some(lifetime) => lifetime.min(LIFETIME_MAX),
            None if connect.wants_clean => Duration::ZERO,
            None => LIFETIME_V3,
        };
        let admission = Admission {
            client: client.clone(),
            version: connect.version,
            wants_clean: connect.wants_clean,
            lifetime,
        };
        let Some(admitted) = self.hub.lock().admit(now, admission) else {
            return self.refuse(now, Refusal::Busy);
        };
        tracing::info!(
            thing = self.thing,
            client_id = client.client_id,
            protocol = connect.version.protocol(),
            "client connected"
        );

        let keep_alive = bounded(connect.keep_alive);
        self.wake = admitted.wake;
        self.state = State::Connected(Connected {
            connection: admitted.connection,
            client,
            keep_alive,
            lifetime,
            deadline: now + keep_alive * 3 / 2,
            will: connect.will,
            waiting: None,
            publishes: Publishes::new(now),
        });
        self.codec.accept(Accepted {
            session_present: admitted.session_present,
            assigned_client_id,
            keep_alive,
            lifetime,
        })
    }

    fn check(&self, connect: &Connect) -> Result<(), Refusal> {
        if connect.wants_authentication {
            return Err(Refusal::Authentication);
        }
        let id = &connect.client_id;
        let is_nameless = id.is_empty() && !connect.wants_clean;
        if id.len() > CLIENT_ID_LIMIT || id.starts_with('$') || is_nameless {
            return Err(Refusal::ClientId);
        }
        let Some(will) = &connect.will else {
            return Ok(());
        };
        if let Some(refusal) = will.unsupported {
            return Err(refusal);
        }
        if topic::check_name(&will.message.topic).is_err() {
            return Err(Refusal::Topic);
        }
        match Publication::decide(&self.thing, &will.message.topic) {
            Publication::Denied => Err(Refusal::NotAuthorized),
            Publication::Request | Publication::Route => Ok(()),
        }
    }

    fn refuse(&mut self, now: Instant, refusal: Refusal) -> Result<(), Violation> {
        tracing::info!(thing = self.thing, ?refusal, "refused client");
        let refused = self.codec.refuse(refusal);
        self.close(now, false);
        refused
    }
}

fn bounded(keep_alive: Duration) -> Duration {
    if keep_alive.is_zero() {
        return KEEP_ALIVE_MAX;
    }
    keep_alive.clamp(KEEP_ALIVE_MIN, KEEP_ALIVE_MAX)
}
