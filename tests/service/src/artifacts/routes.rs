//! S3's operations over HTTP: what is asked for, and the answer.
//! Facts: Amazon S3 API reference, the pages of the operations.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HOST,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    LOCATION, RANGE,
};
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, request,
};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::presign::{SignedRequest, is_presigned, verify};
use super::range::Range;
use super::store::{Object, Upload};
use super::xml::{self, NAMESPACE, Writer};
use super::{Artifacts, DownloadFault, Inner, S3Error, date, download, list, upload};
use crate::model::time::Timestamp;

/// The XML that a client may send: a list of parts is the longest.
const MAX_XML_BYTES: usize = 2 << 20;
const XML: HeaderValue = HeaderValue::from_static("application/xml");
const MAX_PART_NUMBER: u16 = 10_000;

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
struct Call<'a> {
    head: &'a request::Parts,
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
    presigned: bool,
    now: u64,
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

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn owned(&self, name: &str) -> String {
        self.parameter(name).unwrap_or_default().to_owned()
    }

    /// Refuses what would be silently ignored: `?acl` must not list a bucket.
    fn allow(&self, parameters: &[&str]) -> Result<(), S3Error> {
        let is_known =
            |name: &str| parameters.contains(&name) || name == "x-id" || name.starts_with("X-Amz-");
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

    async fn multipart(&self, call: &Call<'_>, body: Body) -> Result<Response<Body>, S3Error> {
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
                self.store.upload(id, bucket, key)?;
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
                self.store.upload(id, bucket, key)?;
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
        self.store.put(&call.bucket, &call.key, object)?;
        self.store.end_upload(id);
        let mut xml = Writer::new();
        xml.open("CompleteMultipartUploadResult", Some(NAMESPACE))
            .element("Location", call.head.uri.path());
        xml.element("Bucket", &call.bucket)
            .element("Key", &call.key)
            .element("ETag", &etag);
        xml.close("CompleteMultipartUploadResult");
        Ok(document(xml.finish()))
    }

    async fn object(&self, call: &Call<'_>) -> Result<Response<Body>, S3Error> {
        let is_get = call.head.method == Method::GET;
        let fault = if is_get && call.presigned {
            self.faults().next_download()
        } else {
            DownloadFault::default()
        };
        if let Some(status) = fault
            .status
            .and_then(|status| StatusCode::from_u16(status).ok())
        {
            return Err(S3Error::Fault { status });
        }
        let object = self.store.object(&call.bucket, &call.key)?;
        let headers = &call.head.headers;
        if !conditions_hold(headers, &object)? {
            let mut response = described(&object);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }

        let mut response = described(&object);
        let size = object.content.size;
        let (first, len) = match requested_range(headers, &object) {
            Range::Whole => {
                checksum_header(&mut response, headers, &object);
                (0, size)
            }
            Range::Unsatisfiable => return Err(S3Error::InvalidRange { size }),
            Range::Part { first, last } => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                insert(
                    &mut response,
                    CONTENT_RANGE,
                    &format!("bytes {first}-{last}/{size}"),
                );
                (first, last - first + 1)
            }
        };
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(len));
        if is_get {
            *response.body_mut() =
                download::body(object.content.open().await?, first, len, fault).await?;
        }
        Ok(response)
    }
}

/// Whether the request may be answered at all: presigned queries are verified, signed headers believed.
fn authorize(head: &request::Parts, now: u64) -> Result<(), S3Error> {
    let query = head.uri.query().unwrap_or_default();
    if is_presigned(query) {
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

/// Evaluates preconditions in the order of RFC 9110, 13.2.2. `false` means 304.
fn conditions_hold(headers: &HeaderMap, object: &Object) -> Result<bool, S3Error> {
    let matches = |list: &str| {
        list.split(',')
            .any(|tag| tag.trim() == "*" || tag.trim() == object.etag)
    };
    let since = |name: HeaderName| text(headers, name.as_str()).and_then(date::parse_http);
    let holds = match text(headers, IF_MATCH.as_str()) {
        Some(list) => matches(list),
        None => since(IF_UNMODIFIED_SINCE).is_none_or(|date| object.modified <= date),
    };
    if !holds {
        return Err(S3Error::PreconditionFailed);
    }
    Ok(match text(headers, IF_NONE_MATCH.as_str()) {
        Some(list) => !matches(list),
        None => since(IF_MODIFIED_SINCE).is_none_or(|date| object.modified > date),
    })
}

fn requested_range(headers: &HeaderMap, object: &Object) -> Range {
    let Some(range) = text(headers, RANGE.as_str()) else {
        return Range::Whole;
    };
    let unchanged = text(headers, IF_RANGE.as_str()).is_none_or(|validator| {
        validator == object.etag || date::parse_http(validator) == Some(object.modified)
    });
    if unchanged {
        Range::parse(range, object.content.size)
    } else {
        Range::Whole
    }
}

fn described(object: &Object) -> Response<Body> {
    let mut response = status(StatusCode::OK);
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("binary/octet-stream"),
    );
    response
        .headers_mut()
        .insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    for (name, value) in &object.headers {
        response.headers_mut().insert(name, value.clone());
    }
    insert(&mut response, ETAG, &object.etag);
    insert(&mut response, LAST_MODIFIED, &date::http(object.modified));
    response
}

fn checksum_header(response: &mut Response<Body>, headers: &HeaderMap, object: &Object) {
    let asked = text(headers, "x-amz-checksum-mode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
    if let Some(checksum) = object.checksum.as_ref().filter(|_| asked) {
        insert(
            response,
            HeaderName::from_static(checksum.algorithm.header()),
            &checksum.value,
        );
        insert(
            response,
            HeaderName::from_static("x-amz-checksum-type"),
            "FULL_OBJECT",
        );
    }
}

/// The answer to PutObject and UploadPart.
fn stored(object: &Object) -> Response<Body> {
    let mut response = status(StatusCode::OK);
    insert(&mut response, ETAG, &object.etag);
    if let Some(checksum) = &object.checksum {
        insert(
            &mut response,
            HeaderName::from_static(checksum.algorithm.header()),
            &checksum.value,
        );
    }
    response
}

fn document(xml: String) -> Response<Body> {
    let mut response = Response::new(Body::from(xml));
    response.headers_mut().insert(CONTENT_TYPE, XML);
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header to a value made here; one that HTTP cannot carry is left out.
fn insert(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
