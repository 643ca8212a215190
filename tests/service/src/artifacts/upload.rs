//! Takes in the content of an object: plain or `aws-chunked`, with the checksums that came with it.

use core::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, EXPIRES};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::checksum::{Algorithm, Checksum, Running};
use super::chunked::Decoder;
use super::error::S3Error;
use super::store::{MAX_OBJECT_BYTES, Object, Store, Written};

/// How long a body may pause.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The headers of an object and their values, at most: S3 allows 2 KB of user metadata.
const MAX_HEADERS: usize = 64;

const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const STREAMING: &str = "STREAMING-";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How the content of an object arrives.
struct Framing {
    chunked: bool,
    size: u64,
    /// From the header; with trailers the value follows behind the content.
    checksum: Option<(Algorithm, Option<String>)>,
    sha256: Option<String>,
}

impl Framing {
    fn parse(headers: &HeaderMap) -> Result<Self, S3Error> {
        let content_sha256 = text(headers, CONTENT_SHA256).unwrap_or(UNSIGNED);
        let chunked = content_sha256.starts_with(STREAMING);
        let length = if chunked {
            DECODED_LENGTH
        } else {
            CONTENT_LENGTH.as_str()
        };
        let size = text(headers, length).ok_or(S3Error::MissingContentLength)?;
        let size = size.parse().map_err(|_| invalid(length))?;
        if size > MAX_OBJECT_BYTES {
            return Err(S3Error::EntityTooLarge {
                limit: MAX_OBJECT_BYTES,
            });
        }
        let signed = !chunked && content_sha256 != UNSIGNED;
        let sha256 = signed.then(|| content_sha256.to_ascii_lowercase());
        Ok(Self {
            chunked,
            size,
            checksum: announced(headers),
            sha256,
        })
    }

    /// Checks what was written against what was announced.
    fn check(
        self,
        written: &Written,
        trailers: &[(String, String)],
    ) -> Result<Option<Checksum>, S3Error> {
        if written.content.size != self.size {
            return Err(S3Error::IncompleteBody);
        }
        if self.sha256.is_some_and(|sha256| sha256 != written.sha256) {
            return Err(S3Error::XAmzContentSha256Mismatch);
        }
        let Some((algorithm, given)) = self.checksum else {
            return Ok(None);
        };
        let trailer = trailers.iter().find(|(name, _)| name == algorithm.header());
        let given = given.or_else(|| trailer.map(|(_, value)| value.clone()));
        if given.is_some() && given != written.checksum {
            let algorithm = algorithm.header();
            return Err(S3Error::BadDigest { algorithm });
        }
        let value = written.checksum.clone();
        Ok(value.map(|value| Checksum { algorithm, value }))
    }
}

/// Stores the content that comes with a request.
pub(super) async fn receive(
    store: &Store,
    headers: &HeaderMap,
    body: Body,
    now: u64,
) -> Result<Object, S3Error> {
    let framing = Framing::parse(headers)?;
    let running = framing
        .checksum
        .as_ref()
        .map(|(algorithm, _)| Running::new(*algorithm));
    let mut writing = store.write(running).await?;
    let mut decoder = framing.chunked.then(Decoder::new);
    let mut body = Frames(body);
    let mut size = 0;

    while let Some(mut frame) = body.next().await? {
        while !frame.is_empty() {
            let content = match &mut decoder {
                Some(decoder) => decoder
                    .next(&mut frame)
                    .map_err(|_| S3Error::IncompleteBody)?,
                None => Some(frame.split_to(frame.len())),
            };
            let Some(content) = content else { break };
            size += content.len() as u64;
            if size > framing.size {
                return Err(S3Error::IncompleteBody);
            }
            writing.write(&content).await?;
        }
    }

    let trailers = match decoder {
        Some(decoder) => decoder.finish().map_err(|_| S3Error::IncompleteBody)?,
        None => Vec::new(),
    };
    let written = writing.finish().await?;
    let checksum = framing.check(&written, &trailers)?;
    Ok(Object {
        content: written.content,
        etag: written.etag,
        modified: now,
        headers: kept(headers),
        checksum,
    })
}

/// Reads a small body whole.
pub(super) async fn small(body: Body, limit: usize) -> Result<Bytes, S3Error> {
    let mut whole = Vec::new();
    let mut body = Frames(body);
    while let Some(frame) = body.next().await? {
        if whole.len() + frame.len() > limit {
            return Err(S3Error::EntityTooLarge {
                limit: limit as u64,
            });
        }
        whole.extend_from_slice(&frame);
    }
    Ok(whole.into())
}

/// The headers that are stored with an object and come back with it.
pub(super) fn kept(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let is_kept = |name: &HeaderName| {
        let standard = [
            CACHE_CONTROL,
            CONTENT_DISPOSITION,
            CONTENT_LANGUAGE,
            CONTENT_TYPE,
            EXPIRES,
        ];
        standard.contains(name) || name.as_str().starts_with("x-amz-meta-")
    };
    let kept = headers.iter().filter(|(name, _)| is_kept(name));
    let mut kept: Vec<_> = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // `aws-chunked` is how the content travelled, not what it is.
    let encodings = text(headers, CONTENT_ENCODING.as_str())
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    let encodings: Vec<_> = encodings
        .filter(|name| !matches!(*name, "" | "aws-chunked"))
        .collect();
    if let Ok(value) = HeaderValue::from_str(&encodings.join(","))
        && !encodings.is_empty()
    {
        kept.push((CONTENT_ENCODING, value));
    }
    kept.truncate(MAX_HEADERS);
    kept
}

fn announced(headers: &HeaderMap) -> Option<(Algorithm, Option<String>)> {
    let mut given = headers.iter().filter_map(|(name, value)| {
        let algorithm = Algorithm::from_header(name.as_str())?;
        Some((algorithm, value.to_str().ok().map(str::to_owned)))
    });
    let trailer = || text(headers, "x-amz-trailer").and_then(Algorithm::from_header);
    let named = || text(headers, "x-amz-sdk-checksum-algorithm").and_then(Algorithm::from_name);
    given
        .next()
        .or_else(|| Some((trailer().or_else(named)?, None)))
}

fn invalid(header: &str) -> S3Error {
    S3Error::InvalidArgument {
        reason: format!("The value of the header {header} is not valid"),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The data of a body, with a bound on how long it may pause.
struct Frames(Body);

impl Frames {
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        let frame = timeout(IDLE_TIMEOUT, self.0.frame())
            .await
            .map_err(|_| S3Error::RequestTimeout)?;
        match frame {
            // HTTP trailers are no part of the content.
            Some(frame) => {
                let frame = frame.map_err(|_| S3Error::IncompleteBody)?;
                Ok(Some(frame.into_data().unwrap_or_default()))
            }
            None => Ok(None),
        }
    }
}
