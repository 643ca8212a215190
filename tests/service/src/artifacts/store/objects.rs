//! The objects of a bucket, and their versions.

use super::{Object, Store};
use crate::artifacts::error::S3Error;
use crate::artifacts::versions::{Deleted, History, Revision, Versioning};

/// The most versions of objects, in all buckets.
const MAX_OBJECTS: usize = 10_000;
const MAX_KEY_BYTES: usize = 1024;

impl Store {
    /// Whether an object may be written there.
    pub(in crate::artifacts) fn check_key(&self, bucket: &str, key: &str) -> Result<(), S3Error> {
        if key.len() > MAX_KEY_BYTES {
            return Err(S3Error::KeyTooLong);
        }
        let index = self.index();
        let versions = index.buckets.values().flat_map(|it| it.objects.values());
        let count: usize = versions.map(History::len).sum();
        let bucket = index.buckets.get(bucket).ok_or(S3Error::NoSuchBucket)?;
        let replaces = bucket.versioning == Versioning::Never && bucket.objects.contains_key(key);
        if count >= MAX_OBJECTS && !replaces {
            return Err(S3Error::TooMany {
                what: "objects",
                limit: MAX_OBJECTS,
            });
        }
        Ok(())
    }

    /// An object, or the version of it that is named, and what answers say of its version.
    pub(in crate::artifacts) fn find(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<(Object, Option<String>), S3Error> {
        let index = self.index();
        let bucket = index.buckets.get(bucket).ok_or(S3Error::NoSuchBucket)?;
        let history = bucket.objects.get(key);
        let revision = match version {
            Some(id) => history
                .and_then(|history| history.get(id))
                .ok_or(S3Error::NoSuchVersion)?,
            None => history
                .and_then(History::latest)
                .ok_or(S3Error::NoSuchKey)?,
        };
        let id = revision.id.clone();
        match &revision.object {
            Some(object) => Ok((object.clone(), bucket.versioning.told(&id))),
            None if version.is_some() => Err(S3Error::DeleteMarker { id }),
            None => Err(S3Error::Deleted { id }),
        }
    }

    /// Stores an object. Returns what answers say of its version.
    pub(in crate::artifacts) fn put(
        &self,
        bucket: &str,
        key: &str,
        object: Object,
    ) -> Result<Option<String>, S3Error> {
        self.check_key(bucket, key)?;
        let mut index = self.index();
        let bucket = index.buckets.get_mut(bucket).ok_or(S3Error::NoSuchBucket)?;
        let versioning = bucket.versioning;
        let history = bucket.objects.entry(key.to_owned()).or_default();
        let id = history.write(versioning, object.modified, Some(object));
        Ok(versioning.told(&id))
    }

    /// Deletes an object, or the version of it that is named; one that does not exist is deleted already.
    pub(in crate::artifacts) fn delete(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        now: u64,
    ) -> Result<Deleted, S3Error> {
        let leaves_marker = version.is_none() && self.versioning(bucket)? != Versioning::Never;
        if leaves_marker {
            self.check_key(bucket, key)?;
        }
        let mut index = self.index();
        let bucket = index.buckets.get_mut(bucket).ok_or(S3Error::NoSuchBucket)?;
        let history = bucket.objects.entry(key.to_owned()).or_default();
        let deleted = match version {
            Some(id) => history.delete_version(id),
            None => history.delete(bucket.versioning, now),
        };
        if history.is_empty() {
            bucket.objects.remove(key);
        }
        Ok(deleted)
    }

    pub(in crate::artifacts) fn versioning(&self, bucket: &str) -> Result<Versioning, S3Error> {
        let index = self.index();
        let bucket = index.buckets.get(bucket).ok_or(S3Error::NoSuchBucket)?;
        Ok(bucket.versioning)
    }

    pub(in crate::artifacts) fn set_versioning(
        &self,
        bucket: &str,
        versioning: Versioning,
    ) -> Result<(), S3Error> {
        let mut index = self.index();
        let bucket = index.buckets.get_mut(bucket).ok_or(S3Error::NoSuchBucket)?;
        bucket.versioning = versioning;
        Ok(())
    }

    /// The versions of the objects whose keys begin with `prefix`, the latest of each first.
    pub(in crate::artifacts) fn histories(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> Result<Vec<(String, Vec<Revision>)>, S3Error> {
        let index = self.index();
        let bucket = index.buckets.get(bucket).ok_or(S3Error::NoSuchBucket)?;
        let histories = bucket.objects.range(prefix.to_owned()..);
        let histories = histories.take_while(|(key, _)| key.starts_with(prefix));
        Ok(histories
            .map(|(key, history)| (key.clone(), history.newest_first().cloned().collect()))
            .collect())
    }

    /// The objects of a bucket whose keys begin with `prefix` and come after `after`, in order.
    pub(in crate::artifacts) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
    ) -> Result<Vec<(String, Object)>, S3Error> {
        let index = self.index();
        let bucket = index.buckets.get(bucket).ok_or(S3Error::NoSuchBucket)?;
        let objects = bucket.objects.range(prefix.to_owned()..);
        let objects = objects
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, _)| key.as_str() > after);
        Ok(objects
            .filter_map(|(key, history)| {
                let object = history.latest()?.object.clone()?;
                Some((key.clone(), object))
            })
            .collect())
    }
}
