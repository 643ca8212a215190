//! The one state of the service, shared by all its planes.

use std::sync::Arc;

use crate::clock::Clock;
use crate::device::Outlet;
use crate::model::Model;
use crate::model::document::Presign;
use crate::model::time::Timestamp;

/// The model behind a lock, with its clock and its way to the devices; clones share one model.
#[derive(Clone)]
pub struct Shared {}

impl Shared {
    /// Puts `model` under `clock`. Devices are told through `outlet`, which the broker is.
    pub fn new(
        _model: Model,
        _clock: Clock,
        _presign: Arc<dyn Presign>,
        _outlet: Arc<dyn Outlet>,
    ) -> Self {
        unimplemented!()
    }

    /// Applies `operation` at the present time, after the timers that are due, and tells the
    /// devices what it changed.
    pub fn with<T>(&self, _operation: impl FnOnce(&mut Model, Timestamp) -> T) -> T {
        unimplemented!()
    }

    /// The service's clock.
    pub fn clock(&self) -> &Clock {
        unimplemented!()
    }

    /// The maker of presigned URLs.
    pub fn presign(&self) -> &dyn Presign {
        unimplemented!()
    }

    /// Ends executions whose timers run out, for as long as it is polled.
    pub async fn run_timers(&self) {
        unimplemented!()
    }
}
