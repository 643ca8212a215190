//! A device: a directory with keys, slots and state, a real agent process, a power switch.

use core::fmt::Write as _;
use core::time::Duration;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::{Process, Verdict, Watch};
use crate::service::directory;
use crate::{Binaries, KitError, Service, at, wait_for};

/// Bytes of the image in slot A of a new device.
const FIRST_IMAGE: usize = 4096;
/// What the agent logs once the broker granted its subscriptions.
const SUBSCRIBED: &str = "subscribed";
/// How long that may take.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(20);

/// How to make a device.
#[derive(Debug, Clone)]
pub struct DeviceOptions {
    /// The thing.
    pub thing: String,
    /// The port that it connects to instead of the service's: a proxy's, or another broker's.
    pub port: Option<u16>,
    /// The namespaces that it owns.
    pub namespaces: Vec<String>,
    /// More lines of `[jobs]`.
    pub jobs: String,
    /// The agent's log level.
    pub log: String,
    /// Make it here, and leave it behind; a directory that goes away by default.
    pub directory: Option<PathBuf>,
}

impl DeviceOptions {
    /// A device named `thing`.
    pub fn new(thing: &str) -> Self {
        Self {
            thing: thing.into(),
            port: None,
            namespaces: vec!["default".into()],
            jobs: "progress_every_secs = 0.2\noutage_jitter_secs = 0".into(),
            log: "debug".into(),
            directory: None,
        }
    }
}

/// A device. Dropping it pulls its power.
#[derive(Debug)]
pub struct Device {
    options: DeviceOptions,
    agent: PathBuf,
    directory: PathBuf,
    boots: u32,
    port: u16,
    process: Option<Process>,
    watch: Option<Watch>,
    _temporary: Option<TempDir>,
}

impl Device {
    /// Makes the device's files, with an image in slot A; its power is off.
    pub fn new(
        binaries: &Binaries,
        service: &Service,
        options: DeviceOptions,
    ) -> Result<Self, KitError> {
        let (directory, temporary) = directory(options.directory.clone())?;
        let port = options.port.unwrap_or(service.ready().mqtt.port);
        let mut device = Self {
            port,
            options,
            agent: binaries.agent.clone(),
            directory,
            boots: 0,
            process: None,
            watch: None,
            _temporary: temporary,
        };
        let credentials = service.credentials(&device.options.thing)?;
        device.write("certificate.pem", credentials.certificate_pem.as_bytes())?;
        device.write("private.key", credentials.private_key.as_bytes())?;
        device.write("ca.pem", credentials.ca_pem.as_bytes())?;
        device.write("slot-a.img", &[0xA5; FIRST_IMAGE])?;
        device.write("slot-b.img", b"")?;
        device.new_boot()?;
        fs::create_dir_all(device.path("files")).map_err(at(device.path("files")))?;
        let port = device.options.port.unwrap_or(service.ready().mqtt.port);
        device.write(
            "agent.toml",
            configuration(&device.options, port, &device.path("reboot-requested")).as_bytes(),
        )?;
        Ok(device)
    }

    /// Takes another broker's credentials.
    pub fn use_credentials(
        &self,
        certificate: &Path,
        key: &Path,
        root: &Path,
    ) -> Result<(), KitError> {
        for (from, to) in [
            (certificate, "certificate.pem"),
            (key, "private.key"),
            (root, "broker-ca.pem"),
        ] {
            self.write(to, &fs::read(from).map_err(at(from))?)?;
        }
        let path = self.path("agent.toml");
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        self.write(
            "agent.toml",
            text.replacen("root_ca = \"ca.pem\"", "root_ca = \"broker-ca.pem\"", 1)
                .as_bytes(),
        )
    }

    /// Waits until the agent listens for jobs: one that comes then is seen at once.
    pub fn wait_subscribed(&mut self) -> Result<(), KitError> {
        match &self.process {
            Some(process) => process.wait_line(SUBSCRIBED, SUBSCRIBE_WITHIN).map(drop),
            None => Ok(()),
        }
    }

    /// The port that it connects to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file of the device.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts the agent.
    pub fn power_on(&mut self) -> Result<(), KitError> {
        let mut command = Command::new(&self.agent);
        command
            .arg("run")
            .arg("--config")
            .arg(self.path("agent.toml"));
        command
            .env("IOT_JOBS_LOG", &self.options.log)
            .env_remove("JOURNAL_STREAM");
        let log = self.path("agent.log");
        self.process = Some(Process::start(command, &log, self.watch.clone())?);
        Ok(())
    }

    /// Lets `watch` see each line that the agent logs from its next start on; it may pull the power there.
    pub fn watch(&mut self, watch: impl FnMut(&str) -> Verdict + Send + 'static) {
        self.watch = Some(Watch::new(watch));
    }

    /// kill -9.
    pub fn pull_power(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// The agent's process, when the power is on.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// The last lines of the agent's log.
    pub fn tail(&self) -> String {
        self.process.as_ref().map(Process::tail).unwrap_or_default()
    }

    /// All that the agent ever logged.
    pub fn log(&self) -> Result<String, KitError> {
        let path = self.path("agent.log");
        fs::read_to_string(&path).map_err(at(&path))
    }

    /// Whether the agent asked for a reboot.
    pub fn reboot_requested(&self) -> bool {
        self.path("reboot-requested").exists()
    }

    /// What a reboot is: the power goes, another boot begins, the agent starts.
    pub fn reboot(&mut self) -> Result<(), KitError> {
        self.pull_power();
        self.new_boot()?;
        self.power_on()
    }

    /// How often it booted.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// Lets the device live, rebooting when it asks to, until `done` answers.
    pub fn live_until<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut done: impl FnMut() -> Option<T>,
    ) -> Result<T, KitError> {
        let mut problem = None;
        let found = wait_for(within, || {
            if let Some(found) = done() {
                return Some(Some(found));
            }
            let ended = self
                .process()
                .is_some_and(|process| process.exited().is_some());
            let step = match (self.reboot_requested(), ended) {
                (true, _) => self.reboot(),
                (false, true) => self.power_on(),
                (false, false) => Ok(()),
            };
            step.err().map(|error| {
                problem = Some(error);
                None
            })
        });
        match (found.flatten(), problem) {
            (Some(found), _) => Ok(found),
            (None, Some(problem)) => Err(problem),
            (None, None) => Err(KitError::Timeout {
                what: what.into(),
                seconds: within.as_secs(),
                log: self.tail(),
            }),
        }
    }

    /// Begins another boot: a new boot id, no reboot asked for.
    pub fn new_boot(&mut self) -> Result<(), KitError> {
        self.boots += 1;
        let boot = format!("00000000-0000-4000-8000-{:012x}\n", self.boots);
        let _ = fs::remove_file(self.path("reboot-requested"));
        self.write("boot_id", boot.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), KitError> {
        let path = self.path(name);
        fs::write(&path, bytes).map_err(at(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(at(&path))
    }
}

/// The agent's configuration, with every path beside it.
fn configuration(options: &DeviceOptions, port: u16, reboot: &Path) -> String {
    let mut text = String::new();
    let DeviceOptions {
        thing,
        namespaces,
        jobs,
        ..
    } = options;
    let _ = write!(
        text,
        r#"# A device of the kit: everything beside this file.

[mqtt]
endpoint = "localhost"
port = {port}
thing_name = "{thing}"
certificate = "certificate.pem"
private_key = "private.key"
root_ca = "ca.pem"

[jobs]
namespaces = {namespaces:?}
{jobs}

[state]
directory = "state"
boot_id_file = "boot_id"

[download]
root_ca = "ca.pem"
allowed_paths = ["files"]
keep_free_mib = 1

[slots]
a = "slot-a.img"
b = "slot-b.img"
size_max_mib = 512

[slots.bootloader]
kind = "file"
path = "bootloader"

[reboot]
command = ["/usr/bin/touch", {reboot:?}]
"#
    );
    text
}
