//! The artifact store: buckets and objects as boto3 and the AWS CLI make them through S3's API
//! (path style), and as devices download them through presigned URLs.
//!
//! Header signatures are not verified, as the service stands for one local account; presigned
//! queries are, against the service's clock (see `presign.rs`). Content is streamed both ways, and
//! kept in files. ETags are made from SHA-256, not MD5. A bucket keeps the versions of its objects on
//! request.

mod checksum;
mod chunked;
mod copy;
mod date;
mod delete;
mod download;
mod error;
mod faults;
mod list;
mod multipart;
mod object;
mod presign;
mod presign_v2;
mod range;
mod reply;
mod routes;
mod store;
mod upload;
mod versioning;
mod versions;
mod xml;

#[cfg(test)]
mod tests;

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncReadExt as _;

use crate::model::document::{Access, ObjectLocation, Presign};
use crate::model::request::SourceError;
use crate::model::time::Timestamp;

pub use error::S3Error;
pub use faults::{DownloadFault, FaultError, Faults};
pub use presign::{ACCESS_KEY, PresignError, PresignedUrl, SECRET_KEY, is_presigned};
pub use store::{MAX_OBJECT_BYTES, MAX_STORED_BYTES};

/// A handle to the artifact store; clones share one store.
#[derive(Clone)]
pub struct Artifacts {
    inner: Arc<Inner>,
}

struct Inner {
    store: store::Store,
    faults: Mutex<Faults>,
    /// How many URLs were issued.
    issued: AtomicU64,
    origin: String,
    region: String,
}

impl Artifacts {
    /// Keeps objects in `directory`, which is emptied, and issues URLs below `origin`, the
    /// `https://HOST:PORT` where devices reach the service.
    ///
    /// # Errors
    ///
    /// Fails if the directory cannot be made or emptied.
    pub fn open(directory: &Path, origin: &str, region: &str) -> io::Result<Self> {
        let store = store::Store::open(directory)?;
        let inner = Inner {
            store,
            faults: Mutex::default(),
            issued: AtomicU64::default(),
            origin: origin.to_owned(),
            region: region.to_owned(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Forgets every bucket and every fault.
    pub fn reset(&self) {
        self.inner.store.clear();
        self.set_faults(Faults::default());
    }

    /// The faults to come.
    pub fn faults(&self) -> Faults {
        self.inner.faults().clone()
    }

    /// Replaces the faults to come.
    pub fn set_faults(&self, faults: Faults) {
        *self.inner.faults() = faults;
    }

    /// Issues a URL that reads or writes one object for `expires` from `now` on. No two are equal.
    pub fn presign(
        &self,
        access: Access<'_>,
        bucket: &str,
        key: &str,
        expires: Duration,
        now: Timestamp,
    ) -> PresignedUrl {
        let expires = expires.as_secs().clamp(1, presign::MAX_EXPIRES);
        let overdue = if self.inner.faults().urls_expire_at_once {
            expires
        } else {
            0
        };
        let signed_at = now.as_secs().saturating_sub(overdue);
        let (method, version) = match access {
            Access::Read => ("GET", None),
            Access::ReadVersion(version) => ("GET", Some(version)),
            Access::Write => ("PUT", None),
        };
        presign::presign(
            method,
            &self.inner.origin,
            &self.inner.region,
            presign::Resource {
                bucket,
                key,
                version,
            },
            presign::Issue {
                number: self.inner.issued.fetch_add(1, Ordering::Relaxed),
                expires,
                now: signed_at,
            },
        )
    }

    /// Reads an object of at most `limit` bytes; a larger one is cut there.
    ///
    /// # Errors
    ///
    /// Fails if there is no such bucket or object, or its file cannot be read.
    pub async fn read(
        &self,
        location: &ObjectLocation,
        limit: u64,
    ) -> Result<Vec<u8>, SourceError> {
        let found = self.inner.store.find(&location.bucket, &location.key, None);
        let (object, _) = found.map_err(|error| {
            let no_bucket = matches!(error, S3Error::NoSuchBucket);
            if no_bucket {
                SourceError::BucketNotFound
            } else {
                SourceError::ObjectNotFound
            }
        })?;
        let read = async {
            let mut content = Vec::new();
            object
                .content
                .open()
                .await?
                .take(limit)
                .read_to_end(&mut content)
                .await?;
            io::Result::Ok(content)
        };
        read.await.map_err(|error| {
            tracing::error!(%error, "could not read an object");
            SourceError::ObjectNotFound
        })
    }
}

impl Presign for Artifacts {
    fn presign(
        &self,
        access: Access<'_>,
        bucket: &str,
        key: &str,
        expires: Duration,
        now: Timestamp,
    ) -> String {
        Self::presign(self, access, bucket, key, expires, now)
            .reveal()
            .to_owned()
    }
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifacts")
            .field("origin", &self.inner.origin)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
