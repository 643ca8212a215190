//! The handler `file-download`: an artifact, verified, in its place from one moment to the next.
//!
//! It never shows a half file: what is not verified lies in a part beside the target, with a name of its own, and a rename puts it
//! in place once mode, owner and bytes are right and durable. It never writes outside the allowed directories, through a link, or
//! over anything but a plain file.
//!
//! ```text
//! .NAME.part ── download ──▶ read back ── chown, chmod, fsync ──▶ rename to NAME ── fsync directory ──▶ SUCCEEDED
//! ```
//!
//! The document:
//!
//! ```json
//! {"operation": "file-download", "url": "https://…", "path": "/opt/app/app.conf", "sha256": "9f86…", "mode": "0640", "owner": "app:app"}
//! ```
//!
//! | member | | |
//! |---|---|---|
//! | `url` | string | where the file is; may be a presigned URL |
//! | `path` | string | absolute, below an allowed directory; its directory exists |
//! | `sha256` | 64 hexadecimal digits | the file's digest |
//! | `size` | number, optional | bytes of the file |
//! | `mode` | octal digits in a string, optional | else that of the file that is replaced, else `"0644"` |
//! | `owner` | `"user"` or `"user:group"`, optional | names or numbers; else that of the file that is replaced, else the agent's |

mod document;
mod owner;
mod place;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use iot_jobs_handler::{
    CancelReason, Device, Download, Failure, FailureClass, Handler, Job, Next, Run, Target,
};

use document::Request;
use place::Place;

/// The status detail `handler`.
const NAME: &str = "file-download";

/// Puts files in place.
#[derive(Debug, Clone)]
pub struct FileDownload {
    /// Directories that files may be written below.
    pub allowed: Vec<PathBuf>,
    /// Most bytes of a file whose document names no size.
    pub size_max: u64,
}

impl Handler for FileDownload {
    async fn run(&mut self, job: &Job<'_>, device: &mut impl Device) -> Result<Next, Failure> {
        let request = Request::parse(job.document)?;
        device.detail("handler", NAME);
        device.detail("path", &request.path);
        device.detail("sha256", &request.digits());

        let place = {
            let (allowed, request) = (self.allowed.clone(), request.clone());
            blocking(move || Place::find(&allowed, &request)).await?
        };
        let found = {
            let (place, request) = (place.clone(), request.clone());
            blocking(move || place.look(&request)).await?
        };
        if let Some(found) = found {
            device.detail("bytes", &found.bytes.to_string());
            if !found.is_finished {
                let place = place.clone();
                blocking(move || place.settle()).await?;
            }
            return Ok(match job.run {
                Run::First if found.is_finished => Next::AlreadyDone,
                Run::First | Run::AfterRestart | Run::AfterReboot => Next::Succeed,
            });
        }

        let fetched = self.fetch(&request, &place, device).await;
        if let Err(failure) = &fetched
            && (is_final(failure) || is_over(device.cancelled()))
        {
            let place = place.clone();
            // Why the download failed says more than why its rest could not be removed.
            let _ = blocking(move || place.abandon()).await;
        }
        device.detail("bytes", &fetched?.to_string());
        blocking(move || place.fill(&request)).await?;
        Ok(Next::Succeed)
    }
}

impl FileDownload {
    /// Downloads into the part; the bytes that it has.
    async fn fetch(
        &self,
        request: &Request,
        place: &Place,
        device: &mut impl Device,
    ) -> Result<u64, Failure> {
        let what = Download {
            url_member: "url",
            size: request.size,
            size_max: self.size_max,
            sha256: request.sha256,
        };
        let part = text(place.part())?;
        let downloaded = device.download(&what, Target::File(part)).await?;
        match device.cancelled() {
            None => Ok(downloaded.bytes),
            Some(_) => Err(Failure::new(
                FailureClass::Cancelled,
                "cancelled",
                "told to stop before the file was in place",
            )),
        }
    }
}

/// Whether nobody will come back for the part.
fn is_over(reason: Option<CancelReason>) -> bool {
    match reason {
        Some(CancelReason::CanceledByService | CancelReason::TimedOut) => true,
        Some(CancelReason::Stopping) | None => false,
    }
}

/// Whether another run of the same job could not go on with the part either.
const fn is_final(failure: &Failure) -> bool {
    match failure.class {
        FailureClass::Failed | FailureClass::Rejected => true,
        FailureClass::Cancelled | FailureClass::Transient => false,
    }
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str()
        .ok_or_else(|| rejected("path_not_allowed", "a directory's name is not UTF-8"))
}

/// Runs file work away from the thread that serves the network.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| failed("file_error", error))?
}

fn failed(code: &'static str, message: impl core::fmt::Display) -> Failure {
    Failure::new(FailureClass::Failed, code, message)
}

fn rejected(code: &'static str, message: impl core::fmt::Display) -> Failure {
    Failure::new(FailureClass::Rejected, code, message)
}
