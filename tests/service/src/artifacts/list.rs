//! The answers of ListBuckets and ListObjectsV2.

use core::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::date;
use super::error::S3Error;
use super::store::{Object, Store};
use super::xml::{NAMESPACE, Writer};

const MAX_KEYS: usize = 1000;
/// What S3 leaves as it is with `encoding-type=url`.
const UNESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// Writes ListAllMyBucketsResult.
pub(super) fn buckets(store: &Store, region: &str) -> String {
    let mut xml = Writer::new();
    xml.open("ListAllMyBucketsResult", Some(NAMESPACE))
        .open("Owner", None);
    xml.element("ID", "local")
        .element("DisplayName", "local")
        .close("Owner")
        .open("Buckets", None);
    for (name, created) in store.buckets() {
        xml.open("Bucket", None)
            .element("Name", &name)
            .element("CreationDate", &date::iso(created));
        xml.element("BucketRegion", region).close("Bucket");
    }
    xml.close("Buckets").close("ListAllMyBucketsResult");
    xml.finish()
}

/// What ListObjectsV2 is asked for.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) prefix: String,
    pub(super) delimiter: String,
    pub(super) start_after: String,
    pub(super) continuation_token: String,
    pub(super) max_keys: Option<String>,
    pub(super) encoded: bool,
}

/// One entry of the list.
enum Entry {
    Object(String, Box<Object>),
    CommonPrefix(String),
}

impl Entry {
    /// What the next page begins after. No key sorts between a prefix and its last possible key.
    fn token(&self) -> String {
        match self {
            Self::Object(key, _) => key.clone(),
            Self::CommonPrefix(prefix) => format!("{prefix}{}", char::MAX),
        }
    }
}

/// Writes ListBucketResult.
pub(super) fn objects(store: &Store, bucket: &str, request: &Request) -> Result<String, S3Error> {
    let max_keys = match &request.max_keys {
        None => MAX_KEYS,
        Some(text) => text
            .parse()
            .map(|keys: usize| keys.min(MAX_KEYS))
            .map_err(|_| S3Error::InvalidArgument {
                reason: "Argument max-keys must be an integer between 0 and 2147483647".to_owned(),
            })?,
    };
    let after = if request.continuation_token.is_empty() {
        request.start_after.clone()
    } else {
        unhex(&request.continuation_token).ok_or_else(|| S3Error::InvalidArgument {
            reason: "The continuation token provided is incorrect".to_owned(),
        })?
    };
    let mut entries = entries(store.list(bucket, &request.prefix, &after)?, request);
    let next = (entries.len() > max_keys && max_keys > 0).then(|| {
        entries.truncate(max_keys);
        entries.last().map(Entry::token).unwrap_or_default()
    });
    entries.truncate(max_keys);
    Ok(write(bucket, request, max_keys, &entries, next.as_deref()))
}

fn entries(objects: Vec<(String, Object)>, request: &Request) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (key, object) in objects {
        let rest = key.strip_prefix(&request.prefix).unwrap_or_default();
        let common = match rest.find(&request.delimiter) {
            Some(at) if !request.delimiter.is_empty() => {
                key.get(..request.prefix.len() + at + request.delimiter.len())
            }
            Some(_) | None => None,
        };
        match (common, entries.last()) {
            (Some(common), Some(Entry::CommonPrefix(last))) if common == last => {}
            (Some(common), _) => entries.push(Entry::CommonPrefix(common.to_owned())),
            (None, _) => entries.push(Entry::Object(key, Box::new(object))),
        }
    }
    entries
}

fn write(
    bucket: &str,
    request: &Request,
    max_keys: usize,
    entries: &[Entry],
    next: Option<&str>,
) -> String {
    let text = |text: &str| {
        if request.encoded {
            utf8_percent_encode(text, &UNESCAPED).to_string()
        } else {
            text.to_owned()
        }
    };
    let mut xml = Writer::new();
    xml.open("ListBucketResult", Some(NAMESPACE))
        .element("Name", bucket);
    xml.element("Prefix", &text(&request.prefix));
    if !request.delimiter.is_empty() {
        xml.element("Delimiter", &text(&request.delimiter));
    }
    if request.encoded {
        xml.element("EncodingType", "url");
    }
    xml.element("KeyCount", &entries.len().to_string())
        .element("MaxKeys", &max_keys.to_string());
    xml.element("IsTruncated", if next.is_some() { "true" } else { "false" });
    if let Some(next) = next {
        xml.element("NextContinuationToken", &hex(next));
    }
    for entry in entries {
        match entry {
            Entry::Object(key, object) => {
                xml.open("Contents", None).element("Key", &text(key));
                xml.element("LastModified", &date::iso(object.modified))
                    .element("ETag", &object.etag);
                xml.element("Size", &object.content.size.to_string())
                    .element("StorageClass", "STANDARD");
                xml.close("Contents");
            }
            Entry::CommonPrefix(prefix) => {
                xml.open("CommonPrefixes", None)
                    .element("Prefix", &text(prefix))
                    .close("CommonPrefixes");
            }
        }
    }
    xml.close("ListBucketResult");
    xml.finish()
}

/// Tokens are opaque to clients; hexadecimal digits need no escape anywhere.
fn hex(token: &str) -> String {
    token.bytes().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn unhex(digits: &str) -> Option<String> {
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}
