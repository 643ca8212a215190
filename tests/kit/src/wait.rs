//! Waits for something outside this process to become true.

use core::time::Duration;
use std::thread;
use std::time::Instant;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(10);

/// Asks `look` until it answers or `within` has passed.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that waits for other processes"
)]
pub fn wait_for<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if began.elapsed() > within {
            return None;
        }
        thread::sleep(EVERY);
    }
}

/// Measures how long things take outside this process.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "measures real processes")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
