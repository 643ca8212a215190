//! Where the document of a job or a template comes from, and what is demanded of it.
//!
//! Messages without a page of their own were seen on the live service (control-plane notes of
//! MiniStack 1.5.33).

use serde_json::Value;

use super::document::{PlaceholderError, Version, needs_role};
use super::error::ControlError;
use super::quotas::{Quotas, limit};
use super::request::{CreateJob, PresignedUrlConfig, SourceError};

/// How messages name a document that came with the request.
const INLINE: &str = "request input";

/// Checks that there is one document; if there is an `other` one, it may be left out.
pub(super) fn check_sources(request: &CreateJob, other: bool) -> Result<(), ControlError> {
    match (&request.document, &request.document_source) {
        (Some(_), Some(_)) => Err(invalid(
            "Job document and job document source cannot be specified at the same time.",
        )),
        (None, None) if !other => Err(invalid(
            "Neither job document nor job document source is specified.",
        )),
        (None, None) | (Some(_), None) | (None, Some(_)) => Ok(()),
    }
}

/// The document, whether it came with the request or was fetched from `source`.
pub(super) fn read_document(
    inline: Option<String>,
    source: Option<&str>,
    fetched: Option<Result<Vec<u8>, SourceError>>,
    quotas: &Quotas,
) -> Result<String, ControlError> {
    if let Some(document) = inline {
        return Ok(document);
    }
    let url = source.unwrap_or_default();
    let fetched = fetched.unwrap_or(Err(SourceError::ObjectNotFound));
    let bytes = fetched.map_err(|error| match error {
        SourceError::BucketNotFound => {
            invalid(&format!("Bucket specified by url: {url} is not found."))
        }
        SourceError::ObjectNotFound => {
            invalid(&format!("Job document located at {url} is not found."))
        }
        SourceError::UrlInvalid => invalid(&format!("Given job document source {url} is invalid.")),
    })?;
    check_size(&bytes, url, quotas)?;
    String::from_utf8(bytes).map_err(|_| not_json(url))
}

/// Checks the document of the job or template `id`, which was read from `source`.
pub(super) fn check_document(
    id: &str,
    document: &str,
    source: Option<&str>,
    presign: &PresignedUrlConfig,
    quotas: &Quotas,
) -> Result<(), ControlError> {
    check_json(document, source, quotas)?;
    check_role(id, document, presign)
}

/// Checks that a document is JSON, and not too long.
pub(super) fn check_json(
    document: &str,
    source: Option<&str>,
    quotas: &Quotas,
) -> Result<(), ControlError> {
    let source = source.unwrap_or(INLINE);
    check_size(document.as_bytes(), source, quotas)?;
    if serde_json::from_str::<Value>(document).is_err() {
        return Err(not_json(source));
    }
    Ok(())
}

fn check_size(document: &[u8], source: &str, quotas: &Quotas) -> Result<(), ControlError> {
    let quota = quotas.document_bytes;
    if document.len() > limit(quota) {
        return Err(ControlError::LimitExceeded(format!(
            "Job document located at {source} exceeds the limit of {quota} bytes."
        )));
    }
    Ok(())
}

/// Checks that the placeholders in a document are legal, and that there is a role to read with.
pub(super) fn check_role(
    id: &str,
    document: &str,
    presign: &PresignedUrlConfig,
) -> Result<(), ControlError> {
    let needs_role = needs_role(document).map_err(|error| match error {
        PlaceholderError::Invalid(spelling) => {
            invalid(&format!("Given placeholder {spelling} is invalid."))
        }
        // The limit is AWS's, the words are ours.
        PlaceholderError::TooMany { limit } => invalid(&format!(
            "Job document of job {id} exceeds the limit of {limit} variable substitutions."
        )),
    })?;
    match (&presign.role_arn, needs_role) {
        (None, Some(Version::V1)) => Err(invalid(&format!(
            "Role must be provided for pre-sign S3 urls in job document of job {id}."
        ))),
        (None, Some(Version::V2)) => Err(invalid(
            "presignedUrlConfig role ARN is required to generate an S3 presigned url in job document.",
        )),
        (None, None) => Ok(()),
        (Some(role), _) => refuse_role(Some(role)),
    }
}

/// Refuses what is no ARN of a role.
pub(super) fn refuse_role(role: Option<&String>) -> Result<(), ControlError> {
    match role {
        Some(role) if !is_role(role) => Err(invalid(&format!("Given role {role} is invalid."))),
        Some(_) | None => Ok(()),
    }
}

fn is_role(arn: &str) -> bool {
    let rest = arn.strip_prefix("arn:aws:iam::");
    let parts = rest.and_then(|rest| rest.split_once(":role/"));
    parts.is_some_and(|(account, name)| {
        account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty()
    })
}

fn not_json(source: &str) -> ControlError {
    invalid(&format!(
        "Job document located at {source} is an invalid JSON document."
    ))
}

fn invalid(message: &str) -> ControlError {
    ControlError::InvalidRequest(message.to_owned())
}
