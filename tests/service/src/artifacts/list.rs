//! The answers of ListBuckets, ListObjects and ListObjectsV2.

use core::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::date;
use super::error::S3Error;
use super::store::{Object, Store};
use super::xml::{NAMESPACE, Writer};

/// The most entries of one page.
pub(super) const MAX_KEYS: usize = 1000;
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

/// What ListObjects and ListObjectsV2 are asked for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) prefix: String,
    pub(super) delimiter: String,
    pub(super) place: Place,
    pub(super) max_keys: usize,
    pub(super) encoded: bool,
}

/// Where a list begins, in the words of each operation.
#[derive(Debug)]
pub(super) enum Place {
    /// ListObjects: after this key, or after all keys with this common prefix.
    Marker(String),
    /// ListObjectsV2.
    Token {
        start_after: String,
        continuation_token: String,
    },
}

/// What entries are made of keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
}

impl Entries<'_> {
    /// What stands for a key in the list, together with all that begin like it.
    pub(super) fn common_prefix<'a>(&self, key: &'a str) -> Option<&'a str> {
        let rest = key.strip_prefix(self.prefix).unwrap_or_default();
        let at = rest
            .find(self.delimiter)
            .filter(|_| !self.delimiter.is_empty())?;
        key.get(..self.prefix.len() + at + self.delimiter.len())
    }
}

/// Reads how many entries a page may have.
pub(super) fn max_keys(parameter: Option<&str>) -> Result<usize, S3Error> {
    let Some(text) = parameter else {
        return Ok(MAX_KEYS);
    };
    text.parse()
        .map(|keys: usize| keys.min(MAX_KEYS))
        .map_err(|_| S3Error::InvalidArgument {
            reason: "Argument max-keys must be an integer between 0 and 2147483647".to_owned(),
        })
}

/// A key as the list has it.
pub(super) fn url_encoded(text: &str, encoded: bool) -> String {
    if encoded {
        utf8_percent_encode(text, &UNESCAPED).to_string()
    } else {
        text.to_owned()
    }
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
    let after = request.after()?;
    let mut entries = entries(store.list(bucket, &request.prefix, &after)?, request);
    let is_truncated = entries.len() > request.max_keys && request.max_keys > 0;
    entries.truncate(request.max_keys);
    let last = entries.last().filter(|_| is_truncated);
    let next = last.map(|last| request.place.next(last));
    Ok(write(bucket, request, &Page { entries, next }))
}

/// A part of the list.
struct Page {
    entries: Vec<Entry>,
    /// Where the rest begins.
    next: Option<String>,
}

impl Request {
    /// The key that the list begins after.
    fn after(&self) -> Result<String, S3Error> {
        let names = Entries {
            prefix: &self.prefix,
            delimiter: &self.delimiter,
        };
        match &self.place {
            Place::Marker(marker) if names.common_prefix(marker) == Some(marker) => {
                Ok(Entry::CommonPrefix(marker.clone()).token())
            }
            Place::Marker(marker) => Ok(marker.clone()),
            Place::Token {
                start_after,
                continuation_token,
            } if continuation_token.is_empty() => Ok(start_after.clone()),
            Place::Token {
                continuation_token, ..
            } => unhex(continuation_token).ok_or_else(|| S3Error::InvalidArgument {
                reason: "The continuation token provided is incorrect".to_owned(),
            }),
        }
    }
}

impl Place {
    /// Where the rest of the list begins, if `last` is the last entry so far.
    fn next(&self, last: &Entry) -> String {
        match (self, last) {
            (Self::Marker(_), Entry::CommonPrefix(name) | Entry::Object(name, _)) => name.clone(),
            (Self::Token { .. }, last) => hex(&last.token()),
        }
    }
}

fn entries(objects: Vec<(String, Object)>, request: &Request) -> Vec<Entry> {
    let names = Entries {
        prefix: &request.prefix,
        delimiter: &request.delimiter,
    };
    let mut entries = Vec::new();
    for (key, object) in objects {
        match (names.common_prefix(&key), entries.last()) {
            (Some(common), Some(Entry::CommonPrefix(last))) if common == last => {}
            (Some(common), _) => entries.push(Entry::CommonPrefix(common.to_owned())),
            (None, _) => entries.push(Entry::Object(key, Box::new(object))),
        }
    }
    entries
}

fn write(bucket: &str, request: &Request, page: &Page) -> String {
    let text = |text: &str| url_encoded(text, request.encoded);
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
    xml.element("MaxKeys", &request.max_keys.to_string());
    let is_truncated = page.next.is_some();
    xml.element("IsTruncated", if is_truncated { "true" } else { "false" });
    match &request.place {
        Place::Marker(marker) => {
            xml.element("Marker", &text(marker));
            // Without a delimiter, the last key says the same.
            if let Some(next) = page.next.as_ref().filter(|_| !request.delimiter.is_empty()) {
                xml.element("NextMarker", &text(next));
            }
        }
        Place::Token { .. } => {
            xml.element("KeyCount", &page.entries.len().to_string());
            if let Some(next) = &page.next {
                xml.element("NextContinuationToken", next);
            }
        }
    }
    for entry in &page.entries {
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
