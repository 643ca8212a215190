//! Writes one JSON object into the caller's buffer, and counts on where the buffer ends.

use crate::json::BufferTooSmall;

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Digits of the longest number.
const DIGITS_MAX: usize = 20;

pub(super) struct ObjectWriter<'a> {
    buffer: &'a mut [u8],
    len: usize,
    /// Whether the next member is the first of its object.
    first: bool,
}

impl<'a> ObjectWriter<'a> {
    pub(super) fn new(buffer: &'a mut [u8]) -> Self {
        let mut writer = Self {
            buffer,
            len: 0,
            first: true,
        };
        writer.raw(b"{");
        writer
    }

    /// A string that may hold anything.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A string that needs no escapes.
    pub(super) fn word(&mut self, name: &str, value: &str) {
        self.name(name);
        self.raw(b"\"");
        self.raw(value.as_bytes());
        self.raw(b"\"");
    }

    pub(super) fn number(&mut self, name: &str, value: i64) {
        self.name(name);
        if value < 0 {
            self.raw(b"-");
        }
        let mut digits = [0; DIGITS_MAX];
        let mut rest = value.unsigned_abs();
        let mut start = digits.len();
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            start = index;
            if rest == 0 {
                break;
            }
        }
        self.raw(digits.get(start..).unwrap_or_default());
    }

    pub(super) fn bool(&mut self, name: &str, value: bool) {
        self.name(name);
        self.raw(if value { b"true" } else { b"false" });
    }

    /// An object of strings.
    pub(super) fn texts<'t>(
        &mut self,
        name: &str,
        pairs: impl Iterator<Item = (&'t str, &'t str)>,
    ) {
        self.name(name);
        self.raw(b"{");
        self.first = true;
        for (name, value) in pairs {
            self.text(name, value);
        }
        self.raw(b"}");
        self.first = false;
    }

    /// The length written.
    pub(super) fn finish(mut self) -> Result<usize, BufferTooSmall> {
        self.raw(b"}");
        if self.len > self.buffer.len() {
            return Err(BufferTooSmall {
                needed: self.len,
                given: self.buffer.len(),
            });
        }
        Ok(self.len)
    }

    /// Names need no escapes: they are the protocol's, or keys of details.
    fn name(&mut self, name: &str) {
        self.raw(if self.first { b"\"" } else { b",\"" });
        self.first = false;
        self.raw(name.as_bytes());
        self.raw(b"\":");
    }

    fn quoted(&mut self, text: &str) {
        self.raw(b"\"");
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|&byte| needs_escape(byte)) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
            self.raw(plain);
            rest = match special.split_first() {
                Some((&byte, rest)) => {
                    self.escape(byte);
                    rest
                }
                None => special,
            };
        }
        self.raw(rest);
        self.raw(b"\"");
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' => self.raw(b"\\\""),
            b'\\' => self.raw(b"\\\\"),
            control => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                self.raw(b"\\u00");
                self.raw(&[digit(control >> 4), digit(control & 0xF)]);
            }
        }
    }

    // Called from everywhere: once is enough.
    #[inline(never)]
    fn raw(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(place) = self.buffer.get_mut(self.len..end) {
            // Not `copy_from_slice`: it would link a panic that cannot happen.
            for (to, from) in place.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        self.len = end;
    }
}

const fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn write(fill: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
        let mut buffer = std::vec![0; 4096];
        let mut writer = ObjectWriter::new(&mut buffer);
        fill(&mut writer);
        let len = writer.finish().unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn members_are_parted_by_commas_at_every_level() {
        let text = write(|object| {
            object.texts("none", core::iter::empty());
            object.texts("some", [("a", "1"), ("b", "2")].into_iter());
            object.bool("c", true);
        });
        assert_eq!(text, r#"{"none":{},"some":{"a":"1","b":"2"},"c":true}"#);
    }

    #[test]
    fn a_buffer_that_is_too_small_is_told_how_much_is_needed() {
        let mut buffer = [0; 7];
        let mut writer = ObjectWriter::new(&mut buffer);
        writer.number("a", 12);
        assert_eq!(
            writer.finish(),
            Err(BufferTooSmall {
                needed: 8,
                given: 7
            })
        );
    }

    proptest! {
        #[test]
        fn serde_json_reads_back_what_we_wrote(
            text: String,
            number: i64,
            pairs in prop::collection::btree_map("[a-zA-Z0-9:_-]{1,9}", any::<String>(), 0..5),
        ) {
            let written = write(|object| {
                object.text("text", &text);
                object.number("number", number);
                object.texts("pairs", pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            });
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read, serde_json::json!({"text": text, "number": number, "pairs": pairs}));
        }
    }

    #[test]
    fn the_extremes_of_a_number_are_written_whole() {
        let numbers: Vec<_> = [i64::MIN, 0, i64::MAX]
            .map(|number| write(|object| object.number("n", number)))
            .into();
        assert_eq!(
            numbers,
            [
                r#"{"n":-9223372036854775808}"#,
                r#"{"n":0}"#,
                r#"{"n":9223372036854775807}"#
            ]
        );
    }
}
