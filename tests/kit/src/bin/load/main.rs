//! Puts the local service under the load of thousands of connected things, each doing one job, and measures it.

mod device;
mod link;
mod mqtt;
mod progress;
mod provision;
mod report;
mod run;
mod session;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use iot_jobs_kit::{Binaries, Service, ServiceOptions};
use lexopt::prelude::*;

use crate::run::{Outcome, Run, RunError};

const HELP: &str = "\
Connects things to iot-jobs-local, lets each do one job, and says how long that took and what the service used for it.

Usage: load [OPTIONS]

Options:
  --things N        how many things [default: 10000]
  --pace PACE       how the minutes of the rollout pass, which reaches 1000 things in each [default: batches]
                      batches  the service's clock is stepped when every thing of the minute is through
                      burst    the clock is stepped through all minutes at once
                      real     a minute is a minute
  --padding BYTES   how much longer the job document is [default: 0]
  --profile NAME    the cargo profile that the service is built in [default: release]
  --service PATH    an iot-jobs-local that is built already
  -h, --help        print this

Each thing has a certificate of its own, a TLS 1.3 connection, the subscriptions of an agent, and is told of the job by notify-next.
Exit code 0 when every thing succeeded and no message was lost or doubled.
";

/// Files that are open besides those of the things.
const OTHER_FILES: u64 = 64;

#[derive(Debug)]
struct Options {
    things: usize,
    pace: Pace,
    padding: usize,
    profile: String,
    service: Option<PathBuf>,
}

/// How the minutes of a rollout pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// The clock is stepped when every thing of the minute is through.
    Batches,
    /// The clock is stepped through all minutes at once.
    Burst,
    /// A minute is a minute.
    Real,
}

#[expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line")]
fn main() -> ExitCode {
    let options = match parse() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("load: {error}\n\n{HELP}");
            return ExitCode::from(64);
        }
    };
    let possible = usage::raise_open_files().saturating_sub(OTHER_FILES);
    if u64::try_from(options.things).is_ok_and(|things| things > possible) {
        eprintln!(
            "load: this machine allows {possible} connections of one process\nhelp: raise the hard limit of open files (ulimit -Hn)"
        );
        return ExitCode::from(71);
    }
    match load(&options) {
        Ok(outcome) => end(&options, &outcome),
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::from(70)
        }
    }
}

fn parse() -> Result<Option<Options>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut options = Options {
        things: 10_000,
        pace: Pace::Batches,
        padding: 0,
        profile: "release".into(),
        service: None,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("things") => options.things = parser.value()?.parse()?,
            Long("pace") => {
                options.pace = match parser.value()?.string()?.as_str() {
                    "batches" => Pace::Batches,
                    "burst" => Pace::Burst,
                    "real" => Pace::Real,
                    other => return Err(format!("--pace {other}: no such pace").into()),
                }
            }
            Long("padding") => options.padding = parser.value()?.parse()?,
            Long("profile") => options.profile = parser.value()?.string()?,
            Long("service") => options.service = Some(parser.value()?.into()),
            Short('h') | Long("help") => return Ok(None),
            Short(_) | Long(_) | Value(_) => return Err(argument.unexpected()),
        }
    }
    if options.things == 0 {
        return Err("--things 0: there is nothing to do".into());
    }
    Ok(Some(options))
}

fn load(options: &Options) -> Result<Outcome, RunError> {
    let program = match &options.service {
        Some(program) => program.clone(),
        None => Binaries::build_local(&options.profile)?,
    };
    let service = Service::start_program(&program, ServiceOptions::default())?;
    let outcome = measure(options, &service);
    if !outcome
        .as_ref()
        .is_ok_and(|outcome| outcome.errors.is_empty())
    {
        report::say(&format!("the service's last lines\n{}", service.tail()));
    }
    outcome
}

fn measure(options: &Options, service: &Service) -> Result<Outcome, RunError> {
    let mut run = Run::new(options, service);
    let (devices, group) = run.provision()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    runtime.block_on(run.load(devices, group))
}

#[expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line")]
fn end(options: &Options, outcome: &Outcome) -> ExitCode {
    outcome.report.print();
    let succeeded = outcome.report.waits.len();
    println!(
        "{succeeded} of {} things did their job, each told of it once",
        options.things
    );
    for (error, count) in &outcome.errors {
        eprintln!("load: {count} times: {error}");
    }
    if succeeded == options.things && outcome.errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
