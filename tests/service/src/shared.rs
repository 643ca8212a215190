//! The one state of the service, shared by all its planes.
//!
//! Every operation runs under one lock: timers that are due are fired first, then the operation is
//! applied, then what changed is made durable if there is a [`Store`], then its caller is answered,
//! then the devices are told. So what a device hears is in the order in which it came about, and
//! nobody hears what a power cut could undo.
//!
//! A disk is slow to confirm. [`Shared::together`] has it confirm many operations at once: what they
//! say is held back until it did.
//!
//! A disk that fails once is not asked again: the memory is ahead of it, and whether the last commit
//! is on it is unknown. From there on nothing is answered and nobody is told anything; whoever runs
//! the service learns of it at [`Shared::failed`], ends it, and starts it on what the disk holds.

mod gate;

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::device::faults::DeviceFaults;
use crate::device::{self, Outlet, Post};
use crate::model::document::Presign;
use crate::model::time::Timestamp;
use crate::model::{Effect, Model};
use crate::store::Store;
use crate::throttle::{Kind, Rates, Throttle};

use gate::Gate;

/// The model behind a lock, with its clock and its way to the devices; clones share one model.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
    /// Of the handle of [`Shared::together`]: whether its work goes on, and becomes durable at its end.
    together: Option<Arc<AtomicBool>>,
}

/// The state cannot be kept: what was asked may be done or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the service cannot keep its state on disk")]
pub struct NotKept;

struct Inner {
    /// Locked before the model by whoever applies operations: one by one, or many together.
    turn: Mutex<()>,
    model: Mutex<Model>,
    /// Written under the model's lock.
    disk: Option<Disk>,
    clock: Clock,
    presign: Arc<dyn Presign>,
    /// What the post says goes through here.
    gate: Arc<Gate>,
    post: Post,
    /// Locked for a moment, and after the model if both are.
    faults: Mutex<DeviceFaults>,
    /// Locked for a moment, alone or after the model.
    throttle: Mutex<Throttle>,
    deadline_moved: Arc<Notify>,
    /// Grows with every operation that may have changed something.
    revision: watch::Sender<u64>,
}

/// What operations say together. Dropped, it goes out or never does, so that even a panic among them
/// does not hold back what others say.
struct Said<'a> {
    gate: &'a Gate,
    goes_on: &'a AtomicBool,
    is_true: bool,
}

impl Drop for Said<'_> {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
        self.gate.open(self.is_true);
    }
}

struct Disk {
    store: Arc<Store>,
    /// How often the clock had been moved when it was kept last.
    clock_moves: AtomicU64,
}

impl Shared {
    /// Puts `model` under `clock`. Devices are told through `outlet`, which the broker is.
    pub fn new(
        model: Model,
        clock: Clock,
        presign: Arc<dyn Presign>,
        outlet: Arc<dyn Outlet>,
    ) -> Self {
        Self::keeping(model, clock, presign, outlet, None)
    }

    /// Like [`Shared::new`], but keeps in `store` what changes of `model`, which must record it.
    pub fn keeping(
        model: Model,
        clock: Clock,
        presign: Arc<dyn Presign>,
        outlet: Arc<dyn Outlet>,
        store: Option<Arc<Store>>,
    ) -> Self {
        let disk = store.map(|store| Disk {
            store,
            clock_moves: AtomicU64::new(clock.moves()),
        });
        let deadline_moved = Arc::new(Notify::new());
        let gate = Arc::new(Gate::new(outlet));
        let way: Arc<dyn Outlet> = Arc::<Gate>::clone(&gate);
        let inner = Inner {
            turn: Mutex::default(),
            model: Mutex::new(model),
            disk,
            clock,
            presign,
            gate,
            post: Post::new(way, Arc::clone(&deadline_moved)),
            faults: Mutex::default(),
            throttle: Mutex::default(),
            deadline_moved,
            revision: watch::Sender::default(),
        };
        Self {
            inner: Arc::new(inner),
            together: None,
        }
    }

    /// Applies `operation` at the present time, after the timers that are due, and tells the
    /// devices what it changed.
    ///
    /// Once [`Shared::has_failed`], the result must not leave the service.
    pub fn with<T>(&self, operation: impl FnOnce(&mut Model, Timestamp) -> T) -> T {
        self.apply(operation, |result, _, _| result)
    }

    /// Like [`Shared::with`], but calls `answer` with the result before the devices are told.
    pub fn answering<T, R>(
        &self,
        operation: impl FnOnce(&mut Model, Timestamp) -> T,
        answer: impl FnOnce(Result<T, NotKept>, Timestamp) -> R,
    ) -> R {
        self.apply(operation, |result, kept, now| {
            answer(kept.map(|()| result), now)
        })
    }

    /// Does `work`, whose operations are made durable together at its end. What they say through the
    /// handle that it is given, to callers and devices, goes out then.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be made durable: then nothing of it goes out.
    pub fn together(&self, work: impl FnOnce(&Self)) -> Result<(), NotKept> {
        let inner = &*self.inner;
        if inner.disk.is_none() || self.is_together() {
            work(self);
            return Ok(());
        }
        let _turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
        inner.gate.shut();
        let goes_on = Arc::new(AtomicBool::new(true));
        let mut said = Said {
            gate: &inner.gate,
            goes_on: &goes_on,
            is_true: false,
        };
        work(&Self {
            inner: Arc::clone(&self.inner),
            together: Some(Arc::clone(&goes_on)),
        });
        let mut model = inner.model.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = inner.keep(&mut model);
        said.is_true = kept.is_ok();
        drop(said);
        kept
    }

    fn apply<T, R>(
        &self,
        operation: impl FnOnce(&mut Model, Timestamp) -> T,
        answer: impl FnOnce(T, Result<(), NotKept>, Timestamp) -> R,
    ) -> R {
        let inner = &*self.inner;
        let is_together = self.is_together();
        let turn = (!is_together).then_some(&inner.turn);
        let _turn = turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let mut model = inner.model.lock().unwrap_or_else(PoisonError::into_inner);
        let now = inner.clock.now();
        let first_due = model.next_deadline().map_or(now, |first| first.min(now));
        model.advance(now);
        let by_time = model.take_effects();

        let before = model.next_deadline();
        let result = operation(&mut model, now);
        let kept = if is_together {
            inner.check_disk()
        } else {
            inner.keep(&mut model)
        };
        let by_operation = model.take_effects();
        if kept.is_ok() {
            // What was held back until before the model's first deadline goes out before what comes of that.
            inner.post.release(first_due);
            inner.tell_devices(by_time, now);
            inner.post.release(now);
        }
        let answered = answer(result, kept, now);
        if kept.is_ok() {
            inner.tell_devices(by_operation, now);
        }
        if model.next_deadline() != before {
            inner.deadline_moved.notify_one();
        }
        inner.revision.send_modify(|revision| *revision += 1);
        answered
    }

    /// Keeps what the clock shows, before the service ends in an orderly way.
    pub fn keep_clock(&self) {
        let inner = &*self.inner;
        let _model = inner.model.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(disk) = &inner.disk {
            // Kept or not: it was kept with the last change as well.
            let _ = disk.store.commit(&[], inner.clock.stamp());
        }
    }

    /// Whether the state could not be kept: then nothing that the service says counts.
    pub fn has_failed(&self) -> bool {
        let disk = self.inner.disk.as_ref();
        disk.is_some_and(|disk| disk.store.has_failed())
    }

    /// Waits until the state cannot be kept.
    pub async fn failed(&self) {
        match &self.inner.disk {
            Some(disk) => disk.store.failed().await,
            None => core::future::pending().await,
        }
    }

    /// Looks at the model as it is. What became due a moment ago may not have happened yet.
    pub fn look<T>(&self, operation: impl FnOnce(&Model, Timestamp) -> T) -> T {
        let inner = &*self.inner;
        let model = inner.model.lock().unwrap_or_else(PoisonError::into_inner);
        operation(&model, inner.clock.now())
    }

    /// A number that grows whenever the model may have changed.
    pub fn revision(&self) -> watch::Receiver<u64> {
        self.inner.revision.subscribe()
    }

    /// The service's clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The maker of presigned URLs.
    pub fn presign(&self) -> &dyn Presign {
        &*self.inner.presign
    }

    fn is_together(&self) -> bool {
        let together = self.together.as_ref();
        together.is_some_and(|goes_on| goes_on.load(Ordering::Relaxed))
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

    /// How many requests a second are taken.
    pub fn rates(&self) -> Rates {
        self.inner.throttle().rates()
    }

    /// Sets how many requests a second are taken.
    pub fn set_rates(&self, rates: Rates) {
        self.inner.throttle().set_rates(rates);
    }

    /// Whether a request that arrives now is one of those that are taken.
    pub fn takes(&self, kind: Kind<'_>) -> bool {
        let now = self.inner.clock.now();
        self.inner.throttle().takes(kind, now)
    }

    /// Ends executions whose timers run out, and sends what is held back, for as long as it is polled
    /// and the state can be kept. One task does this.
    pub async fn run_timers(&self) {
        loop {
            let deadline = self.with(|model, _| model.next_deadline());
            if self.has_failed() {
                // What is due now is due for good.
                return;
            }
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
    /// Makes durable what changed of the model and of the clock, if it is to be kept.
    fn keep(&self, model: &mut Model) -> Result<(), NotKept> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        self.check_disk()?;
        let changes = model.take_changes().map_err(|error| {
            disk.store.fail(&error.into());
            NotKept
        })?;
        let moves = self.clock.moves();
        if changes.is_empty() && disk.clock_moves.load(Ordering::Relaxed) == moves {
            return Ok(());
        }
        let committed = disk.store.commit(&changes, self.clock.stamp());
        committed.map_err(|_| NotKept)?;
        disk.clock_moves.store(moves, Ordering::Relaxed);
        Ok(())
    }

    fn check_disk(&self) -> Result<(), NotKept> {
        match &self.disk {
            Some(disk) if disk.store.has_failed() => Err(NotKept),
            Some(_) | None => Ok(()),
        }
    }

    fn tell_devices(&self, effects: Vec<Effect>, now: Timestamp) {
        for effect in effects {
            let fault = self.faults().next_notification(&effect, now);
            device::tell(&self.post, &*self.presign, &effect, &fault, now);
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, DeviceFaults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
