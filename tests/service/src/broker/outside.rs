//! A client of an outside broker: mosquitto, EMQX, or any other that lets the service see all things.
//!
//! Two tasks: one polls the link and nothing else, so that it never waits on the service; one sends what
//! the service says, and keeps it until the broker confirms. Each link gets a new MQTT client, so nothing
//! of a lost one lingers in it. The broker does not say who asked; answers are plain publishes.
//!
//! Bounds: the [`Outbox`] holds what waits for the link, and discards what comes when it is full;
//! [`Outside::lost`] tells where.
//! [`REQUEST_LIMIT`] requests wait for the service; what comes then is discarded, and its device asks again.

mod outbox;
mod target;

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions, Packet,
    PublishNotice, PublishOptions, QoS, SubscribeFilterInput, TlsConfiguration, Transport,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep_until;

use super::codec::PAYLOAD_LIMIT;
use super::{Request, now};
use outbox::Outbox;
pub use target::{BrokerError, OutsideBroker};

/// The most requests that wait for the service.
const REQUEST_LIMIT: usize = 1024;

/// The most messages that are sent before the first is confirmed; fewer than the client's own limit.
const WINDOW: usize = 32;

/// A largest payload, a longest topic, and what MQTT adds.
const PACKET_LIMIT: usize = PAYLOAD_LIMIT + 1024;

const KEEP_ALIVE_SECS: u16 = 30;
const RETRY_AFTER_MIN: Duration = Duration::from_millis(500);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Where devices ask, with and without a namespace.
///
/// <https://docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-api.html>
const REQUEST_FILTERS: [&str; 6] = [
    "$aws/things/+/jobs/get",
    "$aws/things/+/jobs/start-next",
    "$aws/things/+/jobs/+/get",
    "$aws/things/+/jobs/+/update",
    "$aws/things/+/jobs/+/+/get",
    "$aws/things/+/jobs/+/+/update",
];

/// A link to an outside broker that is restored whenever it is lost; dropping this ends it.
#[derive(Debug)]
pub(super) struct Outside {
    outbox: Arc<Outbox>,
    ready: watch::Receiver<Option<Link>>,
    restart: Arc<Notify>,
    _alive: watch::Sender<()>,
}

impl Outside {
    /// Starts to connect; the broker may come up later.
    pub(super) fn start(
        broker: &OutsideBroker,
    ) -> Result<(Self, mpsc::Receiver<Request>), BrokerError> {
        // A second service must not take the session of the first.
        let client_id = format!("iot-jobs-local-{}", uuid::Uuid::new_v4());
        let mut options = MqttOptions::new(client_id, (broker.host.as_str(), broker.port));
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                Arc::new(broker.tls()?),
            )))
            .set_keep_alive(KEEP_ALIVE_SECS)
            .set_max_packet_size(PACKET_LIMIT, PACKET_LIMIT);
        if let Some((user, password)) = broker.login()? {
            options.set_credentials(user, password);
        }

        let outbox = Arc::new(Outbox::default());
        let restart = Arc::new(Notify::new());
        let (requests, receiver) = mpsc::channel(REQUEST_LIMIT);
        let (ready_sender, ready) = watch::channel(None);
        let (alive, ended) = watch::channel(());
        let connector = Connector {
            options,
            requests,
            ready: ready_sender,
            restart: Arc::clone(&restart),
        };
        tokio::spawn(until_ended(ended.clone(), connector.run()));
        tokio::spawn(until_ended(
            ended,
            send_all(Arc::clone(&outbox), ready.clone()),
        ));
        let outside = Self {
            outbox,
            ready,
            restart,
            _alive: alive,
        };
        Ok((outside, receiver))
    }

    /// Queues a message.
    pub(super) fn publish(&self, topic: &str, payload: Bytes) {
        self.outbox.offer(topic, payload);
    }

    /// Forgets what the broker has not confirmed.
    pub(super) fn forget_messages(&self) {
        self.outbox.clear();
    }

    /// Waits until messages were discarded and all others have gone out, and takes some of their topics.
    pub(super) async fn lost(&self) -> Vec<String> {
        self.outbox.lost().await
    }

    /// Whether the broker has confirmed the subscriptions of the present link.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.borrow().is_some()
    }

    /// Waits until [`Outside::is_ready`].
    pub(super) async fn ready(&self) {
        // The sender lives as long as this does.
        let _sender_gone = self.ready.clone().wait_for(Option::is_some).await.is_err();
    }

    /// Ends the link and makes a new one.
    pub(super) fn restart(&self) {
        self.restart.notify_one();
    }
}

/// Sends over one link.
#[derive(Debug, Clone)]
struct Link(AsyncClient);

/// Makes links, one after the other.
struct Connector {
    options: MqttOptions,
    requests: mpsc::Sender<Request>,
    ready: watch::Sender<Option<Link>>,
    restart: Arc<Notify>,
}

impl Connector {
    async fn run(self) {
        let mut failures = 0;
        loop {
            let (client, mut events) = AsyncClient::builder(self.options.clone())
                .capacity(WINDOW)
                .build();
            let mut network = events.network_options();
            // Small packets that wait for answers: 40 ms each otherwise.
            network.set_tcp_nodelay(true);
            events.set_network_options(network);
            let ended = tokio::select! {
                ended = self.poll(&client, &mut events) => ended,
                () = self.restart.notified() => LinkEnd::Restart,
            };
            if self.ready.send_replace(None).is_some() {
                failures = 0;
            }
            // What this link has not confirmed goes back to the outbox.
            drop(events);
            tracing::warn!(reason = %ended, "lost link to broker");
            sleep_until(now() + retry_after(failures, uuid::Uuid::new_v4().as_u128())).await;
            failures = failures.saturating_add(1);
        }
    }

    /// Polls one link until it ends.
    async fn poll(&self, client: &AsyncClient, events: &mut EventLoop) -> LinkEnd {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    let filters = REQUEST_FILTERS
                        .map(|filter| SubscribeFilterInput::new(filter, QoS::AtLeastOnce));
                    if client.try_subscribe_many(filters).is_err() {
                        return LinkEnd::Refused;
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(granted))) => {
                    if granted
                        .return_codes
                        .contains(&rumqttc::SubscribeReasonCode::Failure)
                    {
                        return LinkEnd::Refused;
                    }
                    tracing::info!("attached to broker");
                    self.ready.send_replace(Some(Link(client.clone())));
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => self.receive(publish),
                Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
                Err(error) => return LinkEnd::Lost(Box::new(error)),
            }
        }
    }

    fn receive(&self, publish: rumqttc::Publish) {
        // A retained request was asked long ago.
        if publish.retain {
            return;
        }
        let Ok(topic) = String::from_utf8(publish.topic.into()) else {
            return;
        };
        let request = Request {
            connection: None,
            topic,
            payload: publish.payload,
        };
        if self.requests.try_send(request).is_err() {
            tracing::warn!("discarded request");
        }
    }
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
enum LinkEnd {
    #[error("{0}")]
    Lost(Box<ConnectionError>),
    #[error("the broker refused a subscription")]
    Refused,
    #[error("restarted")]
    Restart,
}

/// Sends the outbox, window by window, whenever there is a link.
async fn send_all(outbox: Arc<Outbox>, mut ready: watch::Receiver<Option<Link>>) {
    loop {
        let Ok(link) = ready
            .wait_for(Option::is_some)
            .await
            .map(|link| link.clone())
        else {
            return;
        };
        let window = outbox.first(WINDOW);
        if window.messages.is_empty() {
            outbox.filled.notified().await;
            continue;
        }
        let Some(link) = link else { continue };
        let len = window.messages.len();
        let confirmed = link.send(window.messages, ready.clone()).await;
        outbox.confirm(window.id, confirmed);
        if confirmed < len {
            // The link is gone, and the next one will say so; this one must not be tried again.
            if ready.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Link {
    /// Sends messages, and says how many of them, from the first on, the broker confirmed before it was `lost`.
    async fn send(
        &self,
        messages: Vec<(String, Bytes)>,
        mut lost: watch::Receiver<Option<Self>>,
    ) -> usize {
        let mut confirmed = 0;
        let work = async {
            let mut notices = Vec::with_capacity(messages.len());
            for (topic, payload) in messages {
                match self.publish(topic, payload).await {
                    Ok(notice) => notices.push(notice),
                    Err(_) => break,
                }
            }
            for notice in notices {
                if notice.wait_completion_async().await.is_err() {
                    break;
                }
                confirmed += 1;
            }
        };
        // A message that reached the client as its link ended is never confirmed, nor refused.
        // What was confirmed before is counted first: chance must not send it again.
        tokio::select! {
            biased;
            () = work => {}
            _ = lost.changed() => {}
        }
        confirmed
    }

    async fn publish(&self, topic: String, payload: Bytes) -> Result<PublishNotice, ClientError> {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        self.0.publish_tracked(topic, payload, options).await
    }
}

async fn until_ended(mut ended: watch::Receiver<()>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = ended.changed() => {}
    }
}

/// The pause before link number `failures + 1`: doubling, bounded, and different for each service.
fn retry_after(failures: u32, random: u128) -> Duration {
    let longest = RETRY_AFTER_MIN
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(RETRY_AFTER_MAX);
    let half = longest / 2;
    let jitter = random % (half.as_millis() + 1);
    half + Duration::from_millis(u64::try_from(jitter).unwrap_or_default())
}

#[cfg(test)]
mod tests;
