//! CopyObject, within and across buckets. The copy shares its content with the source.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Response};
use percent_encoding::percent_decode_str;

use super::date;
use super::object::{VERSION_ID, conditions_hold, told_version};
use super::reply::{document, text};
use super::routes::Call;
use super::store::Object;
use super::xml::{NAMESPACE, Writer};
use super::{Inner, S3Error, upload};

/// The header that names the object to copy.
pub(super) const COPY_SOURCE: &str = "x-amz-copy-source";
const SOURCE_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");
const DIRECTIVE: &str = "x-amz-metadata-directive";
/// The conditions on the source, and what they are called where they are on the object itself.
const CONDITIONS: [(&str, HeaderName); 4] = [
    ("x-amz-copy-source-if-match", axum::http::header::IF_MATCH),
    (
        "x-amz-copy-source-if-none-match",
        axum::http::header::IF_NONE_MATCH,
    ),
    (
        "x-amz-copy-source-if-modified-since",
        axum::http::header::IF_MODIFIED_SINCE,
    ),
    (
        "x-amz-copy-source-if-unmodified-since",
        axum::http::header::IF_UNMODIFIED_SINCE,
    ),
];

impl Inner {
    /// Copies the object that `source` names.
    pub(super) fn copy(&self, call: &Call<'_>, source: &str) -> Result<Response<Body>, S3Error> {
        call.allow_parameters(&[])?;
        let headers = &call.head.headers;
        let source = Source::parse(source)?;
        let replaces = match text(headers, DIRECTIVE) {
            None | Some("COPY") => false,
            Some("REPLACE") => true,
            Some(_) => return Err(invalid("Unknown metadata directive.")),
        };
        let is_same = source.bucket == call.bucket && source.key == call.key;
        if is_same && source.version.is_none() && !replaces {
            return Err(S3Error::CopyOntoItself);
        }
        let version = source.version.as_deref();
        let (object, source_version) = self.store.find(&source.bucket, &source.key, version)?;
        if !conditions_hold(&conditions(headers), &object)? {
            return Err(S3Error::PreconditionFailed);
        }
        let copy = Object {
            modified: call.now,
            headers: if replaces {
                upload::kept(headers)
            } else {
                object.headers.clone()
            },
            ..object
        };
        let etag = copy.etag.clone();
        let version = self.store.put(&call.bucket, &call.key, copy)?;

        let mut xml = Writer::new();
        xml.open("CopyObjectResult", Some(NAMESPACE))
            .element("LastModified", &date::iso(call.now))
            .element("ETag", &etag)
            .close("CopyObjectResult");
        let mut response = document(xml.finish());
        told_version(&mut response, VERSION_ID, version.as_deref());
        told_version(&mut response, SOURCE_VERSION_ID, source_version.as_deref());
        Ok(response)
    }
}

/// The object to copy.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    bucket: String,
    key: String,
    version: Option<String>,
}

impl Source {
    /// Reads `BUCKET/KEY?versionId=VERSION`, percent-encoded but for the question mark.
    fn parse(header: &str) -> Result<Self, S3Error> {
        let decode = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(|text| text.into_owned())
        };
        let (path, version) = match header.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (header, None),
        };
        let path = decode(path).map_err(|_| invalid("The copy source is not UTF-8"))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let named = path.split_once('/');
        let named = named.filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
        let (bucket, key) = named.ok_or_else(|| {
            invalid("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
        })?;
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version,
        })
    }
}

/// The conditions on the source, as those of a request for it.
fn conditions(headers: &HeaderMap) -> HeaderMap {
    let given = CONDITIONS.into_iter();
    given
        .filter_map(|(name, condition)| Some((condition, headers.get(name)?.clone())))
        .collect()
}

fn invalid(reason: &str) -> S3Error {
    S3Error::InvalidArgument {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_bucket_and_a_key_and_perhaps_a_version() {
        for (header, bucket, key, version) in [
            ("b/k", "b", "k", None),
            ("/b/a%20b/%C3%BC%3F", "b", "a b/ü?", None),
            ("b%2Fk?versionId=v1", "b", "k", Some("v1")),
        ] {
            let expected = Source {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                version: version.map(str::to_owned),
            };
            assert_eq!(Source::parse(header).unwrap(), expected, "{header}");
        }
        for header in ["", "/", "b", "b/", "/b/", "b/%ff"] {
            assert!(
                matches!(Source::parse(header), Err(S3Error::InvalidArgument { .. })),
                "{header}"
            );
        }
    }
}
