//! What survives a restart: versioned, checksummed bytes.
//!
//! ```text
//! version  body length  body                             CRC-32
//! 1 byte   4 bytes      one entry for each execution     4 bytes, over all before it
//! ```
//!
//! Numbers are little-endian. Bytes after the checksum are ignored, so that a store may hand out whole blocks. Decoding trusts
//! nothing: names are parsed, lengths are checked, and what does not add up is [`RecordError::Damaged`].

use heapless::Vec;

use crate::details::{KEY_LEN_MAX, PAIRS_MAX, StatusDetails};
use crate::names::{JOB_ID_LEN_MAX, JobId, Namespace};
use crate::session::ExecutionId;
use crate::time::Instant;
use crate::wire::status::Status;

/// Most bytes of the blob that a handler keeps with the record.
pub const HANDLER_STATE_LEN_MAX: usize = 256;

/// The version that this code writes.
const VERSION: u8 = 1;
/// The version and the body's length.
const HEAD_LEN: usize = 1 + 4;
/// The checksum.
const TAIL_LEN: usize = 4;
/// An entry without its job id, blob and details: the lane, three lengths, the numbers and the pair count.
const ENTRY_FIXED_LEN: usize = 1 + 1 + 8 + 1 + 16 + 1 + 1 + 1 + TRIAL_LEN + 2 + 1;
/// A trial's boot and end.
const TRIAL_LEN: usize = 16 + 8;
/// What a pair of details needs besides its texts: their lengths.
const PAIR_FIXED_LEN: usize = 1 + 2;

/// Why bytes are not a record, or a record does not fit.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The buffer is too small.
    #[error("record of {needed} bytes does not fit into {given}")]
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The checksum does not match: the bytes are damaged.
    #[error("record is damaged")]
    Damaged,
    /// The record is sound, but holds more executions or longer details than there is room for.
    #[error("record holds more than there is room for")]
    NoRoom,
    /// A later version wrote it.
    #[error("record version {0} is not known")]
    Version(u8),
}

/// The bytes of the largest record of a session with `executions` lanes and `details` bytes of status details each.
pub const fn record_len_max(executions: usize, details: usize) -> usize {
    let entry = ENTRY_FIXED_LEN
        + JOB_ID_LEN_MAX
        + HANDLER_STATE_LEN_MAX
        + PAIRS_MAX * PAIR_FIXED_LEN
        + details;
    HEAD_LEN + executions * entry + TAIL_LEN
}

/// The durable half of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<const D: usize> {
    /// Which execution. The namespace is that of the session and not written.
    pub(crate) id: ExecutionId,
    /// What to do with it after a restart.
    pub(crate) phase: Phase,
    /// The boot that the handler last started in, or that was to be left.
    pub(crate) boot: u128,
    /// How often the handler started without an orderly end and without a new state.
    pub(crate) starts: u8,
    /// How often the handler asked for a reboot or a restart without a new state.
    pub(crate) leaves: u8,
    /// A reboot that the handler asked for has happened.
    pub(crate) rebooted: bool,
    /// The trial of an image that the execution installed.
    pub(crate) trial: Option<Trial>,
    /// What the handler keeps.
    pub(crate) state: Vec<u8, HANDLER_STATE_LEN_MAX>,
    /// What the terminal report says; in memory also the latest progress.
    pub(crate) details: StatusDetails<D>,
}

/// The one boot that an image has to be confirmed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trial {
    /// Which boot.
    pub(crate) boot: u128,
    /// When it ends: the same moment however often the agent starts in that boot.
    pub(crate) until: Instant,
}

/// What to do with an execution after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing: it is not claimed, or it has ended. Never written.
    Unclaimed,
    /// Run the handler again.
    Running,
    /// Run the handler again; the device was to reboot before.
    Rebooting,
    /// Run the handler again; the agent was to restart before.
    Restarting,
    /// Go back to the other image, then report that.
    RolledBack,
    /// Report this status.
    Reporting(Status),
}

impl Phase {
    /// The bytes of the phase and its status; nothing for what is not written.
    const fn encode(self) -> Option<u8> {
        match self {
            Self::Unclaimed => None,
            Self::Running => Some(1),
            Self::Rebooting => Some(2),
            Self::Restarting => Some(3),
            Self::RolledBack => Some(4),
            Self::Reporting(status) => match status {
                Status::Succeeded => Some(5),
                Status::Failed => Some(6),
                Status::Rejected => Some(7),
                Status::Canceled
                | Status::InProgress
                | Status::Queued
                | Status::Removed
                | Status::TimedOut
                | Status::Unknown => None,
            },
        }
    }

    const fn decode(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Running),
            2 => Some(Self::Rebooting),
            3 => Some(Self::Restarting),
            4 => Some(Self::RolledBack),
            5 => Some(Self::Reporting(Status::Succeeded)),
            6 => Some(Self::Reporting(Status::Failed)),
            7 => Some(Self::Reporting(Status::Rejected)),
            _ => None,
        }
    }

    /// Whether the details belong to the record.
    const fn keeps_details(self) -> bool {
        match self {
            Self::Reporting(_) | Self::RolledBack => true,
            Self::Unclaimed | Self::Running | Self::Rebooting | Self::Restarting => false,
        }
    }
}

impl<const D: usize> Entry<D> {
    /// The entry of an execution that is not claimed.
    pub(crate) fn new(id: ExecutionId) -> Self {
        Self {
            id,
            phase: Phase::Unclaimed,
            boot: 0,
            starts: 0,
            leaves: 0,
            rebooted: false,
            trial: None,
            state: Vec::new(),
            details: StatusDetails::new(),
        }
    }

    fn write(&self, lane: u8, phase: u8, out: &mut Writer<'_>) {
        out.put(&[lane]);
        out.put(&[length(self.id.job.as_str().len())]);
        out.put(self.id.job.as_str().as_bytes());
        out.put(&self.id.number.to_le_bytes());
        out.put(&[phase]);
        out.put(&self.boot.to_le_bytes());
        out.put(&[self.starts, self.leaves]);
        out.put(&[u8::from(self.rebooted) | u8::from(self.trial.is_some()) << 1]);
        if let Some(trial) = self.trial {
            out.put(&trial.boot.to_le_bytes());
            out.put(&trial.until.as_millis().to_le_bytes());
        }
        out.put(&length_wide(self.state.len()));
        out.put(&self.state);
        if !self.phase.keeps_details() {
            out.put(&[0]);
            return;
        }
        out.put(&[length(self.details.iter().count())]);
        for (key, value) in self.details.iter() {
            out.put(&[length(key.len())]);
            out.put(key.as_bytes());
            out.put(&length_wide(value.len()));
            out.put(value.as_bytes());
        }
    }

    fn read(input: &mut Reader<'_>, namespace: &Namespace) -> Result<(u8, Self), RecordError> {
        let lane = input.byte()?;
        let job_len = usize::from(input.byte()?);
        let job = JobId::parse(input.text(job_len)?).map_err(|_| RecordError::Damaged)?;
        let mut entry = Self::new(ExecutionId {
            namespace: namespace.clone(),
            job,
            number: i64::from_le_bytes(input.array()?),
        });
        entry.phase = Phase::decode(input.byte()?).ok_or(RecordError::Damaged)?;
        entry.boot = u128::from_le_bytes(input.array()?);
        entry.starts = input.byte()?;
        entry.leaves = input.byte()?;
        let flags = input.byte()?;
        entry.rebooted = flags & 1 != 0;
        if flags & 2 != 0 {
            entry.trial = Some(Trial {
                boot: u128::from_le_bytes(input.array()?),
                until: Instant::from_millis(u64::from_le_bytes(input.array()?)),
            });
        }
        let state_len = usize::from(u16::from_le_bytes(input.array()?));
        entry.state = Vec::from_slice(input.bytes(state_len)?).map_err(|_| RecordError::Damaged)?;
        for _ in 0..input.byte()? {
            let key_len = usize::from(input.byte()?);
            if key_len > KEY_LEN_MAX {
                return Err(RecordError::Damaged);
            }
            let key = input.text(key_len)?;
            let value_len = usize::from(u16::from_le_bytes(input.array()?));
            let value = input.text(value_len)?;
            entry
                .details
                .insert(key, value)
                .map_err(|_| RecordError::NoRoom)?;
        }
        Ok((lane, entry))
    }
}

/// Writes the entries that must survive; the length written.
pub(crate) fn encode<'a, const D: usize>(
    entries: impl Iterator<Item = (u8, &'a Entry<D>)>,
    buffer: &mut [u8],
) -> Result<usize, RecordError> {
    let mut out = Writer { buffer, len: 0 };
    out.put(&[VERSION]);
    out.put(&[0; 4]);
    for (lane, entry) in entries {
        if let Some(phase) = entry.phase.encode() {
            entry.write(lane, phase, &mut out);
        }
    }
    let body_len = u32::try_from(out.len.saturating_sub(HEAD_LEN)).unwrap_or(u32::MAX);
    out.put_at(1, &body_len.to_le_bytes());
    let checksum = out.written().map(crc32).unwrap_or_default();
    out.put(&checksum.to_le_bytes());
    out.finish()
}

/// Reads a record; each entry with the lane that it was in.
pub(crate) fn decode<const N: usize, const D: usize>(
    bytes: &[u8],
    namespace: &Namespace,
) -> Result<Vec<(u8, Entry<D>), N>, RecordError> {
    let mut head = Reader { rest: bytes };
    let version = head.byte()?;
    if version != VERSION {
        return Err(RecordError::Version(version));
    }
    let body_len =
        usize::try_from(u32::from_le_bytes(head.array()?)).map_err(|_| RecordError::Damaged)?;
    let mut body = Reader {
        rest: head.bytes(body_len)?,
    };
    let covered = bytes
        .get(..HEAD_LEN + body_len)
        .ok_or(RecordError::Damaged)?;
    if crc32(covered) != u32::from_le_bytes(head.array()?) {
        return Err(RecordError::Damaged);
    }
    let mut entries = Vec::new();
    while !body.rest.is_empty() {
        entries
            .push(Entry::read(&mut body, namespace)?)
            .map_err(|_| RecordError::NoRoom)?;
    }
    Ok(entries)
}

/// Writes while there is room, and counts on when there is none: the error can say how much is needed.
struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.put_at(self.len, bytes);
        self.len += bytes.len();
    }

    fn put_at(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = self.buffer.get_mut(at..at + bytes.len()) {
            for (to, from) in room.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
    }

    fn written(&self) -> Option<&[u8]> {
        self.buffer.get(..self.len)
    }

    fn finish(self) -> Result<usize, RecordError> {
        if self.len > self.buffer.len() {
            return Err(RecordError::BufferTooSmall {
                needed: self.len,
                given: self.buffer.len(),
            });
        }
        Ok(self.len)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(RecordError::Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        self.array().map(|[byte]| byte)
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], RecordError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(RecordError::Damaged)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn text(&mut self, len: usize) -> Result<&'a str, RecordError> {
        core::str::from_utf8(self.bytes(len)?).map_err(|_| RecordError::Damaged)
    }
}

/// A length that its type keeps below 256.
fn length(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

/// A length that its type keeps below 65 536.
fn length_wide(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes()
}

/// CRC-32 as in IEEE 802.3, bit by bit: records are short and rare, flash for a table is not.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let folded = bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc = (crc >> 1) ^ (POLYNOMIAL & carry.wrapping_neg());
        }
        crc
    });
    !folded
}

#[cfg(test)]
mod tests;
