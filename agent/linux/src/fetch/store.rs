//! The writing half of a download: hashes and writes what the reading half hands over, and remembers what is durable.
//!
//! Hashing and writing a block run side by side on blocking threads while the next blocks arrive from the network. What the resume
//! file speaks of was made durable before it was written.
//!
//! An earlier run's bytes are hashed again from the sink instead of continuing from a saved state of the hash: the digest is then of
//! what the device holds, and nothing depends on how a hash is laid out in memory. It costs one read of the part.

use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::Beginning;
use super::error::FetchError;
use super::pace::Pace;
use super::resume::{self, Identity, Resume, Validator};
use super::sink::{Sink, blocking};
use super::tally::Tally;

/// What the reading half says.
#[derive(Debug)]
pub(super) enum Message {
    /// A body begins, of an artifact that is said to be like this.
    Begin {
        /// Bytes in all.
        total: Option<u64>,
        /// The version.
        validator: Option<Validator>,
    },
    /// The next bytes.
    Block(Vec<u8>),
    /// Nothing arrives for a while: make durable what is there.
    Rest,
    /// What is there is of no use: begin at the first byte.
    StartAgain,
}

/// The part of an artifact that is there.
pub(super) struct Store<'a, S> {
    sink: &'a mut S,
    pace: &'a Pace,
    tally: &'a Tally,
    hash: Sha256,
    at: u64,
    resume: Resume,
}

impl<'a, S: Sink> Store<'a, S> {
    /// Opens what an earlier run left of this download; if any of it is to be used.
    pub(super) async fn open(
        sink: &'a mut S,
        pace: &'a Pace,
        tally: &'a Tally,
        identity: Identity,
        beginning: Beginning,
        progress: impl Fn(u64),
    ) -> Result<Self, FetchError> {
        let left_over = sink
            .left_over()
            .await
            .map_err(FetchError::storage("look at the part"))?;
        let path = sink.resume_path().to_owned();
        let wanted = identity.clone();
        let found = blocking(move || Ok(Resume::load(&path, &wanted)))
            .await
            .map_err(FetchError::storage("read the resume file"))?;

        if let Some(found) = &found {
            tally.resume(found.refetched, left_over.unwrap_or(found.bytes));
        }
        let size = identity.size;
        let mut resume = found.unwrap_or_else(|| {
            let mut resume = Resume::new(identity.clone());
            // A finished file needs no bookkeeping: its size says what to look at, its digest what it is.
            resume.bytes = left_over.filter(|left| Some(*left) == size).unwrap_or(0);
            resume
        });
        let fits = left_over.is_none_or(|left| resume.bytes <= left)
            && size
                .or(resume.total)
                .is_none_or(|total| resume.bytes <= total);
        if beginning == Beginning::Afresh || !fits {
            resume = Resume::new(identity);
        }

        let mut store = Self {
            sink,
            pace,
            tally,
            hash: Sha256::new(),
            at: 0,
            resume,
        };
        store.hash_what_is_there(progress).await?;
        if store.at == 0 {
            store.forget().await?;
        }
        if !store.is_whole() {
            store.start().await?;
        }
        Ok(store)
    }

    /// Bytes that are there.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// What is known of the artifact.
    pub(super) fn resume(&self) -> &Resume {
        &self.resume
    }

    /// Whether all bytes are there.
    pub(super) fn is_whole(&self) -> bool {
        self.resume.identity.size.or(self.resume.total) == Some(self.at)
    }

    /// Takes what the reading half sends until it hangs up.
    pub(super) async fn take(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        progress: impl Fn(u64, Option<u64>),
    ) -> Result<Self, FetchError> {
        while let Some(message) = messages.recv().await {
            match message {
                Message::Begin { total, validator } => {
                    self.resume.total = total;
                    self.resume.validator = validator;
                    self.check_room(total).await?;
                }
                Message::Block(block) => {
                    self.write(block).await?;
                    progress(self.at, self.resume.total);
                }
                Message::Rest => self.checkpoint().await?,
                Message::StartAgain => self.start_again().await?,
            }
            if self.at.saturating_sub(self.resume.bytes) >= self.pace.checkpoint {
                self.checkpoint().await?;
            }
        }
        Ok(self)
    }

    /// Refuses an artifact of `total` bytes that does not fit.
    pub(super) async fn check_room(&mut self, total: Option<u64>) -> Result<(), FetchError> {
        let Some(total) = total.filter(|total| *total > self.at) else {
            return Ok(());
        };
        let room = self
            .sink
            .room(self.at)
            .await
            .map_err(FetchError::storage("ask for free space"))?;
        match room {
            Some(room) if room < total => Err(FetchError::NoSpace {
                needed: total.saturating_sub(self.at),
                free: room.saturating_sub(self.at),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Ends the download if the digest is the promised one. Otherwise what is there stays, for the caller to drop.
    pub(super) async fn finish(mut self, promised: &[u8; 32]) -> Result<u64, FetchError> {
        let found: [u8; 32] = self.hash.clone().finalize().into();
        if found != *promised {
            return Err(FetchError::Digest {
                promised: hex(promised),
                found: hex(&found),
            });
        }
        self.checkpoint().await?;
        self.sink
            .finish()
            .await
            .map_err(FetchError::storage("finish the part"))?;
        Ok(self.at)
    }

    async fn hash_what_is_there(&mut self, progress: impl Fn(u64)) -> Result<(), FetchError> {
        while self.at < self.resume.bytes {
            let missing = self.resume.bytes.saturating_sub(self.at);
            let len = usize::try_from(missing)
                .unwrap_or(usize::MAX)
                .min(self.pace.block);
            let read = self.sink.read(self.at, len).await.unwrap_or_default();
            if read.is_empty() {
                // What is remembered is not true, or cannot be read any longer.
                self.resume = Resume::new(self.resume.identity.clone());
                self.hash = Sha256::new();
                self.at = 0;
                return Ok(());
            }
            self.at = self.at.saturating_add(read.len() as u64);
            self.hash = hashed(core::mem::take(&mut self.hash), Arc::new(read))
                .await
                .map_err(FetchError::storage("hash the part"))?;
            progress(self.at);
        }
        Ok(())
    }

    async fn write(&mut self, block: Vec<u8>) -> Result<(), FetchError> {
        let block = Arc::new(block);
        let hash = hashed(core::mem::take(&mut self.hash), Arc::clone(&block));
        let (hash, written) = tokio::join!(hash, self.sink.write(self.at, &block));
        self.hash = hash.map_err(FetchError::storage("hash the part"))?;
        written.map_err(FetchError::storage("write the part"))?;
        self.at = self.at.saturating_add(block.len() as u64);
        Ok(())
    }

    async fn checkpoint(&mut self) -> Result<(), FetchError> {
        let refetched = self.tally.refetched();
        if self.resume.bytes == self.at && self.resume.refetched == refetched {
            return Ok(());
        }
        self.sink
            .sync()
            .await
            .map_err(FetchError::storage("make the part durable"))?;
        self.resume.bytes = self.at;
        self.resume.refetched = refetched;
        self.save().await
    }

    async fn start_again(&mut self) -> Result<(), FetchError> {
        self.hash = Sha256::new();
        self.at = 0;
        self.resume = Resume::new(self.resume.identity.clone());
        self.forget().await?;
        self.start().await
    }

    async fn start(&mut self) -> Result<(), FetchError> {
        self.sink
            .start(self.at)
            .await
            .map_err(FetchError::storage("prepare the part"))
    }

    /// What is remembered must not outlive the bytes that it speaks of.
    async fn forget(&self) -> Result<(), FetchError> {
        let (path, held) = (self.sink.resume_path().to_owned(), self.sink.hold());
        blocking(move || {
            resume::remove(&path)?;
            drop(held);
            Ok(())
        })
        .await
        .map_err(FetchError::storage("remove the resume file"))
    }

    async fn save(&self) -> Result<(), FetchError> {
        let (path, held) = (self.sink.resume_path().to_owned(), self.sink.hold());
        let resume = self.resume.clone();
        blocking(move || {
            resume.save(&path)?;
            drop(held);
            Ok(())
        })
        .await
        .map_err(FetchError::storage("write the resume file"))
    }
}

/// The digits of a digest.
pub(super) fn hex(bytes: &[u8; 32]) -> String {
    use core::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn hashed(mut hash: Sha256, block: Arc<Vec<u8>>) -> io::Result<Sha256> {
    blocking(move || {
        hash.update(&*block);
        Ok(hash)
    })
    .await
}
