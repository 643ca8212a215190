//! Job documents: their placeholders, and the S3 locations that these name.

use core::time::Duration;

use serde_json::Value;

use super::time::Timestamp;

/// Makes URLs that allow whoever holds them to read one object for a while.
pub trait Presign: Send + Sync {
    /// A URL of the object `key` in `bucket` that works from `now` on for `expires`.
    fn presign(&self, bucket: &str, key: &str, expires: Duration, now: Timestamp) -> String;
}

/// A job's document, and how long the URLs in it live. Its placeholders are replaced anew at each
/// read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub(super) text: String,
    pub(super) expires: Duration,
}

impl Document {
    /// The text with fresh URLs, as HTTP carries it.
    pub fn to_text(&self, _presign: &dyn Presign, _now: Timestamp) -> String {
        unimplemented!()
    }

    /// The document with fresh URLs, as MQTT carries it: an object, members that are null dropped.
    pub fn to_object(&self, _presign: &dyn Presign, _now: Timestamp) -> Value {
        unimplemented!()
    }
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLocation {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
}

impl ObjectLocation {
    /// Reads an S3 URL in any of the forms that AWS takes: path style with or without a region,
    /// virtual-hosted style, `s3://`.
    pub fn parse(_url: &str) -> Option<Self> {
        unimplemented!()
    }
}
