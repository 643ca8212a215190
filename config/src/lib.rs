//! The configuration of iot-jobs-agent: TOML as written → every problem found, with its line and what to do → a [`Config`] that is
//! always valid.
//!
//! [`Config::parse`] is pure: it looks at the text alone. [`Config::load`] also looks at the files that the text names. Neither
//! stops at the first problem, and neither repeats a secret: the configuration holds none, only the paths of files that do.
//!
//! Keys carry their unit last (`keep_alive_secs`, `size_max_mib`); inside there are [`Duration`]s and bytes. Relative paths are
//! relative to the configuration's directory. Every key stands in `agent.example.toml`, with its default.

mod files;
mod problem;
mod read;
mod reader;
mod suggest;
mod table;

use core::time::Duration;
use std::path::{Path, PathBuf};

use iot_jobs_proto::names::{Namespace, ThingName};

pub use self::problem::{Place, Problem, Problems};

/// A configuration without a mistake in it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[mqtt]`
    pub mqtt: Mqtt,
    /// `[jobs]`
    pub jobs: Jobs,
    /// `[state]`
    pub state_directory: PathBuf,
    /// `[state]`: where the kernel says its boot id; a container or a test has its own.
    pub boot_id_file: PathBuf,
    /// `[download]`
    pub download: Download,
    /// `[slots]`; a device without slots refuses firmware jobs.
    pub slots: Option<Slots>,
    /// `[reboot]`: program and arguments, run without a shell.
    pub reboot_command: Vec<String>,
    /// `[handlers]`: operation → handler.
    pub handlers: Vec<HandlerRule>,
    /// `[log]`
    pub log_level: LogLevel,
}

impl Config {
    /// Reads the file at `path` and looks at the files that it names.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        read::load(path)
    }

    /// Reads the file at `path`, and touches none of those that it names.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        read::read_alone(path)
    }

    /// Reads `text` as if it stood in the file at `path`, and touches no file.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Problems> {
        read::parse(text, path)
    }
}

/// `[mqtt]`: how AWS IoT Core is reached.
#[derive(Debug, Clone)]
pub struct Mqtt {
    /// Host name of the endpoint; sent as SNI.
    pub endpoint: String,
    /// 8883 (default) or 443.
    pub port: u16,
    /// ALPN protocol; `x-amzn-mqtt-ca` by default on port 443, none elsewhere.
    pub alpn: Option<String>,
    /// The thing.
    pub thing_name: ThingName,
    /// Client id; the thing's name by default.
    pub client_id: String,
    /// PEM file with the device's certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the device's private key; not readable by others.
    pub private_key: PathBuf,
    /// PEM file with the roots that the endpoint's certificate is checked against.
    pub root_ca: PathBuf,
    /// Keep-alive, 30 to 1200 s.
    pub keep_alive: Duration,
}

/// `[jobs]`: which jobs, how many at a time, and how long to wait for what.
#[derive(Debug, Clone)]
pub struct Jobs {
    /// Namespaces that this agent owns, `default` among them unless left out.
    pub namespaces: Vec<Namespace>,
    /// Executions at a time in each namespace, 1 to 4.
    pub concurrent: u8,
    /// Only jobs whose id begins with one of these are ours; all when empty.
    pub job_id_prefixes: Vec<String>,
    /// Documents with one of these operations are left to another agent.
    pub leave_operations: Vec<String>,
    /// The core's timing (see its documentation).
    pub timing: iot_jobs_proto::session::Timing,
}

/// `[download]`
#[derive(Debug, Clone)]
pub struct Download {
    /// More roots for download hosts, besides the system's.
    pub root_ca: Option<PathBuf>,
    /// Most bytes of one artifact whose document names no size.
    pub size_max: u64,
    /// A download that makes no progress for this long is started anew.
    pub stall_timeout: Duration,
    /// Bytes that stay free on the file system.
    pub keep_free: u64,
    /// Directories that `file-download` may write below.
    pub allowed_paths: Vec<PathBuf>,
    /// Whether plain `http://` URLs are taken.
    pub allow_http: bool,
}

/// `[slots]`: where images go.
#[derive(Debug, Clone)]
pub struct Slots {
    /// File or block device of slot A.
    pub a: PathBuf,
    /// File or block device of slot B.
    pub b: PathBuf,
    /// The largest image, for slots that are files; a block device says itself.
    pub size_max: Option<u64>,
    /// Who decides what boots.
    pub bootloader: Bootloader,
    /// Program and arguments that say by exit code 0 that a trial image is healthy.
    pub health_command: Option<Vec<String>>,
}

/// `[slots.bootloader]`
#[derive(Debug, Clone)]
pub enum Bootloader {
    /// `kind = "command"`: an executable with the verbs get-primary, set-primary, get-state, set-state, get-current.
    Command(PathBuf),
    /// `kind = "file"`: a file that stands for a bootloader, for tests and the demo.
    File(PathBuf),
    /// `kind = "u-boot"`: `fw_printenv` and `fw_setenv`.
    UBoot {
        /// Program that prints the environment.
        printenv: PathBuf,
        /// Program that changes it.
        setenv: PathBuf,
        /// File that says which slot runs; the kernel's command line without one.
        running_file: Option<PathBuf>,
    },
}

/// `[handlers]`: which handler runs an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerRule {
    /// The document's `operation`.
    pub operation: String,
    /// The handler.
    pub handler: HandlerKind,
}

/// The handlers built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerKind {
    /// `file-download`
    FileDownload,
    /// `firmware`
    Firmware,
}

impl HandlerKind {
    const ALL: [Self; 2] = [Self::FileDownload, Self::Firmware];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FileDownload => "file-download",
            Self::Firmware => "firmware",
        }
    }
}

/// `[log]`: the least urgent records that are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The agent stops.
    Error,
    /// A job failed, or the device needs a look.
    Warn,
    /// One line for each change of an execution's state.
    #[default]
    Info,
    /// Decisions.
    Debug,
    /// Messages.
    Trace,
}

impl LogLevel {
    const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

#[cfg(test)]
mod tests;
