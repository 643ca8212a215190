//! What survives a restart: versioned, checksummed bytes.

/// Why bytes are not a record, or a record does not fit.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The buffer is too small.
    #[error("record of {needed} bytes does not fit into {given}")]
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The checksum does not match: the bytes are damaged.
    #[error("record is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("record version {0} is not known")]
    Version(u8),
}
