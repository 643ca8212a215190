//! Operations with members that are almost right, one after the other: answered as AWS's are, and the
//! model stays whole.
#![no_main]

use std::time::Duration;

use iot_jobs_fuzz::stage::Stage;
use iot_jobs_fuzz::{answer, operation};
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

const LONGEST_WAIT: u64 = 40 * 24 * 3600;
const MAX_REQUESTS: usize = 32;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let stage = Stage::set();
    for _ in 0..MAX_REQUESTS {
        if bytes.is_empty() {
            return;
        }
        if bytes.ratio(1, 6).unwrap_or_default() {
            let longest = *bytes.choose(&[120, 7200, LONGEST_WAIT]).unwrap_or(&120);
            let seconds = bytes.int_in_range(0..=longest).unwrap_or_default();
            stage.wait(Duration::from_secs(seconds));
        }
        let Ok(request) = operation::request(&mut bytes) else {
            return;
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = stage.ask(request);
        answer::check(&method, &path, &answer);
    }
});
