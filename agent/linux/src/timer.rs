//! The one place that waits for time to pass.
//!
//! Everything else waits for an event, or for a moment that the core named.

use core::time::Duration;

/// Longest single wait: tokio's clock stands still while the device is suspended, the agent's does not, so long waits are cut
/// into pieces and the agent's clock is read in between.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);

/// Returns after `wait`, as tokio's clock counts it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that waits"
)]
pub(crate) async fn wait(wait: Duration) {
    tokio::time::sleep(wait).await;
}
