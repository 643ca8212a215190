//! A stream that gives up writing to who takes nothing.
//!
//! Only a write that waits counts: a stream may have nothing to write for as long as it likes, and a
//! client may take what there is as slowly as it likes, if it takes something in every such time.

use core::future::{Future as _, Pending, pending};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Timeout, timeout};

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] once nothing was taken for too long.
pub(super) struct WriteTimeout<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    waits: Option<Pin<Box<Timeout<Pending<()>>>>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            waits: None,
        }
    }

    /// What becomes of a write that came so far.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let patience = self.patience;
        let waits = self.waits.get_or_insert_with(|| {
            // An inner future that never ends leaves the time alone to count.
            Box::pin(timeout(patience, pending()))
        });
        waits
            .as_mut()
            .poll(context)
            .map(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, shut)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{Instant, advance};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const MOMENT: Duration = Duration::from_millis(1);

    /// The two ends of a line that holds four bytes.
    fn line() -> (WriteTimeout<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(4);
        (WriteTimeout::new(near, PATIENCE), far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_of_which_nothing_is_taken_fails_in_time() {
        let (mut near, _far) = line();
        let start = Instant::now();
        let failed = near.write_all(b"too long").await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        let took = start.elapsed();
        assert!(took >= PATIENCE && took <= PATIENCE + MOMENT, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_taken_byte_by_byte_goes_on() {
        let (mut near, mut far) = line();
        let slow = async {
            let mut read = Vec::new();
            for _ in 0..8 {
                advance(PATIENCE - MOMENT).await;
                read.push(far.read_u8().await.unwrap());
            }
            read
        };
        let (written, read) = tokio::join!(near.write_all(b"too long"), slow);
        written.unwrap();
        assert_eq!(read, b"too long");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_anything_to_write_waits_for_ever() {
        let (mut near, mut far) = line();
        for _ in 0..2 {
            near.write_all(b"tick").await.unwrap();
            far.read_exact(&mut [0; 4]).await.unwrap();
            advance(10 * PATIENCE).await;
        }
    }
}
