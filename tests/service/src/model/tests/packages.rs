//! Software packages and their versions.

use crate::model::error::PackageError;
use crate::model::request::{
    CreatePackage, CreatePackageVersion, DeletePackage, DeletePackageVersion, ListPackageVersions,
    ListPackages, TagResource, UntagResource, UpdatePackage, UpdatePackageConfiguration,
    UpdatePackageVersion,
};
use crate::model::view::{PackageReference, PackageVersionReference};

use super::*;

const TOKEN: &str = "123e4567-e89b-12d3-a456-426614174000";

fn create_package(
    model: &mut Model,
    name: &str,
    members: Value,
) -> Result<PackageReference, PackageError> {
    let request = CreatePackage {
        package_name: name.to_owned(),
        client_token: token(&members),
        ..parsed(members)
    };
    model.create_package(&scope(), request, at(0))
}

fn update_package(model: &mut Model, name: &str, members: Value) -> Result<(), PackageError> {
    let request = UpdatePackage {
        package_name: name.to_owned(),
        client_token: token(&members),
        ..parsed(members)
    };
    model.update_package(request, at(60))
}

fn delete_package(model: &mut Model, name: &str, members: &Value) -> Result<(), PackageError> {
    model.delete_package(&DeletePackage {
        package_name: name.to_owned(),
        client_token: token(members),
    })
}

fn create_version(
    model: &mut Model,
    name: &str,
    members: Value,
) -> Result<PackageVersionReference, PackageError> {
    let request = CreatePackageVersion {
        package_name: "fw".to_owned(),
        version_name: name.to_owned(),
        client_token: token(&members),
        ..parsed(members)
    };
    model.create_package_version(&scope(), request, at(0))
}

fn update_version(model: &mut Model, name: &str, members: Value) -> Result<(), PackageError> {
    let request = UpdatePackageVersion {
        package_name: "fw".to_owned(),
        version_name: name.to_owned(),
        client_token: token(&members),
        ..parsed(members)
    };
    model.update_package_version(request, at(60))
}

fn delete_version(model: &mut Model, name: &str, members: &Value) -> Result<(), PackageError> {
    model.delete_package_version(&DeletePackageVersion {
        package_name: "fw".to_owned(),
        version_name: name.to_owned(),
        client_token: token(members),
    })
}

fn token(members: &Value) -> Option<String> {
    members["token"].as_str().map(str::to_owned)
}

fn package(model: &Model) -> Value {
    serde_json::to_value(model.get_package(&scope(), "fw").unwrap()).unwrap()
}

fn version(model: &Model, name: &str) -> Value {
    let version = model.get_package_version(&scope(), "fw", name).unwrap();
    serde_json::to_value(version).unwrap()
}

/// A model with the version 1.0 of the package `fw`, in draft.
fn catalog() -> Model {
    let mut model = model();
    create_package(&mut model, "fw", json!({})).unwrap();
    create_version(&mut model, "1.0", json!({})).unwrap();
    model
}

fn published() -> Model {
    let mut model = catalog();
    update_version(&mut model, "1.0", json!({"action": "PUBLISH"})).unwrap();
    model
}

fn kind<T: core::fmt::Debug>(result: Result<T, PackageError>) -> (u16, &'static str) {
    let error = result.unwrap_err();
    (error.http_status(), error.exception())
}

const CONFLICT: (u16, &str) = (409, "ConflictException");
const INVALID: (u16, &str) = (400, "ValidationException");
const MISSING: (u16, &str) = (404, "ResourceNotFoundException");
const QUOTA: (u16, &str) = (402, "ServiceQuotaExceededException");

#[test]
fn a_package_is_told_as_it_was_made_and_changed() {
    let mut model = model();
    let made = create_package(&mut model, "fw", json!({"description": "first"})).unwrap();
    let arn = "arn:aws:iot:eu-west-1:123456789012:package/fw";
    assert_eq!(
        serde_json::to_value(made).unwrap(),
        json!({"packageName": "fw", "packageArn": arn, "description": "first"})
    );
    update_package(&mut model, "fw", json!({"description": "second"})).unwrap();
    assert_eq!(
        package(&model),
        json!({
            "packageName": "fw", "packageArn": arn, "description": "second",
            "creationDate": NOON, "lastModifiedDate": NOON + 60,
        })
    );
}

#[test]
fn a_version_is_told_as_it_was_made() {
    let mut model = model();
    create_package(&mut model, "fw", json!({})).unwrap();
    let artifact = json!({"s3Location": {"bucket": "b", "key": "k", "version": "v"}});
    let members = json!({
        "description": "d", "attributes": {"a": "1"}, "artifact": artifact, "recipe": "{}", "tags": {"t": "v"},
    });
    let made = create_version(&mut model, "1.0", members).unwrap();
    let arn = "arn:aws:iot:eu-west-1:123456789012:package/fw/version/1.0";
    let identity = json!({
        "packageVersionArn": arn, "packageName": "fw", "versionName": "1.0", "description": "d",
        "attributes": {"a": "1"}, "status": "DRAFT",
    });
    assert_eq!(serde_json::to_value(made).unwrap(), identity);
    let mut told = identity;
    told.as_object_mut().unwrap().extend(object(json!({
        "artifact": artifact, "recipe": "{}", "creationDate": NOON, "lastModifiedDate": NOON,
    })));
    assert_eq!(version(&model, "1.0"), told);
}

#[test]
fn a_name_is_taken_once() {
    let mut model = catalog();
    let refused = create_package(&mut model, "fw", json!({})).unwrap_err();
    let message = "Package fw already exists.".to_owned();
    let resource_id = "fw".to_owned();
    assert_eq!(
        refused,
        PackageError::Conflict {
            message,
            resource_id
        }
    );
    assert_eq!(kind(create_version(&mut model, "1.0", json!({}))), CONFLICT);
}

#[test]
fn all_violations_of_a_request_are_told_at_once() {
    let mut model = model();
    let members = json!({"description": "\n", "tags": {}, "token": "short"});
    let refused = create_package(&mut model, "bad name", members).unwrap_err();
    let message = refused.to_string();
    assert!(
        message.starts_with("4 validation errors detected: "),
        "{message}"
    );
    for member in ["packageName", "description", "tags", "clientToken"] {
        assert!(message.contains(&format!("at '{member}'")), "{message}");
    }
}

#[test]
fn members_out_of_their_bounds_are_refused() {
    let mut model = catalog();
    for members in [
        json!({"attributes": {"bad key": "v"}}),
        json!({"attributes": {"k": ""}}),
        json!({"attributes": {"k": "\n"}}),
        json!({"artifact": {"s3Location": {"bucket": "b"}}}),
        json!({"artifact": {"s3Location": {"bucket": "", "key": "k"}}}),
        json!({"recipe": "x".repeat(3073)}),
        json!({"description": "x".repeat(1025)}),
        json!({"tags": {"aws:k": "v"}}),
        json!({"tags": {"k": "x".repeat(257)}}),
    ] {
        assert_eq!(
            kind(create_version(&mut model, "2", members.clone())),
            INVALID,
            "{members}"
        );
    }
    for name in ["", "a/b", "a b", &"x".repeat(65)] {
        assert_eq!(
            kind(create_version(&mut model, name, json!({}))),
            INVALID,
            "{name}"
        );
    }
    assert_eq!(
        kind(update_version(
            &mut model,
            "1.0",
            json!({"action": "DRAFT"})
        )),
        INVALID
    );
}

#[test]
fn the_attributes_of_a_version_take_three_kilobytes_at_most() {
    let mut model = catalog();
    let attributes = |size: usize| json!({"attributes": {"k": "x".repeat(size - 2), "l": ""}});
    let full = json!({"attributes": {"k": "x".repeat(3071)}});
    create_version(&mut model, "2", full).unwrap();
    let too_much = json!({"attributes": {"k": "x".repeat(3072)}});
    assert_eq!(
        kind(create_version(&mut model, "3", too_much.clone())),
        INVALID
    );
    assert_eq!(kind(update_version(&mut model, "1.0", too_much)), INVALID);
    assert_eq!(
        kind(update_version(&mut model, "1.0", attributes(10))),
        INVALID
    );
}

#[test]
fn a_version_goes_from_draft_to_published_to_deprecated_and_back() {
    let mut model = catalog();
    for (action, status) in [
        ("DEPRECATE", None),
        ("PUBLISH", Some("PUBLISHED")),
        ("PUBLISH", None),
        ("DEPRECATE", Some("DEPRECATED")),
        ("DEPRECATE", None),
        ("PUBLISH", Some("PUBLISHED")),
    ] {
        let done = update_version(&mut model, "1.0", json!({ "action": action }));
        match status {
            Some(status) => assert_eq!(version(&model, "1.0")["status"], status),
            None => assert_eq!(kind(done), CONFLICT, "{action}"),
        }
    }
}

#[test]
fn attributes_and_artifact_are_settled_with_the_publication() {
    let mut model = catalog();
    let members = json!({"attributes": {"a": "1"}, "artifact": {}, "action": "PUBLISH"});
    update_version(&mut model, "1.0", members).unwrap();
    for members in [json!({"attributes": {}}), json!({"artifact": {}})] {
        assert_eq!(kind(update_version(&mut model, "1.0", members)), CONFLICT);
    }
    update_version(
        &mut model,
        "1.0",
        json!({"description": "d", "recipe": "{}"}),
    )
    .unwrap();
    let told = version(&model, "1.0");
    assert_eq!(
        (&told["attributes"], &told["description"], &told["recipe"]),
        (&json!({"a": "1"}), &json!("d"), &json!("{}"))
    );
}

#[test]
fn a_refused_update_changes_nothing() {
    let mut model = catalog();
    let before = version(&model, "1.0");
    let members = json!({"description": "d", "attributes": {"a": "1"}, "action": "DEPRECATE"});
    assert_eq!(kind(update_version(&mut model, "1.0", members)), CONFLICT);
    assert_eq!(version(&model, "1.0"), before);
}

#[test]
fn the_default_version_is_one_that_can_be_installed() {
    let mut model = catalog();
    let named = json!({"defaultVersionName": "1.0"});
    assert_eq!(
        kind(update_package(&mut model, "fw", named.clone())),
        CONFLICT
    );
    let missing = json!({"defaultVersionName": "2"});
    assert_eq!(kind(update_package(&mut model, "fw", missing)), MISSING);
    update_version(&mut model, "1.0", json!({"action": "PUBLISH"})).unwrap();
    update_package(&mut model, "fw", named).unwrap();
    assert_eq!(package(&model)["defaultVersionName"], "1.0");
    let both = json!({"defaultVersionName": "1.0", "unsetDefaultVersion": true});
    assert_eq!(kind(update_package(&mut model, "fw", both)), INVALID);
    update_package(&mut model, "fw", json!({"unsetDefaultVersion": true})).unwrap();
    assert_eq!(package(&model)["defaultVersionName"], Value::Null);
}

#[test]
fn what_is_in_use_is_not_deleted_and_what_is_not_there_is_deleted_already() {
    let mut model = published();
    update_package(&mut model, "fw", json!({"defaultVersionName": "1.0"})).unwrap();
    assert_eq!(kind(delete_package(&mut model, "fw", &json!({}))), INVALID);
    assert_eq!(kind(delete_version(&mut model, "1.0", &json!({}))), INVALID);
    update_package(&mut model, "fw", json!({"unsetDefaultVersion": true})).unwrap();
    for _ in 0..2 {
        delete_version(&mut model, "1.0", &json!({})).unwrap();
    }
    for _ in 0..2 {
        delete_package(&mut model, "fw", &json!({})).unwrap();
    }
    assert_eq!(kind(model.get_package(&scope(), "fw")), MISSING);
    assert_eq!(
        kind(model.get_package_version(&scope(), "fw", "1.0")),
        MISSING
    );
}

#[test]
fn what_is_not_there_cannot_be_told_or_changed() {
    let mut model = catalog();
    assert_eq!(kind(update_package(&mut model, "no", json!({}))), MISSING);
    let default = json!({"defaultVersionName": "1.0"});
    assert_eq!(kind(update_package(&mut model, "no", default)), MISSING);
    assert_eq!(kind(update_version(&mut model, "2", json!({}))), MISSING);
    let orphan = CreatePackageVersion {
        package_name: "no".to_owned(),
        version_name: "1".to_owned(),
        ..CreatePackageVersion::default()
    };
    assert_eq!(
        kind(model.create_package_version(&scope(), orphan, at(0))),
        INVALID
    );
}

#[test]
fn the_same_request_with_the_same_token_is_done_once() {
    let mut model = model();
    let members = json!({"description": "d", "token": TOKEN});
    let first = create_package(&mut model, "fw", members.clone());
    assert_eq!(create_package(&mut model, "fw", members), first);
    let members = json!({"attributes": {"a": "1"}, "token": TOKEN});
    let first = create_version(&mut model, "1.0", members.clone());
    assert_eq!(create_version(&mut model, "1.0", members), first);

    let publish = json!({"action": "PUBLISH", "token": TOKEN});
    update_version(&mut model, "1.0", publish.clone()).unwrap();
    update_version(&mut model, "1.0", publish).unwrap();
    let deletion = json!({"token": TOKEN});
    delete_version(&mut model, "1.0", &deletion).unwrap();
    create_version(&mut model, "1.0", json!({})).unwrap();
    delete_version(&mut model, "1.0", &deletion).unwrap();
    assert_eq!(version(&model, "1.0")["status"], "DRAFT");
}

#[test]
fn another_request_with_the_same_token_is_refused() {
    let mut model = model();
    create_package(&mut model, "fw", json!({"token": TOKEN})).unwrap();
    let other = json!({"description": "d", "token": TOKEN});
    assert_eq!(kind(create_package(&mut model, "fw", other)), CONFLICT);
    assert_eq!(
        kind(create_package(&mut model, "other", json!({"token": TOKEN}))),
        CONFLICT
    );
    delete_package(&mut model, "fw", &json!({"token": TOKEN})).unwrap();
    assert_eq!(
        kind(delete_package(
            &mut model,
            "other",
            &json!({"token": TOKEN})
        )),
        INVALID
    );
}

#[test]
fn a_refused_request_does_not_use_its_token_up() {
    let mut model = catalog();
    let members = json!({"token": TOKEN});
    assert_eq!(
        kind(create_package(&mut model, "fw", members.clone())),
        CONFLICT
    );
    create_package(&mut model, "other", members).unwrap();
}

#[test]
fn lists_come_by_name_and_in_pages() {
    let mut model = model();
    for name in ["b", "c", "a"] {
        create_package(&mut model, name, json!({})).unwrap();
    }
    let list = |request: Value| {
        let list = model.list_packages(&parsed::<ListPackages>(request))?;
        Ok(serde_json::to_value(list).unwrap())
    };
    let names = |page: &Value| -> Vec<String> {
        let summaries = page["packageSummaries"].as_array().unwrap().iter();
        summaries
            .map(|summary| summary["packageName"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = list(json!({"maxResults": 2})).unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    let second = list(json!({"maxResults": 2, "nextToken": first["nextToken"]})).unwrap();
    assert_eq!(names(&second), ["c"]);
    assert_eq!(second["nextToken"], Value::Null);
    for request in [
        json!({"maxResults": 0}),
        json!({"maxResults": 101}),
        json!({"nextToken": "forged"}),
    ] {
        assert_eq!(kind(list(request)), INVALID);
    }
}

#[test]
fn versions_are_listed_by_status() {
    let mut model = published();
    create_version(&mut model, "2.0", json!({})).unwrap();
    let list = |members: Value| {
        let request = ListPackageVersions {
            package_name: "fw".to_owned(),
            ..parsed(members)
        };
        let page = model.list_package_versions(&request)?;
        let summaries = page.package_version_summaries.into_iter();
        Ok(summaries
            .map(|summary| summary.version_name.to_string())
            .collect::<Vec<_>>())
    };
    assert_eq!(list(json!({})).unwrap(), ["1.0", "2.0"]);
    assert_eq!(list(json!({"status": "DRAFT"})).unwrap(), ["2.0"]);
    assert_eq!(list(json!({"status": "DEPRECATED"})).unwrap(), [""; 0]);
    assert_eq!(kind(list(json!({"status": "GONE"}))), INVALID);
}

#[test]
fn an_account_has_a_hundred_packages_at_most() {
    let mut model = model();
    for number in 0..100 {
        create_package(&mut model, &format!("p{number}"), json!({})).unwrap();
    }
    assert_eq!(
        kind(create_package(&mut model, "one-more", json!({}))),
        QUOTA
    );
}

#[test]
fn packages_and_versions_have_tags() {
    let mut model = model();
    create_package(&mut model, "fw", json!({"tags": {"a": "1"}})).unwrap();
    create_version(&mut model, "1.0", json!({"tags": {"b": "2"}})).unwrap();
    let package = "arn:aws:iot:eu-west-1:123456789012:package/fw";
    let version = format!("{package}/version/1.0");
    for (arn, key, value) in [(package, "a", "1"), (&version, "b", "2")] {
        let tags = |model: &mut Model| {
            let list = model.list_tags_for_resource(&scope(), arn).unwrap();
            serde_json::to_value(list.tags).unwrap()
        };
        assert_eq!(tags(&mut model), json!([{"Key": key, "Value": value}]));
        let request: TagResource =
            parsed(json!({"resourceArn": arn, "tags": [{"Key": "c", "Value": "3"}]}));
        model.tag_resource(&scope(), request).unwrap();
        let request: UntagResource = parsed(json!({"resourceArn": arn, "tagKeys": [key]}));
        model.untag_resource(&scope(), &request).unwrap();
        assert_eq!(tags(&mut model), json!([{"Key": "c", "Value": "3"}]));
    }
    for arn in [format!("{package}x"), format!("{package}/version/2")] {
        let refused = model.list_tags_for_resource(&scope(), &arn).unwrap_err();
        assert_eq!(refused.exception(), "ResourceNotFoundException");
    }
}

#[test]
fn the_configuration_keeps_what_an_update_leaves_out() {
    let mut model = model();
    let update = |model: &mut Model, config: Value| {
        let request: UpdatePackageConfiguration =
            parsed(json!({"versionUpdateByJobsConfig": config}));
        model.update_package_configuration(request)
    };
    let told = |model: &Model| serde_json::to_value(model.get_package_configuration()).unwrap();
    assert_eq!(told(&model), json!({"versionUpdateByJobsConfig": {}}));
    let role = "arn:aws:iam::123456789012:role/shadow";
    update(&mut model, json!({"enabled": true, "roleArn": role})).unwrap();
    update(&mut model, json!({"enabled": false})).unwrap();
    assert_eq!(
        told(&model),
        json!({"versionUpdateByJobsConfig": {"enabled": false, "roleArn": role}})
    );
    assert_eq!(
        kind(update(&mut model, json!({"roleArn": "short"}))),
        INVALID
    );
}
