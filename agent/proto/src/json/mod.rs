//! JSON read in place: checked once as a whole, then walked without a tree.
//!
//! [`Json::parse`] is strict (RFC 8259, UTF-8, at most [`DEPTH_MAX`] levels), so that whoever holds a [`Json`] holds valid text.
//! A message is checked as strictly down to that level, and what is deeper is stepped over: it must be read, and answered, whatever
//! the document is that it carries. Nothing recurses, allocates or copies. Of duplicate members the last one counts, as in most
//! parsers; what must not be ambiguous (a job document) asks [`Object::single`].

use core::fmt;
use core::ops::Range;

pub use text::{BufferTooSmall, JsonStr};

use number::number;
use scan::{Deeper, Picks, Scanner};

mod number;
mod scan;
mod text;

/// Most levels of arrays and objects; deeper texts are refused, or not looked at.
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

/// One value that stands in a checked text.
#[derive(Clone, Copy)]
pub struct Json<'a> {
    /// The value as it stands, without blanks around it.
    raw: &'a str,
    /// Where it stands in the whole text.
    start: usize,
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
        Self::parse_into(bytes, Deeper::Refuse, &[], &mut [])
    }

    /// Checks `bytes` down to [`DEPTH_MAX`] levels and, in the same walk, finds the members of these names; of duplicates the last
    /// ones.
    ///
    /// What is nested deeper is not checked and must not be walked: hand on its [`Json::range`] to [`Json::parse`].
    pub(crate) fn parse_envelope<const N: usize>(
        bytes: &'a [u8],
        names: &[&str; N],
    ) -> Result<(Self, [Option<Self>; N]), JsonError> {
        let mut found = [None; N];
        let value = Self::parse_into(bytes, Deeper::StepOver, names, &mut found)?;
        Ok((value, found))
    }

    // Apart, so that its code exists once and not for every N.
    fn parse_into(
        bytes: &'a [u8],
        deeper: Deeper,
        names: &[&str],
        found: &mut [Option<Self>],
    ) -> Result<Self, JsonError> {
        let text = core::str::from_utf8(bytes)
            .map_err(|error| JsonError::Encoding(error.valid_up_to()))?;
        scan::check(text, deeper, &mut Picks { names, found })
    }

    /// The value as it stands in the text.
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// Where in the bytes given to [`Json::parse`] the value stands.
    pub const fn range(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }

    /// The value's type.
    pub fn kind(&self) -> Kind {
        match self.raw.as_bytes().first() {
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The value as an object.
    pub fn as_object(&self) -> Option<Object<'a>> {
        (self.kind() == Kind::Object).then_some(Object(*self))
    }

    /// The elements of the value, an array.
    pub fn as_array(&self) -> Option<Elements<'a>> {
        (self.kind() == Kind::Array).then(|| Elements(Scanner::inside(self)))
    }

    /// The value as a string.
    pub fn as_text(&self) -> Option<JsonStr<'a>> {
        let inner = self.raw.strip_prefix('"')?.strip_suffix('"')?;
        Some(JsonStr(inner))
    }

    /// The value as a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self.raw {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The value as a whole number, however it is spelled (`7`, `7.0`, `1.7e9`).
    pub fn as_i64(&self) -> Option<i64> {
        number(self.raw)
            .filter(|number| number.exact)
            .map(|number| number.whole)
    }

    /// The value as a number without its fraction.
    pub fn as_i64_truncated(&self) -> Option<i64> {
        number(self.raw).map(|number| number.whole)
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
        Members(Scanner::inside(&self.0))
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        Scanner::inside(&self.0).is_at_end()
    }

    /// The member of that name; the last one if there are several.
    pub fn member(&self, name: &str) -> Option<Json<'a>> {
        let [found] = self.pick(&[name]);
        found
    }

    /// The members of these names, found in one walk.
    pub fn pick<const N: usize>(&self, names: &[&str; N]) -> [Option<Json<'a>>; N] {
        let mut found = [None; N];
        let mut picks = Picks {
            names,
            found: &mut found,
        };
        scan::pick(&self.0, &mut picks);
        found
    }

    /// The only member of that name.
    pub fn single(&self, name: &str) -> Result<Option<Json<'a>>, Duplicate> {
        let mut found = self.named(name);
        let first = found.next();
        match found.next() {
            Some(_) => Err(Duplicate),
            None => Ok(first),
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = Json<'a>> {
        self.members()
            .filter(move |(found, _)| *found == *name)
            .map(|(_, value)| value)
    }
}

/// The members of an object, in the order of the text.
#[derive(Debug, Clone)]
pub struct Members<'a>(Scanner<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (JsonStr<'a>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.next_value()?.as_text()?;
        let value = self.0.next_value()?;
        Some((name, value))
    }
}

/// The elements of an array, in the order of the text.
#[derive(Debug, Clone)]
pub struct Elements<'a>(Scanner<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_value()
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;
    use std::{format, vec};

    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Json<'_> {
        Json::parse(text.as_bytes()).unwrap()
    }

    fn error(text: &str) -> JsonError {
        Json::parse(text.as_bytes()).unwrap_err()
    }

    /// What the text says, rebuilt through our own views.
    fn rebuild(json: Json<'_>) -> serde_json::Value {
        match json.kind() {
            Kind::Array => json.as_array().unwrap().map(rebuild).collect(),
            Kind::Bool => json.as_bool().unwrap().into(),
            Kind::Null => serde_json::Value::Null,
            Kind::Number => json.raw().parse::<serde_json::Number>().unwrap().into(),
            Kind::Object => json
                .as_object()
                .unwrap()
                .members()
                .map(|(name, value)| (name.to_string(), rebuild(value)))
                .collect(),
            Kind::Text => json.as_text().unwrap().to_string().into(),
        }
    }

    #[test]
    fn members_are_found_whatever_stands_before_them() {
        let text = r#" {"a":{"b":[1,{"c":"}]"}]},"d":"\"","e":-1.5e3 , "f" : null} "#;
        let object = json(text).as_object().unwrap();
        assert_eq!(object.member("d").unwrap().raw(), r#""\"""#);
        assert_eq!(object.member("e").unwrap().as_i64(), Some(-1500));
        assert_eq!(object.member("f").unwrap().kind(), Kind::Null);
        assert!(object.member("b").is_none());
    }

    #[test]
    fn a_value_knows_where_it_stands_in_the_payload() {
        let payload = br#"{"a":1, "doc" : {"x":[ ]} }"#;
        let value = Json::parse(payload)
            .unwrap()
            .as_object()
            .unwrap()
            .member("doc")
            .unwrap();
        assert_eq!(&payload[value.range()], br#"{"x":[ ]}"#);
    }

    #[test]
    fn of_duplicate_members_the_last_counts() {
        let object = json(r#"{"a":1,"a":2}"#).as_object().unwrap();
        assert_eq!(object.member("a").unwrap().as_i64(), Some(2));
        assert_eq!(object.single("a").unwrap_err(), Duplicate);
    }

    #[test]
    fn a_member_is_found_by_what_its_name_says() {
        let object = json(r#"{"\u0061b":1,"ab":2}"#).as_object().unwrap();
        assert_eq!(object.single("ab").unwrap_err(), Duplicate);
    }

    #[test]
    fn empty_containers_have_nothing_in_them() {
        assert!(json("{ }").as_object().unwrap().is_empty());
        assert_eq!(json("[\n]").as_array().unwrap().count(), 0);
    }

    #[test]
    fn what_the_grammar_forbids_is_refused_where_it_stands() {
        let wrong = [
            ("[1,]", 3),
            ("{\"a\" 1}", 5),
            ("{\"a\":1,}", 7),
            ("{a:1}", 1),
            ("[1}", 2),
            ("01", 1),
            ("+1", 0),
            ("1.x", 2),
            ("-x", 1),
            ("nul!", 3),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 5),
            ("\"\n\"", 1),
            ("{} {}", 3),
            ("NaN", 0),
            ("\u{feff}{}", 0),
        ];
        for (text, at) in wrong {
            assert_eq!(error(text), JsonError::Syntax(at), "{text}");
        }
    }

    #[test]
    fn a_text_that_ends_too_early_is_incomplete() {
        for text in [
            "", " ", "{", "[1", "{\"a\":", "\"a", "\"\\", "-", "1.", "1e", "tru",
        ] {
            assert_eq!(error(text), JsonError::Incomplete, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(
            Json::parse(b"\"\xff\"").unwrap_err(),
            JsonError::Encoding(1)
        );
    }

    #[test]
    fn the_depth_is_limited_and_its_last_level_is_usable() {
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(error(&nested(DEPTH_MAX + 1)), JsonError::TooDeep);
    }

    #[test]
    fn an_envelope_carries_a_value_of_any_depth() {
        let deep = format!("{}{{\"]\":1}}{}", "[".repeat(10_000), "]".repeat(10_000));
        let text = format!(r#"{{"a":{deep},"b":2}}"#);

        let (object, [a, b]) = Json::parse_envelope(text.as_bytes(), &["a", "b"]).unwrap();

        assert_eq!((a.unwrap().raw(), b.unwrap().raw()), (deep.as_str(), "2"));
        let object = object.as_object().unwrap();
        assert_eq!(object.member("a").unwrap().raw(), deep);
        assert_eq!(object.member("b").unwrap().raw(), "2");
    }

    #[test]
    fn an_envelope_is_checked_down_to_the_limit_and_must_be_closed_below() {
        let envelope = |text: &str| Json::parse_envelope(text.as_bytes(), &[]).map(drop);
        let nested = |depth, inner| format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
        let at_limit = nested(DEPTH_MAX - 1, "[x]");
        assert!(matches!(envelope(&at_limit), Err(JsonError::Syntax(_))));
        let open = "[".repeat(DEPTH_MAX * 2);
        assert_eq!(envelope(&open), Err(JsonError::Incomplete));
        let below = nested(DEPTH_MAX + 1, "x\u{1}");
        assert_eq!(envelope(&below), Ok(()));
    }

    #[test]
    fn a_text_in_debug_output_shows_nothing_of_itself() {
        let text = format!("{:?}", json(r#""secret""#).as_text().unwrap());
        assert_eq!(text, "text of 6 bytes");
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    /// Text that is nearly JSON.
    fn near_json() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\\u00e9",
            "\\ud83d",
            "\\udE00",
            "a",
            "0",
            "1",
            "-",
            ".",
            "e",
            "E",
            "+",
            "true",
            "false",
            "null",
            " ",
            "\n",
            "\u{1}",
            "\"k\":",
            "é",
            "{\"a\":1}",
        ]);
        prop::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_says_the_same_to_us(value in any_json(), pretty: bool) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert_eq!(rebuild(json(&text)), serde_json::from_str::<serde_json::Value>(&text).unwrap());
        }

        #[test]
        fn we_take_exactly_the_texts_that_serde_json_takes(text in near_json()) {
            let oracle = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(Json::parse(text.as_bytes()).is_ok(), oracle, "{}", text);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(json) = Json::parse(&bytes) {
                let _ = rebuild(json);
            }
        }

        #[test]
        fn whole_numbers_are_read_as_serde_json_reads_them(number: i64) {
            prop_assert_eq!(json(&number.to_string()).as_i64(), Some(number));
        }
    }

    #[test]
    fn elements_are_walked_in_order() {
        let numbers: Vec<_> = json("[1 ,2,\t3]")
            .as_array()
            .unwrap()
            .filter_map(|value| value.as_i64())
            .collect();
        assert_eq!(numbers, [1, 2, 3]);
    }
}
