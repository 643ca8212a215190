//! Software packages and their versions, in the `iot` plane.
//! Facts: AWS IoT API reference, the pages of the operations.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::middleware::map_response;
use axum::routing::{get, put};
use axum::{Extension, Router};
use serde::Deserialize;

use super::Backend;
use super::error::{ApiError, in_packages};
use super::extract::{Answer, Answered, Empty, Json, Labels, Parameters, absent};
use crate::model::error::PackageError;
use crate::model::names::Scope;
use crate::model::time::Timestamp;
use crate::model::{Model, request, view};

type Service = State<Arc<Backend>>;

pub(super) fn routes() -> Router<Arc<Backend>> {
    Router::new()
        .route("/packages", get(list_packages))
        .route(
            "/packages/{package}",
            put(create_package)
                .get(get_package)
                .patch(update_package)
                .delete(delete_package),
        )
        .route("/packages/{package}/versions", get(list_versions))
        .route(
            "/packages/{package}/versions/{version}",
            put(create_version)
                .get(get_version)
                .patch(update_version)
                .delete(delete_version),
        )
        .route(
            "/packages/{package}/versions/{version}/sbom",
            put(absent("AssociateSbomWithPackageVersion"))
                .delete(absent("DisassociateSbomFromPackageVersion")),
        )
        .route(
            "/packages/{package}/versions/{version}/sbom-validation-results",
            get(absent("ListSbomValidationResults")),
        )
        .route(
            "/package-configuration",
            get(get_configuration).patch(update_configuration),
        )
        .layer(map_response(async |response: Response<Body>| {
            in_packages(response)
        }))
}

impl Backend {
    /// Runs an operation of the model's on packages.
    fn catalog<T>(
        &self,
        operation: impl FnOnce(&mut Model, Timestamp) -> Result<T, PackageError>,
    ) -> Result<T, ApiError> {
        Ok(self.shared.with(operation)?)
    }
}

/// The query of operations that are done once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    client_token: Option<String>,
}

async fn create_package(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(package_name): Labels<String>,
    Parameters(Token { client_token }): Parameters<Token>,
    Json(request): Json<request::CreatePackage>,
) -> Answered<view::PackageReference> {
    let request = request::CreatePackage {
        package_name,
        client_token,
        ..request
    };
    service
        .catalog(|model, now| model.create_package(&scope, request, now))
        .map(Answer)
}

async fn get_package(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels(package): Labels<String>,
) -> Answered<view::PackageDescription> {
    service
        .catalog(|model, _| model.get_package(&scope, &package))
        .map(Answer)
}

async fn update_package(
    State(service): Service,
    Labels(package_name): Labels<String>,
    Parameters(Token { client_token }): Parameters<Token>,
    Json(request): Json<request::UpdatePackage>,
) -> Answered<Empty> {
    let request = request::UpdatePackage {
        package_name,
        client_token,
        ..request
    };
    service.catalog(|model, now| model.update_package(request, now))?;
    Ok(Answer(Empty {}))
}

async fn delete_package(
    State(service): Service,
    Labels(package_name): Labels<String>,
    Parameters(request): Parameters<request::DeletePackage>,
) -> Answered<Empty> {
    let request = request::DeletePackage {
        package_name,
        ..request
    };
    service.catalog(|model, _| model.delete_package(&request))?;
    Ok(Answer(Empty {}))
}

async fn list_packages(
    State(service): Service,
    Parameters(request): Parameters<request::ListPackages>,
) -> Answered<view::PackageList> {
    service
        .catalog(|model, _| model.list_packages(&request))
        .map(Answer)
}

async fn create_version(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels((package_name, version_name)): Labels<(String, String)>,
    Parameters(Token { client_token }): Parameters<Token>,
    Json(request): Json<request::CreatePackageVersion>,
) -> Answered<view::PackageVersionReference> {
    let request = request::CreatePackageVersion {
        package_name,
        version_name,
        client_token,
        ..request
    };
    service
        .catalog(|model, now| model.create_package_version(&scope, request, now))
        .map(Answer)
}

async fn get_version(
    State(service): Service,
    Extension(scope): Extension<Scope>,
    Labels((package, version)): Labels<(String, String)>,
) -> Answered<view::PackageVersionDescription> {
    service
        .catalog(|model, _| model.get_package_version(&scope, &package, &version))
        .map(Answer)
}

async fn update_version(
    State(service): Service,
    Labels((package_name, version_name)): Labels<(String, String)>,
    Parameters(Token { client_token }): Parameters<Token>,
    Json(request): Json<request::UpdatePackageVersion>,
) -> Answered<Empty> {
    let request = request::UpdatePackageVersion {
        package_name,
        version_name,
        client_token,
        ..request
    };
    service.catalog(|model, now| model.update_package_version(request, now))?;
    Ok(Answer(Empty {}))
}

async fn delete_version(
    State(service): Service,
    Labels((package_name, version_name)): Labels<(String, String)>,
    Parameters(request): Parameters<request::DeletePackageVersion>,
) -> Answered<Empty> {
    let request = request::DeletePackageVersion {
        package_name,
        version_name,
        ..request
    };
    service.catalog(|model, _| model.delete_package_version(&request))?;
    Ok(Answer(Empty {}))
}

async fn list_versions(
    State(service): Service,
    Labels(package_name): Labels<String>,
    Parameters(request): Parameters<request::ListPackageVersions>,
) -> Answered<view::PackageVersionList> {
    let request = request::ListPackageVersions {
        package_name,
        ..request
    };
    service
        .catalog(|model, _| model.list_package_versions(&request))
        .map(Answer)
}

async fn get_configuration(State(service): Service) -> Answer<view::PackageConfiguration> {
    Answer(
        service
            .shared
            .with(|model, _| model.get_package_configuration()),
    )
}

async fn update_configuration(
    State(service): Service,
    Parameters(Token { client_token }): Parameters<Token>,
    Json(request): Json<request::UpdatePackageConfiguration>,
) -> Answered<Empty> {
    let request = request::UpdatePackageConfiguration {
        client_token,
        ..request
    };
    service.catalog(|model, _| model.update_package_configuration(request))?;
    Ok(Answer(Empty {}))
}
