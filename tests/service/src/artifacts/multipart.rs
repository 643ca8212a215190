//! Objects that arrive in parts: CreateMultipartUpload, UploadPart, CompleteMultipartUpload and
//! AbortMultipartUpload, which boto3's `upload_file` and `aws s3 cp` use above 8 MiB.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use uuid::Uuid;

use super::object::{VERSION_ID, told_version};
use super::reply::{document, status, stored};
use super::routes::{Call, MAX_XML_BYTES};
use super::store::{Object, Upload};
use super::xml::{self, NAMESPACE, Writer};
use super::{Inner, S3Error, upload};

const MAX_PART_NUMBER: u16 = 10_000;

impl Inner {
    /// Answers a request with `uploads` or `uploadId` in its query.
    pub(super) async fn multipart(
        &self,
        call: &Call<'_>,
        body: Body,
    ) -> Result<Response<Body>, S3Error> {
        call.allow(&["uploads", "uploadId", "partNumber"])?;
        let (bucket, key) = (&call.bucket, &call.key);
        let id = call.parameter("uploadId");
        match (&call.head.method, id) {
            (&Method::POST, None) => {
                let id = Uuid::new_v4().simple().to_string();
                let headers = upload::kept(&call.head.headers);
                let upload = Upload {
                    bucket: bucket.clone(),
                    key: key.clone(),
                    headers,
                    parts: BTreeMap::new(),
                };
                self.store.begin_upload(id.clone(), upload)?;
                let mut xml = Writer::new();
                xml.open("InitiateMultipartUploadResult", Some(NAMESPACE))
                    .element("Bucket", bucket);
                xml.element("Key", key)
                    .element("UploadId", &id)
                    .close("InitiateMultipartUploadResult");
                Ok(document(xml.finish()))
            }
            (&Method::PUT, Some(id)) => {
                self.store.check_upload(id, bucket, key)?;
                let number = call
                    .parameter("partNumber")
                    .and_then(|number| number.parse().ok());
                let number = number.filter(|number| (1..=MAX_PART_NUMBER).contains(number));
                let number = number.ok_or_else(|| S3Error::InvalidArgument {
                    reason: "Part number must be an integer between 1 and 10000, inclusive"
                        .to_owned(),
                })?;
                let part = upload::receive(&self.store, &call.head.headers, body, call.now).await?;
                let response = stored(&part);
                self.store.put_part(id, number, part)?;
                Ok(response)
            }
            (&Method::POST, Some(id)) => self.complete(call, id, body).await,
            (&Method::DELETE, Some(id)) => {
                self.store.check_upload(id, bucket, key)?;
                self.store.end_upload(id);
                Ok(status(StatusCode::NO_CONTENT))
            }
            _ => Err(S3Error::MethodNotAllowed),
        }
    }

    /// Joins the parts that the request lists into one object.
    async fn complete(
        &self,
        call: &Call<'_>,
        id: &str,
        body: Body,
    ) -> Result<Response<Body>, S3Error> {
        let upload = self.store.upload(id, &call.bucket, &call.key)?;
        let request = upload::small(body, MAX_XML_BYTES).await?;
        let request = core::str::from_utf8(&request).map_err(|_| S3Error::MalformedXml)?;
        let mut parts = Vec::new();
        for part in xml::elements(request, "Part") {
            let number = xml::elements(part, "PartNumber")
                .next()
                .and_then(|number| number.trim().parse().ok());
            let number: u16 = number.ok_or(S3Error::MalformedXml)?;
            let etag = xml::elements(part, "ETag")
                .next()
                .map(xml::text)
                .ok_or(S3Error::MalformedXml)?;
            let stored = upload.parts.get(&number).ok_or(S3Error::InvalidPart)?;
            if stored.etag.trim_matches('"') != etag.trim().trim_matches('"') {
                return Err(S3Error::InvalidPart);
            }
            parts.push(stored);
        }
        if parts.is_empty() {
            return Err(S3Error::MalformedXml);
        }

        let written = self.store.join(&parts).await?;
        let etag = format!("\"{}-{}\"", written.etag.trim_matches('"'), parts.len());
        let (content, headers) = (written.content, upload.headers);
        let object = Object {
            content,
            etag: etag.clone(),
            modified: call.now,
            headers,
            checksum: None,
        };
        let version = self.store.put(&call.bucket, &call.key, object)?;
        self.store.end_upload(id);
        let mut xml = Writer::new();
        xml.open("CompleteMultipartUploadResult", Some(NAMESPACE))
            .element("Location", call.head.uri.path());
        xml.element("Bucket", &call.bucket)
            .element("Key", &call.key)
            .element("ETag", &etag);
        xml.close("CompleteMultipartUploadResult");
        let mut response = document(xml.finish());
        told_version(&mut response, VERSION_ID, version.as_deref());
        Ok(response)
    }
}
