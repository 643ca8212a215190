//! A job document, read in place: in which language it is, and what its members say.
//!
//! The document is hostile input. Every accessor says precisely what is wrong with which member; a member that appears twice is
//! refused, since two readers could take different ones. Never interprets what a member means: that is the handler's.

use crate::json::{Json, JsonError, JsonStr, Kind, Object};
use crate::redact::{PresignedUrl, UrlError};

/// Why a document, or one of its members, cannot be used.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The member stands there more than once.
    #[error("`{member}` appears more than once")]
    Duplicate {
        /// The member.
        member: &'static str,
    },
    /// The document is not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The member is required and not set.
    #[error("`{member}` is missing")]
    Missing {
        /// The member.
        member: &'static str,
    },
    /// The document is JSON, but no object.
    #[error("document is not a JSON object")]
    NotAnObject,
    /// The number is negative, has a fraction or is too large.
    #[error("`{member}` is not a whole number in range")]
    Number {
        /// The member.
        member: &'static str,
    },
    /// The text is not a SHA-256 digest.
    #[error("`{member}` is not 64 hexadecimal digits")]
    Sha256 {
        /// The member.
        member: &'static str,
    },
    /// The text is longer than the reader can take.
    #[error("`{member}` of {needed} bytes exceeds the limit of {limit}")]
    TooLong {
        /// The member.
        member: &'static str,
        /// Bytes of the text.
        needed: usize,
        /// Bytes that the reader can take.
        limit: usize,
    },
    /// The member has another type.
    #[error("`{member}` is not {expected}")]
    Type {
        /// The member.
        member: &'static str,
        /// The type that it must have.
        expected: Kind,
    },
    /// The text is not a URL to download from.
    #[error("`{member}`: {problem}")]
    Url {
        /// The member.
        member: &'static str,
        /// Why not.
        problem: UrlError,
    },
}

/// The language of a document.
#[derive(Debug, Clone, Copy)]
pub enum Language<'a> {
    /// `afr_ota`: an AWS OTA job; the view is on the value of that member.
    AfrOta(Document<'a>),
    /// `operation`: ours, and the older form of the AWS IoT Device Client; its value.
    Operation(JsonStr<'a>),
    /// `steps`: AWS managed templates and the AWS IoT Device Client.
    Steps,
    /// None of them.
    Unknown,
}

/// A job document, or an object within one.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a>(Object<'a>);

impl<'a> Document<'a> {
    /// Checks the whole text.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DocumentError> {
        let _ = bytes;
        todo!()
    }

    /// The document's language: `afr_ota` before `steps` before `operation`.
    pub fn language(&self) -> Result<Language<'a>, DocumentError> {
        todo!()
    }

    /// The member of that name, which must be set.
    pub fn member(&self, name: &'static str) -> Result<Member<'a>, DocumentError> {
        let _ = name;
        todo!()
    }

    /// The member of that name, if it is [set](is_unset).
    pub fn optional(&self, name: &'static str) -> Result<Option<Member<'a>>, DocumentError> {
        let _ = (name, self.0);
        todo!()
    }

    /// The object as it stands.
    pub fn object(&self) -> Object<'a> {
        self.0
    }
}

/// A member that is set.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    name: &'static str,
    value: Json<'a>,
}

impl<'a> Member<'a> {
    /// The value as it stands.
    pub fn json(&self) -> Json<'a> {
        self.value
    }

    /// The text, its escapes not yet resolved.
    pub fn text(&self) -> Result<JsonStr<'a>, DocumentError> {
        todo!()
    }

    /// The text: borrowed where possible, else written into `buffer`.
    pub fn str<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, DocumentError>
    where
        'a: 'b,
    {
        let _ = (buffer, self.name);
        todo!()
    }

    /// The number.
    pub fn u64(&self) -> Result<u64, DocumentError> {
        todo!()
    }

    /// The truth value; the strings `"true"` and `"false"` are taken too, since documents in the field spell them so.
    pub fn bool(&self) -> Result<bool, DocumentError> {
        todo!()
    }

    /// The digest: 64 hexadecimal digits, either case.
    pub fn sha256(&self) -> Result<[u8; 32], DocumentError> {
        todo!()
    }

    /// The URL: borrowed where possible, else written into `buffer`.
    pub fn url<'b>(&self, buffer: &'b mut [u8]) -> Result<PresignedUrl<'b>, DocumentError>
    where
        'a: 'b,
    {
        let _ = buffer;
        todo!()
    }

    /// The object.
    pub fn object(&self) -> Result<Document<'a>, DocumentError> {
        todo!()
    }

    /// The elements of the array; their errors name the array.
    pub fn elements(&self) -> Result<impl Iterator<Item = Member<'a>>, DocumentError> {
        Ok(core::iter::empty())
    }
}

/// Whether a value stands for "not set": `null`, `""`, or a template parameter that was never replaced
/// (`${aws:iot:parameter:…}`); managed templates leave these where an optional parameter was not given.
pub fn is_unset(value: &Json<'_>) -> bool {
    let _ = value;
    todo!()
}
