//! How far the devices are, counted while they run.

use core::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// What a device reaches, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It was let in.
    Connected,
    /// It has subscribed and knows that nothing is to be done.
    Ready,
    /// It knows of its job.
    Notified,
    /// The service has taken its success.
    Succeeded,
    /// It knows that nothing is left.
    Through,
}

/// How many devices have reached each mark, and how many never will.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    reached: [AtomicUsize; 5],
    failed: AtomicUsize,
    changed: Notify,
}

impl Progress {
    /// One more device has reached `mark`.
    pub(crate) fn reach(&self, mark: Mark) {
        if let Some(count) = self.reached.get(mark as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.changed.notify_one();
    }

    /// One more device has ended early.
    pub(crate) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// How many devices have reached `mark`.
    pub(crate) fn reached(&self, mark: Mark) -> usize {
        let count = self.reached.get(mark as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How many devices have ended early.
    pub(crate) fn failed(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }

    /// Grows with every change.
    pub(crate) fn sum(&self) -> usize {
        let reached = self.reached.iter();
        let sum: usize = reached.map(|count| count.load(Ordering::Relaxed)).sum();
        sum + self.failed()
    }

    /// Waits for the next change. One task does this.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
