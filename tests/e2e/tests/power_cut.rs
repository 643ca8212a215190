//! kill -9 of the agent at any moment of a job ends in the same SUCCEEDED, with the handler's effect once.
//!
//! The moments are the agent's own log lines at DEBUG: the first run counts them, then each later run pulls the power at one of
//! them. The moments that the design names must be among them.

use iot_jobs_e2e::Scene;
use iot_jobs_kit::KitError;
use iot_jobs_kit::image::Image;
use iot_jobs_kit::process::Verdict;

/// What must be among the moments: a piece of the log line that marks each.
const NAMED: &[(&str, &str)] = &[
    ("before claim", "offered job"),
    ("claimed", "claimed job"),
    ("mid-download", "phase=\"downloading\""),
    ("downloaded", "downloaded artifact"),
    ("slot marked", "phase=\"rebooting\""),
    ("reboot announced", "job waits for a reboot"),
    ("after reboot", "run=AfterReboot"),
    ("before confirm", "phase=\"confirming\""),
    ("report held", "ended job"),
];

/// Bytes of the image: a few chunks.
const IMAGE: usize = 2 << 20;

#[test]
fn a_power_cut_at_any_log_line_ends_in_the_same_success() {
    let moments = run(None).unwrap();
    for (moment, text) in NAMED {
        assert!(
            moments.iter().any(|line| line.contains(text)),
            "no log line says {moment:?}"
        );
    }
    for cut in 0..moments.len() {
        run(Some(cut)).unwrap_or_else(|error| panic!("cut at line {cut}: {error}"));
    }
}

/// Runs one job, the power being pulled at the given line of the log; the lines of the agent's log.
fn run(cut: Option<usize>) -> Result<Vec<String>, KitError> {
    let mut scene = Scene::new(|_| {})?;
    let image = Image::new(11, IMAGE);
    let job = scene.firmware_job(&image, |_| {})?;
    let mut seen = 0;
    scene.device.watch(move |_| {
        seen += 1;
        if Some(seen - 1) == cut {
            Verdict::Kill
        } else {
            Verdict::Live
        }
    });
    scene.device.power_on()?;

    let end = scene.end_of(&job)?;

    let log = scene.device.log()?;
    assert_eq!(
        end.status(),
        "SUCCEEDED",
        "power cut at line {cut:?}: {end:?}\n{log}"
    );
    assert_eq!(end.number(), 1, "one execution");
    assert_eq!(
        scene.slot("slot-b.img", IMAGE),
        image.bytes,
        "power cut at line {cut:?}"
    );
    assert_eq!(
        scene.device.boots(),
        2,
        "power cut at line {cut:?}: one reboot\n{log}"
    );
    Ok(log.lines().map(str::to_owned).collect())
}
