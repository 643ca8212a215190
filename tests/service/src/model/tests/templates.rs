//! Job templates, the account's own and AWS's.

use crate::model::error::ControlError;
use crate::model::request::{
    CreateJobTemplate, DescribeManagedJobTemplate, ListManagedJobTemplates, PageRequest,
};

use super::*;

const REBOOT: &str = "arn:aws:iot:eu-west-1::jobtemplate/AWS-Reboot:1.0";
const DOWNLOAD: &str = "arn:aws:iot:eu-west-1::jobtemplate/AWS-Download-File:1.0";

fn template_arn(id: &str) -> String {
    format!("arn:aws:iot:eu-west-1:123456789012:jobtemplate/{id}")
}

/// CreateJobTemplate with a document, unless `members` say otherwise.
fn request(id: &str, members: Value) -> CreateJobTemplate {
    let mut body = json!({"document": r#"{"from":"template"}"#, "description": "a template"});
    body.as_object_mut().unwrap().extend(object(members));
    let mut request: CreateJobTemplate = serde_json::from_value(body).unwrap();
    request.job_template_id = id.to_owned();
    request
}

fn create_template(model: &mut Model, id: &str, members: Value) {
    let request = request(id, members);
    model.create_job_template(&scope(), request, at(0)).unwrap();
}

fn refused(members: Value) -> ControlError {
    let request = request("T", members);
    let mut model = model();
    let refused = model.create_job_template(&scope(), request, at(0));
    refused.unwrap_err()
}

/// A job with what its template gives, and `members`.
fn create_from(model: &mut Model, id: &str, template: &str, members: Value) {
    let request = request_from(id, template, members);
    model.create_job(&scope(), request, at(0)).unwrap();
}

fn request_from(id: &str, template: &str, members: Value) -> CreateJob {
    let mut all = json!({"document": null, "jobTemplateArn": template});
    all.as_object_mut().unwrap().extend(object(members));
    create_request(id, all)
}

fn described(model: &Model, id: &str) -> Value {
    let described = model.describe_job(&scope(), id, at(0)).unwrap();
    serde_json::to_value(described).unwrap()["job"].take()
}

fn document(model: &Model, id: &str, before: bool) -> String {
    model.job_document(id, before).unwrap().document
}

#[test]
fn a_template_is_described_with_every_member() {
    let mut model = model();
    let windows = json!([{"startTime": "0 22 * * ? *", "durationInMinutes": 60}]);
    let members = json!({
        "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
        "maintenanceWindows": windows,
    });
    create_template(&mut model, "T", members);
    let described = model.describe_job_template(&scope(), "T").unwrap();
    assert_eq!(
        serde_json::to_value(described).unwrap(),
        json!({
            "jobTemplateArn": template_arn("T"),
            "jobTemplateId": "T",
            "description": "a template",
            "documentSource": null,
            "document": r#"{"from":"template"}"#,
            "createdAt": NOON,
            "presignedUrlConfig": {"expiresInSec": null, "roleArn": null},
            "jobExecutionsRolloutConfig": {"exponentialRate": null, "maximumPerMinute": null},
            "abortConfig": null,
            "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
            "jobExecutionsRetryConfig": null,
            "maintenanceWindows": windows,
            "destinationPackageVersions": null,
        })
    );
}

#[test]
fn a_template_is_checked_as_a_job_is() {
    for (members, message) in [
        (
            json!({"document": null}),
            "Neither job document nor job document source is specified.",
        ),
        (
            json!({"documentSource": "s3://b/k"}),
            "Job document and job document source cannot be specified at the same time.",
        ),
        (
            json!({"document": "{"}),
            "Job document located at request input is an invalid JSON document.",
        ),
        (
            json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 0}}),
            "Provide valid timeout value, inProgressTimeoutInMinutes cannot be 0.",
        ),
        (
            json!({"description": null}),
            "1 validation error detected: Value null at 'description' failed to satisfy \
             constraint: Member must not be null",
        ),
        (
            json!({"maintenanceWindows": [{"startTime": "daily", "durationInMinutes": 5}]}),
            "StartTime daily of MaintenanceWindow is not a valid cron expression.",
        ),
        (
            json!({"maintenanceWindows": [{"startTime": "0 1 * * ? *", "durationInMinutes": 1431}]}),
            "1 validation error detected: Value '1431' at \
             'maintenanceWindows.1.member.durationInMinutes' failed to satisfy constraint: Member \
             must have value less than or equal to 1430",
        ),
        (
            json!({"tags": [{"Key": "a"}]}),
            "Invalid tag parameter exception. Please check the input.",
        ),
    ] {
        let refused = refused(members);
        assert_eq!(refused.exception(), "InvalidRequestException");
        assert_eq!(refused.to_string(), message);
    }
}

#[test]
fn an_id_names_one_template() {
    let mut model = model();
    create_template(&mut model, "T", json!({}));
    let again = request("T", json!({}));
    let refused = model.create_job_template(&scope(), again, at(1));
    let refused = refused.unwrap_err();
    assert_eq!(refused.exception(), "ConflictException");
    assert_eq!(refused.to_string(), "Job Template T already exists.");

    model.delete_job_template("T").unwrap();
    let gone = model.describe_job_template(&scope(), "T").unwrap_err();
    assert_eq!(gone.to_string(), "Job Template T cannot be found.");
    assert!(model.delete_job_template("T").is_err());
}

#[test]
fn templates_are_listed_newest_first_in_pages() {
    let mut model = model();
    for id in ["A", "B", "C"] {
        create_template(&mut model, id, json!({}));
    }
    let mut page = PageRequest {
        max_results: Some(2),
        ..PageRequest::default()
    };
    let first = model.list_job_templates(&scope(), &page).unwrap();
    page.next_token = first.next_token;
    let second = model.list_job_templates(&scope(), &page).unwrap();
    let all = first.job_templates.iter().chain(&second.job_templates);
    let ids: Vec<_> = all
        .map(|summary| summary.job_template_id.as_str())
        .collect();
    assert_eq!(ids, ["C", "B", "A"]);
    assert_eq!(second.next_token, None);
}

#[test]
fn a_template_takes_over_what_a_job_has() {
    let mut model = model();
    let members = json!({
        "document": r#"{"from":"job"}"#,
        "timeoutConfig": {"inProgressTimeoutInMinutes": 7},
    });
    create(&mut model, "J", members, at(0));
    let arn = "arn:aws:iot:eu-west-1:123456789012:job/J";
    let members = json!({"document": null, "jobArn": arn});
    create_template(&mut model, "T", members);
    let described = model.describe_job_template(&scope(), "T").unwrap();
    assert_eq!(described.document.as_deref(), Some(r#"{"from":"job"}"#));
    assert_eq!(
        described.timeout_config,
        json!({"inProgressTimeoutInMinutes": 7})
    );

    let members = json!({
        "jobArn": arn,
        "timeoutConfig": {"inProgressTimeoutInMinutes": 8},
    });
    create_template(&mut model, "U", members);
    let described = model.describe_job_template(&scope(), "U").unwrap();
    assert_eq!(
        described.document.as_deref(),
        Some(r#"{"from":"template"}"#)
    );
    assert_eq!(
        described.timeout_config,
        json!({"inProgressTimeoutInMinutes": 8})
    );

    let missing = refused(json!({"document": null, "jobArn": "arn:aws:iot:x:y:job/nowhere"}));
    assert_eq!(missing.to_string(), "Job nowhere cannot be found.");
}

#[test]
fn a_job_gets_from_its_template_what_it_does_not_say() {
    let mut model = model();
    let members = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 5}});
    create_template(&mut model, "T", members);
    create_from(&mut model, "J", &template_arn("T"), json!({}));
    assert_eq!(document(&model, "J", false), r#"{"from":"template"}"#);
    let job = described(&model, "J");
    assert_eq!(
        job["timeoutConfig"],
        json!({"inProgressTimeoutInMinutes": 5})
    );
    assert_eq!(job["jobTemplateArn"], template_arn("T"));
    assert_eq!(job.get("description"), None, "a template's is its own");

    model.delete_job_template("T").unwrap();
    assert_eq!(document(&model, "J", false), r#"{"from":"template"}"#);
}

#[test]
fn what_a_job_says_replaces_a_templates_member_whole() {
    let mut model = model();
    let role = "arn:aws:iam::123456789012:role/download";
    let members = json!({
        "presignedUrlConfig": {"roleArn": role, "expiresInSec": 60},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
    });
    create_template(&mut model, "T", members);
    let members = json!({
        "document": r#"{"from":"job"}"#,
        "presignedUrlConfig": {"roleArn": role},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 6},
    });
    create_from(&mut model, "J", &template_arn("T"), members);
    assert_eq!(document(&model, "J", false), r#"{"from":"job"}"#);
    let job = described(&model, "J");
    assert_eq!(job["presignedUrlConfig"], json!({ "roleArn": role }));
    assert_eq!(
        job["timeoutConfig"],
        json!({"inProgressTimeoutInMinutes": 6})
    );
}

#[test]
fn a_templates_windows_join_a_schedule_with_a_start() {
    let mut model = model();
    let windows = json!([{"startTime": "0 22 * * ? *", "durationInMinutes": 60}]);
    create_template(&mut model, "T", json!({"maintenanceWindows": windows}));
    let windows_of = |model: &mut Model, id: &str, schedule: Value| {
        let members = json!({"targetSelection": "CONTINUOUS", "schedulingConfig": schedule});
        create_from(model, id, &template_arn("T"), members);
        described(model, id)["schedulingConfig"]["maintenanceWindows"].take()
    };
    assert_eq!(windows_of(&mut model, "J1", json!(null)), json!(null));
    let end = json!({"endTime": "2023-11-16T00:00"});
    assert_eq!(windows_of(&mut model, "J2", end), json!(null));
    let start = json!({"startTime": "2023-11-15T13:00"});
    assert_eq!(windows_of(&mut model, "J3", start), windows);
    let own = json!([{"startTime": "0 1 * * ? *", "durationInMinutes": 5}]);
    let both = json!({"startTime": "2023-11-15T13:00", "maintenanceWindows": own});
    assert_eq!(windows_of(&mut model, "J4", both), own);
}

#[test]
fn templates_that_do_not_exist_are_not_found() {
    for (arn, name) in [
        (template_arn("T"), "T"),
        (
            "arn:aws:iot:eu-west-1::jobtemplate/AWS-Explode:1.0".to_owned(),
            "arn:aws:iot:eu-west-1::jobtemplate/AWS-Explode:1.0",
        ),
        (format!("{REBOOT}1"), &format!("{REBOOT}1")),
        (
            "arn:aws:iot:us-east-1:123456789012:jobtemplate/T".to_owned(),
            "T",
        ),
    ] {
        let request = request_from("J", &arn, json!({}));
        let refused = model().create_job(&scope(), request, at(0)).unwrap_err();
        assert_eq!(refused.exception(), "ResourceNotFoundException");
        let message = format!("Job Template {name} cannot be found.");
        assert_eq!(refused.to_string(), message);
    }
}

#[test]
fn aws_manages_eight_templates() {
    let request = ListManagedJobTemplates::default();
    let list = model().list_managed_job_templates(&scope(), &request);
    let list = list.unwrap().managed_job_templates;
    let names: Vec<_> = list.iter().map(|summary| summary.template_name).collect();
    assert_eq!(
        names,
        [
            "AWS-Download-File",
            "AWS-Install-Application",
            "AWS-Reboot",
            "AWS-Remove-Application",
            "AWS-Restart-Application",
            "AWS-Run-Command",
            "AWS-Start-Application",
            "AWS-Stop-Application",
        ]
    );
    assert_eq!(list[2].template_arn, REBOOT);
}

#[test]
fn a_managed_template_is_described_with_its_parameters() {
    let model = model();
    let describe = |name: &str, version: Option<&str>| {
        let request = DescribeManagedJobTemplate {
            template_name: name.to_owned(),
            template_version: version.map(str::to_owned),
        };
        model.describe_managed_job_template(&scope(), &request)
    };
    let template = describe("AWS-Run-Command", None).unwrap();
    let parameters = template.document_parameters.iter();
    let parameters: Vec<_> = parameters
        .map(|parameter| (parameter.key, parameter.regex.as_str(), parameter.optional))
        .collect();
    assert_eq!(
        parameters,
        [
            ("command", "(.*?)", false),
            ("runAsUser", "(.){0,256}", true)
        ]
    );
    assert_eq!(
        describe("AWS-Run-Command", Some("1.0"))
            .unwrap()
            .template_version,
        "1.0"
    );
    for (name, version, exception) in [
        ("AWS-Run-Command", Some("2.0"), "ResourceNotFoundException"),
        ("AWS-Explode", None, "ResourceNotFoundException"),
        ("AWS-Reboot", Some("latest"), "InvalidRequestException"),
    ] {
        let refused = describe(name, version).unwrap_err();
        assert_eq!(refused.exception(), exception, "{name} {version:?}");
    }
}

#[test]
fn parameters_are_put_into_a_managed_document() {
    let mut model = model();
    let members = json!({"documentParameters": {
        "downloadUrl": "https://example.com/a?b=\"c\"",
        "filePath": "/tmp/a",
    }});
    create_from(&mut model, "J", DOWNLOAD, members);
    let filled: Value = serde_json::from_str(&document(&model, "J", false)).unwrap();
    let action = &filled["steps"][0]["action"];
    assert_eq!(
        action["input"]["args"],
        json!(["https://example.com/a?b=\"c\"", "/tmp/a"])
    );
    assert_eq!(action["input"]["path"], "", "an optional one is empty");
    assert_eq!(action["runAsUser"], "");
    let before = document(&model, "J", true);
    assert!(before.contains("${aws:iot:parameter:filePath}"), "{before}");

    let job = described(&model, "J");
    assert_eq!(
        job["description"],
        "A managed job template for downloading a file."
    );
    assert_eq!(job["documentParameters"]["filePath"], "/tmp/a");
}

#[test]
fn parameters_that_do_not_fit_the_template_are_refused() {
    let refusal = |template: Option<&str>, parameters: Value| {
        let request = match template {
            Some(template) => {
                request_from("J", template, json!({ "documentParameters": parameters }))
            }
            None => create_request("J", json!({ "documentParameters": parameters })),
        };
        let refused = model().create_job(&scope(), request, at(0)).unwrap_err();
        assert_eq!(refused.exception(), "InvalidRequestException");
        refused.to_string()
    };
    for (template, parameters, message) in [
        (
            Some(DOWNLOAD),
            json!({"downloadUrl": "https://example.com"}),
            "Document parameter filePath of managed template AWS-Download-File is missing.",
        ),
        (
            Some(REBOOT),
            json!({"when": "now"}),
            "Managed template AWS-Reboot has no document parameter when.",
        ),
        (
            Some(REBOOT),
            json!({"runAsUser": "u".repeat(257)}),
            "The value of document parameter runAsUser must match (.){0,256}.",
        ),
        (
            None,
            json!({"a": "b"}),
            "Document parameters can only be used with an AWS managed job template.",
        ),
    ] {
        assert_eq!(refusal(template, parameters), message);
    }
    let message = refusal(Some(REBOOT), json!({"run as": "", "b": "\n"}));
    assert!(
        message.starts_with("2 validation errors detected: "),
        "{message}"
    );
}
