//! Checks a text byte by byte and without recursion, and picks members of its outermost object on the way.

use core::slice;

use super::{DEPTH_MAX, Json, JsonError, JsonStr};

/// What becomes of levels beyond [`DEPTH_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deeper {
    /// The text is refused.
    Refuse,
    /// They are not looked at: only their brackets and strings are.
    StepOver,
}

/// Checks that `text` is one value, and shows `picks` its members.
pub(super) fn check<'a>(
    text: &'a str,
    deeper: Deeper,
    picks: &mut Picks<'_, 'a>,
) -> Result<Json<'a>, JsonError> {
    let mut scanner = Scanner::new(text, 0);
    scanner.skip_blanks();
    let start = scanner.at();
    if let Err(fault) = scanner.check_value(DEPTH_MAX, deeper, picks) {
        return Err(match fault {
            Fault::Incomplete => JsonError::Incomplete,
            Fault::Syntax => JsonError::Syntax(scanner.at().saturating_sub(1)),
            Fault::TooDeep => JsonError::TooDeep,
        });
    }
    let value = scanner.since(start);
    scanner.skip_blanks();
    match scanner.peek() {
        Some(_) => Err(JsonError::Syntax(scanner.at())),
        None => Ok(value),
    }
}

/// Shows `picks` the members of a checked object.
pub(super) fn pick<'a>(object: &Json<'a>, picks: &mut Picks<'_, 'a>) {
    let walked = Scanner::new(object.raw, object.start).check_value(1, Deeper::StepOver, picks);
    debug_assert!(walked.is_ok(), "what was checked passes again");
}

/// Names of members, and where those found go; of duplicates the last one stays.
pub(super) struct Picks<'p, 'a> {
    pub(super) names: &'p [&'p str],
    pub(super) found: &'p mut [Option<Json<'a>>],
}

impl<'a> Picks<'_, 'a> {
    #[inline(never)]
    fn show(&mut self, name: &Name<'a>, value: Json<'a>) {
        for (wanted, place) in self.names.iter().zip(self.found.iter_mut()) {
            let same = match name.escaped {
                false => name.spelling == *wanted,
                true => JsonStr(name.spelling) == **wanted,
            };
            if same {
                *place = Some(value);
                return;
            }
        }
    }
}

/// Why a text is refused: just before the scanner's place.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Incomplete,
    Syntax,
    TooDeep,
}

/// A place in a text: checks what follows, as often as it is walked.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// What of `text` lies ahead.
    rest: slice::Iter<'a, u8>,
    /// Where `text` stands in the whole text.
    base: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, base: usize) -> Self {
        Self {
            text,
            rest: text.as_bytes().iter(),
            base,
        }
    }

    /// Behind the bracket that opens `container`.
    pub(super) fn inside(container: &Json<'a>) -> Self {
        let mut scanner = Self::new(container.raw, container.start);
        scanner.rest.next();
        scanner
    }

    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// The value between `start` and here.
    #[inline(never)]
    fn since(&self, start: usize) -> Json<'a> {
        Json {
            raw: self.text.get(start..self.at()).unwrap_or_default(),
            start: self.base + start,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.as_slice().first().copied()
    }

    fn take(&mut self) -> Result<u8, Fault> {
        self.rest.next().copied().ok_or(Fault::Incomplete)
    }

    fn take_if(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest.next();
        }
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Fault> {
        match self.take()? {
            byte if byte == wanted => Ok(()),
            _ => Err(Fault::Syntax),
        }
    }

    fn skip_while(&mut self, class: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&class) {
            self.rest.next();
        }
    }

    #[inline(never)]
    fn skip_blanks(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Steps over the part of a string that says what it spells, a word at a time: strings are most of a message.
    fn skip_plain(&mut self) {
        while let Some((word, behind)) = self.rest.as_slice().split_first_chunk() {
            if let Some(index) = first_special(usize::from_le_bytes(*word)) {
                self.rest = self.rest.as_slice().get(index..).unwrap_or_default().iter();
                return;
            }
            self.rest = behind.iter();
        }
        self.skip_while(|byte| !is_special(byte));
    }

    /// Whether there are no members or elements ahead.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        matches!(self.peek(), Some(b']' | b'}') | None)
    }

    /// Checks one value down to so many `levels`, and stops behind it; on the way shows `picks` its members.
    #[inline(never)]
    fn check_value(
        &mut self,
        levels: usize,
        deeper: Deeper,
        picks: &mut Picks<'_, 'a>,
    ) -> Result<(), Fault> {
        let mut open = Nesting::default();
        let mut name = Name::default();
        let mut value = 0;
        let mut expected = Expected::Value;
        loop {
            let object = open.innermost_is_object();
            if expected == Expected::End {
                match open.depth {
                    0 => return Ok(()),
                    1 if object => picks.show(&name, self.since(value)),
                    _ => {}
                }
            }
            self.skip_blanks();
            let start = self.at();
            let byte = self.take()?;
            expected = match (expected, byte) {
                (Expected::End, b',') if object => Expected::Name,
                (Expected::End, b',') => Expected::Value,
                (Expected::End | Expected::NameOrEnd, b'}') if object => open.pop(),
                (Expected::End | Expected::ValueOrEnd, b']') if !object => open.pop(),
                (Expected::Name | Expected::NameOrEnd, b'"') => {
                    let escaped = self.check_string()?;
                    if open.depth == 1 {
                        name = Name {
                            spelling: self.text.get(start + 1..self.at() - 1).unwrap_or_default(),
                            escaped,
                        };
                    }
                    Expected::Colon
                }
                (Expected::Colon, b':') => Expected::Value,
                (Expected::Value | Expected::ValueOrEnd, first) => {
                    if open.depth == 1 {
                        value = start;
                    }
                    match (first, deeper) {
                        (b'{' | b'[', Deeper::Refuse) if open.depth == levels => {
                            return Err(Fault::TooDeep);
                        }
                        (b'{' | b'[', Deeper::StepOver) if open.depth == levels => {
                            self.step_over()?
                        }
                        (b'{', _) => open.push(true),
                        (b'[', _) => open.push(false),
                        _ => self.check_scalar(first)?,
                    }
                }
                _ => return Err(Fault::Syntax),
            };
        }
    }

    /// Behind the bracket that opens a container: to behind the one that closes it.
    fn step_over(&mut self) -> Result<Expected, Fault> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.take()? {
                b'"' => {
                    self.check_string()?;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        Ok(Expected::End)
    }

    /// Behind the `first` byte.
    fn check_scalar(&mut self, first: u8) -> Result<Expected, Fault> {
        match first {
            b'"' => {
                self.check_string()?;
            }
            b't' => self.check_literal(b"rue")?,
            b'f' => self.check_literal(b"alse")?,
            b'n' => self.check_literal(b"ull")?,
            _ => self.check_number(first)?,
        }
        Ok(Expected::End)
    }

    /// Behind the opening quote. Whether there are escapes.
    #[inline(never)]
    fn check_string(&mut self) -> Result<bool, Fault> {
        let mut escaped = false;
        loop {
            self.skip_plain();
            match self.take()? {
                b'"' => return Ok(escaped),
                b'\\' => {
                    escaped = true;
                    self.check_escape()?;
                }
                _ => return Err(Fault::Syntax),
            }
        }
    }

    fn check_escape(&mut self) -> Result<(), Fault> {
        match self.take()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    if !self.take()?.is_ascii_hexdigit() {
                        return Err(Fault::Syntax);
                    }
                }
                Ok(())
            }
            _ => Err(Fault::Syntax),
        }
    }

    /// Behind the `first` byte.
    fn check_number(&mut self, mut first: u8) -> Result<(), Fault> {
        if first == b'-' {
            first = self.take()?;
        }
        match first {
            b'0' => {}
            b'1'..=b'9' => self.skip_while(|byte| byte.is_ascii_digit()),
            _ => return Err(Fault::Syntax),
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

    #[inline(never)]
    fn check_digits(&mut self) -> Result<(), Fault> {
        if !self.take()?.is_ascii_digit() {
            return Err(Fault::Syntax);
        }
        self.skip_while(|byte| byte.is_ascii_digit());
        Ok(())
    }

    #[inline(never)]
    fn check_literal(&mut self, rest: &[u8]) -> Result<(), Fault> {
        rest.iter().try_for_each(|&byte| self.expect(byte))
    }

    /// Steps over the next value of a checked container, past the `,` or `:` before it; none at the container's end.
    pub(super) fn next_value(&mut self) -> Option<Json<'a>> {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':'));
        let start = self.at();
        let mut none = Picks {
            names: &[],
            found: &mut [],
        };
        self.check_value(0, Deeper::StepOver, &mut none).ok()?;
        Some(self.since(start))
    }
}

/// What may stand next, blanks apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Colon,
    /// Behind a value: a comma or the end of the container.
    End,
    Name,
    NameOrEnd,
    Value,
    ValueOrEnd,
}

/// The name of a member.
#[derive(Debug, Clone, Copy, Default)]
struct Name<'a> {
    spelling: &'a str,
    /// Whether it is spelled with escapes.
    escaped: bool,
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
    /// At most [`DEPTH_MAX`] times.
    fn push(&mut self, object: bool) -> Expected {
        self.objects = (self.objects << 1) | u64::from(object);
        self.depth += 1;
        match object {
            true => Expected::NameOrEnd,
            false => Expected::ValueOrEnd,
        }
    }

    const fn pop(&mut self) -> Expected {
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
        Expected::End
    }

    const fn innermost_is_object(&self) -> bool {
        self.objects & 1 == 1
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
