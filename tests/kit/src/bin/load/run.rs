//! The stages of a run, one after the other: things, connections, the job, and what became of it.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::interval;

use iot_jobs_kit::wait::Stopwatch;
use iot_jobs_kit::{Aws, KitError, Service};

use crate::device::{Device, DeviceError, Fleet, Waits};
use crate::link::{Destination, LinkError};
use crate::progress::{Mark, Progress};
use crate::provision::{call, provision};
use crate::report::{Report, Stage, Ticker, say};
use crate::usage::Usage;
use crate::{Options, Pace};

const JOB: &str = "load";
/// The most things that a job reaches in a minute (AWS general reference, Jobs quotas).
const THINGS_PER_MINUTE: usize = 1000;
const MINUTE_SECS: u64 = 60;
/// Longer than any clock is stepped while a device works.
const TIMEOUT_MINUTES: u64 = 10_080;
/// How many devices connect at the same time.
const CONNECTING: usize = 64;
const TICK: Duration = Duration::from_secs(1);
/// A real minute passes between two batches; nothing else takes so long.
const STALLED_AFTER_TICKS: u32 = 120;

/// Why a run has no result.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Kit(#[from] KitError),
    #[error("the service's certificate cannot be used: {0}")]
    Link(#[from] LinkError),
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] std::io::Error),
    #[error("nothing happened for {STALLED_AFTER_TICKS} s: {0}")]
    Stalled(String),
    #[error("the runtime ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What became of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    /// What went wrong, and how often.
    pub(crate) errors: BTreeMap<String, usize>,
}

/// A service under load.
pub(crate) struct Run<'a> {
    options: &'a Options,
    service: &'a Service,
    aws: Aws,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    pub(crate) fn new(options: &'a Options, service: &'a Service) -> Self {
        Self {
            options,
            service,
            aws: service.aws(),
            outcome: Outcome::default(),
        }
    }

    /// Makes the things. Blocks.
    pub(crate) fn provision(&mut self) -> Result<(Vec<Device>, String), KitError> {
        let mut measured = Measured::start(self.service, "things")?;
        let provisioned = provision(&self.aws, self.options.things)?;
        self.outcome
            .report
            .stages
            .push(measured.end(self.options.things)?);
        Ok(provisioned)
    }

    /// Connects the devices, lets them do one job, and tells what became of it.
    pub(crate) async fn load(
        mut self,
        devices: Vec<Device>,
        group: String,
    ) -> Result<Outcome, RunError> {
        let things = devices.len();
        let (end, ended) = watch::channel(false);
        let document = json!({"operation": "load", "padding": "x".repeat(self.options.padding)});
        let fleet = Arc::new(Fleet {
            destination: self.destination(&devices)?,
            job: JOB.to_owned(),
            document: document.clone(),
            progress: Progress::default(),
            connecting: Semaphore::new(CONNECTING),
            ended,
        });

        let mut measured = Measured::start(self.service, "connect")?;
        let mut tasks = JoinSet::new();
        for device in devices {
            let fleet = Arc::clone(&fleet);
            tasks.spawn(async move {
                let lived = device.live(Arc::clone(&fleet)).await;
                if lived.is_err() {
                    fleet.progress.fail();
                }
                lived
            });
        }
        wait(&fleet.progress, Mark::Ready, things).await?;
        self.outcome.report.stages.push(measured.end(things)?);

        let mut measured = Measured::start(self.service, "job")?;
        self.create_job(group, &document).await?;
        self.roll_out(&fleet.progress, things).await?;
        wait(&fleet.progress, Mark::Through, things).await?;
        self.outcome.report.stages.push(measured.end(things)?);

        // Whoever listens has it; whoever does not has ended.
        let _ = end.send(true);
        while let Some(ended) = tasks.join_next().await {
            self.note(ended?);
        }
        self.check(things).await?;
        Ok(self.outcome)
    }

    fn destination(&self, devices: &[Device]) -> Result<Destination, LinkError> {
        let authority = devices
            .first()
            .map(|device| device.credentials.ca_pem.as_str());
        Destination::new(
            self.service.mqtt_address(),
            &self.service.ready().mqtt.host,
            authority.unwrap_or_default(),
        )
    }

    async fn create_job(&self, group: String, document: &Value) -> Result<(), RunError> {
        let job = json!({
            "targets": [group],
            "document": document.to_string(),
            "jobExecutionsRolloutConfig": {"maximumPerMinute": THINGS_PER_MINUTE},
            "timeoutConfig": {"inProgressTimeoutInMinutes": TIMEOUT_MINUTES},
        });
        self.call("PUT", format!("/jobs/{JOB}"), job)
            .await
            .map(drop)
    }

    /// Lets the minutes of the rollout pass.
    async fn roll_out(&self, progress: &Progress, things: usize) -> Result<(), RunError> {
        for batch in 1..things.div_ceil(THINGS_PER_MINUTE) {
            match self.options.pace {
                Pace::Batches => {
                    wait(progress, Mark::Through, batch * THINGS_PER_MINUTE).await?;
                }
                Pace::Burst => {}
                Pace::Real => return Ok(()),
            }
            let step = json!({"advance": MINUTE_SECS});
            self.call("POST", "/_local/clock".to_owned(), step).await?;
        }
        Ok(())
    }

    fn note(&mut self, ended: Result<Waits, DeviceError>) {
        match ended {
            Ok(waits) => self.outcome.report.waits.push(waits),
            Err(error) => self.blame(error.to_string()),
        }
    }

    fn blame(&mut self, error: String) {
        *self.outcome.errors.entry(error).or_default() += 1;
    }

    /// Asks the service what it has counted.
    async fn check(&mut self, things: usize) -> Result<(), RunError> {
        let job = self.call("GET", format!("/jobs/{JOB}"), json!({})).await?;
        let status = job.pointer("/job/status").and_then(Value::as_str);
        if status != Some("COMPLETED") {
            self.blame(format!(
                "the job's status is {status:?} instead of COMPLETED"
            ));
        }
        let counters = job
            .pointer("/job/jobProcessDetails")
            .and_then(Value::as_object);
        let counters = counters.into_iter().flatten();
        let counters: Vec<_> = counters
            .filter(|(name, _)| name.starts_with("number"))
            .collect();
        for (name, count) in &counters {
            let expected = match name.as_str() {
                "numberOfSucceededThings" => things,
                _ => 0,
            };
            if count.as_u64() != u64::try_from(expected).ok() {
                self.blame(format!("{name} is {count} instead of {expected}"));
            }
        }
        if counters.is_empty() {
            self.blame("the job has no counters".to_owned());
        }
        Ok(())
    }

    /// Calls the control plane, while the devices live on.
    async fn call(
        &self,
        method: &'static str,
        path: String,
        body: Value,
    ) -> Result<Value, RunError> {
        let aws = self.aws.clone();
        let called = spawn_blocking(move || call(&aws, method, &path, &body));
        Ok(called.await??)
    }
}

/// Waits until so many devices have reached `mark`, or never will.
async fn wait(progress: &Progress, mark: Mark, devices: usize) -> Result<(), RunError> {
    let mut ticker = Ticker::start();
    let mut tick = interval(TICK);
    let (mut idle, mut before) = (0, usize::MAX);
    loop {
        let (reached, failed) = (progress.reached(mark), progress.failed());
        let line = || {
            format!(
                "{} connected, {} notified, {} succeeded, {failed} failed",
                progress.reached(Mark::Connected),
                progress.reached(Mark::Notified),
                progress.reached(Mark::Succeeded),
            )
        };
        if reached + failed >= devices {
            return Ok(());
        }
        ticker.say(line);
        tokio::select! {
            () = progress.changed() => {}
            _ = tick.tick() => {
                let now = progress.sum();
                idle = if now == before { idle + 1 } else { 0 };
                before = now;
            }
        }
        if idle >= STALLED_AFTER_TICKS {
            return Err(RunError::Stalled(line()));
        }
    }
}

/// A stage that is being measured.
struct Measured<'a> {
    service: &'a Service,
    name: &'static str,
    watch: Stopwatch,
    before: [Usage; 2],
}

impl<'a> Measured<'a> {
    fn start(service: &'a Service, name: &'static str) -> Result<Self, KitError> {
        say(name);
        Ok(Self {
            service,
            name,
            before: [Usage::of(service.id())?, Usage::of(std::process::id())?],
            watch: Stopwatch::start(),
        })
    }

    fn end(&mut self, things: usize) -> Result<Stage, KitError> {
        let took = self.watch.elapsed();
        let [service, own] = self.before;
        Ok(Stage {
            name: self.name,
            things,
            took,
            service: [service, Usage::of(self.service.id())?],
            own: [own, Usage::of(std::process::id())?],
        })
    }
}
