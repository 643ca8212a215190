//! Why a download ended without an artifact.

use std::io;

use iot_jobs_handler::{Failure, FailureClass};

use super::http::{LinkError, Refusal};
use super::tls::RootsError;
use super::url::UrlError;

/// Why a download ended without an artifact. No text holds a URL's query.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The job must end.
    #[error("the job's time ran out")]
    Deadline,
    /// The bytes are not those that the document promises.
    #[error("the artifact's sha256 is {found}, the document promises {promised}")]
    Digest {
        /// What the document promises.
        promised: String,
        /// What arrived.
        found: String,
    },
    /// Attempt after attempt brought not one new byte.
    #[error("{attempts} attempts in a row brought nothing: {last}")]
    Link {
        /// How many.
        attempts: u32,
        /// The last one's end.
        last: LinkError,
    },
    /// The file system or the slot is too small.
    #[error("{needed} bytes are needed and {free} are free")]
    NoSpace {
        /// Bytes that the rest of the artifact needs.
        needed: u64,
        /// Bytes that are free for it.
        free: u64,
    },
    /// The URL is `http` and the configuration does not allow that.
    #[error("plain http is not allowed here")]
    PlainHttp,
    /// The server sends elsewhere, and not to a place to go to.
    #[error("a redirect {0}")]
    Redirect(RedirectError),
    /// The server refuses, and waiting does not help.
    #[error("the server answered {0}")]
    Refused(Refusal),
    /// There was no fresh URL to be had.
    #[error("{}", .0.message)]
    Renewal(Box<Failure>),
    /// The hosts' certificates cannot be checked.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The artifact has another size than the document promises.
    #[error("the artifact has {found}{} bytes, the document promises {promised}", if *.at_least { " or more" } else { "" })]
    Size {
        /// Bytes that the document promises.
        promised: u64,
        /// Bytes that the server has.
        found: u64,
        /// Whether it has even more.
        at_least: bool,
    },
    /// What was received cannot be kept.
    #[error("cannot {doing}: {source}")]
    Storage {
        /// What failed.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The artifact is larger than the device takes.
    #[error("the artifact has {found} bytes or more, at most {limit} are allowed")]
    TooLarge {
        /// Bytes seen or announced.
        found: u64,
        /// Most bytes allowed.
        limit: u64,
    },
}

/// Why a redirect is not followed.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedirectError {
    /// From `https` to `http`.
    #[error("leads from https to http")]
    Downgrade,
    /// One after the other.
    #[error("follows redirects without end")]
    Endless,
    /// The location is no URL to download from.
    #[error("leads nowhere: {0}")]
    Url(UrlError),
}

impl FetchError {
    /// Puts `doing` before an error of the file system or a slot.
    pub(super) fn storage(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Storage { doing, source }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Deadline => "timed_out",
            Self::Digest { .. } => "digest_mismatch",
            Self::Link { .. } => "download_failed",
            Self::NoSpace { .. } => "no_space",
            Self::PlainHttp => "http_not_allowed",
            Self::Redirect(_) => "bad_redirect",
            Self::Refused(refusal) => http_code(refusal.status),
            Self::Renewal(failure) => failure.code,
            Self::Roots(_) => "no_root_certificates",
            Self::Size { .. } => "size_mismatch",
            Self::Storage { source, .. } if is_full(source) => "no_space",
            Self::Storage { .. } => "write_failed",
            Self::TooLarge { .. } => "too_large",
        }
    }

    fn class(&self) -> FailureClass {
        match self {
            Self::Link { .. } => FailureClass::Transient,
            Self::PlainHttp | Self::TooLarge { .. } => FailureClass::Rejected,
            Self::Renewal(failure) => failure.class,
            Self::Deadline
            | Self::Digest { .. }
            | Self::NoSpace { .. }
            | Self::Redirect(_)
            | Self::Refused(_)
            | Self::Roots(_)
            | Self::Size { .. }
            | Self::Storage { .. } => FailureClass::Failed,
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::new(error.class(), error.code(), &error)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// A failure's code must be one of a known set: the usual statuses have their own.
fn http_code(status: u16) -> &'static str {
    match status {
        400 => "http_400",
        401 => "http_401",
        403 => "http_403",
        404 => "http_404",
        405 => "http_405",
        410 => "http_410",
        412 => "http_412",
        416 => "http_416",
        _ => "http_error",
    }
}
