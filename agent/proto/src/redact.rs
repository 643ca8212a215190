//! Secrets that cannot be printed by accident.

use core::fmt;

/// Why a text is not a URL to download from.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// A character stands there that a URL cannot hold.
    #[error("URL holds a blank, a control character or one outside ASCII")]
    Character,
    /// A user name or password stands before the host.
    #[error("URL holds credentials")]
    Credentials,
    /// There is no host.
    #[error("URL has no host")]
    NoHost,
    /// The scheme is neither `https` nor `http`.
    #[error("URL is neither https nor http")]
    Scheme,
}

/// A URL whose query string is a credential.
///
/// Prints as its part before the `?`, in `Debug` as in `Display`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PresignedUrl<'a>(&'a str);

impl<'a> PresignedUrl<'a> {
    /// Parses `text`; the error says which rule it breaks.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        let (_, rest) = split_scheme(text).ok_or(UrlError::Scheme)?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Character);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let host = authority.split(':').next().unwrap_or_default();
        if host.is_empty() {
            return Err(UrlError::NoHost);
        }
        Ok(Self(text))
    }

    /// The whole URL, for the request only.
    pub const fn reveal(&self) -> &'a str {
        self.0
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        split_scheme(self.0).is_some_and(|(scheme, _)| scheme == Scheme::Https)
    }

    /// The part before the query string: names the same artifact after the URL was signed anew.
    pub fn public(&self) -> &'a str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }
}

impl fmt::Display for PresignedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.public())
    }
}

impl fmt::Debug for PresignedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(PartialEq)]
enum Scheme {
    Http,
    Https,
}

/// The scheme, in either case, and what follows its `://`.
fn split_scheme(url: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme.eq_ignore_ascii_case("https") {
        Some((Scheme::Https, rest))
    } else if scheme.eq_ignore_ascii_case("http") {
        Some((Scheme::Http, rest))
    } else {
        None
    }
}

/// A value that prints as `<redacted>`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Hides `secret`.
    pub const fn new(secret: T) -> Self {
        Self(secret)
    }

    /// The secret, for its one use.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    const SIGNED: &str = "https://b.s3.amazonaws.com/fw.bin?X-Amz-Signature=5ec2e7";

    #[test]
    fn a_presigned_url_prints_without_its_signature() {
        let url = PresignedUrl::parse(SIGNED).unwrap();
        assert_eq!(format!("{url}"), "https://b.s3.amazonaws.com/fw.bin");
        assert_eq!(format!("{url:?}"), "https://b.s3.amazonaws.com/fw.bin");
        assert_eq!(url.reveal(), SIGNED);
    }

    #[test]
    fn a_redacted_value_prints_nothing_of_itself() {
        let key = Redacted::new("secret");
        assert_eq!(format!("{key} {key:?}"), "<redacted> <redacted>");
        assert_eq!(*key.reveal(), "secret");
    }

    #[test]
    fn a_text_that_is_no_download_url_is_refused_with_the_rule_it_breaks() {
        let wrong = [
            ("", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("https:/host/x", UrlError::Scheme),
            ("https://", UrlError::NoHost),
            ("https:///key", UrlError::NoHost),
            ("https://:443/key", UrlError::NoHost),
            ("https://?x@y", UrlError::NoHost),
            ("https://user:pass@host/key", UrlError::Credentials),
            ("https://host/a b", UrlError::Character),
            ("https://host/a\r\nHost: x", UrlError::Character),
            ("https://höst/", UrlError::Character),
        ];
        for (text, error) in wrong {
            assert_eq!(PresignedUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_scheme_is_read_in_either_case() {
        assert!(PresignedUrl::parse("HTTPS://h/").unwrap().is_https());
        assert!(!PresignedUrl::parse("http://h/").unwrap().is_https());
    }

    #[test]
    fn a_url_signed_anew_names_the_same_artifact() {
        let again =
            PresignedUrl::parse("https://b.s3.amazonaws.com/fw.bin?X-Amz-Signature=0").unwrap();
        assert_eq!(
            again.public(),
            PresignedUrl::parse(SIGNED).unwrap().public()
        );
    }
}
