//! A service that keeps its state is killed at any moment, and nothing that it acknowledged is lost.

use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use iot_jobs_e2e::{THING, WITHIN, placeholder};
use iot_jobs_kit::aws::Execution;
use iot_jobs_kit::image::Image;
use iot_jobs_kit::process::Process;
use iot_jobs_kit::{
    Aws, Binaries, Device, DeviceOptions, KitError, Mosquitto, NewJob, Proxy, Service,
    ServiceOptions, scratch, wait_for,
};
use serde_json::json;
use tempfile::TempDir;

/// How often the service is killed under load.
const KILLS: u32 = 5;
/// How many operators create jobs meanwhile.
const OPERATORS: u32 = 3;
/// The length of the longest file on a small disk, in units of `ulimit -f`: 512 bytes in a POSIX shell, 1024 in some.
const SMALL_DISK: u32 = 6000;
/// Where the state is, below the directory of the service.
const DATA: &str = "data";

/// A service that can be killed and started again on the same state and the same ports.
struct Kept {
    directory: TempDir,
    http: SocketAddr,
    mqtt: SocketAddr,
    /// More arguments.
    arguments: Vec<String>,
    service: Service,
}

impl Kept {
    fn start() -> Result<Self, KitError> {
        Self::start_with(Binaries::for_tests()?, Vec::new())
    }

    fn start_with(binaries: &Binaries, arguments: Vec<String>) -> Result<Self, KitError> {
        let (directory, http, mqtt) = (scratch()?, free_port()?, free_port()?);
        let service = power_on(binaries, directory.path(), http, mqtt, &arguments)?;
        Ok(Self {
            directory,
            http,
            mqtt,
            arguments,
            service,
        })
    }

    /// kill -9, and another start.
    fn restart(&mut self) -> Result<(), KitError> {
        self.service.process().kill();
        let (binaries, directory) = (Binaries::for_tests()?, self.directory.path());
        self.service = power_on(binaries, directory, self.http, self.mqtt, &self.arguments)?;
        Ok(())
    }

    fn aws(&self) -> Aws {
        Aws::new(&format!("http://{}", self.http))
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join(DATA)
    }
}

fn power_on(
    binaries: &Binaries,
    directory: &Path,
    http: SocketAddr,
    mqtt: SocketAddr,
    arguments: &[String],
) -> Result<Service, KitError> {
    let mut arguments = arguments.to_vec();
    let data = directory.join(DATA).display().to_string();
    for (option, value) in [
        ("--data", data),
        ("--http", http.to_string()),
        ("--mqtt", mqtt.to_string()),
    ] {
        arguments.extend([option.to_owned(), value]);
    }
    let options = ServiceOptions {
        arguments,
        directory: Some(directory.to_owned()),
    };
    Service::start(binaries, options)
}

fn free_port() -> Result<SocketAddr, KitError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map_err(|source| KitError::File {
        path: "a free port".into(),
        source,
    })
}

fn job(id: &str) -> NewJob<'_> {
    NewJob {
        id,
        thing: THING,
        namespace: None,
        document: json!({"operation": "none"}),
    }
}

/// The service where no file becomes longer than some megabytes, as on a disk that is full.
fn on_a_small_disk(directory: &Path) -> Result<Binaries, KitError> {
    let binaries = Binaries::for_tests()?;
    let script = directory.join("small-disk");
    let local = binaries.local.display();
    let text = format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f {SMALL_DISK}\nexec {local} \"$@\"\n");
    let written = fs::write(&script, text);
    let executable = Permissions::from_mode(0o700);
    let written = written.and_then(|()| fs::set_permissions(&script, executable));
    written.map_err(|source| KitError::File {
        path: script.clone(),
        source,
    })?;
    Ok(Binaries {
        local: script,
        ..binaries.clone()
    })
}

/// Starts another service on `data`, which is expected to end by itself: its exit code and its log.
fn second_service(data: &Path, directory: &Path) -> Result<(Option<i32>, String), KitError> {
    let mut command = Command::new(&Binaries::for_tests()?.local);
    command.args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data"]);
    command.arg(data);
    let mut process = Process::start(command, &directory.join("second.log"), None)?;
    process.wait_line("help: ", WITHIN)?;
    let status = wait_for(WITHIN, || process.exited());
    let code = status.and_then(|status| status.code());
    Ok((code, process.lines().join("\n")))
}

#[test]
fn every_job_that_was_acknowledged_is_there_after_a_kill_under_load() {
    let mut kept = Kept::start().unwrap();
    kept.aws().create_thing(THING).unwrap();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicU32::new(0));
    let operators: Vec<_> = (0..OPERATORS)
        .map(|_| {
            let (acknowledged, done, next) = (acknowledged.clone(), done.clone(), next.clone());
            let aws = kept.aws();
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let id = format!("job-{}", next.fetch_add(1, Ordering::Relaxed));
                    if aws.create_job(&job(&id)).is_ok() {
                        acknowledged.lock().unwrap().push(id);
                    }
                }
            })
        })
        .collect();
    for kill in 1..=KILLS {
        let enough = kill as usize * 10;
        let count = || acknowledged.lock().unwrap().len();
        wait_for(WITHIN, || (count() >= enough).then_some(())).expect("jobs");
        kept.restart().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    operators
        .into_iter()
        .for_each(|operator| operator.join().unwrap());

    kept.restart().unwrap();
    let aws = kept.aws();
    for id in acknowledged.lock().unwrap().iter() {
        let execution = aws.execution(THING, id).unwrap();
        assert_eq!(execution.status(), "QUEUED", "{id}");
        assert_eq!(aws.count(id, "numberOfQueuedThings").unwrap(), 1, "{id}");
    }
}

#[test]
fn a_timer_that_ran_before_a_kill_ends_the_execution_at_its_time() {
    let mut kept = Kept::start().unwrap();
    let aws = kept.aws();
    let freeze = json!({"frozen": true});
    aws.call("iot", "POST", "/_local/clock", Some(&freeze))
        .unwrap();
    aws.create_job(&job("timed")).unwrap();
    let body = json!({"stepTimeoutInMinutes": 5});
    let path = format!("/things/{THING}/jobs/$next");
    let started = aws
        .call("iot-jobs-data", "PUT", &path, Some(&body))
        .unwrap();
    assert_eq!(started["execution"]["status"], "IN_PROGRESS");
    let now = |aws: &Aws| {
        let clock = aws.call("iot", "GET", "/_local/clock", None).unwrap();
        clock["now"].as_f64().unwrap()
    };
    let before = now(&aws);

    kept.restart().unwrap();

    // A clock that stands has not moved meanwhile.
    assert_eq!(now(&aws), before);
    kept.service.advance_clock(299).unwrap();
    assert_eq!(
        aws.execution(THING, "timed").unwrap().status(),
        "IN_PROGRESS"
    );
    kept.service.advance_clock(1).unwrap();
    let ended = aws.execution(THING, "timed").unwrap();
    assert_eq!(ended.status(), "TIMED_OUT");
    let ended_at = ended.0["lastUpdatedAt"].as_f64().unwrap();
    assert_eq!(ended_at, (before + 300.0).floor());
}

#[test]
fn an_agent_carries_on_over_a_kill_of_the_service_in_its_download() {
    let mut kept = Kept::start().unwrap();
    let link = Proxy::start(kept.mqtt).unwrap();
    let mut options = DeviceOptions::new(THING);
    options.port = Some(link.address().port());
    let binaries = Binaries::for_tests().unwrap();
    let mut device = Device::new(binaries, &kept.service, options).unwrap();
    device.power_on().unwrap();
    device.wait_subscribed().unwrap();
    let slow = json!({"allDownloads": {"bytesPerSecond": 1 << 20}});
    kept.service.fault(&slow).unwrap();
    let image = Image::new(21, 3 << 20);
    let aws = kept.aws();
    aws.upload("firmware", "image", &image.bytes).unwrap();
    let firmware = NewJob {
        document: json!({
            "operation": "firmware-update",
            "version": "2.0.0",
            "url": placeholder("image"),
            "size": image.bytes.len(),
            "sha256": image.sha256,
        }),
        ..job("firmware")
    };
    aws.create_job(&firmware).unwrap();
    let bytes = || {
        let execution = aws.execution(THING, "firmware").ok();
        execution.filter(|execution| !execution.detail("bytes").is_empty())
    };
    wait_for(WITHIN, bytes).expect("progress");

    kept.restart().unwrap();

    let ended = device.live_until("the end of the job", WITHIN, || {
        let execution = aws.execution(THING, "firmware").ok();
        execution.filter(Execution::is_terminal)
    });
    let ended = ended.unwrap();
    assert_eq!(
        ended.status(),
        "SUCCEEDED",
        "{ended:?}\n{}",
        device.log().unwrap()
    );
    let log = device.log().unwrap();
    assert!(log.contains("refetched=0"), "{log}");
    let mut slot = fs::read(device.path("slot-b.img")).unwrap();
    slot.truncate(image.bytes.len());
    assert!(slot == image.bytes);
}

/// On a broker of its own a service is not there to be connected to while it is away, so that devices ask
/// as they connect. An outside broker keeps them connected, and none of them asks.
#[test]
#[ignore = "needs mosquitto: .ci/run mosquitto"]
fn a_notification_lost_with_the_service_comes_after_its_restart_on_an_outside_broker() {
    let broker_directory = scratch().unwrap();
    let broker = Mosquitto::start(broker_directory.path(), THING).unwrap();
    let binaries = Binaries::for_tests().unwrap();
    let mut kept = Kept::start_with(binaries, broker.service_arguments()).unwrap();
    let mut options = DeviceOptions::new(THING);
    options.port = Some(broker.port());
    let mut device = Device::new(binaries, &kept.service, options).unwrap();
    let credentials = ["thing.pem", "thing.key", "ca.pem"].map(|name| broker.path(name));
    let [certificate, key, root] = &credentials;
    device.use_credentials(certificate, key, root).unwrap();
    device.power_on().unwrap();
    device.wait_subscribed().unwrap();
    let lost = json!({"allNotifications": {"drop": true}});
    kept.service.fault(&lost).unwrap();
    let aws = kept.aws();
    aws.create_job(&job("unheard")).unwrap();
    assert_eq!(aws.execution(THING, "unheard").unwrap().status(), "QUEUED");

    kept.restart().unwrap();

    let ended = device.live_until("the end of the job", WITHIN, || {
        let execution = aws.execution(THING, "unheard").ok();
        execution.filter(Execution::is_terminal)
    });
    // There is no handler for it.
    assert_eq!(ended.unwrap().status(), "REJECTED");
    let log = device.log().unwrap();
    assert_eq!(log.matches("subscribed").count(), 1, "{log}");
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_ends_the_service() {
    let directory = scratch().unwrap();
    let binaries = on_a_small_disk(directory.path()).unwrap();
    let mut kept = Kept::start_with(&binaries, Vec::new()).unwrap();
    let aws = kept.aws();
    let mut acknowledged = Vec::new();
    let refused = loop {
        let id = format!("job-{}", acknowledged.len());
        let large = NewJob {
            document: json!("x".repeat(30_000)),
            ..job(&id)
        };
        match aws.create_job(&large) {
            Ok(()) => acknowledged.push(id),
            Err(refused) => break refused,
        }
    };
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (500, "InternalFailureException")
    );
    let process = kept.service.process();
    process
        .wait_line("help: see that the disk is not full", WITHIN)
        .unwrap();
    let status = wait_for(WITHIN, || process.exited()).unwrap();
    assert_eq!(status.code(), Some(74));

    kept.restart().unwrap();

    assert!(!acknowledged.is_empty());
    for id in acknowledged {
        assert_eq!(
            aws.execution(THING, &id).unwrap().status(),
            "QUEUED",
            "{id}"
        );
    }
}

#[test]
fn a_reset_is_not_undone_by_a_kill() {
    let mut kept = Kept::start().unwrap();
    let aws = kept.aws();
    aws.create_job(&job("gone")).unwrap();
    aws.upload("bucket", "key", b"content").unwrap();
    aws.call("iot", "POST", "/_local/reset", Some(&json!({})))
        .unwrap();

    kept.restart().unwrap();

    let status = aws.call("iot", "GET", "/_local/status", None).unwrap();
    assert_eq!((&status["things"], &status["jobs"]), (&json!(0), &json!(0)));
    let objects = kept.data().join("objects");
    assert_eq!(fs::read_dir(objects).unwrap().count(), 0);
}

#[test]
fn a_second_service_on_the_same_state_is_refused() {
    let kept = Kept::start().unwrap();
    let (status, log) = second_service(&kept.data(), kept.directory.path()).unwrap();
    assert_eq!(status, Some(78), "{log}");
    assert!(
        log.contains("state.redb: another service uses it\nhelp: "),
        "{log}"
    );
}
