//! The HTTP planes: `iot`, `iot-jobs-data` and S3, as boto3 and the AWS CLI speak to them, and
//! `/_local`, the service's own.
//!
//! All share one port, and the first two share paths as well, so the service name in the SigV4
//! credential decides which plane a request is for. Signatures are not verified. A device that shows its
//! certificate needs no signature for the jobs of its own thing. Requests are turned into the model's and its answers into JSON; what is allowed is the model's to say, never decided
//! here.
//!
//! # `/_local`
//!
//! | request | answer |
//! |---|---|
//! | `GET /_local/health` | `{"status": "ok"}` |
//! | `GET /_local/status` | `version`, `now`, the numbers of `things` and `jobs`, and the devices' `connections` |
//! | `GET /_local/ca.pem` | the certificate authority that devices must trust |
//! | `POST /_local/things/THING/certificate` | `certificatePem`, `privateKey`, `caPem`, `endpoint`, `port` |
//! | `GET /_local/clock` | `{"now": SECONDS}` |
//! | `POST /_local/clock` `{"advance": SECONDS, "frozen": BOOL}` | steps the clock; stops it or lets it run |
//! | `GET /_local/faults` | the faults to come, see [`crate::artifacts::Faults`] and [`crate::device::faults::DeviceFaults`] |
//! | `POST /_local/faults` | replaces them |
//! | `GET /_local/knobs` | `strictStatusDetails` and `notifyNextPerNamespace`, see [`crate::model::Knobs`] |
//! | `POST /_local/knobs` | sets those that it names |
//! | `POST /_local/reset` | forgets things, jobs, buckets, faults and waiting messages; certificates and clock stay |

mod control;
mod data;
mod error;
mod extract;
mod jobs;
mod local;
mod packages;
mod scope;
mod templates;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, Uri};
use axum::response::IntoResponse as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use crate::artifacts::Artifacts;
use crate::broker::Broker;
use crate::model::Model;
use crate::model::error::ControlError;
use crate::model::names::Scope;
use crate::model::time::Timestamp;
use crate::pki::Pki;
use crate::service::MqttAddress;
use crate::shared::Shared;

use error::ApiError;
use scope::Plane;

/// What the planes stand on.
#[derive(Clone)]
pub struct Backend {
    /// Things, groups, jobs and executions.
    pub shared: Shared,
    /// Buckets and objects.
    pub artifacts: Artifacts,
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
}

impl Backend {
    /// Runs a control-plane operation of the model.
    fn control<T>(
        &self,
        operation: impl FnOnce(&mut Model, Timestamp) -> Result<T, ControlError>,
    ) -> Result<T, ApiError> {
        Ok(self.shared.with(operation)?)
    }
}

/// Answers every HTTP request. Clones share one service.
#[derive(Clone)]
pub struct Api {
    backend: Arc<Backend>,
    control: Router,
    data: Router,
    local: Router,
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
                    .merge(jobs::routes())
                    .merge(templates::routes())
                    .merge(packages::routes()),
            ),
            data: plane(data::routes()),
            local: plane(local::routes()),
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
        match plane {
            Plane::Artifacts => {
                let now = backend.shared.clock().now();
                backend.artifacts.answer(request, now).await
            }
            Plane::Control => route(self.control, request).await,
            Plane::Data => route(self.data, request).await,
            Plane::Foreign => ApiError::foreign_thing().into_response(),
            Plane::Local => route(self.local, request).await,
            Plane::Unknown { service } => ApiError::unknown_service(&service).into_response(),
            Plane::Unsigned => ApiError::unsigned().into_response(),
        }
    }
}

async fn unknown(method: Method, uri: Uri) -> ApiError {
    ApiError::unknown_operation(method.as_str(), uri.path())
}

async fn route(router: Router, request: Request<Body>) -> Response<Body> {
    match TowerToHyperService::new(router).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
