//! Reads the parts of a request, and refuses in AWS's shape what cannot be read.

use core::fmt::Display;
use core::future::{Ready, ready};
use core::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query};
use axum::http::Request;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::{ApiError, identify};

/// Twice what a job with the longest document and a hundred targets takes.
const MAX_BODY_BYTES: usize = 512 * 1024;
/// The most characters of what is wrong with a body that an answer repeats: it may hold the body's words.
const MAX_REASON: usize = 512;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The labels of the path, decoded.
pub(super) struct Labels<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Labels<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let labels = Path::from_request_parts(parts, state).await;
        let Path(labels) = labels.map_err(|error| ApiError::invalid_request(error.body_text()))?;
        Ok(Self(labels))
    }
}

/// The parameters of the query.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = Query::from_request_parts(parts, state).await;
        let Query(parameters) =
            parameters.map_err(|error| ApiError::invalid_request(error.body_text()))?;
        Ok(Self(parameters))
    }
}

/// A body of JSON; an empty one is `{}`.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        let body = timeout(BODY_TIMEOUT, to_bytes(request.into_body(), MAX_BODY_BYTES)).await;
        let body = body
            .map_err(|_| ApiError::invalid_request("The request's body did not arrive in time"))?;
        let body = body.map_err(|_| {
            ApiError::invalid_request(format!(
                "The request's body is broken, or exceeds {MAX_BODY_BYTES} bytes"
            ))
        })?;
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        parse(body).map(Self)
    }
}

/// Parses JSON; of what is wrong with it, tells at which member.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let refuse = |reason: &dyn Display| {
        let reason: String = reason.to_string().chars().take(MAX_REASON).collect();
        ApiError::invalid_request(format!("The request's JSON is not valid: {reason}"))
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| refuse(&error))?;
    json.end().map_err(|error| refuse(&error))?;
    Ok(value)
}

/// An answer of JSON.
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.0).into_response();
        identify(&mut response);
        response
    }
}

/// An answer without members.
#[derive(Debug, Serialize)]
pub(super) struct Empty {}

/// What an operation that answers with a body returns.
pub(super) type Answered<T> = Result<Answer<T>, ApiError>;

/// A handler for an operation of AWS's that the service does not have.
pub(super) fn absent(
    operation: &'static str,
) -> impl Fn() -> Ready<ApiError> + Clone + Send + Sync + 'static {
    move || ready(ApiError::not_supported(operation))
}
