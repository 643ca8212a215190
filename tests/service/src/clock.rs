//! The service's clock: the wall's, or one that tests step. The only place that reads the
//! system's time.

use core::time::Duration;

use crate::model::time::Timestamp;

/// A clock; clones share one clock.
#[derive(Debug, Clone)]
pub struct Clock {}

impl Clock {
    /// A clock that runs with the system's.
    pub fn wall() -> Self {
        unimplemented!()
    }

    /// A clock that stands at `at` until it is advanced.
    pub fn frozen(_at: Timestamp) -> Self {
        unimplemented!()
    }

    /// The service's time.
    pub fn now(&self) -> Timestamp {
        unimplemented!()
    }

    /// Steps the clock forward; whether it runs or stands stays as it is.
    pub fn advance(&self, _by: Duration) {
        unimplemented!()
    }

    /// Stops the clock where it is.
    pub fn freeze(&self) {
        unimplemented!()
    }

    /// Lets the clock run on from where it stands.
    pub fn resume(&self) {
        unimplemented!()
    }
}
