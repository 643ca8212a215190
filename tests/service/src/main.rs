//! `iot-jobs-local`: a local service that speaks the AWS IoT Jobs APIs.

mod cli;
mod open_files;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use iot_jobs_local::service::{Addresses, Service, StartError};
use tokio::signal::unix::{SignalKind, signal};

use cli::{Command, Run, UsageError};

// From sysexits.h.
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const SOFTWARE: u8 = 70;
const OS_ERROR: u8 = 71;
const CANNOT_CREATE: u8 = 73;
const IO_ERROR: u8 = 74;
const CONFIG: u8 = 78;

/// Why the program ends before it was told to.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(
        "a part of the service ended by itself, see the log\nhelp: start it again, and report what the log says: this is a defect of the service"
    )]
    Defect,
    #[error(
        "cannot keep the state on disk any more, see the log\nhelp: see that the disk is not full and in order, and start again: all that was answered is there"
    )]
    NotKept,
    #[error("{}: cannot write the ready file: {source}\nhelp: name a file in a directory that you can write to", path.display())]
    ReadyFile { path: PathBuf, source: io::Error },
    #[error("cannot start the runtime or wait for signals: {0}")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Usage(#[from] UsageError),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::ReadyFile { .. } | Self::Start(StartError::Data { .. }) => CANNOT_CREATE,
            Self::Defect => SOFTWARE,
            Self::NotKept => IO_ERROR,
            Self::Runtime(_) => OS_ERROR,
            Self::Start(
                StartError::Broker(_) | StartError::Pki { .. } | StartError::Store { .. },
            ) => CONFIG,
            Self::Start(StartError::Remote { .. }) | Self::Usage(_) => USAGE,
            Self::Start(_) => UNAVAILABLE,
        }
    }
}

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // There is nowhere to report that standard error is closed.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn command() -> Result<(), Failure> {
    match Command::parse(std::env::args_os().skip(1))? {
        Command::Help(text) => io::stdout()
            .write_all(text.as_bytes())
            .map_err(Failure::Runtime),
        Command::Knobs => io::stdout()
            .write_all(iot_jobs_local::knobs::listing().as_bytes())
            .map_err(Failure::Runtime),
        Command::Run(run) => {
            tracing_subscriber::fmt()
                .with_max_level(run.log)
                .with_writer(io::stderr)
                .with_target(false)
                .init();
            open_files::raise_limit();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map_err(Failure::Runtime)?.block_on(serve(*run))
        }
        Command::Version => writeln!(io::stdout(), "iot-jobs-local {}", env!("CARGO_PKG_VERSION"))
            .map_err(Failure::Runtime),
    }
}

async fn serve(run: Run) -> Result<(), Failure> {
    // Before the ready file, so that who reads it may stop the service at once.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;

    let mut service = Service::start(run.settings).await?;
    let addresses = service.addresses().clone();
    tracing::info!(
        http = addresses.http,
        https = addresses.https,
        "serving iot, iot-jobs-data and s3"
    );
    tracing::info!(
        host = addresses.mqtt.host,
        port = addresses.mqtt.port,
        ca = %addresses.ca.display(),
        "serving devices over MQTT",
    );
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let broker = service.broker().clone();
    let ready = async {
        broker.ready().await;
        if let Some(path) = run.ready_file {
            write_ready_file(&path, &addresses)
                .map_err(|source| Failure::ReadyFile { path, source })?;
        }
        core::future::pending::<Result<(), Failure>>().await
    };
    let shared = service.shared().clone();
    let is_asked_to = tokio::select! {
        failed = ready => return failed,
        () = stopped => true,
        () = shared.failed() => false,
        () = service.ended() => false,
    };
    tracing::info!("stopping");
    service.stop().await;
    if shared.has_failed() {
        return Err(Failure::NotKept);
    }
    if !is_asked_to {
        return Err(Failure::Defect);
    }
    Ok(())
}

/// Whoever waits for the file never sees half of it.
fn write_ready_file(path: &Path, addresses: &Addresses) -> io::Result<()> {
    let mut half = path.as_os_str().to_owned();
    half.push(".new");
    fs::write(&half, serde_json::to_vec(addresses)?)?;
    fs::rename(&half, path)
}
