//! `/_local/clock`: reads, steps, stops, starts and scales the service's clock.

use core::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Service;
use crate::api::Backend;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Json};
use crate::clock::Scale;

/// The longest step of the clock: a century.
const MAX_ADVANCE_SECONDS: f64 = 3.2e9;

/// What the clock shows.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) now: f64,
    frozen: bool,
    scale: f64,
}

impl Shown {
    pub(super) fn read(service: &Backend) -> Self {
        let reading = service.shared.clock().reading();
        Self {
            now: Duration::from_millis(reading.now.as_millis()).as_secs_f64(),
            frozen: reading.is_frozen,
            scale: reading.scale.get(),
        }
    }
}

pub(super) async fn read(State(service): Service) -> Answer<Shown> {
    Answer(Shown::read(&service))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SetClock {
    advance: f64,
    frozen: Option<bool>,
    scale: Option<f64>,
}

pub(super) async fn set(State(service): Service, Json(request): Json<SetClock>) -> Answered<Shown> {
    if !(0.0..=MAX_ADVANCE_SECONDS).contains(&request.advance) {
        return Err(ApiError::invalid_request(format!(
            "advance is not between 0 and {MAX_ADVANCE_SECONDS} seconds"
        )));
    }
    let scale = request.scale.map(|scale| {
        let refused = || ApiError::invalid_request("scale is not above 0 and at most 100000");
        Scale::new(scale).ok_or_else(refused)
    });
    let scale = scale.transpose()?;
    let clock = service.shared.clock();
    if let Some(scale) = scale {
        clock.set_scale(scale);
    }
    match request.frozen {
        Some(true) => clock.freeze(),
        Some(false) => clock.resume(),
        None => {}
    }
    clock.advance(Duration::from_secs_f64(request.advance));
    // What became due has happened when the answer arrives.
    service.shared.with(|model, now| model.advance(now));
    Ok(Answer(Shown::read(&service)))
}
