//! `/_local`: what operators and tests ask of the service itself.
//!
//! Needs no signature. What changes how the service behaves is the admin API, and refused unless the
//! service was started with it.

mod certificate;
mod changes;
mod clock;
mod connections;
mod faults;
mod knobs;
mod status;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Request, Response};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::Serialize;

use super::Backend;
use super::error::ApiError;
use super::extract::{Answer, Empty};
use crate::device::faults::DeviceFaults;
use crate::faults::Plan;

type Service = State<Arc<Backend>>;

pub(super) fn routes(backend: &Arc<Backend>) -> Router<Arc<Backend>> {
    let places = changes::places();
    Router::new()
        .route("/_local/ca.pem", get(authority))
        .route(
            "/_local/changes",
            get(async move |State(service): Service| changes::listen(&service, places)),
        )
        .route("/_local/health", get(health))
        .route("/_local/jobs", get(views::jobs))
        .route("/_local/jobs/{job}", get(views::job))
        .route("/_local/jobs/{job}/executions", get(views::executions))
        .route(
            "/_local/jobs/{job}/things/{thing}",
            get(views::latest_execution),
        )
        .route(
            "/_local/jobs/{job}/things/{thing}/{number}",
            get(views::execution),
        )
        .route("/_local/overview", get(views::overview))
        .route("/_local/status", get(status::read))
        .route("/_local/things", get(views::things))
        .route("/_local/things/{thing}", get(views::thing))
        .route(
            "/_local/things/{thing}/certificate",
            post(certificate::issue),
        )
        .merge(admin(backend))
        .layer(from_fn(keep_private))
}

/// The paths of the admin API.
fn admin(backend: &Arc<Backend>) -> Router<Arc<Backend>> {
    Router::new()
        .route("/_local/clock", get(clock::read).post(clock::set))
        .route("/_local/connections/close", post(connections::close))
        .route("/_local/faults", get(faults::read).post(faults::set))
        .route("/_local/faults/log", get(faults::log))
        .route("/_local/knobs", get(knobs::read).post(knobs::set))
        .route("/_local/reset", post(reset))
        .route_layer(from_fn_with_state(Arc::clone(backend), refuse_unless_admin))
}

async fn refuse_unless_admin(
    State(service): Service,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    if service.admin {
        next.run(request).await
    } else {
        ApiError::needs_admin().into_response()
    }
}

async fn keep_private(request: Request<Body>, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
}

async fn health() -> Answer<Health> {
    Answer(Health { status: "ok" })
}

async fn reset(State(service): Service) -> Answer<Empty> {
    service.shared.with(|model, _| model.reset());
    service.artifacts.reset();
    *service.calls.lock() = Plan::default();
    service.shared.set_faults(DeviceFaults::default());
    service.shared.forget_held();
    service.broker.forget_messages();
    tracing::info!("forgot things, jobs and artifacts");
    Answer(Empty {})
}

async fn authority(State(service): Service) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "application/x-pem-file")],
        service.pki.ca_pem().to_owned(),
    )
}
