//! The rules of the model, by its public methods alone.

mod continuous;
mod control;
mod destination;
mod events;
mod executions;
mod groups;
mod notifications;
mod packages;
mod property;
mod rules;
mod schedule;
mod tags;
mod templates;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::{ControlError, DeviceError};
use super::names::{JobId, NamespaceId, Scope, ThingName};
use super::operation::{JobExecution, Pending, StartNext, Update, Updated};
use super::request::{
    CancelJob, CreateJob, CreateThing, CreateThingGroup, DescribeJobExecution, GroupMembership,
    ListJobExecutionsForThing,
};
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

/// A request with the members of `body`.
fn parsed<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
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

fn group_arn(name: &str) -> String {
    format!("arn:aws:iot:eu-west-1:123456789012:thinggroup/{name}")
}

fn create_group(
    model: &mut Model,
    name: &str,
    parent: Option<&str>,
) -> Result<String, ControlError> {
    let request = CreateThingGroup {
        thing_group_name: name.to_owned(),
        parent_group_name: parent.map(str::to_owned),
        ..CreateThingGroup::default()
    };
    let made = model.create_thing_group(&scope(), request, at(0))?;
    Ok(made.thing_group_id)
}

fn membership(group: &str, name: &str) -> GroupMembership {
    GroupMembership {
        thing_group_name: Some(group.to_owned()),
        thing_arn: Some(thing_arn(name)),
        ..GroupMembership::default()
    }
}

fn join(model: &mut Model, group: &str, name: &str, now: Timestamp) {
    let request = membership(group, name);
    let joined = model.add_thing_to_thing_group(&scope(), &request, now);
    joined.unwrap();
}

fn leave(model: &mut Model, group: &str, name: &str, now: Timestamp) {
    let request = membership(group, name);
    let left = model.remove_thing_from_thing_group(&scope(), &request, now);
    left.unwrap();
}

/// The job as DescribeJob tells it.
fn described(model: &Model, id: &str) -> Value {
    let described = model.describe_job(&scope(), id, at(0)).unwrap();
    serde_json::to_value(described).unwrap()["job"].clone()
}

/// Reports the end of whatever execution of the job is open on a thing.
fn finish(model: &mut Model, id: &str, name: &str, status: &str, now: Timestamp) {
    let request = Update::parse(&object(json!({ "status": status }))).unwrap();
    let updated = model.update(&thing(name), None, &job(id), &request, now);
    updated.unwrap();
}

/// Each execution of a job on a thing: its number, status and `retryAttempt`.
fn history(model: &Model, id: &str, name: &str) -> Vec<(u64, &'static str, u64)> {
    let request = ListJobExecutionsForThing {
        thing_name: name.to_owned(),
        job_id: Some(id.to_owned()),
        ..ListJobExecutionsForThing::default()
    };
    let list = model.list_job_executions_for_thing(&request).unwrap();
    let summaries = list.execution_summaries.into_iter().rev();
    summaries
        .map(|summary| summary.job_execution_summary)
        .map(|summary| {
            let status = summary.status.as_str();
            (summary.execution_number, status, summary.retry_attempt)
        })
        .collect()
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
            Effect::Event(event) => format!("{} {}", event.operation(), event.job()),
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
