//! What goes wrong on purpose with the downloads of devices, so that a test can count on it.
//!
//! Driven by `POST /_local/faults`; see [`crate::api`].

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const MAX_NEXT_DOWNLOADS: usize = 64;

/// The faults to come. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Faults {
    /// One fault for each of the next downloads through a presigned URL, in their order.
    pub next_downloads: VecDeque<DownloadFault>,
    /// What befalls each later download.
    pub all_downloads: DownloadFault,
    /// Whether presigned URLs are issued expired.
    pub urls_expire_at_once: bool,
}

/// What befalls one download. Members add up: a slow download may end early, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DownloadFault {
    /// Answer with this status (400–599) instead of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Close the connection after this many bytes of content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_after_bytes: Option<u64>,
    /// Send nothing more after this many bytes, and leave the connection open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_after_bytes: Option<u64>,
    /// Send no faster than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

/// Why faults are refused.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// A status that is no error.
    #[error("status {status} is not between 400 and 599")]
    NoErrorStatus {
        /// The status that was asked for.
        status: u16,
    },
    /// A download that would never send a byte is a stall.
    #[error("bytesPerSecond is 0: use stallAfterBytes")]
    NoSpeed,
    /// More downloads planned than are kept.
    #[error("more than {MAX_NEXT_DOWNLOADS} entries in nextDownloads")]
    TooManyDownloads,
}

impl Faults {
    /// Checks the limits that JSON cannot express.
    pub fn checked(self) -> Result<Self, FaultError> {
        if self.next_downloads.len() > MAX_NEXT_DOWNLOADS {
            return Err(FaultError::TooManyDownloads);
        }
        for fault in self.next_downloads.iter().chain([&self.all_downloads]) {
            if fault.bytes_per_second == Some(0) {
                return Err(FaultError::NoSpeed);
            }
            if let Some(status) = fault.status.filter(|status| !(400..600).contains(status)) {
                return Err(FaultError::NoErrorStatus { status });
            }
        }
        Ok(self)
    }

    /// Takes the fault of the download that begins.
    pub(super) fn next_download(&mut self) -> DownloadFault {
        self.next_downloads
            .pop_front()
            .unwrap_or(self.all_downloads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Faults {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn each_next_download_has_its_own_fault_and_the_later_ones_share_one() {
        let mut faults = parse(
            r#"{"nextDownloads":[{"closeAfterBytes":5},{"status":503}],"allDownloads":{"bytesPerSecond":9}}"#,
        );
        assert_eq!(faults.next_download().close_after_bytes, Some(5));
        assert_eq!(faults.next_download().status, Some(503));
        assert_eq!(faults.next_download().bytes_per_second, Some(9));
        assert_eq!(faults.next_download().bytes_per_second, Some(9));
    }

    #[test]
    fn faults_without_meaning_are_refused() {
        let check = |json| parse(json).checked().map(|_| ());
        assert_eq!(
            check(r#"{"allDownloads":{"bytesPerSecond":0}}"#),
            Err(FaultError::NoSpeed)
        );
        let status = check(r#"{"nextDownloads":[{"status":200}]}"#);
        assert_eq!(status, Err(FaultError::NoErrorStatus { status: 200 }));
        let many = format!(
            r#"{{"nextDownloads":[{}]}}"#,
            vec!["{}"; MAX_NEXT_DOWNLOADS + 1].join(",")
        );
        assert_eq!(check(&many), Err(FaultError::TooManyDownloads));
    }
}
