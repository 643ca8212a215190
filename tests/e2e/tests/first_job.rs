//! The whole way once, for real: what an operator does, and how the job ends.

use core::time::Duration;

use iot_jobs_e2e::Scene;
use iot_jobs_kit::image::Image;
use iot_jobs_kit::wait::Stopwatch;
use serde_json::json;

const MIB: usize = 1 << 20;

#[test]
fn a_firmware_job_succeeds_with_its_version_bytes_and_digest() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    let image = Image::new(1, 3 * MIB + 17);
    let job = scene.firmware_job(&image, |_| {}).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "SUCCEEDED", "{end:?}");
    assert_eq!(end.detail("version"), "2.0.0");
    assert_eq!(end.detail("bytes"), image.bytes.len().to_string());
    assert_eq!(end.detail("sha256"), image.sha256);
    assert_eq!(scene.slot("slot-b.img", image.bytes.len()), image.bytes);
    assert_eq!(scene.device.boots(), 2, "one reboot");
}

#[test]
fn a_second_image_goes_into_the_slot_that_does_not_run() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    for seed in [1, 2] {
        let image = Image::new(seed, MIB);
        let job = scene.firmware_job(&image, |_| {}).unwrap();
        assert_eq!(scene.end_of(&job).unwrap().status(), "SUCCEEDED");
    }
    assert_eq!(scene.slot("slot-a.img", MIB), Image::new(2, MIB).bytes);
    assert_eq!(scene.slot("slot-b.img", MIB), Image::new(1, MIB).bytes);
}

#[test]
fn a_wrong_digest_fails_with_a_reason_and_leaves_the_running_slot_alone() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    let running = scene.slot("slot-a.img", usize::MAX);
    let job = scene
        .firmware_job(&Image::new(1, MIB), |document| {
            document["sha256"] = json!("00".repeat(32))
        })
        .unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(
        (end.status().as_str(), end.detail("reason").as_str()),
        ("FAILED", "digest_mismatch"),
        "{end:?}"
    );
    assert_eq!(scene.slot("slot-a.img", usize::MAX), running);
    assert_eq!(scene.device.boots(), 1, "no reboot");
}

#[test]
fn a_forced_cancel_stops_the_download() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    scene
        .service
        .fault(&json!({"allDownloads": {"bytesPerSecond": 256 * 1024}}))
        .unwrap();
    let job = scene
        .firmware_job(&Image::new(1, 64 * MIB), |_| {})
        .unwrap();
    scene.progress_of(&job).unwrap();

    scene.aws.cancel_job(&job, true).unwrap();

    let process = scene.device.process().unwrap();
    process
        .wait_line("stopped handler", Duration::from_secs(20))
        .unwrap();
    assert_eq!(scene.execution(&job).unwrap().status(), "CANCELED");
}

#[test]
fn a_job_that_nobody_handles_is_rejected_within_a_second() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    let watch = Stopwatch::start();
    let job = scene.job(json!({"operation": "no-such"}), None).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(
        (end.status().as_str(), end.detail("reason").as_str()),
        ("REJECTED", "unsupported_operation"),
        "{end:?}"
    );
    assert!(
        watch.elapsed() < Duration::from_secs(1),
        "{:?}",
        watch.elapsed()
    );
}

#[test]
fn a_job_in_a_namespace_of_ours_runs_and_one_in_another_is_left_alone() {
    let mut scene = Scene::powered(|options| options.namespaces.push("acme".into())).unwrap();

    let foreign = scene
        .job(json!({"operation": "no-such"}), Some("others"))
        .unwrap();
    let ours = scene
        .job(json!({"operation": "no-such"}), Some("acme"))
        .unwrap();

    assert_eq!(scene.end_of(&ours).unwrap().status(), "REJECTED");
    assert_eq!(scene.execution(&foreign).unwrap().status(), "QUEUED");
}

#[test]
fn a_file_is_downloaded_verified_and_put_in_place_with_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut scene = Scene::powered(|_| {}).unwrap();
    let file = Image::new(7, MIB + 1);
    let target = scene.device.path("files/model.bin");
    let job = scene
        .firmware_job(&file, |document| {
            document["operation"] = json!("file-download");
            document["path"] = json!(target);
            document["mode"] = json!("0640");
        })
        .unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "SUCCEEDED", "{end:?}");
    assert_eq!(std::fs::read(&target).unwrap(), file.bytes);
    assert_eq!(
        std::fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn an_expired_url_is_renewed_and_the_download_goes_on() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    let slow = json!({"bytesPerSecond": 2 * MIB, "closeAfterBytes": 2 * MIB});
    scene
        .service
        .fault(&json!({"nextDownloads": [slow]}))
        .unwrap();
    let image = Image::new(3, 4 * MIB);
    let job = scene.firmware_job(&image, |_| {}).unwrap();
    scene.progress_of(&job).unwrap();
    scene.service.advance_clock(400).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "SUCCEEDED", "{end:?}");
    assert_eq!(scene.slot("slot-b.img", image.bytes.len()), image.bytes);
    let log = scene.device.log().unwrap();
    assert!(log.contains("renewed URL"), "{log}");
}

#[test]
fn an_agent_told_to_stop_stops_within_seconds_and_the_job_goes_on_after_its_start() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    scene
        .service
        .fault(&json!({"allDownloads": {"bytesPerSecond": MIB}}))
        .unwrap();
    let image = Image::new(4, 4 * MIB);
    let job = scene.firmware_job(&image, |_| {}).unwrap();
    scene.progress_of(&job).unwrap();

    let status = scene
        .device
        .process()
        .unwrap()
        .terminate(Duration::from_secs(10))
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(scene.execution(&job).unwrap().status(), "IN_PROGRESS");

    scene.device.power_on().unwrap();
    assert_eq!(scene.end_of(&job).unwrap().status(), "SUCCEEDED");
}

#[test]
fn no_log_line_carries_a_presigned_query_or_a_key() {
    let mut scene = Scene::powered(|options| options.log = "trace".into()).unwrap();
    let job = scene.firmware_job(&Image::new(5, MIB), |_| {}).unwrap();
    assert_eq!(scene.end_of(&job).unwrap().status(), "SUCCEEDED");

    let log = std::fs::read_to_string(scene.device.path("agent.log")).unwrap();
    assert!(log.contains(&job), "the log names the job");
    let secrets: Vec<_> = log
        .lines()
        .filter(|line| line.contains("X-Amz-") || line.contains("PRIVATE KEY"))
        .collect();
    assert_eq!(secrets, Vec::<&str>::new());
}
