//! What the handler must know after a reboot and the slots do not say: that this execution's image had its trial.

use heapless::{String, Vec};
use iot_jobs_hal::Slot;
use iot_jobs_handler::STATE_LEN_MAX;

/// Version of the blob's shape, its first byte.
const VERSION: u8 = 1;
/// Most bytes of the sentence that a failed health check leaves.
const REASON_LEN_MAX: usize = 128;
const _: () = assert!(4 + REASON_LEN_MAX <= STATE_LEN_MAX);

/// What an earlier run of this execution came to. Kept with the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Nothing yet: the image was never marked.
    Empty,
    /// The slot is about to be marked, or was; so many reboots were asked for.
    Armed {
        /// The slot with the new image.
        slot: Slot,
        /// Reboots asked for.
        reboots: u8,
    },
    /// The new image is unfit; the other slot was made the one that boots.
    RollingBack {
        /// The slot with the new image.
        slot: Slot,
        /// Reboots asked for.
        reboots: u8,
        /// Why it is unfit.
        reason: String<REASON_LEN_MAX>,
    },
}

impl Memory {
    /// Reads the blob. What cannot be read counts as nothing: the slots still hold the truth.
    pub(crate) fn read(blob: &[u8]) -> Self {
        match blob {
            [VERSION, b'a', slot, reboots] => {
                slot_of(*slot).map_or(Self::Empty, |slot| Self::Armed {
                    slot,
                    reboots: *reboots,
                })
            }
            [VERSION, b'r', slot, reboots, reason @ ..] => {
                slot_of(*slot).map_or(Self::Empty, |slot| Self::RollingBack {
                    slot,
                    reboots: *reboots,
                    reason: cut(core::str::from_utf8(reason).unwrap_or_default()),
                })
            }
            _ => Self::Empty,
        }
    }

    /// The new image is unfit for this reason, cut where it is too long.
    pub(crate) fn rolling_back(slot: Slot, reboots: u8, reason: &str) -> Self {
        Self::RollingBack {
            slot,
            reboots,
            reason: cut(reason),
        }
    }

    /// Writes the blob.
    pub(crate) fn write(&self) -> Vec<u8, STATE_LEN_MAX> {
        let mut blob = Vec::new();
        let parts: [&[u8]; 5] = match self {
            Self::Empty => [&[]; 5],
            Self::Armed { slot, reboots } => [
                &[VERSION],
                b"a",
                slot.as_str().as_bytes(),
                core::slice::from_ref(reboots),
                &[],
            ],
            Self::RollingBack {
                slot,
                reboots,
                reason,
            } => [
                &[VERSION],
                b"r",
                slot.as_str().as_bytes(),
                core::slice::from_ref(reboots),
                reason.as_bytes(),
            ],
        };
        for part in parts {
            let fits = blob.extend_from_slice(part).is_ok();
            debug_assert!(fits, "a reason is cut to fit");
        }
        blob
    }
}

fn slot_of(byte: u8) -> Option<Slot> {
    [Slot::A, Slot::B]
        .into_iter()
        .find(|slot| slot.as_str().as_bytes() == [byte])
}

fn cut(text: &str) -> String<REASON_LEN_MAX> {
    let mut cut = String::new();
    for c in text.chars() {
        if cut.push(c).is_err() {
            break;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for memory in [
            Memory::Empty,
            Memory::Armed {
                slot: Slot::A,
                reboots: 0,
            },
            Memory::Armed {
                slot: Slot::B,
                reboots: 255,
            },
            Memory::rolling_back(Slot::B, 1, "exit code 1"),
            Memory::rolling_back(Slot::A, 0, ""),
        ] {
            assert_eq!(Memory::read(&memory.write()), memory);
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let mut long = String::<1024>::new();
        while long.push('é').is_ok() {}
        let memory = Memory::rolling_back(Slot::A, 3, &long);

        assert!(memory.write().len() <= STATE_LEN_MAX);
        assert_eq!(Memory::read(&memory.write()), memory);
    }

    #[test]
    fn a_damaged_blob_counts_as_nothing() {
        let whole = Memory::rolling_back(Slot::B, 1, "x").write();
        for blob in [
            &whole[..3],
            &[9, b'a', b'A', 1],
            &[VERSION, b'a', b'C', 1],
            &[VERSION, b'?', b'A', 1],
            &[VERSION, b'a', b'A', 1, 1],
            &[0xFF; STATE_LEN_MAX],
        ] {
            assert_eq!(Memory::read(blob), Memory::Empty, "{blob:?}");
        }
    }
}
