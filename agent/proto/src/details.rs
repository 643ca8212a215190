//! Status details: the service's limits enforced on insert.

use heapless::Vec;

/// Most pairs that the service takes (AWS general reference, `iot_device_management` quotas).
pub const PAIRS_MAX: usize = 10;
/// Largest length of a key.
pub const KEY_LEN_MAX: usize = 128;
/// Most characters of a value.
pub const VALUE_CHARS_MAX: usize = 1024;

/// Why a pair is not taken.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DetailsError {
    /// The bytes set aside for details are used up.
    #[error("status details are full")]
    Full,
    /// The key breaks the service's pattern `[a-zA-Z0-9:_-]+` or its length.
    #[error("key is not 1 to 128 of [a-zA-Z0-9:_-]")]
    Key,
    /// There are ten pairs already.
    #[error("more than 10 pairs")]
    TooManyPairs,
}

/// Up to ten pairs in `BYTES` bytes.
///
/// Values are made to fit on insert, since one bad value makes the service refuse the whole update: control characters become
/// blanks, an empty value becomes `-`, a long one is cut at a character's edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusDetails<const BYTES: usize> {
    packed: Vec<u8, BYTES>,
}

impl<const BYTES: usize> StatusDetails<BYTES> {
    /// No pairs.
    pub const fn new() -> Self {
        Self { packed: Vec::new() }
    }

    /// Sets `key` to `value`, made to fit; replaces the value that the key had.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), DetailsError> {
        let _ = (key, value);
        todo!()
    }

    /// The value of `key`.
    pub fn value(&self, key: &str) -> Option<&str> {
        let _ = key;
        todo!()
    }

    /// The pairs, in the order of their first insert.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        core::iter::empty()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }
}
