//! The local service as a process of its own.

use core::net::SocketAddr;
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::{Aws, Binaries, KitError, at, wait_for};

/// How long the service may take to start.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take to end.
const END_WITHIN: Duration = Duration::from_secs(20);

/// How to start the service.
#[derive(Debug, Clone, Default)]
pub struct ServiceOptions {
    /// More arguments; they win over those for free ports.
    pub arguments: Vec<String>,
    /// Keep things here, and leave it behind; a directory that goes away by default.
    pub directory: Option<PathBuf>,
}

/// A running service. Dropping it ends it.
#[derive(Debug)]
pub struct Service {
    process: Process,
    ready: Ready,
    directory: PathBuf,
    _temporary: Option<TempDir>,
}

/// The file that the service writes once it listens.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Where AWS SDKs go.
    pub http: String,
    /// The same, over TLS.
    pub https: String,
    /// Where devices go.
    pub mqtt: Mqtt,
    /// The file with the root that both are checked against.
    pub ca: PathBuf,
}

/// Where devices go.
#[derive(Debug, Clone, Deserialize)]
pub struct Mqtt {
    /// Host name in the certificate.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// What a device needs to connect.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub private_key: String,
    /// The root that the service is checked against.
    pub ca_pem: String,
}

/// What went wrong on purpose, by plane.
#[derive(Debug, Clone, Deserialize)]
pub struct FaultLog {
    /// Of downloads.
    pub downloads: PlaneLog,
    /// Of notifications.
    pub notifications: PlaneLog,
    /// Of devices' requests.
    pub requests: PlaneLog,
}

/// What went wrong on purpose on one plane.
#[derive(Debug, Clone, Deserialize)]
pub struct PlaneLog {
    /// The last faults, in their order.
    pub befallen: Vec<Befallen>,
    /// How many came before.
    pub forgotten: u64,
}

/// A fault that befell.
#[derive(Debug, Clone, Deserialize)]
pub struct Befallen {
    /// The thing or the object.
    pub subject: String,
    /// What happened to it.
    pub kind: String,
    /// How often this had happened to it by then.
    pub number: u64,
    /// The fault.
    pub fault: Value,
}

impl Service {
    /// Starts one on free ports.
    pub fn start(binaries: &Binaries, options: ServiceOptions) -> Result<Self, KitError> {
        Self::start_program(&binaries.local, options)
    }

    /// Starts the `iot-jobs-local` at `program` on free ports.
    pub fn start_program(program: &Path, options: ServiceOptions) -> Result<Self, KitError> {
        let (directory, temporary) = directory(options.directory)?;
        let ready_file = directory.join("ready.json");
        let _ = fs::remove_file(&ready_file);
        let mut command = Command::new(program);
        command
            .args([
                "--admin",
                "--http",
                "127.0.0.1:0",
                "--mqtt",
                "127.0.0.1:0",
                "--ready-file",
            ])
            .arg(&ready_file);
        command.args(&options.arguments);
        let mut process = Process::start(command, &directory.join("service.log"), None)?;
        let ready = wait_for(START_WITHIN, || {
            if process.exited().is_some() {
                return Some(None);
            }
            let text = fs::read_to_string(&ready_file).ok()?;
            serde_json::from_str::<Ready>(&text).ok().map(Some)
        });
        let Some(Some(ready)) = ready else {
            return Err(KitError::Timeout {
                what: "the service to listen".into(),
                seconds: START_WITHIN.as_secs(),
                log: process.tail(),
            });
        };
        Ok(Self {
            process,
            ready,
            directory,
            _temporary: temporary,
        })
    }

    /// Its process, whose power can be pulled.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Where it listens.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The address that devices connect to.
    pub fn mqtt_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ready.mqtt.port))
    }

    /// A client of its HTTP planes.
    pub fn aws(&self) -> Aws {
        Aws::new(&self.ready.http)
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(mut self) -> Result<ExitStatus, KitError> {
        self.process.terminate(END_WITHIN)
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        self.process.tail()
    }

    /// Makes a thing and a certificate for it.
    pub fn credentials(&self, thing: &str) -> Result<Credentials, KitError> {
        let call = format!("a certificate for {thing}");
        let made = self.aws().create_thing(thing).and_then(|_| {
            self.aws().call(
                "iot",
                "POST",
                &format!("/_local/things/{thing}/certificate"),
                Some(&json!({})),
            )
        });
        let made = made.map_err(|source| KitError::Aws {
            call: call.clone(),
            source,
        })?;
        serde_json::from_value(made).map_err(|error| KitError::Build(format!("{call}: {error}")))
    }

    /// Sets quotas and choices, as `/_local/knobs` documents them.
    pub fn set_knobs(&self, knobs: &Value) -> Result<(), KitError> {
        self.admin("/_local/knobs", knobs)
    }

    /// Sets the faults to come, as `/_local/faults` documents them.
    pub fn fault(&self, faults: &Value) -> Result<(), KitError> {
        self.admin("/_local/faults", faults)
    }

    /// The faults that befell since they were set.
    pub fn fault_log(&self) -> Result<FaultLog, KitError> {
        let path = "/_local/faults/log";
        let log = self.aws().call("iot", "GET", path, None);
        let log = log.map_err(|source| KitError::Aws {
            call: path.to_owned(),
            source,
        })?;
        serde_json::from_value(log).map_err(|error| KitError::Build(format!("{path}: {error}")))
    }

    /// Steps the service's clock.
    pub fn advance_clock(&self, seconds: u64) -> Result<(), KitError> {
        self.admin("/_local/clock", &json!({"advance": seconds}))
    }

    fn admin(&self, path: &str, body: &Value) -> Result<(), KitError> {
        self.aws()
            .call("iot", "POST", path, Some(body))
            .map(drop)
            .map_err(|source| KitError::Aws {
                call: format!("{path} {body}"),
                source,
            })
    }
}

/// The directory named, or a temporary one.
pub(crate) fn directory(named: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>), KitError> {
    match named {
        Some(directory) => {
            fs::create_dir_all(&directory).map_err(at(&directory))?;
            Ok((directory, None))
        }
        None => {
            let temporary = scratch()?;
            Ok((temporary.path().to_path_buf(), Some(temporary)))
        }
    }
}

/// A directory that goes away with its owner.
pub fn scratch() -> Result<TempDir, KitError> {
    tempfile::tempdir().map_err(at(std::env::temp_dir()))
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}
