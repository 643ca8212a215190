//! Things, thing groups, tags, event configurations and the endpoint, in the `iot` plane.
//! Facts: AWS IoT API reference, the pages of the operations.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::handler::Handler as _;
use axum::http::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::extract::{Answer, Answered, Empty, Json, Labels, Parameters, absent};
use super::{Backend, unknown};
use crate::model::endpoint::check_endpoint_type;
use crate::model::events::EventConfigurations;
use crate::model::names::Scope;
use crate::model::{request, view};

type Service = State<Arc<Backend>>;

pub(super) fn routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/endpoint", get(describe_endpoint))
        .route(
            "/event-configurations",
            get(describe_event_configurations).patch(update_event_configurations),
        )
        .route("/things", get(list_things))
        .route(
            "/things/{thing}",
            post(create_thing)
                .get(describe_thing)
                .patch(update_thing)
                .delete(delete_thing),
        )
        .route("/things/{thing}/thing-groups", get(list_groups_of_thing))
        .route("/thing-groups", get(list_groups))
        .route(
            "/thing-groups/{group}",
            post(create_group)
                .get(describe_group)
                .delete(delete_group)
                .patch(absent("UpdateThingGroup"))
                .put(change_membership),
        )
        .route("/thing-groups/{group}/things", get(list_things_in_group))
        .route(
            "/dynamic-thing-groups/{group}",
            post(absent("CreateDynamicThingGroup")),
        )
        .route("/tags", get(list_tags).post(tag_resource))
        .route("/untag", post(untag_resource))
        .merge(identities())
}

/// Certificates come from `/_local`: the service knows a thing by the name in its certificate, which
/// AWS's operations do not give.
fn identities() -> Router<Arc<Backend>> {
    Router::new()
        .route("/keys-and-certificate", post(create_keys_and_certificate))
        .route(
            "/things/{thing}/principals",
            put(absent("AttachThingPrincipal"))
                .get(absent("ListThingPrincipals"))
                .delete(absent("DetachThingPrincipal")),
        )
        .route("/policies", get(absent("ListPolicies")))
        .route(
            "/policies/{policy}",
            post(absent("CreatePolicy")).delete(absent("DeletePolicy")),
        )
        .route("/target-policies/{policy}", put(absent("AttachPolicy")))
        .route("/thing-types", get(absent("ListThingTypes")))
        .route(
            "/thing-types/{type}",
            post(absent("CreateThingType")).delete(absent("DeleteThingType")),
        )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointType {
    endpoint_type: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    endpoint_address: String,
}

async fn describe_endpoint(
    State(service): Service,
    Parameters(asked): Parameters<EndpointType>,
) -> Answered<Endpoint> {
    let endpoint_type = asked.endpoint_type.as_deref();
    let knobs = service.shared.look(|model, _| model.knobs());
    knobs.refuse_retired_endpoint(endpoint_type)?;
    check_endpoint_type(asked.endpoint_type.as_ref())?;
    Ok(Answer(Endpoint {
        endpoint_address: service.mqtt.host.clone(),
    }))
}

async fn describe_event_configurations(State(service): Service) -> Answer<EventConfigurations> {
    Answer(service.shared.with(|model, _| model.event_configurations()))
}

async fn update_event_configurations(
    State(service): Service,
    Json(request): Json<request::UpdateEventConfigurations>,
) -> Answered<Empty> {
    service.control(|model, now| model.update_event_configurations(&request, now))?;
    Ok(Answer(Empty {}))
}

async fn create_keys_and_certificate() -> ApiError {
    ApiError::not_supported(
        "CreateKeysAndCertificate (POST /_local/things/THING/certificate issues a certificate)",
    )
}

async fn create_thing(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(thing_name): Labels<String>,
    Json(request): Json<request::CreateThing>,
) -> Answered<view::ThingIdentity> {
    let request = request::CreateThing {
        thing_name,
        ..request
    };
    service
        .control(|model, now| model.create_thing(&scope, request, now))
        .map(Answer)
}

async fn describe_thing(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(thing): Labels<String>,
) -> Answered<view::ThingDescription> {
    service
        .control(|model, _| model.describe_thing(&scope, &thing))
        .map(Answer)
}

async fn list_things(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Parameters(request): Parameters<request::ListThings>,
) -> Answered<view::ThingList> {
    service
        .control(|model, _| model.list_things(&scope, &request))
        .map(Answer)
}

async fn update_thing(
    State(service): Service,
    Labels(thing_name): Labels<String>,
    Json(request): Json<request::UpdateThing>,
) -> Answered<Empty> {
    let request = request::UpdateThing {
        thing_name,
        ..request
    };
    service.control(|model, _| model.update_thing(request))?;
    Ok(Answer(Empty {}))
}

/// The condition of a deletion.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    expected_version: Option<i64>,
}

async fn delete_thing(
    State(service): Service,
    Labels(thing): Labels<String>,
    Parameters(expected): Parameters<Expected>,
) -> Answered<Empty> {
    service.control(|model, now| model.delete_thing(&thing, expected.expected_version, now))?;
    Ok(Answer(Empty {}))
}

async fn create_group(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(thing_group_name): Labels<String>,
    Json(request): Json<request::CreateThingGroup>,
) -> Answered<view::GroupIdentity> {
    let request = request::CreateThingGroup {
        thing_group_name,
        ..request
    };
    service
        .control(|model, now| model.create_thing_group(&scope, request, now))
        .map(Answer)
}

async fn describe_group(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(group): Labels<String>,
) -> Answered<view::GroupDescription> {
    service
        .control(|model, _| model.describe_thing_group(&scope, &group))
        .map(Answer)
}

async fn list_groups(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Parameters(request): Parameters<request::ListThingGroups>,
) -> Answered<view::GroupList> {
    service
        .control(|model, _| model.list_thing_groups(&scope, &request))
        .map(Answer)
}

async fn delete_group(
    State(service): Service,
    Labels(group): Labels<String>,
    Parameters(expected): Parameters<Expected>,
) -> Answered<Empty> {
    service
        .control(|model, now| model.delete_thing_group(&group, expected.expected_version, now))?;
    Ok(Answer(Empty {}))
}

/// The operations whose paths are those of groups that may be named so: the method alone tells them.
async fn change_membership(
    State(service): Service,
    Labels(operation): Labels<String>,
    request: Request<Body>,
) -> Response {
    match operation.as_str() {
        "addThingToThingGroup" => add_thing_to_group.call(request, service).await,
        "removeThingFromThingGroup" => remove_thing_from_group.call(request, service).await,
        "updateThingGroupsForThing" => {
            ApiError::not_supported("UpdateThingGroupsForThing").into_response()
        }
        _ => unknown(request.method().clone(), request.uri().clone())
            .await
            .into_response(),
    }
}

async fn add_thing_to_group(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Json(request): Json<request::GroupMembership>,
) -> Answered<Empty> {
    service.control(|model, now| model.add_thing_to_thing_group(&scope, &request, now))?;
    Ok(Answer(Empty {}))
}

async fn remove_thing_from_group(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Json(request): Json<request::GroupMembership>,
) -> Answered<Empty> {
    service.control(|model, now| model.remove_thing_from_thing_group(&scope, &request, now))?;
    Ok(Answer(Empty {}))
}

async fn list_things_in_group(
    State(service): Service,
    Labels(thing_group_name): Labels<String>,
    Parameters(request): Parameters<request::ListThingsInThingGroup>,
) -> Answered<view::MemberList> {
    let request = request::ListThingsInThingGroup {
        thing_group_name,
        ..request
    };
    service
        .control(|model, _| model.list_things_in_thing_group(&request))
        .map(Answer)
}

async fn list_groups_of_thing(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(thing): Labels<String>,
    Parameters(page): Parameters<request::PageRequest>,
) -> Answered<view::GroupList> {
    service
        .control(|model, _| model.list_thing_groups_for_thing(&scope, &thing, &page))
        .map(Answer)
}

async fn list_tags(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Parameters(request): Parameters<request::ListTagsForResource>,
) -> Answered<view::TagList> {
    let arn = request.arn()?;
    service
        .control(|model, _| model.list_tags_for_resource(&scope, arn))
        .map(Answer)
}

async fn tag_resource(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Json(request): Json<request::TagResource>,
) -> Answered<Empty> {
    service.control(|model, _| model.tag_resource(&scope, request))?;
    Ok(Answer(Empty {}))
}

async fn untag_resource(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Json(request): Json<request::UntagResource>,
) -> Answered<Empty> {
    service.control(|model, _| model.untag_resource(&scope, &request))?;
    Ok(Answer(Empty {}))
}
