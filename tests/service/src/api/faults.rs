//! What goes wrong on purpose on the planes of HTTP; see [`crate::faults`] for how faults are chosen.
//!
//! Requests of the `iot-jobs-data` plane meet the faults of devices' requests, and calls of the `iot`
//! plane their own. A delay is waited for by the service's clock, and an answer that is lost, or not
//! made, is a connection that ends without one: boto3 and the AWS CLI then try again.

use core::ops::Not;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode};
use axum::middleware::Next;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::{Backend, operations, scope};
use crate::device::faults::{FaultCode, MAX_DELAY_SECONDS, Operation, RequestFault};
use crate::faults::{Chance, Fault, FaultError, Occasion, Plan, Seconds, check_time};
use crate::http::hung_up;
use crate::model::names::ThingName;

const CONTROL: &str = "iot";

/// The faults of calls of `iot`; clones share them. The default is none.
#[derive(Debug, Clone, Default)]
pub struct CallFaults(Arc<Mutex<Plan<CallFault>>>);

/// What befalls one call. Members add up, as far as they leave anything to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CallFault {
    /// The only operation that this is for, like `CreateJob`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// How likely this is, where it stands; certain unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
    /// Do what is asked, and end the connection without an answer.
    #[serde(skip_serializing_if = "Not::not")]
    pub drop: bool,
    /// Do not do what is asked, and end the connection without an answer.
    #[serde(skip_serializing_if = "Not::not")]
    pub ignore: bool,
    /// Do not do what is asked; answer with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<CallCode>,
    /// Answer so much later, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<Seconds>,
}

/// An exception that is the service's own fault, and passes.
///
/// API reference of AWS IoT, "Common errors" and the errors of the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum CallCode {
    /// The service failed.
    InternalFailureException,
    /// The service is not there for the moment.
    ServiceUnavailableException,
    /// The account asks too often.
    ThrottlingException,
}

impl CallFaults {
    pub(super) fn lock(&self) -> MutexGuard<'_, Plan<CallFault>> {
        // No method of the plan leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault for CallFault {
    const PLANE: &'static str = "Calls";

    fn is_for(&self, occasion: &Occasion<'_>) -> bool {
        let operation = self.operation.as_deref();
        operation.is_none_or(|only| only == occasion.kind)
    }

    fn chance(&self) -> Option<Chance> {
        self.chance
    }

    fn check(&self) -> Result<(), FaultError> {
        if let Some(operation) = &self.operation
            && !operations::is_known(operation)
        {
            let operation = operation.clone();
            return Err(FaultError::NotAnOperation { operation });
        }
        check_time("delaySeconds", self.delay_seconds, 0, MAX_DELAY_SECONDS)
    }
}

/// Lets a call of `iot` meet its fault.
pub(super) async fn befall_call(
    State(service): State<Arc<Backend>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let fault = next_call(&service, &request);
    let harm = Harm {
        is_done: !fault.ignore,
        refusal: fault.code.map(CallCode::refusal),
        is_answered: !(fault.ignore || fault.drop),
        delay: fault.delay_seconds.map(Seconds::get),
    };
    harm.befall(&service, request, next).await
}

/// Takes the fault of a call.
fn next_call(service: &Backend, call: &Request<Body>) -> CallFault {
    let mut plan = service.calls.lock();
    if plan.is_empty() {
        return CallFault::default();
    }
    let Some(kind) = operations::named(call.method(), call.uri().path()) else {
        return CallFault::default();
    };
    let occasion = Occasion {
        subject: CONTROL,
        kind,
        namespace: None,
    };
    plan.take(&occasion, service.shared.clock().now())
}

/// Lets a request of `iot-jobs-data` meet its fault.
pub(super) async fn befall_request(
    State(service): State<Arc<Backend>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let Some((thing, operation)) = asked(&request) else {
        return next.run(request).await;
    };
    let now = service.shared.clock().now();
    let fault = {
        let mut faults = service.shared.faults();
        faults.next_request(operation, &thing, None, now)
    };
    Harm::of(&fault).befall(&service, request, next).await
}

/// The thing and the operation that a request of the data plane is about.
fn asked(request: &Request<Body>) -> Option<(ThingName, Operation)> {
    let path = request.uri().path();
    let thing = ThingName::parse(&scope::thing_of_jobs(path)?)?;
    let names_job = path.split('/').count() > "/things/THING/jobs".split('/').count();
    let operation = match (request.method(), names_job) {
        (&Method::GET, false) => Operation::Pending,
        (&Method::GET, true) => Operation::Describe,
        (&Method::POST, true) => Operation::Update,
        (&Method::PUT, true) => Operation::StartNext,
        _ => return None,
    };
    Some((thing, operation))
}

/// A fault, as far as HTTP can show it.
struct Harm {
    is_done: bool,
    refusal: Option<ApiError>,
    is_answered: bool,
    delay: Option<Duration>,
}

impl Harm {
    fn of(fault: &RequestFault) -> Self {
        Self {
            is_done: !fault.ignore,
            refusal: fault.code.map(refusal_of_request),
            is_answered: !(fault.ignore || fault.drop || fault.close_connection),
            delay: fault.delay(),
        }
    }

    async fn befall(self, service: &Backend, request: Request<Body>, next: Next) -> Response<Body> {
        let response = match self.refusal {
            Some(refusal) => Some(refusal.into_response()),
            None if self.is_done => Some(next.run(request).await),
            None => None,
        };
        if let Some(delay) = self.delay {
            let clock = service.shared.clock();
            clock.reached(clock.now().plus(delay)).await;
        }
        let response = response.filter(|_| self.is_answered);
        response.unwrap_or_else(hung_up)
    }
}

impl CallCode {
    fn refusal(self) -> ApiError {
        match self {
            Self::InternalFailureException => {
                ApiError::internal("An unexpected error has occurred.")
            }
            Self::ServiceUnavailableException => ApiError::unavailable(),
            Self::ThrottlingException => ApiError::throttled(StatusCode::BAD_REQUEST),
        }
    }
}

fn refusal_of_request(code: FaultCode) -> ApiError {
    match code {
        FaultCode::InternalError => ApiError::unavailable(),
        FaultCode::RequestThrottled => ApiError::throttled(StatusCode::TOO_MANY_REQUESTS),
    }
}
