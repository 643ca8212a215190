//! A firmware job that the service ends after its image was marked leaves no image behind that nobody waits for.

use core::time::Duration;

use iot_jobs_e2e::{Scene, WITHIN, boots};
use iot_jobs_kit::image::Image;
use iot_jobs_kit::process::Verdict;
use iot_jobs_kit::{KitError, wait_for};
use serde_json::json;

/// Bytes of the image.
const IMAGE: usize = 1 << 20;
/// The agent's log line once the slot is marked.
const MARKED: &str = "phase=\"rebooting\"";
/// The slot that a new device runs from.
const OLD: &str = "slot-a.img";

#[test]
fn a_cancel_before_the_reboot_takes_the_mark_back() {
    let (mut scene, job) = marked().unwrap();
    scene.aws.cancel_job(&job, true).unwrap();

    scene.link.hold(false);

    unmarked(&scene);
    assert!(!scene.device.reboot_requested(), "no reboot");
    goes_on(&mut scene).unwrap();
}

#[test]
fn a_cancel_that_meets_a_dead_agent_takes_the_mark_back() {
    let (mut scene, job) = marked().unwrap();
    scene.device.pull_power();
    scene.aws.cancel_job(&job, true).unwrap();

    scene.link.hold(false);
    scene.device.power_on().unwrap();

    unmarked(&scene);
    assert!(!scene.device.reboot_requested(), "no reboot");
    goes_on(&mut scene).unwrap();
}

#[test]
fn a_cancel_while_the_device_reboots_rolls_the_trial_back() {
    let (mut scene, job) = marked().unwrap();
    scene.device.pull_power();
    scene.aws.cancel_job(&job, true).unwrap();

    scene.link.hold(false);
    scene.device.reboot().unwrap();
    let process = scene.device.process().unwrap();
    process.wait_line("reboot under way", WITHIN).unwrap();

    assert_eq!(boots::next(&scene.device).slot, OLD, "the way back");
    goes_on(&mut scene).unwrap();
    assert_eq!(scene.device.boots(), 4, "into the trial, back, and on");
}

#[test]
fn an_agent_told_to_stop_between_mark_and_reboot_reboots_when_it_runs_again() {
    let (mut scene, job) = marked().unwrap();
    let stopped = scene
        .device
        .process()
        .unwrap()
        .terminate(Duration::from_secs(10))
        .unwrap();
    assert!(stopped.success(), "{stopped}");
    assert_ne!(boots::next(&scene.device).slot, OLD, "still marked");

    scene.link.hold(false);
    scene.device.power_on().unwrap();

    assert_eq!(scene.end_of(&job).unwrap().status(), "SUCCEEDED");
    assert_eq!(scene.device.boots(), 2, "one reboot");
}

/// A device that has marked an image of a job, and cannot announce its reboot: its link is held.
fn marked() -> Result<(Scene, String), KitError> {
    let mut scene = Scene::new(|_| {})?;
    let slow = json!({"nextDownloads": [{"bytesPerSecond": 4 * IMAGE}]});
    scene.service.fault(&slow)?;
    let job = scene.firmware_job(&Image::new(21, IMAGE), |_| {})?;
    let link = scene.link.clone();
    let mut held = false;
    scene.device.watch(move |line| {
        if !held && line.contains("phase=\"downloading\"") {
            held = true;
            link.hold(true);
        }
        Verdict::Live
    });
    scene.device.power_on()?;
    if let Some(process) = scene.device.process() {
        process.wait_line(MARKED, WITHIN)?;
    }
    Ok((scene, job))
}

/// Waits until the next boot would be into the old image.
fn unmarked(scene: &Scene) {
    let old = || (boots::next(&scene.device).slot == OLD).then_some(());
    assert!(
        wait_for(WITHIN, old).is_some(),
        "still marked\n{}",
        scene.device.tail()
    );
}

/// The device takes the next job.
fn goes_on(scene: &mut Scene) -> Result<(), KitError> {
    let image = Image::new(22, IMAGE);
    let job = scene.firmware_job(&image, |_| {})?;
    assert_eq!(scene.end_of(&job)?.status(), "SUCCEEDED");
    assert_eq!(boots::running(&scene.device).1, image.sha256);
    Ok(())
}
