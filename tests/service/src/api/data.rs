//! The `iot-jobs-data` plane: the device's operations over HTTP.
//!
//! Bodies are those of MQTT without `clientToken`; the job document is a string. Namespaced
//! executions are not reachable here, as AWS's operations name no namespace.
//! Facts: AWS IoT Jobs Data Plane API reference, the pages of the operations.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Backend;
use super::error::ApiError;
use super::extract::{Answer, Answered, Json, Labels, Parameters, absent};
use crate::model::Model;
use crate::model::error::DeviceError;
use crate::model::names::{JobId, ThingName};
use crate::model::operation::{Describe, JobExecution, Pending, Selector, StartNext, Update};
use crate::model::status::ExecutionState;
use crate::model::time::Timestamp;

type Service = State<Arc<Backend>>;
type Body = Map<String, Value>;

pub(super) fn routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/things/{thing}/jobs", get(get_pending))
        .route(
            "/things/{thing}/jobs/{job}",
            get(describe).post(update).put(start_next),
        )
        .route("/command-executions", post(absent("StartCommandExecution")))
}

/// An execution, or `{}` if there is none.
#[derive(Debug, Serialize)]
struct Described {
    #[serde(skip_serializing_if = "Option::is_none")]
    execution: Option<Value>,
}

impl Described {
    fn new(service: &Backend, execution: Option<&JobExecution>, now: Timestamp) -> Answer<Self> {
        let execution = execution.map(|execution| execution.to_http(service.shared.presign(), now));
        Answer(Self { execution })
    }
}

async fn get_pending(State(service): Service, Labels(thing): Labels<String>) -> Answered<Pending> {
    let thing = thing_name(&thing)?;
    let pending = service
        .shared
        .with(|model, _| model.pending_job_executions(&thing, None))?;
    if is_next_hidden(&service, &thing) {
        return Ok(Answer(Pending::default()));
    }
    Ok(Answer(pending))
}

async fn start_next(
    State(service): Service,
    Labels((thing, job)): Labels<(String, String)>,
    Json(body): Json<Body>,
) -> Answered<Described> {
    let thing = thing_name(&thing)?;
    // The path holds `$next`, escaped or not; no other job can be started by it.
    if Selector::parse(&job) != Some(Selector::Next) {
        return Err(invalid_job(&job));
    }
    let request = StartNext::parse(&body)?;
    if is_next_hidden(&service, &thing) {
        return nothing_is_next(&service, &thing);
    }
    let (execution, now) = service.shared.with(|model, now| {
        Ok::<_, DeviceError>((model.start_next(&thing, None, &request, now)?, now))
    })?;
    Ok(Described::new(&service, execution.as_ref(), now))
}

/// The query of DescribeJobExecution.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Choice {
    include_job_document: Option<bool>,
    execution_number: Option<i64>,
}

impl Choice {
    /// The query as the body that MQTT has in its place.
    fn parse(&self) -> Result<Describe, DeviceError> {
        let number = self
            .execution_number
            .map(|number| ("executionNumber".to_owned(), json!(number)));
        let document = self
            .include_job_document
            .map(|include| ("includeJobDocument".to_owned(), json!(include)));
        Describe::parse(&number.into_iter().chain(document).collect())
    }
}

async fn describe(
    State(service): Service,
    Labels((thing, job)): Labels<(String, String)>,
    Parameters(choice): Parameters<Choice>,
) -> Answered<Described> {
    let thing = thing_name(&thing)?;
    let which = Selector::parse(&job).ok_or_else(|| invalid_job(&job))?;
    let request = choice.parse()?;
    if which == Selector::Next && is_next_hidden(&service, &thing) {
        return nothing_is_next(&service, &thing);
    }
    let (execution, now) = service.shared.with(|model, now| {
        Ok::<_, DeviceError>((model.describe(&thing, None, &which, &request, now)?, now))
    })?;
    Ok(Described::new(&service, execution.as_ref(), now))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdateAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_state: Option<ExecutionState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_document: Option<String>,
}

async fn update(
    State(service): Service,
    Labels((thing, job)): Labels<(String, String)>,
    Json(body): Json<Body>,
) -> Answered<UpdateAnswer> {
    let thing = thing_name(&thing)?;
    let job = JobId::parse(&job).ok_or_else(|| invalid_job(&job))?;
    let request = Update::parse(&body)?;
    let (updated, now) = service.shared.with(|model, now| {
        Ok::<_, DeviceError>((model.update(&thing, None, &job, &request, now)?, now))
    })?;
    let job_document = updated
        .document
        .map(|document| document.to_text(service.shared.presign(), now));
    Ok(Answer(UpdateAnswer {
        execution_state: updated.state,
        job_document,
    }))
}

/// Whether a fault hides what is next from the thing.
fn is_next_hidden(service: &Backend, thing: &ThingName) -> bool {
    let now = service.shared.clock().now();
    service.shared.faults().is_next_hidden(thing, now)
}

fn nothing_is_next(service: &Backend, thing: &ThingName) -> Answered<Described> {
    // There are still no jobs for what is no thing.
    let pending = |model: &mut Model, _| model.pending_job_executions(thing, None);
    service.shared.with(pending)?;
    Ok(Answer(Described { execution: None }))
}

fn thing_name(text: &str) -> Result<ThingName, ApiError> {
    ThingName::parse(text)
        .ok_or_else(|| ApiError::invalid_request(format!("Invalid thing name: {text}")))
}

fn invalid_job(text: &str) -> ApiError {
    ApiError::invalid_request(format!("Invalid job id: {text}"))
}
