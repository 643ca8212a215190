//! JSON read in place: checked once as a whole, then walked without a tree.
//!
//! [`Json::parse`] is strict (RFC 8259, UTF-8, at most [`DEPTH_MAX`] levels) and is the only way in, so that whoever holds a
//! [`Json`] holds valid text. It never recurses, allocates or copies. Of duplicate members the last one counts, as in most
//! parsers; what must not be ambiguous (a job document) asks [`Object::single`].

use core::fmt;
use core::ops::Range;

/// Most levels of arrays and objects; deeper texts are refused.
pub const DEPTH_MAX: usize = 64;

/// Why bytes are not JSON.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("not UTF-8 at byte {0}")]
    Encoding(usize),
    /// The text ends too early.
    #[error("JSON ends too early")]
    Incomplete,
    /// The grammar forbids what stands there.
    #[error("not JSON at byte {0}")]
    Syntax(usize),
    /// Arrays and objects are nested too deeply.
    #[error("JSON is nested more than 64 levels deep")]
    TooDeep,
}

/// The caller's buffer cannot hold the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("text of {needed} bytes does not fit into {given}")]
pub struct BufferTooSmall {
    /// Bytes needed.
    pub needed: usize,
    /// Bytes given.
    pub given: usize,
}

/// One value that stands in a checked text.
#[derive(Clone, Copy)]
pub struct Json<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `[…]`
    Array,
    /// `true`, `false`
    Bool,
    /// `null`
    Null,
    /// A number.
    Number,
    /// `{…}`
    Object,
    /// A string.
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Array => "an array",
            Self::Bool => "a boolean",
            Self::Null => "null",
            Self::Number => "a number",
            Self::Object => "an object",
            Self::Text => "a string",
        })
    }
}

impl<'a> Json<'a> {
    /// Checks `bytes` as a whole.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let _ = bytes;
        todo!()
    }

    /// The value as it stands in the text.
    pub fn raw(&self) -> &'a str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Where in the bytes given to [`Json::parse`] the value stands.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The value's type.
    pub fn kind(&self) -> Kind {
        todo!()
    }

    /// The value as an object.
    pub fn as_object(&self) -> Option<Object<'a>> {
        todo!()
    }

    /// The elements of the value, an array.
    pub fn as_array(&self) -> Option<Elements<'a>> {
        todo!()
    }

    /// The value as a string.
    pub fn as_text(&self) -> Option<JsonStr<'a>> {
        todo!()
    }

    /// The value as a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        todo!()
    }

    /// The value as a whole number, however it is spelled (`7`, `7.0`, `1.7e9`).
    pub fn as_i64(&self) -> Option<i64> {
        todo!()
    }

    /// The value as a number without its fraction.
    pub fn as_i64_truncated(&self) -> Option<i64> {
        todo!()
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} bytes", self.kind(), self.range().len())
    }
}

/// An object in a checked text.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a>(Json<'a>);

/// An object holds a member more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate;

impl<'a> Object<'a> {
    /// The object as a value.
    pub fn json(&self) -> Json<'a> {
        self.0
    }

    /// The members in the order of the text.
    pub fn members(&self) -> Members<'a> {
        todo!()
    }

    /// The member of that name; the last one if there are several.
    pub fn member(&self, name: &str) -> Option<Json<'a>> {
        let _ = name;
        todo!()
    }

    /// The only member of that name.
    pub fn single(&self, name: &str) -> Result<Option<Json<'a>>, Duplicate> {
        let _ = name;
        todo!()
    }
}

/// The members of an object, in the order of the text.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    rest: Json<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (JsonStr<'a>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.rest;
        todo!()
    }
}

/// The elements of an array, in the order of the text.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: Json<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.rest;
        todo!()
    }
}

/// A string in a checked text, its escapes not yet resolved. Compares with text by what it says, not how it is spelled.
#[derive(Clone, Copy)]
pub struct JsonStr<'a>(&'a str);

impl<'a> JsonStr<'a> {
    /// The string itself if it is spelled without escapes.
    pub fn as_plain(&self) -> Option<&'a str> {
        todo!()
    }

    /// What the string says. A lone surrogate becomes U+FFFD.
    pub fn chars(&self) -> Chars<'a> {
        todo!()
    }

    /// What the string says, in `buffer`.
    pub fn write_into<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall> {
        let _ = buffer;
        todo!()
    }

    /// What the string says: borrowed if it is spelled without escapes, else written into `buffer`.
    pub fn resolve<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall>
    where
        'a: 'b,
    {
        let _ = buffer;
        todo!()
    }

    /// Whether the string says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq<str> for JsonStr<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl fmt::Display for JsonStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl fmt::Debug for JsonStr<'_> {
    /// Strings of a message may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text of {} bytes", self.0.len())
    }
}

/// The characters of a [`JsonStr`].
#[derive(Debug, Clone)]
pub struct Chars<'a> {
    rest: core::str::Chars<'a>,
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let _ = &self.rest;
        todo!()
    }
}
