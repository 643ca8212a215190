//! Checks a text once, byte by byte and without recursion; then steps over its values.

use super::{DEPTH_MAX, Json, JsonError};

/// What becomes of levels beyond [`DEPTH_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deeper {
    /// The text is refused.
    Refuse,
    /// They are not looked at: only their brackets are counted.
    StepOver,
}

/// Checks that `text` is one value.
pub(super) fn check(text: &str, deeper: Deeper) -> Result<Json<'_>, JsonError> {
    let mut scanner = Scanner {
        text,
        at: 0,
        base: 0,
    };
    scanner.skip_blanks();
    let start = scanner.at;
    scanner.check_value(deeper)?;
    let value = scanner.since(start);
    scanner.skip_blanks();
    match scanner.peek() {
        Some(_) => Err(JsonError::Syntax(scanner.at)),
        None => Ok(value),
    }
}

/// A place in a text: checks what follows once, later steps over it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Where `text` stands in the whole text.
    base: usize,
}

impl<'a> Scanner<'a> {
    /// Behind the bracket that opens `container`.
    pub(super) const fn inside(container: &Json<'a>) -> Self {
        Self {
            text: container.raw,
            at: 1,
            base: container.start,
        }
    }

    /// The value between `start` and here.
    fn since(&self, start: usize) -> Json<'a> {
        Json {
            raw: self.text.get(start..self.at).unwrap_or_default(),
            start: self.base + start,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self) -> Result<u8, JsonError> {
        let byte = self.peek().ok_or(JsonError::Incomplete)?;
        self.at += 1;
        Ok(byte)
    }

    fn take_if(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), JsonError> {
        match self.take()? {
            byte if byte == wanted => Ok(()),
            _ => Err(self.syntax_before()),
        }
    }

    fn syntax_before(&self) -> JsonError {
        JsonError::Syntax(self.at.saturating_sub(1))
    }

    fn skip_while(&mut self, class: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|&byte| !class(byte))
            .unwrap_or(rest.len());
        self.at += len;
        len
    }

    /// Steps over the part of a string that says what it spells, a word at a time: strings are most of a message.
    fn skip_plain(&mut self) {
        let mut rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        while let Some((word, behind)) = rest.split_first_chunk() {
            match first_special(usize::from_le_bytes(*word)) {
                Some(index) => {
                    self.at += index;
                    return;
                }
                None => {
                    self.at += word.len();
                    rest = behind;
                }
            }
        }
        self.skip_while(|byte| !is_special(byte));
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Checks one value, and stops behind it.
    fn check_value(&mut self, deeper: Deeper) -> Result<(), JsonError> {
        let mut open = Nesting::default();
        loop {
            self.check_opening(&mut open, deeper)?;
            if self.check_closing(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Checks a scalar, or the beginnings of containers up to the first scalar or end.
    fn check_opening(&mut self, open: &mut Nesting, deeper: Deeper) -> Result<(), JsonError> {
        loop {
            self.skip_blanks();
            let opens = matches!(self.peek(), Some(b'{' | b'['));
            if opens && open.is_full() && deeper == Deeper::StepOver {
                return self.skip_value().ok_or(JsonError::Incomplete);
            }
            match self.take()? {
                b'{' => {
                    open.push(true)?;
                    self.skip_blanks();
                    if self.peek() == Some(b'}') {
                        return Ok(());
                    }
                    self.check_name()?;
                }
                b'[' => {
                    open.push(false)?;
                    self.skip_blanks();
                    if self.peek() == Some(b']') {
                        return Ok(());
                    }
                }
                b'"' => return self.check_string(),
                b'-' => {
                    let first = self.take()?;
                    return self.check_number(first);
                }
                first @ b'0'..=b'9' => return self.check_number(first),
                b't' => return self.check_literal(b"rue"),
                b'f' => return self.check_literal(b"alse"),
                b'n' => return self.check_literal(b"ull"),
                _ => return Err(self.syntax_before()),
            }
        }
    }

    /// Behind a value: closes what ends here. Whether the outermost value has ended.
    fn check_closing(&mut self, open: &mut Nesting) -> Result<bool, JsonError> {
        loop {
            let Some(object) = open.innermost() else {
                return Ok(true);
            };
            self.skip_blanks();
            match (self.take()?, object) {
                (b'}', true) | (b']', false) => open.pop(),
                (b',', true) => {
                    self.check_name()?;
                    return Ok(false);
                }
                (b',', false) => return Ok(false),
                _ => return Err(self.syntax_before()),
            }
        }
    }

    fn check_name(&mut self) -> Result<(), JsonError> {
        self.skip_blanks();
        self.expect(b'"')?;
        self.check_string()?;
        self.skip_blanks();
        self.expect(b':')
    }

    fn check_string(&mut self) -> Result<(), JsonError> {
        loop {
            self.skip_plain();
            match self.take()? {
                b'"' => return Ok(()),
                b'\\' => self.check_escape()?,
                _ => return Err(self.syntax_before()),
            }
        }
    }

    fn check_escape(&mut self) -> Result<(), JsonError> {
        match self.take()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    if !self.take()?.is_ascii_hexdigit() {
                        return Err(self.syntax_before());
                    }
                }
                Ok(())
            }
            _ => Err(self.syntax_before()),
        }
    }

    /// Behind the `first` digit.
    fn check_number(&mut self, first: u8) -> Result<(), JsonError> {
        match first {
            b'0' => {}
            b'1'..=b'9' => {
                self.skip_while(|byte| byte.is_ascii_digit());
            }
            _ => return Err(self.syntax_before()),
        }
        if self.take_if(b'.') {
            self.check_digits()?;
        }
        if self.take_if(b'e') || self.take_if(b'E') {
            let _ = self.take_if(b'+') || self.take_if(b'-');
            self.check_digits()?;
        }
        Ok(())
    }

    fn check_digits(&mut self) -> Result<(), JsonError> {
        if self.skip_while(|byte| byte.is_ascii_digit()) > 0 {
            return Ok(());
        }
        self.take()?;
        Err(self.syntax_before())
    }

    fn check_literal(&mut self, rest: &[u8]) -> Result<(), JsonError> {
        rest.iter().try_for_each(|&byte| self.expect(byte))
    }

    /// Steps over the next value of a checked container, past the `,` or `:` before it; none at the container's end.
    pub(super) fn next_value(&mut self) -> Option<Json<'a>> {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':'));
        let start = self.at;
        self.skip_value()?;
        Some(self.since(start))
    }

    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                _ if depth > 0 => self.at += 1,
                _ => {
                    let len =
                        self.skip_while(|byte| !matches!(byte, 0..=b' ' | b',' | b']' | b'}'));
                    if len == 0 {
                        return None;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// On the opening quote.
    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.skip_plain();
            self.at += 1;
            match self.text.as_bytes().get(self.at - 1)? {
                b'"' => return Some(()),
                _ => self.at += 1,
            }
        }
    }
}

/// Whether a string does not simply go on behind this byte.
const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\')
}

/// The first byte of a little-endian `word` that [is special](is_special). ("Bit Twiddling Hacks", S. E. Anderson: a borrow can
/// only mark bytes behind the first one.)
const fn first_special(word: usize) -> Option<usize> {
    const ONES: usize = usize::MAX / 0xFF;
    const HIGHS: usize = ONES * 0x80;
    let quote = word ^ (ONES * b'"' as usize);
    let backslash = word ^ (ONES * b'\\' as usize);
    let below = word.wrapping_sub(ONES * 0x20) & !word
        | quote.wrapping_sub(ONES) & !quote
        | backslash.wrapping_sub(ONES) & !backslash;
    match below & HIGHS {
        0 => None,
        marks => Some((marks.trailing_zeros() / u8::BITS) as usize),
    }
}

/// The containers that are open: a bit each, set for an object.
#[derive(Debug, Default)]
struct Nesting {
    objects: u64,
    depth: usize,
}

impl Nesting {
    const fn is_full(&self) -> bool {
        self.depth == DEPTH_MAX
    }

    fn push(&mut self, object: bool) -> Result<(), JsonError> {
        if self.is_full() {
            return Err(JsonError::TooDeep);
        }
        self.objects = (self.objects << 1) | u64::from(object);
        self.depth += 1;
        Ok(())
    }

    const fn pop(&mut self) {
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether the innermost container is an object, if any is open.
    const fn innermost(&self) -> Option<bool> {
        if self.depth == 0 {
            None
        } else {
            Some(self.objects & 1 == 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_of_a_word_is_found() {
        const LEN: usize = size_of::<usize>();
        for byte in 0..=u8::MAX {
            for neighbour in [0, b'!', b'"', b'#', b'a', 0x7F, 0x80, 0xFF] {
                for place in 0..LEN {
                    let mut word = [b'a'; LEN];
                    word[place..].fill(neighbour);
                    word[place] = byte;
                    assert_eq!(
                        first_special(usize::from_le_bytes(word)),
                        word.iter().position(|&byte| is_special(byte)),
                        "{word:x?}"
                    );
                }
            }
        }
    }
}
