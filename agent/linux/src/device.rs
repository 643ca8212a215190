//! What a handler is given of this device: slots, downloads, its blob, and a way to be heard.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use iot_jobs_config::Download as DownloadSettings;
use iot_jobs_hal::Clock as _;
use iot_jobs_hal_linux::clock::BootClock;
use iot_jobs_hal_linux::program::Program;
use iot_jobs_handler::{
    CancelReason, Device, Download, Downloaded, Failure, FailureClass, Progress, Target,
};
use iot_jobs_proto::document::Document;
use iot_jobs_proto::redact::PresignedUrl;
use iot_jobs_proto::time::Instant;

use crate::fetch::{Fetcher, FileSink, Order, SlotSink, Url, Watch};
use crate::journal;
use crate::run::{Progressed, Shared, stopped};

/// The firmware slots of this device.
pub(crate) type Slots =
    iot_jobs_hal_linux::slots::Slots<iot_jobs_hal_linux::bootloader::AnyBootloader>;

/// Longest URL in a document: S3 signs with a header of a few KiB at most.
const URL_LEN_MAX: usize = 8 * 1024;

/// What handlers work with, the same for every run.
#[derive(Debug)]
pub(crate) struct Tools {
    /// Downloads.
    pub(crate) fetcher: Fetcher,
    /// `[download]`
    pub(crate) download: DownloadSettings,
    /// Where downloads into slots remember how far they are.
    pub(crate) state_directory: PathBuf,
    /// Says whether a trial image is healthy.
    pub(crate) health: Option<Program>,
    /// Tells the time.
    pub(crate) clock: BootClock,
}

/// The device, as one run sees it.
#[derive(Debug)]
pub(crate) struct LinuxDevice<'a> {
    /// The run's side of what it shares with the driver.
    pub(crate) shared: &'a Shared,
    /// The firmware slots, for whoever has them for itself.
    pub(crate) slots: Option<&'a mut Slots>,
    /// What to work with.
    pub(crate) tools: &'a Tools,
    /// When the job must have ended.
    pub(crate) deadline: Option<Instant>,
    /// Spreads the waits of a fleet.
    pub(crate) seed: u64,
    /// The handler's blob, as last saved.
    pub(crate) blob: Vec<u8>,
}

impl Device for LinuxDevice<'_> {
    type Slots = Slots;

    fn slots(&mut self) -> Option<&mut Slots> {
        self.slots.as_deref_mut()
    }

    async fn download(
        &mut self,
        what: &Download<'_>,
        target: Target<'_>,
    ) -> Result<Downloaded, Failure> {
        let watch = Watcher {
            shared: self.shared,
            member: what.url_member,
        };
        let now = Instant::from_millis(self.tools.clock.now_millis());
        let order = Order {
            url: url(&self.shared.document(), what.url_member)?,
            size: what.size,
            size_max: what.size_max,
            sha256: what.sha256,
            left: self.deadline.map(|deadline| deadline.since(now)),
        };
        let fetcher = &self.tools.fetcher;
        let fetched = async {
            match target {
                Target::SpareSlot => {
                    let slots = self.slots.as_deref_mut().ok_or_else(no_slots)?;
                    let mut sink = SlotSink::open(slots, &self.tools.state_directory)
                        .await
                        .map_err(|error| unwritable(&error))?;
                    Ok(fetcher.fetch(&order, &mut sink, &watch, self.seed).await?)
                }
                Target::File(path) => {
                    let mut sink = FileSink::open(Path::new(path), self.tools.download.keep_free)
                        .await
                        .map_err(|error| unwritable(&error))?;
                    Ok(fetcher.fetch(&order, &mut sink, &watch, self.seed).await?)
                }
            }
        };
        let done = tokio::select! {
            fetched = fetched => fetched,
            _ = self.shared.until_cancelled() => Err(stopped()),
        }?;
        journal::downloaded(&done);
        Ok(done)
    }

    fn state(&self) -> &[u8] {
        &self.blob
    }

    async fn save_state(&mut self, state: &[u8]) -> Result<(), Failure> {
        if self.shared.save_state(state).await {
            state.clone_into(&mut self.blob);
            return Ok(());
        }
        Err(Failure::new(
            FailureClass::Transient,
            "state_not_saved",
            "the handler's state could not be written",
        ))
    }

    fn progress(&mut self, progress: Progress<'_>) {
        self.shared.set_progress(Progressed {
            phase: progress.phase.to_owned(),
            bytes: progress.bytes,
            total: progress.total,
        });
    }

    fn detail(&mut self, key: &str, value: &str) {
        self.shared.set_detail(key, value);
    }

    fn cancelled(&self) -> Option<CancelReason> {
        self.shared.cancelled()
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    async fn health(&mut self) -> Result<(), Failure> {
        let Some(program) = &self.tools.health else {
            return Ok(());
        };
        match program.run(&[], "").await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::new(FailureClass::Failed, "unhealthy", error)),
        }
    }
}

/// Asks the driver for fresh URLs, and tells it how far a download is.
struct Watcher<'a> {
    shared: &'a Shared,
    member: &'a str,
}

impl Watch for Watcher<'_> {
    async fn renew(&self) -> Result<Url, Failure> {
        let document = self.shared.renew().await.map_err(|_| stopped())?;
        journal::renewed();
        url(&document, self.member)
    }

    fn progress(&self, bytes: u64, total: Option<u64>) {
        self.shared.set_progress(Progressed {
            phase: "downloading".to_owned(),
            bytes,
            total,
        });
    }
}

/// The URL in that member of a document.
#[expect(
    clippy::result_large_err,
    reason = "a failure is the contract's, and ends the run"
)]
fn url(document: &Rc<str>, member: &str) -> Result<Url, Failure> {
    let invalid = |problem: &dyn core::fmt::Display| {
        Failure::new(
            FailureClass::Rejected,
            "invalid_document",
            format_args!("`{member}`: {problem}"),
        )
    };
    let document = Document::parse(document.as_bytes()).map_err(|error| invalid(&error))?;
    let mut buffer = [0; URL_LEN_MAX];
    let text = document
        .object()
        .single(member)
        .map_err(|_| invalid(&"it appears more than once"))?
        .and_then(|value| value.as_text())
        .ok_or_else(|| invalid(&"it is missing or no string"))?
        .resolve(&mut buffer)
        .map_err(|_| invalid(&format_args!("it exceeds {URL_LEN_MAX} bytes")))?;
    let url = PresignedUrl::parse(text).map_err(|problem| invalid(&problem))?;
    Url::new(url).map_err(|problem| invalid(&problem))
}

fn no_slots() -> Failure {
    Failure::new(
        FailureClass::Rejected,
        "no_slots",
        "this device has no firmware slots",
    )
}

fn unwritable(error: &std::io::Error) -> Failure {
    Failure::new(FailureClass::Transient, "storage", error)
}
