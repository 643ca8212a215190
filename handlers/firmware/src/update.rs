//! What a firmware document asks for.

use core::fmt::Write as _;

use heapless::String;
use iot_jobs_hal::Slot;
use iot_jobs_handler::{Failure, FailureClass};
use iot_jobs_proto::document::{Document, DocumentError};

/// Most bytes of a version.
const VERSION_LEN_MAX: usize = 128;

/// A document with `"operation": "firmware-update"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    /// `version`: what the image calls itself; reported, never compared.
    pub(crate) version: String<VERSION_LEN_MAX>,
    /// `size`: bytes of the image.
    pub(crate) size: u64,
    /// `sha256`: the image's digest.
    pub(crate) sha256: [u8; 32],
    /// `slot`: the slot that the image is made for, if it is made for one.
    pub(crate) slot: Option<Slot>,
}

impl Update {
    /// Reads the document; `buffer` is for a URL that is spelled with escapes.
    pub(crate) fn parse(document: &str, buffer: &mut [u8]) -> Result<Self, Failure> {
        let document = Document::parse(document.as_bytes()).map_err(invalid)?;
        // The engine takes the URL from the document when it needs it: it may be signed anew by then.
        document
            .member("url")
            .and_then(|url| url.url(buffer).map(drop))
            .map_err(invalid)?;
        let update = Self {
            version: version(&document)?,
            size: document
                .member("size")
                .and_then(|size| size.u64())
                .map_err(invalid)?,
            sha256: document
                .member("sha256")
                .and_then(|digest| digest.sha256())
                .map_err(invalid)?,
            slot: slot(&document)?,
        };
        if update.size == 0 {
            return Err(invalid("`size` is 0"));
        }
        Ok(update)
    }
}

fn version(document: &Document<'_>) -> Result<String<VERSION_LEN_MAX>, Failure> {
    let mut buffer = [0; VERSION_LEN_MAX];
    let member = document.member("version").map_err(invalid)?;
    let text = member.str(&mut buffer).map_err(invalid)?;
    let mut version = String::new();
    version.write_str(text).map_err(|_| {
        invalid(DocumentError::TooLong {
            member: "version",
            needed: text.len(),
            limit: VERSION_LEN_MAX,
        })
    })?;
    Ok(version)
}

fn slot(document: &Document<'_>) -> Result<Option<Slot>, Failure> {
    let Some(member) = document.optional("slot").map_err(invalid)? else {
        return Ok(None);
    };
    let text = member.text().map_err(invalid)?;
    [Slot::A, Slot::B]
        .into_iter()
        .find(|slot| text == *slot.as_str())
        .map(Some)
        .ok_or_else(|| invalid("`slot` is neither \"A\" nor \"B\""))
}

fn invalid(problem: impl core::fmt::Display) -> Failure {
    Failure::new(FailureClass::Rejected, "invalid_document", problem)
}
