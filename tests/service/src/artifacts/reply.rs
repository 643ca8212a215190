//! The answers that several operations share.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::store::Object;

const XML: HeaderValue = HeaderValue::from_static("application/xml");

/// The answer to PutObject and UploadPart.
pub(super) fn stored(object: &Object) -> Response<Body> {
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

/// An answer of XML.
pub(super) fn document(xml: String) -> Response<Body> {
    let mut response = Response::new(Body::from(xml));
    response.headers_mut().insert(CONTENT_TYPE, XML);
    response
}

/// An answer without a body.
pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header to a value made here; one that HTTP cannot carry is left out.
pub(super) fn insert(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
