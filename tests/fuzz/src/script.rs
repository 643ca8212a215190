//! Requests as text: each a head and a body as HTTP has them, with a line `~~~` between two.
//!
//! `Content-Length` and the version are optional, and lines may end without a carriage return.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};

const SEPARATOR: &[u8] = b"\n~~~\n";
/// More than any seed has; the rest is dropped.
const MAX_REQUESTS: usize = 32;

/// The parts between two separators.
pub fn parts(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() < MAX_REQUESTS {
        let Some(at) = find(rest, SEPARATOR) else {
            parts.push(rest);
            break;
        };
        parts.push(&rest[..at]);
        rest = &rest[at + SEPARATOR.len()..];
    }
    parts
}

/// The requests that hyper could have read from a connection.
pub fn requests(text: &[u8]) -> impl Iterator<Item = Request<Body>> {
    parts(text).into_iter().filter_map(request)
}

/// One request.
pub fn request(part: &[u8]) -> Option<Request<Body>> {
    let (head, body) = match find(part, b"\n\n") {
        Some(at) => (&part[..at], &part[at + 2..]),
        None => match find(part, b"\r\n\r\n") {
            Some(at) => (&part[..at], &part[at + 4..]),
            None => (part, &[][..]),
        },
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut words = trim(lines.next()?).splitn(3, |byte| *byte == b' ');
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.method_mut() = Method::from_bytes(words.next()?).ok()?;
    *request.uri_mut() = Uri::try_from(words.next()?).ok()?;
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        let value = HeaderValue::from_bytes(trim(&line[at + 1..])).ok()?;
        request.headers_mut().append(name, value);
    }
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        let length = request.headers_mut().entry(CONTENT_LENGTH);
        length.or_insert(HeaderValue::from(body.len()));
    }
    Some(request)
}

/// The first line, and what follows.
pub fn first_line(part: &[u8]) -> (&[u8], &[u8]) {
    match find(part, b"\n") {
        Some(at) => (&part[..at], &part[at + 1..]),
        None => (part, &[]),
    }
}

fn trim(line: &[u8]) -> &[u8] {
    line.trim_ascii()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
