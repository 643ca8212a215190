//! Firmware slots over two files or block devices, and a bootloader that tries one of them once.
//!
//! The slot that runs is never written, nor is a spare slot that an unconfirmed trial could go back to. Before the first byte the
//! spare slot is made bad, so that a half-written image cannot boot; the mark for the trial is the last write.
//!
//! Bytes are gathered into blocks of [`BLOCK_LEN`] and written on a blocking thread while the next block fills, so that writing
//! an image costs the runtime's thread a copy. [`sync`](FirmwareSlots::sync) makes them durable and drops them from the page
//! cache: what is read afterwards comes from the medium, which is what a digest of what was *written* is about.
//!
//! A future of `write` or `sync` that is dropped loses bytes: the next write is refused, and
//! [`prepare`](FirmwareSlots::prepare) begins anew, after what was under way has ended.

mod reader;
mod writer;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use iot_jobs_hal::{BootState, FirmwareSlots, Slot};
use rustix::fs::OFlags;

use self::reader::Reader;
use self::writer::Writer;
use crate::blocking::blocking;
use crate::bootloader::{Bootloader, BootloaderError, Change, SlotState};
use crate::replace::directory_of;

/// How many bytes are read or written at a time.
pub const BLOCK_LEN: usize = 512 * 1024;

const FILE_MODE: u32 = 0o600;

/// Two slots and their bootloader.
#[derive(Debug)]
pub struct Slots<B> {
    a: PathBuf,
    b: PathBuf,
    size_max: Option<u64>,
    bootloader: B,
    writer: Option<(Slot, Writer)>,
    reader: Option<(Slot, Reader)>,
}

impl<B: Bootloader> Slots<B> {
    /// Slots at `a` and `b`. `size_max` is the largest image of slots that are files; a block device says itself.
    pub const fn new(a: PathBuf, b: PathBuf, size_max: Option<u64>, bootloader: B) -> Self {
        Self {
            a,
            b,
            size_max,
            bootloader,
            writer: None,
            reader: None,
        }
    }

    fn path(&self, slot: Slot) -> &Path {
        match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        }
    }

    /// Refuses the slot that runs.
    async fn check_spare(&mut self, spare: Slot) -> Result<(), SlotsError> {
        if self.bootloader.current().await? == spare {
            return Err(SlotsError::Runs { slot: spare });
        }
        Ok(())
    }

    /// While the running slot is on trial, the spare one is the way back.
    async fn check_confirmed(&mut self, spare: Slot) -> Result<(), SlotsError> {
        if self.bootloader.state(spare.other()).await? == SlotState::Pending {
            return Err(SlotsError::Unconfirmed {
                slot: spare.other(),
            });
        }
        Ok(())
    }

    fn prepared(&mut self, spare: Slot) -> Result<&mut Writer, SlotsError> {
        match &mut self.writer {
            Some((slot, writer)) if *slot == spare => Ok(writer),
            _ => Err(SlotsError::NotPrepared { slot: spare }),
        }
    }

    async fn reader(&mut self, slot: Slot) -> Result<&mut Reader, SlotsError> {
        let open = match self.reader.take() {
            Some((opened, reader)) if opened == slot => reader,
            _ => Reader::open(self.path(slot).to_owned()).await?,
        };
        Ok(&mut self.reader.insert((slot, open)).1)
    }
}

impl<B: Bootloader> FirmwareSlots for Slots<B> {
    type Error = SlotsError;

    async fn running(&mut self) -> Result<Slot, SlotsError> {
        Ok(self.bootloader.current().await?)
    }

    async fn boot_state(&mut self) -> Result<BootState, SlotsError> {
        let running = self.bootloader.current().await?;
        if self.bootloader.state(running).await? == SlotState::Pending {
            return Ok(BootState::Trial);
        }
        let primary = self.bootloader.primary().await?;
        if primary != running && self.bootloader.state(primary).await? != SlotState::Bad {
            return Ok(BootState::Marked);
        }
        Ok(BootState::Confirmed)
    }

    async fn capacity(&mut self, slot: Slot) -> Result<u64, SlotsError> {
        let path = self.path(slot).to_owned();
        let size_max = self.size_max;
        let opened = path.clone();
        blocking(move || match File::open(&opened) {
            Ok(file) => size_of(&file, size_max),
            Err(error) if error.kind() == io::ErrorKind::NotFound => size_max.ok_or(error),
            Err(error) => Err(error),
        })
        .await
        .map_err(failed("measure", &path))
    }

    async fn read(
        &mut self,
        slot: Slot,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SlotsError> {
        if let Some((written, writer)) = &mut self.writer
            && *written == slot
        {
            writer.flush().await?;
        }
        self.reader(slot).await?.read(offset, buffer).await
    }

    async fn prepare(&mut self, spare: Slot, offset: u64) -> Result<(), SlotsError> {
        if let Some((_, writer)) = &mut self.writer {
            // Blocks that are still being written must not land in what is written from here on.
            writer.settle().await;
        }
        self.writer = None;
        self.reader = None;
        self.check_spare(spare).await?;
        self.check_confirmed(spare).await?;

        let primary = self.bootloader.primary().await?;
        let unbootable = Change {
            slot: spare,
            state: SlotState::Bad,
            primary: (primary == spare).then_some(spare.other()),
        };
        self.bootloader.apply(unbootable).await?;

        let path = self.path(spare).to_owned();
        let running = self.path(spare.other()).to_owned();
        let size_max = self.size_max;
        let work = {
            let path = path.clone();
            move || Ok(open_spare(&path, &running, size_max, offset))
        };
        let (file, capacity) = blocking(work).await.map_err(failed("open", &path))??;
        let writer = Writer::new(path, file, capacity, offset);
        self.writer = Some((spare, writer));
        Ok(())
    }

    async fn write(&mut self, spare: Slot, offset: u64, bytes: &[u8]) -> Result<(), SlotsError> {
        self.reader = None;
        self.prepared(spare)?.write(offset, bytes).await
    }

    async fn sync(&mut self, spare: Slot) -> Result<(), SlotsError> {
        self.reader = None;
        self.prepared(spare)?.sync().await
    }

    async fn mark_trial(&mut self, spare: Slot) -> Result<(), SlotsError> {
        self.check_spare(spare).await?;
        self.check_confirmed(spare).await?;
        if let Ok(writer) = self.prepared(spare) {
            writer.sync().await?;
        }
        self.writer = None;
        self.reader = None;

        let mark = Change {
            slot: spare,
            state: SlotState::Pending,
            primary: Some(spare),
        };
        Ok(self.bootloader.apply(mark).await?)
    }

    async fn confirm(&mut self) -> Result<(), SlotsError> {
        let confirmed = Change {
            slot: self.bootloader.current().await?,
            state: SlotState::Good,
            primary: None,
        };
        Ok(self.bootloader.apply(confirmed).await?)
    }

    async fn roll_back(&mut self) -> Result<(), SlotsError> {
        let running = self.bootloader.current().await?;
        if self.bootloader.state(running.other()).await? == SlotState::Bad {
            return Err(SlotsError::NoWayBack {
                slot: running.other(),
            });
        }
        let back = Change {
            slot: running,
            state: SlotState::Bad,
            primary: Some(running.other()),
        };
        Ok(self.bootloader.apply(back).await?)
    }
}

/// Why a slot could not be read, written, marked or confirmed.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SlotsError {
    /// The image is larger than the slot.
    #[error("{path} holds {capacity} bytes, not {end}", path = path.display())]
    BeyondEnd {
        /// The slot's file or device.
        path: PathBuf,
        /// Where the bytes would end.
        end: u64,
        /// What the slot can hold.
        capacity: u64,
    },
    /// The bootloader failed.
    #[error(transparent)]
    Bootloader(#[from] BootloaderError),
    /// The file or device failed.
    #[error("cannot {operation} {path}: {cause}", path = path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The slot's file or device.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// A roll-back would leave nothing to boot.
    #[error("slot {} is bad: there is no way back", slot.as_str())]
    NoWayBack {
        /// The other slot.
        slot: Slot,
    },
    /// Bytes came before [`FirmwareSlots::prepare`].
    #[error("slot {} was not prepared", slot.as_str())]
    NotPrepared {
        /// The slot.
        slot: Slot,
    },
    /// Bytes came with a gap, or after a write that failed or was given up.
    #[error("bytes at {offset} do not follow those up to {expected}")]
    OutOfOrder {
        /// Where they were to go.
        offset: u64,
        /// Where the next byte goes.
        expected: u64,
    },
    /// The slot is the one that runs.
    #[error("slot {} runs and is never written", slot.as_str())]
    Runs {
        /// The slot.
        slot: Slot,
    },
    /// Both slots are the same file or device.
    #[error("{path} is the slot that runs under another name", path = path.display())]
    SameFile {
        /// The spare slot's file or device.
        path: PathBuf,
    },
    /// The slot holds less than what is to be resumed.
    #[error("{path} holds {len} bytes: nothing to resume at {offset}", path = path.display())]
    Short {
        /// The slot's file.
        path: PathBuf,
        /// Bytes that it holds.
        len: u64,
        /// Where to go on.
        offset: u64,
    },
    /// The running slot waits to be confirmed, and the spare one is its way back.
    #[error("slot {} is on trial: the other one is kept until it is confirmed", slot.as_str())]
    Unconfirmed {
        /// The slot that runs.
        slot: Slot,
    },
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SlotsError {
    let path = path.to_owned();
    move |cause| SlotsError::Io {
        operation,
        path,
        cause,
    }
}

/// Opens the spare slot for writing from `offset` on. A file is cut there; a block device is what it is.
fn open_spare(
    path: &Path,
    running: &Path,
    size_max: Option<u64>,
    offset: u64,
) -> Result<(Arc<File>, u64), SlotsError> {
    let device = fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device());
    let mut options = OpenOptions::new();
    options.write(true).mode(FILE_MODE);
    if device {
        // The kernel refuses a block device that is mounted or otherwise in use.
        options.custom_flags(OFlags::EXCL.bits().cast_signed());
    } else {
        options.create(true).truncate(false);
    }
    let file = options.open(path).map_err(failed("open", path))?;
    let found = file.metadata().map_err(failed("measure", path))?;
    if fs::metadata(running).is_ok_and(|running| same(&found, &running)) {
        return Err(SlotsError::SameFile {
            path: path.to_owned(),
        });
    }

    let capacity = size_of(&file, size_max).map_err(failed("measure", path))?;
    if !device {
        let len = found.len();
        if len < offset {
            return Err(SlotsError::Short {
                path: path.to_owned(),
                len,
                offset,
            });
        }
        file.set_len(offset).map_err(failed("cut", path))?;
        // A new file has to be found after a power cut, too.
        let directory = directory_of(path);
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(failed("sync directory", directory))?;
    }
    Ok((Arc::new(file), capacity))
}

fn same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    if one.file_type().is_block_device() {
        return other.file_type().is_block_device() && one.rdev() == other.rdev();
    }
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// What a slot can hold: a block device's size, otherwise what was configured, otherwise what the file holds.
fn size_of(mut file: &File, size_max: Option<u64>) -> io::Result<u64> {
    let found = file.metadata()?;
    if found.file_type().is_block_device() {
        return file.seek(SeekFrom::End(0));
    }
    Ok(size_max.unwrap_or(found.len()))
}

#[cfg(test)]
mod tests;
