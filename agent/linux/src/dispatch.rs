//! Which handler runs a document, by its language and operation, or why none does.
//!
//! Decides before anything is claimed, from the document and the configuration alone; whether what a handler needs is in use is
//! the driver's to say.

use std::fmt;

use iot_jobs_config::{HandlerKind, HandlerRule, Jobs};
use iot_jobs_proto::document::{Document, Language};
use iot_jobs_proto::json::JsonStr;
use iot_jobs_proto::names::JobId;

/// Most characters of a document's operation that are repeated in a message.
const OPERATION_SHOWN_MAX: usize = 64;
/// Longest operation that a document can name, in bytes once its escapes are resolved.
const OPERATION_LEN_MAX: usize = 256;

/// What is to be done with an offered document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A configured filter leaves it to another agent.
    Leave,
    /// Nobody can ever run it here.
    Reject(Rejection),
    /// This handler runs it.
    Run(Selection),
}

/// A handler, and what selected it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The handler.
    pub(crate) handler: HandlerKind,
    /// The operation of the document.
    pub(crate) operation: String,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Stable code.
    pub(crate) reason: &'static str,
    /// One sentence.
    pub(crate) message: String,
}

/// Something of which the device has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    /// The spare firmware slot, and the right to reboot.
    Firmware,
}

/// What a handler must have for itself while it runs.
pub(crate) const fn resource(handler: HandlerKind) -> Option<Resource> {
    match handler {
        HandlerKind::FileDownload => None,
        HandlerKind::Firmware => Some(Resource::Firmware),
    }
}

/// The configured rules.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    rules: Vec<HandlerRule>,
    leave: Vec<String>,
    prefixes: Vec<String>,
    slots: bool,
}

impl Dispatch {
    /// `slots` says whether the device has firmware slots.
    pub(crate) fn new(jobs: &Jobs, rules: &[HandlerRule], slots: bool) -> Self {
        Self {
            rules: rules.to_vec(),
            leave: jobs.leave_operations.clone(),
            prefixes: jobs.job_id_prefixes.clone(),
            slots,
        }
    }

    /// Judges the document of `job`.
    pub(crate) fn judge(&self, job: &JobId, document: &[u8]) -> Verdict {
        let ours = |prefix: &String| job.as_str().starts_with(prefix.as_str());
        if !self.prefixes.is_empty() && !self.prefixes.iter().any(ours) {
            return Verdict::Leave;
        }
        match operation(document) {
            Ok(operation) if self.leave.contains(&operation) => Verdict::Leave,
            Ok(operation) => self.select(operation),
            Err(rejection) => Verdict::Reject(rejection),
        }
    }

    fn select(&self, operation: String) -> Verdict {
        let Some(rule) = self.rules.iter().find(|rule| rule.operation == operation) else {
            return Verdict::Reject(self.unsupported(&operation));
        };
        if rule.handler == HandlerKind::Firmware && !self.slots {
            return Verdict::Reject(Rejection {
                reason: "no_slots",
                message: "this device has no firmware slots".to_owned(),
            });
        }
        Verdict::Run(Selection {
            handler: rule.handler,
            operation,
        })
    }

    fn unsupported(&self, operation: &str) -> Rejection {
        let known: Vec<&str> = self
            .rules
            .iter()
            .map(|rule| rule.operation.as_str())
            .collect();
        Rejection {
            reason: "unsupported_operation",
            message: format!(
                "nothing on this device handles operation {:?}; it has {}",
                Shown(operation),
                known.join(", ")
            ),
        }
    }
}

/// The operation of a document; a language without operations stands for itself.
fn operation(document: &[u8]) -> Result<String, Rejection> {
    let invalid = |problem: &dyn fmt::Display| Rejection {
        reason: "invalid_document",
        message: problem.to_string(),
    };
    let document = Document::parse(document).map_err(|error| invalid(&error))?;
    match document.language().map_err(|error| invalid(&error))? {
        Language::AfrOta(_) => Ok("afr_ota".to_owned()),
        Language::Operation(operation) => text(operation).ok_or_else(|| {
            invalid(&format_args!(
                "`operation` exceeds {OPERATION_LEN_MAX} bytes"
            ))
        }),
        Language::Steps => Ok("steps".to_owned()),
        Language::Unknown => Err(Rejection {
            reason: "unsupported_document",
            message: "document has no `operation`".to_owned(),
        }),
    }
}

fn text(escaped: JsonStr<'_>) -> Option<String> {
    let mut buffer = [0; OPERATION_LEN_MAX];
    escaped.resolve(&mut buffer).ok().map(str::to_owned)
}

/// Prints the beginning of a text, quoted.
struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut: String = self.0.chars().take(OPERATION_SHOWN_MAX).collect();
        fmt::Debug::fmt(&cut, f)
    }
}

#[cfg(test)]
mod tests {
    use iot_jobs_proto::session::Timing;

    use super::*;

    #[test]
    fn an_operation_selects_the_configured_handler() {
        assert_eq!(
            dispatch().judge(&job("a"), br#"{"operation":"file-download"}"#),
            Verdict::Run(Selection {
                handler: HandlerKind::FileDownload,
                operation: "file-download".to_owned(),
            })
        );
    }

    #[test]
    fn an_unknown_operation_is_rejected_and_told_what_there_is() {
        let rejection = rejected(&dispatch(), br#"{"operation":"no-such"}"#);

        assert_eq!(rejection.reason, "unsupported_operation");
        assert_eq!(
            rejection.message,
            "nothing on this device handles operation \"no-such\"; it has firmware-update, file-download"
        );
    }

    #[test]
    fn an_endless_operation_is_not_repeated_in_full() {
        let document = format!(r#"{{"operation":"{}"}}"#, "x".repeat(200));

        let rejection = rejected(&dispatch(), document.as_bytes());

        assert!(rejection.message.len() < 200, "{}", rejection.message);
    }

    #[test]
    fn a_document_without_a_language_is_rejected() {
        assert_eq!(
            rejected(&dispatch(), br#"{"version":"1"}"#).reason,
            "unsupported_document"
        );
    }

    #[test]
    fn a_document_that_names_two_operations_is_rejected() {
        let rejection = rejected(
            &dispatch(),
            br#"{"operation":"file-download","operation":"firmware-update"}"#,
        );

        assert_eq!(rejection.reason, "invalid_document");
    }

    #[test]
    fn a_firmware_job_is_rejected_on_a_device_without_slots() {
        let rejection = rejected(
            &Dispatch::new(&jobs(), &rules(), false),
            br#"{"operation":"firmware-update"}"#,
        );

        assert_eq!(rejection.reason, "no_slots");
    }

    #[test]
    fn an_operation_left_to_another_agent_is_left() {
        let jobs = Jobs {
            leave_operations: vec!["theirs".to_owned()],
            ..jobs()
        };

        assert_eq!(
            Dispatch::new(&jobs, &rules(), true).judge(&job("a"), br#"{"operation":"theirs"}"#),
            Verdict::Leave
        );
    }

    #[test]
    fn a_job_outside_the_prefixes_is_left_whatever_its_document_is() {
        let jobs = Jobs {
            job_id_prefixes: vec!["acme-".to_owned()],
            ..jobs()
        };
        let dispatch = Dispatch::new(&jobs, &rules(), true);

        assert_eq!(dispatch.judge(&job("other-1"), b"not json"), Verdict::Leave);
        assert!(matches!(
            dispatch.judge(&job("acme-1"), br#"{"operation":"file-download"}"#),
            Verdict::Run(_)
        ));
    }

    fn rejected(dispatch: &Dispatch, document: &[u8]) -> Rejection {
        match dispatch.judge(&job("a"), document) {
            Verdict::Reject(rejection) => rejection,
            other @ (Verdict::Leave | Verdict::Run(_)) => panic!("{other:?}"),
        }
    }

    fn dispatch() -> Dispatch {
        Dispatch::new(&jobs(), &rules(), true)
    }

    fn jobs() -> Jobs {
        Jobs {
            namespaces: Vec::new(),
            concurrent: 1,
            job_id_prefixes: Vec::new(),
            leave_operations: Vec::new(),
            timing: Timing::default(),
        }
    }

    fn rules() -> Vec<HandlerRule> {
        vec![
            HandlerRule {
                operation: "firmware-update".to_owned(),
                handler: HandlerKind::Firmware,
            },
            HandlerRule {
                operation: "file-download".to_owned(),
                handler: HandlerKind::FileDownload,
            },
        ]
    }

    fn job(id: &str) -> JobId {
        JobId::parse(id).unwrap()
    }
}
