//! What the page shows, as JSON. Reads only, and holds the model for a moment only: see
//! [`crate::model::inspect`]. Times are in milliseconds unless said otherwise.

use std::collections::BTreeSet;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Service;
use crate::api::Backend;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Labels, Parameters};
use crate::model::Model;
use crate::model::error::ControlError;
use crate::model::inspect::{
    Browse, ExecutionDetail, ExecutionOfJob, JobDetail, JobRow, Listing, MAX_ITEMS, Overview,
    ThingDetail, ThingRow,
};
use crate::model::names::Scope;
use crate::model::time::Timestamp;
use crate::service::MqttAddress;

/// Longest text that is searched for, or key to go on behind: a thing's name and a number.
const MAX_TEXT_BYTES: usize = 160;
const DEFAULT_ITEMS: usize = 50;

/// Which part of a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Query {
    search: String,
    status: String,
    after: Option<String>,
    limit: Option<usize>,
}

impl Query {
    fn check(self) -> Result<Browse, ApiError> {
        let texts = [Some(&self.search), Some(&self.status), self.after.as_ref()];
        if texts
            .into_iter()
            .flatten()
            .any(|text| text.len() > MAX_TEXT_BYTES)
        {
            return Err(ApiError::invalid_request(format!(
                "search, status and after have {MAX_TEXT_BYTES} bytes at most"
            )));
        }
        let limit = self.limit.unwrap_or(DEFAULT_ITEMS);
        if !(1..=MAX_ITEMS).contains(&limit) {
            return Err(ApiError::invalid_request(format!(
                "limit is not between 1 and {MAX_ITEMS}"
            )));
        }
        Ok(Browse {
            search: self.search.to_ascii_lowercase(),
            status: self.status,
            after: self.after,
            limit,
        })
    }
}

/// The service itself, and how much there is of everything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole {
    version: &'static str,
    now: u64,
    frozen: bool,
    scale: f64,
    region: String,
    account: String,
    mqtt: MqttAddress,
    #[serde(flatten)]
    overview: Overview,
}

/// An answer with the time at which it was true.
#[derive(Debug, Serialize)]
pub(super) struct At<T> {
    now: u64,
    #[serde(flatten)]
    answer: T,
}

pub(super) async fn overview(State(service): Service) -> Answer<Whole> {
    let connected = connected(&service);
    let (reading, overview) = service.shared.look(|model, _| {
        let reading = service.shared.clock().reading();
        (reading, model.overview(connected.as_ref()))
    });
    Answer(Whole {
        version: env!("CARGO_PKG_VERSION"),
        now: reading.now.as_millis(),
        frozen: reading.is_frozen,
        scale: reading.scale.get(),
        region: service.region.clone(),
        account: service.account.clone(),
        mqtt: service.mqtt.clone(),
        overview,
    })
}

pub(super) async fn jobs(
    State(service): Service,
    Parameters(query): Parameters<Query>,
) -> Answered<At<Listing<JobRow>>> {
    let browse = query.check()?;
    Ok(Answer(service.shared.look(|model, now| At {
        now: now.as_millis(),
        answer: model.browse_jobs(&browse),
    })))
}

pub(super) async fn job(
    State(service): Service,
    Labels(job): Labels<String>,
) -> Answered<At<JobDetail>> {
    let scope = Scope {
        region: service.region.clone(),
        account: service.account.clone(),
    };
    found(&service, &format!("Job {job}"), |model, now| {
        model.inspect_job(&scope, &job, now)
    })
}

pub(super) async fn executions(
    State(service): Service,
    Labels(job): Labels<String>,
    Parameters(query): Parameters<Query>,
) -> Answered<At<Listing<ExecutionOfJob>>> {
    let browse = query.check()?;
    found(&service, &format!("Job {job}"), |model, _| {
        model.browse_executions(&job, &browse)
    })
}

pub(super) async fn latest_execution(
    State(service): Service,
    Labels((job, thing)): Labels<(String, String)>,
) -> Answered<At<ExecutionDetail>> {
    let what = format!("An execution of job {job} on thing {thing}");
    found(&service, &what, |model, _| {
        model.inspect_execution(&job, &thing, None)
    })
}

pub(super) async fn execution(
    State(service): Service,
    Labels((job, thing, number)): Labels<(String, String, u64)>,
) -> Answered<At<ExecutionDetail>> {
    let what = format!("Execution {number} of job {job} on thing {thing}");
    found(&service, &what, |model, _| {
        model.inspect_execution(&job, &thing, Some(number))
    })
}

pub(super) async fn things(
    State(service): Service,
    Parameters(query): Parameters<Query>,
) -> Answered<At<Listing<ThingRow>>> {
    let browse = query.check()?;
    let connected = connected(&service);
    Ok(Answer(service.shared.look(|model, now| At {
        now: now.as_millis(),
        answer: model.browse_things(&browse, connected.as_ref()),
    })))
}

pub(super) async fn thing(
    State(service): Service,
    Labels(thing): Labels<String>,
) -> Answered<At<ThingDetail>> {
    let connected = connected(&service);
    found(&service, &format!("Thing {thing}"), |model, _| {
        model.inspect_thing(&thing, connected.as_ref())
    })
}

fn found<T>(
    service: &Backend,
    what: &str,
    find: impl FnOnce(&Model, Timestamp) -> Option<T>,
) -> Answered<At<T>> {
    let look = service.shared.look(|model, now| {
        find(model, now).map(|answer| At {
            now: now.as_millis(),
            answer,
        })
    });
    look.map(Answer)
        .ok_or_else(|| ControlError::ResourceNotFound(format!("{what} cannot be found.")).into())
}

/// The things that are connected; an outside broker does not tell.
fn connected(service: &Backend) -> Option<BTreeSet<String>> {
    service.broker.address()?;
    let connections = service.broker.connections().into_iter();
    Some(connections.map(|connection| connection.thing).collect())
}
