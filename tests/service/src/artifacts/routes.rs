//! S3's operations over HTTP: what is asked for, and the answer.
//! Facts: Amazon S3 API reference, the pages of the operations.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HOST, LOCATION};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::copy::COPY_SOURCE;
use super::object::{VERSION_ID, told_version};
use super::presign::{SignedRequest, is_presigned, verify};
use super::reply::{document, status, stored, text};
use super::xml::{NAMESPACE, Writer};
use super::{Artifacts, Inner, S3Error, list, upload};
use crate::http::ShownCertificate;
use crate::model::time::Timestamp;

/// The XML that a client may send: a list of parts is the longest.
pub(super) const MAX_XML_BYTES: usize = 2 << 20;

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

    pub(super) fn owned(&self, name: &str) -> String {
        self.parameter(name).unwrap_or_default().to_owned()
    }

    /// Refuses what would be silently ignored: `?acl` must not list a bucket, and a copied part has no body.
    pub(super) fn allow(&self, parameters: &[&str]) -> Result<(), S3Error> {
        self.allow_parameters(parameters)?;
        if self.head.headers.contains_key(COPY_SOURCE) {
            return Err(S3Error::NotImplemented {
                what: COPY_SOURCE.to_owned(),
            });
        }
        Ok(())
    }

    /// Refuses parameters that would be silently ignored.
    pub(super) fn allow_parameters(&self, parameters: &[&str]) -> Result<(), S3Error> {
        let is_known =
            |name: &str| parameters.contains(&name) || name == "x-id" || is_signature(name);
        match self.query.keys().find(|name| !is_known(name)) {
            Some(what) => Err(S3Error::NotImplemented { what: what.clone() }),
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
        match head.method {
            Method::PUT => match text(&head.headers, COPY_SOURCE) {
                Some(source) => self.copy(&call, source),
                None => self.put(&call, body).await,
            },
            Method::GET | Method::HEAD => {
                call.allow(&["versionId"])?;
                self.object(&call).await
            }
            Method::DELETE => self.delete_object(&call),
            _ => Err(S3Error::MethodNotAllowed),
        }
    }

    async fn put(&self, call: &Call<'_>, body: Body) -> Result<Response<Body>, S3Error> {
        call.allow(&[])?;
        self.store.check_key(&call.bucket, &call.key)?;
        let object = upload::receive(&self.store, &call.head.headers, body, call.now).await?;
        let mut response = stored(&object);
        let version = self.store.put(&call.bucket, &call.key, object)?;
        told_version(&mut response, VERSION_ID, version.as_deref());
        Ok(response)
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
            Method::GET | Method::PUT if call.query.contains_key("versioning") => {
                self.versioning(call, body).await
            }
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
            Method::GET if call.query.contains_key("versions") => self.list_versions(call),
            Method::GET => self.list(call),
            Method::POST if call.query.contains_key("delete") => {
                self.delete_objects(call, body).await
            }
            _ => Err(S3Error::MethodNotAllowed),
        }
    }

    fn list(&self, call: &Call<'_>) -> Result<Response<Body>, S3Error> {
        call.allow(&[
            "list-type",
            "prefix",
            "delimiter",
            "start-after",
            "continuation-token",
            "marker",
            "max-keys",
            "encoding-type",
            "fetch-owner",
        ])?;
        let place = match call.parameter("list-type") {
            None => list::Place::Marker(call.owned("marker")),
            Some("2") => list::Place::Token {
                start_after: call.owned("start-after"),
                continuation_token: call.owned("continuation-token"),
            },
            Some(_) => {
                return Err(S3Error::InvalidArgument {
                    reason: "Invalid List Type specified in Request".to_owned(),
                });
            }
        };
        let request = list::Request {
            prefix: call.owned("prefix"),
            delimiter: call.owned("delimiter"),
            place,
            max_keys: list::max_keys(call.parameter("max-keys"))?,
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
