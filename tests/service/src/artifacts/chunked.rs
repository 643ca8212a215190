//! Reads `aws-chunked` bodies: chunks with their sizes, then trailing headers.
//!
//! The decoder is sans-IO and copies no data: it is fed with [`Decoder::next`] and returns what is
//! content as slices of its input. Chunk signatures are skipped: the service trusts its loopback
//! clients, and the trailing checksum guards the content.
//! Facts: Amazon S3 API reference, "Signature calculations … Transferring payload in multiple chunks".

use bytes::{Buf as _, Bytes};

/// The longest line between chunks. A chunk's line with its signature is some 100 bytes.
const MAX_LINE_BYTES: usize = 1024;
/// The trailers kept. Clients send one checksum and its signature.
const MAX_TRAILERS: usize = 8;

/// Why a body is not `aws-chunked`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChunkError {
    /// The body ended inside a chunk or before the last one.
    #[error("the chunked body ended early")]
    EndedEarly,
    /// A chunk does not begin with its size in hexadecimal digits.
    #[error("a chunk has no valid size")]
    InvalidSize,
    /// A line between chunks is longer than any client writes.
    #[error("a line between chunks exceeds {MAX_LINE_BYTES} bytes")]
    LineTooLong,
    /// A chunk is longer or shorter than its size says.
    #[error("a chunk does not end where its size says")]
    SizeMismatch,
    /// More trailers than any client sends.
    #[error("more than {MAX_TRAILERS} trailers")]
    TooManyTrailers,
}

/// Where the decoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Content { left: u64 },
    ContentEnd,
    Trailer,
    Done,
}

/// Takes an `aws-chunked` body apart.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    line: Vec<u8>,
    trailers: Vec<(String, String)>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            state: State::Size,
            line: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// Takes the next content off `input`; `None` once `input` is used up.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkError> {
        while !input.is_empty() {
            match self.state {
                State::Content { left } => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let left = left - len as u64;
                    self.state = if left == 0 {
                        State::ContentEnd
                    } else {
                        State::Content { left }
                    };
                    return Ok(Some(input.split_to(len)));
                }
                State::Size | State::ContentEnd | State::Trailer => {
                    let Some(line) = self.line(input)? else { break };
                    self.state = self.after(&line)?;
                }
                State::Done => input.clear(),
            }
        }
        Ok(None)
    }

    /// The trailing headers, names in lower case, once the whole body was read.
    pub(super) fn finish(self) -> Result<Vec<(String, String)>, ChunkError> {
        match self.state {
            // A body may end without the empty line after its last chunk.
            State::Done => Ok(self.trailers),
            State::Trailer if self.line.is_empty() => Ok(self.trailers),
            State::Size | State::Content { .. } | State::ContentEnd | State::Trailer => {
                Err(ChunkError::EndedEarly)
            }
        }
    }

    fn after(&mut self, line: &[u8]) -> Result<State, ChunkError> {
        match self.state {
            State::Size => match size(line)? {
                0 => Ok(State::Trailer),
                left => Ok(State::Content { left }),
            },
            State::ContentEnd if line.is_empty() => Ok(State::Size),
            State::ContentEnd => Err(ChunkError::SizeMismatch),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer if self.trailers.len() == MAX_TRAILERS => {
                Err(ChunkError::TooManyTrailers)
            }
            State::Trailer => {
                let line = String::from_utf8_lossy(line);
                let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                self.trailers
                    .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                Ok(State::Trailer)
            }
            State::Content { .. } | State::Done => Ok(self.state),
        }
    }

    /// A line without its ending, once it is whole.
    fn line(&mut self, input: &mut Bytes) -> Result<Option<Vec<u8>>, ChunkError> {
        while input.has_remaining() {
            let byte = input.get_u8();
            if byte == b'\n' {
                if self.line.last() == Some(&b'\r') {
                    self.line.pop();
                }
                return Ok(Some(core::mem::take(&mut self.line)));
            }
            if self.line.len() == MAX_LINE_BYTES {
                return Err(ChunkError::LineTooLong);
            }
            self.line.push(byte);
        }
        Ok(None)
    }
}

fn size(line: &[u8]) -> Result<u64, ChunkError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = core::str::from_utf8(digits).map_err(|_| ChunkError::InvalidSize)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ChunkError::InvalidSize);
    }
    u64::from_str_radix(digits, 16).map_err(|_| ChunkError::InvalidSize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Decoded = Result<(Vec<u8>, Vec<(String, String)>), ChunkError>;

    fn decode<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
        let (mut decoder, mut content) = (Decoder::new(), Vec::new());
        for part in parts {
            let mut input = Bytes::copy_from_slice(part);
            while let Some(data) = decoder.next(&mut input)? {
                content.extend_from_slice(&data);
            }
        }
        Ok((content, decoder.finish()?))
    }

    #[test]
    fn content_and_trailers_come_out_however_the_body_is_cut() {
        let body = b"5;chunk-signature=ab\r\nhello\r\n1\r\n!\r\n0;chunk-signature=cd\r\nX-Amz-Checksum-CRC32:AAAA\r\n\r\n";
        let whole = (
            b"hello!".to_vec(),
            vec![("x-amz-checksum-crc32".to_owned(), "AAAA".to_owned())],
        );
        for size in 1..=body.len() {
            assert_eq!(
                decode(body.chunks(size)),
                Ok(whole.clone()),
                "cut every {size} bytes"
            );
        }
    }

    #[test]
    fn a_body_without_its_last_chunk_is_refused() {
        for body in [
            "",
            "5\r\nhel",
            "5\r\nhello",
            "5\r\nhello\r\n",
            "0",
            "0\r\nx-amz",
        ] {
            assert_eq!(
                decode([body.as_bytes()]),
                Err(ChunkError::EndedEarly),
                "{body:?}"
            );
        }
    }

    #[test]
    fn a_chunk_that_is_longer_than_its_size_is_refused() {
        assert_eq!(
            decode([b"2\r\nhello\r\n0\r\n\r\n".as_slice()]),
            Err(ChunkError::SizeMismatch)
        );
    }

    #[test]
    fn a_size_that_is_no_number_is_refused() {
        for body in [
            "\r\n",
            "+5\r\n",
            "xyz\r\n",
            "fffffffffffffffff\r\n",
            "é\r\n",
        ] {
            assert_eq!(
                decode([body.as_bytes()]),
                Err(ChunkError::InvalidSize),
                "{body:?}"
            );
        }
    }

    #[test]
    fn lines_and_trailers_are_bounded() {
        assert_eq!(
            decode([[b'0'; 2 * MAX_LINE_BYTES].as_slice()]),
            Err(ChunkError::LineTooLong)
        );
        let trailers = format!("0\r\n{}\r\n", "a:b\r\n".repeat(MAX_TRAILERS + 1));
        assert_eq!(
            decode([trailers.as_bytes()]),
            Err(ChunkError::TooManyTrailers)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(body: Vec<u8>, size in 1_usize..64) {
            let _: Decoded = decode(body.chunks(size));
        }
    }
}
