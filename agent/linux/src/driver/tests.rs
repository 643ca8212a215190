//! The driver, the core, a handler and a broker of a few lines: one job from its document to its report.

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::Level;

use super::*;
use crate::agent;
use crate::journal::tests::Lines;
use crate::link::tests::{CONNACK, Fixture, Peer, broker_test};

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

fn config(fixture: &Fixture) -> iot_jobs_config::Config {
    let directory = fixture.directory.path();
    let port = fixture.mqtt().port;
    let text = format!(
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
        "#
    );
    iot_jobs_config::Config::parse(&text, &directory.join("agent.toml")).unwrap()
}
