//! Documents that nobody should have written: each is REJECTED with a reason, and the next job runs.

use iot_jobs_e2e::{Scene, THING};
use iot_jobs_kit::image::Image;
use serde_json::{Value, json};

/// Longest document that AWS IoT takes (`CreateJob`, "Minimum length … Maximum length of 32768").
const DOCUMENT_LEN_MAX: usize = 32 * 1024;

#[test]
fn each_hostile_document_is_rejected_with_its_reason_and_the_last_job_runs() {
    let mut scene = Scene::new(|_| {}).unwrap();
    let documents = documents();
    for (name, document, _) in &documents {
        create(&scene, name, document);
    }
    let file = Image::new(1, 4096);
    let target = scene.device.path("files/after.bin");
    let last = scene
        .firmware_job(&file, |document| {
            document["operation"] = json!("file-download");
            document["path"] = json!(target);
        })
        .unwrap();
    scene.device.power_on().unwrap();

    assert_eq!(scene.end_of(&last).unwrap().status(), "SUCCEEDED");

    let ends: Vec<_> = documents
        .iter()
        .map(|(name, _, _)| {
            let end = scene.end_of(name).unwrap();
            assert!(
                !end.detail("message").is_empty(),
                "{name} has no message: {end:?}"
            );
            (*name, end.status(), end.detail("reason"))
        })
        .collect();
    let expected: Vec<_> = documents
        .iter()
        .map(|(name, _, reason)| (*name, "REJECTED".to_owned(), (*reason).to_owned()))
        .collect();
    assert_eq!(ends, expected, "{}", scene.device.tail());
}

#[test]
fn no_line_of_the_log_carries_a_control_character_of_a_document() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    let job = scene
        .job(json!({"operation": "x\u{1b}[31m\r\nERROR forged"}), None)
        .unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.detail("reason"), "unsupported_operation", "{end:?}");
    let log = scene.device.log().unwrap();
    assert!(!log.contains("\u{1b}[31m"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("ERROR")), "{log}");
}

#[test]
fn ten_jobs_at_once_all_run() {
    let mut scene = Scene::new(|_| {}).unwrap();
    let file = Image::new(1, 4096);
    let jobs: Vec<_> = (0..10)
        .map(|number| {
            let target = scene.device.path(&format!("files/{number}.bin"));
            let job = scene.firmware_job(&file, |document| {
                document["operation"] = json!("file-download");
                document["path"] = json!(target);
            });
            job.unwrap()
        })
        .collect();
    scene.device.power_on().unwrap();

    for job in &jobs {
        assert_eq!(scene.end_of(job).unwrap().status(), "SUCCEEDED", "{job}");
    }
}

#[test]
fn a_document_of_the_greatest_length_runs() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    let file = Image::new(1, 4096);
    let target = scene.device.path("files/long.bin");
    let job = scene
        .firmware_job(&file, |document| {
            document["operation"] = json!("file-download");
            document["path"] = json!(target);
            let rest = DOCUMENT_LEN_MAX - document.to_string().len() - r#","padding":"""#.len();
            document["padding"] = json!("x".repeat(rest));
        })
        .unwrap();

    assert_eq!(scene.end_of(&job).unwrap().status(), "SUCCEEDED");
}

/// A job's id, its document, and the reason why it is rejected.
fn documents() -> Vec<(&'static str, String, &'static str)> {
    let firmware = |adapt: &dyn Fn(&mut Value)| {
        let mut document = json!({
            "operation": "firmware-update",
            "version": "2.0.0",
            "url": "https://localhost/image",
            "size": 4096,
            "sha256": "00".repeat(32),
        });
        adapt(&mut document);
        document.to_string()
    };
    let nested = format!(
        r#"{{"operation":"firmware-update","a":{}{}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    vec![
        ("array", "[]".to_owned(), "invalid_document"),
        ("text", "\"x\"".to_owned(), "invalid_document"),
        ("null", "null".to_owned(), "invalid_document"),
        ("empty-object", "{}".to_owned(), "unsupported_document"),
        (
            "operation-number",
            r#"{"operation":7}"#.to_owned(),
            "invalid_document",
        ),
        (
            "operation-null",
            r#"{"operation":null}"#.to_owned(),
            "unsupported_document",
        ),
        (
            "operation-empty",
            r#"{"operation":""}"#.to_owned(),
            "unsupported_document",
        ),
        (
            "operation-control",
            "{\"operation\":\"a\\u0000\\u001b[2J\\u202e\"}".to_owned(),
            "unsupported_operation",
        ),
        (
            "operation-long",
            format!(r#"{{"operation":"{}"}}"#, "x".repeat(30_000)),
            "unsupported_operation",
        ),
        ("nested", nested, "invalid_document"),
        (
            "steps-number",
            r#"{"version":"1.0","steps":5}"#.to_owned(),
            "unsupported_operation",
        ),
        (
            "size-digits",
            firmware(&|_| {}).replace("4096", &"9".repeat(300)),
            "invalid_document",
        ),
        (
            "size-negative",
            firmware(&|d| d["size"] = json!(-1)),
            "invalid_document",
        ),
        (
            "size-fraction",
            firmware(&|d| d["size"] = json!(0.5)),
            "invalid_document",
        ),
        (
            "size-zero",
            firmware(&|d| d["size"] = json!(0)),
            "invalid_document",
        ),
        (
            "url-scheme",
            firmware(&|d| d["url"] = json!("file:///etc/shadow")),
            "invalid_document",
        ),
        (
            "url-plain",
            firmware(&|d| d["url"] = json!("http://localhost/image")),
            "http_not_allowed",
        ),
        (
            "url-user",
            firmware(&|d| d["url"] = json!("https://a:b@localhost/image")),
            "invalid_document",
        ),
        (
            "url-newline",
            firmware(&|d| d["url"] = json!("https://localhost/a\r\nHost: b")),
            "invalid_document",
        ),
        (
            "sha256-short",
            firmware(&|d| d["sha256"] = json!("00")),
            "invalid_document",
        ),
        (
            "version-missing",
            firmware(&|d| d["version"] = Value::Null),
            "invalid_document",
        ),
        (
            "slot-other",
            firmware(&|d| d["slot"] = json!("C")),
            "invalid_document",
        ),
        (
            "path-outside",
            firmware(&|d| {
                d["operation"] = json!("file-download");
                d["path"] = json!("/etc/passwd");
            }),
            "path_not_allowed",
        ),
        (
            "path-dots",
            firmware(&|d| {
                d["operation"] = json!("file-download");
                d["path"] = json!("/tmp/../etc/passwd");
            }),
            "invalid_document",
        ),
        (
            "path-nul",
            firmware(&|d| {
                d["operation"] = json!("file-download");
                d["path"] = json!("/tmp/a\u{0}b");
            }),
            "invalid_document",
        ),
    ]
}

fn create(scene: &Scene, id: &str, document: &str) {
    let arn = scene.aws.create_thing(THING).unwrap();
    let request = json!({"targets": [arn], "document": document});
    scene
        .aws
        .call("iot", "PUT", &format!("/jobs/{id}"), Some(&request))
        .unwrap_or_else(|error| panic!("{id}: {error}"));
}
