//! One device: does what an agent does over MQTT for one job, and keeps account of all that it hears.
//!
//! ```text
//! CONNECT, SUBSCRIBE, $next/get ── ready ── notify-next ── $next/get, JOB/update IN_PROGRESS, JOB/update SUCCEEDED
//!   ── until every device is through ── $next/get ── DISCONNECT
//! ```
//!
//! What the service says to one device arrives in order, so that the answer to the last `$next/get` comes
//! after everything that was ever sent to the device: what is missing then was lost.

use core::time::Duration;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use iot_jobs_kit::service::Credentials;
use iot_jobs_kit::wait::Stopwatch;

use crate::link::{Destination, LinkError};
use crate::progress::{Mark, Progress};
use crate::session::Session;

/// Longer than any clock is stepped while a device works.
const STEP_TIMEOUT_MINUTES: u64 = 10_080;

/// What all devices share.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) destination: Destination,
    /// The job that each device waits for.
    pub(crate) job: String,
    /// The job's document.
    pub(crate) document: Value,
    pub(crate) progress: Progress,
    /// Bounds how many devices connect at the same time.
    pub(crate) connecting: Semaphore,
    /// Becomes true when every device is through.
    pub(crate) ended: watch::Receiver<bool>,
}

/// One device and what it connects with.
pub(crate) struct Device {
    pub(crate) thing: String,
    pub(crate) credentials: Credentials,
}

/// Why a device did not do its job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    #[error("a job was next after everybody was through")]
    AfterTheEnd,
    #[error("an answer is not as documented: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("the job's document is not what was created: {0}")]
    Document(Value),
    #[error("heard {heard} {what} instead of {expected}")]
    Heard {
        what: &'static str,
        heard: usize,
        expected: usize,
    },
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("nothing was next after notify-next")]
    NothingNext,
    #[error("refused with code {0}")]
    Refused(u8),
    #[error("rejected: {0}")]
    Rejected(String),
    #[error("a job was next before it was created")]
    TooEarly,
    #[error("what was not asked for arrived: {0}")]
    Unasked(String),
}

/// How long the service took to answer one device.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Waits {
    /// From TCP to CONNACK.
    pub(crate) connect: Duration,
    /// Of the `$next/get` that gave the document.
    pub(crate) describe: Duration,
    /// Of the update to IN_PROGRESS.
    pub(crate) claim: Duration,
    /// Of the update to SUCCEEDED.
    pub(crate) succeed: Duration,
}

impl Device {
    /// Lives from CONNECT to DISCONNECT.
    pub(crate) async fn live(self, fleet: Arc<Fleet>) -> Result<Waits, DeviceError> {
        let mut waits = Waits::default();
        let mut session = {
            // The semaphore is never closed.
            let _turn = fleet.connecting.acquire().await.ok();
            let watch = Stopwatch::start();
            let thing = &self.thing;
            let session = Session::open(&fleet.destination, &self.credentials, thing).await?;
            waits.connect = watch.elapsed();
            session
        };
        fleet.progress.reach(Mark::Connected);
        session.subscribe().await?;
        if session.describe().await?.is_some() {
            return Err(DeviceError::TooEarly);
        }
        fleet.progress.reach(Mark::Ready);

        session.until(|heard| heard.next > 0).await?;
        fleet.progress.reach(Mark::Notified);
        work(&mut session, &fleet, &mut waits).await?;
        fleet.progress.reach(Mark::Succeeded);
        session
            .until(|heard| heard.no_next > 0 && heard.notify > 1)
            .await?;
        fleet.progress.reach(Mark::Through);
        session.stay(fleet.ended.clone()).await?;
        if session.describe().await?.is_some() {
            return Err(DeviceError::AfterTheEnd);
        }
        session.close().await?;
        Ok(waits)
    }
}

/// Claims the job that is next, does nothing, and reports success.
async fn work(session: &mut Session, fleet: &Fleet, waits: &mut Waits) -> Result<(), DeviceError> {
    let watch = Stopwatch::start();
    let execution = session.describe().await?.ok_or(DeviceError::NothingNext)?;
    waits.describe = watch.elapsed();
    if execution.job_id != fleet.job || execution.job_document != fleet.document {
        return Err(DeviceError::Document(execution.job_document));
    }
    let watch = Stopwatch::start();
    let claim = json!({
        "status": "IN_PROGRESS",
        "expectedVersion": execution.version_number,
        "executionNumber": execution.execution_number,
        "stepTimeoutInMinutes": STEP_TIMEOUT_MINUTES,
        "includeJobExecutionState": true,
    });
    session.update(&execution.job_id, claim).await?;
    waits.claim = watch.elapsed();
    let watch = Stopwatch::start();
    let success = json!({
        "status": "SUCCEEDED",
        "statusDetails": {"progress": "100"},
        "executionNumber": execution.execution_number,
        "includeJobExecutionState": true,
    });
    session.update(&execution.job_id, success).await?;
    waits.succeed = watch.elapsed();
    Ok(())
}
