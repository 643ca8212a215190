//! A connection dropped at any moment of a job ends in the same SUCCEEDED.
//!
//! As in the power-cut test the moments are the agent's log lines; here the link to the broker is cut at one of them, or every
//! download connection is cut after some bytes.

use iot_jobs_e2e::{Scene, WITHIN};
use iot_jobs_kit::image::Image;
use iot_jobs_kit::process::Verdict;
use iot_jobs_kit::{KitError, wait_for};
use serde_json::json;

/// Bytes of the image: a few chunks.
const IMAGE: usize = 2 << 20;

#[test]
fn a_link_cut_at_any_log_line_ends_in_the_same_success() {
    let moments = run(None).unwrap();
    for cut in 0..moments {
        run(Some(cut)).unwrap_or_else(|error| panic!("cut at line {cut}: {error}"));
    }
}

#[test]
fn a_download_cut_again_and_again_fetches_no_byte_twice() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    scene
        .service
        .fault(&json!({"nextDownloads": vec![json!({"closeAfterBytes": 3 << 20}); 3]}))
        .unwrap();
    let image = Image::new(12, 16 << 20);
    let job = scene.firmware_job(&image, |_| {}).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "SUCCEEDED", "{end:?}");
    assert_eq!(scene.slot("slot-b.img", image.bytes.len()), image.bytes);
    let log = scene.device.log().unwrap();
    assert!(log.contains("refetched=0"), "{log}");
}

#[test]
fn a_status_that_could_not_be_sent_is_held_until_the_link_is_back() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    scene
        .service
        .fault(&json!({"allDownloads": {"bytesPerSecond": 2 << 20}}))
        .unwrap();
    let file = Image::new(13, 2 << 20);
    let target = scene.device.path("files/held.bin");
    let job = scene
        .firmware_job(&file, |document| {
            document["operation"] = json!("file-download");
            document["path"] = json!(target);
        })
        .unwrap();
    scene
        .device
        .process()
        .unwrap()
        .wait_line("claimed job", WITHIN)
        .unwrap();
    scene.link.down();
    wait_for(WITHIN, || target.exists().then_some(()))
        .expect("the file, although the link is down");
    scene.device.pull_power();
    assert_eq!(scene.execution(&job).unwrap().status(), "IN_PROGRESS");

    scene.link.up();
    scene.device.power_on().unwrap();

    assert_eq!(scene.end_of(&job).unwrap().status(), "SUCCEEDED");
}

/// Runs one job, the link being cut at the given line of the log; how many lines the agent logged.
fn run(cut: Option<usize>) -> Result<usize, KitError> {
    let mut scene = Scene::new(|_| {})?;
    let image = Image::new(11, IMAGE);
    let job = scene.firmware_job(&image, |_| {})?;
    let link = scene.link.clone();
    let mut seen = 0;
    scene.device.watch(move |_| {
        if Some(seen) == cut {
            link.cut();
        }
        seen += 1;
        Verdict::Live
    });
    scene.device.power_on()?;

    let end = scene.end_of(&job)?;

    let log = scene.device.log()?;
    assert_eq!(
        end.status(),
        "SUCCEEDED",
        "link cut at line {cut:?}: {end:?}\n{log}"
    );
    assert_eq!(
        scene.slot("slot-b.img", IMAGE),
        image.bytes,
        "link cut at line {cut:?}"
    );
    assert_eq!(
        scene.device.boots(),
        2,
        "link cut at line {cut:?}: one reboot\n{log}"
    );
    Ok(log.lines().count())
}
