//! A service that keeps its state is killed at any moment, and nothing that it acknowledged is lost.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use iot_jobs_e2e::{THING, WITHIN, placeholder};
use iot_jobs_kit::aws::Execution;
use iot_jobs_kit::image::Image;
use iot_jobs_kit::process::Process;
use iot_jobs_kit::{
    Aws, Binaries, Device, DeviceOptions, NewJob, Proxy, Service, ServiceOptions, scratch, wait_for,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How often the service is killed under load.
const KILLS: u32 = 5;
/// How many operators create jobs meanwhile.
const OPERATORS: u32 = 3;

/// A service that can be killed and started again on the same state and the same ports.
struct Kept {
    directory: TempDir,
    http: SocketAddr,
    mqtt: SocketAddr,
    service: Option<Service>,
}

impl Kept {
    fn start() -> Self {
        let mut kept = Self {
            directory: scratch().unwrap(),
            http: free_port(),
            mqtt: free_port(),
            service: None,
        };
        kept.power_on();
        kept
    }

    fn power_on(&mut self) {
        let options = ServiceOptions {
            arguments: vec![
                "--data".into(),
                self.data().display().to_string(),
                "--http".into(),
                self.http.to_string(),
                "--mqtt".into(),
                self.mqtt.to_string(),
            ],
            directory: Some(self.directory.path().to_owned()),
        };
        let service = Service::start(Binaries::for_tests().unwrap(), options);
        self.service = Some(service.unwrap());
    }

    /// kill -9.
    fn pull_power(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.process().kill();
        }
    }

    fn restart(&mut self) {
        self.pull_power();
        self.power_on();
    }

    fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    fn aws(&self) -> Aws {
        Aws::new(&format!("http://{}", self.http))
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn job(id: &str) -> NewJob<'_> {
    NewJob {
        id,
        thing: THING,
        namespace: None,
        document: json!({"operation": "none"}),
    }
}

fn start_next(aws: &Aws, body: &Value) -> Execution {
    let path = format!("/things/{THING}/jobs/$next");
    let started = aws.call("iot-jobs-data", "PUT", &path, Some(body)).unwrap();
    Execution(started["execution"].clone())
}

#[test]
fn every_job_that_was_acknowledged_is_there_after_a_kill_under_load() {
    let mut kept = Kept::start();
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
        kept.restart();
    }
    done.store(true, Ordering::Relaxed);
    operators
        .into_iter()
        .for_each(|operator| operator.join().unwrap());

    kept.restart();
    let aws = kept.aws();
    for id in acknowledged.lock().unwrap().iter() {
        let execution = aws.execution(THING, id).unwrap();
        assert_eq!(execution.status(), "QUEUED", "{id}");
        assert_eq!(aws.count(id, "numberOfQueuedThings").unwrap(), 1, "{id}");
    }
}

#[test]
fn a_timer_that_ran_before_a_kill_ends_the_execution_at_its_time() {
    let mut kept = Kept::start();
    let aws = kept.aws();
    let freeze = json!({"frozen": true});
    aws.call("iot", "POST", "/_local/clock", Some(&freeze))
        .unwrap();
    aws.create_job(&job("timed")).unwrap();
    let started = start_next(&aws, &json!({"stepTimeoutInMinutes": 5}));
    assert_eq!(started.status(), "IN_PROGRESS");
    let now = |aws: &Aws| {
        let clock = aws.call("iot", "GET", "/_local/clock", None).unwrap();
        clock["now"].as_f64().unwrap()
    };
    let before = now(&aws);

    kept.restart();

    // A clock that stands has not moved meanwhile.
    assert_eq!(now(&aws), before);
    kept.service().advance_clock(299).unwrap();
    assert_eq!(
        aws.execution(THING, "timed").unwrap().status(),
        "IN_PROGRESS"
    );
    kept.service().advance_clock(1).unwrap();
    let ended = aws.execution(THING, "timed").unwrap();
    assert_eq!(ended.status(), "TIMED_OUT");
    let ended_at = ended.0["lastUpdatedAt"].as_f64().unwrap();
    assert_eq!(ended_at, (before + 300.0).floor());
}

#[test]
fn an_agent_carries_on_over_a_kill_of_the_service_in_its_download() {
    let mut kept = Kept::start();
    let link = Proxy::start(kept.mqtt).unwrap();
    let mut options = DeviceOptions::new(THING);
    options.port = Some(link.address().port());
    let binaries = Binaries::for_tests().unwrap();
    let mut device = Device::new(binaries, kept.service(), options).unwrap();
    device.power_on().unwrap();
    device.wait_subscribed().unwrap();
    let slow = json!({"allDownloads": {"bytesPerSecond": 1 << 20}});
    kept.service().fault(&slow).unwrap();
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

    kept.restart();

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
    let mut slot = std::fs::read(device.path("slot-b.img")).unwrap();
    slot.truncate(image.bytes.len());
    assert!(slot == image.bytes);
}

#[test]
fn a_reset_is_not_undone_by_a_kill() {
    let mut kept = Kept::start();
    let aws = kept.aws();
    aws.create_job(&job("gone")).unwrap();
    aws.upload("bucket", "key", b"content").unwrap();
    aws.call("iot", "POST", "/_local/reset", Some(&json!({})))
        .unwrap();

    kept.restart();

    let status = aws.call("iot", "GET", "/_local/status", None).unwrap();
    assert_eq!((&status["things"], &status["jobs"]), (&json!(0), &json!(0)));
    let objects = kept.data().join("objects");
    assert_eq!(std::fs::read_dir(objects).unwrap().count(), 0);
}

#[test]
fn a_second_service_on_the_same_state_is_refused() {
    let kept = Kept::start();
    let (status, log) = second_service(&kept.data(), kept.directory.path());
    assert_eq!(status, Some(78), "{log}");
    assert!(
        log.contains("state.redb: another service uses it\nhelp: "),
        "{log}"
    );
}

/// Starts another service on `data`, which is expected to end by itself: its exit code and its log.
fn second_service(data: &Path, directory: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(&Binaries::for_tests().unwrap().local);
    command.args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data"]);
    command.arg(data);
    let mut process = Process::start(command, &directory.join("second.log"), None).unwrap();
    let status = wait_for(Duration::from_secs(20), || process.exited());
    let lines = wait_for(Duration::from_secs(5), || {
        let lines = process.lines();
        lines
            .iter()
            .any(|line| line.starts_with("help"))
            .then_some(lines)
    });
    let lines = lines.unwrap_or_else(|| process.lines());
    (status.and_then(|status| status.code()), lines.join("\n"))
}
