//! Refusals in the shape of AWS's JSON protocols: status, `x-amzn-ErrorType` and a `message`.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::error::{ControlError, DeviceError, PackageError};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const INVALID_REQUEST: &str = "InvalidRequestException";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// A refusal as the wire carries it.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    exception: &'static str,
    body: Map<String, Value>,
}

impl ApiError {
    fn new(status: StatusCode, exception: &'static str, message: impl Into<String>) -> Self {
        let body = Map::from_iter([("message".to_owned(), Value::String(message.into()))]);
        Self {
            status,
            exception,
            body,
        }
    }

    /// A request that cannot be understood.
    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, message)
    }

    /// An operation of AWS's that the service does not have.
    pub(super) fn not_supported(operation: &str) -> Self {
        let message = format!("{operation} is not supported by this version of the local service");
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "UnsupportedOperationException",
            message,
        )
    }

    /// No operation at all.
    pub(super) fn unknown_operation(method: &str, path: &str) -> Self {
        let message =
            format!("{method} {path} is no operation that this version of the local service knows");
        Self::new(StatusCode::NOT_FOUND, "UnknownOperationException", message)
    }

    /// A request that is signed for a service that is not here.
    pub(super) fn unknown_service(service: &str) -> Self {
        let message = format!(
            "The local service has iot, iot-jobs-data and s3; the request is signed for {service}"
        );
        Self::new(StatusCode::NOT_FOUND, "UnknownOperationException", message)
    }

    /// A request that only its signature could tell from another one.
    pub(super) fn unsigned() -> Self {
        let message = "Missing Authentication Token";
        Self::new(
            StatusCode::FORBIDDEN,
            "MissingAuthenticationTokenException",
            message,
        )
    }

    /// A request that is longer than any operation needs. The exception's name is ours.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            format!("The request's body exceeds {limit} bytes"),
        )
    }

    /// A request of a device for a thing that it is not.
    pub(super) fn foreign_thing() -> Self {
        Self::new(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden")
    }

    /// A request for what the service was not started with.
    pub(super) fn needs_admin() -> Self {
        let message = "The admin API is off: it changes how the service behaves; start iot-jobs-local with --admin to have it";
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    /// A request for a host that the service is not.
    pub(super) fn foreign_host() -> Self {
        let message = "The Host header names another host: the service answers as localhost, by its \
                       address, and by one more name; give it that one with --host";
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    /// A request that a web page made, not a program.
    pub(super) fn from_web_page() -> Self {
        let message = "Requests with an Origin, or a Sec-Fetch-Site of another site, are refused: no web \
                       page may drive the service";
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    /// A refusal that passes: the service is not there for the moment.
    pub(super) fn unavailable() -> Self {
        let message = "The service is temporarily unavailable.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailableException",
            message,
        )
    }

    /// A refusal that passes: too many requests. The planes have statuses of their own for it.
    pub(super) fn throttled(status: StatusCode) -> Self {
        Self::new(status, "ThrottlingException", "Rate exceeded")
    }

    /// A fault of the service.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailureException",
            message,
        )
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut refusal = Self::new(status, error.exception(), error.to_string());
        let (id, arn) = match error {
            ControlError::Conflict { resource_id, .. } => (Some(resource_id), None),
            ControlError::ResourceAlreadyExists {
                resource_id,
                resource_arn,
                ..
            } => (Some(resource_id), Some(resource_arn)),
            ControlError::InvalidRequest(_)
            | ControlError::InvalidStateTransition(_)
            | ControlError::LimitExceeded(_)
            | ControlError::ResourceNotFound(_)
            | ControlError::VersionConflict { .. } => (None, None),
        };
        for (member, value) in [("resourceId", id), ("resourceArn", arn)] {
            if let Some(value) = value {
                refusal.body.insert(member.to_owned(), value.into());
            }
        }
        refusal
    }
}

impl From<PackageError> for ApiError {
    fn from(error: PackageError) -> Self {
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut refusal = Self::new(status, error.exception(), error.to_string());
        match error {
            PackageError::Conflict { resource_id, .. } => {
                let member = "resourceId".to_owned();
                refusal.body.insert(member, resource_id.into());
            }
            PackageError::ResourceNotFound(_)
            | PackageError::ServiceQuotaExceeded(_)
            | PackageError::Validation(_) => {}
        }
        refusal
    }
}

impl From<DeviceError> for ApiError {
    fn from(error: DeviceError) -> Self {
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut refusal = Self::new(status, error.exception(), error.to_string());
        if let Some(state) = error.state() {
            refusal
                .body
                .insert("executionState".to_owned(), json!(state));
        }
        refusal
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(Value::Object(self.body).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ERROR_TYPE, HeaderValue::from_static(self.exception));
        identify(&mut response);
        response
    }
}

/// An answer about packages, whose operations have their own name for a request that cannot be understood.
pub(super) fn in_packages(mut response: Response<Body>) -> Response<Body> {
    if let Some(exception) = response.headers_mut().get_mut(ERROR_TYPE)
        && exception == INVALID_REQUEST
    {
        *exception = HeaderValue::from_static("ValidationException");
    }
    response
}

/// Gives an answer the id by which clients report it.
pub(super) fn identify(response: &mut Response<Body>) {
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        response.headers_mut().entry(REQUEST_ID).or_insert(id);
    }
}
