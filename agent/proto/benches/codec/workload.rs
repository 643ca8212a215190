//! What the codec does for one message, beside what the obvious code would do.

use core::hint::black_box;

use iot_jobs_proto::details::StatusDetails;
use iot_jobs_proto::names::{ClientToken, ThingName};
use iot_jobs_proto::topic::Inbound;
use iot_jobs_proto::wire::request::Update;
use iot_jobs_proto::wire::response::Described;
use iot_jobs_proto::wire::status::Status;
use serde_json::{Value, json};

const THING: &str = "gateway-000123";
const TOPICS: [&str; 12] = [
    "$aws/things/gateway-000123/jobs/notify",
    "$aws/things/gateway-000123/jobs/notify-next",
    "$aws/things/gateway-000123/jobs/get/accepted",
    "$aws/things/gateway-000123/jobs/get/rejected",
    "$aws/things/gateway-000123/jobs/start-next/accepted",
    "$aws/things/gateway-000123/jobs/start-next/rejected",
    "$aws/things/gateway-000123/jobs/$next/get/accepted",
    "$aws/things/gateway-000123/jobs/$next/get/rejected",
    "$aws/things/gateway-000123/jobs/firmware-2026-11-020/get/accepted",
    "$aws/things/gateway-000123/jobs/firmware-2026-11-020/get/rejected",
    "$aws/things/gateway-000123/jobs/firmware-2026-11-020/update/accepted",
    "$aws/things/gateway-000123/jobs/firmware-2026-11-020/update/rejected",
];
const NOTIFY_NEXT: &str = r#"{"timestamp":1760000010,"execution":{"jobId":"firmware-2026-11-020","status":"QUEUED","queuedAt":1760000000,"lastUpdatedAt":1760000000,"versionNumber":1,"executionNumber":1,"jobDocument":{"operation":"firmware-update","url":"https://fw.s3.eu-central-1.amazonaws.com/a.bin?X-Amz-Expires=3600&X-Amz-Signature=0","sha256":"abababababababababababababababababababababababababababababababab"}}}"#;

/// One thing to measure: ours and the obvious way, each doing `units` of it per call.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) units: u32,
    pub(crate) ours: Box<dyn Fn()>,
    pub(crate) naive: Box<dyn Fn()>,
}

/// All that is measured.
pub(crate) fn all() -> Vec<Work> {
    vec![topics(), update(), notify_next()]
}

fn topics() -> Work {
    let thing = ThingName::parse(THING).ok();
    Work {
        name: "topic",
        units: 12,
        ours: Box::new(move || {
            let Some(thing) = &thing else { return };
            for topic in TOPICS {
                let _ = black_box(Inbound::parse(black_box(topic), thing));
            }
        }),
        naive: Box::new(|| {
            for topic in TOPICS {
                let levels: Vec<&str> = black_box(topic).split('/').collect();
                let ours = matches!(levels.as_slice(), ["$aws", "things", THING, "jobs", ..]);
                black_box((
                    ours,
                    levels.last().copied(),
                    levels.get(4).map(|job| String::from(*job)),
                ));
            }
        }),
    }
}

fn update() -> Work {
    let token = ClientToken::parse("0123456789abcdef").ok();
    let mut details = StatusDetails::<256>::new();
    let inserted = details
        .insert("step", "download")
        .and_then(|()| details.insert("progress", "40"));
    debug_assert!(inserted.is_ok(), "two short pairs fit");
    Work {
        name: "update",
        units: 1,
        ours: Box::new(move || {
            let Some(client_token) = &token else { return };
            let mut buffer = [0; 512];
            let update = Update {
                client_token,
                status: Status::InProgress,
                status_details: Some(&details),
                expected_version: Some(2),
                execution_number: Some(1),
                step_timeout: None,
                include_job_execution_state: false,
                include_job_document: false,
            };
            let _ = black_box(black_box(&update).write(&mut buffer));
            black_box(&buffer);
        }),
        naive: Box::new(|| {
            let update = json!({
                "status": black_box("IN_PROGRESS"),
                "statusDetails": {"step": "download", "progress": "40"},
                "expectedVersion": 2,
                "executionNumber": 1,
                "clientToken": "0123456789abcdef",
            });
            black_box(update.to_string());
        }),
    }
}

fn notify_next() -> Work {
    Work {
        name: "notify-next",
        units: 1,
        ours: Box::new(|| {
            let _ = black_box(Described::parse(black_box(NOTIFY_NEXT.as_bytes())));
        }),
        naive: Box::new(|| {
            let value = serde_json::from_slice::<Value>(black_box(NOTIFY_NEXT.as_bytes()));
            let _ = black_box(value);
        }),
    }
}
