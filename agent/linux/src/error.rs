//! Why the program ends, in words for the operator, and with codes for the unit file.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use iot_jobs_hal_linux::slots::SlotsError;

/// The agent restarts because a handler asked for it; `Restart=always` starts it again.
pub(crate) const EXIT_RESTART: u8 = 81;

/// `sysexits.h`: the command line is wrong.
const EX_USAGE: u8 = 64;
/// `sysexits.h`: a service is unavailable.
const EX_UNAVAILABLE: u8 = 69;
/// `sysexits.h`: an error of the operating system.
const EX_OSERR: u8 = 71;
/// `sysexits.h`: an output file cannot be created.
const EX_CANTCREAT: u8 = 73;
/// `sysexits.h`: an error while reading or writing.
const EX_IOERR: u8 = 74;
/// `sysexits.h`: try again later.
const EX_TEMPFAIL: u8 = 75;
/// `sysexits.h`: the user has not the right.
const EX_NOPERM: u8 = 77;
/// `sysexits.h`: the configuration is wrong.
const EX_CONFIG: u8 = 78;

/// Why a command cannot be carried out.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The bootloader does not say whether an execution that goes on has its image on trial.
    #[error(
        "cannot learn whether the running image is on trial: {0}\nhelp: check [slots] and the bootloader's program; it is asked again when the agent restarts"
    )]
    Bootloader(SlotsError),
    /// The configuration is wrong; holds every problem, one paragraph each.
    #[error("{0}")]
    Config(String),
    /// The agent's socket is not for this user.
    #[error("the agent at {path} answers only its own user and root\nhelp: ask it with sudo", path = path.display())]
    Forbidden {
        /// The state directory.
        path: PathBuf,
    },
    /// Another agent uses the state directory.
    #[error("{path} is in use by another agent{pid}\nhelp: stop it, or give this one a state directory of its own", path = path.display(), pid = holder(*pid))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as it wrote.
        pid: Option<u32>,
    },
    /// No agent answers at the socket.
    #[error("no agent is running with the state directory {path}\nhelp: start it with `iot-jobs-agent run`, or name its configuration with --config", path = path.display())]
    NotRunning {
        /// The state directory.
        path: PathBuf,
    },
    /// The operating system gave no runtime or no signal handler.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// The state directory cannot be used.
    #[error("state directory {path} cannot be used: {source}\nhelp: create it, and make it writable for the agent's user", path = path.display())]
    StateDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state cannot be read.
    #[error("state cannot be read: {0}")]
    State(String),
    /// An agent runs, but says nothing useful.
    #[error("the agent at {path} does not answer: {reason}", path = path.display())]
    Unresponsive {
        /// The state directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The command line is wrong.
    #[error("{0}\nhelp: iot-jobs-agent --help")]
    Usage(String),
}

impl From<&StartError> for ExitCode {
    /// Uses `sysexits.h`, so that the unit file can name the codes that a restart cannot mend.
    fn from(error: &StartError) -> Self {
        Self::from(match error {
            StartError::Bootloader(_) | StartError::Locked { .. } => EX_TEMPFAIL,
            StartError::Config(_) => EX_CONFIG,
            StartError::Forbidden { .. } => EX_NOPERM,
            StartError::NotRunning { .. } | StartError::Unresponsive { .. } => EX_UNAVAILABLE,
            StartError::Runtime(_) => EX_OSERR,
            StartError::StateDirectory { .. } => EX_CANTCREAT,
            StartError::State(_) => EX_IOERR,
            StartError::Usage(_) => EX_USAGE,
        })
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}
