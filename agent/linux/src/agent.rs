//! Puts the agent together: what it reads at start, what it cannot start without, and the runtime that it lives in.

use core::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;

use iot_jobs_config::{Bootloader, Config};
use iot_jobs_hal::{Clock as _, StateStore as _};
use iot_jobs_hal_linux::bootloader::{
    AnyBootloader, CMDLINE, CommandBootloader, FileBootloader, Running, UBoot,
};
use iot_jobs_hal_linux::clock::BootClock;
use iot_jobs_hal_linux::program::Program;
use iot_jobs_hal_linux::reboot::RebootCommand;
use iot_jobs_hal_linux::slots::SlotsError;
use iot_jobs_hal_linux::store::{StateDirectory, StoreError};
use iot_jobs_proto::backoff::SplitMix64;
use iot_jobs_proto::names::Namespace;
use iot_jobs_proto::record::RecordError;
use iot_jobs_proto::session::{Input, Lane, Settings};
use iot_jobs_proto::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, Notify};
use tokio::task::LocalSet;

use crate::device::{Slots, Tools};
use crate::dispatch::Dispatch;
use crate::driver::{Driver, End, Shell};
use crate::error::{EXIT_RESTART, StartError};
use crate::fetch::Fetcher;
use crate::journal;
use crate::link::Link;
use crate::lock::Lock;
use crate::seat::{self, Bench, Core, Seat, record_key};
use crate::status::{self, LinkStatus, SlotsStatus, Status};
use crate::systemd::Systemd;

/// Runs the agent until it is told to stop.
pub(crate) fn run(config: Config) -> Result<ExitCode, StartError> {
    let _lock = Lock::take(&config.state_directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let end = LocalSet::new().block_on(&runtime, async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Runtime)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Runtime)?;
        let stop = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        Ok(driver(config).await?.run(stop).await)
    })?;
    // A blocking write that hangs must not hold up the end.
    runtime.shutdown_background();
    Ok(match end {
        End::Restart => ExitCode::from(EXIT_RESTART),
        End::Stopped => ExitCode::SUCCESS,
    })
}

/// Opens everything, and starts to connect.
///
/// Must be called within a [`LocalSet`].
pub(crate) async fn driver(config: Config) -> Result<Driver, StartError> {
    let mut random = SplitMix64::new(seed()?);
    let clock = BootClock::open(&config.boot_id_file).map_err(state_error)?;
    let mut store = StateDirectory::open(&config.state_directory).map_err(state_error)?;
    let mut slots = slots(&config, clock.boot())?;
    let slots_status = match &mut slots {
        Some(slots) => Some(SlotsStatus::read(slots).await),
        None => None,
    };
    let trial = matches!(&slots_status, Some(Ok(status)) if status.is_trial());

    let now = Instant::from_millis(clock.now_millis());
    let mut seats = Vec::new();
    for namespace in &config.jobs.namespaces {
        let settings = Settings {
            thing: config.mqtt.thing_name.clone(),
            namespace: namespace.clone(),
            boot: clock.boot(),
            trial,
            seed: random.next_u64(),
            timing: config.jobs.timing,
        };
        seats.push(seat(namespace, now, settings, &mut store).await?);
    }
    let slots_status = slots_status
        .map(|read| known(read, &seats))
        .transpose()?
        .flatten();
    if let Some(status) = slots_status.as_ref().filter(|_| trial) {
        assign_trial(&mut seats, now, &status.running);
    }

    let status = Rc::new(RefCell::new(first_status(&config, slots_status)));
    if let Err(error) = status::serve(&config.state_directory, Rc::clone(&status)) {
        tracing::warn!(%error, "cannot answer `iot-jobs-agent status`");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        thing = config.mqtt.thing_name.as_str(),
        endpoint = config.mqtt.endpoint,
        port = config.mqtt.port,
        "started"
    );
    let link = Link::start(config.mqtt.clone(), random.next_u64());
    Ok(Driver {
        seats,
        link,
        shell: shell(&config, clock, store, slots, status, random)?,
        buffer: vec![0; Core::BUFFER_LEN_MAX].into_boxed_slice(),
        end: None,
        power: None,
    })
}

/// What the bootloader is at, if it says so. Without an answer it is not known whether an execution of an earlier run has an image on
/// trial, and who must roll back an image must not take it for confirmed. Without such an execution the answer can wait until a
/// firmware job needs it; that job fails with the reason otherwise.
fn known(
    read: Result<SlotsStatus, SlotsError>,
    seats: &[Seat],
) -> Result<Option<SlotsStatus>, StartError> {
    match read {
        Ok(status) => Ok(Some(status)),
        Err(error) if seats.iter().any(Seat::has_prepared) => Err(StartError::Bootloader(error)),
        Err(error) => {
            tracing::error!(%error, "cannot ask the bootloader");
            Ok(None)
        }
    }
}

/// Tells the sessions whose image is on trial, when the executions' blobs say so: that of another one must neither end nor confirm
/// with them.
fn assign_trial(seats: &mut [Seat], now: Instant, running: &str) {
    let owns = |seat: &Seat, lane: Lane| {
        iot_jobs_handler_firmware::prepared(seat.session.handler_state(lane))
            .is_some_and(|slot| slot.as_str() == running)
    };
    let others =
        |seat: &Seat| -> Vec<Lane> { seat::lanes().filter(|lane| !owns(seat, *lane)).collect() };
    if seats.iter().all(|seat| others(seat).len() == seat::LANES) {
        return;
    }
    for seat in seats {
        for lane in others(seat) {
            seat.session.handle(now, Input::TrialOver(lane));
        }
    }
}

/// Opens a namespace's session with what the last run saved. A record that cannot be read is put aside: the service still has
/// the job, and holding on to what nobody can read would keep the device from every other one.
async fn seat(
    namespace: &Namespace,
    now: Instant,
    settings: Settings,
    store: &mut StateDirectory,
) -> Result<Seat, StartError> {
    let name = journal::namespace_name(namespace);
    let key = record_key(name);
    let session = match restored(&key, now, settings.clone(), store).await {
        Ok(session) => session,
        Err(error) => {
            let aside = store.put_aside(&key).await.map_err(state_error)?;
            let file = aside.display().to_string();
            tracing::error!(namespace = name, %error, file, "record put aside");
            Core::new(now, settings, None).map_err(state_error)?
        }
    };
    Ok(Seat::new(name, session))
}

async fn restored(
    key: &str,
    now: Instant,
    settings: Settings,
    store: &mut StateDirectory,
) -> Result<Core, Unreadable> {
    let mut record = vec![0; Core::RECORD_LEN_MAX];
    let len = store.load(key, &mut record).await?;
    let record = len.and_then(|len| record.get(..len));
    Ok(Core::new(now, settings, record)?)
}

/// Why a record is of no use.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// Its file cannot be read.
    #[error(transparent)]
    File(#[from] StoreError),
    /// The file does not hold a record of ours.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn shell(
    config: &Config,
    clock: BootClock,
    store: StateDirectory,
    slots: Option<Slots>,
    status: Rc<RefCell<Status>>,
    random: SplitMix64,
) -> Result<Shell, StartError> {
    let health = config
        .slots
        .as_ref()
        .and_then(|slots| slots.health_command.as_deref());
    let tools = Tools {
        fetcher: Fetcher::new(&config.download),
        download: config.download.clone(),
        state_directory: config.state_directory.clone(),
        health: health.map(program).transpose()?,
        clock,
    };
    Ok(Shell {
        clock,
        store,
        reboot: RebootCommand::new(program(&config.reboot_command)?),
        dispatch: Dispatch::new(&config.jobs, &config.handlers, slots.is_some()),
        bench: Bench {
            thing: config.mqtt.thing_name.clone(),
            slots: slots.map(|slots| Rc::new(Mutex::new(slots))),
            tools: Rc::new(tools),
            wake: Rc::new(Notify::new()),
        },
        concurrent: usize::from(config.jobs.concurrent),
        random,
        status,
        systemd: Systemd::new(),
    })
}

fn slots(config: &Config, boot: u128) -> Result<Option<Slots>, StartError> {
    let Some(slots) = &config.slots else {
        return Ok(None);
    };
    let bootloader = match &slots.bootloader {
        Bootloader::Command(path) => {
            AnyBootloader::Command(CommandBootloader::new(program(&[path
                .display()
                .to_string()])?))
        }
        Bootloader::File(path) => AnyBootloader::File(FileBootloader::new(path, boot)),
        Bootloader::UBoot {
            printenv,
            setenv,
            running_file,
        } => AnyBootloader::UBoot(UBoot::new(
            program(&[printenv.display().to_string()])?,
            program(&[setenv.display().to_string()])?,
            match running_file {
                Some(path) => Running::File(path.clone()),
                None => Running::Cmdline {
                    path: CMDLINE.into(),
                    a: slots.a.clone(),
                    b: slots.b.clone(),
                },
            },
        )),
    };
    Ok(Some(Slots::new(
        slots.a.clone(),
        slots.b.clone(),
        slots.size_max,
        bootloader,
    )))
}

fn first_status(config: &Config, slots: Option<SlotsStatus>) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        thing: config.mqtt.thing_name.to_string(),
        link: LinkStatus {
            endpoint: format!("{}:{}", config.mqtt.endpoint, config.mqtt.port),
            ..LinkStatus::default()
        },
        slots,
        ..Status::default()
    }
}

fn program(command: &[String]) -> Result<Program, StartError> {
    Program::new(command).map_err(|error| StartError::Config(error.to_string()))
}

/// Another one at every start: client tokens and jitter must not repeat.
fn seed() -> Result<u64, StartError> {
    let mut seed = [0; 8];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut seed)
        .map_err(|_| StartError::Runtime(std::io::Error::other("no random numbers")))?;
    Ok(u64::from_ne_bytes(seed))
}

fn state_error(error: impl core::fmt::Display) -> StartError {
    StartError::State(error.to_string())
}
