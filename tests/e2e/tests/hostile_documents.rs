//! Documents that nobody should have written: each is REJECTED with a reason, and the next job runs.

use iot_jobs_e2e::{Scene, THING};
use iot_jobs_kit::AwsError;
use iot_jobs_kit::image::Image;
use serde_json::{Value, json};

/// Longest document that AWS IoT takes (`CreateJob`, "Minimum length … Maximum length of 32768").
const DOCUMENT_LEN_MAX: usize = 32 * 1024;

#[test]
fn each_hostile_document_is_rejected_with_its_reason_and_the_last_job_runs() {
    let mut scene = Scene::new(|_| {}).unwrap();
    let documents = documents();
    for (name, document, _) in &documents {
        create(&scene, name, document).unwrap();
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
type Hostile = (&'static str, String, &'static str);

fn documents() -> Vec<Hostile> {
    let mut documents = unknown();
    documents.extend(firmware());
    documents.extend(file());
    documents
}

/// Documents that no handler is found for.
fn unknown() -> Vec<Hostile> {
    let deep = "[".repeat(100) + &"]".repeat(100);
    let nested = format!(r#"{{"operation":"firmware-update","a":{deep}}}"#);
    let long = format!(r#"{{"operation":"{}"}}"#, "x".repeat(30_000));
    [
        ("array", "[]", "invalid_document"),
        ("text", r#""x""#, "invalid_document"),
        ("null", "null", "invalid_document"),
        ("nested", &nested, "invalid_document"),
        ("empty", "{}", "unsupported_document"),
        ("number", r#"{"operation":7}"#, "invalid_document"),
        ("no-name", r#"{"operation":""}"#, "unsupported_document"),
        ("long-name", &long, "unsupported_operation"),
        (
            "control",
            r#"{"operation":"a\u0000\u001b[2J\u202e"}"#,
            "unsupported_operation",
        ),
        (
            "steps",
            r#"{"version":"1.0","steps":5}"#,
            "unsupported_operation",
        ),
    ]
    .map(|(id, document, reason)| (id, document.to_owned(), reason))
    .into()
}

fn firmware() -> Vec<Hostile> {
    let digits: Value = serde_json::from_str(&"9".repeat(300)).unwrap_or_default();
    let with = |member: &str, value: Value| {
        let mut document = json!({
            "operation": "firmware-update",
            "version": "2.0.0",
            "url": "https://localhost/image",
            "size": 4096,
            "sha256": "00".repeat(32),
        });
        if let Some(members) = document.as_object_mut() {
            members.insert(member.to_owned(), value);
        }
        document.to_string()
    };
    let text = |text: &str| json!(text);
    [
        ("size-digits", "size", digits),
        ("size-negative", "size", json!(-1)),
        ("size-fraction", "size", json!(0.5)),
        ("size-zero", "size", json!(0)),
        ("url-scheme", "url", text("file:///etc/shadow")),
        ("url-user", "url", text("https://a:b@localhost/image")),
        ("url-newline", "url", text("https://localhost/a\r\nHost: b")),
        ("sha256-short", "sha256", text("00")),
        ("version-missing", "version", Value::Null),
        ("slot-other", "slot", text("C")),
    ]
    .map(|(id, member, value)| (id, with(member, value), "invalid_document"))
    .into_iter()
    .chain([(
        "url-plain",
        with("url", text("http://localhost/image")),
        "http_not_allowed",
    )])
    .collect()
}

fn file() -> Vec<Hostile> {
    let document = |path: &str| {
        json!({
            "operation": "file-download",
            "url": "https://localhost/file",
            "path": path,
            "sha256": "00".repeat(32),
        })
        .to_string()
    };
    vec![
        ("path-outside", document("/etc/passwd"), "path_not_allowed"),
        (
            "path-dots",
            document("/tmp/../etc/passwd"),
            "invalid_document",
        ),
        ("path-nul", document("/tmp/a\u{0}b"), "invalid_document"),
    ]
}

fn create(scene: &Scene, id: &str, document: &str) -> Result<(), AwsError> {
    let arn = scene.aws.create_thing(THING)?;
    let request = json!({"targets": [arn], "document": document});
    let path = format!("/jobs/{id}");
    scene.aws.call("iot", "PUT", &path, Some(&request))?;
    Ok(())
}
