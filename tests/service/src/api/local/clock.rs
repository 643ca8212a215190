//! `/_local/clock`: reads, steps, stops and starts the service's clock.

use core::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Service;
use crate::api::Backend;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Json};

/// The longest step of the clock: a century.
const MAX_ADVANCE_SECONDS: f64 = 3.2e9;

#[derive(Debug, Serialize)]
pub(super) struct Clock {
    pub(super) now: f64,
}

impl Clock {
    pub(super) fn read(service: &Backend) -> Self {
        let millis = Duration::from_millis(service.shared.clock().now().as_millis());
        Self {
            now: millis.as_secs_f64(),
        }
    }
}

pub(super) async fn read(State(service): Service) -> Answer<Clock> {
    Answer(Clock::read(&service))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SetClock {
    advance: f64,
    frozen: Option<bool>,
}

pub(super) async fn set(State(service): Service, Json(request): Json<SetClock>) -> Answered<Clock> {
    if !(0.0..=MAX_ADVANCE_SECONDS).contains(&request.advance) {
        return Err(ApiError::invalid_request(format!(
            "advance is not between 0 and {MAX_ADVANCE_SECONDS} seconds"
        )));
    }
    let clock = service.shared.clock();
    match request.frozen {
        Some(true) => clock.freeze(),
        Some(false) => clock.resume(),
        None => {}
    }
    clock.advance(Duration::from_secs_f64(request.advance));
    // What became due has happened when the answer arrives.
    service.shared.with(|model, now| model.advance(now));
    Ok(Answer(Clock::read(&service)))
}
