//! S3's operations over HTTP: what is asked for, and the answer.
//! Facts: Amazon S3 API reference, the pages of the operations.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HOST, LOCATION};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::presign::{SignedRequest, is_presigned, verify};
use super::reply::{document, status, stored, text};
use super::xml::{self, NAMESPACE, Writer};
use super::{Artifacts, Inner, S3Error, list, upload};
use crate::http::ShownCertificate;
use crate::model::time::Timestamp;

/// The XML that a client may send: a list of parts is the longest.
pub(super) const MAX_XML_BYTES: usize = 2 << 20;
/// The most objects of one DeleteObjects.
const MAX_DELETED: usize = 1000;

impl Artifacts {
    /// Answers one request of S3's API.
    pub async fn answer(&self, request: Request<Body>, now: Timestamp) -> Response<Body> {
        let id = Uuid::new_v4().simple().to_string();
        let (head, body) = request.into_parts();
        let mut response = match self.inner.dispatch(&head, body, now.as_secs()).await {
            Ok(response) => response,
            Err(error) => {
                if let S3Error::Internal(source) = &error {
                    tracing::error!(error = %source, "could not reach an object's file");
                }
                error.response(head.uri.path(), &id)
            }
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        response
    }
}

/// A request's place and parameters.
pub(super) struct Call<'a> {
    pub(super) head: &'a request::Parts,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) presigned: bool,
    pub(super) now: u64,
}

impl<'a> Call<'a> {
    fn parse(head: &'a request::Parts, now: u64) -> Result<Self, S3Error> {
        let path = head.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let decode = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(|text| text.into_owned())
                .map_err(|_| S3Error::InvalidArgument {
                    reason: "The request's URI is not UTF-8".to_owned(),
                })
        };
        let query = head.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        let presigned = is_presigned(query);
        Ok(Self {
            head,
            bucket: decode(bucket)?,
            key: decode(key)?,
            query: pairs.collect::<Result<_, S3Error>>()?,
            presigned,
            now,
        })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn owned(&self, name: &str) -> String {
        self.parameter(name).unwrap_or_default().to_owned()
    }

    /// Refuses what would be silently ignored: `?acl` must not list a bucket.
    pub(super) fn allow(&self, parameters: &[&str]) -> Result<(), S3Error> {
        let is_known =
            |name: &str| parameters.contains(&name) || name == "x-id" || is_signature(name);
        let query = self.query.keys().find(|name| !is_known(name));
        let copy = self
            .head
            .headers
            .keys()
            .map(HeaderName::as_str)
            .find(|name| *name == "x-amz-copy-source");
        match query.map(String::as_str).or(copy) {
            Some(what) => Err(S3Error::NotImplemented {
                what: what.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Inner {
    async fn dispatch(
        &self,
        head: &request::Parts,
        body: Body,
        now: u64,
    ) -> Result<Response<Body>, S3Error> {
        authorize(head, now)?;
        let call = Call::parse(head, now)?;
        if call.bucket.is_empty() {
            return self.service(&call);
        }
        if call.key.is_empty() {
            return self.bucket(&call, body).await;
        }
        if call.query.contains_key("uploads") || call.query.contains_key("uploadId") {
            return self.multipart(&call, body).await;
        }
        call.allow(&[])?;
        match head.method {
            Method::PUT => {
                self.store.check_key(&call.bucket, &call.key)?;
                let object = upload::receive(&self.store, &head.headers, body, now).await?;
                let response = stored(&object);
                self.store.put(&call.bucket, &call.key, object)?;
                Ok(response)
            }
            Method::GET | Method::HEAD => self.object(&call).await,
            Method::DELETE => {
                self.store.delete(&call.bucket, &call.key)?;
                Ok(status(StatusCode::NO_CONTENT))
            }
            _ => Err(S3Error::MethodNotAllowed),
        }
    }

    fn service(&self, call: &Call<'_>) -> Result<Response<Body>, S3Error> {
        call.allow(&[
            "max-buckets",
            "prefix",
            "bucket-region",
            "continuation-token",
        ])?;
        match call.head.method {
            Method::GET => Ok(document(list::buckets(&self.store, &self.region))),
            _ => Err(S3Error::MethodNotAllowed),
        }
    }

    async fn bucket(&self, call: &Call<'_>, body: Body) -> Result<Response<Body>, S3Error> {
        let name = &call.bucket;
        match call.head.method {
            Method::PUT => {
                call.allow(&[])?;
                upload::small(body, MAX_XML_BYTES).await?;
                self.store.create_bucket(name, call.now)?;
                let mut response = status(StatusCode::OK);
                let location = HeaderValue::from_str(&format!("/{name}"))
                    .map_err(|_| S3Error::InvalidBucketName)?;
                response.headers_mut().insert(LOCATION, location);
                Ok(response)
            }
            Method::HEAD => {
                call.allow(&[])?;
                self.store.check_bucket(name)?;
                let mut response = status(StatusCode::OK);
                if let Ok(region) = HeaderValue::from_str(&self.region) {
                    response.headers_mut().insert("x-amz-bucket-region", region);
                }
                Ok(response)
            }
            Method::DELETE => {
                call.allow(&[])?;
                self.store.delete_bucket(name)?;
                Ok(status(StatusCode::NO_CONTENT))
            }
            Method::GET if call.query.contains_key("location") => {
                call.allow(&["location"])?;
                self.store.check_bucket(name)?;
                let mut xml = Writer::new();
                xml.open("LocationConstraint", Some(NAMESPACE));
                Ok(document(format!(
                    "{}{}</LocationConstraint>",
                    xml.finish(),
                    self.region
                )))
            }
            Method::GET => self.list(call),
            Method::POST if call.query.contains_key("delete") => {
                call.allow(&["delete"])?;
                self.delete_objects(call, body).await
            }
            _ => Err(S3Error::MethodNotAllowed),
        }
    }

    /// DeleteObjects. An object that does not exist counts as deleted.
    async fn delete_objects(&self, call: &Call<'_>, body: Body) -> Result<Response<Body>, S3Error> {
        let request = upload::small(body, MAX_XML_BYTES).await?;
        let request = core::str::from_utf8(&request).map_err(|_| S3Error::MalformedXml)?;
        let keys = xml::elements(request, "Object").map(|object| {
            let key = xml::elements(object, "Key").next().map(xml::text);
            key.ok_or(S3Error::MalformedXml)
        });
        let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() || keys.len() > MAX_DELETED {
            return Err(S3Error::MalformedXml);
        }
        let is_quiet = xml::elements(request, "Quiet").any(|quiet| quiet.trim() == "true");
        let mut xml = Writer::new();
        xml.open("DeleteResult", Some(NAMESPACE));
        for key in keys {
            self.store.delete(&call.bucket, &key)?;
            if !is_quiet {
                xml.open("Deleted", None)
                    .element("Key", &key)
                    .close("Deleted");
            }
        }
        xml.close("DeleteResult");
        Ok(document(xml.finish()))
    }

    fn list(&self, call: &Call<'_>) -> Result<Response<Body>, S3Error> {
        call.allow(&[
            "list-type",
            "prefix",
            "delimiter",
            "start-after",
            "continuation-token",
            "max-keys",
            "encoding-type",
            "fetch-owner",
        ])?;
        if call.parameter("list-type") != Some("2") {
            return Err(S3Error::NotImplemented {
                what: "ListObjects (version 1); use ListObjectsV2".to_owned(),
            });
        }
        let request = list::Request {
            prefix: call.owned("prefix"),
            delimiter: call.owned("delimiter"),
            start_after: call.owned("start-after"),
            continuation_token: call.owned("continuation-token"),
            max_keys: call.parameter("max-keys").map(str::to_owned),
            encoded: call.parameter("encoding-type") == Some("url"),
        };
        list::objects(&self.store, &call.bucket, &request).map(document)
    }
}

/// Whether the request may be answered at all: presigned queries are verified, signed headers believed.
///
/// Only one of them is taken, as S3 does: a device that gives its own credentials to whatever host a URL names
/// must fail here.
fn authorize(head: &request::Parts, now: u64) -> Result<(), S3Error> {
    let query = head.uri.query().unwrap_or_default();
    if is_presigned(query) {
        if head.headers.contains_key(AUTHORIZATION) {
            return Err(S3Error::OneAuthMechanism);
        }
        if head.extensions.get::<ShownCertificate>().is_some() {
            return Err(S3Error::ClientCertificateShown);
        }
        let header = |name: &str| text(&head.headers, name).map(str::to_owned);
        let host = text(&head.headers, HOST.as_str()).unwrap_or_default();
        let (method, path) = (head.method.as_str(), head.uri.path());
        return Ok(verify(
            &SignedRequest {
                method,
                host,
                path,
                query,
                header: &header,
            },
            now,
        )?);
    }
    if head.headers.contains_key(AUTHORIZATION) {
        Ok(())
    } else {
        Err(S3Error::AccessDenied)
    }
}

/// Whether a parameter belongs to the signature, not to the operation.
fn is_signature(name: &str) -> bool {
    name.starts_with("X-Amz-") || matches!(name, "AWSAccessKeyId" | "Expires" | "Signature")
}
