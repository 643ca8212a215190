//! `/_local/knobs`: quotas, and choices where AWS's behaviour is unknown or where tests want more than AWS does.

use axum::extract::State;
use serde_json::{Map, Value};

use super::Service;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Json};
use crate::knobs::settings;

pub(super) async fn read(State(service): Service) -> Answer<Value> {
    Answer(service.knobs().to_json())
}

pub(super) async fn set(
    State(service): Service,
    Json(asked): Json<Map<String, Value>>,
) -> Answered<Value> {
    let knobs = service.set_knobs(settings(asked));
    let knobs = knobs.map_err(|error| ApiError::invalid_request(error.to_string()))?;
    Ok(Answer(knobs.to_json()))
}
