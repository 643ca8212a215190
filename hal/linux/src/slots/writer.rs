//! Writes a slot in blocks, one of which is on its way while the next one fills.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Advice, fadvise};

use super::{BLOCK_LEN, SlotsError, failed};
use crate::blocking::Task;

/// The open spare slot.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file: Arc<File>,
    capacity: u64,
    /// Where the next byte goes.
    next: u64,
    filling: Vec<u8>,
    /// The block that is being written; it comes back empty.
    flight: Task<(Vec<u8>, io::Result<()>)>,
    /// A block was lost: nothing may follow it.
    failed: bool,
}

impl Writer {
    pub(super) fn new(path: PathBuf, file: Arc<File>, capacity: u64, next: u64) -> Self {
        Self {
            path,
            file,
            capacity,
            next,
            filling: Vec::with_capacity(BLOCK_LEN),
            flight: Task::idle(),
            failed: false,
        }
    }

    /// Takes bytes; an error may be that of earlier ones.
    pub(super) async fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SlotsError> {
        if offset != self.next || self.failed {
            return Err(SlotsError::OutOfOrder {
                offset,
                expected: self.next,
            });
        }
        let end = offset.saturating_add(len_of(bytes));
        if end > self.capacity {
            return Err(SlotsError::BeyondEnd {
                path: self.path.clone(),
                end,
                capacity: self.capacity,
            });
        }

        let mut rest = bytes;
        while !rest.is_empty() {
            if self.filling.len() >= BLOCK_LEN {
                self.launch().await?;
            }
            let room = BLOCK_LEN.saturating_sub(self.filling.len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.filling.extend_from_slice(now);
            self.next = self.next.saturating_add(len_of(now));
            rest = later;
        }
        Ok(())
    }

    /// Hands everything to the kernel.
    pub(super) async fn flush(&mut self) -> Result<(), SlotsError> {
        if !self.filling.is_empty() {
            self.launch().await?;
        }
        self.land().await?;
        Ok(())
    }

    /// Makes everything durable.
    pub(super) async fn sync(&mut self) -> Result<(), SlotsError> {
        self.flush().await?;
        let file = Arc::clone(&self.file);
        self.flight
            .start(move || {
                let synced = rustix::fs::fdatasync(&file).map_err(io::Error::from);
                // Only advice: a kernel that keeps the pages costs memory, not correctness.
                let _ = fadvise(&file, 0, None, Advice::DontNeed);
                (Vec::new(), synced)
            })
            .await;
        self.land().await?;
        Ok(())
    }

    /// Waits for what is under way, whatever becomes of it.
    pub(super) async fn settle(&mut self) {
        self.flight.finish().await;
    }

    /// Sends the filled block on its way once the one before has landed.
    async fn launch(&mut self) -> Result<(), SlotsError> {
        let empty = self.land().await?;
        let from = self.next.saturating_sub(len_of(&self.filling));
        let mut block = core::mem::replace(&mut self.filling, empty);
        let file = Arc::clone(&self.file);
        self.flight
            .start(move || {
                let written = file.write_all_at(&block, from);
                block.clear();
                (block, written)
            })
            .await;
        Ok(())
    }

    /// Waits for the block that is under way; an empty one to fill.
    async fn land(&mut self) -> Result<Vec<u8>, SlotsError> {
        let landed = match self.flight.finish().await {
            None => return Ok(Vec::with_capacity(BLOCK_LEN)),
            Some(Ok((empty, Ok(())))) => return Ok(empty),
            Some(Ok((_, Err(cause))) | Err(cause)) => cause,
        };
        self.failed = true;
        Err(failed("write", &self.path)(landed))
    }
}

fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
