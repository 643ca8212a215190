//! Package versions in jobs and job templates.

use crate::model::request::{
    CreateJobTemplate, CreatePackage, CreatePackageVersion, UpdatePackage, UpdatePackageVersion,
};

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/download";

fn arn(version: &str) -> String {
    format!("arn:aws:iot:eu-west-1:123456789012:package/fw/version/{version}")
}

fn placeholder(version: &str, part: &str) -> String {
    format!("${{aws:iot:package:fw:version:{version}:{part}}}")
}

fn add_package(model: &mut Model, name: &str) {
    let request = CreatePackage {
        package_name: name.to_owned(),
        ..CreatePackage::default()
    };
    model.create_package(&scope(), request, at(0)).unwrap();
}

fn add_version(model: &mut Model, version: &str, members: Value) {
    let request = CreatePackageVersion {
        package_name: "fw".to_owned(),
        version_name: version.to_owned(),
        ..parsed(members)
    };
    let made = model.create_package_version(&scope(), request, at(0));
    made.unwrap();
}

fn act(model: &mut Model, version: &str, action: &str) {
    let request = UpdatePackageVersion {
        package_name: "fw".to_owned(),
        version_name: version.to_owned(),
        action: Some(action.to_owned()),
        ..UpdatePackageVersion::default()
    };
    model.update_package_version(request, at(0)).unwrap();
}

fn set_default(model: &mut Model, version: &str) {
    let request = UpdatePackage {
        package_name: "fw".to_owned(),
        default_version_name: Some(version.to_owned()),
        ..UpdatePackage::default()
    };
    model.update_package(request, at(0)).unwrap();
}

/// A model with a thing and a package whose versions are in draft (`0`), published (`1`, with
/// attributes and artifact) and deprecated (`2`).
fn catalog() -> Model {
    let mut model = model();
    add_package(&mut model, "fw");
    let location = json!({"bucket": "b", "key": "k/1.bin", "version": "v1"});
    let members = json!({
        "attributes": {"url": "s3://b/k", "note": "say \"hi\""},
        "artifact": {"s3Location": location},
    });
    add_version(&mut model, "0", json!({}));
    add_version(&mut model, "1", members);
    add_version(&mut model, "2", json!({}));
    for version in ["1", "2"] {
        act(&mut model, version, "PUBLISH");
    }
    act(&mut model, "2", "DEPRECATE");
    model
}

fn try_job(model: &mut Model, document: &Value, members: Value) -> Result<(), ControlError> {
    let mut request = create_request("J", members);
    request.document = Some(document.to_string());
    model.create_job(&scope(), request, at(0)).map(drop)
}

/// The document of a job that installs version 1.
fn document_of(document: &Value) -> Value {
    let mut model = catalog();
    let members = json!({
        "destinationPackageVersions": [arn("1")],
        "presignedUrlConfig": {"roleArn": ROLE},
    });
    try_job(&mut model, document, members).unwrap();
    stored(&model, false)
}

fn stored(model: &Model, before_substitution: bool) -> Value {
    let document = model
        .job_document("J", before_substitution)
        .unwrap()
        .document;
    serde_json::from_str(&document).unwrap()
}

fn refusal(model: &mut Model, document: &Value, members: Value) -> (&'static str, String) {
    let error = try_job(model, document, members).unwrap_err();
    (error.exception(), error.to_string())
}

fn invalid(message: &str) -> (&'static str, String) {
    ("InvalidRequestException", message.to_owned())
}

fn destinations(model: &Model) -> Value {
    let job = model.describe_job(&scope(), "J", at(0)).unwrap().job;
    serde_json::to_value(job).unwrap()["destinationPackageVersions"].clone()
}

#[test]
fn a_job_tells_the_versions_that_it_installs() {
    let mut model = catalog();
    let arns = json!([arn("1"), arn("2")]);
    try_job(
        &mut model,
        &json!({}),
        json!({"destinationPackageVersions": arns}),
    )
    .unwrap();
    assert_eq!(destinations(&model), arns);
}

#[test]
fn a_job_that_installs_nothing_tells_of_no_versions() {
    let mut model = catalog();
    try_job(&mut model, &json!({}), json!({})).unwrap();
    assert_eq!(destinations(&model), Value::Null);
}

#[test]
fn a_version_in_draft_is_not_installed() {
    let mut model = catalog();
    let members = json!({"destinationPackageVersions": [arn("0")]});
    let message = format!(
        "Package version {} is in status DRAFT. It must be PUBLISHED or DEPRECATED to be deployed.",
        arn("0")
    );
    assert_eq!(refusal(&mut model, &json!({}), members), invalid(&message));
}

#[test]
fn versions_that_are_not_there_are_not_found() {
    let mut model = catalog();
    for missing in [
        arn("9"),
        arn("1").replace("/fw/", "/no/"),
        arn("$default").replace("/fw/", "/no/"),
    ] {
        let members = json!({"destinationPackageVersions": [missing]});
        let message = format!("Package version {missing} cannot be found.");
        let expected = ("ResourceNotFoundException", message);
        assert_eq!(refusal(&mut model, &json!({}), members), expected);
    }
}

#[test]
fn what_is_no_arn_of_a_version_here_is_refused() {
    let mut model = catalog();
    for wrong in [
        "arn:aws:iot:eu-west-1:123456789012:package/fw".to_owned(),
        arn("1").replace("eu-west-1", "us-east-1"),
        arn("1").replace("123456789012", "210987654321"),
        arn("a/b"),
        arn("$other"),
    ] {
        let members = json!({"destinationPackageVersions": [wrong]});
        let expected = invalid(&format!("Package version ARN {wrong} is invalid."));
        assert_eq!(refusal(&mut model, &json!({}), members), expected);
    }
    for wrong in [
        "",
        "package/fw",
        "arn:a b",
        &format!("arn:{}", "x".repeat(1600)),
    ] {
        let members = json!({"destinationPackageVersions": [arn("1"), wrong]});
        let (exception, message) = refusal(&mut model, &json!({}), members);
        assert_eq!(exception, "InvalidRequestException");
        assert!(
            message.contains("at 'destinationPackageVersions.2.member'"),
            "{message}"
        );
    }
}

#[test]
fn a_job_installs_25_versions_at_most() {
    let mut model = catalog();
    let arns = |count| json!({"destinationPackageVersions": vec![arn("1"); count]});
    let (exception, _) = refusal(&mut model, &json!({}), arns(26));
    assert_eq!(exception, "LimitExceededException");
    try_job(&mut model, &json!({}), arns(25)).unwrap();
}

#[test]
fn attributes_are_put_into_the_document() {
    let document = json!({
        "named": placeholder("1", "attributes:url"),
        "only": "${aws:iot:package::version::attributes:note}!",
        "all": placeholder("1", "attributes"),
        "nested": format!("${{aws:iot:s3-presigned-url:{}}}", placeholder("1", "attributes:url")),
    });
    assert_eq!(
        document_of(&document),
        json!({
            "named": "s3://b/k",
            "only": "say \"hi\"!",
            "all": {"url": "s3://b/k", "note": "say \"hi\""},
            "nested": "${aws:iot:s3-presigned-url:s3://b/k}",
        })
    );
}

#[test]
fn an_artifact_becomes_a_placeholder_for_a_url_of_its_version() {
    for part in [
        "artifact-location:s3-presigned-url",
        "artifact:s3-presigned-url",
    ] {
        let url = "https://s3.eu-west-1.amazonaws.com/b/k/1.bin%3FversionId%3Dv1";
        assert_eq!(
            document_of(&json!({ "u": placeholder("1", part) })),
            json!({ "u": format!("${{aws:iot:s3-presigned-url-v2:{url}}}") })
        );
    }
}

#[test]
fn the_document_before_its_substitution_is_told_on_request() {
    let mut model = catalog();
    set_default(&mut model, "1");
    let document = json!({ "u": placeholder("$default", "attributes:url") });
    let members = json!({"destinationPackageVersions": [arn("$default")]});
    try_job(&mut model, &document, members).unwrap();
    assert_eq!(stored(&model, true), document);
    assert_eq!(stored(&model, false), json!({"u": "s3://b/k"}));
    assert_eq!(destinations(&model), json!([arn("1")]));
    let before = model.describe_job_before_substitution(&scope(), "J", at(0));
    let before = before.unwrap().job.destination_package_versions;
    assert_eq!(before, Some(vec![arn("$default")]));
}

#[test]
fn the_default_version_is_the_one_at_the_time_of_the_job() {
    let mut model = catalog();
    set_default(&mut model, "1");
    let members = json!({"destinationPackageVersions": [arn("$default")]});
    try_job(&mut model, &json!({}), members).unwrap();
    set_default(&mut model, "2");
    assert_eq!(destinations(&model), json!([arn("1")]));
}

#[test]
fn a_package_without_a_default_version_has_none_to_install() {
    let mut model = catalog();
    let members = json!({"destinationPackageVersions": [arn("$default")]});
    let expected = invalid("Package fw has no default version.");
    assert_eq!(refusal(&mut model, &json!({}), members), expected);
}

#[test]
fn a_package_is_removed_by_the_version_null() {
    let mut model = catalog();
    let members = json!({"destinationPackageVersions": [arn("$null")]});
    let document = json!({"u": "${aws:iot:package::version::attributes:url}"});
    let message = "$null is not allowed to be referenced as a package version in job documents.";
    assert_eq!(
        refusal(&mut model, &document, members.clone()),
        invalid(message)
    );
    try_job(&mut model, &json!({}), members).unwrap();
    assert_eq!(destinations(&model), json!([arn("$null")]));
}

#[test]
fn a_placeholder_that_cannot_be_filled_in_is_named() {
    let arns = |arns: &[&str]| {
        let arns: Vec<_> = arns.iter().map(|version| arn(version)).collect();
        json!({"destinationPackageVersions": arns, "presignedUrlConfig": {"roleArn": ROLE}})
    };
    let empty = "${aws:iot:package::version::attributes:url}".to_owned();
    let (other, default) = (
        placeholder("2", "attributes:a"),
        placeholder("$default", "attributes:url"),
    );
    let refers = |it: &str| {
        format!("Placeholder {it} refers to no element of destination package versions.")
    };
    for (members, placeholder, message) in [
        (arns(&["1"]), other.clone(), refers(&other)),
        (arns(&["1"]), default.clone(), refers(&default)),
        (json!({}), empty.clone(), refers(&empty)),
        (
            arns(&["1", "2"]),
            empty,
            "Cannot resolve empty package name and version name given multiple elements in destination package versions.".to_owned(),
        ),
        (
            arns(&["2"]),
            other.clone(),
            format!("Package fw version 2 has no attribute a, which placeholder {other} refers to."),
        ),
        (
            arns(&["2"]),
            placeholder("2", "artifact:s3-presigned-url"),
            "Package fw version 2 does not have an associated artifact to generate an S3 presigned url.".to_owned(),
        ),
    ] {
        let document = json!({ "u": placeholder });
        assert_eq!(refusal(&mut catalog(), &document, members), invalid(&message));
    }
}

#[test]
fn a_url_of_an_artifact_needs_a_role() {
    let mut model = catalog();
    let document = json!({ "u": placeholder("1", "artifact-location:s3-presigned-url") });
    let message = "presignedUrlConfig role ARN is required to generate an S3 presigned url in job document for package fw version 1 artifact.";
    let members = json!({"destinationPackageVersions": [arn("1")]});
    assert_eq!(refusal(&mut model, &document, members), invalid(message));
}

#[test]
fn a_document_that_grows_too_long_is_refused() {
    let mut model = catalog();
    add_version(
        &mut model,
        "3",
        json!({"attributes": {"a": "x".repeat(3000)}}),
    );
    act(&mut model, "3", "PUBLISH");
    let members = json!({"destinationPackageVersions": [arn("3")]});
    let document = json!(vec![placeholder("3", "attributes:a"); 11]);
    let (exception, _) = refusal(&mut model, &document, members);
    assert_eq!(exception, "LimitExceededException");
}

#[test]
fn what_a_job_installs_outlives_its_version() {
    let mut model = catalog();
    let members = json!({"destinationPackageVersions": [arn("1")]});
    try_job(
        &mut model,
        &json!({ "u": placeholder("1", "attributes:url") }),
        members,
    )
    .unwrap();
    let request = parsed(json!({}));
    let request = crate::model::request::DeletePackageVersion {
        package_name: "fw".to_owned(),
        version_name: "1".to_owned(),
        ..request
    };
    model.delete_package_version(&request).unwrap();
    assert_eq!(stored(&model, false), json!({"u": "s3://b/k"}));
}

fn add_template(model: &mut Model, members: Value) -> Result<(), ControlError> {
    let mut body = json!({"description": "d", "document": "{}"});
    body.as_object_mut().unwrap().extend(object(members));
    let request = CreateJobTemplate {
        job_template_id: "T".to_owned(),
        ..parsed(body)
    };
    model
        .create_job_template(&scope(), request, at(0))
        .map(drop)
}

fn job_from_template(model: &mut Model, members: Value) -> Result<(), ControlError> {
    let mut request = create_request("J", members);
    request.document = None;
    request.job_template_arn = Some("arn:aws:iot:eu-west-1:123456789012:jobtemplate/T".to_owned());
    model.create_job(&scope(), request, at(0)).map(drop)
}

#[test]
fn a_template_gives_its_versions_and_its_placeholders_to_a_job() {
    let mut model = catalog();
    let document = json!({"u": "${aws:iot:package::version::attributes:url}"});
    let members = json!({
        "document": document.to_string(),
        "destinationPackageVersions": [arn("$default")],
    });
    add_template(&mut model, members).unwrap();
    let described = model.describe_job_template(&scope(), "T").unwrap();
    assert_eq!(
        described.destination_package_versions,
        Some(vec![arn("$default")])
    );
    assert_eq!(described.document, Some(document.to_string()));
    set_default(&mut model, "1");
    job_from_template(&mut model, json!({})).unwrap();
    assert_eq!(destinations(&model), json!([arn("1")]));
    assert_eq!(stored(&model, false), json!({"u": "s3://b/k"}));
}

#[test]
fn the_versions_of_a_job_replace_those_of_its_template() {
    let mut model = catalog();
    let members = json!({"destinationPackageVersions": [arn("1")]});
    add_template(&mut model, members).unwrap();
    let members = json!({"destinationPackageVersions": [arn("2")]});
    job_from_template(&mut model, members).unwrap();
    assert_eq!(destinations(&model), json!([arn("2")]));
}

#[test]
fn a_template_may_name_a_version_in_draft_but_none_that_is_not_there() {
    let mut model = catalog();
    let missing = add_template(
        &mut model,
        json!({"destinationPackageVersions": [arn("9")]}),
    );
    assert_eq!(
        missing.unwrap_err().exception(),
        "ResourceNotFoundException"
    );
    add_template(
        &mut model,
        json!({"destinationPackageVersions": [arn("0")]}),
    )
    .unwrap();
    let refused = job_from_template(&mut model, json!({})).unwrap_err();
    assert!(
        refused.to_string().contains("is in status DRAFT"),
        "{refused}"
    );
    act(&mut model, "0", "PUBLISH");
    job_from_template(&mut model, json!({})).unwrap();
}

#[test]
fn a_template_with_a_placeholder_that_no_version_can_fill_in_is_refused() {
    let mut model = catalog();
    let wrong = placeholder("1", "size");
    let refused = add_template(
        &mut model,
        json!({"document": json!({ "u": wrong }).to_string()}),
    );
    let message = format!("Given placeholder {wrong} is invalid.");
    assert_eq!(refused, Err(ControlError::InvalidRequest(message)));
}

#[test]
fn a_template_takes_the_versions_of_a_job() {
    let mut model = catalog();
    let members = json!({"destinationPackageVersions": [arn("1")]});
    try_job(
        &mut model,
        &json!({ "u": placeholder("1", "attributes:url") }),
        members,
    )
    .unwrap();
    let from = json!({"document": null, "jobArn": "arn:aws:iot:eu-west-1:123456789012:job/J"});
    add_template(&mut model, from).unwrap();
    let described = model.describe_job_template(&scope(), "T").unwrap();
    assert_eq!(described.destination_package_versions, Some(vec![arn("1")]));
    assert_eq!(described.document.as_deref(), Some(r#"{"u":"s3://b/k"}"#));
}
