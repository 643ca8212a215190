//! Jobs and their executions, in the `iot` plane.
//! Facts: AWS IoT API reference, the pages of the operations.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Router};
use serde::Deserialize;

use super::Backend;
use super::error::ApiError;
use super::extract::{Answer, Answered, Empty, Json, Labels, Parameters};
use crate::model::document::ObjectLocation;
use crate::model::names::Scope;
use crate::model::request::SourceError;
use crate::model::{request, view};

type Service = State<Arc<Backend>>;

pub(super) fn routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/jobs", get(list_jobs))
        .route(
            "/jobs/{job}",
            put(create_job)
                .get(describe_job)
                .delete(delete_job)
                .patch(update_job),
        )
        .route("/jobs/{job}/cancel", put(cancel_job))
        .route("/jobs/{job}/job-document", get(job_document))
        .route("/jobs/{job}/targets", post(associate_targets))
        .route("/jobs/{job}/things", get(list_executions_of_job))
        .route("/things/{thing}/jobs", get(list_executions_of_thing))
        .route("/things/{thing}/jobs/{job}", get(describe_execution))
        .route("/things/{thing}/jobs/{job}/cancel", put(cancel_execution))
        .route(
            "/things/{thing}/jobs/{job}/executionNumber/{number}",
            delete(delete_execution),
        )
}

/// The query of operations that can be forced.
#[derive(Debug, Deserialize)]
struct Force {
    #[serde(default)]
    force: bool,
}

/// The query of operations on jobs of a namespace.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InNamespace {
    namespace_id: Option<String>,
}

async fn create_job(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(job_id): Labels<String>,
    Json(mut request): Json<request::CreateJob>,
) -> Answered<view::JobReference> {
    request.job_id = job_id;
    request.fetched = fetch(&service, request.document_source.as_deref()).await;
    service
        .control(|model, now| model.create_job(&scope, request, now))
        .map(Answer)
}

/// Reads the object that `documentSource` names.
pub(super) async fn fetch(
    service: &Backend,
    source: Option<&str>,
) -> Option<Result<Vec<u8>, SourceError>> {
    let location = ObjectLocation::parse(source?);
    // The model refuses longer documents; one byte more of a source tells it.
    let quotas = service.shared.with(|model, _| model.knobs().quotas);
    let longest = u64::from(quotas.document_bytes) + 1;
    Some(match location {
        Some(location) => service.artifacts.read(&location, longest).await,
        None => Err(SourceError::UrlInvalid),
    })
}

async fn describe_job(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(job): Labels<String>,
    Parameters(asked): Parameters<Before>,
) -> Answered<view::JobDescription> {
    service
        .control(|model, now| {
            if asked.before_substitution {
                model.describe_job_before_substitution(&scope, &job, now)
            } else {
                model.describe_job(&scope, &job, now)
            }
        })
        .map(Answer)
}

async fn list_jobs(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Parameters(request): Parameters<request::ListJobs>,
) -> Answered<view::JobList> {
    service
        .control(|model, _| model.list_jobs(&scope, &request))
        .map(Answer)
}

async fn cancel_job(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(job_id): Labels<String>,
    Parameters(Force { force }): Parameters<Force>,
    Json(request): Json<request::CancelJob>,
) -> Answered<view::JobReference> {
    let request = request::CancelJob {
        job_id,
        force,
        ..request
    };
    service
        .control(|model, now| model.cancel_job(&scope, request, now))
        .map(Answer)
}

async fn update_job(
    State(service): Service,
    Labels(job_id): Labels<String>,
    Parameters(InNamespace { namespace_id }): Parameters<InNamespace>,
    Json(request): Json<request::UpdateJob>,
) -> Answered<Empty> {
    let request = request::UpdateJob {
        job_id,
        namespace_id,
        ..request
    };
    service.control(|model, now| model.update_job(request, now))?;
    Ok(Answer(Empty {}))
}

async fn associate_targets(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(job_id): Labels<String>,
    Parameters(InNamespace { namespace_id }): Parameters<InNamespace>,
    Json(request): Json<request::AssociateTargets>,
) -> Answered<view::JobReference> {
    let request = request::AssociateTargets {
        job_id,
        namespace_id,
        ..request
    };
    service
        .control(|model, now| model.associate_targets(&scope, request, now))
        .map(Answer)
}

async fn delete_job(
    State(service): Service,
    Labels(job_id): Labels<String>,
    Parameters(request): Parameters<request::DeleteJob>,
) -> Answered<Empty> {
    let request = request::DeleteJob { job_id, ..request };
    service.control(|model, now| model.delete_job(&request, now))?;
    Ok(Answer(Empty {}))
}

/// The query of DescribeJob and GetJobDocument.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Before {
    #[serde(default)]
    before_substitution: bool,
}

async fn job_document(
    State(service): Service,
    Labels(job): Labels<String>,
    Parameters(asked): Parameters<Before>,
) -> Answered<view::JobDocument> {
    service
        .control(|model, _| model.job_document(&job, asked.before_substitution))
        .map(Answer)
}

async fn list_executions_of_job(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(job_id): Labels<String>,
    Parameters(request): Parameters<request::ListJobExecutionsForJob>,
) -> Answered<view::JobExecutionsForJob> {
    let request = request::ListJobExecutionsForJob { job_id, ..request };
    service
        .control(|model, _| model.list_job_executions_for_job(&scope, &request))
        .map(Answer)
}

async fn list_executions_of_thing(
    State(service): Service,
    Labels(thing_name): Labels<String>,
    Parameters(request): Parameters<request::ListJobExecutionsForThing>,
) -> Answered<view::JobExecutionsForThing> {
    let request = request::ListJobExecutionsForThing {
        thing_name,
        ..request
    };
    service
        .control(|model, _| model.list_job_executions_for_thing(&request))
        .map(Answer)
}

async fn describe_execution(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels((thing_name, job_id)): Labels<(String, String)>,
    Parameters(request): Parameters<request::DescribeJobExecution>,
) -> Answered<view::JobExecutionDescription> {
    let request = request::DescribeJobExecution {
        job_id,
        thing_name,
        ..request
    };
    service
        .control(|model, now| model.describe_job_execution(&scope, &request, now))
        .map(Answer)
}

async fn cancel_execution(
    State(service): Service,
    Labels((thing_name, job_id)): Labels<(String, String)>,
    Parameters(Force { force }): Parameters<Force>,
    Json(request): Json<request::CancelJobExecution>,
) -> Answered<Empty> {
    let request = request::CancelJobExecution {
        job_id,
        thing_name,
        force,
        ..request
    };
    service.control(|model, now| model.cancel_job_execution(request, now))?;
    Ok(Answer(Empty {}))
}

async fn delete_execution(
    State(service): Service,
    Labels((thing_name, job_id, number)): Labels<(String, String, String)>,
    Parameters(request): Parameters<request::DeleteJobExecution>,
) -> Answered<Empty> {
    let execution_number = number.parse();
    let execution_number =
        execution_number.map_err(|_| ApiError::invalid_request("Execution number is invalid."))?;
    let request = request::DeleteJobExecution {
        job_id,
        thing_name,
        execution_number,
        ..request
    };
    service.control(|model, now| model.delete_job_execution(&request, now))?;
    Ok(Answer(Empty {}))
}
