//! Refuses requests beyond the rates of [`crate::throttle`], before anything else of them is looked at.
//!
//! In the control plane each route of a router is an operation of its own.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{Method, Request, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;

use super::Backend;
use super::error::ApiError;
use crate::throttle::Kind;

type Service = State<Arc<Backend>>;
type Routes = Router<Arc<Backend>>;

/// Counts the requests of each route.
pub(super) fn each_operation(routes: Routes, service: &Arc<Backend>) -> Routes {
    routes.route_layer(from_fn_with_state(Arc::clone(service), control))
}

/// Counts what reads, and what writes.
pub(super) fn reads_and_writes(routes: Routes, service: &Arc<Backend>) -> Routes {
    routes.route_layer(from_fn_with_state(Arc::clone(service), data))
}

async fn control(
    State(service): Service,
    path: MatchedPath,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let operation = format!("{} {}", request.method(), path.as_str());
    if service.shared.takes(Kind::Control(&operation)) {
        next.run(request).await
    } else {
        ApiError::throttled(StatusCode::BAD_REQUEST).into_response()
    }
}

async fn data(State(service): Service, request: Request<Body>, next: Next) -> Response<Body> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let kind = if reads { Kind::Read } else { Kind::Write };
    if service.shared.takes(kind) {
        next.run(request).await
    } else {
        ApiError::throttled(StatusCode::TOO_MANY_REQUESTS).into_response()
    }
}
