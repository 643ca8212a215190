//! The checksums that S3 clients send with an object and check when they read it back.
//!
//! Facts: Amazon S3 user guide, "Checking object integrity".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

const HEADER_PREFIX: &str = "x-amz-checksum-";

const CRC32: [u64; 256] = table(0xEDB8_8320);
const CRC32C: [u64; 256] = table(0x82F6_3B78);
const CRC64NVME: [u64; 256] = table(0x9A6C_9329_AC4B_C9B5);

/// Which checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The header or trailer that carries it.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Reads a header's name, in lower case.
    pub(super) fn from_header(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.header() == name)
    }

    /// Reads the value of `x-amz-sdk-checksum-algorithm` or `x-amz-checksum-algorithm`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::from_header(&format!("{HEADER_PREFIX}{}", name.to_ascii_lowercase()))
    }
}

/// A checksum as S3 writes it: base64 of its big-endian bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    pub(super) value: String,
}

/// A checksum on its way: fed with what arrives.
#[derive(Debug, Clone)]
pub(super) enum Running {
    Crc { algorithm: Algorithm, state: u64 },
    Sha1(Box<Sha1>),
    Sha256(Box<Sha256>),
}

impl Running {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 | Algorithm::Crc32c => Self::Crc {
                algorithm,
                state: u64::from(u32::MAX),
            },
            Algorithm::Crc64Nvme => Self::Crc {
                algorithm,
                state: u64::MAX,
            },
            Algorithm::Sha256 => Self::Sha256(Box::default()),
            Algorithm::Sha1 => Self::Sha1(Box::default()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc {
                algorithm: Algorithm::Crc32c,
                state,
            } => *state = crc(&CRC32C, *state, bytes),
            Self::Crc {
                algorithm: Algorithm::Crc64Nvme,
                state,
            } => *state = crc(&CRC64NVME, *state, bytes),
            Self::Crc { state, .. } => *state = crc(&CRC32, *state, bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
        }
    }

    /// The value in base64.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc {
                algorithm: Algorithm::Crc64Nvme,
                state,
            } => BASE64.encode((!state).to_be_bytes()),
            Self::Crc { state, .. } => BASE64.encode((!(state as u32)).to_be_bytes()),
            Self::Sha1(hash) => BASE64.encode(hash.finalize()),
            Self::Sha256(hash) => BASE64.encode(hash.finalize()),
        }
    }
}

fn crc(table: &[u64; 256], state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| {
        let index = usize::from((state as u8) ^ byte);
        state >> 8 ^ table.get(index).copied().unwrap_or_default()
    })
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler; the index is below 256"
)]
const fn table(polynomial: u64) -> [u64; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                value >> 1 ^ polynomial
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut running = Running::new(algorithm);
        running.update(bytes);
        running.finish()
    }

    /// The check values of the catalogue of parametrised CRC algorithms, over `123456789`.
    #[test]
    fn each_crc_meets_its_published_check_value() {
        let check = |bytes: &[u8]| BASE64.encode(bytes);
        let text = b"123456789";
        assert_eq!(
            of(Algorithm::Crc32, text),
            check(&0xCBF4_3926_u32.to_be_bytes())
        );
        assert_eq!(
            of(Algorithm::Crc32c, text),
            check(&0xE306_9283_u32.to_be_bytes())
        );
        assert_eq!(
            of(Algorithm::Crc64Nvme, text),
            check(&0xAE8B_1486_0A79_9888_u64.to_be_bytes())
        );
    }

    /// The digests of nothing, as FIPS 180 gives them.
    #[test]
    fn each_hash_meets_its_published_value() {
        let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(of(Algorithm::Sha256, b""), empty);
        assert_eq!(of(Algorithm::Sha1, b""), "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    }

    #[test]
    fn names_of_headers_and_of_the_sdk_meet() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_header(algorithm.header()), Some(algorithm));
        }
        assert_eq!(
            Algorithm::from_name("CRC64NVME"),
            Some(Algorithm::Crc64Nvme)
        );
        assert_eq!(Algorithm::from_name("MD5"), None);
    }
}
