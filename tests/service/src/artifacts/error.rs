//! Refusals in S3's shape.
//! Facts: Amazon S3 API reference, "Error responses".

use std::io;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};

use super::object::{DELETE_MARKER, VERSION_ID, told_version};
use super::presign::PresignError;
use super::reply::insert;
use super::xml;

/// Why a request for a bucket or an object is refused.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The request carries neither a signature nor a presigned query.
    #[error("Access Denied")]
    AccessDenied,
    /// A checksum that came with the content differs from the content's.
    #[error("The {algorithm} you specified did not match the calculated checksum.")]
    BadDigest {
        /// The header that carried the checksum.
        algorithm: &'static str,
    },
    /// CreateBucket for a bucket that exists.
    #[error("Your previous request to create the named bucket succeeded and you already own it.")]
    BucketAlreadyOwnedByYou,
    /// DeleteBucket for a bucket that holds objects.
    #[error("The bucket you tried to delete is not empty")]
    BucketNotEmpty,
    /// The client showed a certificate to a presigned URL. S3 asks for none; the local service refuses it so that
    /// no device gets used to giving its identity away.
    #[error("A presigned URL is asked for without a client certificate")]
    ClientCertificateShown,
    /// CopyObject of an object to itself, with nothing to change.
    #[error(
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
    )]
    CopyOntoItself,
    /// The version that is asked for is a delete marker.
    #[error("The specified method is not allowed against this resource.")]
    DeleteMarker {
        /// The marker's version.
        id: String,
    },
    /// The latest version of the object is a delete marker.
    #[error("The specified key does not exist.")]
    Deleted {
        /// The marker's version.
        id: String,
    },
    /// The object, or what all objects hold together, exceeds a limit.
    #[error("Your proposed upload exceeds the maximum allowed size of {limit} bytes")]
    EntityTooLarge {
        /// The limit.
        limit: u64,
    },
    /// A fault that was asked for.
    #[error("Please reduce your request rate.")]
    Fault {
        /// The status that was asked for.
        status: StatusCode,
    },
    /// The body ended before the length that its headers give.
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header")]
    IncompleteBody,
    /// The service cannot read or write its own files.
    #[error("We encountered an internal error. Please try again.")]
    Internal(#[from] io::Error),
    /// A parameter or header that cannot be read.
    #[error("{reason}")]
    InvalidArgument {
        /// What is wrong with it.
        reason: String,
    },
    /// A bucket name outside S3's rules.
    #[error("The specified bucket is not valid.")]
    InvalidBucketName,
    /// A part of an upload that was not uploaded, or with another ETag.
    #[error("One or more of the specified parts could not be found.")]
    InvalidPart,
    /// No byte of the object is in the range.
    #[error("The requested range is not satisfiable")]
    InvalidRange {
        /// The object's size.
        size: u64,
    },
    /// A key that is longer than S3 allows.
    #[error("Your key is too long")]
    KeyTooLong,
    /// A body of XML that is none.
    #[error(
        "The XML you provided was not well-formed or did not validate against our published schema"
    )]
    MalformedXml,
    /// No operation has this method on this resource.
    #[error("The specified method is not allowed against this resource.")]
    MethodNotAllowed,
    /// The body's length is in no header.
    #[error("You must provide the Content-Length HTTP header.")]
    MissingContentLength,
    /// The bucket does not exist.
    #[error("The specified bucket does not exist")]
    NoSuchBucket,
    /// The object does not exist.
    #[error("The specified key does not exist.")]
    NoSuchKey,
    /// The multipart upload does not exist.
    #[error("The specified multipart upload does not exist.")]
    NoSuchUpload,
    /// The object has no such version.
    #[error("The specified version does not exist.")]
    NoSuchVersion,
    /// An operation of S3 that the local service does not have.
    #[error(
        "A header or query you provided implies functionality that the local service does not implement: {what}"
    )]
    NotImplemented {
        /// The header or parameter.
        what: String,
    },
    /// The request is signed in its query, and carries an `Authorization` header as well.
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
    )]
    OneAuthMechanism,
    /// `If-Match` or `If-Unmodified-Since` does not hold.
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed,
    /// The presigned query is refused.
    #[error(transparent)]
    Presign(#[from] PresignError),
    /// The body stopped arriving.
    #[error(
        "Your socket connection to the server was not read from or written to within the timeout period."
    )]
    RequestTimeout,
    /// More objects or parts than the local service keeps, where S3 has no limit that is as low.
    #[error("You have attempted to create more {what} than allowed: {limit}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// More buckets than the local service keeps.
    #[error("You have attempted to create more buckets than allowed")]
    TooManyBuckets,
    /// The content differs from the digest that the request is signed with.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    XAmzContentSha256Mismatch,
}

impl S3Error {
    /// The status and S3's code.
    fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::AccessDenied
            | Self::ClientCertificateShown
            | Self::Presign(PresignError::Expired | PresignError::NotYetValid) => {
                (StatusCode::FORBIDDEN, "AccessDenied")
            }
            Self::BadDigest { .. } => (StatusCode::BAD_REQUEST, "BadDigest"),
            Self::BucketAlreadyOwnedByYou => (StatusCode::CONFLICT, "BucketAlreadyOwnedByYou"),
            Self::BucketNotEmpty => (StatusCode::CONFLICT, "BucketNotEmpty"),
            Self::EntityTooLarge { .. } => (StatusCode::BAD_REQUEST, "EntityTooLarge"),
            Self::Fault { status } => (*status, "SlowDown"),
            Self::IncompleteBody => (StatusCode::BAD_REQUEST, "IncompleteBody"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Self::InvalidArgument { .. } | Self::OneAuthMechanism => {
                (StatusCode::BAD_REQUEST, "InvalidArgument")
            }
            Self::CopyOntoItself | Self::TooMany { .. } => {
                (StatusCode::BAD_REQUEST, "InvalidRequest")
            }
            Self::InvalidBucketName => (StatusCode::BAD_REQUEST, "InvalidBucketName"),
            Self::InvalidPart => (StatusCode::BAD_REQUEST, "InvalidPart"),
            Self::InvalidRange { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"),
            Self::KeyTooLong => (StatusCode::BAD_REQUEST, "KeyTooLongError"),
            Self::MalformedXml => (StatusCode::BAD_REQUEST, "MalformedXML"),
            Self::DeleteMarker { .. } | Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")
            }
            Self::MissingContentLength => (StatusCode::LENGTH_REQUIRED, "MissingContentLength"),
            Self::NoSuchBucket => (StatusCode::NOT_FOUND, "NoSuchBucket"),
            Self::Deleted { .. } | Self::NoSuchKey => (StatusCode::NOT_FOUND, "NoSuchKey"),
            Self::NoSuchUpload => (StatusCode::NOT_FOUND, "NoSuchUpload"),
            Self::NoSuchVersion => (StatusCode::NOT_FOUND, "NoSuchVersion"),
            Self::NotImplemented { .. } => (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
            Self::Presign(PresignError::Malformed { .. }) => {
                (StatusCode::BAD_REQUEST, "AuthorizationQueryParametersError")
            }
            Self::Presign(PresignError::SignatureMismatch) => {
                (StatusCode::FORBIDDEN, "SignatureDoesNotMatch")
            }
            Self::Presign(PresignError::UnknownAccessKey) => {
                (StatusCode::FORBIDDEN, "InvalidAccessKeyId")
            }
            Self::RequestTimeout => (StatusCode::BAD_REQUEST, "RequestTimeout"),
            Self::TooManyBuckets => (StatusCode::BAD_REQUEST, "TooManyBuckets"),
            Self::XAmzContentSha256Mismatch => {
                (StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch")
            }
        }
    }

    /// The answer, about `resource`, the path that was asked for.
    pub(super) fn response(&self, resource: &str, request_id: &str) -> Response<Body> {
        let (status, code) = self.code();
        let mut error = xml::Writer::new();
        error.open("Error", None);
        error
            .element("Code", code)
            .element("Message", &self.to_string())
            .element("Resource", resource);
        if let Self::InvalidRange { size } = self {
            error.element("ActualObjectSize", &size.to_string());
        }
        error.element("RequestId", request_id).close("Error");

        let mut response = Response::new(Body::from(error.finish()));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        if let Self::DeleteMarker { id } | Self::Deleted { id } = self {
            told_version(&mut response, VERSION_ID, Some(id));
            insert(&mut response, DELETE_MARKER, "true");
        }
        if let Self::DeleteMarker { .. } = self {
            insert(&mut response, ALLOW, "DELETE");
        }
        response
    }
}
