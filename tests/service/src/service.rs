//! The whole service in one value: broker, device plane and HTTP planes over one model.
//!
//! [`Service::start`] returns once everything listens, so that what is started next may connect at
//! once. Tests start it in their own process; the binary does nothing more.

mod directory;

use core::error::Error;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::api::{Api, Backend, CallFaults, OwnHosts};
use crate::artifacts::Artifacts;
use crate::broker::{self, Broker, BrokerError, OutsideBroker, Request};
use crate::clock::{Asked, Clock};
use crate::device;
use crate::http::{self, Patience};
use crate::knobs::Knobs;
use crate::pki::{Pki, PkiError};
use crate::shared::Shared;
use crate::store::StoreError;

use directory::{Directory, Opened};

/// The most connections of clients at one time, of devices and over HTTP.
pub const CONNECTIONS_MAX: usize = broker::CONNECTION_LIMIT + http::MAX_CONNECTIONS;

const CA_FILE: &str = "ca.pem";

/// How to start the service. The default is for tests: free ports on loopback, nothing kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where HTTP and HTTPS are served; port 0 means any free port.
    pub http: SocketAddr,
    /// The way to the devices.
    pub mqtt: MqttSettings,
    /// The name by which devices reach the service; it stands in presigned URLs and certificates.
    pub host: String,
    /// Where everything is kept over a restart: things, jobs, executions and their timers, the clock,
    /// objects, and the certificate authority. `None` keeps nothing: files are in a directory that
    /// goes with the service.
    pub data: Option<PathBuf>,
    /// The region of requests that name none, and of the buckets.
    pub region: String,
    /// The account in every ARN.
    pub account: String,
    /// Whether the service may listen on addresses that other machines reach. It checks no
    /// signature: whoever reaches it controls it.
    pub allow_remote: bool,
    /// Whether `/_local` may change how the service behaves: faults, clock, knobs, reset; and whether it
    /// hands out things' certificates where other machines reach it.
    pub admin: bool,
    /// The service's time, unless one was kept in `data`.
    pub clock: Clock,
    /// What is asked of the time that was kept in `data`.
    pub clock_asked: Asked,
    /// Quotas, and choices where AWS's behaviour is unknown.
    pub knobs: Knobs,
}

/// Which broker the devices connect to.
#[derive(Debug, Clone)]
pub enum MqttSettings {
    /// The service's own, listening here; port 0 means any free port.
    Embedded(SocketAddr),
    /// Another one, which the service attaches to.
    Outside(OutsideBroker),
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            http: loopback,
            mqtt: MqttSettings::Embedded(loopback),
            host: "localhost".to_owned(),
            data: None,
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            allow_remote: false,
            admin: false,
            clock: Clock::wall(),
            clock_asked: Asked::default(),
            knobs: Knobs::default(),
        }
    }
}

/// Where the service is reached. Serializes to what the ready file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// For boto3 and the AWS CLI: `AWS_ENDPOINT_URL`.
    pub http: String,
    /// The same over TLS; presigned URLs begin with it.
    pub https: String,
    /// For devices.
    pub mqtt: MqttAddress,
    /// The file with the authority that devices must trust.
    pub ca: PathBuf,
}

/// Where devices reach the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MqttAddress {
    /// A name that the broker's certificate is valid for.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why the service cannot start.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The outside broker's certificates cannot be used.
    #[error(
        "cannot attach to the broker: {}\nhelp: see the options that begin with --broker",
        with_sources(.0)
    )]
    Broker(#[from] BrokerError),
    /// The directory for keys and objects cannot be used.
    #[error("{}: cannot keep keys and objects here: {source}\nhelp: name a directory that you can write to with --data", path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error(
        "{address}: cannot listen for {protocol}: {source}\nhelp: end the program that uses this port, or choose another one; port 0 takes any free port"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What was to be served there.
        protocol: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate authority cannot be made or loaded.
    #[error(
        "{}: {}\nhelp: remove ca.pem and ca.key there to make a new authority; devices then need new certificates",
        path.display(), with_sources(source)
    )]
    Pki {
        /// Where the authority is kept.
        path: PathBuf,
        /// What went wrong.
        source: PkiError,
    },
    /// The address is not on loopback.
    #[error(
        "{address}: other machines could reach the service there, and it checks no signature\nhelp: listen on 127.0.0.1, or say --allow-remote if that is what you want"
    )]
    Remote {
        /// The address.
        address: SocketAddr,
    },
    /// The state cannot be read or written.
    #[error("{}: {source}\nhelp: {}", path.display(), source.help())]
    Store {
        /// The file that holds it.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
}

/// An error and what caused it, in one line.
fn with_sources(error: &dyn Error) -> String {
    core::iter::successors(error.source(), |cause| (*cause).source())
        .fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// A running service. Dropped, it stops, too; [`Service::stop`] waits for the requests under way.
#[derive(Debug)]
pub struct Service {
    addresses: Addresses,
    artifacts: Artifacts,
    broker: Broker,
    pki: Arc<Pki>,
    shared: Shared,
    http: JoinHandle<()>,
    stop: watch::Sender<bool>,
    device: JoinSet<()>,
    _opened: Opened,
    _directory: Directory,
}

impl Service {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// Fails if an address cannot be listened on, or if keys or objects cannot be kept.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        settings.check_addresses()?;
        let directory = Directory::open(settings.data)?;
        let store = directory.store()?;
        let pki =
            Pki::open(directory.path()).map(|pki| pki.with_server_names([settings.host.clone()]));
        let pki = Arc::new(pki.map_err(|source| directory.pki_error(source))?);

        let (listener, http) = bind(settings.http)?;
        let (broker, requests, mqtt) =
            start_broker(settings.mqtt, &settings.host, &pki, &directory).await?;
        let addresses = Addresses {
            http: if http.ip().is_unspecified() {
                format!("http://{}:{}", settings.host, http.port())
            } else {
                format!("http://{http}")
            },
            https: format!("https://{}:{}", settings.host, http.port()),
            mqtt,
            ca: directory.path().join(CA_FILE),
        };
        let artifacts = directory.artifacts(store.as_ref(), &addresses.https, &settings.region)?;
        let (clock, asked) = (&settings.clock, settings.clock_asked);
        let model = directory.load(store.as_deref(), settings.knobs.jobs, clock, asked)?;
        let (presign, outlet) = (Arc::new(artifacts.clone()), Arc::new(broker.clone()));
        let shared = Shared::keeping(model, settings.clock, presign, outlet, store.clone());
        shared.set_rates(settings.knobs.rates);
        broker.set_quotas(settings.knobs.mqtt);

        let (stop, stopped) = watch::channel(false);
        let api = Api::new(Backend {
            shared: shared.clone(),
            artifacts: artifacts.clone(),
            calls: CallFaults::default(),
            broker: broker.clone(),
            pki: Arc::clone(&pki),
            account: settings.account,
            region: settings.region,
            mqtt: addresses.mqtt.clone(),
            admin: settings.admin,
            is_remote: !http.ip().is_loopback(),
            hosts: OwnHosts::new(&settings.host, http.ip()),
            stopping: stopped.clone(),
        });
        let tls = pki
            .https_server_config()
            .map_err(|source| directory.pki_error(source))?;
        let http = tokio::spawn(http::serve(
            listener,
            tls,
            Patience::default(),
            stopped,
            move |request| api.clone().answer(request),
        ));
        let device = serve_devices(shared.clone(), broker.clone(), requests);
        Ok(Self {
            addresses,
            artifacts,
            broker,
            pki,
            http,
            stop,
            device,
            shared,
            _opened: Opened(store),
            _directory: directory,
        })
    }

    /// Where the service is reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Buckets, objects and the faults of downloads.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// The broker, whose connections a test may end.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Issues the things' certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The model and its clock.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Waits until a task that serves devices ends. None does by itself: it panicked, or the state cannot be kept.
    pub async fn ended(&mut self) {
        if let Some(Err(error)) = self.device.join_next().await {
            tracing::error!(%error, "a task that serves devices has ended");
        }
    }

    /// Lets the requests under way end, and stops.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Err(error) = self.http.await {
            tracing::error!(%error, "the HTTP planes had ended early");
        }
        self.device.shutdown().await;
        self.shared.keep_clock();
    }
}

impl Settings {
    fn check_addresses(&self) -> Result<(), StartError> {
        let mqtt = match self.mqtt {
            MqttSettings::Embedded(address) => Some(address),
            MqttSettings::Outside(_) => None,
        };
        let mut remote = mqtt
            .into_iter()
            .chain([self.http])
            .filter(|address| !address.ip().is_loopback());
        match remote.next() {
            Some(address) if !self.allow_remote => Err(StartError::Remote { address }),
            Some(_) | None => Ok(()),
        }
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = http::listen(address).and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    let protocol = "HTTP";
    bound.map_err(|source| StartError::Listen {
        address,
        protocol,
        source,
    })
}

/// Answers devices and fires their timers until the set is dropped.
fn serve_devices(shared: Shared, broker: Broker, requests: mpsc::Receiver<Request>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if broker.address().is_none() {
        tasks.spawn(device::serve_outside(shared.clone(), broker));
    }
    tasks.spawn(device::serve(shared.clone(), requests));
    tasks.spawn(async move { shared.run_timers().await });
    tasks
}

async fn start_broker(
    settings: MqttSettings,
    host: &str,
    pki: &Pki,
    directory: &Directory,
) -> Result<(Broker, mpsc::Receiver<Request>, MqttAddress), StartError> {
    match settings {
        MqttSettings::Embedded(address) => {
            let tls = pki
                .mqtt_server_config()
                .map_err(|source| directory.pki_error(source))?;
            let started = Broker::embedded(address, tls).await;
            let protocol = "MQTT";
            let (broker, requests) = started.map_err(|source| StartError::Listen {
                address,
                protocol,
                source,
            })?;
            let port = broker.address().unwrap_or(address).port();
            let host = host.to_owned();
            Ok((broker, requests, MqttAddress { host, port }))
        }
        MqttSettings::Outside(outside) => {
            let (broker, requests) = Broker::outside(&outside)?;
            let (host, port) = (outside.host().to_owned(), outside.port());
            Ok((broker, requests, MqttAddress { host, port }))
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use std::fs;

    use super::*;
    use crate::model::names::Scope;
    use crate::model::request::CreateThing;
    use crate::model::time::Timestamp;
    use crate::store;

    #[tokio::test]
    async fn an_address_that_others_reach_must_be_allowed() {
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let settings = Settings {
            http: remote,
            ..Settings::default()
        };
        assert!(
            matches!(Service::start(settings.clone()).await, Err(StartError::Remote { address }) if address == remote)
        );
        let settings = Settings {
            allow_remote: true,
            ..settings
        };
        Service::start(settings).await.unwrap().stop().await;
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let first = Service::start(Settings::default()).await.unwrap();
        let taken: SocketAddr = first
            .addresses()
            .http
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap();
        let second = Service::start(Settings {
            http: taken,
            ..Settings::default()
        })
        .await;
        let error = second.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{taken}: cannot listen for HTTP")),
            "{error}"
        );
        assert!(error.contains("\nhelp: "), "{error}");
    }

    #[tokio::test]
    async fn a_kept_directory_keeps_the_authority_and_a_temporary_one_goes() {
        let directory = tempfile::tempdir().unwrap();
        let kept = || Settings {
            data: Some(directory.path().to_owned()),
            ..Settings::default()
        };
        let first = Service::start(kept()).await.unwrap();
        let authority = first.pki().ca_pem().to_owned();
        first.stop().await;
        let second = Service::start(kept()).await.unwrap();
        assert_eq!(second.pki().ca_pem(), authority);

        let temporary = Service::start(Settings::default()).await.unwrap();
        let ca = temporary.addresses().ca.clone();
        assert_eq!(fs::read_to_string(&ca).unwrap(), temporary.pki().ca_pem());
        temporary.stop().await;
        assert!(!ca.exists());
    }

    fn create_thing(service: &Service, name: &str) {
        let scope = Scope {
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
        };
        let request = CreateThing {
            thing_name: name.to_owned(),
            ..CreateThing::default()
        };
        let created = service
            .shared()
            .with(|model, now| model.create_thing(&scope, request, now));
        created.unwrap();
    }

    #[tokio::test]
    async fn a_kept_directory_keeps_things_and_a_frozen_clock() {
        let directory = tempfile::tempdir().unwrap();
        let noon = Timestamp::from_secs(1_700_049_600);
        let kept = |clock| Settings {
            data: Some(directory.path().to_owned()),
            clock,
            ..Settings::default()
        };
        let first = Service::start(kept(Clock::frozen(noon))).await.unwrap();
        create_thing(&first, "gw-1");
        first.shared().clock().advance(Duration::from_secs(60));
        first.stop().await;
        let second = Service::start(kept(Clock::wall())).await.unwrap();
        let things = second.shared().with(|model, _| model.thing_count());
        let now = second.shared().clock().now();
        assert_eq!((things, now.since(noon).as_secs()), (1, 60));
    }

    #[tokio::test]
    async fn what_is_asked_of_the_clock_wins_over_what_was_kept() {
        let directory = tempfile::tempdir().unwrap();
        let noon = Timestamp::from_secs(1_700_049_600);
        let at = |frozen_at| {
            let asked = Asked {
                frozen_at: Some(frozen_at),
                scale: None,
            };
            Settings {
                data: Some(directory.path().to_owned()),
                clock: asked.clock(),
                clock_asked: asked,
                ..Settings::default()
            }
        };
        let later = noon.plus(Duration::from_secs(60));
        for (asked, stands) in [(noon, noon), (later, later), (noon, later)] {
            let service = Service::start(at(asked)).await.unwrap();
            assert_eq!(service.shared().clock().now(), stands);
            service.stop().await;
        }
    }

    #[tokio::test]
    async fn a_directory_that_another_service_uses_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let kept = || Settings {
            data: Some(directory.path().to_owned()),
            ..Settings::default()
        };
        let first = Service::start(kept()).await.unwrap();
        let refused = Service::start(kept()).await.unwrap_err().to_string();
        let path = directory.path().join("state.redb");
        let says = format!("{}: another service uses it\nhelp: ", path.display());
        assert!(refused.starts_with(&says), "{refused}");
        drop(first);
        // A service that is dropped lets go at once.
        Service::start(kept()).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_in_a_task_that_serves_devices_is_noticed() {
        let mut service = Service::start(Settings::default()).await.unwrap();
        tokio::task::yield_now().await;
        assert!(service.device.try_join_next().is_none());
        service.device.spawn(async { panic!("on purpose") });
        let ended = tokio::time::timeout(Duration::from_secs(10), service.ended());
        ended.await.expect("nobody noticed");
        service.stop().await;
    }

    #[tokio::test]
    async fn a_service_that_keeps_nothing_writes_no_state() {
        let service = Service::start(Settings::default()).await.unwrap();
        create_thing(&service, "gw-1");
        let directory = service.addresses().ca.parent().unwrap();
        assert!(!store::path(directory).exists());
    }
}
