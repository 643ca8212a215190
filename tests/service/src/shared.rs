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
use crate::device::{self, Outlet};
use crate::model::Model;
use crate::model::document::Presign;
use crate::model::time::Timestamp;
use crate::throttle::{Kind, Rates, Throttle};

/// The model behind a lock, with its clock and its way to the devices; clones share one model.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    model: Mutex<Model>,
    clock: Clock,
    presign: Arc<dyn Presign>,
    outlet: Arc<dyn Outlet>,
    /// Locked for a moment, and after the model if both are.
    faults: Mutex<DeviceFaults>,
    /// Locked for a moment, alone or after the model.
    throttle: Mutex<Throttle>,
    deadline_moved: Notify,
}

impl Shared {
    /// Puts `model` under `clock`. Devices are told through `outlet`, which the broker is.
    pub fn new(
        model: Model,
        clock: Clock,
        presign: Arc<dyn Presign>,
        outlet: Arc<dyn Outlet>,
    ) -> Self {
        let inner = Inner {
            model: Mutex::new(model),
            clock,
            presign,
            outlet,
            faults: Mutex::default(),
            throttle: Mutex::default(),
            deadline_moved: Notify::new(),
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
        model.advance(now);
        inner.tell_devices(&mut model, now);

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
    pub fn outlet(&self) -> &dyn Outlet {
        &*self.inner.outlet
    }

    /// Replaces the faults of the device plane.
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

    /// Ends executions whose timers run out, for as long as it is polled. One task does this.
    pub async fn run_timers(&self) {
        loop {
            let deadline = self.with(|model, _| model.next_deadline());
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
    fn tell_devices(&self, model: &mut Model, now: Timestamp) {
        for effect in model.take_effects() {
            let fault = self.faults().next_notification(&effect);
            device::tell(&*self.outlet, &*self.presign, &effect, fault, now);
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, DeviceFaults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
