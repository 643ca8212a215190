//! `/_local/connections/close`: ends connections of devices.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Service;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Json};

/// Whose connections to end: a thing's, or all.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Close {
    thing: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Closed {
    closed: usize,
}

pub(super) async fn close(State(service): Service, Json(request): Json<Close>) -> Answered<Closed> {
    let broker = &service.broker;
    if !broker.has_connections() {
        return Err(ApiError::not_supported(
            "Ending connections of an outside broker",
        ));
    }
    let closed = match request.thing {
        Some(thing) => broker.disconnect_thing(&thing),
        None => {
            let closed = broker.connections().len();
            broker.disconnect_all();
            closed
        }
    };
    Ok(Answer(Closed { closed }))
}
