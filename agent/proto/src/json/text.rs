//! The strings of a checked text, and their escapes.

use core::fmt;

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
        self.pieces().flat_map(|piece| {
            let (plain, resolved) = match piece {
                Piece::Plain(plain) => (plain, None),
                Piece::Resolved(c) => ("", Some(c)),
            };
            plain.chars().chain(resolved)
        })
    }

    /// What the string says, in `buffer`.
    pub fn write_into<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall> {
        let given = buffer.len();
        let mut needed = 0;
        for piece in self.pieces() {
            let mut utf8 = [0; 4];
            let text = match piece {
                Piece::Plain(plain) => plain,
                Piece::Resolved(c) => c.encode_utf8(&mut utf8),
            };
            let end = needed + text.len();
            if let Some(place) = buffer.get_mut(needed..end) {
                for (to, from) in place.iter_mut().zip(text.bytes()) {
                    *to = from;
                }
            }
            needed = end;
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

    const fn pieces(&self) -> Pieces<'a> {
        Pieces { rest: self.0 }
    }
}

impl PartialEq<str> for JsonStr<'_> {
    fn eq(&self, other: &str) -> bool {
        let mut rest = other;
        for piece in self.pieces() {
            let behind = match piece {
                Piece::Plain(plain) => rest.strip_prefix(plain),
                Piece::Resolved(c) => rest.strip_prefix(c),
            };
            match behind {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

impl fmt::Display for JsonStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().try_for_each(|piece| match piece {
            Piece::Plain(plain) => f.write_str(plain),
            Piece::Resolved(c) => fmt::Write::write_char(f, c),
        })
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

/// A part of a string.
enum Piece<'a> {
    /// Says what it spells.
    Plain(&'a str),
    /// What an escape says.
    Resolved(char),
}

struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(escape) = self.rest.strip_prefix('\\') {
            let (c, rest) = resolve(escape)?;
            self.rest = rest;
            return Some(Piece::Resolved(c));
        }
        let backslash = self.rest.bytes().position(|byte| byte == b'\\');
        let end = backslash.unwrap_or(self.rest.len());
        let (plain, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!plain.is_empty()).then_some(Piece::Plain(plain))
    }
}

/// What an escape says, from behind its backslash, and what follows it.
fn resolve(escape: &str) -> Option<(char, &str)> {
    let (letter, rest) = escape.split_at_checked(1)?;
    let c = match letter {
        "b" => '\u{8}',
        "f" => '\u{c}',
        "n" => '\n',
        "r" => '\r',
        "t" => '\t',
        "u" => return resolve_unicode(rest),
        itself => itself.chars().next()?,
    };
    Some((c, rest))
}

fn resolve_unicode(digits: &str) -> Option<(char, &str)> {
    let (unit, rest) = code_unit(digits)?;
    if (0xD800..0xDC00).contains(&unit)
        && let Some((low, rest)) = rest.strip_prefix("\\u").and_then(code_unit)
        && (0xDC00..0xE000).contains(&low)
    {
        let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        return Some((char::from_u32(code)?, rest));
    }
    Some((
        char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
        rest,
    ))
}

fn code_unit(digits: &str) -> Option<(u32, &str)> {
    let (digits, rest) = digits.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
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
