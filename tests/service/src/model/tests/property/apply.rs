//! Steps as the model takes them. Whether a step is legal where it falls is the model's to say.

use serde_json::{Value, json};

use super::catalog;
use super::step::{self, OfDevice, OfExecution, OfJob, OfRegistry, Rules, Step};
use super::{FLOOD, GROUPS, JOBS, NAMESPACES, STATUSES, TEMPLATE, THINGS};
use crate::model::Model;
use crate::model::error::DeviceError;
use crate::model::names::NamespaceId;
use crate::model::operation::{StartNext, Update};
use crate::model::request::{
    AssociateTargets, CancelJob, CancelJobExecution, CreateJobTemplate, DeleteJob,
    DeleteJobExecution, UpdateEventConfigurations, UpdateJob,
};
use crate::model::status::ExecutionStatus;
use crate::model::tests::{
    add_thing, at, create_group, create_request, job, membership, parsed, scope, thing, thing_arn,
};
use crate::model::time::Timestamp;

/// Applies a step, so many seconds after the beginning.
pub(super) fn apply(model: &mut Model, step: &Step, secs: u64) {
    let now = at(secs);
    match step {
        Step::Events { jobs, executions } => {
            let body = json!({"eventConfigurations": {
                "JOB": {"Enabled": jobs},
                "JOB_EXECUTION": {"Enabled": executions},
            }});
            let request: UpdateEventConfigurations = parsed(body);
            model.update_event_configurations(&request, now).unwrap();
        }
        Step::OfCatalog(step) => catalog::apply(model, step, now),
        Step::OfDevice(step) => ask(model, step, now),
        Step::OfExecution(step) => change_execution(model, step, now),
        Step::OfJob(step) => change_job(model, step, secs),
        Step::OfRegistry(step) => change_registry(model, step, now),
        Step::Wait { secs: more } => model.advance(at(secs + more)),
    }
}

fn ask(model: &mut Model, step: &OfDevice, now: Timestamp) {
    match *step {
        OfDevice::StartNext {
            thing: name,
            namespace,
            minutes,
        } => {
            let namespace = NAMESPACES[namespace].and_then(NamespaceId::parse);
            let request = StartNext {
                step_timeout_in_minutes: minutes,
                ..StartNext::default()
            };
            let name = thing(THINGS[name]);
            match model.start_next(&name, namespace.as_ref(), &request, now) {
                Ok(started) => assert!(
                    started.is_none_or(|started| started.status == ExecutionStatus::InProgress)
                ),
                Err(DeviceError::ResourceNotFound(_)) => {
                    assert!(!model.things.contains_key(&name));
                }
                Err(other) => panic!("{other}"),
            }
        }
        OfDevice::Update {
            thing: name,
            job: id,
            status,
            minutes,
            number,
            expected,
        } => {
            let request = Update {
                status: Some(STATUSES[status].to_owned()),
                step_timeout_in_minutes: minutes,
                execution_number: number,
                expected_version: expected,
                ..Update::default()
            };
            let (name, id) = (thing(THINGS[name]), job(JOBS[id]));
            for namespace in NAMESPACES {
                let namespace = namespace.and_then(NamespaceId::parse);
                let _ = model.update(&name, namespace.as_ref(), &id, &request, now);
            }
        }
    }
}

fn change_execution(model: &mut Model, step: &OfExecution, now: Timestamp) {
    match *step {
        OfExecution::Cancel {
            thing,
            job,
            force,
            expected,
        } => {
            let request = CancelJobExecution {
                job_id: JOBS[job].to_owned(),
                thing_name: THINGS[thing].to_owned(),
                force,
                expected_version: expected,
                ..CancelJobExecution::default()
            };
            let _ = model.cancel_job_execution(request, now);
        }
        OfExecution::Delete {
            thing,
            job,
            number,
            force,
        } => {
            let request = DeleteJobExecution {
                job_id: JOBS[job].to_owned(),
                thing_name: THINGS[thing].to_owned(),
                execution_number: number,
                force,
                namespace_id: None,
            };
            let _ = model.delete_job_execution(&request, now);
        }
    }
}

fn change_job(model: &mut Model, step: &OfJob, secs: u64) {
    let now = at(secs);
    match *step {
        OfJob::Associate { job, targets } => {
            let mut request: AssociateTargets = parsed(json!({ "targets": step::arns(targets) }));
            request.job_id = JOBS[job].to_owned();
            let _ = model.associate_targets(&scope(), request, now);
        }
        OfJob::Cancel { job, force } => {
            let request = CancelJob {
                job_id: JOBS[job].to_owned(),
                force,
                ..CancelJob::default()
            };
            let _ = model.cancel_job(&scope(), request, now);
        }
        OfJob::Create {
            job,
            namespace,
            targets,
            rules,
            from_template,
        } => {
            let mut members = step::members(targets, rules, secs);
            if from_template {
                members["document"] = Value::Null;
                let arn = format!("arn:aws:iot:eu-west-1:123456789012:jobtemplate/{TEMPLATE}");
                members["jobTemplateArn"] = json!(arn);
            }
            create(model, job, namespace, members, now);
        }
        OfJob::CreateTemplate { job } => {
            let of = format!("arn:aws:iot:eu-west-1:123456789012:job/{}", JOBS[job]);
            let body = json!({"jobArn": of, "description": "d"});
            let mut request: CreateJobTemplate = parsed(body);
            request.job_template_id = TEMPLATE.to_owned();
            let _ = model.create_job_template(&scope(), request, now);
        }
        OfJob::Delete { job, force } => {
            let request = DeleteJob {
                job_id: JOBS[job].to_owned(),
                force,
                namespace_id: None,
            };
            let _ = model.delete_job(&request, now);
        }
        OfJob::DeleteTemplate => drop(model.delete_job_template(TEMPLATE)),
        OfJob::Flood {
            thing,
            namespace,
            windows,
        } => {
            let rules = if windows { Rules::WINDOWS } else { Rules::NONE };
            for job in FLOOD..JOBS.len() {
                let mut members = step::members(0, rules, secs);
                members["targets"] = json!([thing_arn(THINGS[thing])]);
                create(model, job, namespace, members, now);
            }
        }
        OfJob::Update { job, change } => {
            let mut request: UpdateJob = parsed(step::changes()[change].clone());
            request.job_id = JOBS[job].to_owned();
            let _ = model.update_job(request, now);
        }
    }
}

fn create(model: &mut Model, job: usize, namespace: usize, mut members: Value, now: Timestamp) {
    members["namespaceId"] = json!(NAMESPACES[namespace]);
    let request = create_request(JOBS[job], members);
    let _ = model.create_job(&scope(), request, now);
}

fn change_registry(model: &mut Model, step: &OfRegistry, now: Timestamp) {
    match *step {
        OfRegistry::AddThing { thing } => add_thing(model, THINGS[thing]),
        OfRegistry::CreateGroup { group } => {
            let (name, parent) = GROUPS[group];
            let _ = create_group(model, name, parent);
        }
        OfRegistry::DeleteGroup { group } => {
            let _ = model.delete_thing_group(GROUPS[group].0, None, now);
        }
        OfRegistry::DeleteThing { thing } => {
            model.delete_thing(THINGS[thing], None, now).unwrap();
        }
        OfRegistry::Join { thing, group } => {
            let request = membership(GROUPS[group].0, THINGS[thing]);
            let _ = model.add_thing_to_thing_group(&scope(), &request, now);
        }
        OfRegistry::Leave { thing, group } => {
            let request = membership(GROUPS[group].0, THINGS[thing]);
            let _ = model.remove_thing_from_thing_group(&scope(), &request, now);
        }
    }
}
