//! What goes wrong on purpose on the planes of HTTP.

use tempfile::TempDir;

use super::*;
use crate::broker::OutsideBroker;
use crate::pki::Pki;
use crate::service::MqttSettings;

impl Client {
    async fn plan(&self, faults: Value) {
        self.local("POST /_local/faults", faults).await.ok();
    }

    /// Whether a signed request gets no answer.
    async fn is_hung_up(&self, service: &str, line: &str, body: Value) -> bool {
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=local/20261021/eu-west-1/{service}/aws4_request");
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = request(line).header(AUTHORIZATION, scope);
        let request = request.header(HOST, self.address.to_string());
        let body = Body::from(body.to_string());
        let answer = sender.send_request(request.body(body).unwrap()).await;
        drop(connection);
        answer.is_err_and(|error| error.is_incomplete_message())
    }
}

#[tokio::test]
async fn a_call_is_refused_by_its_operation_and_not_done() {
    let client = Client::with_thing().await;
    for (code, status) in [
        ("ThrottlingException", 400),
        ("InternalFailureException", 500),
        ("ServiceUnavailableException", 503),
    ] {
        let fault = json!({"operation": "CreateJob", "code": code});
        client.plan(json!({"nextCalls": [fault]})).await;
        client.iot("GET /jobs", json!({})).await.ok();
        let refused = client.iot("PUT /jobs/j", job()).await.refused();
        assert_eq!(refused, refusal(status, code));
    }
    let jobs = client.iot("GET /jobs", json!({})).await.ok();
    assert_eq!(jobs["jobs"], json!([]));
}

#[tokio::test]
async fn a_call_without_an_answer_is_done_or_not_as_asked() {
    let client = Client::with_thing().await;
    for (fault, jobs) in [("ignore", 0), ("drop", 1)] {
        client.plan(json!({"nextCalls": [{ fault: true }]})).await;
        assert!(client.is_hung_up("iot", "PUT /jobs/j", job()).await);
        let listed = client.iot("GET /jobs", json!({})).await.ok();
        assert_eq!(listed["jobs"].as_array().unwrap().len(), jobs, "{fault}");
    }
}

#[tokio::test]
async fn a_late_answer_comes_when_the_clock_is_stepped() {
    let client = Client::with_thing().await;
    let fault = json!({"operation": "CreateJob", "delaySeconds": 60});
    client.plan(json!({"nextCalls": [fault]})).await;
    let late = client.iot("PUT /jobs/j", job());
    let stepped = async {
        while client.iot("GET /jobs/j", json!({})).await.status != 200 {}
        let step = json!({"advance": 60});
        client.local("POST /_local/clock", step).await.ok();
    };
    let (late, ()) = tokio::join!(late, stepped);
    assert_eq!(late.ok()["jobId"], "j");
}

#[tokio::test]
async fn faults_of_devices_befall_their_requests_over_http() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/j", job()).await.ok();
    let line = "POST /things/gw-1/jobs/j";
    let update = || json!({"status": "IN_PROGRESS", "includeJobExecutionState": true});
    client
        .plan(json!({"nextRequests": [
            {"operation": "update", "code": "RequestThrottled"},
            {"operation": "update", "code": "InternalError"},
            {"operation": "update", "ignore": true},
            {"operation": "update", "closeConnection": true},
            {"operation": "pending", "only": "gw-2", "ignore": true},
        ]}))
        .await;
    client.data("GET /things/gw-1/jobs", json!({})).await.ok();
    let refused = client.data(line, update()).await.refused();
    assert_eq!(refused, refusal(429, "ThrottlingException"));
    let refused = client.data(line, update()).await.refused();
    assert_eq!(refused, refusal(503, "ServiceUnavailableException"));
    for _ in 0..2 {
        assert!(client.is_hung_up("iot-jobs-data", line, update()).await);
    }
    // Of the four the last one was done.
    let updated = client.data(line, update()).await.ok();
    assert_eq!(updated["executionState"]["versionNumber"], 3);
}

#[tokio::test]
async fn over_http_too_a_fault_comes_before_the_throttle_and_the_body_comes_last() {
    let client = Client::with_thing().await;
    let quotas = json!({"quotas": {"requestsPerSecond": {"dataPlaneWrites": 1}}});
    client.local("POST /_local/knobs", quotas).await.ok();
    client
        .plan(json!({"nextRequests": [{"ignore": true}, {"code": "InternalError"}]}))
        .await;
    let line = "POST /things/gw-1/jobs/j";
    assert!(client.is_hung_up("iot-jobs-data", line, json!([])).await);
    let seen = client.local("GET /_local/things/gw-1", json!({})).await;
    assert!(seen.ok()["row"]["lastSeenAt"].is_u64());
    for (status, exception) in [
        (503, "ServiceUnavailableException"),
        (400, "InvalidRequestException"),
        (429, "ThrottlingException"),
    ] {
        let refused = client.data(line, json!([])).await.refused();
        assert_eq!(refused, refusal(status, exception));
    }
}

#[tokio::test]
async fn what_is_next_is_hidden_over_http_too() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/j", job()).await.ok();
    client
        .plan(json!({"nextRequests": [{"hideNext": 5}]}))
        .await;
    let next = "/things/gw-1/jobs/$next";
    for line in [format!("GET {next}"), format!("PUT {next}")] {
        assert_eq!(client.data(&line, json!({})).await.ok(), json!({}));
    }
    let pending = client.data("GET /things/gw-1/jobs", json!({})).await.ok();
    assert_eq!(pending["queuedJobs"], json!([]));
    let step = json!({"advance": 5});
    client.local("POST /_local/clock", step).await.ok();
    let next = client.data(&format!("GET {next}"), json!({})).await.ok();
    assert_eq!(next["execution"]["jobId"], "j");
}

#[tokio::test]
async fn what_befell_is_told_and_the_seed_with_it() {
    let client = Client::with_thing().await;
    let faults = json!({"seed": 9, "allCalls": {"chance": 1, "code": "ThrottlingException"}});
    client.plan(faults).await;
    client.iot("PUT /jobs/j", job()).await.refused();
    let planned = client.local("GET /_local/faults", json!({})).await.ok();
    assert_eq!(
        (&planned["seed"], &planned["draws"]["calls"]),
        (&json!(9), &json!(1))
    );
    let log = client.local("GET /_local/faults/log", json!({})).await.ok();
    let fault = json!({"chance": 1.0, "code": "ThrottlingException"});
    let befallen = json!({
        "at": 1_792_567_680, "subject": "iot", "kind": "CreateJob", "number": 1, "fault": fault,
    });
    assert_eq!(
        log["calls"],
        json!({"befallen": [befallen], "forgotten": 0})
    );
    client.local("POST /_local/reset", json!({})).await.ok();
    client.iot("POST /things/gw-1", json!({})).await.ok();
}

#[tokio::test]
async fn the_reference_names_every_member() {
    let reference = include_str!("../../../../../docs/local-service-admin.md");
    let client = Client::new().await;
    let planned = client.local("GET /_local/faults", json!({})).await.ok();
    let clock = client.local("GET /_local/clock", json!({})).await.ok();
    let members = [planned, clock].into_iter().flat_map(|answer| {
        let members = answer.as_object().unwrap().keys().cloned();
        members.collect::<Vec<_>>()
    });
    for member in members {
        assert!(reference.contains(&member), "{member}");
    }
}

#[tokio::test]
async fn connections_of_an_outside_broker_are_not_the_services_to_end() {
    let (settings, _files) = attached();
    let client = Client::start(settings).await;
    let refused = client.local("POST /_local/connections/close", json!({}));
    let refused = refused.await.refused();
    assert_eq!(refused, refusal(501, "UnsupportedOperationException"));
    for members in ["nextRequests", "allNotifications"] {
        let faults = json!({ members: [{"closeConnection": true}] });
        let refused = client.local("POST /_local/faults", faults).await;
        let says = refused.body["message"].to_string();
        assert!(says.contains("embedded broker"), "{says}");
        assert_eq!(refused.status, 400);
    }
}

#[tokio::test]
async fn quotas_of_mqtt_are_not_the_services_to_set_on_an_outside_broker() {
    let (settings, _files) = attached();
    let client = Client::start(settings).await;
    let before = client.local("GET /_local/knobs", Value::Null).await.body;
    let asked = json!({"events": true, "quotas": {"payloadBytes": 1024}});
    let refused = client.local("POST /_local/knobs", asked).await;
    let says = refused.body["message"].to_string();
    assert!(says.contains("quotas.payloadBytes cannot be set"), "{says}");
    assert_eq!(refused.status, 400);
    assert_eq!(
        client.local("GET /_local/knobs", Value::Null).await.body,
        before
    );

    let set = client
        .local("POST /_local/knobs", json!({"quotas": "aws"}))
        .await;
    assert_eq!(set.status, 200);
    let quotas = &set.body["quotas"];
    assert_eq!(quotas["requestsPerSecond"]["dataPlaneReads"], 200);
    assert_eq!(quotas["connectsPerSecond"], Value::Null);
}

/// A service that looks for a broker that is not there.
fn attached() -> (Settings, TempDir) {
    let files = tempfile::tempdir().unwrap();
    let pki = Pki::create().unwrap();
    let issued = pki.issue_thing_certificate("service").unwrap();
    let write = |name: &str, pem: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let (ca, certificate, key) = (
        write("ca.pem", pki.ca_pem()),
        write("service.pem", &issued.certificate_pem),
        write("service.key", &issued.private_key_pem),
    );
    let broker = OutsideBroker::new("mqtts://localhost:1", ca)
        .unwrap()
        .with_certificate(certificate, key);
    let settings = Settings {
        mqtt: MqttSettings::Outside(broker),
        admin: true,
        ..Settings::default()
    };
    (settings, files)
}
