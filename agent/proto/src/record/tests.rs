extern crate std;

use std::string::String;
use std::vec;
use std::vec::Vec as List;

use proptest::prelude::*;

use super::*;
use crate::names::Namespace;

const LANES: usize = 3;
const DETAILS: usize = 300;

fn entry() -> impl Strategy<Value = Entry<DETAILS>> {
    let phase = prop_oneof![
        Just(Phase::Running),
        Just(Phase::Rebooting),
        Just(Phase::Restarting),
        Just(Phase::RolledBack),
        Just(Phase::Reporting(Status::Succeeded)),
        Just(Phase::Reporting(Status::Failed)),
        Just(Phase::Reporting(Status::Rejected)),
    ];
    let pairs = prop::collection::vec(("[a-z:_-]{1,9}", "[ -~äöü€]{1,30}"), 0..4);
    (
        "[a-zA-Z0-9_-]{1,64}",
        any::<i64>(),
        phase,
        any::<u128>(),
        any::<[u8; 2]>(),
        any::<[bool; 2]>(),
        prop::collection::vec(any::<u8>(), 0..=HANDLER_STATE_LEN_MAX),
        pairs,
    )
        .prop_map(|(job, number, phase, boot, counts, flags, state, pairs)| {
            let mut entry = Entry::new(ExecutionId {
                namespace: Namespace::Default,
                job: JobId::parse(&job).unwrap(),
                number,
            });
            entry.phase = phase;
            entry.boot = boot;
            [entry.starts, entry.leaves] = counts;
            entry.rebooted = flags[0];
            entry.trial = flags[1].then_some(Trial {
                boot: !boot,
                until: Instant::from_millis(number.unsigned_abs()),
            });
            entry.state = Vec::from_slice(&state).unwrap();
            if phase.keeps_details() {
                for (key, value) in pairs {
                    entry.details.insert(&key, &value).unwrap();
                }
            }
            entry
        })
}

fn encoded(entries: &[(u8, Entry<DETAILS>)]) -> List<u8> {
    let mut buffer = vec![0; record_len_max(LANES, DETAILS)];
    let entries = entries.iter().map(|(lane, entry)| (*lane, entry));
    let len = encode(entries, &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn decoded(bytes: &[u8]) -> Result<Vec<(u8, Entry<DETAILS>), LANES>, RecordError> {
    decode(bytes, &Namespace::Default)
}

fn sample() -> (u8, Entry<DETAILS>) {
    let mut entry = Entry::new(ExecutionId {
        namespace: Namespace::Default,
        job: JobId::parse("job").unwrap(),
        number: 1,
    });
    entry.phase = Phase::Reporting(Status::Failed);
    entry.details.insert("reason", "digest_mismatch").unwrap();
    (0, entry)
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        entries in prop::collection::vec((any::<u8>(), entry()), 0..=LANES),
    ) {
        let read = decoded(&encoded(&entries)).unwrap();
        prop_assert_eq!(read.as_slice(), entries.as_slice());
    }

    #[test]
    fn bytes_behind_the_record_are_ignored(
        entries in prop::collection::vec((any::<u8>(), entry()), 0..=LANES),
        behind in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = encoded(&entries);
        bytes.extend(behind);
        let read = decoded(&bytes).unwrap();
        prop_assert_eq!(read.as_slice(), entries.as_slice());
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decoded(&bytes);
    }

    /// The checksum is made to fit, so that the body is looked at.
    #[test]
    fn no_body_makes_decoding_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = vec![VERSION];
        bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend(&body);
        bytes.extend(crc32(&bytes).to_le_bytes());
        let _ = decoded(&bytes);
    }
}

#[test]
fn a_flipped_bit_is_damage() {
    let bytes = encoded(&[sample()]);
    for bit in 8..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decoded(&bytes), Err(RecordError::Damaged), "bit {bit}");
    }
}

#[test]
fn a_record_that_was_cut_is_damage() {
    let bytes = encoded(&[sample()]);
    for len in 0..bytes.len() {
        assert_eq!(
            decoded(&bytes[..len]),
            Err(RecordError::Damaged),
            "{len} bytes"
        );
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = encoded(&[]);
    for version in [0, 2, 255] {
        bytes[0] = version;
        assert_eq!(decoded(&bytes), Err(RecordError::Version(version)));
    }
}

#[test]
fn a_record_that_does_not_fit_says_how_long_it_is() {
    let (lane, entry) = sample();
    let needed = encoded(&[(lane, entry.clone())]).len();
    let mut buffer = vec![0; needed - 1];
    assert_eq!(
        encode([(lane, &entry)].into_iter(), &mut buffer),
        Err(RecordError::BufferTooSmall {
            needed,
            given: needed - 1
        })
    );
}

#[test]
fn more_entries_or_details_than_there_is_room_for_are_told_from_damage() {
    let entries = [sample(), sample()];
    assert_eq!(
        decode::<1, DETAILS>(&encoded(&entries), &Namespace::Default).unwrap_err(),
        RecordError::NoRoom
    );
    assert_eq!(
        decode::<2, 10>(&encoded(&entries), &Namespace::Default).unwrap_err(),
        RecordError::NoRoom
    );
}

#[test]
fn the_largest_record_fits_the_promised_length() {
    let mut entry = sample().1;
    entry.id.job = JobId::parse(&String::from("j").repeat(JOB_ID_LEN_MAX)).unwrap();
    entry.state = Vec::from_slice(&[7; HANDLER_STATE_LEN_MAX]).unwrap();
    let mut len = DETAILS;
    while len > 0 {
        let value = String::from("v").repeat(len);
        if entry.details.insert("k", &value).is_ok() {
            break;
        }
        len -= 1;
    }
    let entries = [(0, entry.clone()), (1, entry.clone()), (2, entry)];
    assert!(encoded(&entries).len() <= record_len_max(LANES, DETAILS));
}

#[test]
fn what_is_not_claimed_is_not_written() {
    let mut entry = sample();
    entry.1.phase = Phase::Unclaimed;
    assert!(decoded(&encoded(&[entry])).unwrap().is_empty());
}

#[test]
fn the_checksum_is_that_of_ieee_802_3() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}
