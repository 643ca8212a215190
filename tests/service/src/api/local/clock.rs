//! `/_local/clock`: reads, steps, stops, starts and scales the service's clock.

use core::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio::task::yield_now;

use super::Service;
use crate::api::Backend;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Json};
use crate::clock::Scale;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest step of the clock: three years, which end every job that has an end.
const MAX_ADVANCE: Duration = DAY.saturating_mul(3 * 366);
/// How far the clock goes at once while something is due: a schedule has an edge in every minute at most.
const MAX_BUSY_ADVANCE: Duration = DAY;

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
    let longest = MAX_ADVANCE.as_secs_f64();
    if !(0.0..=longest).contains(&request.advance) {
        return Err(ApiError::invalid_request(format!(
            "advance is not between 0 and {longest} seconds"
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
    advance(&service, Duration::from_secs_f64(request.advance)).await;
    Ok(Answer(Shown::read(&service)))
}

/// Steps the clock. What becomes due has happened at the end; others are served in between, and whoever
/// hangs up leaves the clock where it is by then.
async fn advance(service: &Backend, by: Duration) {
    let mut left = by;
    loop {
        let idle = service.shared.look(|model, now| {
            let due = model.next_deadline();
            due.map(|due| due.since(now))
        });
        let step = next_step(left, idle);
        service.shared.clock().advance(step);
        service.shared.with(|model, now| model.advance(now));
        left = left.saturating_sub(step);
        if left.is_zero() {
            return;
        }
        yield_now().await;
    }
}

/// How far to go at once, if nothing is due until `idle` has passed.
fn next_step(left: Duration, idle: Option<Duration>) -> Duration {
    left.min(idle.map_or(left, |idle| idle.max(MAX_BUSY_ADVANCE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_goes_day_by_day_where_something_is_due() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        for (left, idle, step) in [
            (hours(1000), None, hours(1000)),
            (hours(1000), Some(hours(0)), hours(24)),
            (hours(1000), Some(hours(100)), hours(100)),
            (hours(10), Some(hours(1)), hours(10)),
            (hours(0), Some(hours(1)), hours(0)),
        ] {
            assert_eq!(next_step(left, idle), step, "{left:?} {idle:?}");
        }
    }
}
