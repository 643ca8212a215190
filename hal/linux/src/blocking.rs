//! Blocking work on tokio's blocking threads.

use std::io;

use tokio::task::{JoinHandle, spawn_blocking};

/// Runs `work` where it may block. For work that changes nothing: it goes on when the future is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

/// One piece of blocking work that changes something.
///
/// It cannot be stopped, so a future that is dropped while it waits must not let the next piece start beside it: the handle
/// stays here and whoever comes next waits for it first.
#[derive(Debug)]
pub(crate) struct Task<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Task<T> {
    /// No work.
    pub(crate) const fn idle() -> Self {
        Self(None)
    }

    /// Starts `work` once what was started before has ended; its result is dropped.
    pub(crate) async fn start(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        self.finish().await;
        self.0 = Some(spawn_blocking(work));
    }

    /// Waits for the work; `None` when there is none, an error when it panicked.
    pub(crate) async fn finish(&mut self) -> Option<io::Result<T>> {
        let ended = self.0.as_mut()?.await;
        self.0 = None;
        Some(ended.map_err(io::Error::other))
    }

    /// Runs `work` to its end.
    pub(crate) async fn run(&mut self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        self.start(work).await;
        match self.finish().await {
            Some(ended) => ended,
            None => Err(io::Error::other("the work was never started")),
        }
    }
}
