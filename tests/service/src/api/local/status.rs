//! `/_local/status`: what there is at present.

use axum::extract::State;
use serde::Serialize;

use super::Service;
use super::clock::Shown;
use crate::api::extract::Answer;
use crate::broker::LiveConnection;

#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    now: f64,
    things: usize,
    jobs: usize,
    connections: Vec<Connection>,
}

/// A device on the embedded broker; an outside one does not tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    client_id: String,
    thing: String,
    protocol: &'static str,
}

pub(super) async fn read(State(service): Service) -> Answer<Status> {
    let (things, jobs) = service
        .shared
        .look(|model, _| (model.thing_count(), model.job_count()));
    let connections = service.broker.connections().into_iter();
    let connections = connections.map(
        |LiveConnection {
             client_id,
             thing,
             protocol,
             ..
         }| Connection {
            client_id,
            thing,
            protocol,
        },
    );
    let now = Shown::read(&service).now;
    Answer(Status {
        version: env!("CARGO_PKG_VERSION"),
        now,
        things,
        jobs,
        connections: connections.collect(),
    })
}
