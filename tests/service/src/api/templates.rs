//! Job templates, the account's own and AWS's, in the `iot` plane.
//! Facts: AWS IoT API reference, the pages of the operations.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, put};
use axum::{Extension, Router};

use super::Backend;
use super::extract::{Answer, Answered, Empty, Json, Labels, Parameters};
use super::jobs::fetch;
use crate::model::names::Scope;
use crate::model::{request, view};

type Service = State<Arc<Backend>>;

pub(super) fn routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/job-templates", get(list))
        .route(
            "/job-templates/{template}",
            put(create).get(describe).delete(delete),
        )
        .route("/managed-job-templates", get(list_managed))
        .route("/managed-job-templates/{template}", get(describe_managed))
}

async fn create(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(job_template_id): Labels<String>,
    Json(mut request): Json<request::CreateJobTemplate>,
) -> Answered<view::JobTemplateReference> {
    request.job_template_id = job_template_id;
    request.fetched = fetch(&service, request.document_source.as_deref()).await;
    service
        .control(|model, now| model.create_job_template(&scope, request, now))
        .map(Answer)
}

async fn describe(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(template): Labels<String>,
) -> Answered<view::JobTemplateDescription> {
    service
        .control(|model, _| model.describe_job_template(&scope, &template))
        .map(Answer)
}

async fn list(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Parameters(request): Parameters<request::PageRequest>,
) -> Answered<view::JobTemplateList> {
    service
        .control(|model, _| model.list_job_templates(&scope, &request))
        .map(Answer)
}

async fn delete(State(service): Service, Labels(template): Labels<String>) -> Answered<Empty> {
    service.control(|model, _| model.delete_job_template(&template))?;
    Ok(Answer(Empty {}))
}

async fn describe_managed(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(template_name): Labels<String>,
    Parameters(request): Parameters<request::DescribeManagedJobTemplate>,
) -> Answered<view::ManagedJobTemplate> {
    let request = request::DescribeManagedJobTemplate {
        template_name,
        ..request
    };
    service
        .control(|model, _| model.describe_managed_job_template(&scope, &request))
        .map(Answer)
}

async fn list_managed(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Parameters(request): Parameters<request::ListManagedJobTemplates>,
) -> Answered<view::ManagedJobTemplateList> {
    service
        .control(|model, _| model.list_managed_job_templates(&scope, &request))
        .map(Answer)
}
