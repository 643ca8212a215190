//! The MQTT connection to the endpoint. The only file that names the MQTT library.
//!
//! It connects, connects again, and says what happened as [`LinkEvent`]s; it knows nothing of jobs. Nothing is held across
//! connections: a client lives exactly as long as its connection, so that no stale publish is replayed, no packet id collides
//! with an earlier one, and whatever stops making progress is gone with its socket. What must not be lost is held by the core,
//! which sends again.
//!
//! Acknowledgements are automatic: every message is a hint or an answer that the core asks for again, so that one which is lost
//! with the process costs a describe, not a job.
//!
//! Drive it: await [`Link::event`] in the driver's loop; [`Link::publish`] and [`Link::subscribe`] never wait.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use iot_jobs_config::Mqtt;
use iot_jobs_proto::backoff::{Backoff, SplitMix64};
use rumqttc::mqttbytes::v4::{ConnectReturnCode, SubscribeReasonCode};
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, Incoming, MqttOptions, Outgoing,
    PublishOptions, QoS, SessionMode, StateError, SubscribeFilter, TlsConfiguration, TlsError,
    Transport,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cause::{Cause, Stage, Unresolved};
use crate::{timer, tls};

/// Largest packet either way: 128 KiB of payload (AWS general reference, "AWS IoT Core message broker"), a topic of 256 bytes and
/// the headers.
const PACKET_MAX: usize = 128 * 1024 + 1024;
/// Most QoS 1 publishes without their PUBACK; the service allows 100.
const INFLIGHT_MAX: u16 = 16;
/// Most publishes and subscribes that wait for the socket. The core's own requests fit many times.
const QUEUE_MAX: usize = 32;
/// Most events that wait for the driver; beyond that the socket is not read.
const EVENTS_MAX: usize = 16;
/// Name resolution, TCP, TLS, CONNECT and CONNACK must be done by then.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// A SUBACK that takes longer never comes: the service answers no SUBSCRIBE that it does not like.
const SUBACK_WITHIN: Duration = Duration::from_secs(20);
/// Longest wait for the DISCONNECT to leave at the end.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);
/// Upper edge of the first wait before a connection is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Upper edge of every wait before a connection is tried again.
const RETRY_MAX: Duration = Duration::from_secs(300);

/// What happened to the connection.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// The connection is gone, or could not be made; it is tried again after a wait.
    Down {
        /// Why.
        cause: Cause,
        /// Whether it is another cause than last time, so that it is worth a line in the log.
        news: bool,
        /// How long the wait is.
        retry_in: Duration,
    },
    /// A PUBLISH arrived.
    Message {
        /// Its topic.
        topic: Bytes,
        /// Its body.
        payload: Bytes,
    },
    /// A SUBACK arrived: whether each filter was granted, in order.
    Subscribed {
        /// What [`Link::subscribe`] was given.
        token: usize,
        /// One for each filter.
        granted: Vec<bool>,
        /// Whether it is another answer than the last one for that token, so that it is worth a line in the log.
        news: bool,
    },
    /// CONNACK arrived.
    Up {
        /// Whether the broker kept the session.
        session_present: bool,
        /// Whether the link was said to be down, or nothing was said yet, so that it is worth a line in the log.
        news: bool,
    },
}

/// A connection that is made again whenever it is lost.
#[derive(Debug)]
pub(crate) struct Link {
    client: Option<AsyncClient>,
    events: mpsc::Receiver<Signal>,
    signals: mpsc::Sender<Signal>,
    task: JoinHandle<()>,
    /// The last answer for each token; the driver has a token for each of its few namespaces.
    granted: BTreeMap<usize, Vec<bool>>,
}

impl Link {
    /// Starts to connect. `seed` spreads the retries of a fleet.
    ///
    /// Must be called within a [`tokio::task::LocalSet`].
    pub(crate) fn start(mqtt: Mqtt, seed: u64) -> Self {
        let (signals, events) = mpsc::channel(EVENTS_MAX);
        let task = tokio::task::spawn_local(stay_connected(mqtt, seed, signals.clone()));
        Self {
            client: None,
            events,
            signals,
            task,
            granted: BTreeMap::new(),
        }
    }

    /// The next event. Safe to drop unfinished.
    pub(crate) async fn event(&mut self) -> LinkEvent {
        loop {
            match self.events.recv().await {
                Some(Signal::Client(client)) => self.client = Some(*client),
                Some(Signal::Event(mut event)) => {
                    match &mut event {
                        LinkEvent::Down { .. } => self.client = None,
                        LinkEvent::Subscribed {
                            token,
                            granted,
                            news,
                        } => {
                            let before = self.granted.insert(*token, granted.clone());
                            *news = before.as_ref() != Some(granted);
                        }
                        LinkEvent::Message { .. } | LinkEvent::Up { .. } => {}
                    }
                    return event;
                }
                // We hold a sender: never closed.
                None => core::future::pending().await,
            }
        }
    }

    /// Queues a PUBLISH at QoS 1; `false` when there is no connection or the queue is full. The core sends again.
    pub(crate) fn publish(&self, topic: &str, payload: &[u8]) -> bool {
        self.client.as_ref().is_some_and(|client| {
            client
                .try_publish(topic, payload, PublishOptions::new(QoS::AtLeastOnce))
                .is_ok()
        })
    }

    /// Queues one SUBSCRIBE at QoS 1, answered by [`LinkEvent::Subscribed`] with `token`; the connection is made anew when no
    /// answer comes.
    pub(crate) fn subscribe(&self, token: usize, filters: &[&str]) {
        let Some(client) = self.client.clone() else {
            return;
        };
        let filters = filters
            .iter()
            .map(|filter| SubscribeFilter::new((*filter).to_owned(), QoS::AtLeastOnce));
        let notice = match client.try_subscribe_many_tracked(filters) {
            Ok(notice) => notice,
            Err(error) => {
                abandon(&client, &error);
                return;
            }
        };
        let signals = self.signals.clone();
        tokio::task::spawn_local(async move {
            match timeout(SUBACK_WITHIN, notice.wait_async()).await {
                Ok(Ok(suback)) => {
                    let granted = suback
                        .return_codes
                        .iter()
                        .map(|code| matches!(code, SubscribeReasonCode::Success(_)))
                        .collect();
                    let event = LinkEvent::Subscribed {
                        token,
                        granted,
                        news: false,
                    };
                    let _ = signals.send(Signal::Event(event)).await;
                }
                // The connection went first.
                Ok(Err(_)) => {}
                Err(_) => {
                    let _ = client.try_disconnect_now();
                }
            }
        });
    }

    /// Says DISCONNECT and ends, within a bound.
    pub(crate) async fn close(mut self) {
        let asked = self
            .client
            .take()
            .is_some_and(|client| client.try_disconnect_now().is_ok());
        self.events.close();
        if asked {
            let _ = timeout(CLOSE_WITHIN, &mut self.task).await;
        }
        self.task.abort();
    }
}

/// What the task tells its handle.
#[derive(Debug)]
enum Signal {
    /// A connection was made; it is driven through this.
    Client(Box<AsyncClient>),
    /// For the driver.
    Event(LinkEvent),
}

/// Ends a connection whose queue does not even take a SUBSCRIBE.
fn abandon(client: &AsyncClient, error: &ClientError) {
    tracing::debug!(%error, "cannot subscribe");
    let _ = client.try_disconnect_now();
}

async fn stay_connected(mqtt: Mqtt, seed: u64, signals: mpsc::Sender<Signal>) {
    let mut random = SplitMix64::new(seed);
    let mut retry = Backoff::new(RETRY_FIRST, RETRY_MAX);
    let mut told = Told::default();
    loop {
        let cause = match options(&mqtt) {
            Ok(options) => {
                let (client, connection) =
                    AsyncClient::builder(options).capacity(QUEUE_MAX).build();
                Connection {
                    connection,
                    signals: &signals,
                    retry: &mut retry,
                    told: &mut told,
                    stage: Stage::Connecting,
                }
                .run(client)
                .await
            }
            Err(error) => Some(Cause::Credentials(error.to_string())),
        };
        // No cause: the handle is gone.
        let Some(cause) = cause else { return };
        let retry_in = retry.next(&mut random);
        let news = told.down(&cause);
        let event = LinkEvent::Down {
            cause,
            news,
            retry_in,
        };
        if signals.send(Signal::Event(event)).await.is_err() {
            return;
        }
        timer::wait(retry_in).await;
    }
}

fn options(mqtt: &Mqtt) -> Result<MqttOptions, tls::TlsError> {
    let mut options = MqttOptions::new(mqtt.client_id.clone(), (mqtt.endpoint.clone(), mqtt.port));
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            tls::client_config(mqtt)?,
        )))
        .set_session_mode(SessionMode::Persistent)
        .set_keep_alive(u16::try_from(mqtt.keep_alive.as_secs()).unwrap_or(u16::MAX))
        .set_max_packet_size(PACKET_MAX, PACKET_MAX)
        .set_inflight(INFLIGHT_MAX)
        .set_socket_connector(|host, network| async move {
            let address = resolve(&host).await?;
            rumqttc::default_socket_connect(address, network).await
        });
    Ok(options)
}

/// Resolves first, so that a name which does not resolve is told apart from a host that refuses.
async fn resolve(host: &str) -> std::io::Result<String> {
    let unresolved = |words: String| std::io::Error::other(Unresolved(words));
    let found = tokio::net::lookup_host(host)
        .await
        .map_err(|error| unresolved(error.to_string()))?
        .next();
    match found {
        Some(_) => Ok(host.to_owned()),
        None => Err(unresolved("no address".to_owned())),
    }
}

/// One connection, from its first packet to its last.
struct Connection<'a> {
    connection: EventLoop,
    signals: &'a mpsc::Sender<Signal>,
    retry: &'a mut Backoff,
    told: &'a mut Told,
    stage: Stage,
}

/// What was said of the link, so that nothing is said twice: a link that a policy ends again and again is one line.
#[derive(Debug, Default)]
struct Told {
    /// The cause that need not be said again.
    cause: Option<Cause>,
    up: bool,
}

impl Told {
    /// The link is down; whether that is worth saying.
    fn down(&mut self, cause: &Cause) -> bool {
        let news = self.cause.as_ref() != Some(cause);
        if news {
            self.cause = Some(cause.clone());
            self.up = false;
        }
        news
    }

    /// The link is up; whether that is worth saying.
    fn up(&mut self) -> bool {
        // What kept it from coming up did not this time, and is news when it does again.
        if self
            .cause
            .as_ref()
            .is_some_and(|cause| !cause.is_of_a_link_that_was_up())
        {
            self.cause = None;
        }
        !core::mem::replace(&mut self.up, true)
    }

    /// The link proved itself: whatever ends it now is news.
    fn forget(&mut self) {
        self.cause = None;
    }
}

impl Connection<'_> {
    /// Runs until the connection ends; `None` when nobody listens any more.
    async fn run(mut self, client: AsyncClient) -> Option<Cause> {
        let mut network = self.connection.network_options();
        network.set_connection_timeout(CONNECT_WITHIN.as_secs());
        // Small packets that wait for answers: 40 ms each otherwise.
        network.set_tcp_nodelay(true);
        self.connection.set_network_options(network);
        loop {
            match self.connection.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if let Incoming::ConnAck(_) = packet {
                        let client = Signal::Client(Box::new(client.clone()));
                        self.signals.send(client).await.ok()?;
                    }
                    self.incoming(packet).await?;
                }
                Ok(Event::Outgoing(packet)) => self.outgoing(&packet),
                Err(error) => return Some(cause(error, self.stage)),
            }
        }
    }

    async fn incoming(&mut self, packet: Incoming) -> Option<()> {
        let event = match packet {
            Incoming::ConnAck(connack) => {
                self.stage = Stage::Idle;
                LinkEvent::Up {
                    session_present: connack.session_present,
                    news: self.told.up(),
                }
            }
            Incoming::Publish(publish) => LinkEvent::Message {
                topic: publish.topic,
                payload: publish.payload,
            },
            // It lived through a keep-alive: neither the policy nor a second client ends it at once.
            Incoming::PingResp => {
                self.retry.reset();
                self.told.forget();
                return Some(());
            }
            Incoming::PubAck(_) | Incoming::SubAck(_) => {
                self.stage = Stage::Idle;
                return Some(());
            }
            Incoming::Connect(_)
            | Incoming::Disconnect
            | Incoming::PingReq
            | Incoming::PubComp(_)
            | Incoming::PubRec(_)
            | Incoming::PubRel(_)
            | Incoming::Subscribe(_)
            | Incoming::UnsubAck(_)
            | Incoming::Unsubscribe(_) => return Some(()),
        };
        self.signals.send(Signal::Event(event)).await.ok()
    }

    fn outgoing(&mut self, packet: &Outgoing) {
        match packet {
            Outgoing::Subscribe(_) => self.stage = Stage::Subscribing,
            Outgoing::Publish(_) if self.stage == Stage::Idle => self.stage = Stage::Publishing,
            Outgoing::AwaitAck(_)
            | Outgoing::Disconnect
            | Outgoing::PingReq
            | Outgoing::PingResp
            | Outgoing::PubAck(_)
            | Outgoing::PubComp(_)
            | Outgoing::PubRec(_)
            | Outgoing::PubRel(_)
            | Outgoing::Publish(_)
            | Outgoing::Unsubscribe(_) => {}
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enums are non-exhaustive; what is not named keeps the library's words"
)]
fn cause(error: ConnectionError, stage: Stage) -> Cause {
    match error {
        ConnectionError::ConnectionRefused(code) => Cause::Refused {
            code: connack_code(code),
        },
        ConnectionError::Io(io) | ConnectionError::Tls(TlsError::Io(io)) => {
            Cause::of_io(&io, stage)
        }
        ConnectionError::MqttState(state) => state_cause(state, stage),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Cause::NoAnswer(stage),
        // We said DISCONNECT: because no SUBACK came, or because the agent stops.
        ConnectionError::RequestsDone if stage == Stage::Subscribing => Cause::NoAnswer(stage),
        ConnectionError::RequestsDone => Cause::Ended,
        ConnectionError::Tls(TlsError::TLS(tls)) => Cause::of_tls(&tls, stage),
        other => Cause::Other(other.to_string()),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enums are non-exhaustive; what is not named keeps the library's words"
)]
fn state_cause(error: StateError, stage: Stage) -> Cause {
    match error {
        StateError::AwaitPingResp => Cause::NoAnswer(Stage::Idle),
        StateError::ConnectionAborted => Cause::Closed(stage),
        StateError::Deserialization(rumqttc::mqttbytes::Error::InvalidConnectReturnCode(code)) => {
            Cause::Refused { code }
        }
        StateError::Deserialization(rumqttc::mqttbytes::Error::Io(io)) | StateError::Io(io) => {
            Cause::of_io(&io, stage)
        }
        other => Cause::Other(other.to_string()),
    }
}

const fn connack_code(code: ConnectReturnCode) -> u8 {
    match code {
        ConnectReturnCode::Success => 0,
        ConnectReturnCode::RefusedProtocolVersion => 1,
        ConnectReturnCode::BadClientId => 2,
        ConnectReturnCode::ServiceUnavailable => 3,
        ConnectReturnCode::BadUserNamePassword => 4,
        ConnectReturnCode::NotAuthorized => 5,
    }
}

#[cfg(test)]
pub(crate) mod tests;
