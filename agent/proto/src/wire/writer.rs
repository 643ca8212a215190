//! Writes one JSON object into the caller's buffer, and counts on where the buffer ends.

use core::num::NonZeroU16;

use crate::division::divide;
use crate::json::BufferTooSmall;

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Digits of the longest number.
const DIGITS_MAX: usize = 20;
const TEN: NonZeroU16 = NonZeroU16::new(10).unwrap();

pub(super) struct ObjectWriter<'a> {
    buffer: &'a mut [u8],
    len: usize,
    /// What stands before the next member: the object's bracket, or a comma.
    before: u8,
}

impl<'a> ObjectWriter<'a> {
    pub(super) const fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            len: 0,
            before: b'{',
        }
    }

    /// A string that needs no escapes.
    pub(super) fn word(&mut self, name: &str, value: &str) {
        self.name(name);
        self.enclosed(value);
    }

    pub(super) fn number(&mut self, name: &str, value: i64) {
        self.name(name);
        if value < 0 {
            self.byte(b'-');
        }
        let mut digits = [0; DIGITS_MAX];
        let mut rest = value.unsigned_abs();
        let mut start = digits.len();
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            let (tens, ones) = divide(rest, TEN);
            let [_, ones] = ones.to_be_bytes();
            *digit = b'0' + ones;
            rest = tens;
            start = index;
            if rest == 0 {
                break;
            }
        }
        self.bytes(digits.get(start..).unwrap_or_default());
    }

    pub(super) fn bool(&mut self, name: &str, value: bool) {
        self.name(name);
        self.bytes(if value { b"true" } else { b"false" });
    }

    /// An object of strings.
    pub(super) fn texts<'t>(
        &mut self,
        name: &str,
        pairs: impl Iterator<Item = (&'t str, &'t str)>,
    ) {
        self.name(name);
        self.before = b'{';
        for (name, value) in pairs {
            self.name(name);
            self.quoted(value);
        }
        self.close();
    }

    /// The length written.
    pub(super) fn finish(mut self) -> Result<usize, BufferTooSmall> {
        self.close();
        if self.len > self.buffer.len() {
            return Err(BufferTooSmall {
                needed: self.len,
                given: self.buffer.len(),
            });
        }
        Ok(self.len)
    }

    /// Names need no escapes: they are the protocol's, or keys of details.
    #[inline(never)]
    fn name(&mut self, name: &str) {
        self.byte(self.before);
        self.before = b',';
        self.enclosed(name);
        self.byte(b':');
    }

    #[inline(never)]
    fn enclosed(&mut self, text: &str) {
        self.byte(b'"');
        self.bytes(text.as_bytes());
        self.byte(b'"');
    }

    /// Ends an object, that of the caller or one of `texts`.
    fn close(&mut self) {
        if self.before == b'{' {
            self.byte(b'{');
        }
        self.byte(b'}');
        self.before = b',';
    }

    fn quoted(&mut self, text: &str) {
        self.byte(b'"');
        for &byte in text.as_bytes() {
            match byte {
                b'"' | b'\\' => {
                    self.byte(b'\\');
                    self.byte(byte);
                }
                0..0x20 => {
                    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                    self.bytes(b"\\u00");
                    self.byte(digit(byte >> 4));
                    self.byte(digit(byte & 0xF));
                }
                plain => self.byte(plain),
            }
        }
        self.byte(b'"');
    }

    // Called from everywhere: once is enough.
    #[inline(never)]
    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(place) = self.buffer.get_mut(self.len..end) {
            // Not `copy_from_slice`: it would link a panic that cannot happen.
            for (to, from) in place.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        self.len = end;
    }

    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.buffer.get_mut(self.len) {
            *place = byte;
        }
        self.len = self.len.saturating_add(1);
    }
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
            number: i64,
            pairs in prop::collection::btree_map("[a-zA-Z0-9:_-]{1,9}", any::<String>(), 0..5),
        ) {
            let written = write(|object| {
                object.number("number", number);
                object.texts("pairs", pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            });
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read, serde_json::json!({"number": number, "pairs": pairs}));
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
