//! What goes wrong on purpose with the downloads of devices; see [`crate::faults`] for how faults are
//! chosen.
//!
//! A download is a GET through a presigned URL. Which thing makes it does not show, so its subject is
//! the object.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::presign::MAX_EXPIRES;
use crate::faults::{Chance, Fault, FaultError, Occasion, Plan, Seconds, check_time, is_of};
use crate::model::time::Timestamp;

const DOWNLOAD: &str = "download";

/// The faults to come. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// What befalls downloads.
    pub downloads: Plan<DownloadFault>,
    /// Whether presigned URLs are issued expired.
    pub urls_expire_at_once: bool,
    /// How long presigned URLs live at most.
    pub urls_expire_after: Option<Seconds>,
}

/// What befalls one download. Members add up: a slow download may end early, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DownloadFault {
    /// The only object that this is for: `BUCKET/KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// How likely this is, where it stands; certain unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
    /// Answer with this status (400–599) instead of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Say with the status when to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// Close the connection after this many bytes of content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_after_bytes: Option<u64>,
    /// Send nothing more after this many bytes, and leave the connection open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_after_bytes: Option<u64>,
    /// End the answer after this many bytes as if that was all: its `Content-Length` says so. The
    /// `Content-Range` of a part still names what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate_after_bytes: Option<u64>,
    /// Invert the byte of the object at this offset, where it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrupt_byte_at: Option<u64>,
    /// Send no faster than this, by the machine's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

impl Faults {
    /// The faults of this plan, with URLs that live as long as they should.
    ///
    /// # Errors
    ///
    /// Fails if URLs were to live for no time, or longer than any does.
    pub fn new(
        downloads: Plan<DownloadFault>,
        urls_expire_at_once: bool,
        urls_expire_after: Option<Seconds>,
    ) -> Result<Self, FaultError> {
        check_time("urlsExpireAfterSeconds", urls_expire_after, 1, MAX_EXPIRES)?;
        Ok(Self {
            downloads,
            urls_expire_at_once,
            urls_expire_after,
        })
    }

    /// Takes the fault of the download that begins.
    pub(super) fn next_download(
        &mut self,
        bucket: &str,
        key: &str,
        now: Timestamp,
    ) -> DownloadFault {
        let occasion = Occasion {
            subject: &format!("{bucket}/{key}"),
            kind: DOWNLOAD,
            namespace: None,
        };
        self.downloads.take(&occasion, now)
    }

    /// How long a URL lives that was to live for `expires`.
    pub(super) fn life(&self, expires: Duration) -> Duration {
        let longest = self.urls_expire_after.map(Seconds::get);
        longest.map_or(expires, |longest| longest.min(expires))
    }
}

impl Fault for DownloadFault {
    const PLANE: &'static str = "Downloads";

    fn is_for(&self, occasion: &Occasion<'_>) -> bool {
        is_of(self.object.as_ref(), occasion)
    }

    fn chance(&self) -> Option<Chance> {
        self.chance
    }

    fn check(&self) -> Result<(), FaultError> {
        if self.bytes_per_second == Some(0) {
            return Err(FaultError::NoSpeed);
        }
        if let Some(status) = self.status.filter(|status| !(400..600).contains(status)) {
            return Err(FaultError::NoErrorStatus { status });
        }
        if self.retry_after_seconds.is_some() && self.status.is_none() {
            return Err(FaultError::NoStatus);
        }
        match &self.object {
            Some(object) if !is_object(object) => {
                let object = object.clone();
                Err(FaultError::NotAnObject { object })
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn is_object(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn refused(json: &str) -> FaultError {
        let fault: DownloadFault = serde_json::from_str(json).unwrap();
        Plan::new(VecDeque::new(), vec![fault], 0).unwrap_err()
    }

    #[test]
    fn a_fault_of_one_object_waits_for_its_download() {
        let fault: DownloadFault =
            serde_json::from_str(r#"{"object":"firmware/a/b","status":503}"#).unwrap();
        let downloads = Plan::new([fault].into(), Vec::new(), 0).unwrap();
        let mut faults = Faults::new(downloads, false, None).unwrap();
        assert_eq!(faults.next_download("firmware", "a", NOW).status, None);
        assert_eq!(
            faults.next_download("firmware", "a/b", NOW).status,
            Some(503)
        );
        assert_eq!(faults.next_download("firmware", "a/b", NOW).status, None);
    }

    #[test]
    fn faults_without_meaning_are_refused() {
        assert_eq!(refused(r#"{"bytesPerSecond":0}"#), FaultError::NoSpeed);
        let status = refused(r#"{"status":200}"#);
        assert_eq!(status, FaultError::NoErrorStatus { status: 200 });
        let retry = refused(r#"{"retryAfterSeconds":5}"#);
        assert_eq!(retry, FaultError::NoStatus);
        for object in ["firmware", "/a", "firmware/"] {
            let refused = refused(&format!(r#"{{"object":"{object}"}}"#));
            let object = object.to_owned();
            assert_eq!(refused, FaultError::NotAnObject { object });
        }
    }

    #[test]
    fn urls_live_for_a_second_at_least_and_a_week_at_most() {
        let life = |seconds: f64| {
            let seconds = Seconds::try_from(seconds).unwrap();
            Faults::new(Plan::default(), false, Some(seconds)).is_ok()
        };
        assert!(life(1.0) && life(604_800.0));
        assert!(!life(0.5) && !life(604_801.0));
    }
}
