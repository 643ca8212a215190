//! Any requests, one after the other: the API answers each of them as AWS's do, and the model stays whole.
#![no_main]

use std::time::Duration;

use iot_jobs_fuzz::stage::Stage;
use iot_jobs_fuzz::{answer, script};
use libfuzzer_sys::fuzz_target;

/// So long a wait that no timer of the stage outlasts it, and so short that no window opens a
/// million times.
const LONGEST_WAIT: u64 = 40 * 24 * 3600;

fuzz_target!(|text: &[u8]| {
    let stage = Stage::set();
    for part in script::parts(text) {
        let (line, _) = script::first_line(part);
        if let Some(seconds) = line.strip_prefix(b"WAIT ") {
            let seconds = std::str::from_utf8(seconds).ok();
            let seconds: u64 = seconds
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(1);
            stage.wait(Duration::from_secs(seconds % LONGEST_WAIT));
            continue;
        }
        let Some(request) = script::request(part) else {
            continue;
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        // Its answer goes on and on.
        if path.starts_with("/_local/changes") {
            continue;
        }
        let answer = stage.ask(request);
        answer::check(&method, &path, &answer);
    }
});
