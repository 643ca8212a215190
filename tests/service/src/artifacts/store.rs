//! Buckets and their objects: an index in memory, the content in one file per object.
//!
//! Nothing survives the service: the index is lost with it, and the files are of no use without.
//! A file is deleted when the last reader of its object is done.

mod objects;

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::checksum::{Checksum, Running};
use super::error::S3Error;
use super::presign::hex;
use super::versions::{History, Versioning};

/// The largest object.
pub const MAX_OBJECT_BYTES: u64 = 4 << 30;
/// The most that all objects hold together.
pub const MAX_STORED_BYTES: u64 = 16 << 30;

const MAX_BUCKETS: usize = 100;
pub(super) const MAX_UPLOADS: usize = 100;
const MAX_PARTS: usize = 10_000;
const COPY_BYTES: usize = 256 * 1024;

/// An object, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) content: Arc<Content>,
    /// In quotes, as in the header. Its digits come from the SHA-256 of the content.
    pub(super) etag: String,
    pub(super) modified: u64,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) checksum: Option<Checksum>,
}

/// A file of the store; gone with its last owner.
#[derive(Debug)]
pub(super) struct Content {
    path: PathBuf,
    pub(super) size: u64,
    stored: Arc<AtomicU64>,
}

impl Content {
    pub(super) async fn open(&self) -> io::Result<File> {
        File::open(&self.path).await
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.stored.fetch_sub(self.size, Ordering::Relaxed);
        // What cannot be removed goes with the directory.
        let _ = fs::remove_file(&self.path);
    }
}

/// Objects that arrive in parts.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) parts: BTreeMap<u16, Object>,
}

#[derive(Debug, Default)]
struct Bucket {
    created: u64,
    versioning: Versioning,
    /// By key; none of them is empty.
    objects: BTreeMap<String, History>,
}

#[derive(Debug, Default)]
struct Index {
    buckets: BTreeMap<String, Bucket>,
    uploads: BTreeMap<String, Upload>,
    /// The ids of the uploads, the oldest first.
    begun: VecDeque<String>,
}

/// Every bucket of the service.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    next_file: AtomicU64,
    stored: Arc<AtomicU64>,
    index: Mutex<Index>,
}

impl Store {
    /// Keeps objects in `directory`, which is emptied.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => fs::create_dir_all(directory)?,
        }
        Ok(Self {
            directory: directory.to_owned(),
            next_file: AtomicU64::new(0),
            stored: Arc::default(),
            index: Mutex::default(),
        })
    }

    /// Forgets every bucket.
    pub(super) fn clear(&self) {
        *self.index() = Index::default();
    }

    pub(super) fn create_bucket(&self, name: &str, now: u64) -> Result<(), S3Error> {
        if !is_bucket_name(name) {
            return Err(S3Error::InvalidBucketName);
        }
        let mut index = self.index();
        if index.buckets.contains_key(name) {
            return Err(S3Error::BucketAlreadyOwnedByYou);
        }
        if index.buckets.len() == MAX_BUCKETS {
            return Err(S3Error::TooManyBuckets);
        }
        index.buckets.insert(
            name.to_owned(),
            Bucket {
                created: now,
                ..Bucket::default()
            },
        );
        Ok(())
    }

    pub(super) fn delete_bucket(&self, name: &str) -> Result<(), S3Error> {
        let mut index = self.index();
        let bucket = index.buckets.get(name).ok_or(S3Error::NoSuchBucket)?;
        if !bucket.objects.is_empty() {
            return Err(S3Error::BucketNotEmpty);
        }
        index.buckets.remove(name);
        let Index { uploads, begun, .. } = &mut *index;
        uploads.retain(|_, upload| upload.bucket != name);
        begun.retain(|id| uploads.contains_key(id));
        Ok(())
    }

    /// Names and moments of creation.
    pub(super) fn buckets(&self) -> Vec<(String, u64)> {
        let index = self.index();
        index
            .buckets
            .iter()
            .map(|(name, bucket)| (name.clone(), bucket.created))
            .collect()
    }

    pub(super) fn check_bucket(&self, name: &str) -> Result<(), S3Error> {
        self.index()
            .buckets
            .get(name)
            .map(|_| ())
            .ok_or(S3Error::NoSuchBucket)
    }

    pub(super) fn begin_upload(&self, id: String, upload: Upload) -> Result<(), S3Error> {
        self.check_key(&upload.bucket, &upload.key)?;
        let mut index = self.index();
        // Who abandons an upload does not say so: the oldest one makes room.
        if index.uploads.len() == MAX_UPLOADS
            && let Some(oldest) = index.begun.pop_front()
        {
            index.uploads.remove(&oldest);
        }
        index.begun.push_back(id.clone());
        index.uploads.insert(id, upload);
        Ok(())
    }

    pub(super) fn upload(&self, id: &str, bucket: &str, key: &str) -> Result<Upload, S3Error> {
        let index = self.index();
        let upload = index
            .uploads
            .get(id)
            .filter(|upload| upload.bucket == bucket && upload.key == key);
        upload.cloned().ok_or(S3Error::NoSuchUpload)
    }

    pub(super) fn check_upload(&self, id: &str, bucket: &str, key: &str) -> Result<(), S3Error> {
        let index = self.index();
        let upload = index
            .uploads
            .get(id)
            .filter(|upload| upload.bucket == bucket && upload.key == key);
        upload.map(|_| ()).ok_or(S3Error::NoSuchUpload)
    }

    pub(super) fn put_part(&self, id: &str, number: u16, part: Object) -> Result<(), S3Error> {
        let mut index = self.index();
        let upload = index.uploads.get_mut(id).ok_or(S3Error::NoSuchUpload)?;
        if upload.parts.len() == MAX_PARTS {
            return Err(S3Error::TooMany {
                what: "parts",
                limit: MAX_PARTS,
            });
        }
        upload.parts.insert(number, part);
        Ok(())
    }

    pub(super) fn end_upload(&self, id: &str) {
        let mut index = self.index();
        index.uploads.remove(id);
        index.begun.retain(|begun| begun != id);
    }

    /// Begins the content of an object.
    pub(super) async fn write(&self, checksum: Option<Running>) -> Result<Writing, S3Error> {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("{number:08}"));
        let file = File::create_new(&path).await?;
        let content = Content {
            path,
            size: 0,
            stored: Arc::clone(&self.stored),
        };
        Ok(Writing {
            file,
            content,
            sha256: Sha256::new(),
            checksum,
        })
    }

    /// Copies parts into one content.
    pub(super) async fn join(&self, parts: &[&Object]) -> Result<Written, S3Error> {
        let mut writing = self.write(None).await?;
        let mut buffer = vec![0; COPY_BYTES];
        for part in parts {
            let mut file = part.content.open().await?;
            loop {
                let read = file.read(&mut buffer).await?;
                match buffer.get(..read) {
                    Some(bytes) if !bytes.is_empty() => writing.write(bytes).await?,
                    Some(_) | None => break,
                }
            }
        }
        writing.finish().await
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Content on its way into the store. Dropped before [`Writing::finish`], it leaves nothing.
#[derive(Debug)]
pub(super) struct Writing {
    file: File,
    content: Content,
    sha256: Sha256,
    checksum: Option<Running>,
}

/// Content that is in the store.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) content: Arc<Content>,
    /// In quotes.
    pub(super) etag: String,
    /// Hexadecimal digits.
    pub(super) sha256: String,
    /// The checksum that was asked for.
    pub(super) checksum: Option<String>,
}

impl Writing {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), S3Error> {
        let len = bytes.len() as u64;
        self.content.stored.fetch_add(len, Ordering::Relaxed);
        self.content.size += len;
        if self.content.size > MAX_OBJECT_BYTES {
            return Err(S3Error::EntityTooLarge {
                limit: MAX_OBJECT_BYTES,
            });
        }
        if self.content.stored.load(Ordering::Relaxed) > MAX_STORED_BYTES {
            return Err(S3Error::EntityTooLarge {
                limit: MAX_STORED_BYTES,
            });
        }
        self.sha256.update(bytes);
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
        self.file.write_all(bytes).await?;
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Written, S3Error> {
        self.file.flush().await?;
        let sha256 = hex(&self.sha256.finalize());
        let etag = format!("\"{}\"", sha256.get(..32).unwrap_or_default());
        let checksum = self.checksum.map(Running::finish);
        Ok(Written {
            content: Arc::new(self.content),
            etag,
            sha256,
            checksum,
        })
    }
}

/// Amazon S3 user guide, "General purpose bucket naming rules".
fn is_bucket_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let inner = |byte: u8| edge(Some(byte)) || byte == b'.' || byte == b'-';
    (3..=63).contains(&name.len())
        && edge(name.bytes().next())
        && edge(name.bytes().next_back())
        && name.bytes().all(inner)
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        for name in ["abc", "a.b-c", "0123456789"] {
            assert!(is_bucket_name(name), "{name}");
        }
        for name in [
            "ab",
            "Abc",
            "-abc",
            "abc.",
            "a..b",
            "a_b",
            "a/b",
            "..",
            &"a".repeat(64),
        ] {
            assert!(!is_bucket_name(name), "{name}");
        }
    }

    #[tokio::test]
    async fn a_file_is_gone_with_the_last_reader_of_its_object() {
        let directory = tempfile::tempdir().unwrap();
        let files = || {
            fs::read_dir(directory.path().join("objects"))
                .unwrap()
                .count()
        };
        let store = Store::open(&directory.path().join("objects")).unwrap();
        store.create_bucket("bucket", 0).unwrap();
        let mut writing = store.write(None).await.unwrap();
        writing.write(b"content").await.unwrap();
        let written = writing.finish().await.unwrap();
        let object = Object {
            content: written.content,
            etag: written.etag,
            modified: 0,
            headers: Vec::new(),
            checksum: None,
        };
        store.put("bucket", "key", object).unwrap();

        let reader = store.find("bucket", "key", None).unwrap();
        store.delete("bucket", "key", None, 0).unwrap();
        assert_eq!(files(), 1);
        drop(reader);
        assert_eq!(files(), 0);
        assert_eq!(store.stored.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn an_upload_that_breaks_off_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("objects")).unwrap();
        let mut writing = store.write(None).await.unwrap();
        writing.write(b"half").await.unwrap();
        drop(writing);
        assert_eq!(
            fs::read_dir(directory.path().join("objects"))
                .unwrap()
                .count(),
            0
        );
    }
}
