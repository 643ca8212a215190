//! The rules of the model, by its public methods alone.

mod control;
mod executions;
mod groups;
mod notifications;
mod property;
mod schedule;
mod templates;

use serde_json::{Map, Value, json};

use super::error::DeviceError;
use super::names::{JobId, NamespaceId, Scope, ThingName};
use super::operation::{JobExecution, Pending, StartNext, Update, Updated};
use super::request::{CancelJob, CreateJob, CreateThing, DescribeJobExecution};
use super::time::Timestamp;
use super::view::JobExecutionView;
use super::{Effect, Knobs, Model};

/// Noon of some day.
const NOON: u64 = 1_700_049_600;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(NOON + secs)
}

fn scope() -> Scope {
    Scope {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
    }
}

fn thing(name: &str) -> ThingName {
    ThingName::parse(name).unwrap()
}

fn job(id: &str) -> JobId {
    JobId::parse(id).unwrap()
}

fn namespace(id: &str) -> Option<NamespaceId> {
    NamespaceId::parse(id)
}

fn thing_arn(name: &str) -> String {
    format!("arn:aws:iot:eu-west-1:123456789012:thing/{name}")
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// A model with the thing `gw-1`.
fn model() -> Model {
    with_knobs(Knobs::default())
}

fn with_knobs(knobs: Knobs) -> Model {
    let mut model = Model::new(knobs);
    add_thing(&mut model, "gw-1");
    model
}

fn add_thing(model: &mut Model, name: &str) {
    let request = CreateThing {
        thing_name: name.to_owned(),
        ..CreateThing::default()
    };
    model.create_thing(&scope(), request, at(0)).unwrap();
}

/// CreateJob for `gw-1`, unless `members` say otherwise.
fn create_request(id: &str, members: Value) -> CreateJob {
    let mut body = json!({"targets": [thing_arn("gw-1")], "document": "{}"});
    body.as_object_mut().unwrap().extend(object(members));
    let mut request: CreateJob = serde_json::from_value(body).unwrap();
    request.job_id = id.to_owned();
    request
}

fn create(model: &mut Model, id: &str, members: Value, now: Timestamp) {
    let request = create_request(id, members);
    model.create_job(&scope(), request, now).unwrap();
}

/// UpdateJobExecution of `gw-1` in the default namespace.
fn update(
    model: &mut Model,
    id: &str,
    body: Value,
    now: Timestamp,
) -> Result<Updated, DeviceError> {
    let request = Update::parse(&object(body))?;
    model.update(&thing("gw-1"), None, &job(id), &request, now)
}

fn report(model: &mut Model, id: &str, status: &str, now: Timestamp) {
    update(model, id, json!({ "status": status }), now).unwrap();
}

fn start_next(model: &mut Model, body: Value, now: Timestamp) -> Option<JobExecution> {
    let request = StartNext::parse(&object(body)).unwrap();
    model
        .start_next(&thing("gw-1"), None, &request, now)
        .unwrap()
}

fn execution(model: &Model, id: &str) -> JobExecutionView {
    let request = DescribeJobExecution {
        job_id: id.to_owned(),
        thing_name: "gw-1".to_owned(),
        execution_number: None,
    };
    let described = model.describe_job_execution(&scope(), &request, at(0));
    described.unwrap().execution
}

fn status(model: &Model, id: &str) -> &'static str {
    execution(model, id).status.as_str()
}

fn cancel(model: &mut Model, id: &str, force: bool, now: Timestamp) {
    let request = CancelJob {
        job_id: id.to_owned(),
        force,
        ..CancelJob::default()
    };
    model.cancel_job(&scope(), request, now).unwrap();
}

/// The ids of the jobs in progress, and of those queued.
fn ids(pending: &Pending) -> (Vec<&str>, Vec<&str>) {
    let in_progress = pending.in_progress_jobs.iter();
    let queued = pending.queued_jobs.iter();
    (
        in_progress.map(|summary| summary.job_id.as_str()).collect(),
        queued.map(|summary| summary.job_id.as_str()).collect(),
    )
}

/// The effects since the last call, in short: `notify[-NS] JOBS` and `next[-NS] JOB`.
fn news(model: &mut Model) -> Vec<String> {
    let suffix = |namespace: &Option<NamespaceId>| match namespace {
        Some(namespace) => format!("-{namespace}"),
        None => String::new(),
    };
    let effects = model.take_effects();
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Notify {
                namespace, pending, ..
            } => {
                let (mut jobs, queued) = ids(pending);
                jobs.extend(queued);
                format!("notify{} {}", suffix(namespace), jobs.join(","))
            }
            Effect::NotifyNext {
                namespace, next, ..
            } => {
                let job = next.as_ref().map_or("-", |next| next.job_id.as_str());
                format!("next{} {job}", suffix(namespace))
            }
        })
        .collect()
}
