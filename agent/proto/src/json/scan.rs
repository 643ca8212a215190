//! Checks a text once, byte by byte and without recursion; then steps over its values.

use super::{DEPTH_MAX, Json, JsonError};

/// Checks that `text` is one value; where it stands.
pub(super) fn check(text: &str) -> Result<(usize, usize), JsonError> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_blanks();
    let start = scanner.at;
    scanner.check_value()?;
    let end = scanner.at;
    scanner.skip_blanks();
    match scanner.peek() {
        Some(_) => Err(JsonError::Syntax(scanner.at)),
        None => Ok((start, end)),
    }
}

/// A place in a text: checks what follows once, later steps over it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Behind the bracket that opens `container`.
    pub(super) const fn inside(container: &Json<'a>) -> Self {
        Self {
            text: container.text,
            at: container.start + 1,
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
        let start = self.at;
        while self.peek().is_some_and(&class) {
            self.at += 1;
        }
        self.at - start
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Checks one value, however deep, and stops behind it.
    fn check_value(&mut self) -> Result<(), JsonError> {
        let mut open = Nesting::default();
        loop {
            self.check_opening(&mut open)?;
            if self.check_closing(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Checks a scalar, or the beginnings of containers up to the first scalar or end.
    fn check_opening(&mut self, open: &mut Nesting) -> Result<(), JsonError> {
        loop {
            self.skip_blanks();
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
            match self.take()? {
                b'"' => return Ok(()),
                b'\\' => self.check_escape()?,
                0..0x20 => return Err(self.syntax_before()),
                _ => {}
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
        Some(Json {
            text: self.text,
            start,
            end: self.at,
        })
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
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => {
                    self.skip_while(|byte| {
                        matches!(byte, b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
                    });
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// On the opening quote.
    fn skip_string(&mut self) -> Option<()> {
        loop {
            self.at += 1;
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        self.at += 1;
        Some(())
    }
}

/// The containers that are open: a bit each, set for an object.
#[derive(Debug, Default)]
struct Nesting {
    objects: u64,
    depth: usize,
}

impl Nesting {
    fn push(&mut self, object: bool) -> Result<(), JsonError> {
        if self.depth == DEPTH_MAX {
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
