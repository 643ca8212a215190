//! Starts the local service and real agents on loopback: for tests, for scripts of outside clients, and for the demo.
//!
//! Everything here is a real process with real files, TLS and sockets. A [`Device`] is a directory with two slots, a file that
//! stands for the bootloader and a boot id of its own, so that its power can be pulled and it can be rebooted.
//!
//! The kit blocks: its callers are tests and small programs, one thread each.

pub mod aws;
pub mod binaries;
pub mod device;
pub mod image;
pub mod mosquitto;
pub mod process;
pub mod proxy;
pub mod service;
pub mod wait;

pub use aws::{Aws, AwsError, NewJob};
pub use binaries::Binaries;
pub use device::{Device, DeviceOptions};
pub use mosquitto::Mosquitto;
pub use proxy::Proxy;
pub use service::{Service, ServiceOptions, scratch};
pub use wait::wait_for;

use std::io;
use std::path::PathBuf;

/// Why the stage could not be set.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The service refused a call.
    #[error("the service refused {call}: {source}")]
    Aws {
        /// What was asked.
        call: String,
        /// Its answer.
        source: AwsError,
    },
    /// cargo could not build the programs.
    #[error("cargo build failed: {0}")]
    Build(String),
    /// A file or directory could not be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was waited for did not come in time.
    #[error("waited {seconds} s in vain for {what}\n{log}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// The last lines of whoever should have done it.
        log: String,
    },
}

/// Ties an I/O error to the file that it is about.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> KitError {
    let path = path.into();
    move |source| KitError::File { path, source }
}
