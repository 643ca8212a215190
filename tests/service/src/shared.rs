//! The one state of the service, shared by all its planes.
//!
//! Every operation runs under one lock: timers that are due are fired first, then the operation is
//! applied, then its caller is answered, then the devices are told what changed. So what a device
//! hears is in the order in which it came about.

use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::device::faults::DeviceFaults;
use crate::device::{self, Outlet, Post};
use crate::model::Model;
use crate::model::document::Presign;
use crate::model::time::Timestamp;

/// The model behind a lock, with its clock and its way to the devices; clones share one model.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    model: Mutex<Model>,
    clock: Clock,
    presign: Arc<dyn Presign>,
    post: Post,
    /// Locked for a moment, and after the model if both are.
    faults: Mutex<DeviceFaults>,
    deadline_moved: Arc<Notify>,
}

impl Shared {
    /// Puts `model` under `clock`. Devices are told through `outlet`, which the broker is.
    pub fn new(
        model: Model,
        clock: Clock,
        presign: Arc<dyn Presign>,
        outlet: Arc<dyn Outlet>,
    ) -> Self {
        let deadline_moved = Arc::new(Notify::new());
        let inner = Inner {
            model: Mutex::new(model),
            clock,
            presign,
            post: Post::new(outlet, Arc::clone(&deadline_moved)),
            faults: Mutex::default(),
            deadline_moved,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Applies `operation` at the present time, after the timers that are due, and tells the
    /// devices what it changed.
    pub fn with<T>(&self, operation: impl FnOnce(&mut Model, Timestamp) -> T) -> T {
        self.answering(operation, |result, _| result)
    }

    /// Like [`Shared::with`], but calls `answer` with the result before the devices are told.
    pub fn answering<T, R>(
        &self,
        operation: impl FnOnce(&mut Model, Timestamp) -> T,
        answer: impl FnOnce(T, Timestamp) -> R,
    ) -> R {
        let inner = &*self.inner;
        let mut model = inner.model.lock().unwrap_or_else(PoisonError::into_inner);
        let now = inner.clock.now();
        inner.catch_up(&mut model, now);

        let before = model.next_deadline();
        let result = operation(&mut model, now);
        let answered = answer(result, now);
        inner.tell_devices(&mut model, now);
        if model.next_deadline() != before {
            inner.deadline_moved.notify_one();
        }
        answered
    }

    /// The service's clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The maker of presigned URLs.
    pub fn presign(&self) -> &dyn Presign {
        &*self.inner.presign
    }

    /// The way to the devices.
    pub(crate) fn post(&self) -> &Post {
        &self.inner.post
    }

    /// Drops the messages to devices that faults hold back.
    pub fn forget_held(&self) {
        self.inner.post.forget();
    }

    /// Replaces the faults of the device plane. What they hold back stays so.
    pub fn set_faults(&self, faults: DeviceFaults) {
        *self.faults() = faults;
    }

    /// The faults of the device plane.
    pub(crate) fn faults(&self) -> MutexGuard<'_, DeviceFaults> {
        self.inner.faults()
    }

    /// Ends executions whose timers run out, and sends what is held back, for as long as it is polled.
    /// One task does this.
    pub async fn run_timers(&self) {
        loop {
            let deadline = self.with(|model, _| model.next_deadline());
            let due = self.inner.post.next_due();
            let deadline = deadline.into_iter().chain(due).min();
            match deadline.and_then(|deadline| self.inner.clock.until(deadline)) {
                // Whether the time is up or was changed, the model is asked again.
                Some(left) => drop(timeout(left, self.disturbed()).await),
                None => self.disturbed().await,
            }
        }
    }

    async fn disturbed(&self) {
        tokio::select! {
            () = self.inner.deadline_moved.notified() => {}
            () = self.inner.clock.stepped() => {}
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("clock", &self.inner.clock)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Does what became due up to `now`. What was held back until before the model's first deadline goes
    /// out before what comes of that.
    fn catch_up(&self, model: &mut Model, now: Timestamp) {
        let first = model.next_deadline().map_or(now, |first| first.min(now));
        self.post.release(first);
        model.advance(now);
        self.tell_devices(model, now);
        self.post.release(now);
    }

    fn tell_devices(&self, model: &mut Model, now: Timestamp) {
        for effect in model.take_effects() {
            let fault = self.faults().next_notification(&effect, now);
            device::tell(&self.post, &*self.presign, &effect, &fault, now);
        }
    }

    fn faults(&self) -> MutexGuard<'_, DeviceFaults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
