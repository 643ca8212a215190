//! Sends an object's content, and does to it what [`DownloadFault`] asks for.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::faults::DownloadFault;

const CHUNK_BYTES: u64 = 256 * 1024;
/// Chunks read ahead of the connection.
const CHUNKS_AHEAD: usize = 2;
/// How often a slowed download sends.
const PACE: Duration = Duration::from_millis(20);
/// How long a connection stays open before it is cut, so that what was sent leaves it first.
const CUT_DELAY: Duration = Duration::from_millis(100);

/// The body that sends `len` bytes of `file`, beginning at `first`.
pub(super) async fn body(
    mut file: File,
    first: u64,
    len: u64,
    fault: DownloadFault,
) -> io::Result<Body> {
    file.seek(io::SeekFrom::Start(first)).await?;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let download = Download {
        file,
        first,
        left: len,
        sent: 0,
        fault,
        sender,
    };
    drop(tokio::spawn(download.run()));
    Ok(Body::new(Chunks(receiver)))
}

struct Download {
    file: File,
    /// The offset of the first byte.
    first: u64,
    left: u64,
    sent: u64,
    fault: DownloadFault,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Download {
    /// Ends with the content, with its fault, or when the client has left.
    async fn run(mut self) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.left > 0 {
            if self
                .fault
                .close_after_bytes
                .is_some_and(|limit| self.sent >= limit)
            {
                return self.cut().await;
            }
            if self
                .fault
                .stall_after_bytes
                .is_some_and(|limit| self.sent >= limit)
            {
                return self.sender.closed().await;
            }
            if self.fault.bytes_per_second.is_some() {
                pace.tick().await;
            }
            let chunk = self.read().await;
            let failed = chunk.is_err();
            if self.sender.send(chunk).await.is_err() || failed {
                return;
            }
        }
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let len = self.chunk_len();
        let mut chunk = BytesMut::with_capacity(usize::try_from(len).unwrap_or_default());
        while (chunk.len() as u64) < len {
            let missing = len - chunk.len() as u64;
            if (&mut self.file).take(missing).read_buf(&mut chunk).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let corrupt = self.fault.corrupt_byte_at;
        let corrupt = corrupt.and_then(|at| at.checked_sub(self.first + self.sent));
        let corrupt = corrupt.and_then(|at| usize::try_from(at).ok());
        if let Some(byte) = corrupt.and_then(|at| chunk.get_mut(at)) {
            *byte = !*byte;
        }
        self.left -= len;
        self.sent += len;
        Ok(chunk.freeze())
    }

    fn chunk_len(&self) -> u64 {
        let per_tick = |rate: u64| (u128::from(rate) * PACE.as_millis() / 1000).max(1);
        let paced = self.fault.bytes_per_second.map_or(CHUNK_BYTES, |rate| {
            u64::try_from(per_tick(rate)).unwrap_or(u64::MAX)
        });
        let until =
            |limit: Option<u64>| limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.sent));
        [
            CHUNK_BYTES,
            paced,
            until(self.fault.close_after_bytes),
            until(self.fault.stall_after_bytes),
        ]
        .into_iter()
        .fold(self.left, u64::min)
    }

    async fn cut(self) {
        let mut delay = interval(CUT_DELAY);
        // The first tick comes at once.
        delay.tick().await;
        delay.tick().await;
        // The receiver may be gone already: then so is the connection.
        let _ = self
            .sender
            .send(Err(io::ErrorKind::ConnectionAborted.into()))
            .await;
    }
}

/// What a [`Download`] sends, as a body.
struct Chunks(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(context)
            .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
