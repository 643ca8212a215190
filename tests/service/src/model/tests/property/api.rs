//! What the control plane answers is true to the model, page by page.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::{JOBS, NAMESPACES, THINGS};
use crate::model::Model;
use crate::model::error::ControlError;
use crate::model::request::{
    ListJobExecutionsForJob, ListJobExecutionsForThing, ListJobs, ListThingGroups, ListThings,
};
use crate::model::status::ExecutionStatus;
use crate::model::tests::scope;
use crate::model::time::Timestamp;

/// The most entries of a page.
const PAGE: i64 = 2;

/// Compares answers with each other and with the model.
pub(super) fn check(model: &Model, now: Timestamp) {
    check_registry(model);
    for namespace in NAMESPACES {
        let namespace_id = namespace.map(str::to_owned);
        let jobs = pages(|max_results, next_token| {
            let namespace_id = namespace_id.clone();
            let request = ListJobs {
                max_results,
                next_token,
                namespace_id,
                ..ListJobs::default()
            };
            model.list_jobs(&scope(), &request)
        });
        for job in jobs {
            check_job(model, &job, now);
        }
        for name in THINGS
            .iter()
            .filter(|name| model.things.contains_key(**name))
        {
            let executions = pages(|max_results, next_token| {
                let namespace_id = namespace_id.clone();
                let request = ListJobExecutionsForThing {
                    thing_name: (*name).to_owned(),
                    max_results,
                    next_token,
                    namespace_id,
                    ..ListJobExecutionsForThing::default()
                };
                model.list_job_executions_for_thing(&request)
            });
            let kept = model.jobs.values().filter(|job| {
                job.namespace.as_ref().map(|namespace| namespace.as_str()) == namespace
            });
            let kept = kept.flat_map(|job| job.executions.keys());
            let kept = kept.filter(|(thing, _)| thing.as_str() == *name);
            assert_eq!(executions.len(), kept.count(), "{name}");
        }
    }
}

fn check_registry(model: &Model) {
    let things = pages(|max_results, next_token| {
        let request = ListThings {
            max_results,
            next_token,
            ..ListThings::default()
        };
        model.list_things(&scope(), &request)
    });
    assert_eq!(things.len(), model.thing_count());
    let groups = pages(|max_results, next_token| {
        let request = ListThingGroups {
            max_results,
            next_token,
            ..ListThingGroups::default()
        };
        model.list_thing_groups(&scope(), &request)
    });
    assert_eq!(groups.len(), model.groups.len());
}

/// A job's counters are those of its executions, as the API lists them.
fn check_job(model: &Model, summary: &Value, now: Timestamp) {
    let id = summary["jobId"].as_str().unwrap();
    assert!(JOBS.contains(&id));
    let described = model.describe_job(&scope(), id, now).unwrap();
    let described = serde_json::to_value(described).unwrap()["job"].clone();
    for member in ["status", "isConcurrent", "targetSelection", "lastUpdatedAt"] {
        assert_eq!(described[member], summary[member], "{id} {member}");
    }
    let details = &described["jobProcessDetails"];
    for status in ExecutionStatus::ALL {
        let executions = pages(|max_results, next_token| {
            let request = ListJobExecutionsForJob {
                job_id: id.to_owned(),
                status: Some(status.as_str().to_owned()),
                max_results,
                next_token,
            };
            model.list_job_executions_for_job(&scope(), &request)
        });
        let counted = details[format!("numberOf{}Things", in_camel(status))].as_u64();
        assert_eq!(counted, Some(executions.len() as u64), "{id} {status:?}");
    }
    let is_concurrent = described["isConcurrent"] == true;
    assert_eq!(
        details["processingTargets"].is_array(),
        is_concurrent,
        "{id}"
    );
    assert!(
        !is_concurrent || described["status"] == "IN_PROGRESS",
        "{id}"
    );
}

/// Walks a list in small pages: none but the first may be empty, and no entry comes twice, or only in
/// the list as a whole.
fn pages<T: Serialize>(
    list: impl Fn(Option<i64>, Option<String>) -> Result<T, ControlError>,
) -> Vec<Value> {
    let (whole, rest) = entries(list(None, None).unwrap());
    assert_eq!(rest, None);
    let mut walked = Vec::new();
    let mut token = None;
    loop {
        let (page, next) = entries(list(Some(PAGE), token).unwrap());
        assert!(page.len() <= PAGE as usize);
        assert!(!page.is_empty() || walked.is_empty(), "an empty page");
        walked.extend(page);
        token = next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(walked, whole);
    let distinct: BTreeSet<_> = walked.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), walked.len(), "an entry twice");
    walked
}

/// The list in an answer, and the token of its next page.
fn entries<T: Serialize>(answer: T) -> (Vec<Value>, Option<String>) {
    let answer = serde_json::to_value(answer).unwrap();
    let members = answer.as_object().unwrap();
    let list = members.values().find_map(Value::as_array).unwrap().clone();
    let token = members.get("nextToken").and_then(Value::as_str);
    (list, token.map(str::to_owned))
}

/// `InProgress` for `IN_PROGRESS`.
fn in_camel(status: ExecutionStatus) -> String {
    let words = status.as_str().split('_');
    let words = words.map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()));
    words.collect()
}
