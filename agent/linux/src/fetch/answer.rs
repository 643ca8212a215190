//! What a download host's answer means, read from its head alone.

use core::time::Duration;

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName};

use super::pace::RETRY_AFTER_MAX;
use super::resume::Validator;

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The artifact from its first byte on.
    Whole(Content),
    /// The rest that was asked for.
    Rest(Content),
    /// What is there is no part of what the server has.
    Unsatisfiable,
    /// It is elsewhere.
    Redirect(String),
    /// The URL is no longer valid.
    Expired,
    /// Not now; perhaps after this long.
    NotNow(Option<Duration>),
    /// Not here, and asking again does not help.
    Never,
    /// The answer contradicts the request or itself.
    Nonsense(&'static str),
}

/// What a body will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Bytes of the body, when announced.
    pub(super) length: Option<u64>,
    /// Whether the end of the body is marked, so that an early end is noticed.
    pub(super) delimited: bool,
    /// Bytes of the artifact, when announced.
    pub(super) total: Option<u64>,
    /// The artifact's version.
    pub(super) validator: Option<Validator>,
}

impl Answer {
    /// Reads an answer's head to a request from byte `from` on.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, from: u64) -> Self {
        match status.as_u16() {
            200 => {
                let content = Content::read(headers);
                Self::Whole(Content {
                    total: content.length,
                    ..content
                })
            }
            206 => Self::read_rest(headers, from),
            301 | 302 | 303 | 307 | 308 => match text(headers, header::LOCATION) {
                Some(location) => Self::Redirect(location.to_owned()),
                None => Self::Nonsense("redirect without a location"),
            },
            401 | 403 => Self::Expired,
            408 | 425 | 429 | 500..=599 => Self::NotNow(retry_after(headers)),
            416 => Self::Unsatisfiable,
            _ => Self::Never,
        }
    }

    fn read_rest(headers: &HeaderMap, from: u64) -> Self {
        let Some(range) = text(headers, header::CONTENT_RANGE).and_then(ContentRange::parse) else {
            return Self::Nonsense("partial content without a valid content range");
        };
        if from == 0 {
            return Self::Nonsense("partial content where the whole was asked for");
        }
        if range.first != from {
            return Self::Nonsense("partial content from another byte than asked for");
        }
        let content = Content::read(headers);
        let length = range.last - range.first + 1;
        if content.length.is_some_and(|announced| announced != length) {
            return Self::Nonsense("partial content of another length than its range");
        }
        Self::Rest(Content {
            length: Some(length),
            total: range.total,
            ..content
        })
    }
}

impl Content {
    fn read(headers: &HeaderMap) -> Self {
        let length = text(headers, header::CONTENT_LENGTH).and_then(digits);
        Self {
            length,
            delimited: length.is_some() || headers.contains_key(header::TRANSFER_ENCODING),
            total: None,
            validator: Validator::pick(
                text(headers, header::ETAG),
                text(headers, header::LAST_MODIFIED),
            ),
        }
    }
}

/// `bytes 5-9/10`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(value: &str) -> Option<Self> {
        let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = match total {
            "*" => None,
            total => Some(digits(total)?),
        };
        let range = Self {
            first: digits(first)?,
            last: digits(last)?,
            total,
        };
        let inside = range.last < u64::MAX && total.is_none_or(|total| range.last < total);
        (range.first <= range.last && inside).then_some(range)
    }
}

/// Seconds only: a date would need a clock that is right.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = text(headers, header::RETRY_AFTER).and_then(digits)?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The value of a header that is there once.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.to_str().ok())?
}

/// A number without sign or blank.
fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn read(status: u16, lines: &[(HeaderName, &'static str)], from: u64) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        Answer::read(StatusCode::from_u16(status).unwrap(), &headers, from)
    }

    #[test]
    fn a_server_may_ask_for_patience_within_limits() {
        for (value, wait) in [
            ("7", Some(Duration::from_secs(7))),
            ("99999999", Some(RETRY_AFTER_MAX)),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
            ("99999999999999999999999", None),
        ] {
            let answer = read(503, &[(header::RETRY_AFTER, value)], 0);
            assert_eq!(answer, Answer::NotNow(wait), "{value}");
        }
    }

    #[test]
    fn a_rest_is_what_was_asked_for() {
        let lines = [
            (header::CONTENT_RANGE, "bytes 40-96/97"),
            (header::CONTENT_LENGTH, "57"),
            (header::ETAG, "\"v1\""),
        ];
        assert_eq!(
            read(206, &lines, 40),
            Answer::Rest(Content {
                length: Some(57),
                delimited: true,
                total: Some(97),
                validator: Some(Validator::Etag("\"v1\"".to_owned())),
            })
        );
        for from in [0, 39, 41] {
            assert!(matches!(read(206, &lines, from), Answer::Nonsense(_)));
        }
    }

    #[test]
    fn a_rest_is_as_long_as_its_range() {
        let lines = [
            (header::CONTENT_RANGE, "bytes 40-96/97"),
            (header::CONTENT_LENGTH, "58"),
        ];
        assert_eq!(
            read(206, &lines, 40),
            Answer::Nonsense("partial content of another length than its range")
        );
    }

    #[test]
    fn a_header_that_is_there_twice_says_nothing() {
        let lines = [
            (header::CONTENT_RANGE, "bytes 40-96/97"),
            (header::CONTENT_RANGE, "bytes 41-96/97"),
        ];
        assert!(matches!(read(206, &lines, 40), Answer::Nonsense(_)));
    }

    #[test]
    fn a_range_without_a_total_is_taken() {
        assert_eq!(
            ContentRange::parse("bytes 5-9/*"),
            Some(ContentRange {
                first: 5,
                last: 9,
                total: None
            })
        );
        for value in [
            "bytes 5-18446744073709551615/*",
            "bytes 5-9",
            "bytes 5-9/x",
            "bytes5-9/10",
        ] {
            assert_eq!(ContentRange::parse(value), None, "{value}");
        }
    }
}
