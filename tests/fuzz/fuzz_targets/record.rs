//! Any saved record: never a panic, and what is taken can be saved and taken again.
#![no_main]

use core::time::Duration;

use iot_jobs_proto::names::{Namespace, ThingName};
use iot_jobs_proto::session::{Session, Settings, Timing};
use iot_jobs_proto::time::Instant;
use libfuzzer_sys::fuzz_target;

const RECORD_LEN_MAX: usize = 16 * 1024;

fuzz_target!(|bytes: &[u8]| {
    // As it comes, and as a body that got past the checksum.
    check(bytes);
    check(&framed(bytes));
});

fn check(record: &[u8]) {
    let Ok(session) = start(record) else {
        return;
    };
    let mut again = [0; RECORD_LEN_MAX];
    let len = session.record(&mut again).expect("fits");
    start(&again[..len]).expect("our own record");
}

fn framed(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("libFuzzer's inputs are small");
    let mut record = vec![1];
    record.extend_from_slice(&len.to_le_bytes());
    record.extend_from_slice(body);
    record.extend_from_slice(&crc_32(&record).to_le_bytes());
    record
}

/// CRC-32/ISO-HDLC, bit by bit.
fn crc_32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

fn start(record: &[u8]) -> Result<Session<2, 256>, iot_jobs_proto::record::RecordError> {
    let second = Duration::from_secs(1);
    let settings = Settings {
        thing: ThingName::parse("pump-7").expect("a legal name"),
        namespace: Namespace::Default,
        boot: 1,
        trial: record.len() % 2 == 0,
        seed: 1,
        timing: Timing {
            answer_within: second,
            step_timeout: None,
            progress_every: second,
            outage_jitter: second,
            poll_every: second,
            describe_every: second,
            reboot_within: second,
            trial_window: second,
            deadline_margin: second,
        },
    };
    Session::new(Instant::from_millis(0), settings, Some(record))
}
