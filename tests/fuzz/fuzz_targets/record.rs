//! Any saved record: never a panic, and what is taken can be saved and taken again.
//!
//! Each input is tried as a whole record and as the body of a sound one, since no fuzzer guesses a checksum.
#![no_main]

use iot_jobs_proto::names::{Namespace, ThingName};
use iot_jobs_proto::record::{RecordError, record_len_max};
use iot_jobs_proto::session::{Session, Settings, Timing};
use iot_jobs_proto::time::Instant;
use libfuzzer_sys::fuzz_target;

const EXECUTIONS: usize = 2;
const DETAILS: usize = 256;
const VERSION: u8 = 1;

fuzz_target!(|bytes: &[u8]| {
    save_again(bytes);
    save_again(&seal(bytes));
});

fn save_again(record: &[u8]) {
    let Ok(session) = start(record) else {
        return;
    };
    let mut again = [0; record_len_max(EXECUTIONS, DETAILS)];
    let len = session.record(&mut again).expect("fits");
    start(&again[..len]).expect("our own record");
}

fn start(record: &[u8]) -> Result<Session<EXECUTIONS, DETAILS>, RecordError> {
    let settings = Settings {
        thing: ThingName::parse("pump-7").expect("a legal name"),
        namespace: Namespace::Default,
        boot: 1,
        trial: false,
        seed: 1,
        timing: Timing::default(),
    };
    Session::new(Instant::from_millis(0), settings, Some(record))
}

/// The record with this body.
fn seal(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("a short input");
    let mut record = vec![VERSION];
    record.extend(len.to_le_bytes());
    record.extend(body);
    record.extend(crc32(&record).to_le_bytes());
    record
}

/// CRC-32 as in IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..u8::BITS).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}
