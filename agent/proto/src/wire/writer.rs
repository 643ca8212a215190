//! Writes a request into the caller's buffer, and counts on where the buffer ends.
//!
//! Every request ends with its token, so that every member before may bring the comma behind it.

use core::mem;
use core::num::NonZeroU16;
use core::slice;

use crate::division::divide;
use crate::json::BufferTooSmall;
use crate::names::ClientToken;

/// Bytes copied at once.
const WORD: usize = 4;
const TEN: NonZeroU16 = NonZeroU16::new(10).unwrap();

pub(super) struct RequestWriter<'a> {
    /// The room behind what was written.
    free: slice::IterMut<'a, u8>,
    /// Bytes of the buffer at first.
    given: usize,
    /// Bytes written, and those that found no room.
    needed: usize,
}

impl<'a> RequestWriter<'a> {
    pub(super) fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            given: buffer.len(),
            free: buffer.iter_mut(),
            needed: 0,
        }
    }

    /// JSON as it stands: most of a request, and so copied word by word.
    #[inline(never)]
    pub(super) fn text(&mut self, text: &str) {
        let mut free = mem::take(&mut self.free).into_slice();
        let (words, rest) = text.as_bytes().as_chunks::<WORD>();
        for word in words {
            put(&mut free, word);
        }
        for &byte in rest {
            put(&mut free, &[byte]);
        }
        self.free = free.iter_mut();
        self.needed += text.len();
    }

    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.free.next() {
            *place = byte;
        }
        self.needed += 1;
    }

    /// The end of a string, and a comma.
    pub(super) fn end_string(&mut self) {
        self.byte(b'"');
        self.byte(b',');
    }

    /// A member, if it has a value, and a comma.
    #[inline(never)]
    pub(super) fn number(&mut self, name: &str, value: Option<i64>) {
        let Some(value) = value else { return };
        self.text(name);
        if value < 0 {
            self.byte(b'-');
        }
        self.digits(value.unsigned_abs());
        self.byte(b',');
    }

    /// Calls itself for the digits before the last one, 19 times at most.
    fn digits(&mut self, number: u64) {
        let [mut last, ..] = number.to_le_bytes();
        if number > 9 {
            let (before, rest) = divide(number, TEN);
            self.digits(before);
            [last, ..] = rest.to_le_bytes();
        }
        self.byte(b'0' + last);
    }

    /// An object of strings, and a comma, from `key=value` lines: a key needs no escapes, a value holds no controls.
    pub(super) fn strings(&mut self, lines: &str) {
        let mut line = Line::First;
        self.byte(b'{');
        for &byte in lines.as_bytes() {
            line = match (line, byte) {
                (Line::Key, b'=') => {
                    self.text("\":\"");
                    Line::Value
                }
                (Line::Value, b'\n') => {
                    self.byte(b'"');
                    Line::Next
                }
                (Line::First | Line::Next, _) => {
                    self.text(if line == Line::First { "\"" } else { ",\"" });
                    self.byte(byte);
                    Line::Key
                }
                (Line::Key | Line::Value, _) => {
                    if matches!(byte, b'"' | b'\\') {
                        self.byte(b'\\');
                    }
                    self.byte(byte);
                    line
                }
            };
        }
        self.text("},");
    }

    /// Ends the request with its token; the length written.
    #[inline(never)]
    pub(super) fn finish(mut self, token: &ClientToken) -> Result<usize, BufferTooSmall> {
        self.text("\"clientToken\":\"");
        self.text(token.as_str());
        self.byte(b'"');
        self.byte(b'}');
        if self.needed > self.given {
            return Err(BufferTooSmall {
                needed: self.needed,
                given: self.given,
            });
        }
        Ok(self.needed)
    }
}

/// Writes `bytes` where there is room for all of them; if there is none, leaves no room for others.
fn put<const N: usize>(free: &mut &mut [u8], bytes: &[u8; N]) {
    if let Some((place, left)) = mem::take(free).split_first_chunk_mut() {
        *place = *bytes;
        *free = left;
    }
}

/// Where in the lines of details the writer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    First,
    Key,
    Next,
    Value,
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn write(fill: impl FnOnce(&mut RequestWriter<'_>)) -> String {
        let mut buffer = std::vec![0; 4096];
        let mut writer = RequestWriter::new(&mut buffer);
        fill(&mut writer);
        let len = writer.finish(&ClientToken::parse("t").unwrap()).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn strings_are_parted_by_commas() {
        let text = write(|request| {
            request.text("{\"none\":");
            request.strings("");
            request.text("\"some\":");
            request.strings("a=1\nb=2=\n");
        });
        assert_eq!(
            text,
            r#"{"none":{},"some":{"a":"1","b":"2="},"clientToken":"t"}"#
        );
    }

    #[test]
    fn a_buffer_that_is_too_small_is_told_how_much_is_needed() {
        let mut buffer = [0; 7];
        let mut writer = RequestWriter::new(&mut buffer);
        writer.text("{");
        writer.number("\"a\":", Some(12));
        assert_eq!(
            writer.finish(&ClientToken::parse("t").unwrap()),
            Err(BufferTooSmall {
                needed: 26,
                given: 7
            })
        );
    }

    proptest! {
        #[test]
        fn serde_json_reads_back_what_we_wrote(
            number: i64,
            pairs in prop::collection::btree_map("[a-zA-Z0-9:_-]{1,9}", "[^\\pC]{0,9}", 0..5),
        ) {
            let lines: String = pairs.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
            let written = write(|request| {
                request.text("{");
                request.number("\"number\":", Some(number));
                request.text("\"pairs\":");
                request.strings(&lines);
            });
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(
                read,
                serde_json::json!({"number": number, "pairs": pairs, "clientToken": "t"})
            );
        }
    }

    #[test]
    fn the_extremes_of_a_number_are_written_whole() {
        let numbers: Vec<_> = [i64::MIN, 0, i64::MAX]
            .map(|number| write(|request| request.number("{\"n\":", Some(number))))
            .into();
        assert_eq!(
            numbers,
            [
                r#"{"n":-9223372036854775808,"clientToken":"t"}"#,
                r#"{"n":0,"clientToken":"t"}"#,
                r#"{"n":9223372036854775807,"clientToken":"t"}"#
            ]
        );
    }
}
