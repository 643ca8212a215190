//! The HTTP planes: `iot`, `iot-jobs-data` and S3, as boto3 and the AWS CLI speak to them, and
//! `/_local`, the service's own, with a page for people at `/`.
//!
//! All share one port, and the first two share paths as well, so the service name in the SigV4
//! credential decides which plane a request is for. Signatures are not verified. A device that shows its
//! certificate needs no signature for the jobs of its own thing. Requests are turned into the model's and
//! its answers into JSON; what is allowed is the model's to say, never decided here.
//!
//! `docs/local-service-admin.md` is the reference of `/_local`, and `--help-admin` prints it. Most of it is
//! the admin API, which is off unless [`Backend::admin`] is set.

mod control;
mod data;
mod error;
mod extract;
mod faults;
mod host;
mod jobs;
mod local;
mod operations;
mod packages;
mod page;
mod scope;
mod templates;
mod throttle;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::ORIGIN;
use axum::http::{Method, Request, Response, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use crate::artifacts::Artifacts;
use crate::broker::Broker;
use crate::knobs::{Knobs, KnobsError, Setting};
use crate::model::Model;
use crate::model::error::ControlError;
use crate::model::names::{Scope, ThingName};
use crate::model::time::Timestamp;
use crate::pki::Pki;
use crate::service::MqttAddress;
use crate::shared::{NotKept, Shared};

use error::ApiError;
use faults::{befall_call, befall_request};
use scope::Plane;

pub use faults::{CallCode, CallFault, CallFaults};
pub use host::OwnHosts;

/// Fetch Metadata Request Headers.
const FETCH_SITE: &str = "sec-fetch-site";

/// What the planes stand on.
#[derive(Clone)]
pub struct Backend {
    /// Things, groups, jobs and executions.
    pub shared: Shared,
    /// Buckets and objects.
    pub artifacts: Artifacts,
    /// What goes wrong with calls of `iot`.
    pub calls: CallFaults,
    /// Whose connections the status lists.
    pub broker: Broker,
    /// Issues the things' certificates.
    pub pki: Arc<Pki>,
    /// The account of every ARN.
    pub account: String,
    /// The region of requests that name none.
    pub region: String,
    /// Where devices reach the broker.
    pub mqtt: MqttAddress,
    /// Whether `/_local` may change how the service behaves.
    pub admin: bool,
    /// Whether other machines reach the HTTP planes.
    pub is_remote: bool,
    /// The names under which the service answers.
    pub hosts: OwnHosts,
    /// Becomes true when the service stops, which ends answers that go on and on.
    pub stopping: watch::Receiver<bool>,
}

impl Backend {
    /// Runs a control-plane operation of the model.
    fn control<T>(
        &self,
        operation: impl FnOnce(&mut Model, Timestamp) -> Result<T, ControlError>,
    ) -> Result<T, ApiError> {
        Ok(self.shared.with(operation)?)
    }

    /// The choices in force, in all parts.
    fn knobs(&self) -> Knobs {
        self.shared.look(|model, _| self.knobs_with(model))
    }

    /// Makes other choices, from now on.
    fn set_knobs(&self, asked: Vec<Setting>) -> Result<Knobs, KnobsError> {
        // Under the model's lock, so that no other request sets knobs meanwhile.
        self.shared.with(|model, _| {
            let mut knobs = self.knobs_with(model);
            if self.broker.has_connections() {
                knobs.set(asked)?;
            } else {
                knobs.set_on_outside_broker(asked)?;
            }
            model.set_knobs(knobs.jobs);
            self.shared.set_rates(knobs.rates);
            self.broker.set_quotas(knobs.mqtt);
            Ok(knobs)
        })
    }

    fn knobs_with(&self, model: &Model) -> Knobs {
        Knobs {
            jobs: model.knobs(),
            mqtt: self.broker.quotas(),
            rates: self.shared.rates(),
        }
    }
}

/// Answers every HTTP request. Clones share one service.
#[derive(Clone)]
pub struct Api {
    backend: Arc<Backend>,
    control: Router,
    data: Router,
    local: Router,
    page: Router,
}

impl Api {
    /// Puts the planes on `backend`.
    pub fn new(backend: Backend) -> Self {
        let backend = Arc::new(backend);
        let plane = |routes: Router<Arc<Backend>>| {
            let routes = routes
                .fallback(unknown)
                .method_not_allowed_fallback(unknown);
            routes.with_state(Arc::clone(&backend))
        };
        Self {
            control: plane(
                control::routes()
                    .merge(throttle::each_operation(jobs::routes(), &backend))
                    .merge(throttle::each_operation(templates::routes(), &backend))
                    .merge(packages::routes())
                    .route_layer(from_fn_with_state(Arc::clone(&backend), befall_call)),
            ),
            data: plane(
                data::routes(&backend)
                    .route_layer(from_fn_with_state(Arc::clone(&backend), befall_request)),
            ),
            local: plane(local::routes(&backend)),
            page: plane(page::routes()),
            backend,
        }
    }

    /// Answers one request.
    pub async fn answer(self, mut request: Request<Body>) -> Response<Body> {
        let (plane, region) = scope::of(&request);
        // Without its query, which may be a credential.
        tracing::debug!(method = %request.method(), path = request.uri().path(), ?plane, "received request");
        let backend = &self.backend;
        let region = region.unwrap_or_else(|| backend.region.clone());
        request.extensions_mut().insert(Scope {
            region,
            account: backend.account.clone(),
        });
        if let Err(refusal) = refuse_web_pages(backend, plane == Plane::Page, &request) {
            return refusal.into_response();
        }
        let shared = backend.shared.clone();
        let response = match plane {
            Plane::Artifacts => {
                let now = backend.shared.clock().now();
                backend.artifacts.answer(request, now).await
            }
            Plane::Control => route(self.control, request).await,
            Plane::Data => {
                let thing = scope::thing_of_jobs(request.uri().path());
                if let Some(thing) = thing.and_then(|thing| ThingName::parse(&thing)) {
                    backend.shared.with(|model, now| model.saw(&thing, now));
                }
                route(self.data, request).await
            }
            Plane::Foreign => ApiError::foreign_thing().into_response(),
            Plane::Local => route(self.local, request).await,
            Plane::Page => route(self.page, request).await,
            Plane::Unknown { service } => ApiError::unknown_service(&service).into_response(),
            Plane::Unsigned => ApiError::unsigned().into_response(),
        };
        if shared.has_failed() {
            return ApiError::internal(NotKept.to_string()).into_response();
        }
        response
    }
}

/// Refuses what a web page of somebody else's sends: it could make up a signature. No SDK sends an
/// Origin, and browsers send one with whatever changes something. A link may lead to the service's own
/// page, whose parts browsers ask for with an Origin.
fn refuse_web_pages(
    backend: &Backend,
    is_page: bool,
    request: &Request<Body>,
) -> Result<(), ApiError> {
    if !backend.hosts.answer_to(request) {
        return Err(ApiError::foreign_host());
    }
    let headers = request.headers();
    // Browsers say where a request without an Origin comes from, such as one for an image.
    let site = headers.get(FETCH_SITE);
    let from_elsewhere = site.is_some_and(|site| site != "same-origin" && site != "none");
    if !is_page && (headers.contains_key(ORIGIN) || from_elsewhere) {
        return Err(ApiError::from_web_page());
    }
    Ok(())
}

async fn unknown(method: Method, uri: Uri) -> ApiError {
    ApiError::unknown_operation(method.as_str(), uri.path())
}

async fn route(router: Router, request: Request<Body>) -> Response<Body> {
    let request = match extract::whole(request).await {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    match TowerToHyperService::new(router).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
