//! `/_local`: what operators and tests ask of the service itself. The paths are listed in
//! [`super`].
//!
//! Needs no signature, but refuses whatever a web page sends: a browser on the same machine must not
//! be able to step the clock or to reset the service.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{Request, Response};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::Backend;
use super::error::ApiError;
use super::extract::{Answer, Answered, Empty, Json, Labels};
use crate::artifacts::{DownloadFault, Faults};
use crate::broker::LiveConnection;
use crate::device::faults::{DeviceFaults, NotificationFault, RequestFault};
use crate::model::Knobs;
use crate::pki::PkiError;

/// The longest step of the clock: a century.
const MAX_ADVANCE_SECONDS: f64 = 3.2e9;

type Service = State<Arc<Backend>>;

pub(super) fn routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/_local/ca.pem", get(authority))
        .route("/_local/clock", get(clock).post(set_clock))
        .route("/_local/faults", get(faults).post(set_faults))
        .route("/_local/health", get(health))
        .route("/_local/knobs", get(knobs).post(set_knobs))
        .route("/_local/reset", post(reset))
        .route("/_local/status", get(status))
        .route("/_local/things/{thing}/certificate", post(certificate))
        .layer(from_fn(refuse_web_pages))
}

async fn refuse_web_pages(request: Request<Body>, next: Next) -> Response<Body> {
    if request.headers().contains_key(ORIGIN) {
        return ApiError::from_web_page().into_response();
    }
    next.run(request).await
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
    service.shared.set_faults(DeviceFaults::default());
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

#[derive(Debug, Serialize)]
struct Clock {
    now: f64,
}

impl Clock {
    fn read(service: &Backend) -> Self {
        let millis = Duration::from_millis(service.shared.clock().now().as_millis());
        Self {
            now: millis.as_secs_f64(),
        }
    }
}

async fn clock(State(service): Service) -> Answer<Clock> {
    Answer(Clock::read(&service))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SetClock {
    advance: f64,
    frozen: Option<bool>,
}

async fn set_clock(State(service): Service, Json(request): Json<SetClock>) -> Answered<Clock> {
    if !(0.0..=MAX_ADVANCE_SECONDS).contains(&request.advance) {
        return Err(ApiError::invalid_request(format!(
            "advance is not between 0 and {MAX_ADVANCE_SECONDS} seconds"
        )));
    }
    let clock = service.shared.clock();
    match request.frozen {
        Some(true) => clock.freeze(),
        Some(false) => clock.resume(),
        None => {}
    }
    clock.advance(Duration::from_secs_f64(request.advance));
    // What became due has happened when the answer arrives.
    service.shared.with(|model, now| model.advance(now));
    Ok(Answer(Clock::read(&service)))
}

/// The faults of downloads and of the device plane.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct AllFaults {
    next_downloads: VecDeque<DownloadFault>,
    all_downloads: DownloadFault,
    urls_expire_at_once: bool,
    next_requests: VecDeque<RequestFault>,
    all_requests: RequestFault,
    next_notifications: VecDeque<NotificationFault>,
    all_notifications: NotificationFault,
}

impl AllFaults {
    fn read(service: &Backend) -> Self {
        let of_downloads = service.artifacts.faults();
        let of_devices = service.shared.faults().clone();
        Self {
            next_downloads: of_downloads.next_downloads,
            all_downloads: of_downloads.all_downloads,
            urls_expire_at_once: of_downloads.urls_expire_at_once,
            next_requests: of_devices.next_requests,
            all_requests: of_devices.all_requests,
            next_notifications: of_devices.next_notifications,
            all_notifications: of_devices.all_notifications,
        }
    }

    fn apply(self, service: &Backend) -> Result<(), ApiError> {
        let of_downloads = Faults {
            next_downloads: self.next_downloads,
            all_downloads: self.all_downloads,
            urls_expire_at_once: self.urls_expire_at_once,
        };
        let of_devices = DeviceFaults {
            next_requests: self.next_requests,
            all_requests: self.all_requests,
            next_notifications: self.next_notifications,
            all_notifications: self.all_notifications,
            ..DeviceFaults::default()
        };
        let of_downloads = of_downloads.checked();
        let of_downloads =
            of_downloads.map_err(|error| ApiError::invalid_request(error.to_string()))?;
        let of_devices = of_devices.checked();
        let of_devices =
            of_devices.map_err(|error| ApiError::invalid_request(error.to_string()))?;
        service.artifacts.set_faults(of_downloads);
        service.shared.set_faults(of_devices);
        Ok(())
    }
}

async fn faults(State(service): Service) -> Answer<AllFaults> {
    Answer(AllFaults::read(&service))
}

async fn set_faults(State(service): Service, Json(faults): Json<AllFaults>) -> Answered<AllFaults> {
    faults.apply(&service)?;
    Ok(Answer(AllFaults::read(&service)))
}

/// The choices that may change while the service runs. A member that is left out stays as it is.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct SomeKnobs {
    strict_status_details: Option<bool>,
    notify_next_per_namespace: Option<bool>,
}

impl From<Knobs> for SomeKnobs {
    fn from(knobs: Knobs) -> Self {
        Self {
            strict_status_details: Some(knobs.strict_status_details),
            notify_next_per_namespace: Some(knobs.notify_next_per_namespace),
        }
    }
}

async fn knobs(State(service): Service) -> Answer<SomeKnobs> {
    Answer(service.shared.with(|model, _| model.knobs()).into())
}

async fn set_knobs(State(service): Service, Json(asked): Json<SomeKnobs>) -> Answer<SomeKnobs> {
    let knobs = service.shared.with(|model, _| {
        let mut knobs = model.knobs();
        let choices = [
            (
                asked.strict_status_details,
                &mut knobs.strict_status_details,
            ),
            (
                asked.notify_next_per_namespace,
                &mut knobs.notify_next_per_namespace,
            ),
        ];
        for (asked, knob) in choices {
            *knob = asked.unwrap_or(*knob);
        }
        model.set_knobs(knobs);
        knobs
    });
    Answer(knobs.into())
}

#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    now: f64,
    things: usize,
    jobs: usize,
    connections: Vec<Connection>,
}

/// A device on the embedded broker; an outside one does not tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    client_id: String,
    thing: String,
    protocol: &'static str,
}

async fn status(State(service): Service) -> Answer<Status> {
    let (things, jobs) = service
        .shared
        .with(|model, _| (model.thing_count(), model.job_count()));
    let connections = service.broker.connections().into_iter();
    let connections = connections.map(
        |LiveConnection {
             client_id,
             thing,
             protocol,
             ..
         }| Connection {
            client_id,
            thing,
            protocol,
        },
    );
    let now = Clock::read(&service).now;
    Answer(Status {
        version: env!("CARGO_PKG_VERSION"),
        now,
        things,
        jobs,
        connections: connections.collect(),
    })
}

/// All that a device needs to connect as a thing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    certificate_pem: String,
    private_key: String,
    ca_pem: String,
    endpoint: String,
    port: u16,
}

async fn certificate(
    State(service): Service,
    Labels(thing): Labels<String>,
) -> Answered<Certificate> {
    let issued = service.pki.issue_thing_certificate(&thing);
    let issued = issued.map_err(|error| {
        let is_refused = matches!(error, PkiError::InvalidThingName);
        let refuse = if is_refused {
            ApiError::invalid_request
        } else {
            ApiError::internal
        };
        refuse(error.to_string())
    })?;
    Ok(Answer(Certificate {
        certificate_pem: issued.certificate_pem,
        private_key: issued.private_key_pem,
        ca_pem: service.pki.ca_pem().to_owned(),
        endpoint: service.mqtt.host.clone(),
        port: service.mqtt.port,
    }))
}
