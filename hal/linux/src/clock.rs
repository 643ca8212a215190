//! The monotonic clock and the id of this boot.
//!
//! `CLOCK_BOOTTIME` counts through suspend and is never set, so that a device without a battery-backed clock still measures
//! time. A reboot is told by the boot id, never by a time of day.

use core::time::Duration;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use iot_jobs_hal::Clock;
use rustix::time::{ClockId, clock_gettime};

/// Where the kernel says its boot id (`proc(5)`).
pub const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// Longest text of a boot id: 32 digits, four hyphens, a line end and some room.
const BOOT_ID_TEXT_LEN_MAX: usize = 64;
const BOOT_ID_DIGITS: usize = 32;

/// `CLOCK_BOOTTIME`, and the boot that it counts from.
#[derive(Debug, Clone, Copy)]
pub struct BootClock {
    boot: u128,
}

impl BootClock {
    /// Reads the boot id from `file`: [`BOOT_ID_FILE`], or one of their own for tests and containers, which share the kernel's.
    pub fn open(file: &Path) -> Result<Self, ClockError> {
        let mut text = String::new();
        File::open(file)
            .and_then(|opened| {
                let limit = u64::try_from(BOOT_ID_TEXT_LEN_MAX).unwrap_or(u64::MAX);
                opened.take(limit).read_to_string(&mut text)
            })
            .map_err(|cause| ClockError::Unreadable {
                path: file.to_owned(),
                cause,
            })?;

        let boot = parse_boot_id(text.trim()).ok_or_else(|| ClockError::NotABootId {
            path: file.to_owned(),
        })?;
        Ok(Self { boot })
    }
}

impl Clock for BootClock {
    fn now_millis(&self) -> u64 {
        let now = clock_gettime(ClockId::Boottime);
        let since_boot = Duration::try_from(now).unwrap_or_default();
        u64::try_from(since_boot.as_millis()).unwrap_or(u64::MAX)
    }

    fn boot(&self) -> u128 {
        self.boot
    }
}

/// Why there is no boot id.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The file holds something else.
    #[error("{path} holds no boot id: 32 hexadecimal digits, with or without hyphens", path = path.display())]
    NotABootId {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the boot id from {path}: {cause}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
}

fn parse_boot_id(text: &str) -> Option<u128> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != BOOT_ID_DIGITS || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_boot_id_is_read() {
        let clock = BootClock::open(Path::new(BOOT_ID_FILE)).unwrap();
        assert_ne!(clock.boot(), 0);
    }

    #[test]
    fn a_boot_id_is_a_uuid_with_or_without_hyphens() {
        let expected = Some(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(
            parse_boot_id("01234567-89ab-cdef-0123-456789ABCDEF"),
            expected
        );
        assert_eq!(parse_boot_id("0123456789abcdef0123456789abcdef"), expected);
    }

    #[test]
    fn anything_but_32_digits_is_no_boot_id() {
        for text in [
            "",
            "0",
            "+123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef0",
        ] {
            assert_eq!(parse_boot_id(text), None, "{text}");
        }
    }

    #[test]
    fn a_missing_boot_id_names_its_file() {
        let error = BootClock::open(Path::new("/nonexistent/boot_id")).unwrap_err();
        assert!(matches!(error, ClockError::Unreadable { .. }));
        assert!(error.to_string().contains("/nonexistent/boot_id"));
    }

    #[test]
    fn the_clock_never_goes_back() {
        let clock = BootClock { boot: 1 };
        let first = clock.now_millis();
        assert!(first > 0);
        assert!(clock.now_millis() >= first);
    }
}
