//! What every input finds: things, groups, jobs in several states, and a template.

use std::sync::LazyLock;

use iot_jobs_local::model::Model;
use iot_jobs_local::model::names::Scope;
use iot_jobs_local::model::request::{
    CancelJob, CreateJob, CreateJobTemplate, CreateThing, CreateThingGroup, GroupMembership,
};
use iot_jobs_local::model::time::Timestamp;
use serde_json::{Value, json};

use crate::stage::{ACCOUNT, REGION};

/// The requests that make it.
struct Setting {
    scope: Scope,
    jobs: Vec<CreateJob>,
    template: CreateJobTemplate,
}

/// Sets up an empty model.
pub fn set(model: &mut Model, now: Timestamp) {
    static SETTING: LazyLock<Setting> = LazyLock::new(Setting::read);
    let Setting {
        scope,
        jobs,
        template,
    } = &*SETTING;
    for name in ["t1", "t2", "t3", "t4"] {
        let request = CreateThing {
            thing_name: name.to_owned(),
            ..CreateThing::default()
        };
        model.create_thing(scope, request, now).expect("a thing");
    }
    for (name, parent, member) in [("site", None, "t2"), ("hall", Some("site"), "t1")] {
        let request = CreateThingGroup {
            thing_group_name: name.to_owned(),
            parent_group_name: parent.map(str::to_owned),
            ..CreateThingGroup::default()
        };
        let made = model.create_thing_group(scope, request, now);
        made.expect("a group");
        let request = GroupMembership {
            thing_group_name: Some(name.to_owned()),
            thing_name: Some(member.to_owned()),
            ..GroupMembership::default()
        };
        let joined = model.add_thing_to_thing_group(scope, &request, now);
        joined.expect("a member");
    }
    for request in jobs {
        let made = model.create_job(scope, request.clone(), now);
        made.expect("a job");
    }
    let request = CancelJob {
        job_id: "J5".to_owned(),
        ..CancelJob::default()
    };
    let cancelled = model.cancel_job(scope, request, now);
    cancelled.expect("a job in progress");
    let made = model.create_job_template(scope, template.clone(), now);
    made.expect("a template");
}

impl Setting {
    fn read() -> Self {
        let with_id = |(id, members): (&str, Value)| {
            let mut request: CreateJob = serde_json::from_value(members).expect("members");
            request.job_id = id.to_owned();
            request
        };
        let mut template = rules();
        template["description"] = json!("d");
        template["document"] = json!("{}");
        let mut template: CreateJobTemplate = serde_json::from_value(template).expect("members");
        template.job_template_id = "T1".to_owned();
        Self {
            scope: Scope {
                region: REGION.to_owned(),
                account: ACCOUNT.to_owned(),
            },
            jobs: jobs().into_iter().map(with_id).collect(),
            template,
        }
    }
}

fn jobs() -> [(&'static str, Value); 5] {
    let targets = |kind: &str, names: &[&str]| {
        let arns = names.iter();
        let arns = arns.map(|name| format!("arn:aws:iot:{REGION}:{ACCOUNT}:{kind}/{name}"));
        arns.collect::<Value>()
    };
    let url = "${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/images/image}";
    let mut first = rules();
    first["targets"] = targets("thing", &["t1", "t2"]);
    first["document"] = json!("{}");
    let second = json!({
        "targets": targets("thinggroup", &["site"]),
        "targetSelection": "CONTINUOUS",
        "document": json!({"operation": "firmware-update", "url": url}).to_string(),
        "presignedUrlConfig": {
            "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/download"),
            "expiresInSec": 600,
        },
        "tags": [{"Key": "k", "Value": "v"}],
    });
    let third = json!({
        "targets": targets("thing", &["t1"]),
        "document": "{}",
        "namespaceId": "acme",
    });
    let fourth = json!({
        "targets": targets("thinggroup", &["hall"]),
        "targetSelection": "CONTINUOUS",
        "document": "{}",
        "schedulingConfig": {
            "startTime": "2026-10-21T08:30",
            "endTime": "2026-11-21T08:30",
            "endBehavior": "FORCE_CANCEL",
            "maintenanceWindows": [{
                "startTime": "cron(0/15 8-18 ? * MON-FRI *)",
                "durationInMinutes": 10,
            }],
        },
    });
    let fifth = json!({"targets": targets("thing", &["t3"]), "document": "{}"});
    [
        ("J1", first),
        ("J2", second),
        ("J3", third),
        ("J4", fourth),
        ("J5", fifth),
    ]
}

fn rules() -> Value {
    json!({
        "abortConfig": {"criteriaList": [{
            "failureType": "FAILED",
            "action": "CANCEL",
            "thresholdPercentage": 60.0,
            "minNumberOfExecutedThings": 2,
        }]},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 10},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": 2},
            {"failureType": "TIMED_OUT", "numberOfRetries": 1},
        ]},
        "jobExecutionsRolloutConfig": {
            "maximumPerMinute": 10,
            "exponentialRate": {
                "baseRatePerMinute": 1,
                "incrementFactor": 1.5,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": 1},
            },
        },
    })
}
