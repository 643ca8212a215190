//! PutBucketVersioning, GetBucketVersioning and ListObjectVersions.

use axum::body::Body;
use axum::http::{Method, Response, StatusCode};

use super::list::{Entries, MAX_KEYS, max_keys, url_encoded};
use super::reply::{document, status};
use super::routes::{Call, MAX_XML_BYTES};
use super::versions::{Revision, Versioning};
use super::xml::{self, NAMESPACE, Writer};
use super::{Inner, S3Error, date, upload};

impl Inner {
    /// Answers a request for `?versioning` of a bucket.
    pub(super) async fn versioning(
        &self,
        call: &Call<'_>,
        body: Body,
    ) -> Result<Response<Body>, S3Error> {
        call.allow(&["versioning"])?;
        if call.head.method == Method::PUT {
            let versioning = read(&upload::small(body, MAX_XML_BYTES).await?)?;
            self.store.set_versioning(&call.bucket, versioning)?;
            return Ok(status(StatusCode::OK));
        }
        let versioning = self.store.versioning(&call.bucket)?;
        let mut xml = Writer::new();
        xml.open("VersioningConfiguration", Some(NAMESPACE));
        if let Some(name) = versioning.as_str() {
            xml.element("Status", name);
        }
        xml.close("VersioningConfiguration");
        Ok(document(xml.finish()))
    }

    /// ListObjectVersions.
    pub(super) fn list_versions(&self, call: &Call<'_>) -> Result<Response<Body>, S3Error> {
        call.allow(&[
            "versions",
            "prefix",
            "delimiter",
            "key-marker",
            "version-id-marker",
            "max-keys",
            "encoding-type",
        ])?;
        let request = Request {
            prefix: call.owned("prefix"),
            delimiter: call.owned("delimiter"),
            key_marker: call.owned("key-marker"),
            version_marker: call.owned("version-id-marker"),
            max_keys: max_keys(call.parameter("max-keys"))?,
            encoded: call.parameter("encoding-type") == Some("url"),
        };
        if request.key_marker.is_empty() && !request.version_marker.is_empty() {
            return Err(S3Error::InvalidArgument {
                reason: "A version-id marker cannot be specified without a key marker.".to_owned(),
            });
        }
        let histories = self.store.histories(&call.bucket, &request.prefix)?;
        let entries = request.entries(histories);
        Ok(document(request.write(&call.bucket, &entries)))
    }
}

fn read(request: &[u8]) -> Result<Versioning, S3Error> {
    let request = core::str::from_utf8(request).map_err(|_| S3Error::MalformedXml)?;
    if xml::elements(request, "MfaDelete").any(|value| value.trim() == "Enabled") {
        return Err(S3Error::NotImplemented {
            what: "MfaDelete".to_owned(),
        });
    }
    let status = xml::elements(request, "Status").next();
    let versioning = status.and_then(|status| Versioning::parse(status.trim()));
    versioning.ok_or(S3Error::MalformedXml)
}

struct Request {
    prefix: String,
    delimiter: String,
    key_marker: String,
    version_marker: String,
    max_keys: usize,
    encoded: bool,
}

/// One entry of the list.
enum Entry {
    CommonPrefix(String),
    Version {
        key: String,
        revision: Box<Revision>,
        is_latest: bool,
    },
}

impl Request {
    /// What comes after the markers, to one more than a page holds.
    fn entries(&self, histories: Vec<(String, Vec<Revision>)>) -> Vec<Entry> {
        let names = Entries {
            prefix: &self.prefix,
            delimiter: &self.delimiter,
        };
        let mut entries = Vec::new();
        for (key, revisions) in histories {
            if entries.len() > MAX_KEYS {
                break;
            }
            let common = names.common_prefix(&key);
            let begun = common.unwrap_or(&key);
            if begun < self.key_marker.as_str()
                || begun == self.key_marker && self.version_marker.is_empty()
            {
                continue;
            }
            match (common, entries.last()) {
                (Some(common), Some(Entry::CommonPrefix(last))) if common == last => {}
                (Some(common), _) => entries.push(Entry::CommonPrefix(common.to_owned())),
                (None, _) => entries.extend(self.versions(&key, revisions)),
            }
        }
        entries
    }

    fn versions(&self, key: &str, revisions: Vec<Revision>) -> impl Iterator<Item = Entry> {
        let marked = key == self.key_marker;
        let marker = revisions
            .iter()
            .position(|revision| marked && revision.id == self.version_marker);
        let told = marker.map_or(0, |marker| marker + 1);
        let entries = revisions.into_iter().enumerate().skip(told);
        entries.map(|(index, revision)| Entry::Version {
            key: key.to_owned(),
            revision: Box::new(revision),
            is_latest: index == 0,
        })
    }

    fn write(&self, bucket: &str, entries: &[Entry]) -> String {
        let text = |text: &str| url_encoded(text, self.encoded);
        let is_truncated = entries.len() > self.max_keys && self.max_keys > 0;
        let page = entries.get(..self.max_keys).unwrap_or(entries);
        let mut xml = Writer::new();
        xml.open("ListVersionsResult", Some(NAMESPACE))
            .element("Name", bucket)
            .element("Prefix", &text(&self.prefix))
            .element("KeyMarker", &text(&self.key_marker))
            .element("VersionIdMarker", &self.version_marker);
        if !self.delimiter.is_empty() {
            xml.element("Delimiter", &text(&self.delimiter));
        }
        if self.encoded {
            xml.element("EncodingType", "url");
        }
        xml.element("MaxKeys", &self.max_keys.to_string())
            .element("IsTruncated", if is_truncated { "true" } else { "false" });
        match page.last().filter(|_| is_truncated) {
            Some(Entry::CommonPrefix(prefix)) => {
                xml.element("NextKeyMarker", &text(prefix));
            }
            Some(Entry::Version { key, revision, .. }) => {
                xml.element("NextKeyMarker", &text(key))
                    .element("NextVersionIdMarker", &revision.id);
            }
            None => {}
        }
        for entry in page {
            match entry {
                Entry::CommonPrefix(prefix) => {
                    xml.open("CommonPrefixes", None)
                        .element("Prefix", &text(prefix))
                        .close("CommonPrefixes");
                }
                Entry::Version {
                    key,
                    revision,
                    is_latest,
                } => write_version(&mut xml, &text(key), revision, *is_latest),
            }
        }
        xml.close("ListVersionsResult");
        xml.finish()
    }
}

fn write_version(xml: &mut Writer, key: &str, revision: &Revision, is_latest: bool) {
    let name = match revision.object {
        Some(_) => "Version",
        None => "DeleteMarker",
    };
    xml.open(name, None)
        .element("Key", key)
        .element("VersionId", &revision.id)
        .element("IsLatest", if is_latest { "true" } else { "false" })
        .element("LastModified", &date::iso(revision.modified));
    if let Some(object) = &revision.object {
        xml.element("ETag", &object.etag)
            .element("Size", &object.content.size.to_string())
            .element("StorageClass", "STANDARD");
    }
    xml.close(name);
}
