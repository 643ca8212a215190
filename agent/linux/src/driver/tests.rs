//! The driver, the core, a handler and a broker of a few lines: one job from its document to its report.

use std::os::unix::fs::PermissionsExt;

use iot_jobs_hal::StateStore as _;
use iot_jobs_proto::names::{Namespace, NamespaceId, ThingName};
use iot_jobs_proto::session::{Action, Admission, Outcome, Settings, Timing};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::Level;

use super::*;
use crate::agent;
use crate::error::StartError;
use crate::journal::tests::Lines;
use crate::link::tests::{CONNACK, Fixture, Peer, broker_test};
use crate::seat::Core;

const SECRET: &str = "3f5a-secret-signature";

#[test]
fn a_job_that_fails_is_reported_and_its_url_is_logged_at_no_level() {
    broker_test(async |fixture| {
        let lines = Lines::default();
        // While there is only one, tracing lets whichever test comes first to a line of the log decide whether it is written.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let subscriber = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_max_level(Level::TRACE)
            .finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        let files = fixture.directory.path().join("files");
        std::fs::create_dir(&files).unwrap();
        let (mut broker, driver, _stop) = start(&fixture).await;

        let document = json!({
            "operation": "file-download",
            "url": format!("http://127.0.0.1:9/a?X-Amz-Signature={SECRET}"),
            "path": files.join("a"),
            "sha256": "00".repeat(32),
        });
        let report = run_job(&mut broker, &document).await;
        driver.abort();

        assert_eq!(report["status"], "REJECTED", "{report}");
        assert_eq!(report["statusDetails"]["handler"], "file-download");
        assert!(report["statusDetails"]["reason"].is_string(), "{report}");
        let log = lines.text();
        assert!(log.contains("ended job"), "{log}");
        assert!(!log.contains(SECRET), "{log}");
    });
}

#[test]
fn a_job_that_nobody_handles_is_rejected_before_it_is_claimed() {
    broker_test(async |fixture| {
        let (mut broker, driver, _stop) = start(&fixture).await;

        let report = run_job(&mut broker, &json!({"operation": "no-such"})).await;
        driver.abort();

        assert_eq!(report["status"], "REJECTED");
        assert_eq!(report["statusDetails"]["reason"], "unsupported_operation");
    });
}

#[test]
fn a_driver_that_is_told_to_stop_says_disconnect_and_ends() {
    broker_test(async |fixture| {
        let (mut broker, driver, stop) = start(&fixture).await;
        broker.published().await;

        stop.notify_one();

        assert_eq!(driver.await.unwrap(), End::Stopped);
        assert_eq!(broker.packet().await, [0xE0, 0]);
    });
}

#[test]
fn a_roll_back_of_an_image_that_is_confirmed_is_none() {
    broker_test(async |fixture| {
        bootloader(&fixture, "B", "B", "good", "good");
        let mut driver = agent::driver(config_with_slots(&fixture)).await.unwrap();

        driver.leave_boot(roll_back()).await;

        assert!(driver.power.is_none());
        assert!(!fixture.directory.path().join("rebooted").exists());
        assert!(bootloader_text(&fixture).ends_with("primary = B\nA = good\nB = good\n"));
    });
}

#[test]
fn a_trial_is_rolled_back_and_ends_with_a_reboot() {
    broker_test(async |fixture| {
        bootloader(&fixture, "B", "B", "good", "tried");
        let mut driver = agent::driver(config_with_slots(&fixture)).await.unwrap();

        driver.leave_boot(roll_back()).await;

        assert!(driver.power.is_some());
        assert!(fixture.directory.path().join("rebooted").exists());
        assert!(bootloader_text(&fixture).ends_with("primary = A\nA = good\nB = bad\n"));
    });
}

#[test]
fn a_roll_back_that_is_made_already_still_reboots() {
    broker_test(async |fixture| {
        bootloader(&fixture, "B", "A", "good", "bad");
        let mut driver = agent::driver(config_with_slots(&fixture)).await.unwrap();

        driver.leave_boot(roll_back()).await;

        assert!(fixture.directory.path().join("rebooted").exists());
    });
}

#[test]
fn a_trial_belongs_to_the_namespace_whose_execution_prepared_the_image() {
    broker_test(async |fixture| {
        bootloader(&fixture, "B", "B", "good", "tried");
        let text = config_text(&fixture, WITH_SLOTS).replace(
            "[download]",
            "[jobs]\nnamespaces = [\"default\", \"other\"]\n[download]",
        );
        let other = Namespace::Named(NamespaceId::parse("other").unwrap());
        record(&fixture, &Namespace::Default, &[1, b'a', b'B', 1]).await;
        record(&fixture, &other, b"something else").await;
        let mut driver = agent::driver(parse(&fixture, &text)).await.unwrap();

        let ends: Vec<bool> = driver
            .seats
            .iter_mut()
            .map(|seat| {
                seat.session
                    .poll_timeout()
                    .is_some_and(|(_, why)| why == "end of the trial")
            })
            .collect();

        assert_eq!(ends, [true, false]);
    });
}

#[test]
fn an_agent_does_not_take_an_image_for_confirmed_because_the_bootloader_is_silent() {
    broker_test(async |fixture| {
        std::fs::write(fixture.directory.path().join("boot.txt"), "?").unwrap();
        let settled = agent::driver(config_with_slots(&fixture)).await;
        assert!(settled.is_ok(), "nothing was prepared");
        drop(settled);
        record(&fixture, &Namespace::Default, &[1, b'a', b'B', 1]).await;

        let error = agent::driver(config_with_slots(&fixture))
            .await
            .unwrap_err();

        assert!(matches!(error, StartError::Bootloader(_)), "{error}");
    });
}

fn roll_back() -> Power {
    Power {
        roll_back: true,
        at: Instant::default(),
        lane: (0, Lane(0)),
    }
}

/// Writes what the bootloader keeps, in this boot.
fn bootloader(fixture: &Fixture, current: &str, primary: &str, a: &str, b: &str) {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let boot = boot.trim().replace('-', "");
    let text =
        format!("boot = {boot}\ncurrent = {current}\nprimary = {primary}\nA = {a}\nB = {b}\n");
    std::fs::write(fixture.directory.path().join("boot.txt"), text).unwrap();
}

fn bootloader_text(fixture: &Fixture) -> String {
    std::fs::read_to_string(fixture.directory.path().join("boot.txt")).unwrap()
}

/// Leaves the record of a job that asked for a reboot in an earlier boot, with that blob.
async fn record(fixture: &Fixture, namespace: &Namespace, state: &[u8]) {
    let now = Instant::from_millis(1);
    let settings = Settings {
        thing: ThingName::parse("gw-1").unwrap(),
        namespace: namespace.clone(),
        boot: 1,
        trial: false,
        seed: 1,
        timing: Timing::default(),
    };
    let mut session = Core::new(now, settings, None).unwrap();
    session.handle(
        now,
        Input::LinkUp {
            session_present: false,
        },
    );
    let mut state = Some(state);
    while let Some((topic, answer)) = step(&mut session, now, &mut state) {
        let topic = format!("{topic}/accepted");
        let payload = answer.to_string();
        session.handle(
            now,
            Input::Message {
                topic: &topic,
                payload: payload.as_bytes(),
            },
        );
    }
    assert_eq!(state, None, "the job did not run");
    let mut bytes = vec![0; Core::RECORD_LEN_MAX];
    let len = session.record(&mut bytes).unwrap();
    let mut store = StateDirectory::open(fixture.directory.path().join("state")).unwrap();
    let key = crate::seat::record_key(journal::namespace_name(namespace));
    store.save(&key, &bytes[..len]).await.unwrap();
}

/// Executes what a session asks for, up to the next request; returns that with its answer.
fn step(session: &mut Core, now: Instant, state: &mut Option<&[u8]>) -> Option<(String, Value)> {
    let mut buffer = vec![0; Core::BUFFER_LEN_MAX];
    loop {
        match session.poll_action(&mut buffer)? {
            Action::Publish { topic, payload } => {
                let request: Value = serde_json::from_slice(payload).unwrap();
                let mut answer = json!({"timestamp": 1, "clientToken": request["clientToken"]});
                if topic.ends_with("/get") {
                    answer["execution"] = json!({
                        "jobId": "job-1", "status": "QUEUED", "queuedAt": 1, "lastUpdatedAt": 1,
                        "versionNumber": 1, "executionNumber": 1, "jobDocument": {},
                    });
                }
                return Some((topic.to_owned(), answer));
            }
            Action::Subscribe(_) => session.handle(now, Input::Subscribed(&[true; 8])),
            Action::Offer { lane, .. } => {
                session.handle(now, Input::Admitted(lane, Admission::Claim));
            }
            Action::Save(generation) => session.handle(now, Input::Saved(generation)),
            Action::RunHandler { lane, .. } => {
                let state = state.take()?;
                session.handle(now, Input::HandlerState(lane, state));
                let details = iot_jobs_proto::details::StatusDetails::new();
                session.handle(now, Input::Finished(lane, Outcome::Reboot(&details)));
            }
            Action::Reboot(_) => return None,
            other @ (Action::CancelHandler { .. }
            | Action::Document { .. }
            | Action::Release(_)
            | Action::Restart(_)
            | Action::RollBack(_)
            | Action::Withdraw(_)
            | Action::_Details(..)) => panic!("unexpected: {other:?}"),
        }
    }
}

/// A driver that is connected and subscribed.
async fn start(fixture: &Fixture) -> (Peer, JoinHandle<End>, Rc<Notify>) {
    let driver = agent::driver(config(fixture)).await.unwrap();
    let stop = Rc::new(Notify::new());
    let told = Rc::clone(&stop);
    let driver = tokio::task::spawn_local(driver.run(async move || told.notified().await));
    let mut broker = fixture.accept().await;
    broker.packet().await;
    broker.send(&CONNACK).await;
    broker.subscribed().await;
    (broker, driver, stop)
}

/// Offers a job, and returns the first update that ends it.
async fn run_job(broker: &mut Peer, document: &Value) -> Value {
    loop {
        let (topic, payload) = broker.published().await;
        let request: Value = serde_json::from_slice(&payload).unwrap();
        let mut answer = json!({"timestamp": 1, "clientToken": request["clientToken"]});
        if topic.ends_with("/update") {
            if request["status"] != "IN_PROGRESS" {
                return request;
            }
        } else {
            answer["execution"] = json!({
                "jobId": "job-1",
                "status": "QUEUED",
                "queuedAt": 1,
                "lastUpdatedAt": 1,
                "versionNumber": 1,
                "executionNumber": 1,
                "jobDocument": document,
            });
        }
        let answer = serde_json::to_vec(&answer).unwrap();
        broker.publish(&format!("{topic}/accepted"), &answer).await;
    }
}

const WITH_SLOTS: &str = r#"
        [reboot]
        command = ["reboot.sh"]
        [slots]
        a = "a.img"
        b = "b.img"
        size_max_mib = 1
        [slots.bootloader]
        kind = "file"
        path = "boot.txt"
        "#;

fn config(fixture: &Fixture) -> iot_jobs_config::Config {
    parse(fixture, &config_text(fixture, ""))
}

/// The same on a device with slots, whose reboot leaves a file.
fn config_with_slots(fixture: &Fixture) -> iot_jobs_config::Config {
    parse(fixture, &config_text(fixture, WITH_SLOTS))
}

fn parse(fixture: &Fixture, text: &str) -> iot_jobs_config::Config {
    let directory = fixture.directory.path();
    let reboot = directory.join("reboot.sh");
    std::fs::write(&reboot, "#!/bin/sh\ntouch \"${0%/*}/rebooted\"\n").unwrap();
    std::fs::set_permissions(&reboot, PermissionsExt::from_mode(0o755)).unwrap();
    let text = text.replace("reboot.sh", &reboot.display().to_string());
    iot_jobs_config::Config::parse(&text, &directory.join("agent.toml")).unwrap()
}

fn config_text(fixture: &Fixture, more: &str) -> String {
    let port = fixture.mqtt().port;
    format!(
        r#"
        [mqtt]
        endpoint = "localhost"
        port = {port}
        thing_name = "gw-1"
        certificate = "device.pem"
        private_key = "device.key"
        root_ca = "ca.pem"
        [state]
        directory = "state"
        [download]
        allowed_paths = ["files"]
        {more}
        "#
    )
}
