//! What is kept of buckets and objects over the end of the service.
//!
//! The content of an object is on disk before the row that says so is committed, so that an object
//! is there as a whole or not at all. A row is committed before the index in memory changes. Files
//! without a row are what a power cut left; the next service removes them.

use core::sync::atomic::AtomicU64;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::checksum::{Algorithm, Checksum};
use super::store::{Bucket, Content, Object};
use super::versions::{Revision, Versioning};
use crate::store::{Shelf, Store, StoreError};

/// The rows of the buckets, in the service's state.
#[derive(Debug)]
pub(super) struct Kept {
    directory: PathBuf,
    state: Arc<Store>,
}

#[derive(Deserialize, Serialize)]
struct BucketRow {
    created: u64,
    versioning: Versioning,
}

#[derive(Deserialize, Serialize)]
struct RevisionRow {
    order: u64,
    modified: u64,
    /// None in a delete marker.
    object: Option<ObjectRow>,
}

#[derive(Deserialize, Serialize)]
struct ObjectRow {
    file: String,
    size: u64,
    etag: String,
    modified: u64,
    headers: Vec<(String, Vec<u8>)>,
    /// The header that carries it, and its value.
    checksum: Option<(String, String)>,
}

impl Kept {
    pub(super) fn new(directory: &Path, state: Arc<Store>) -> Self {
        Self {
            directory: directory.to_owned(),
            state,
        }
    }

    pub(super) fn put_bucket(
        &self,
        name: &str,
        created: u64,
        versioning: Versioning,
    ) -> io::Result<()> {
        let row = BucketRow {
            created,
            versioning,
        };
        let row = serde_json::to_vec(&row)?;
        self.shelve(Shelf::Buckets, name, Some(&row))
    }

    pub(super) fn delete_bucket(&self, name: &str) -> io::Result<()> {
        self.shelve(Shelf::Buckets, name, None)
    }

    /// A version of an object, in place of the one of the same name.
    pub(super) fn put_revision(
        &self,
        bucket: &str,
        key: &str,
        revision: &Revision,
    ) -> io::Result<()> {
        // The content is on disk, and so must be its name.
        File::open(&self.directory)?.sync_all()?;
        let row = RevisionRow {
            order: revision.order,
            modified: revision.modified,
            object: revision.object.as_ref().map(ObjectRow::new),
        };
        let row = serde_json::to_vec(&row)?;
        self.shelve(Shelf::Objects, &name(bucket, key, &revision.id), Some(&row))
    }

    pub(super) fn delete_revision(&self, bucket: &str, key: &str, id: &str) -> io::Result<()> {
        self.shelve(Shelf::Objects, &name(bucket, key, id), None)
    }

    pub(super) fn clear(&self) -> io::Result<()> {
        self.state.clear_shelves().map_err(io::Error::other)
    }

    /// The buckets with their objects, and the first number that no file has. Removes what belongs to
    /// no object.
    pub(super) fn load(
        &self,
        directory: &Path,
        stored: &Arc<AtomicU64>,
    ) -> io::Result<(BTreeMap<String, Bucket>, u64)> {
        let mut buckets = BTreeMap::new();
        for (name, row) in self.rows(Shelf::Buckets)? {
            let row: BucketRow = serde_json::from_slice(&row)?;
            let bucket = Bucket {
                created: row.created,
                versioning: row.versioning,
                ..Bucket::default()
            };
            buckets.insert(name, bucket);
        }
        let mut files = BTreeMap::new();
        for (name, row) in self.rows(Shelf::Objects)? {
            let row: RevisionRow = serde_json::from_slice(&row)?;
            let (bucket, id, key) = names(&name).unwrap_or_default();
            let Some(bucket) = buckets.get_mut(bucket) else {
                return Err(io::Error::other(format!("the bucket of {key} is missing")));
            };
            let object = match row.object {
                Some(object) => match object.open(directory, stored, &mut files)? {
                    Some(object) => Some(object),
                    None => {
                        tracing::warn!(key, "an object has lost its content");
                        continue;
                    }
                },
                None => None,
            };
            let history = bucket.objects.entry(key.to_owned()).or_default();
            history.insert(Revision {
                id: id.to_owned(),
                order: row.order,
                modified: row.modified,
                object,
            });
        }
        let mut next_file = 0;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !files.contains_key(&name) {
                fs::remove_file(entry.path())?;
            }
            next_file = next_file.max(name.parse::<u64>().map_or(0, |number| number + 1));
        }
        Ok((buckets, next_file))
    }

    fn shelve(&self, shelf: Shelf, key: &str, row: Option<&[u8]>) -> io::Result<()> {
        self.state.shelve(shelf, key, row).map_err(io::Error::other)
    }

    fn rows(&self, shelf: Shelf) -> io::Result<Vec<(String, Vec<u8>)>> {
        let rows: Result<_, StoreError> = self.state.shelved(shelf);
        rows.map_err(io::Error::other)
    }
}

impl ObjectRow {
    fn new(object: &Object) -> Self {
        let headers = object.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        let checksum = object.checksum.as_ref();
        let checksum = checksum.map(|sum| (sum.algorithm.header().to_owned(), sum.value.clone()));
        Self {
            file: object.content.file_name(),
            size: object.content.size,
            etag: object.etag.clone(),
            modified: object.modified,
            headers: headers.collect(),
            checksum,
        }
    }

    /// The object, if its content is there. Copies share it, by the name of its file.
    fn open(
        self,
        directory: &Path,
        stored: &Arc<AtomicU64>,
        files: &mut BTreeMap<String, Option<Arc<Content>>>,
    ) -> io::Result<Option<Object>> {
        let (file, size) = (self.file.clone(), self.size);
        let content = files.entry(self.file.clone()).or_insert_with(|| {
            let path = directory.join(file);
            let is_whole = fs::metadata(&path).is_ok_and(|found| found.len() == size);
            is_whole.then(|| Arc::new(Content::found(path, size, stored)))
        });
        let Some(content) = content.clone() else {
            return Ok(None);
        };
        content.keep();
        let headers = self.headers.into_iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
            let value = HeaderValue::from_bytes(&value).map_err(io::Error::other)?;
            Ok((name, value))
        });
        let headers = headers.collect::<io::Result<_>>()?;
        let checksum = self.checksum.and_then(|(header, value)| {
            let algorithm = Algorithm::from_header(&header)?;
            Some(Checksum { algorithm, value })
        });
        Ok(Some(Object {
            content,
            etag: self.etag,
            modified: self.modified,
            headers,
            checksum,
        }))
    }
}

/// The name of a version's row. Neither a bucket's name nor that of a version has a slash.
fn name(bucket: &str, key: &str, id: &str) -> String {
    format!("{bucket}/{id}/{key}")
}

/// Bucket, version and key of a row.
fn names(name: &str) -> Option<(&str, &str, &str)> {
    let (bucket, rest) = name.split_once('/')?;
    let (id, key) = rest.split_once('/')?;
    Some((bucket, id, key))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use redb::backends::InMemoryBackend;

    use super::super::{Artifacts, store};
    use super::*;
    use crate::model::document::Access;
    use crate::model::time::Timestamp;

    fn state() -> Arc<Store> {
        Arc::new(Store::on(InMemoryBackend::new()).unwrap())
    }

    fn open(directory: &Path, state: &Arc<Store>) -> store::Store {
        store::Store::keeping(directory, Kept::new(directory, Arc::clone(state))).unwrap()
    }

    async fn put(store: &store::Store, key: &str, content: &[u8]) {
        let mut writing = store.write(None).await.unwrap();
        writing.write(content).await.unwrap();
        let written = writing.finish().await.unwrap();
        let object = Object {
            content: written.content,
            etag: written.etag,
            modified: 7,
            headers: vec![(
                HeaderName::from_static("x-amz-meta-a"),
                HeaderValue::from_static("b"),
            )],
            checksum: Algorithm::from_header("x-amz-checksum-sha256").map(|algorithm| Checksum {
                algorithm,
                value: "sum".to_owned(),
            }),
        };
        store.put("bucket", key, object).unwrap();
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[tokio::test]
    async fn objects_are_found_again_as_they_were() {
        let directory = tempfile::tempdir().unwrap();
        let state = state();
        let store = open(directory.path(), &state);
        store.create_bucket("bucket", 3).unwrap();
        put(&store, "a/b", b"content").await;
        let before = store.find("bucket", "a/b", None).unwrap().0;
        drop(store);

        let store = open(directory.path(), &state);
        let after = store.find("bucket", "a/b", None).unwrap().0;
        assert_eq!(store.buckets(), [("bucket".to_owned(), 3)]);
        let told = |object: &Object| {
            let Object {
                etag,
                modified,
                headers,
                checksum,
                ..
            } = object.clone();
            (
                etag,
                modified,
                headers,
                checksum.map(|sum| sum.value),
                object.content.size,
            )
        };
        assert_eq!(told(&after), told(&before));
        assert_eq!(
            after
                .content
                .open()
                .await
                .unwrap()
                .metadata()
                .await
                .unwrap()
                .len(),
            7
        );
        // A new file does not take an old one's name.
        put(&store, "c", b"other").await;
        assert_eq!(files(directory.path()), 2);
    }

    #[test]
    fn no_two_urls_are_equal_even_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let state = state();
        let issue = || {
            let (origin, state) = ("https://localhost:1", Arc::clone(&state));
            let artifacts = Artifacts::keeping(directory.path(), origin, "eu-west-1", state);
            let url = artifacts.unwrap().presign(
                Access::Read,
                "bucket",
                "key",
                Duration::from_secs(60),
                Timestamp::from_secs(1_700_049_600),
            );
            url.reveal().to_owned()
        };
        assert_ne!(issue(), issue());
    }

    #[tokio::test]
    async fn what_was_deleted_replaced_or_forgotten_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let state = state();
        let store = open(directory.path(), &state);
        store.create_bucket("bucket", 0).unwrap();
        put(&store, "a", b"1").await;
        put(&store, "a", b"2").await;
        put(&store, "b", b"3").await;
        assert_eq!(files(directory.path()), 2);
        store.delete("bucket", "b", None, 0).unwrap();
        assert_eq!(files(directory.path()), 1);
        store.clear().unwrap();
        assert_eq!(files(directory.path()), 0);
        drop(store);
        assert!(open(directory.path(), &state).buckets().is_empty());
    }

    #[tokio::test]
    async fn a_file_of_an_upload_that_was_cut_short_goes_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let state = state();
        fs::write(directory.path().join("00000004"), "half").unwrap();
        open(directory.path(), &state);
        assert_eq!(files(directory.path()), 0);
    }

    #[tokio::test]
    async fn an_object_without_its_content_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let state = state();
        let store = open(directory.path(), &state);
        store.create_bucket("bucket", 0).unwrap();
        put(&store, "a", b"content").await;
        let (object, _) = store.find("bucket", "a", None).unwrap();
        let file = object.content.file_name();
        drop(object);
        drop(store);
        fs::write(directory.path().join(file), "cut").unwrap();
        assert!(
            open(directory.path(), &state)
                .find("bucket", "a", None)
                .is_err()
        );
    }

    #[tokio::test]
    async fn versions_and_their_markers_are_found_again_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let state = state();
        let store = open(directory.path(), &state);
        store.create_bucket("bucket", 0).unwrap();
        put(&store, "a", b"null").await;
        store.set_versioning("bucket", Versioning::Enabled).unwrap();
        put(&store, "a", b"first").await;
        put(&store, "a", b"second").await;
        store.delete("bucket", "a", None, 9).unwrap();
        let told = |store: &store::Store| {
            let histories = store.histories("bucket", "").unwrap();
            let revisions = histories.into_iter().flat_map(|(_, revisions)| revisions);
            let told = revisions.map(|it| (it.id, it.modified, it.object.map(|it| it.etag)));
            told.collect::<Vec<_>>()
        };
        let before = told(&store);
        assert_eq!(before.len(), 4);
        drop(store);

        let store = open(directory.path(), &state);
        assert_eq!(told(&store), before);
        assert_eq!(store.versioning("bucket").unwrap(), Versioning::Enabled);
        for (id, _, _) in before {
            store.delete("bucket", "a", Some(&id), 0).unwrap();
        }
        assert_eq!(files(directory.path()), 0);
        drop(store);
        assert!(told(&open(directory.path(), &state)).is_empty());
    }

    #[tokio::test]
    async fn a_content_that_copies_share_goes_with_the_last_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let state = state();
        let store = open(directory.path(), &state);
        store.create_bucket("bucket", 0).unwrap();
        put(&store, "a", b"content").await;
        let (object, _) = store.find("bucket", "a", None).unwrap();
        store.put("bucket", "b", object.clone()).unwrap();
        store.put("bucket", "c", object).unwrap();
        store.delete("bucket", "a", None, 0).unwrap();
        drop(store);
        assert_eq!(files(directory.path()), 1);

        let store = open(directory.path(), &state);
        store.delete("bucket", "b", None, 0).unwrap();
        drop(store);
        let store = open(directory.path(), &state);
        assert!(store.find("bucket", "c", None).is_ok());
        store.delete("bucket", "c", None, 0).unwrap();
        assert_eq!(files(directory.path()), 0);
    }
}
