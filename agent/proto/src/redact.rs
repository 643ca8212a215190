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
        let _ = text;
        todo!()
    }

    /// The whole URL, for the request only.
    pub const fn reveal(&self) -> &'a str {
        self.0
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        todo!()
    }

    /// The part before the query string: names the same artifact after the URL was signed anew.
    pub fn public(&self) -> &'a str {
        todo!()
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
