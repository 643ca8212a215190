//! Images to install: bytes that look random, told from each other by their seed.

use core::fmt::Write as _;

use sha2::{Digest, Sha256};

/// An image and its digest.
#[derive(Debug, Clone)]
pub struct Image {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256 in lower-case hex.
    pub sha256: String,
}

impl Image {
    /// Makes an image of `len` bytes.
    pub fn new(seed: u64, len: usize) -> Self {
        let mut state = seed | 1;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(len);
        let sha256 = digest(&bytes);
        Self { bytes, sha256 }
    }
}

/// The SHA-256 of some bytes in lower-case hex.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
