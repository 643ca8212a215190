//! Where an artifact is: a parsed `http` or `https` URL whose query is a credential.
//!
//! It never prints more than scheme, host and path. A user name or a password in a URL is refused: nothing but the presigned query
//! authorises a download.

use core::fmt;

use hyper::Uri;
use iot_jobs_proto::redact::PresignedUrl;

/// Most bytes of a URL. Presigned S3 URLs with a session token are about 2,000.
const URL_LEN_MAX: usize = 8 * 1024;

/// A URL that a download can start from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    host: String,
    https: bool,
    uri: Uri,
}

/// Why a text is no URL to download from.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    /// A user name or a password stands before the host.
    #[error("the URL holds a user name")]
    Credentials,
    /// Not an absolute URL.
    #[error("not an absolute URL")]
    Malformed,
    /// Neither `http` nor `https`.
    #[error("the URL's scheme is neither http nor https")]
    Scheme,
    /// Longer than any presigned URL.
    #[error("URL of {len} bytes exceeds the limit of {limit}", limit = URL_LEN_MAX)]
    TooLong {
        /// Length that was received.
        len: usize,
    },
}

impl Url {
    /// Takes the document's URL.
    pub(crate) fn new(url: PresignedUrl<'_>) -> Result<Self, UrlError> {
        Self::parse(url.reveal())
    }

    /// Parses an absolute URL.
    pub(super) fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_LEN_MAX {
            return Err(UrlError::TooLong { len: text.len() });
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(UrlError::Scheme),
            None => return Err(UrlError::Malformed),
        };
        let authority = uri.authority().ok_or(UrlError::Malformed)?.as_str();
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let host = uri.host().ok_or(UrlError::Malformed)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || (authority.ends_with(|c| c != ']') && bad_port(authority)) {
            return Err(UrlError::Malformed);
        }
        Ok(Self {
            host: host.to_owned(),
            https,
            uri,
        })
    }

    /// The URL that a `Location` header names, seen from this one (RFC 3986 §5, without dot segments).
    pub(super) fn join(&self, location: &str) -> Result<Self, UrlError> {
        let scheme = if self.https { "https" } else { "http" };
        let authority = self.authority();
        if has_scheme(location) {
            Self::parse(location)
        } else if let Some(rest) = location.strip_prefix("//") {
            Self::parse(&format!("{scheme}://{rest}"))
        } else if location.starts_with('/') {
            Self::parse(&format!("{scheme}://{authority}{location}"))
        } else if location.starts_with('?') {
            Self::parse(&format!("{scheme}://{authority}{}{location}", self.path()))
        } else {
            let directory = self.path().rsplit_once('/').map_or("", |(head, _)| head);
            Self::parse(&format!("{scheme}://{authority}{directory}/{location}"))
        }
    }

    /// The host's name or address, an IPv6 address without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The port, that of the scheme unless given.
    pub(super) fn port(&self) -> u16 {
        let default = if self.https { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(default)
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_https(&self) -> bool {
        self.https
    }

    /// The value of the `Host` header: the port only when it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        match (self.https, self.port()) {
            (true, 443) | (false, 80) => host.to_owned(),
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The path, without the query.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Path and query as the request line carries them. A credential.
    pub(super) fn secret_target(&self) -> &str {
        self.uri.path_and_query().map_or("/", |it| it.as_str())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path())?;
        match self.uri.query() {
            Some(_) => f.write_str("?<redacted>"),
            None => Ok(()),
        }
    }
}

/// Whether a reference is absolute: it begins with a scheme (RFC 3986 §3.1), and does not only mention one further on.
fn has_scheme(reference: &str) -> bool {
    reference.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// Whether the text after the last colon is there but is no port.
fn bad_port(authority: &str) -> bool {
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().map_or(true, |port| port == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_never_prints_its_query() {
        let url = Url::parse("https://bucket.example/key/a.bin?X-Amz-Signature=secret").unwrap();

        assert_eq!(
            format!("{url} {url:?}"),
            "https://bucket.example/key/a.bin?<redacted> https://bucket.example/key/a.bin?<redacted>"
        );
        assert_eq!(
            url.secret_target(),
            "/key/a.bin?X-Amz-Signature=secret",
            "the request line carries it"
        );
    }

    #[test]
    fn a_url_that_cannot_be_downloaded_from_is_refused() {
        for (text, error) in [
            ("", UrlError::Malformed),
            ("/only/a/path", UrlError::Malformed),
            ("example.com:443", UrlError::Malformed),
            ("ftp://example.com/a", UrlError::Scheme),
            ("https://user:secret@example.com/a", UrlError::Credentials),
            ("https://example.com:99999/a", UrlError::Malformed),
            ("https://example.com:0/a", UrlError::Malformed),
            ("https://example.com/a b", UrlError::Malformed),
            ("https:///a", UrlError::Malformed),
        ] {
            assert_eq!(Url::parse(text).unwrap_err(), error, "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(URL_LEN_MAX));
        assert_eq!(
            Url::parse(&long).unwrap_err(),
            UrlError::TooLong { len: long.len() }
        );
    }

    #[test]
    fn host_and_port_are_those_of_the_request() {
        for (text, host, port, authority) in [
            ("https://example.com/a", "example.com", 443, "example.com"),
            (
                "https://example.com:443/a",
                "example.com",
                443,
                "example.com",
            ),
            (
                "https://example.com:8443/a",
                "example.com",
                8443,
                "example.com:8443",
            ),
            ("http://127.0.0.1:80/a", "127.0.0.1", 80, "127.0.0.1"),
            ("http://[::1]:9000/a", "::1", 9000, "[::1]:9000"),
            ("http://[::1]/a", "::1", 80, "[::1]"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.host(), url.port(), url.authority().as_str()),
                (host, port, authority)
            );
        }
    }

    #[test]
    fn a_location_is_read_from_where_it_was_sent() {
        let from = Url::parse("https://example.com:8443/dir/a.bin?x=1").unwrap();
        for (location, target) in [
            ("https://other.example/b", "https://other.example/b"),
            ("//other.example/b", "https://other.example/b"),
            ("/b", "https://example.com:8443/b"),
            (
                "/b?u=https://other.example/c",
                "https://example.com:8443/b?u=https://other.example/c",
            ),
            (
                "b?u=https://other.example/c",
                "https://example.com:8443/dir/b?u=https://other.example/c",
            ),
            ("b", "https://example.com:8443/dir/b"),
            ("?y=2", "https://example.com:8443/dir/a.bin?y=2"),
        ] {
            assert_eq!(from.join(location), Url::parse(target), "{location}");
        }
    }
}
