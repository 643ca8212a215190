//! GetObject and HeadObject: conditions, ranges and the headers of an object.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::range::Range;
use super::reply::{insert, status, text};
use super::routes::Call;
use super::store::Object;
use super::{DownloadFault, Inner, S3Error, date, download};

/// The header that names the version of an object.
pub(super) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
/// The header that says that a version is a delete marker.
pub(super) const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

impl Inner {
    pub(super) async fn object(&self, call: &Call<'_>) -> Result<Response<Body>, S3Error> {
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
        let version = call.parameter("versionId");
        let (object, version) = self.store.find(&call.bucket, &call.key, version)?;
        let headers = &call.head.headers;
        let mut response = described(&object);
        told_version(&mut response, VERSION_ID, version.as_deref());
        if !conditions_hold(headers, &object)? {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }

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

/// Names a version in a header, if there is one to tell of.
pub(super) fn told_version(response: &mut Response<Body>, name: HeaderName, version: Option<&str>) {
    if let Some(version) = version {
        insert(response, name, version);
    }
}

/// Evaluates preconditions in the order of RFC 9110, 13.2.2. `false` means 304.
pub(super) fn conditions_hold(headers: &HeaderMap, object: &Object) -> Result<bool, S3Error> {
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
