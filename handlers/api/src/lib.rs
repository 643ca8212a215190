//! The contract between the engine and its handlers.
//!
//! A handler reads the truth from the device, so that a second run after a crash is harmless, and says what comes next. It never
//! publishes, never reboots, never logs and never sleeps: the engine does.
#![no_std]
#![expect(
    async_fn_in_trait,
    reason = "both shells run on one thread and need no Send"
)]

use core::time::Duration;

use heapless::String;
use iot_jobs_hal::FirmwareSlots;
use iot_jobs_proto::names::{JobId, Namespace, ThingName};
pub use iot_jobs_proto::session::{CancelReason, Run};
use iot_jobs_proto::time::Instant;

/// Most bytes of a failure's sentence.
pub const MESSAGE_LEN_MAX: usize = 512;
/// Most bytes of the blob that a handler keeps with the record.
pub const STATE_LEN_MAX: usize = 256;

/// One run of one job execution.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The device.
    pub thing: &'a ThingName,
    /// The namespace that the job lives in.
    pub namespace: &'a Namespace,
    /// The job.
    pub id: &'a JobId,
    /// The execution's number on this device.
    pub execution: i64,
    /// The operation (or the language) of the document that selected the handler.
    pub operation: &'a str,
    /// The job document, a JSON object. Hostile input; its URLs are credentials.
    pub document: &'a str,
    /// Which run it is.
    pub run: Run,
}

/// Runs the jobs of one kind.
pub trait Handler {
    /// Does the job's work, or says why it cannot be done.
    ///
    /// Called again for the same execution after a restart or a reboot: work already done must be found done.
    async fn run(&mut self, job: &Job<'_>, device: &mut impl Device) -> Result<Next, Failure>;
}

/// What comes after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// SUCCEEDED, and nothing had to be done.
    AlreadyDone,
    /// Run again after this long.
    Defer(Duration),
    /// Reboot the device, then run again.
    Reboot,
    /// Restart the agent, then run again.
    Restart,
    /// SUCCEEDED.
    Succeed,
}

/// What a failure means to whoever could act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The handler stopped because it was told to.
    Cancelled,
    /// FAILED: a retry by the service may cure it.
    Failed,
    /// REJECTED: this document can never be run here.
    Rejected,
    /// The engine runs the handler again a few times before it reports FAILED.
    Transient,
}

/// Why a run failed: one stable code, one class, one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable code for the status detail `reason`, such as `digest_mismatch`.
    pub code: &'static str,
    /// What it means.
    pub class: FailureClass,
    /// One sentence for the status detail `message`. Never a URL's query.
    pub message: String<MESSAGE_LEN_MAX>,
}

impl Failure {
    /// A failure with a sentence, cut where it is too long.
    pub fn new(class: FailureClass, code: &'static str, message: impl core::fmt::Display) -> Self {
        use core::fmt::Write as _;
        let mut text = Cut(String::new());
        let _ = write!(text, "{message}");
        Self {
            code,
            class,
            message: text.0,
        }
    }
}

/// How far a run is. Reported throttled; the last one wins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is going on, one word or two: `downloading`, `verifying`, `rebooting`.
    pub phase: &'a str,
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all, when known.
    pub total: Option<u64>,
}

/// What to download.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// Names the URL's member in the document (`url`), so that a renewed document can be asked for a fresh one.
    pub url_member: &'a str,
    /// Bytes that the document promises; the download ends when one more arrives.
    pub size: Option<u64>,
    /// Most bytes to take when the document promises none.
    pub size_max: u64,
    /// The digest that the document promises.
    pub sha256: [u8; 32],
}

/// What the engine gives a handler.
pub trait Device {
    /// The firmware slots.
    type Slots: FirmwareSlots;

    /// The firmware slots, if the device has any.
    fn slots(&mut self) -> Option<&mut Self::Slots>;

    /// Downloads into `target`: ranged, resumed across links and restarts, hashed on the fly, the URL renewed by describing the
    /// job again. Returns only when as many bytes as promised are durable and have the promised digest.
    async fn download(
        &mut self,
        what: &Download<'_>,
        target: Target<'_>,
    ) -> Result<Downloaded, Failure>;

    /// The blob saved with the record; empty at first.
    fn state(&self) -> &[u8];

    /// Replaces the blob and waits until it is durable.
    async fn save_state(&mut self, state: &[u8]) -> Result<(), Failure>;

    /// Says how far the run is; also shows life.
    fn progress(&mut self, progress: Progress<'_>);

    /// Sets a status detail that the end of this job is reported with.
    fn detail(&mut self, key: &str, value: &str);

    /// Why to stop, once the job is to stop. Looked at between steps that take time.
    fn cancelled(&self) -> Option<CancelReason>;

    /// When the job must have ended.
    fn deadline(&self) -> Option<Instant>;

    /// Runs the configured health check of a trial image: `Ok` when it passes or there is none.
    async fn health(&mut self) -> Result<(), Failure>;
}

/// Where a download goes.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Into the spare firmware slot.
    SpareSlot,
    /// Into this file (Linux), which nobody uses before the download is done. Until then the engine keeps `PATH.resume` beside it,
    /// and goes on with both after a restart; a wrong digest removes both.
    File(&'a str),
}

/// A finished download: as many bytes as promised, with the digest that was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes that were fetched more than once.
    pub refetched: u64,
}

/// Writes what fits and drops the rest, at a character's edge.
struct Cut(String<MESSAGE_LEN_MAX>);

impl core::fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for c in text.chars() {
            if self.0.push(c).is_err() {
                break;
            }
        }
        Ok(())
    }
}
