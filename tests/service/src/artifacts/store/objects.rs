//! The objects of a bucket, and their versions.

use super::{Bucket, Content, Object, Store};
use crate::artifacts::error::S3Error;
use crate::artifacts::versions::{Deleted, History, NULL, Revision, Versioning};

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
        let found = index.buckets.get_mut(bucket).ok_or(S3Error::NoSuchBucket)?;
        let modified = object.modified;
        let id = self.write_revision(found, (bucket, key), modified, Some(object))?;
        Ok(found.versioning.told(&id))
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
        let found = index.buckets.get_mut(bucket).ok_or(S3Error::NoSuchBucket)?;
        let names = (bucket, key);
        if leaves_marker {
            return Ok(Deleted {
                version: Some(self.write_revision(found, names, now, None)?),
                is_marker: true,
            });
        }
        let removed = self.remove_revision(found, names, version.unwrap_or(NULL))?;
        Ok(Deleted {
            version: version.map(str::to_owned),
            is_marker: removed.is_some_and(|removed| removed.object.is_none()),
        })
    }

    /// Adds a version to an object, on disk first. Returns its name.
    fn write_revision(
        &self,
        found: &mut Bucket,
        (bucket, key): (&str, &str),
        modified: u64,
        object: Option<Object>,
    ) -> Result<String, S3Error> {
        let history = found.objects.get(key);
        let order = history.map_or(0, History::next_order);
        let revision = Revision::new(found.versioning, order, modified, object);
        if let Some(kept) = &self.kept {
            // Should the row be on disk although this fails, so is the content.
            revision.contents().for_each(Content::keep);
            kept.put_revision(bucket, key, &revision)?;
        }
        let id = revision.id.clone();
        let history = found.objects.entry(key.to_owned()).or_default();
        let replaced = history.insert(revision);
        self.release(replaced.as_ref());
        Ok(id)
    }

    /// Removes a version of an object, on disk first. Returns it if there was one.
    fn remove_revision(
        &self,
        found: &mut Bucket,
        (bucket, key): (&str, &str),
        id: &str,
    ) -> Result<Option<Revision>, S3Error> {
        let Some(history) = found.objects.get_mut(key) else {
            return Ok(None);
        };
        if let Some(kept) = &self.kept
            && history.get(id).is_some()
        {
            kept.delete_revision(bucket, key, id)?;
        }
        let removed = history.remove(id);
        if history.is_empty() {
            found.objects.remove(key);
        }
        self.release(removed.as_ref());
        Ok(removed)
    }

    /// Notes that a version has no row on disk any more.
    fn release(&self, gone: Option<&Revision>) {
        if self.kept.is_some()
            && let Some(gone) = gone
        {
            gone.contents().for_each(Content::release);
        }
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
        let found = index.buckets.get_mut(bucket).ok_or(S3Error::NoSuchBucket)?;
        if let Some(kept) = &self.kept {
            kept.put_bucket(bucket, found.created, versioning)?;
        }
        found.versioning = versioning;
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
