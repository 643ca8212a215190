//! Where a download's bytes go: a file, or the spare firmware slot.
//!
//! A sink never decides anything. File work runs on blocking threads, so that a slow disk does not hold up the MQTT keep-alive.

use core::time::Duration;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use iot_jobs_hal::{FirmwareSlots, Slot};
use rustix::fs::OFlags;

use super::resume;

/// How often a file that another download holds is tried again.
const LOCK_ATTEMPTS_MAX: u32 = 50;
/// How long to wait in between. A cancelled download lets go as soon as its last write has returned.
const LOCK_RETRY_AFTER: Duration = Duration::from_millis(20);

/// Takes a download's bytes.
pub(crate) trait Sink {
    /// Where the download remembers how far it is.
    fn resume_path(&self) -> &Path;

    /// Keeps the next download out for as long as it is held by work on a blocking thread, which a cancelled download leaves
    /// behind.
    fn hold(&self) -> Arc<File>;

    /// Bytes that an earlier run left, finished or not; `None` when the sink cannot tell.
    async fn left_over(&mut self) -> io::Result<Option<u64>>;

    /// Bytes of an artifact that the sink has room for, the first `have` being there; `None` when it cannot tell.
    async fn room(&mut self, have: u64) -> io::Result<Option<u64>>;

    /// Makes ready to be written from `offset` on; what is behind it is dropped.
    async fn start(&mut self, offset: u64) -> io::Result<()>;

    /// Writes at `offset`, which grows without gaps after [`Sink::start`].
    async fn write(&mut self, offset: u64, bytes: &Arc<Vec<u8>>) -> io::Result<()>;

    /// Makes everything written durable.
    async fn sync(&mut self) -> io::Result<()>;

    /// Reads back up to `len` bytes; fewer only at the end.
    async fn read(&mut self, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Drops the bookkeeping that nobody needs after success.
    async fn finish(&mut self) -> io::Result<()>;

    /// Drops everything: the bytes are of no use.
    async fn discard(&mut self) -> io::Result<()>;
}

/// A file, locked while it is written: a write of a cancelled download that is still under way keeps the next one out.
#[derive(Debug)]
pub(crate) struct FileSink {
    path: PathBuf,
    resume: PathBuf,
    keep_free: u64,
    file: Arc<File>,
}

impl FileSink {
    /// Opens `path`, which must be a plain file or nothing yet; readable by nobody else.
    pub(crate) async fn open(path: &Path, keep_free: u64) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            resume: with_suffix(path, ".resume"),
            keep_free,
            file: locked(path).await?,
        })
    }
}

impl Sink for FileSink {
    fn resume_path(&self) -> &Path {
        &self.resume
    }

    fn hold(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    async fn left_over(&mut self) -> io::Result<Option<u64>> {
        Ok(Some(self.file.metadata()?.len()))
    }

    async fn room(&mut self, have: u64) -> io::Result<Option<u64>> {
        let found = rustix::fs::fstatvfs(&*self.file)?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        Ok(Some(
            have.saturating_add(free.saturating_sub(self.keep_free)),
        ))
    }

    async fn start(&mut self, offset: u64) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        blocking(move || file.set_len(offset)).await
    }

    async fn write(&mut self, offset: u64, bytes: &Arc<Vec<u8>>) -> io::Result<()> {
        let (file, bytes) = (Arc::clone(&self.file), Arc::clone(bytes));
        blocking(move || file.write_all_at(&bytes, offset)).await
    }

    async fn sync(&mut self) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        blocking(move || file.sync_data()).await
    }

    async fn read(&mut self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = Arc::clone(&self.file);
        blocking(move || {
            let mut bytes = vec![0; len];
            let mut filled = 0;
            while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, offset.saturating_add(filled as u64)) {
                    Ok(0) => break,
                    Ok(read) => filled = filled.saturating_add(read),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        })
        .await
    }

    async fn finish(&mut self) -> io::Result<()> {
        let resume = self.resume.clone();
        blocking(move || resume::remove(&resume)).await
    }

    async fn discard(&mut self) -> io::Result<()> {
        let (path, resume) = (self.path.clone(), self.resume.clone());
        blocking(move || {
            resume::remove(&resume)?;
            resume::remove(&path)
        })
        .await
    }
}

/// The spare firmware slot. What it remembers lies in the state directory and stays after success: a run after a crash finds the
/// slot filled.
#[derive(Debug)]
pub(crate) struct SlotSink<'a, S> {
    slots: &'a mut S,
    spare: Slot,
    resume: PathBuf,
    lock: Arc<File>,
}

impl<'a, S: FirmwareSlots> SlotSink<'a, S> {
    /// Writes to the slot that does not run, remembering in `directory`.
    pub(crate) async fn open(slots: &'a mut S, directory: &Path) -> io::Result<Self> {
        let spare = slots.running().await.map_err(slot_error)?.other();
        let name = directory.join(format!("slot-{}", spare.as_str()));
        Ok(Self {
            slots,
            spare,
            resume: with_suffix(&name, ".resume"),
            lock: locked(&with_suffix(&name, ".lock")).await?,
        })
    }
}

impl<S: FirmwareSlots> Sink for SlotSink<'_, S> {
    fn resume_path(&self) -> &Path {
        &self.resume
    }

    fn hold(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }

    async fn left_over(&mut self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    async fn room(&mut self, _: u64) -> io::Result<Option<u64>> {
        let capacity = self.slots.capacity(self.spare).await;
        capacity.map(Some).map_err(slot_error)
    }

    async fn start(&mut self, offset: u64) -> io::Result<()> {
        let prepared = self.slots.prepare(self.spare, offset).await;
        prepared.map_err(slot_error)
    }

    async fn write(&mut self, offset: u64, bytes: &Arc<Vec<u8>>) -> io::Result<()> {
        let written = self.slots.write(self.spare, offset, bytes).await;
        written.map_err(slot_error)
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.slots.sync(self.spare).await.map_err(slot_error)
    }

    async fn read(&mut self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let read = self.slots.read(self.spare, offset, &mut bytes).await;
        bytes.truncate(read.map_err(slot_error)?);
        Ok(bytes)
    }

    async fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn discard(&mut self) -> io::Result<()> {
        let resume = self.resume.clone();
        blocking(move || resume::remove(&resume)).await
    }
}

/// Runs file work away from the thread that serves the network.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// Opens a plain file and locks it. Waits for what a cancelled download may still be writing, not for another download.
async fn locked(path: &Path) -> io::Result<Arc<File>> {
    for _ in 0..LOCK_ATTEMPTS_MAX {
        let opened = path.to_owned();
        let file = blocking(move || open_plain(&opened)).await?;
        match file.try_lock() {
            // Who held it before may have removed or renamed it.
            Ok(()) if is_at(&file, path)? => return Ok(Arc::new(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) | Err(TryLockError::WouldBlock) => super::pace::pause(LOCK_RETRY_AFTER).await,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ResourceBusy,
        "another download is under way",
    ))
}

/// Whether the path still names the open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

/// Opens a plain file with one name, never through a link: the directory may be writable by others.
fn open_plain(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(
            OFlags::NOFOLLOW
                .union(OFlags::NONBLOCK)
                .bits()
                .cast_signed(),
        )
        .open(path)?;
    let found = file.metadata()?;
    if !found.file_type().is_file() || found.nlink() != 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a plain file with one name",
        ));
    }
    Ok(file)
}

/// Keeps the kind: a full file system has a reason of its own.
fn slot_error(error: impl core::error::Error) -> io::Error {
    let cause = error.source().and_then(|source| source.downcast_ref());
    let kind = cause.map_or(io::ErrorKind::Other, io::Error::kind);
    io::Error::new(kind, error.to_string())
}
