//! Any saved record: never a panic, and what is taken can be saved and taken again.
#![no_main]

use core::time::Duration;

use iot_jobs_proto::names::{Namespace, ThingName};
use iot_jobs_proto::session::{Session, Settings, Timing};
use iot_jobs_proto::time::Instant;
use libfuzzer_sys::fuzz_target;

const RECORD_LEN_MAX: usize = 16 * 1024;

fuzz_target!(|record: &[u8]| {
    let Ok(session) = start(record) else {
        return;
    };
    let mut again = [0; RECORD_LEN_MAX];
    let len = session.record(&mut again).expect("fits");
    start(&again[..len]).expect("our own record");
});

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
