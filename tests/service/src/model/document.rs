//! Job documents: their placeholders, and the S3 locations that these name.
//!
//! Facts: developer guide, create-manage-jobs (presigned URLs) and
//! software-package-catalog-troubleshooting. Placeholders of package versions are filled in before, when a
//! job is made.

use core::time::Duration;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::execution::ExecutionId;
use super::time::Timestamp;

const OPEN: &str = "${aws:iot:";
const CLOSE: char = '}';
/// Both spellings of the first version; its URL is written as it is.
const PRESIGN: [&str; 2] = ["s3-presigned-url:", "s3-presigned-url-v1:"];
/// The URL of the second version is percent-encoded.
const PRESIGN_V2: &str = "s3-presigned-url-v2:";
const UPLOAD: &str = "s3-presigned-url-upload:";
/// What stands in an upload's key for the names of the execution; each of them twice at most.
const NAMES: [&str; 3] = ["${thingName}", "${jobId}", "${executionNumber}"];
const MAX_NAMES: usize = 2;
/// How placeholders of package versions begin; they may stand within others.
pub(super) const PACKAGE: &str = "${aws:iot:package:";
/// What comes before an object's version in a URL of the second version.
const VERSION_ID: &str = "?versionId=";
/// The most placeholders that are replaced in one document (AWS general reference, Jobs quotas).
const MAX_SUBSTITUTIONS: usize = 10;

/// What a URL allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access<'a> {
    /// To read the object.
    Read,
    /// To read this version of the object.
    ReadVersion(&'a str),
    /// To put an object there.
    Write,
}

/// Makes URLs that allow whoever holds them to read or write one object for a while.
pub trait Presign: Send + Sync {
    /// A URL of the object `key` in `bucket` that works from `now` on for `expires`.
    fn presign(
        &self,
        access: Access<'_>,
        bucket: &str,
        key: &str,
        expires: Duration,
        now: Timestamp,
    ) -> String;
}

/// A job's document for one execution, and how long the URLs in it live. Its placeholders are replaced anew at each
/// read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The job's: a fleet is told of one document.
    pub(super) text: Arc<str>,
    pub(super) execution: ExecutionId,
    pub(super) expires: Duration,
}

impl Document {
    /// The text with fresh URLs, as HTTP carries it.
    pub fn to_text(&self, presign: &dyn Presign, now: Timestamp) -> String {
        let mut text = String::with_capacity(self.text.len());
        let mut rest = &*self.text;
        while let Some(found) = Found::first(rest) {
            text.push_str(found.before);
            match found.placeholder {
                Placeholder::Object(location, version, _) => text.push_str(&presign.presign(
                    version.as_deref().map_or(Access::Read, Access::ReadVersion),
                    &location.bucket,
                    &location.key,
                    self.expires,
                    now,
                )),
                Placeholder::Upload(location) => text.push_str(&presign.presign(
                    Access::Write,
                    &location.bucket,
                    &self.fill_in(&location.key),
                    self.expires,
                    now,
                )),
                Placeholder::Invalid | Placeholder::Other => text.push_str(found.spelling),
            }
            rest = found.after;
        }
        text + rest
    }

    /// The key of an upload, with the names of the execution. Without a key, the names are one.
    fn fill_in(&self, key: &str) -> String {
        let ExecutionId { thing, job, number } = &self.execution;
        if key.is_empty() {
            return format!("{job}/{thing}/{number}");
        }
        let [thing_name, job_id, execution_number] = NAMES;
        key.replace(thing_name, thing.as_str())
            .replace(job_id, job.as_str())
            .replace(execution_number, &number.to_string())
    }

    /// The document with fresh URLs, as MQTT carries it: an object, members that are null dropped.
    pub fn to_object(&self, presign: &dyn Presign, now: Timestamp) -> Value {
        let text = self.to_text(presign, now);
        match serde_json::from_str(&text) {
            Ok(document) => without_nulls(document),
            Err(_) => Value::String(text),
        }
    }
}

/// The two generations of placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// Why a document's placeholders cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PlaceholderError {
    /// It names no bucket and key.
    Invalid(String),
    /// There are more of them than one document may have.
    TooMany {
        /// How many it may have.
        limit: usize,
    },
}

/// Which placeholders of `text` need a role to be presigned: the first one's version, if any.
pub(super) fn needs_role(text: &str) -> Result<Option<Version>, PlaceholderError> {
    let (mut needed, mut replaced) = (None, 0);
    let mut rest = text;
    while let Some(found) = Found::first(rest) {
        match found.placeholder {
            Placeholder::Object(_, _, generation) => {
                needed = needed.or(Some(generation));
                replaced += 1;
            }
            Placeholder::Upload(_) => {
                needed = needed.or(Some(Version::V1));
                replaced += 1;
            }
            Placeholder::Invalid => {
                return Err(PlaceholderError::Invalid(found.spelling.to_owned()));
            }
            Placeholder::Other => {}
        }
        rest = found.after;
    }
    if replaced > MAX_SUBSTITUTIONS {
        let limit = MAX_SUBSTITUTIONS;
        return Err(PlaceholderError::TooMany { limit });
    }
    Ok(needed)
}

/// The first placeholder of a text.
struct Found<'a> {
    before: &'a str,
    spelling: &'a str,
    after: &'a str,
    placeholder: Placeholder,
}

enum Placeholder {
    /// An object to presign, and the version of it.
    Object(ObjectLocation, Option<String>, Version),
    /// An object to presign, but no bucket and key.
    Invalid,
    /// Nothing that the service replaces; or nothing yet, in the document of a template.
    Other,
    /// Where to presign an upload; the key may be empty, and may have names to fill in.
    Upload(ObjectLocation),
}

impl<'a> Found<'a> {
    fn first(text: &'a str) -> Option<Self> {
        let (before, opened) = text.split_once(OPEN)?;
        let (inner, after) = split_at_close(opened)?;
        let spelling = text.get(before.len()..text.len() - after.len())?;
        Some(Self {
            before,
            spelling,
            after,
            placeholder: Placeholder::parse(inner),
        })
    }
}

/// Splits at the brace that closes a placeholder; there may be others in it.
fn split_at_close(opened: &str) -> Option<(&str, &str)> {
    let mut inside = 0_usize;
    for (at, c) in opened.char_indices() {
        match c {
            '{' => inside += 1,
            CLOSE if inside == 0 => return Some((opened.get(..at)?, opened.get(at + 1..)?)),
            CLOSE => inside -= 1,
            _ => {}
        }
    }
    None
}

impl Placeholder {
    fn parse(inner: &str) -> Self {
        // The document is JSON text: what is written in it may be escaped.
        let inner = serde_json::from_str(&format!("\"{inner}\"")).unwrap_or(inner.to_owned());
        // Of a template, what stands within is known once there is a job.
        if inner.contains(PACKAGE) {
            return Self::Other;
        }
        if let Some(url) = PRESIGN.iter().find_map(|name| inner.strip_prefix(name)) {
            return Self::object(url, None, Version::V1);
        }
        if let Some(url) = inner.strip_prefix(PRESIGN_V2) {
            let Some(url) = percent_decode_str(url).decode_utf8().ok() else {
                return Self::Invalid;
            };
            return match url.rsplit_once(VERSION_ID) {
                Some((_, "")) => Self::Invalid,
                Some((url, version)) => Self::object(url, Some(version.to_owned()), Version::V2),
                None => Self::object(&url, None, Version::V2),
            };
        }
        if let Some(url) = inner.strip_prefix(UPLOAD) {
            return Self::upload(url);
        }
        Self::Other
    }

    fn upload(url: &str) -> Self {
        // A key may be left out, but no bucket.
        let location = ObjectLocation::parse(url).or_else(|| {
            let without_key = url.strip_suffix('/').unwrap_or(url);
            let location = ObjectLocation::parse(&format!("{without_key}/key"))?;
            let key = String::new();
            (location.key == "key").then_some(ObjectLocation { key, ..location })
        });
        let fits = |location: &ObjectLocation| {
            let few = |name| location.key.matches(name).count() <= MAX_NAMES;
            NAMES.into_iter().all(few)
        };
        location.filter(fits).map_or(Self::Invalid, Self::Upload)
    }

    fn object(url: &str, version: Option<String>, generation: Version) -> Self {
        match ObjectLocation::parse(url) {
            Some(location) => Self::Object(location, version, generation),
            None => Self::Invalid,
        }
    }
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLocation {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl ObjectLocation {
    /// Reads an S3 URL in any of the forms that AWS takes: path style with or without a region,
    /// virtual-hosted style, `s3://`.
    pub fn parse(url: &str) -> Option<Self> {
        if let Some(rest) = url.strip_prefix("s3://") {
            return Self::from_path(rest);
        }
        let (host, path) = url.strip_prefix("https://")?.split_once('/')?;
        let service = host
            .strip_suffix(".amazonaws.com.cn")
            .or_else(|| host.strip_suffix(".amazonaws.com"))?;
        if is_s3(service) {
            return Self::from_path(path);
        }
        let dots = service.match_indices('.').map(|(at, _)| at);
        dots.filter_map(|at| service.split_at_checked(at))
            .find(|(_, tail)| tail.strip_prefix('.').is_some_and(is_s3))
            .and_then(|(bucket, _)| Self::new(bucket, path))
    }

    fn from_path(path: &str) -> Option<Self> {
        let (bucket, key) = path.split_once('/')?;
        Self::new(bucket, key)
    }

    fn new(bucket: &str, key: &str) -> Option<Self> {
        (!bucket.is_empty() && !key.is_empty()).then(|| Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

/// Whether `host`, without the domain, is S3 itself: `s3`, `s3.REGION` or `s3-REGION`.
fn is_s3(host: &str) -> bool {
    let Some(region) = host.strip_prefix("s3") else {
        return false;
    };
    let in_region = region.strip_prefix(['.', '-']);
    region.is_empty() || in_region.is_some_and(|region| !region.is_empty() && !region.contains('.'))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name, without_nulls(member)))
            .collect(),
        Value::Array(elements) => elements.into_iter().map(without_nulls).collect(),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::model::names::{JobId, ThingName};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    struct Spell;

    impl Presign for Spell {
        fn presign(
            &self,
            access: Access<'_>,
            bucket: &str,
            key: &str,
            expires: Duration,
            now: Timestamp,
        ) -> String {
            let what = match access {
                Access::Read => String::new(),
                Access::ReadVersion(version) => format!("{version} of "),
                Access::Write => "PUT ".to_owned(),
            };
            format!(
                "<{what}{bucket}|{key}|{}|{}>",
                expires.as_secs(),
                now.as_secs()
            )
        }
    }

    fn document(text: &str) -> Document {
        Document {
            text: text.into(),
            execution: ExecutionId {
                thing: ThingName::parse("gw-1").unwrap(),
                job: JobId::parse("J").unwrap(),
                number: 2,
            },
            expires: Duration::from_secs(300),
        }
    }

    fn substituted(placeholder: &str) -> String {
        document(&format!(r#"{{"u":"{placeholder}"}}"#)).to_text(&Spell, NOW)
    }

    #[test]
    fn every_spelling_of_a_placeholder_becomes_a_url() {
        for placeholder in [
            "${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/b/k/1.bin}",
            "${aws:iot:s3-presigned-url-v1:https://s3.eu-west-1.amazonaws.com/b/k/1.bin}",
            "${aws:iot:s3-presigned-url-v2:https://b.s3.eu-west-1.amazonaws.com/k%2F1.bin}",
            r"${aws:iot:s3-presigned-url:https:\/\/s3.amazonaws.com\/b\/k\/1.bin}",
        ] {
            assert_eq!(
                substituted(placeholder),
                r#"{"u":"<b|k/1.bin|300|1700000000>"}"#,
                "{placeholder}"
            );
        }
    }

    #[test]
    fn an_uploads_key_has_the_names_of_the_execution() {
        for (key, filled) in [
            ("logs/a.txt", "logs/a.txt"),
            (
                "${thingName}/${jobId}-${executionNumber}.log",
                "gw-1/J-2.log",
            ),
            ("${jobId}/${jobId}", "J/J"),
            ("", "J/gw-1/2"),
        ] {
            for bucket in ["https://s3.eu-west-1.amazonaws.com/b", "s3://b"] {
                let placeholder = format!("${{aws:iot:s3-presigned-url-upload:{bucket}/{key}}}");
                assert_eq!(
                    substituted(&placeholder),
                    format!(r#"{{"u":"<PUT b|{filled}|300|1700000000>"}}"#)
                );
            }
        }
        let without_slash = "${aws:iot:s3-presigned-url-upload:https://b.s3.amazonaws.com}";
        assert!(substituted(without_slash).contains("<PUT b|J/gw-1/2|"));
    }

    #[test]
    fn uploads_without_a_bucket_or_with_too_many_names_are_invalid() {
        for url in [
            "https://s3.eu-west-1.amazonaws.com",
            "https://example.com/b/k",
            "s3://b/${thingName}${thingName}${thingName}",
        ] {
            let placeholder = format!("${{aws:iot:s3-presigned-url-upload:{url}}}");
            assert_eq!(
                needs_role(&placeholder),
                Err(PlaceholderError::Invalid(placeholder.clone()))
            );
        }
    }

    #[test]
    fn every_placeholder_of_a_document_is_replaced() {
        let text = "a${aws:iot:s3-presigned-url:s3://b/1}b${aws:iot:s3-presigned-url:s3://b/2}c";
        assert_eq!(
            document(text).to_text(&Spell, NOW),
            "a<b|1|300|1700000000>b<b|2|300|1700000000>c"
        );
    }

    #[test]
    fn what_the_service_does_not_replace_stays_as_it_is() {
        for placeholder in [
            "${aws:iot:code-sign-signature:s3://eu-west-1.b/k@v}",
            "${aws:iot:parameter:path}",
            "${aws:iot:package:p:version:1:attributes:a}",
            "${aws:iot:s3-presigned-url:nothing",
            "${HOME}",
        ] {
            assert_eq!(
                substituted(placeholder),
                format!(r#"{{"u":"{placeholder}"}}"#)
            );
        }
    }

    #[test]
    fn every_form_of_an_s3_url_names_bucket_and_key() {
        for url in [
            "https://s3.amazonaws.com/fw/a/b.bin",
            "https://s3.eu-west-1.amazonaws.com/fw/a/b.bin",
            "https://s3-eu-west-1.amazonaws.com/fw/a/b.bin",
            "https://fw.s3.amazonaws.com/a/b.bin",
            "https://fw.s3.eu-west-1.amazonaws.com/a/b.bin",
            "https://fw.s3-eu-west-1.amazonaws.com/a/b.bin",
            "s3://fw/a/b.bin",
        ] {
            let location = ObjectLocation::parse(url).unwrap();
            assert_eq!(
                (&*location.bucket, &*location.key),
                ("fw", "a/b.bin"),
                "{url}"
            );
        }
    }

    #[test]
    fn a_bucket_with_dots_is_read_from_its_host() {
        let location = ObjectLocation::parse("https://a.s3x.b.s3.eu-west-1.amazonaws.com/k");
        assert_eq!(location.unwrap().bucket, "a.s3x.b");
    }

    #[test]
    fn urls_without_bucket_or_key_name_no_object() {
        for url in [
            "",
            "s3://",
            "s3://b",
            "s3:///k",
            "https://s3.amazonaws.com/b/",
            "https://example.com/b/k",
            "https://s3.amazonaws.com",
            "http://s3.amazonaws.com/b/k",
        ] {
            assert_eq!(ObjectLocation::parse(url), None, "{url}");
        }
    }

    #[test]
    fn placeholders_need_a_role_only_if_they_are_presigned() {
        for (text, version) in [
            ("${aws:iot:s3-presigned-url:s3://b/k}", Version::V1),
            ("${aws:iot:s3-presigned-url-v2:s3://b/k}", Version::V2),
            ("${aws:iot:s3-presigned-url-upload:s3://b/k}", Version::V1),
        ] {
            assert_eq!(needs_role(text), Ok(Some(version)));
        }
        assert_eq!(needs_role("${aws:iot:parameter:p} ${HOME}"), Ok(None));
    }

    #[test]
    fn placeholders_that_cannot_be_honoured_are_named() {
        for broken in [
            "${aws:iot:s3-presigned-url:s3://b}",
            "${aws:iot:s3-presigned-url-v2:https://b.s3.amazonaws.com/k%3FversionId%3D}",
        ] {
            assert_eq!(
                needs_role(broken),
                Err(PlaceholderError::Invalid(broken.to_owned()))
            );
        }
    }

    #[test]
    fn a_placeholder_of_the_second_generation_may_name_a_version() {
        for url in [
            "https://b.s3.amazonaws.com/a%20b%3FversionId%3Dv1",
            "https://s3.eu-west-1.amazonaws.com/b/a%20b%3FversionId%3Dv1",
        ] {
            let placeholder = format!("${{aws:iot:s3-presigned-url-v2:{url}}}");
            assert_eq!(needs_role(&placeholder), Ok(Some(Version::V2)));
            assert_eq!(
                substituted(&placeholder),
                r#"{"u":"<v1 of b|a b|300|1700000000>"}"#
            );
        }
    }

    #[test]
    fn null_members_are_dropped_over_mqtt() {
        let object = document(r#"{"a":null,"b":[null,{"c":null}],"d":1}"#).to_object(&Spell, NOW);
        assert_eq!(object, json!({"b": [null, {}], "d": 1}));
    }

    #[test]
    fn a_document_has_ten_substitutions_at_most() {
        let placeholder = "${aws:iot:s3-presigned-url:https://s3.amazonaws.com/fw/a}";
        let upload = "${aws:iot:s3-presigned-url-upload:https://s3.amazonaws.com/logs}";
        let untouched = "${aws:iot:parameter:p}".repeat(20);
        let ten = format!("{untouched}{}{upload}", placeholder.repeat(9));
        assert_eq!(needs_role(&ten), Ok(Some(Version::V1)));
        assert_eq!(
            needs_role(&format!("{ten}{placeholder}")),
            Err(PlaceholderError::TooMany { limit: 10 })
        );
    }
}
