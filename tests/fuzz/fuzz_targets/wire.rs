//! Any payload: never a panic; we take as JSON what `serde_json` takes, and find in it what `serde_json` finds.
#![no_main]

use iot_jobs_proto::json::{DEPTH_MAX, Json, JsonError};
use iot_jobs_proto::wire::response::{Described, Pending, Rejected, Updated};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

fuzz_target!(|payload: &[u8]| {
    compare_grammar(payload);
    if let Ok(Described {
        execution: Some(execution),
        ..
    }) = Described::parse(payload)
    {
        compare_job_id(payload, execution.job_id.as_str());
        if let Some(document) = execution.job_document {
            assert!(Json::parse(&payload[document.range()]).is_ok());
            let mut buffer = vec![0; payload.len()];
            // Escapes are never shorter than what they say.
            document.resolve(&mut buffer).expect("fits");
        }
    }
    if let Ok(updated) = Updated::parse(payload) {
        let details = updated
            .execution_state
            .and_then(|state| state.status_details);
        details.map(|details| details.iter().count());
    }
    if let Ok(pending) = Pending::parse(payload) {
        let _ = pending.in_progress.count() + pending.queued.count();
    }
    if let Ok(rejected) = Rejected::parse(payload) {
        let _ = rejected.message.map(|message| message.to_string());
    }
});

fn compare_grammar(payload: &[u8]) {
    let Ok(text) = str::from_utf8(payload) else {
        return;
    };
    match Json::parse(payload) {
        Ok(_) => assert!(serde_json::from_str::<IgnoredAny>(text).is_ok()),
        // The oracle knows no limit where it ignores what it reads.
        Err(JsonError::TooDeep) => assert!(text.len() > DEPTH_MAX),
        Err(_) => assert!(serde_json::from_str::<IgnoredAny>(text).is_err()),
    }
}

fn compare_job_id(payload: &[u8], found: &str) {
    // The oracle refuses lone surrogates, which we read as U+FFFD.
    if let Ok(value) = serde_json::from_slice::<Value>(payload) {
        assert_eq!(value["execution"]["jobId"], found);
    }
}
