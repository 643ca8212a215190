//! What an operator runs into: broken files, full disks, programs that fail, and whether the agent says so and goes on.

use core::time::Duration;
use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use iot_jobs_e2e::{Scene, WITHIN};
use iot_jobs_kit::image::Image;
use iot_jobs_kit::process::Process;
use iot_jobs_kit::{Binaries, wait_for};
use serde_json::{Value, json};

const MIB: usize = 1 << 20;

#[test]
fn a_log_that_cannot_be_written_does_not_stop_the_agent() {
    let mut scene = Scene::new(|_| {}).unwrap();
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut agent = Agent::start(&scene, |command| {
        command.stderr(writer);
    })
    .unwrap();

    let job = scene.job(json!({"operation": "no-such"}), None).unwrap();

    assert_eq!(scene.end_of(&job).unwrap().status(), "REJECTED");
    assert_eq!(agent.0.try_wait().unwrap(), None, "it runs");
}

#[test]
fn a_record_that_cannot_be_read_is_put_aside_and_the_agent_goes_on() {
    let mut scene = Scene::new(|_| {}).unwrap();
    let record = scene.device.path("state/jobs-default");
    let broken = [
        ("garbage", Some(b"garbage".to_vec())),
        ("too long", Some(vec![0; MIB])),
        ("empty", Some(vec![])),
        ("a directory", None),
    ];
    fs::create_dir(scene.device.path("state")).unwrap();
    for (what, bytes) in broken {
        let _ = fs::remove_file(&record);
        match bytes {
            Some(bytes) => fs::write(&record, bytes).unwrap(),
            None => fs::create_dir(&record).unwrap(),
        }
        scene.device.power_on().unwrap();

        let job = scene.job(json!({"operation": "no-such"}), None).unwrap();

        assert_eq!(scene.end_of(&job).unwrap().status(), "REJECTED", "{what}");
        let process = scene.device.process().unwrap();
        let line = process.wait_line("record put aside", WITHIN).unwrap();
        assert!(line.contains("ERROR"), "{what}: {line}");
        scene.device.pull_power();
    }
}

#[test]
fn a_denied_subscription_is_said_once_with_the_policy_action_and_the_thing() {
    let mut scene = Scene::new(|_| {}).unwrap();
    // The subscriptions fail in the SUBACK, so that the publish behind them is denied, too.
    let knobs = json!({"deniedFilterFailsAlone": true});
    scene.service.set_knobs(&knobs).unwrap();
    use_credentials_of(&scene, "another-thing").unwrap();
    scene.device.power_on().unwrap();
    let process = scene.device.process().unwrap();
    wait_for(WITHIN, || {
        let ups = count(process, "link up");
        (ups >= 3).then_some(())
    })
    .expect("connections again and again");

    let lines: Vec<_> = process
        .lines()
        .into_iter()
        .filter(|line| line.contains("WARN"))
        .collect();

    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[0].contains("iot:Subscribe on topicfilter/$aws/things/gw-1/jobs/*"),
        "{lines:#?}"
    );
    assert!(lines[1].contains("iot:Publish"), "{lines:#?}");
}

#[test]
fn a_subscription_that_ends_the_connection_is_said_once_with_the_policy_action() {
    let mut scene = Scene::new(|_| {}).unwrap();
    use_credentials_of(&scene, "another-thing").unwrap();
    scene.device.power_on().unwrap();
    let process = scene.device.process().unwrap();
    wait_for(WITHIN, || {
        let ups = count(process, "link up");
        (ups >= 2).then_some(())
    })
    .expect("connections again and again");

    let warnings: Vec<_> = process
        .lines()
        .into_iter()
        .filter(|line| line.contains("WARN"))
        .collect();

    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(
        warnings[0].contains("iot:Subscribe on topicfilter/$aws/things/"),
        "{warnings:#?}"
    );
}

#[test]
fn a_whole_firmware_job_is_a_dozen_lines_and_none_is_said_twice() {
    let mut scene = Scene::powered(|options| options.log = "info".into()).unwrap();
    let job = scene.firmware_job(&Image::new(1, MIB), |_| {}).unwrap();
    assert_eq!(scene.end_of(&job).unwrap().status(), "SUCCEEDED");

    let log = scene.device.log().unwrap();
    // Without the time, which is what makes lines differ.
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("job{"))
        .filter_map(|line| line.split_once("INFO").map(|(_, rest)| rest.trim()))
        .collect();
    let mut once = lines.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), lines.len(), "{log}");
    assert!((6..=14).contains(&lines.len()), "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn the_status_is_answered_to_whoever_cannot_read_the_keys() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    fs::remove_file(scene.device.path("private.key")).unwrap();

    let answer = command(&scene, &["status", "--json"]).unwrap();

    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    let status: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(status["link"]["up"], true);
    assert_eq!(
        status["pid"],
        scene.device.process().unwrap().id(),
        "{status}"
    );
}

#[test]
fn the_status_of_no_agent_is_an_error_of_its_own() {
    let scene = Scene::new(|_| {}).unwrap();

    let answer = command(&scene, &["status"]).unwrap();

    assert_eq!(answer.status.code(), Some(69), "{answer:?}");
    assert!(String::from_utf8_lossy(&answer.stderr).contains("help: "));
}

#[test]
fn a_second_agent_in_the_same_state_directory_does_not_start() {
    let mut scene = Scene::powered(|_| {}).unwrap();
    let first = scene.device.process().unwrap().id();

    let second = command(&scene, &["run"]).unwrap();

    assert_eq!(second.status.code(), Some(75), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&format!("process {first}")), "{said}");
}

#[test]
fn systemd_hears_ready_status_alive_and_stopping() {
    let scene = Scene::new(|_| {}).unwrap();
    let path = scene.device.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(WITHIN)).unwrap();
    let mut agent = Agent::start(&scene, |command| {
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "300000");
    })
    .unwrap();
    let mut heard = Vec::new();
    let mut hear_until = |wanted: &str| {
        while !heard
            .iter()
            .any(|message: &String| message.contains(wanted))
        {
            let mut buffer = [0; 1024];
            let len = socket.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8_lossy(&buffer[..len]).into_owned());
        }
        heard.clear();
    };

    hear_until("STATUS=connecting to localhost");
    hear_until("STATUS=connected to localhost");
    hear_until("READY=1");
    hear_until("WATCHDOG=1");
    hear_until("WATCHDOG=1");
    agent.terminate().unwrap();
    hear_until("STOPPING=1");

    assert_eq!(agent.ended(), Some(0));
}

#[test]
fn a_download_for_which_there_is_no_room_fails_with_a_reason_before_it_starts() {
    let mut scene = Scene::new(|_| {}).unwrap();
    scene
        .configure("keep_free_mib = 1", "keep_free_mib = 1048576")
        .unwrap();
    scene.device.power_on().unwrap();
    let target = scene.device.path("files/none.bin");
    let job = scene
        .firmware_job(&Image::new(1, MIB), |document| {
            document["operation"] = json!("file-download");
            document["path"] = json!(target);
        })
        .unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "FAILED", "{end:?}");
    assert_eq!(end.detail("reason"), "no_space", "{end:?}");
    let left: Vec<_> = fs::read_dir(scene.device.path("files")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_image_larger_than_the_slot_is_rejected_with_a_reason() {
    let mut scene = Scene::new(|_| {}).unwrap();
    scene
        .configure("size_max_mib = 512", "size_max_mib = 1")
        .unwrap();
    scene.device.power_on().unwrap();
    let job = scene.firmware_job(&Image::new(1, MIB + 1), |_| {}).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "REJECTED", "{end:?}");
    assert_eq!(end.detail("reason"), "too_large", "{end:?}");
}

#[test]
fn a_reboot_command_that_fails_is_said_and_the_job_waits_for_the_reboot() {
    let mut scene = Scene::new(|_| {}).unwrap();
    let asked = format!(
        "[\"/usr/bin/touch\", {:?}]",
        scene.device.path("reboot-requested")
    );
    scene.configure(&asked, "[\"/bin/false\"]").unwrap();
    scene.device.power_on().unwrap();
    let image = Image::new(1, MIB);
    let job = scene.firmware_job(&image, |_| {}).unwrap();
    let process = scene.device.process().unwrap();
    let line = process.wait_line("cannot reboot", WITHIN).unwrap();
    assert!(
        line.contains("ERROR") && line.contains("/bin/false"),
        "{line}"
    );
    let status = process.terminate(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(scene.execution(&job).unwrap().status(), "IN_PROGRESS");

    scene.device.reboot().unwrap();

    assert_eq!(scene.end_of(&job).unwrap().status(), "SUCCEEDED");
    assert_eq!(scene.slot("slot-b.img", MIB), image.bytes);
}

#[test]
fn an_image_that_is_not_healthy_is_rolled_back_and_the_old_one_says_so() {
    let mut scene = Scene::new(|_| {}).unwrap();
    scene
        .configure("[slots]", "[slots]\nhealth_command = [\"/bin/false\"]")
        .unwrap();
    scene.device.power_on().unwrap();
    let job = scene.firmware_job(&Image::new(1, MIB), |_| {}).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "FAILED", "{end:?}");
    assert_eq!(end.detail("reason"), "rolled_back", "{end:?}");
    assert_eq!(scene.device.boots(), 3, "there and back");
    let bootloader = fs::read_to_string(scene.device.path("bootloader")).unwrap();
    assert!(bootloader.contains("current = A"), "{bootloader}");
}

#[test]
fn a_bootloader_that_says_nonsense_fails_the_job_with_its_words() {
    let mut scene = Scene::new(|_| {}).unwrap();
    fs::write(scene.device.path("bootloader"), "nonsense").unwrap();
    scene.device.power_on().unwrap();
    let job = scene.firmware_job(&Image::new(1, MIB), |_| {}).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "FAILED", "{end:?}");
    assert!(end.detail("message").contains("nonsense"), "{end:?}");
    assert_eq!(scene.device.boots(), 1, "no reboot");
}

/// An agent with an environment of its own. Dropping it kills it.
struct Agent(Child);

impl Agent {
    fn start(scene: &Scene, adapt: impl FnOnce(&mut Command)) -> io::Result<Self> {
        let mut command = agent(scene, &["run"])?;
        command.stderr(Stdio::null());
        adapt(&mut command);
        command.spawn().map(Self)
    }

    fn terminate(&self) -> io::Result<ExitStatus> {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()
    }

    fn ended(&mut self) -> Option<i32> {
        wait_for(WITHIN, || self.0.try_wait().ok().flatten())?.code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command of the agent to its end.
fn command(scene: &Scene, arguments: &[&str]) -> io::Result<Output> {
    agent(scene, arguments)?.output()
}

fn agent(scene: &Scene, arguments: &[&str]) -> io::Result<Command> {
    let binaries = Binaries::for_tests().map_err(io::Error::other)?;
    let mut command = Command::new(&binaries.agent);
    command
        .args(arguments)
        .arg("--config")
        .arg(scene.device.path("agent.toml"));
    Ok(command)
}

fn use_credentials_of(scene: &Scene, thing: &str) -> io::Result<()> {
    let credentials = scene.service.credentials(thing).map_err(io::Error::other)?;
    let path = |name| scene.device.path(name);
    fs::write(path("certificate.pem"), credentials.certificate_pem)?;
    fs::write(path("private.key"), credentials.private_key)
}

fn count(process: &Process, text: &str) -> usize {
    let lines = process.lines();
    lines.iter().filter(|line| line.contains(text)).count()
}
