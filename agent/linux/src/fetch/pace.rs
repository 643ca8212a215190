//! How patient a download is: every wait and every limit of it, in one place.

use core::time::Duration;

/// Bytes that are hashed and written at a time.
pub(crate) const BLOCK_LEN: usize = 256 * 1024;
/// Blocks that wait between the network and the disk.
pub(crate) const QUEUE_LEN: usize = 8;
/// Bytes after which what was written is made durable and remembered.
pub(crate) const CHECKPOINT_LEN: u64 = 4 * 1024 * 1024;
/// Most bytes that are fetched twice after the agent was killed: what was written since the last checkpoint, what waits in the
/// queue, the block that is being written and the one that is being filled.
pub(crate) const CHUNK_LEN: u64 = 8 * 1024 * 1024;
const _: () = assert!(CHECKPOINT_LEN + ((QUEUE_LEN + 2) * BLOCK_LEN) as u64 <= CHUNK_LEN);

/// Most redirects that are followed in a row.
pub(super) const REDIRECTS_MAX: u32 = 5;
/// Longest wait that a server may ask for with `Retry-After`.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// Waits and limits that a test shortens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Bytes that are hashed and written at a time.
    pub(crate) block: usize,
    /// Bytes after which what was written is made durable.
    pub(crate) checkpoint: u64,
    /// Until a connection is up, for each address of the host.
    pub(crate) connect: Duration,
    /// Without a byte, until the connection is given up.
    pub(crate) stall: Duration,
    /// The longest first wait after a lost link; doubled each time.
    pub(crate) backoff_first: Duration,
    /// The longest wait.
    pub(crate) backoff_most: Duration,
    /// Attempts in a row that bring not one new byte; with the waits above, about an hour without a link.
    pub(crate) attempts: u32,
    /// Attempts in a row that meet a certificate that is not trusted.
    pub(crate) certificate_attempts: u32,
    /// Answers in a row that look whole, have fewer bytes than promised, and bring not one new byte.
    pub(crate) short_answers: u32,
    /// URLs asked for in a row that bring not one new byte.
    pub(crate) renewals: u32,
}

impl Pace {
    /// The pace of a device in the field, with the configured stall time.
    pub(crate) const fn new(stall: Duration) -> Self {
        Self {
            block: BLOCK_LEN,
            checkpoint: CHECKPOINT_LEN,
            connect: Duration::from_secs(15),
            stall,
            backoff_first: Duration::from_millis(500),
            backoff_most: Duration::from_secs(60),
            attempts: 120,
            certificate_attempts: 3,
            short_answers: 3,
            renewals: 3,
        }
    }
}

/// Waits.
#[expect(
    clippy::disallowed_methods,
    reason = "a wait between two attempts is no event of the core"
)]
pub(super) async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
