//! SIGTERM at any moment of a job: the agent ends with 0 within seconds, and the job ends in the same SUCCEEDED after its start.
//!
//! The moments are the agent's log lines at INFO.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use iot_jobs_e2e::{Scene, WITHIN};
use iot_jobs_kit::aws::Execution;
use iot_jobs_kit::image::Image;
use iot_jobs_kit::process::Verdict;
use iot_jobs_kit::wait::Stopwatch;
use iot_jobs_kit::{KitError, wait_for};

/// Bytes of the image: a few chunks.
const IMAGE: usize = 2 << 20;
/// What the unit file promises.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn an_agent_told_to_stop_at_any_log_line_ends_well_and_goes_on_after_its_start() {
    let moments = run(None).unwrap();
    for moment in 0..moments {
        run(Some(moment)).unwrap_or_else(|error| panic!("told at line {moment}: {error}"));
    }
}

/// Runs one job, SIGTERM being sent at the given line of the log; how many lines the agent logged.
fn run(moment: Option<usize>) -> Result<usize, KitError> {
    let mut scene = Scene::new(|options| options.log = "info".into())?;
    let image = Image::new(11, IMAGE);
    let job = scene.firmware_job(&image, |_| {})?;
    let lock = scene.device.path("state/lock");
    let told = Arc::new(OnceLock::new());
    let tell = Arc::clone(&told);
    let mut seen = 0;
    scene.device.watch(move |_| {
        if Some(seen) == moment {
            let _ = tell.set(Stopwatch::start());
            terminate(&lock);
        }
        seen += 1;
        Verdict::Live
    });
    scene.device.power_on()?;

    let end = wait_for(WITHIN, || go_on(&mut scene, &job, &told).transpose()).transpose()?;

    let log = scene.device.log()?;
    assert_eq!(
        end.map(|end| (end.status(), end.number())),
        Some(("SUCCEEDED".to_owned(), 1)),
        "{log}"
    );
    assert_eq!(scene.slot("slot-b.img", IMAGE), image.bytes);
    assert_eq!(scene.device.boots(), 2, "one reboot\n{log}");
    Ok(log.lines().count())
}

/// Starts the device again when it ended or asked for a reboot; the job's execution once it has ended.
fn go_on(
    scene: &mut Scene,
    job: &str,
    told: &OnceLock<Stopwatch>,
) -> Result<Option<Execution>, KitError> {
    let execution = scene.execution(job)?;
    if execution.is_terminal() {
        return Ok(Some(execution));
    }
    let process = scene.device.process();
    let ended = process.and_then(|process| process.exited());
    if let Some(status) = ended {
        let took = told.get().map(Stopwatch::elapsed);
        assert_eq!(status.code(), Some(0), "{}", scene.device.tail());
        assert!(took.is_some_and(|took| took < STOPS_WITHIN), "{took:?}");
    }
    if scene.device.reboot_requested() {
        scene.device.reboot()?;
    } else if ended.is_some() {
        scene.device.power_on()?;
    }
    Ok(None)
}

/// Ends the agent that holds the lock.
fn terminate(lock: &Path) {
    let pid = fs::read_to_string(lock).unwrap_or_default();
    let _ = Command::new("kill").args(["-TERM", pid.trim()]).status();
}
