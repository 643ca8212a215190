//! DeleteObject and DeleteObjects, of objects and of their versions.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::object::{DELETE_MARKER, VERSION_ID, told_version};
use super::reply::{document, insert, status};
use super::routes::{Call, MAX_XML_BYTES};
use super::xml::{self, NAMESPACE, Writer};
use super::{Inner, S3Error, upload};

/// The most objects of one DeleteObjects.
const MAX_DELETED: usize = 1000;

impl Inner {
    /// DeleteObject. An object that does not exist counts as deleted.
    pub(super) fn delete_object(&self, call: &Call<'_>) -> Result<Response<Body>, S3Error> {
        call.allow(&["versionId"])?;
        let version = call.parameter("versionId");
        let deleted = self
            .store
            .delete(&call.bucket, &call.key, version, call.now)?;
        let mut response = status(StatusCode::NO_CONTENT);
        told_version(&mut response, VERSION_ID, deleted.version.as_deref());
        if deleted.is_marker {
            insert(&mut response, DELETE_MARKER, "true");
        }
        Ok(response)
    }

    /// DeleteObjects. An object that does not exist counts as deleted.
    pub(super) async fn delete_objects(
        &self,
        call: &Call<'_>,
        body: Body,
    ) -> Result<Response<Body>, S3Error> {
        call.allow(&["delete"])?;
        let request = upload::small(body, MAX_XML_BYTES).await?;
        let request = core::str::from_utf8(&request).map_err(|_| S3Error::MalformedXml)?;
        let objects = xml::elements(request, "Object").map(|object| {
            let key = xml::elements(object, "Key").next().map(xml::text);
            let version = xml::elements(object, "VersionId").next().map(xml::text);
            Ok((key.ok_or(S3Error::MalformedXml)?, version))
        });
        let objects: Vec<_> = objects.collect::<Result<_, S3Error>>()?;
        if objects.is_empty() || objects.len() > MAX_DELETED {
            return Err(S3Error::MalformedXml);
        }
        let is_quiet = xml::elements(request, "Quiet").any(|quiet| quiet.trim() == "true");
        let mut xml = Writer::new();
        xml.open("DeleteResult", Some(NAMESPACE));
        for (key, version) in objects {
            let version = version.as_deref();
            let deleted = self.store.delete(&call.bucket, &key, version, call.now)?;
            if is_quiet {
                continue;
            }
            xml.open("Deleted", None).element("Key", &key);
            if let Some(version) = version {
                xml.element("VersionId", version);
            }
            if deleted.is_marker {
                let marker = deleted.version.as_deref().unwrap_or_default();
                xml.element("DeleteMarker", "true")
                    .element("DeleteMarkerVersionId", marker);
            }
            xml.close("Deleted");
        }
        xml.close("DeleteResult");
        Ok(document(xml.finish()))
    }
}
