//! `/_local/things/THING/certificate`: what a device needs to connect.
//!
//! A certificate is a device's identity. Where only this machine reaches the service, whoever asks
//! gets one; where others do, the admin API must have been asked for.

use axum::extract::State;
use serde::Serialize;

use super::Service;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Labels};
use crate::pki::PkiError;

/// All that a device needs to connect as a thing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Certificate {
    certificate_pem: String,
    private_key: String,
    ca_pem: String,
    endpoint: String,
    port: u16,
}

pub(super) async fn issue(
    State(service): Service,
    Labels(thing): Labels<String>,
) -> Answered<Certificate> {
    if service.is_remote && !service.admin {
        return Err(ApiError::needs_admin());
    }
    let issued = service.pki.issue_thing_certificate(&thing);
    let issued = issued.map_err(|error| {
        let is_refused = matches!(error, PkiError::InvalidThingName);
        let refuse = if is_refused {
            ApiError::invalid_request
        } else {
            ApiError::internal
        };
        refuse(error.to_string())
    })?;
    Ok(Answer(Certificate {
        certificate_pem: issued.certificate_pem,
        private_key: issued.private_key_pem,
        ca_pem: service.pki.ca_pem().to_owned(),
        endpoint: service.mqtt.host.clone(),
        port: service.mqtt.port,
    }))
}
