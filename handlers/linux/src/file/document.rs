//! What a `file-download` document asks for.

use core::fmt::{self, Write as _};

use iot_jobs_handler::Failure;
use iot_jobs_proto::document::{Document, Member};

use super::owner::Names;
use super::rejected;

/// Most bytes of a path (`PATH_MAX` of Linux, without its end).
const PATH_LEN_MAX: usize = 4095;
/// Most bytes of a file's name: the part's is longer, and 255 is Linux's limit.
const NAME_LEN_MAX: usize = 200;
/// Most bytes of a URL that is spelled with escapes.
const URL_LEN_MAX: usize = 8 * 1024;
/// Most bytes of an owner: two names.
const OWNER_LEN_MAX: usize = 128;
/// Most digits of a mode.
const MODE_LEN_MAX: usize = 5;
/// The largest mode, all bits of `chmod`.
const MODE_MAX: u32 = 0o7777;

/// A document with `"operation": "file-download"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// `path`: absolute, no `.`, `..` or empty part in it.
    pub(super) path: String,
    /// `sha256`: the file's digest.
    pub(super) sha256: [u8; 32],
    /// `size`: bytes of the file.
    pub(super) size: Option<u64>,
    /// `mode`: octal digits.
    pub(super) mode: Option<u32>,
    /// `owner`: `user` or `user:group`.
    pub(super) owner: Option<Names>,
}

impl Request {
    /// Reads the document.
    pub(super) fn parse(document: &str) -> Result<Self, Failure> {
        let document = Document::parse(document.as_bytes()).map_err(invalid)?;
        // The engine takes the URL from the document when it needs it: it may be signed anew by then.
        document
            .member("url")
            .and_then(|url| url.url(&mut [0; URL_LEN_MAX]).map(drop))
            .map_err(invalid)?;
        let optional = |name| document.optional(name).map_err(invalid);
        Ok(Self {
            path: path(&document.member("path").map_err(invalid)?)?,
            sha256: document
                .member("sha256")
                .and_then(|digest| digest.sha256())
                .map_err(invalid)?,
            size: optional("size")?
                .map(|size| size.u64().map_err(invalid))
                .transpose()?,
            mode: optional("mode")?.map(|it| mode(&it)).transpose()?,
            owner: optional("owner")?.map(|it| owner(&it)).transpose()?,
        })
    }

    /// The digest as it is reported.
    pub(super) fn digits(&self) -> String {
        self.sha256.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn path(member: &Member<'_>) -> Result<String, Failure> {
    let mut buffer = [0; PATH_LEN_MAX];
    let text = member.str(&mut buffer).map_err(invalid)?;
    let mut parts = text.split('/');
    let plain = parts.next() == Some("")
        && parts.all(|part| !matches!(part, "" | "." | ".."))
        && !text.contains('\0');
    if !plain {
        return Err(invalid(
            "`path` is not absolute, or holds `.`, `..` or an empty part",
        ));
    }
    let name = text.rsplit('/').next().map_or(0, str::len);
    if name > NAME_LEN_MAX {
        return Err(invalid(format_args!(
            "`path`: the file's name of {name} bytes exceeds the limit of {NAME_LEN_MAX}"
        )));
    }
    Ok(text.to_owned())
}

fn mode(member: &Member<'_>) -> Result<u32, Failure> {
    let mut buffer = [0; MODE_LEN_MAX];
    let text = member.str(&mut buffer).map_err(invalid)?;
    let octal = text.len() >= 3 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| octal && *mode <= MODE_MAX)
        .ok_or_else(|| invalid("`mode` is not a string of octal digits up to \"7777\""))
}

fn owner(member: &Member<'_>) -> Result<Names, Failure> {
    let mut buffer = [0; OWNER_LEN_MAX];
    let text = member.str(&mut buffer).map_err(invalid)?;
    Names::parse(text).ok_or_else(|| invalid("`owner` is neither \"user\" nor \"user:group\""))
}

fn invalid(problem: impl fmt::Display) -> Failure {
    rejected("invalid_document", problem)
}
