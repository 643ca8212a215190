//! `/_local/knobs`: choices where AWS's behaviour is unknown, or where tests want more than AWS does.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Service;
use crate::api::extract::{Answer, Json};
use crate::model::Knobs;

/// The choices that may change while the service runs. A member that is left out stays as it is.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SomeKnobs {
    strict_status_details: Option<bool>,
    notify_next_per_namespace: Option<bool>,
}

impl From<Knobs> for SomeKnobs {
    fn from(knobs: Knobs) -> Self {
        Self {
            strict_status_details: Some(knobs.strict_status_details),
            notify_next_per_namespace: Some(knobs.notify_next_per_namespace),
        }
    }
}

pub(super) async fn read(State(service): Service) -> Answer<SomeKnobs> {
    Answer(service.shared.with(|model, _| model.knobs()).into())
}

pub(super) async fn set(
    State(service): Service,
    Json(asked): Json<SomeKnobs>,
) -> Answer<SomeKnobs> {
    let knobs = service.shared.with(|model, _| {
        let mut knobs = model.knobs();
        let choices = [
            (
                asked.strict_status_details,
                &mut knobs.strict_status_details,
            ),
            (
                asked.notify_next_per_namespace,
                &mut knobs.notify_next_per_namespace,
            ),
        ];
        for (asked, knob) in choices {
            *knob = asked.unwrap_or(*knob);
        }
        model.set_knobs(knobs);
        knobs
    });
    Answer(knobs.into())
}
