//! The strings of a checked text, and their escapes.

use core::{fmt, iter, slice};

/// A string in a checked text, its escapes not yet resolved. Compares with text by what it says, not how it is spelled.
#[derive(Clone, Copy)]
pub struct JsonStr<'a>(pub(super) &'a str);

impl<'a> JsonStr<'a> {
    /// The string itself if it is spelled without escapes.
    pub fn as_plain(&self) -> Option<&'a str> {
        let escaped = self.0.bytes().any(|byte| byte == b'\\');
        (!escaped).then_some(self.0)
    }

    /// What the string says. A lone surrogate becomes U+FFFD.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        let mut rest = self.0;
        iter::from_fn(move || {
            let first = rest.chars().next()?;
            let mut behind = rest.get(first.len_utf8()..)?.as_bytes().iter();
            let says = match first {
                '\\' => resolve(&mut behind)?,
                itself => itself,
            };
            rest = rest.get(rest.len() - behind.len()..)?;
            Some(says)
        })
    }

    /// What the string says, in `buffer`.
    pub fn write_into<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall> {
        let given = buffer.len();
        let mut needed = 0;
        for byte in self.bytes() {
            if let Some(place) = buffer.get_mut(needed) {
                *place = byte;
            }
            needed += 1;
        }
        let written = buffer
            .get(..needed)
            .ok_or(BufferTooSmall { needed, given })?;
        Ok(str::from_utf8(written).unwrap_or_default())
    }

    /// What the string says: borrowed if it is spelled without escapes, else written into `buffer`.
    pub fn resolve<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall>
    where
        'a: 'b,
    {
        match self.as_plain() {
            Some(plain) => Ok(plain),
            None => self.write_into(buffer),
        }
    }

    /// Whether the string says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The UTF-8 of what the string says.
    fn bytes(&self) -> Bytes<'a> {
        Bytes {
            rest: self.0.as_bytes().iter(),
            resolved: 0,
        }
    }
}

impl PartialEq<str> for JsonStr<'_> {
    fn eq(&self, other: &str) -> bool {
        self.bytes().eq(other.bytes())
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

/// The caller's buffer cannot hold the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("text of {needed} bytes does not fit into {given}")]
pub struct BufferTooSmall {
    /// Bytes needed.
    pub needed: usize,
    /// Bytes given.
    pub given: usize,
}

/// The UTF-8 of a string, its escapes resolved.
struct Bytes<'a> {
    rest: slice::Iter<'a, u8>,
    /// What is left of an escape's UTF-8, the next byte lowest. Only its first byte, which never waits here, can be zero.
    resolved: u32,
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    // Called from everywhere: once is enough.
    #[inline(never)]
    fn next(&mut self) -> Option<u8> {
        if self.resolved == 0 {
            let &byte = self.rest.next()?;
            if byte != b'\\' {
                return Some(byte);
            }
            let mut utf8 = [0; 4];
            resolve(&mut self.rest)?.encode_utf8(&mut utf8);
            self.resolved = u32::from_le_bytes(utf8);
        }
        let [byte, ..] = self.resolved.to_le_bytes();
        self.resolved >>= u8::BITS;
        Some(byte)
    }
}

/// What an escape says, from behind its backslash.
fn resolve(rest: &mut slice::Iter<'_, u8>) -> Option<char> {
    Some(match rest.next()? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return resolve_unicode(rest),
        &itself => itself.into(),
    })
}

fn resolve_unicode(rest: &mut slice::Iter<'_, u8>) -> Option<char> {
    let mut unit = code_unit(rest)?;
    if (0xD800..0xDC00).contains(&unit) {
        let mut ahead = rest.clone();
        if ahead.next() == Some(&b'\\')
            && ahead.next() == Some(&b'u')
            && let Some(low @ 0xDC00..0xE000) = code_unit(&mut ahead)
        {
            *rest = ahead;
            unit = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
}

#[inline(never)]
fn code_unit(digits: &mut slice::Iter<'_, u8>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit << 4 | char::from(*digits.next()?).to_digit(16)?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use proptest::prelude::*;

    use super::super::Json;
    use super::*;

    fn text(json: &str) -> JsonStr<'_> {
        Json::parse(json.as_bytes()).unwrap().as_text().unwrap()
    }

    #[test]
    fn a_presigned_url_is_unescaped() {
        let url = text(r#""https:\/\/b.s3.amazonaws.com\/k?X-Amz-Date=1\u0026X-Amz-Expires=60""#);
        assert_eq!(
            url.to_string(),
            "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Expires=60"
        );
    }

    #[test]
    fn a_surrogate_pair_is_one_character() {
        assert_eq!(text(r#""\uD83D\uDE00!""#).to_string(), "😀!");
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character() {
        assert_eq!(text(r#""\ud83dx""#).to_string(), "\u{fffd}x");
        assert_eq!(text(r#""\ude00""#).to_string(), "\u{fffd}");
        assert_eq!(text(r#""\ud83d\u0041""#).to_string(), "\u{fffd}A");
        assert_eq!(text(r#""\ud83d\n""#).to_string(), "\u{fffd}\n");
    }

    #[test]
    fn a_buffer_of_exactly_the_length_is_enough() {
        let word = text(r#""\u00e9t\u00e9""#);
        assert_eq!(word.write_into(&mut [0; 5]), Ok("été"));
        assert_eq!(
            word.write_into(&mut [0; 4]),
            Err(BufferTooSmall {
                needed: 5,
                given: 4
            })
        );
    }

    #[test]
    fn a_plain_string_needs_no_buffer() {
        assert_eq!(text(r#""été""#).resolve(&mut []), Ok("été"));
    }

    #[test]
    fn strings_compare_by_what_they_say() {
        assert!(text(r#""a\u0062""#) == *"ab");
        assert!(text(r#""ab""#) != *"abc");
    }

    proptest! {
        #[test]
        fn unescaping_is_the_inverse_of_serde_jsons_escaping(original: String) {
            let json = serde_json::to_string(&original).unwrap();
            prop_assert_eq!(text(&json).to_string(), original);
        }

        #[test]
        fn unescaping_equals_serde_jsons(inner in r#"(\\[bfnrt"/\\]|\\u[0-9a-cA-Ce-fE-F][0-9a-fA-F]{3}|\\ud83d\\ude0[0-9a-f]|[a-zé ])*"#) {
            let json = std::format!("\"{inner}\"");
            let oracle: String = serde_json::from_str(&json).unwrap();
            let mut buffer = std::vec![0; oracle.len()];
            prop_assert_eq!(text(&json).write_into(&mut buffer), Ok(oracle.as_str()));
        }
    }
}
