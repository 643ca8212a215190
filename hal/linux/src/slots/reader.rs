//! Reads a slot in blocks, however little is asked for at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::{BLOCK_LEN, SlotsError, failed};
use crate::blocking::blocking;

/// An open slot and the block read last.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    /// None for a slot that is a file nobody wrote yet.
    file: Option<Arc<File>>,
    from: u64,
    block: Vec<u8>,
}

impl Reader {
    pub(super) async fn open(path: PathBuf) -> Result<Self, SlotsError> {
        let opened = path.clone();
        let file = blocking(move || match File::open(&opened) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(|file| Some(Arc::new(file))),
        })
        .await
        .map_err(failed("open", &path))?;
        Ok(Self {
            path,
            file,
            from: 0,
            block: Vec::new(),
        })
    }

    pub(super) async fn read(
        &mut self,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SlotsError> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let mut block = self.block_at(at);
            if block.is_empty() {
                self.fetch(at).await?;
                block = self.block_at(at);
            }
            let len = block.len().min(rest.len());
            if len == 0 {
                break;
            }
            if let (Some(to), Some(from)) = (rest.get_mut(..len), block.get(..len)) {
                to.copy_from_slice(from);
            }
            done = done.saturating_add(len);
        }
        Ok(done)
    }

    /// The part of the block that begins at `offset`.
    fn block_at(&self, offset: u64) -> &[u8] {
        offset
            .checked_sub(self.from)
            .and_then(|skip| usize::try_from(skip).ok())
            .and_then(|skip| self.block.get(skip..))
            .unwrap_or_default()
    }

    async fn fetch(&mut self, offset: u64) -> Result<(), SlotsError> {
        let Some(file) = self.file.clone() else {
            return Ok(());
        };
        let mut block = core::mem::take(&mut self.block);
        self.block = blocking(move || {
            block.resize(BLOCK_LEN, 0);
            let len = read_full(&file, offset, &mut block)?;
            block.truncate(len);
            Ok(block)
        })
        .await
        .map_err(failed("read", &self.path))?;
        self.from = offset;
        Ok(())
    }
}

/// Reads until the block is full or the slot ends.
fn read_full(file: &File, offset: u64, block: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = block.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(len) => done = done.saturating_add(len),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
