//! A job document, read in place: in which language it is, and what its members say.
//!
//! The document is hostile input. Every accessor says precisely what is wrong with which member; a member that appears twice is
//! refused, since two readers could take different ones. Never interprets what a member means: that is the handler's.

use crate::json::{Duplicate, Json, JsonError, JsonStr, Kind, Object};
use crate::redact::{PresignedUrl, UrlError};

/// What begins a template parameter that the service did not replace (AWS developer guide, `job-templates-managed`).
const PARAMETER: &str = "${aws:iot:parameter:";
const SHA256_LEN: usize = 32;

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
        let object = Json::parse(bytes)?.as_object();
        object.map(Self).ok_or(DocumentError::NotAnObject)
    }

    /// The document's language: `afr_ota` before `steps` before `operation`.
    pub fn language(&self) -> Result<Language<'a>, DocumentError> {
        if let Some(ota) = self.optional("afr_ota")? {
            return ota.object().map(Language::AfrOta);
        }
        if self.optional("steps")?.is_some() {
            return Ok(Language::Steps);
        }
        match self.optional("operation")? {
            Some(operation) => operation.text().map(Language::Operation),
            None => Ok(Language::Unknown),
        }
    }

    /// The member of that name, which must be set.
    pub fn member(&self, name: &'static str) -> Result<Member<'a>, DocumentError> {
        self.optional(name)?
            .ok_or(DocumentError::Missing { member: name })
    }

    /// The member of that name, if it is [set](is_unset).
    pub fn optional(&self, name: &'static str) -> Result<Option<Member<'a>>, DocumentError> {
        let value = self
            .0
            .single(name)
            .map_err(|Duplicate| DocumentError::Duplicate { member: name })?;
        Ok(value
            .filter(|value| !is_unset(value))
            .map(|value| Member { name, value }))
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
        self.value.as_text().ok_or(self.type_error(Kind::Text))
    }

    /// The text: borrowed where possible, else written into `buffer`.
    pub fn str<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, DocumentError>
    where
        'a: 'b,
    {
        self.text()?
            .resolve(buffer)
            .map_err(|error| DocumentError::TooLong {
                member: self.name,
                needed: error.needed,
                limit: error.given,
            })
    }

    /// The number.
    pub fn u64(&self) -> Result<u64, DocumentError> {
        if self.value.kind() != Kind::Number {
            return Err(self.type_error(Kind::Number));
        }
        self.value
            .as_i64()
            .and_then(|number| u64::try_from(number).ok())
            .ok_or(DocumentError::Number { member: self.name })
    }

    /// The truth value; the strings `"true"` and `"false"` are taken too, since documents in the field spell them so.
    pub fn bool(&self) -> Result<bool, DocumentError> {
        match self.value.as_text() {
            Some(text) if text == *"true" => Ok(true),
            Some(text) if text == *"false" => Ok(false),
            Some(_) => Err(self.type_error(Kind::Bool)),
            None => self.value.as_bool().ok_or(self.type_error(Kind::Bool)),
        }
    }

    /// The digest: 64 hexadecimal digits, either case.
    pub fn sha256(&self) -> Result<[u8; SHA256_LEN], DocumentError> {
        let text = self.text()?;
        read_hex(text).ok_or(DocumentError::Sha256 { member: self.name })
    }

    /// The URL: borrowed where possible, else written into `buffer`.
    pub fn url<'b>(&self, buffer: &'b mut [u8]) -> Result<PresignedUrl<'b>, DocumentError>
    where
        'a: 'b,
    {
        PresignedUrl::parse(self.str(buffer)?).map_err(|problem| DocumentError::Url {
            member: self.name,
            problem,
        })
    }

    /// The object.
    pub fn object(&self) -> Result<Document<'a>, DocumentError> {
        self.value
            .as_object()
            .map(Document)
            .ok_or(self.type_error(Kind::Object))
    }

    /// The elements of the array; their errors name the array.
    pub fn elements(&self) -> Result<impl Iterator<Item = Self>, DocumentError> {
        let name = self.name;
        self.value
            .as_array()
            .map(|elements| elements.map(move |value| Self { name, value }))
            .ok_or(self.type_error(Kind::Array))
    }

    const fn type_error(&self, expected: Kind) -> DocumentError {
        DocumentError::Type {
            member: self.name,
            expected,
        }
    }
}

/// Whether a value stands for "not set": `null`, `""`, or a template parameter that was never replaced
/// (`${aws:iot:parameter:…}`); managed templates leave these where an optional parameter was not given.
pub fn is_unset(value: &Json<'_>) -> bool {
    match value.as_text() {
        Some(text) => text.is_empty() || is_parameter(text),
        None => value.kind() == Kind::Null,
    }
}

fn is_parameter(text: JsonStr<'_>) -> bool {
    let mut chars = text.chars();
    PARAMETER.chars().all(|c| chars.next() == Some(c))
        && chars.any(|c| c == '}')
        && chars.next().is_none()
}

fn read_hex<const N: usize>(text: JsonStr<'_>) -> Option<[u8; N]> {
    let mut digits = text.chars().map(|c| c.to_digit(16));
    let mut bytes = [0; N];
    for byte in &mut bytes {
        let pair = (digits.next()?? << 4) | digits.next()??;
        *byte = u8::try_from(pair).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Document<'_> {
        Document::parse(text.as_bytes()).unwrap()
    }

    fn language(text: &str) -> Language<'_> {
        document(text).language().unwrap()
    }

    #[test]
    fn each_language_is_known_by_its_member() {
        assert!(matches!(
            language(r#"{"version":"1.0","steps":[{}]}"#),
            Language::Steps
        ));
        assert!(matches!(
            language(r#"{"afr_ota":{"files":[]}}"#),
            Language::AfrOta(ota) if ota.member("files").is_ok()
        ));
        assert!(matches!(
            language(r#"{"operation":"reboot"}"#),
            Language::Operation(name) if name == *"reboot"
        ));
        assert!(matches!(language(r#"{"x":1}"#), Language::Unknown));
    }

    #[test]
    fn steps_come_before_an_operation() {
        assert!(matches!(
            language(r#"{"operation":"x","steps":[]}"#),
            Language::Steps
        ));
    }

    #[test]
    fn a_language_member_of_a_wrong_type_is_refused() {
        assert_eq!(
            document(r#"{"operation":7}"#).language().unwrap_err(),
            DocumentError::Type {
                member: "operation",
                expected: Kind::Text
            }
        );
    }

    #[test]
    fn a_document_that_is_no_object_is_refused() {
        assert_eq!(
            Document::parse(br#""{}""#).unwrap_err(),
            DocumentError::NotAnObject
        );
        assert_eq!(
            Document::parse(b"{").unwrap_err(),
            DocumentError::Json(JsonError::Incomplete)
        );
    }

    #[test]
    fn a_member_that_appears_twice_is_refused() {
        assert_eq!(
            document(r#"{"url":"a","\u0075rl":"b"}"#)
                .member("url")
                .unwrap_err(),
            DocumentError::Duplicate { member: "url" }
        );
    }

    #[test]
    fn what_a_template_left_open_is_not_set() {
        for value in [
            "null",
            r#""""#,
            r#""${aws:iot:parameter:runAsUser}""#,
            r#""\u0024{aws:iot:parameter:x}""#,
        ] {
            let text = format!(r#"{{"path":{value}}}"#);
            assert!(
                document(&text).optional("path").unwrap().is_none(),
                "{value}"
            );
            assert_eq!(
                document(&text).member("path").unwrap_err(),
                DocumentError::Missing { member: "path" }
            );
        }
    }

    #[test]
    fn a_text_that_only_begins_like_a_parameter_is_set() {
        for value in ["${aws:iot:parameter:x}/bin", "${aws:iot:parameter:x", "0"] {
            let text = format!(r#"{{"path":"{value}"}}"#);
            assert!(
                document(&text).optional("path").unwrap().is_some(),
                "{value}"
            );
        }
    }

    #[test]
    fn an_empty_element_of_an_array_is_kept() {
        let document = document(r#"{"args":["","b"]}"#);
        let args: Vec<String> = document
            .member("args")
            .unwrap()
            .elements()
            .unwrap()
            .map(|arg| arg.text().unwrap().to_string())
            .collect();
        assert_eq!(args, ["", "b"]);
    }

    #[test]
    fn a_number_is_whole_and_not_negative() {
        let document = document(r#"{"a":7e2,"b":-1,"c":1.5,"d":"7"}"#);
        assert_eq!(document.member("a").unwrap().u64(), Ok(700));
        for member in ["b", "c"] {
            assert_eq!(
                document.member(member).unwrap().u64(),
                Err(DocumentError::Number { member })
            );
        }
        assert_eq!(
            document.member("d").unwrap().u64(),
            Err(DocumentError::Type {
                member: "d",
                expected: Kind::Number
            })
        );
    }

    #[test]
    fn a_truth_value_may_be_spelled_as_a_string() {
        let document = document(r#"{"a":true,"b":"false","c":"yes"}"#);
        assert_eq!(document.member("a").unwrap().bool(), Ok(true));
        assert_eq!(document.member("b").unwrap().bool(), Ok(false));
        assert!(matches!(
            document.member("c").unwrap().bool(),
            Err(DocumentError::Type { member: "c", .. })
        ));
    }

    #[test]
    fn a_digest_is_read_in_either_case_and_in_no_other_length() {
        let digest = |hex: &str| {
            let text = format!(r#"{{"sha256":"{hex}"}}"#);
            document(&text).member("sha256").unwrap().sha256()
        };
        assert_eq!(digest(&"aB".repeat(32)), Ok([0xAB; 32]));
        for wrong in [
            "ab".repeat(31),
            "ab".repeat(33),
            "g0".repeat(32),
            "é".repeat(64),
        ] {
            assert_eq!(
                digest(&wrong),
                Err(DocumentError::Sha256 { member: "sha256" })
            );
        }
    }

    #[test]
    fn a_url_is_unescaped_before_it_is_parsed() {
        let document = document(r#"{"url":"https:\/\/h\/k?a=1\u0026b=2"}"#);
        let mut buffer = [0; 64];
        let url = document.member("url").unwrap().url(&mut buffer).unwrap();
        assert_eq!(url.reveal(), "https://h/k?a=1&b=2");
    }

    #[test]
    fn a_text_too_long_for_its_buffer_says_how_long_it_is() {
        let document = document(r#"{"name":"\u0061bc"}"#);
        assert_eq!(
            document.member("name").unwrap().str(&mut [0; 2]),
            Err(DocumentError::TooLong {
                member: "name",
                needed: 3,
                limit: 2
            })
        );
    }

    proptest! {
        #[test]
        fn no_document_panics(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..64),
                "[{}\\[\\]\":,]{0,8}(operation|steps|afr_ota|[{}\\[\\]\":, 0-9])*".prop_map(String::into_bytes),
            ],
        ) {
            if let Ok(document) = Document::parse(&bytes) {
                let _ = document.language();
                let _ = document.member("operation").map(|member| (member.sha256(), member.u64(), member.bool()));
            }
        }
    }
}
