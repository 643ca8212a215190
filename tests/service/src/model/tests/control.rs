//! Jobs from the operator's side.

use crate::model::error::ControlError;
use crate::model::request::{
    DeleteJob, ListJobExecutionsForJob, ListJobExecutionsForThing, ListJobs, SourceError,
};

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/jobs-download";
const PLACEHOLDER: &str = r#"{"u":"${aws:iot:s3-presigned-url:s3://b/k}"}"#;

fn refusal(members: Value) -> ControlError {
    let request = create_request("J", members);
    model().create_job(&scope(), request, at(0)).unwrap_err()
}

fn delete(model: &mut Model, id: &str, force: bool) -> Result<(), ControlError> {
    let request = DeleteJob {
        job_id: id.to_owned(),
        force,
        namespace_id: None,
    };
    model.delete_job(&request, at(9))
}

fn listed(model: &Model, query: Value) -> Vec<String> {
    let request: ListJobs = serde_json::from_value(query).unwrap();
    let list = model.list_jobs(&scope(), &request).unwrap();
    list.jobs.iter().map(|job| job.job_id.to_string()).collect()
}

#[test]
fn a_job_is_described_as_it_was_made() {
    let mut model = model();
    let members = json!({
        "description": "first job",
        "namespaceId": "acme",
        "presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 300},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 10},
    });
    create(&mut model, "J", members, at(0));
    assert_eq!(
        described(&model, "J"),
        json!({
            "jobArn": "arn:aws:iot:eu-west-1:123456789012:job/J",
            "jobId": "J",
            "targetSelection": "SNAPSHOT",
            "status": "IN_PROGRESS",
            "targets": [thing_arn("gw-1")],
            "description": "first job",
            "presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 300},
            "jobExecutionsRolloutConfig": {},
            "createdAt": NOON,
            "lastUpdatedAt": NOON,
            "jobProcessDetails": {
                "processingTargets": null,
                "numberOfCanceledThings": 0,
                "numberOfSucceededThings": 0,
                "numberOfFailedThings": 0,
                "numberOfRejectedThings": 0,
                "numberOfQueuedThings": 1,
                "numberOfInProgressThings": 0,
                "numberOfRemovedThings": 0,
                "numberOfTimedOutThings": 0,
            },
            "timeoutConfig": {"inProgressTimeoutInMinutes": 10},
            "namespaceId": "acme",
            "isConcurrent": false,
            "schedulingConfig": {},
        })
    );
}

#[test]
fn a_document_is_fetched_once_and_told_with_its_placeholders() {
    let mut model = model();
    let source = "https://s3.eu-west-1.amazonaws.com/docs/job.json";
    let config = json!({"roleArn": ROLE});
    let members = json!({"document": null, "documentSource": source, "presignedUrlConfig": config});
    let mut request = create_request("J", members);
    request.fetched = Some(Ok(PLACEHOLDER.as_bytes().to_vec()));
    model.create_job(&scope(), request, at(0)).unwrap();
    let described = model.describe_job(&scope(), "J", at(0)).unwrap();
    assert_eq!(described.document_source.as_deref(), Some(source));
    assert_eq!(
        model.job_document("J", false).unwrap().document,
        PLACEHOLDER
    );
}

#[test]
fn a_source_that_yields_no_document_is_refused_in_the_words_of_aws() {
    let cases = [
        (
            Err(SourceError::BucketNotFound),
            "Bucket specified by url: s3://b/k is not found.",
        ),
        (
            Err(SourceError::ObjectNotFound),
            "Job document located at s3://b/k is not found.",
        ),
        (
            Ok(b"{".to_vec()),
            "Job document located at s3://b/k is an invalid JSON document.",
        ),
        (
            Ok(vec![0xff]),
            "Job document located at s3://b/k is an invalid JSON document.",
        ),
    ];
    for (fetched, message) in cases {
        let members = json!({"document": null, "documentSource": "s3://b/k"});
        let mut request = create_request("J", members);
        request.fetched = Some(fetched);
        let refused = model().create_job(&scope(), request, at(0));
        assert_eq!(
            refused,
            Err(ControlError::InvalidRequest(message.to_owned()))
        );
    }
}

#[test]
fn a_fetched_document_beyond_the_quota_exceeds_a_limit() {
    let members = json!({"document": null, "documentSource": "s3://b/k"});
    let mut request = create_request("J", members);
    request.fetched = Some(Ok(vec![b' '; 32_769]));
    let refused = model().create_job(&scope(), request, at(0)).unwrap_err();
    assert_eq!(refused.exception(), "LimitExceededException");
}

#[test]
fn faults_of_a_new_job_are_told_in_the_words_of_aws() {
    for (members, message) in [
        (
            json!({"documentSource": "s3://b/k"}),
            "Job document and job document source cannot be specified at the same time.",
        ),
        (
            json!({"document": null}),
            "Neither job document nor job document source is specified.",
        ),
        (
            json!({"document": "{"}),
            "Job document located at request input is an invalid JSON document.",
        ),
        (
            json!({"document": PLACEHOLDER}),
            "Role must be provided for pre-sign S3 urls in job document of job J.",
        ),
        (
            json!({"document": r#"{"u":"${aws:iot:s3-presigned-url-v2:s3://b/k}"}"#}),
            "presignedUrlConfig role ARN is required to generate an S3 presigned url in job \
             document.",
        ),
        (
            json!({"presignedUrlConfig": {"roleArn": "arn:aws:iam::12:role/jobs"}}),
            "Given role arn:aws:iam::12:role/jobs is invalid.",
        ),
        (
            json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 10_081}}),
            "Provide valid timeout value, inProgressTimeoutInMinutes cannot be 10081.",
        ),
        (
            json!({"tags": [{"Key": "k"}]}),
            "Invalid tag parameter exception. Please check the input.",
        ),
        (
            json!({"tags": [{"Key": "aws:k", "Value": "v"}]}),
            "Invalid tag parameter exception. Please check the input.",
        ),
        (json!({"targets": ["gw-1"]}), "Target gw-1 is invalid."),
    ] {
        assert_eq!(
            refusal(members),
            ControlError::InvalidRequest(message.to_owned())
        );
    }
}

#[test]
fn all_violations_of_a_new_job_are_told_at_once() {
    let mut request = create_request(
        "a b",
        json!({
            "targets": [],
            "description": "two\nlines",
            "presignedUrlConfig": {"roleArn": "short", "expiresInSec": 59},
            "targetSelection": "SOME",
            "namespaceId": "",
        }),
    );
    request.document = Some("x".repeat(32_769));
    let Err(ControlError::InvalidRequest(message)) = model().create_job(&scope(), request, at(0))
    else {
        panic!("accepted");
    };
    let members = [
        "jobId",
        "targets",
        "document",
        "description",
        "presignedUrlConfig.roleArn",
        "presignedUrlConfig.expiresInSec",
        "targetSelection",
        "namespaceId",
    ];
    for member in members {
        assert!(
            message.contains(&format!("at '{member}' failed")),
            "{member}: {message}"
        );
    }
    // An empty namespace is both too short and outside the pattern.
    assert!(
        message.starts_with("9 validation errors detected: "),
        "{message}"
    );
}

#[test]
fn a_configuration_without_members_asks_for_nothing() {
    let mut model = model();
    let members = json!({
        "documentParameters": {},
        "jobExecutionsRolloutConfig": {},
        "schedulingConfig": null,
    });
    create(&mut model, "J", members, at(0));
}

#[test]
fn targets_that_do_not_exist_are_not_found() {
    for (target, message) in [
        (thing_arn("gw-9"), "Thing gw-9 cannot be found."),
        (
            "arn:aws:iot:eu-west-1:123456789012:thinggroup/g".to_owned(),
            "Thing Group g cannot be found.",
        ),
        (
            "arn:aws:iot:us-east-1:123456789012:thing/gw-1".to_owned(),
            "Thing gw-1 cannot be found.",
        ),
        (
            "arn:aws:iot:eu-west-1:999999999999:thing/gw-1".to_owned(),
            "Thing gw-1 cannot be found.",
        ),
    ] {
        assert_eq!(
            refusal(json!({ "targets": [target] })),
            ControlError::ResourceNotFound(message.to_owned())
        );
    }
}

#[test]
fn a_hundred_targets_are_the_most() {
    let targets = vec![thing_arn("gw-1"); 101];
    let refused = refusal(json!({ "targets": targets }));
    assert_eq!(refused.exception(), "LimitExceededException");
}

#[test]
fn an_id_is_free_again_once_its_job_is_deleted() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    let again = create_request("J", json!({}));
    let refused = model.create_job(&scope(), again, at(1)).unwrap_err();
    assert_eq!(refused.exception(), "ResourceAlreadyExistsException");

    delete(&mut model, "J", true).unwrap();
    create(&mut model, "J", json!({}), at(2));
    assert_eq!(execution(&model, "J").execution_number, 1);
}

#[test]
fn a_job_in_progress_is_deleted_only_by_force() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    let refused = delete(&mut model, "J", false).unwrap_err();
    assert_eq!(refused.exception(), "InvalidStateTransitionException");
    report(&mut model, "J", "SUCCEEDED", at(1));
    delete(&mut model, "J", false).unwrap();
    let gone = model.describe_job(&scope(), "J", at(0)).unwrap_err();
    assert_eq!(gone.to_string(), "Job J cannot be found.");
}

#[test]
fn a_job_is_deleted_only_in_its_namespace() {
    let mut model = model();
    create(&mut model, "J", json!({"namespaceId": "acme"}), at(0));
    let mut request = DeleteJob {
        job_id: "J".to_owned(),
        force: true,
        namespace_id: Some("other".to_owned()),
    };
    let refused = model.delete_job(&request, at(1)).unwrap_err();
    assert_eq!(refused.exception(), "ResourceNotFoundException");
    request.namespace_id = Some("acme".to_owned());
    model.delete_job(&request, at(1)).unwrap();
}

#[test]
fn a_job_is_completed_when_its_last_execution_is_over() {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    let targets = json!({"targets": [thing_arn("gw-1"), thing_arn("gw-2")]});
    create(&mut model, "J", targets, at(0));
    report(&mut model, "J", "SUCCEEDED", at(1));
    assert_eq!(described(&model, "J")["status"], "IN_PROGRESS");
    let request = Update::parse(&object(json!({"status": "FAILED"}))).unwrap();
    model
        .update(&thing("gw-2"), None, &job("J"), &request, at(2))
        .unwrap();
    let job = described(&model, "J");
    assert_eq!(job["status"], "COMPLETED");
    assert_eq!(job["completedAt"], NOON + 2);
    assert_eq!(job["jobProcessDetails"]["numberOfSucceededThings"], 1);
    assert_eq!(job["jobProcessDetails"]["numberOfFailedThings"], 1);
}

#[test]
fn a_cancelled_job_stays_cancelled_while_a_device_still_works() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    report(&mut model, "J", "IN_PROGRESS", at(1));
    let request = CancelJob {
        job_id: "J".to_owned(),
        reason_code: Some("OPERATOR".to_owned()),
        comment: Some("acceptance".to_owned()),
        ..CancelJob::default()
    };
    model.cancel_job(&scope(), request, at(2)).unwrap();
    report(&mut model, "J", "SUCCEEDED", at(3));
    let job = described(&model, "J");
    assert_eq!(job["status"], "CANCELED");
    assert_eq!(job["forceCanceled"], false);
    assert_eq!(job["reasonCode"], "OPERATOR");
    assert_eq!(job["comment"], "acceptance");
    assert_eq!(job["completedAt"], NOON + 2);
    assert_eq!(job["jobProcessDetails"]["numberOfSucceededThings"], 1);
}

#[test]
fn a_job_that_is_over_is_not_cancelled() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    report(&mut model, "J", "SUCCEEDED", at(1));
    let request = CancelJob {
        job_id: "J".to_owned(),
        ..CancelJob::default()
    };
    let refused = model.cancel_job(&scope(), request, at(2)).unwrap_err();
    assert_eq!(refused.exception(), "InvalidRequestException");
}

#[test]
fn a_reason_code_is_for_programs() {
    let mut model = model();
    create(&mut model, "J", json!({}), at(0));
    let request = CancelJob {
        job_id: "J".to_owned(),
        reason_code: Some("lower case".to_owned()),
        ..CancelJob::default()
    };
    assert_eq!(
        model.cancel_job(&scope(), request, at(1)),
        Err(ControlError::InvalidRequest(
            "1 validation error detected: Value 'lower case' at 'reasonCode' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [\\p{Upper}\\p{Digit}_]+"
                .to_owned()
        ))
    );
}

#[test]
fn jobs_are_listed_newest_first_and_filtered() {
    let mut model = model();
    create(&mut model, "J1", json!({}), at(0));
    create(&mut model, "J2", json!({}), at(0));
    create(&mut model, "N", json!({"namespaceId": "acme"}), at(1));
    report(&mut model, "J1", "SUCCEEDED", at(2));
    for (query, jobs) in [
        (json!({}), vec!["J2", "J1"]),
        (json!({"namespaceId": "acme"}), vec!["N"]),
        (json!({"status": "COMPLETED"}), vec!["J1"]),
        (json!({"status": "SCHEDULED"}), vec![]),
        (json!({"targetSelection": "SNAPSHOT"}), vec!["J2", "J1"]),
        (json!({"targetSelection": "CONTINUOUS"}), vec![]),
    ] {
        assert_eq!(listed(&model, query.clone()), jobs, "{query}");
    }
}

#[test]
fn pages_of_jobs_add_up_to_the_list() {
    let mut model = model();
    for n in 0..5 {
        create(&mut model, &format!("J{n}"), json!({}), at(0));
    }
    let mut request = ListJobs {
        max_results: Some(2),
        ..ListJobs::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = model.list_jobs(&scope(), &request).unwrap();
        assert!(page.jobs.len() <= 2);
        seen.extend(page.jobs.iter().map(|job| job.job_id.to_string()));
        request.next_token = page.next_token;
        if request.next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["J4", "J3", "J2", "J1", "J0"]);
}

#[test]
fn a_page_holds_1_to_250() {
    for max_results in [0, 251] {
        let request = ListJobs {
            max_results: Some(max_results),
            ..ListJobs::default()
        };
        let refused = model().list_jobs(&scope(), &request).unwrap_err();
        assert_eq!(refused.exception(), "InvalidRequestException");
    }
}

#[test]
fn executions_of_a_job_are_listed_latest_change_first() {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    let targets = json!({"targets": [thing_arn("gw-2"), thing_arn("gw-1")]});
    create(&mut model, "J", targets, at(0));
    report(&mut model, "J", "IN_PROGRESS", at(1));
    let list = |status: Option<&str>| {
        let request = ListJobExecutionsForJob {
            job_id: "J".to_owned(),
            status: status.map(str::to_owned),
            ..ListJobExecutionsForJob::default()
        };
        let list = model.list_job_executions_for_job(&scope(), &request);
        let summaries = list.unwrap().execution_summaries.into_iter();
        summaries
            .map(|summary| summary.thing_arn)
            .collect::<Vec<_>>()
    };
    assert_eq!(list(None), [thing_arn("gw-1"), thing_arn("gw-2")]);
    assert_eq!(list(Some("QUEUED")), [thing_arn("gw-2")]);
}

#[test]
fn executions_on_a_thing_are_listed_newest_first() {
    let mut model = model();
    for id in ["J1", "J2"] {
        create(&mut model, id, json!({}), at(0));
    }
    create(&mut model, "N", json!({"namespaceId": "acme"}), at(0));
    report(&mut model, "J1", "SUCCEEDED", at(1));
    let list = |query: Value| {
        let mut request: ListJobExecutionsForThing = serde_json::from_value(query).unwrap();
        request.thing_name = "gw-1".to_owned();
        let list = model.list_job_executions_for_thing(&request).unwrap();
        let summaries = list.execution_summaries.into_iter();
        summaries
            .map(|summary| summary.job_id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(json!({})), ["J2", "J1"]);
    assert_eq!(list(json!({"namespaceId": "acme"})), ["N"]);
    assert_eq!(list(json!({"status": "SUCCEEDED"})), ["J1"]);
    assert_eq!(list(json!({"jobId": "J2"})), ["J2"]);
}

#[test]
fn tags_are_read_by_arn() {
    let mut model = model();
    let tags = json!([{"Key": "k", "Value": "v"}]);
    create(&mut model, "J", json!({ "tags": tags }), at(0));
    let arn = "arn:aws:iot:eu-west-1:123456789012:job/J";
    let list = model.list_tags_for_resource(&scope(), arn).unwrap();
    assert_eq!(serde_json::to_value(list.tags).unwrap(), tags);
}

#[test]
fn a_reset_forgets_everything_but_the_knobs() {
    let knobs = Knobs {
        strict_status_details: true,
        ..Knobs::default()
    };
    let mut model = with_knobs(knobs);
    create(&mut model, "J", json!({}), at(0));
    model.reset();
    assert_eq!(model.take_effects(), []);
    assert!(model.describe_job(&scope(), "J", at(0)).is_err());
    add_thing(&mut model, "gw-1");
    create(&mut model, "J", json!({}), at(0));
    let scalar = json!({"status": "FAILED", "statusDetails": {"k": true}});
    assert!(update(&mut model, "J", scalar, at(1)).is_err());
}

#[test]
fn exceptions_and_statuses_are_those_of_the_api_reference() {
    use crate::model::status::ExecutionState;

    let text = || "text".to_owned();
    let state = ExecutionState {
        status: crate::model::status::ExecutionStatus::Failed,
        status_details: None,
        version_number: 2,
    };
    let device = [
        DeviceError::InvalidRequest(text()),
        DeviceError::InvalidStateTransition {
            message: text(),
            state: None,
        },
        DeviceError::ResourceNotFound(text()),
        DeviceError::TerminalStateReached,
        DeviceError::VersionMismatch { expected: 1, state },
    ]
    .map(|error| {
        json!({"code": error.code(), "exception": error.exception(), "status": error.http_status()})
    });
    let control = [
        ControlError::Conflict {
            message: text(),
            resource_id: text(),
        },
        ControlError::InvalidRequest(text()),
        ControlError::InvalidStateTransition(text()),
        ControlError::LimitExceeded(text()),
        ControlError::ResourceAlreadyExists {
            message: text(),
            resource_id: text(),
            resource_arn: text(),
        },
        ControlError::ResourceNotFound(text()),
        ControlError::VersionConflict {
            expected: 1,
            found: 2,
        },
    ]
    .map(|error| json!({"exception": error.exception(), "status": error.http_status()}));
    let fixture = include_str!("../../../../fixtures/service/errors.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    assert_eq!(fixture["device"], json!(device));
    assert_eq!(fixture["control"], json!(control));
}

#[test]
fn no_more_than_500_jobs_roll_out_at_one_time() {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    let slow = json!({
        "targets": [thing_arn("gw-1"), thing_arn("gw-2")],
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
    });
    for number in 0..500 {
        create(&mut model, &number.to_string(), slow.clone(), at(0));
    }
    let mut one_more = |members: Value| {
        let request = create_request("J", members);
        model.create_job(&scope(), request, at(0)).map(|_| ())
    };
    let refused = one_more(json!({})).unwrap_err();
    assert_eq!(refused.exception(), "LimitExceededException");
    let later = json!({"schedulingConfig": {"startTime": "2023-11-15T13:00"}});
    assert_eq!(one_more(later), Ok(()));

    model.advance(at(60));
    create(&mut model, "K", json!({}), at(60));
}
