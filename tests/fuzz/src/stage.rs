//! The local service in this process, asked through its API and its device plane, not through sockets.
//!
//! Every input begins on a [`Stage`] that looks the same: a clock that stands, things, groups, jobs
//! in several states, a template. So a finding is its input, and nothing else.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use iot_jobs_local::api::{Api, Backend, CallFaults, OwnHosts};
use iot_jobs_local::artifacts::Artifacts;
use iot_jobs_local::broker::{self, Broker, ConnectionId};
use iot_jobs_local::clock::Clock;
use iot_jobs_local::device::{self, Outlet};
use iot_jobs_local::model::time::Timestamp;
use iot_jobs_local::model::{Knobs, Model};
use iot_jobs_local::pki::Pki;
use iot_jobs_local::service::MqttAddress;
use iot_jobs_local::shared::Shared;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::setting;

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "eu-west-1";
/// 2026-10-21T07:28:00Z.
const NOW: Timestamp = Timestamp::from_secs(1_792_567_680);
/// The most processor time that one request may take, many times what the slowest legal one does.
const COST_LIMIT: Duration = Duration::from_secs(2);
/// What is longer is sent by no broker (AWS IoT message broker limits).
pub const PAYLOAD_LIMIT: usize = 128 * 1024;

/// A service as every input finds it.
pub struct Stage {
    api: Api,
    shared: Shared,
    outlet: Arc<Recorder>,
}

/// A message of the device plane.
pub struct Message {
    /// Whether it goes to who asked, and to nobody else.
    pub is_answer: bool,
    pub topic: String,
    pub payload: Bytes,
}

#[derive(Default)]
struct Recorder {
    messages: Mutex<Vec<Message>>,
}

impl Recorder {
    fn record(&self, is_answer: bool, topic: &str, payload: Bytes) {
        let topic = topic.to_owned();
        let message = Message {
            is_answer,
            topic,
            payload,
        };
        self.messages.lock().expect("unpoisoned").push(message);
    }
}

impl Outlet for Recorder {
    fn is_heard(&self, _: &str) -> bool {
        true
    }

    fn payload_limit(&self) -> usize {
        PAYLOAD_LIMIT
    }

    fn publish(&self, topic: &str, payload: Bytes) {
        self.record(false, topic, payload);
    }

    fn reply(&self, _: Option<&ConnectionId>, topic: &str, payload: Bytes) {
        self.record(true, topic, payload);
    }

    fn disconnect(&self, _: &ConnectionId) {}

    fn disconnect_thing(&self, _: &str) {}
}

/// What is made once: keys and files.
struct Ground {
    artifacts: Artifacts,
    broker: Broker,
    pki: Arc<Pki>,
}

impl Ground {
    fn of_process() -> &'static Self {
        static GROUND: OnceLock<Ground> = OnceLock::new();
        GROUND.get_or_init(|| {
            let pki = Arc::new(Pki::create().expect("keys"));
            let tls = pki.mqtt_server_config().expect("a certificate");
            let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
            let broker = block_on(Broker::embedded(loopback, tls));
            let directory = std::env::temp_dir();
            let directory = directory.join(format!("iot-jobs-fuzz-{}", std::process::id()));
            Self {
                artifacts: Artifacts::open(&directory, "https://localhost:4443", REGION)
                    .expect("a directory"),
                broker: broker.expect("loopback").0,
                pki,
            }
        })
    }
}

/// Runs `future` in virtual time: a body that stalls for an hour costs nothing.
fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: RefCell<Runtime> = RefCell::new(
            Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
        );
    }
    RUNTIME.with_borrow(|runtime| runtime.block_on(future))
}

impl Stage {
    /// The stage as it is set for every input.
    pub fn set() -> Self {
        let ground = Ground::of_process();
        ground.artifacts.reset();
        let outlet = Arc::<Recorder>::default();
        let mut model = Model::new(Knobs {
            events: true,
            ..Knobs::default()
        });
        setting::set(&mut model, NOW);
        model.take_effects();
        let presign = Arc::new(ground.artifacts.clone());
        let shared = Shared::new(model, Clock::frozen(NOW), presign, outlet.clone());
        let api = Api::new(Backend {
            shared: shared.clone(),
            artifacts: ground.artifacts.clone(),
            broker: ground.broker.clone(),
            pki: Arc::clone(&ground.pki),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            mqtt: MqttAddress {
                host: "localhost".to_owned(),
                port: 8883,
            },
            calls: CallFaults::default(),
            admin: false,
            is_remote: false,
            hosts: OwnHosts::new("localhost", IpAddr::V4(Ipv4Addr::LOCALHOST)),
            stopping: watch::channel(false).1,
        });
        Self {
            api,
            shared,
            outlet,
        }
    }

    /// Asks the API; the answer comes with its whole body.
    pub fn ask(&self, request: Request<Body>) -> Response<Bytes> {
        let line = format!("{} {}", request.method(), request.uri());
        let before = processor_time();
        let answer = block_on(async {
            let (head, body) = self.api.clone().answer(request).await.into_parts();
            // A body that breaks off, or never ends, is a fault that was asked for.
            let body = http_body_util::BodyExt::collect(body);
            let whole = tokio::time::timeout(Duration::from_secs(24 * 3600), body).await;
            let whole = whole.ok().and_then(Result::ok);
            let whole = whole.map(|whole| whole.to_bytes()).unwrap_or_default();
            Response::from_parts(head, whole)
        });
        let cost = processor_time().saturating_sub(before);
        assert!(cost < COST_LIMIT, "{line} took {cost:?}");
        self.check();
        self.messages();
        answer
    }

    /// Publishes as a device, and gives what the service says of it.
    pub fn publish(&self, topic: &str, payload: Bytes) -> Vec<Message> {
        let request = broker::Request {
            connection: Some(ConnectionId(1)),
            topic: topic.to_owned(),
            payload,
        };
        let before = processor_time();
        device::answer(&self.shared, &request);
        let cost = processor_time().saturating_sub(before);
        assert!(cost < COST_LIMIT, "{topic} took {cost:?}");
        self.check();
        self.messages()
    }

    /// Lets time pass.
    pub fn wait(&self, time: Duration) {
        self.shared.clock().advance(time);
        self.check();
        self.messages();
    }

    /// What was published since the last call.
    fn messages(&self) -> Vec<Message> {
        std::mem::take(&mut *self.outlet.messages.lock().expect("unpoisoned"))
    }

    fn check(&self) {
        self.shared.with(|model, now| model.check(now));
    }
}

/// How long this thread has run, whatever else the machine does.
fn processor_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}
