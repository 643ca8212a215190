//! The planes over loopback, as clients see them.

mod admin;
mod faults;
mod hostile;
mod page;

use core::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, ORIGIN};
use axum::http::{HeaderName, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::Clock;
use crate::model::time::Timestamp;
use crate::pki::testing::client_config;
use crate::service::{Service, Settings};

const THING_ARN: &str = "arn:aws:iot:eu-west-1:123456789012:thing/gw-1";
const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/download";

/// A service whose clock stands, and a client of it.
struct Client {
    service: Service,
    address: SocketAddr,
}

/// An answer, taken in whole.
#[derive(Debug)]
struct Answer {
    status: u16,
    exception: String,
    body: Value,
}

impl Client {
    async fn new() -> Self {
        let clock = Clock::frozen(Timestamp::from_secs(1_792_567_680));
        Self::start(Settings {
            clock,
            admin: true,
            ..Settings::default()
        })
        .await
    }

    async fn start(settings: Settings) -> Self {
        let service = Service::start(settings).await.unwrap();
        let (_, port) = service.addresses().http.rsplit_once(':').unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
        Self { service, address }
    }

    /// A client of a service with the thing `gw-1`.
    async fn with_thing() -> Self {
        let client = Self::new().await;
        client.iot("POST /things/gw-1", json!({})).await.ok();
        client
    }

    async fn iot(&self, line: &str, body: Value) -> Answer {
        self.signed("iot", line, body.to_string()).await
    }

    async fn data(&self, line: &str, body: Value) -> Answer {
        self.signed("iot-jobs-data", line, body.to_string()).await
    }

    async fn local(&self, line: &str, body: Value) -> Answer {
        self.send(request(line), body.to_string()).await
    }

    async fn signed(&self, service: &str, line: &str, body: impl Into<Bytes>) -> Answer {
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=local/20261021/eu-west-1/{service}/aws4_request");
        self.send(request(line).header(AUTHORIZATION, scope), body)
            .await
    }

    async fn send(&self, request: axum::http::request::Builder, body: impl Into<Bytes>) -> Answer {
        let body = body.into();
        let request = request
            .header(HOST, self.address.to_string())
            .header(CONTENT_LENGTH, body.len());
        let stream = TcpStream::connect(self.address).await.unwrap();
        exchange(stream, request.body(Body::from(body)).unwrap()).await
    }

    /// Asks as a device does: over TLS, showing a certificate of `thing`, without a signature.
    async fn device(&self, thing: &str, line: &str, body: Value) -> Answer {
        let config = client_config(self.service.pki(), Some(thing));
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        let request = request(line).header(HOST, "localhost");
        let body = Body::from(body.to_string());
        exchange(stream, request.body(body).unwrap()).await
    }

    async fn upload(&self, path: &str, content: &'static str) {
        self.signed(
            "s3",
            &format!("PUT /{}", path.split('/').next().unwrap()),
            "",
        )
        .await;
        assert_eq!(
            self.signed("s3", &format!("PUT /{path}"), content)
                .await
                .status,
            200
        );
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Answer {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.unwrap();
    let exception = answer
        .headers()
        .get("x-amzn-errortype")
        .map_or("", |value| value.to_str().unwrap());
    let (status, exception) = (answer.status().as_u16(), exception.to_owned());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    drop(connection);
    Answer {
        status,
        exception,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

impl Answer {
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    fn refused(self) -> (u16, String) {
        assert!(self.body["message"].is_string(), "{self:?}");
        (self.status, self.exception)
    }
}

/// A request from a line like `GET /things`.
fn request(line: &str) -> axum::http::request::Builder {
    let (method, uri) = line.split_once(' ').unwrap();
    Request::builder().method(method).uri(uri)
}

fn refusal(status: u16, exception: &str) -> (u16, String) {
    (status, exception.to_owned())
}

fn job() -> Value {
    json!({"targets": [THING_ARN], "document": "{\"operation\":\"x\"}"})
}

#[tokio::test]
async fn a_connection_outlives_a_body_that_nobody_needs() {
    let client = Client::new().await;
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    for answered in 1..=2 {
        let head = "POST /_local/things/gw-1/certificate HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // By the time that another request is answered, the service has seen the head.
        client.local("GET /_local/health", json!({})).await.ok();
        stream.write_all(b"{}").await.unwrap();

        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let read = stream.read_buf(&mut answer).await.unwrap();
            assert_ne!(read, 0, "closed before answer {answered}");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "answer {answered}");
    }
}

#[tokio::test]
async fn a_job_goes_from_one_plane_through_the_other_and_back() {
    let client = Client::with_thing().await;
    let made = client.iot("PUT /jobs/j", job()).await.ok();
    assert_eq!(made["jobArn"], "arn:aws:iot:eu-west-1:123456789012:job/j");
    let pending = client.data("GET /things/gw-1/jobs", json!({})).await.ok();
    assert_eq!(pending["queuedJobs"][0]["jobId"], "j");
    let next = client
        .data("GET /things/gw-1/jobs/%24next", json!({}))
        .await
        .ok();
    assert_eq!(next["execution"]["jobDocument"], "{\"operation\":\"x\"}");
    let started = client
        .data(
            "PUT /things/gw-1/jobs/$next",
            json!({"statusDetails": {"a": "b"}}),
        )
        .await
        .ok();
    assert_eq!(started["execution"]["status"], "IN_PROGRESS");
    let update = json!({"status": "SUCCEEDED", "includeJobExecutionState": true});
    let updated = client.data("POST /things/gw-1/jobs/j", update).await.ok();
    assert_eq!(updated["executionState"]["status"], "SUCCEEDED");
    let execution = client.iot("GET /things/gw-1/jobs/j", json!({})).await.ok();
    assert_eq!(
        execution["execution"]["statusDetails"]["detailsMap"]["a"],
        "b"
    );
    let empty = client
        .data("GET /things/gw-1/jobs/%24next", json!({}))
        .await
        .ok();
    assert_eq!(empty, json!({}));
}

#[tokio::test]
async fn the_same_path_is_another_operation_in_the_other_plane() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/j", job()).await.ok();
    let control = client.iot("GET /things/gw-1/jobs", json!({})).await.ok();
    assert_eq!(control["executionSummaries"][0]["jobId"], "j");
    let data = client.data("GET /things/gw-1/jobs", json!({})).await.ok();
    assert_eq!(data["queuedJobs"][0]["jobId"], "j");
}

#[tokio::test]
async fn a_document_is_fetched_from_its_bucket_and_its_urls_can_be_read() {
    let client = Client::with_thing().await;
    let document =
        r#"{"url":"${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/docs/a.json}"}"#;
    client.upload("docs/a.json", document).await;
    let source = "https://s3.eu-west-1.amazonaws.com/docs/a.json";
    let presigned = json!({"roleArn": ROLE_ARN, "expiresInSec": 60});
    let job =
        json!({"targets": [THING_ARN], "documentSource": source, "presignedUrlConfig": presigned});
    client.iot("PUT /jobs/j", job).await.ok();
    assert_eq!(
        client.iot("GET /jobs/j/job-document", json!({})).await.ok()["document"],
        document
    );

    let execution = client.data("GET /things/gw-1/jobs/j", json!({})).await.ok();
    let shown: Value =
        serde_json::from_str(execution["execution"]["jobDocument"].as_str().unwrap()).unwrap();
    let https = &client.service.addresses().https;
    let uri = shown["url"].as_str().unwrap().strip_prefix(https).unwrap();
    let host = https.strip_prefix("https://").unwrap();
    // The host is signed, so the plain port answers as well as the one with TLS.
    let get = |now: u64| {
        let request = Request::builder()
            .uri(uri)
            .header(HOST, host)
            .body(Body::empty())
            .unwrap();
        client
            .service
            .artifacts()
            .answer(request, Timestamp::from_secs(now))
    };
    let answer = get(1_792_567_680)
        .await
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(answer, document);
    assert_eq!(get(1_792_567_740).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_source_that_does_not_exist_is_refused() {
    let client = Client::with_thing().await;
    let job =
        json!({"targets": [THING_ARN], "documentSource": "https://s3.amazonaws.com/no/a.json"});
    let answer = client.iot("PUT /jobs/j", job).await;
    assert_eq!(answer.refused(), refusal(400, "InvalidRequestException"));
}

#[tokio::test]
async fn a_forced_cancel_reaches_the_model() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/j", job()).await.ok();
    client
        .data("PUT /things/gw-1/jobs/$next", json!({}))
        .await
        .ok();
    client
        .iot(
            "PUT /jobs/j/cancel?force=true",
            json!({"reasonCode": "OPERATOR"}),
        )
        .await
        .ok();
    let execution = client.iot("GET /things/gw-1/jobs/j", json!({})).await.ok();
    assert_eq!(execution["execution"]["status"], "CANCELED");
    assert_eq!(execution["execution"]["forceCanceled"], true);
    assert_eq!(
        client.iot("GET /jobs/j", json!({})).await.ok()["job"]["reasonCode"],
        "OPERATOR"
    );
}

#[tokio::test]
async fn a_label_is_decoded_before_it_is_judged() {
    let client = Client::new().await;
    let thing = client.iot("POST /things/gw%3A1", json!({})).await.ok();
    assert_eq!(thing["thingName"], "gw:1");
    let slash = client.iot("PUT /jobs/a%2Fb%20c", job()).await;
    assert!(
        slash.body["message"].as_str().unwrap().contains("a/b c"),
        "{slash:?}"
    );
    assert_eq!(slash.refused(), refusal(400, "InvalidRequestException"));
}

#[tokio::test]
async fn what_cannot_be_read_is_an_invalid_request() {
    let client = Client::with_thing().await;
    let deep = "[".repeat(100_000);
    let nested = format!(r#"{{"statusDetails":{}"#, r#"{"a":"#.repeat(100_000));
    for body in [
        "{",
        "null",
        "[]",
        "\u{0}",
        &deep,
        &nested,
        r#"{"targets":1}"#,
    ] {
        let answer = client.signed("iot", "PUT /jobs/j", body.to_owned()).await;
        assert_eq!(
            answer.refused(),
            refusal(400, "InvalidRequestException"),
            "{body:.20}"
        );
        let answer = client
            .signed(
                "iot-jobs-data",
                "PUT /things/gw-1/jobs/$next",
                body.to_owned(),
            )
            .await;
        assert!(
            answer.status == 400 || answer.status == 200,
            "{body:.20}: {answer:?}"
        );
    }
    for line in [
        "GET /things/%ff",
        "GET /jobs?maxResults=x",
        "GET /jobs?maxResults=99999999999999999999",
    ] {
        assert_eq!(
            client.iot(line, json!({})).await.refused(),
            refusal(400, "InvalidRequestException"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_the_service_does_not_have_is_refused_by_name() {
    let client = Client::new().await;
    let answer = client.iot("GET /policies", json!({})).await;
    assert!(
        answer.body["message"]
            .as_str()
            .unwrap()
            .starts_with("ListPolicies is not supported"),
        "{answer:?}"
    );
    assert_eq!(
        answer.refused(),
        refusal(501, "UnsupportedOperationException")
    );
    for line in ["GET /certificates", "DELETE /endpoint", "POST /"] {
        let answer = client.iot(line, json!({})).await;
        assert_eq!(
            answer.refused(),
            refusal(404, "UnknownOperationException"),
            "{line}"
        );
    }
    let answer = client.signed("sts", "POST /", "").await;
    assert_eq!(answer.refused(), refusal(404, "UnknownOperationException"));
}

#[tokio::test]
async fn an_unsigned_request_is_refused_where_planes_share_paths() {
    let client = Client::with_thing().await;
    let answer = client.send(request("GET /things/gw-1/jobs"), "").await;
    assert_eq!(
        answer.refused(),
        refusal(403, "MissingAuthenticationTokenException")
    );
}

#[tokio::test]
async fn a_version_mismatch_comes_with_the_state() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/j", job()).await.ok();
    let update = json!({"status": "IN_PROGRESS", "expectedVersion": 7});
    let answer = client.data("POST /things/gw-1/jobs/j", update).await;
    assert_eq!(
        answer.body["message"],
        "Expected version 7 but found version 1"
    );
    assert_eq!(answer.body["executionState"]["versionNumber"], 1);
    assert_eq!(answer.refused(), refusal(400, "InvalidRequestException"));
}

#[tokio::test]
async fn a_step_of_the_clock_fires_the_timers_before_it_is_answered() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/j", job()).await.ok();
    client
        .data(
            "PUT /things/gw-1/jobs/$next",
            json!({"stepTimeoutInMinutes": 1}),
        )
        .await
        .ok();
    let status = || async {
        client.iot("GET /things/gw-1/jobs/j", json!({})).await.ok()["execution"]["status"].clone()
    };
    client
        .local("POST /_local/clock", json!({"advance": 59}))
        .await
        .ok();
    assert_eq!(status().await, "IN_PROGRESS");
    let clock = client
        .local("POST /_local/clock", json!({"advance": 1.5}))
        .await
        .ok();
    assert_eq!(clock["now"], 1_792_567_740.5);
    assert_eq!(status().await, "TIMED_OUT");
    for advance in [json!(-1), json!(94_867_201), json!("x")] {
        let answer = client
            .local("POST /_local/clock", json!({"advance": advance}))
            .await;
        assert_eq!(answer.refused(), refusal(400, "InvalidRequestException"));
    }
}

#[tokio::test]
async fn a_step_of_weeks_passes_every_window_of_a_job() {
    let client = Client::with_thing().await;
    let hourly = json!([{"startTime": "0 * * * ? *", "durationInMinutes": 30}]);
    let mut job = job();
    job["targetSelection"] = json!("CONTINUOUS");
    job["schedulingConfig"] =
        json!({"startTime": "2026-10-22T00:00", "maintenanceWindows": hourly});
    client.iot("PUT /jobs/j", job).await.ok();
    for (advance, now, status) in [
        (14 * 86_400, 1_793_777_280.0, "IN_PROGRESS"),
        (600, 1_793_777_880.0, "SCHEDULED"),
    ] {
        let step = json!({ "advance": advance });
        let clock = client.local("POST /_local/clock", step).await.ok();
        assert_eq!(clock["now"], now);
        let told = client.iot("GET /jobs/j", json!({})).await.ok();
        assert_eq!(told["job"]["status"], status);
    }
}

#[tokio::test]
async fn a_group_may_have_the_name_of_an_operation_in_its_path() {
    let client = Client::with_thing().await;
    for name in [
        "addThingToThingGroup",
        "removeThingFromThingGroup",
        "updateThingGroupsForThing",
    ] {
        let path = format!("/thing-groups/{name}");
        let made = client.iot(&format!("POST {path}"), json!({})).await.ok();
        assert_eq!(made["thingGroupName"], name);
        let joins = json!({"thingGroupName": name, "thingName": "gw-1"});
        let add = "PUT /thing-groups/addThingToThingGroup";
        client.iot(add, joins.clone()).await.ok();
        let members = client.iot(&format!("GET {path}/things"), json!({})).await;
        assert_eq!(members.ok()["things"], json!(["gw-1"]));
        let remove = "PUT /thing-groups/removeThingFromThingGroup";
        client.iot(remove, joins).await.ok();
        let told = client.iot(&format!("GET {path}"), json!({})).await.ok();
        assert_eq!(told["thingGroupName"], name);
        let update = client.iot(&format!("PATCH {path}"), json!({})).await;
        assert_eq!(update.status, 501);
        client.iot(&format!("DELETE {path}"), json!({})).await.ok();
        let gone = client.iot(&format!("GET {path}"), json!({})).await;
        assert_eq!(gone.refused(), refusal(404, "ResourceNotFoundException"));
    }
    let other = client.iot("PUT /thing-groups/site", json!({})).await;
    assert_eq!(other.refused(), refusal(404, "UnknownOperationException"));
}

#[tokio::test]
async fn a_reset_forgets_things_jobs_buckets_and_faults() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/j", job()).await.ok();
    client.upload("bucket/key", "").await;
    client
        .local("POST /_local/faults", json!({"urlsExpireAtOnce": true}))
        .await
        .ok();
    client.local("POST /_local/reset", json!({})).await.ok();
    let status = client.local("GET /_local/status", json!({})).await.ok();
    assert_eq!((&status["things"], &status["jobs"]), (&json!(0), &json!(0)));
    assert_eq!(client.signed("s3", "HEAD /bucket", "").await.status, 404);
    assert_eq!(
        client.local("GET /_local/faults", json!({})).await.ok()["urlsExpireAtOnce"],
        false
    );
}

#[tokio::test]
async fn a_certificate_comes_with_all_that_a_device_needs() {
    let client = Client::new().await;
    let issued = client
        .local("POST /_local/things/gw%3A1/certificate", json!({}))
        .await
        .ok();
    for pem in ["certificatePem", "privateKey", "caPem"] {
        assert!(
            issued[pem].as_str().unwrap().starts_with("-----BEGIN "),
            "{pem}"
        );
    }
    let mqtt = &client.service.addresses().mqtt;
    assert_eq!(
        (&issued["endpoint"], &issued["port"]),
        (&json!(mqtt.host), &json!(mqtt.port))
    );
    let answer = client
        .local("POST /_local/things/gw%201/certificate", json!({}))
        .await;
    assert_eq!(answer.refused(), refusal(400, "InvalidRequestException"));
}

#[tokio::test]
async fn no_web_page_drives_the_service() {
    let client = Client::with_thing().await;
    let from_page = request("POST /_local/reset").header(ORIGIN, "http://example.com");
    assert_eq!(
        client.send(from_page, "{}").await.refused(),
        refusal(403, "AccessDeniedException")
    );
    // Whoever makes up a signature needs no key.
    let signed = "x-amz-credential=k/20261021/eu-west-1/iot/aws4_request";
    for (name, value) in [
        (ORIGIN, "http://example.com"),
        (HOST, "example.com"),
        (HeaderName::from_static("sec-fetch-site"), "cross-site"),
    ] {
        for line in ["POST /things/evil", "GET /things", "PUT /bucket"] {
            let uri = format!("{line}?{signed}");
            let answer = client.send(request(&uri).header(&name, value), "{}").await;
            assert_eq!(answer.refused(), refusal(403, "AccessDeniedException"));
        }
    }
    let status = client.local("GET /_local/status", json!({})).await.ok();
    assert_eq!(status["things"], 1);
}

#[tokio::test]
async fn a_device_reaches_the_jobs_of_its_thing_with_its_certificate_alone() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/J", job()).await.ok();

    let line = "GET /things/gw-1/jobs";
    let pending = client.device("gw-1", line, json!({})).await.ok();
    assert_eq!(pending["queuedJobs"][0]["jobId"], "J");
    let line = "POST /things/gw-1/jobs/J";
    let body = json!({"status": "SUCCEEDED"});
    client.device("gw-1", line, body).await.ok();

    for line in ["GET /things/gw-1/jobs", "PUT /things/gw-1/jobs/$next"] {
        let answer = client.device("gw-2", line, json!({})).await;
        assert_eq!(
            answer.refused(),
            refusal(403, "ForbiddenException"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn next_may_be_written_with_and_without_an_escape() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/J", job()).await.ok();
    for next in ["$next", "%24next"] {
        let line = format!("GET /things/gw-1/jobs/{next}");
        let described = client.data(&line, json!({})).await.ok();
        assert_eq!(described["execution"]["jobId"], "J");
        let line = format!("PUT /things/gw-1/jobs/{next}");
        let started = client.data(&line, json!({})).await.ok();
        assert_eq!(started["execution"]["jobId"], "J");
        let line = format!("POST /things/gw-1/jobs/{next}");
        let updated = client.data(&line, json!({"status": "SUCCEEDED"})).await;
        assert_eq!(updated.refused(), refusal(400, "InvalidRequestException"));
    }
}

#[tokio::test]
async fn faults_of_devices_are_planned_beside_those_of_downloads_and_go_with_a_reset() {
    let client = Client::new().await;
    let faults = json!({
        "nextRequests": [{"operation": "start-next", "drop": true}],
        "nextNotifications": [{"kind": "notify", "duplicate": true}],
        "nextDownloads": [{"status": 503}],
    });
    let planned = client.local("POST /_local/faults", faults).await.ok();
    assert_eq!(planned["nextRequests"][0]["operation"], "start-next");
    assert_eq!(planned["nextNotifications"][0]["kind"], "notify");
    assert_eq!(planned["nextDownloads"][0]["status"], 503);

    for wrong in [
        json!({"nextRequests": [{"operation": "get"}]}),
        json!({"nextRequests": [{"code": "VersionMismatch"}]}),
        json!({"nextRequests": [{"hideNext": 86_401}]}),
        json!({"someRequests": []}),
    ] {
        let refused = client.local("POST /_local/faults", wrong).await.refused();
        assert_eq!(refused, refusal(400, "InvalidRequestException"));
    }
    let kept = client.local("GET /_local/faults", json!({})).await.ok();
    assert_eq!(kept, planned);

    client.local("POST /_local/reset", json!({})).await.ok();
    let forgotten = client.local("GET /_local/faults", json!({})).await.ok();
    assert_eq!(forgotten["nextRequests"], json!([]));
}

#[tokio::test]
async fn a_knob_is_set_while_the_service_runs_and_the_others_stay() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/J", job()).await.ok();
    let strict = json!({"strictStatusDetails": true});
    let knobs = client.local("POST /_local/knobs", strict).await.ok();
    assert_eq!(
        (
            &knobs["strictStatusDetails"],
            &knobs["notifyNextPerNamespace"]
        ),
        (&json!(true), &json!(false))
    );
    let read = client.local("GET /_local/knobs", json!({})).await.ok();
    assert_eq!(read, knobs);
    let body = json!({"status": "IN_PROGRESS", "statusDetails": {"n": 1}});
    let update = client.data("POST /things/gw-1/jobs/J", body).await;
    assert_eq!(update.refused(), refusal(400, "InvalidRequestException"));
}

#[tokio::test]
async fn a_member_of_the_wrong_type_is_named() {
    let client = Client::with_thing().await;
    let body = json!({"abortConfig": {"criteriaList": [{"thresholdPercentage": "much"}]}});
    let answer = client.iot("PUT /jobs/J", body).await;
    assert_eq!(answer.exception, "InvalidRequestException");
    let message = answer.body["message"].as_str().unwrap();
    let at = "abortConfig.criteriaList[0].thresholdPercentage";
    assert!(message.contains(at), "{message}");
}

#[tokio::test]
async fn of_a_body_that_is_refused_little_is_repeated() {
    let client = Client::with_thing().await;
    let long = "x".repeat(100_000);
    for body in [
        json!({"tags": long}),
        json!({"documentParameters": {long.as_str(): 1}}),
    ] {
        let answer = client.iot("PUT /jobs/J", body).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body["message"].as_str().unwrap().len() < 1000);
    }
}

#[tokio::test]
async fn knobs_of_which_one_cannot_be_set_all_stay() {
    let client = Client::with_thing().await;
    let before = client.local("GET /_local/knobs", json!({})).await.ok();
    let asked = json!({"events": true, "quotas": {"pageSize": 0, "x": 1}, "y": null});
    let answer = client.local("POST /_local/knobs", asked).await;
    assert_eq!(
        answer.body["message"],
        "quotas.pageSize cannot be 0: a number from 1 to 250 is expected; there is no knob \
         quotas.x; there is no knob y"
    );
    assert_eq!(answer.refused(), refusal(400, "InvalidRequestException"));
    let after = client.local("GET /_local/knobs", json!({})).await.ok();
    assert_eq!(after, before);
    for body in [json!([]), json!(7), json!("events")] {
        let answer = client.local("POST /_local/knobs", body).await;
        assert_eq!(answer.refused(), refusal(400, "InvalidRequestException"));
    }
}

#[tokio::test]
async fn a_member_that_is_null_is_absent() {
    let client = Client::with_thing().await;
    let body = json!({
        "targets": [THING_ARN], "document": "{}", "tags": null, "description": null, "abortConfig": null,
        "timeoutConfig": {"inProgressTimeoutInMinutes": null},
    });
    assert_eq!(client.iot("PUT /jobs/J", body).await.status, 200);
    let body = json!({"attributePayload": {"attributes": null, "merge": null}});
    assert_eq!(client.iot("PATCH /things/gw-1", body).await.status, 200);
}

#[tokio::test]
async fn each_jobs_operation_is_throttled_by_itself_and_no_other_operation_is() {
    let client = Client::with_thing().await;
    let quotas = json!({"quotas": {"requestsPerSecond": {"controlPlane": 2}}});
    client.local("POST /_local/knobs", quotas).await.ok();
    for line in [
        "GET /jobs",
        "PUT /jobs/J",
        "GET /jobs/J",
        "GET /jobs/J/things",
        "GET /things/gw-1/jobs",
        "GET /job-templates",
        "PUT /job-templates/T",
    ] {
        for _ in 0..2 {
            let answer = client.iot(line, json!({})).await;
            assert_ne!(answer.exception, "ThrottlingException", "{line}");
        }
        let answer = client.iot(line, json!({})).await;
        assert_eq!(answer.body["message"], "Rate exceeded", "{line}");
        assert_eq!(answer.refused(), refusal(400, "ThrottlingException"));
    }
    for _ in 0..5 {
        client.iot("GET /things", json!({})).await.ok();
        let events = "/event-configurations";
        client.iot(&format!("GET {events}"), json!({})).await.ok();
        let none = json!({"eventConfigurations": {}});
        client.iot(&format!("PATCH {events}"), none).await.ok();
        client.local("GET /_local/health", json!({})).await.ok();
        let pending = client.data("GET /things/gw-1/jobs", json!({})).await;
        pending.ok();
    }
    let step = json!({"advance": 0.5});
    client.local("POST /_local/clock", step).await.ok();
    client.iot("GET /jobs", json!({})).await.ok();
    let again = client.iot("GET /jobs", json!({})).await;
    assert_eq!(again.refused(), refusal(400, "ThrottlingException"));
}

#[tokio::test]
async fn devices_over_http_are_throttled_with_429() {
    let client = Client::with_thing().await;
    let rates = json!({"dataPlaneReads": 1, "dataPlaneWrites": 1});
    let quotas = json!({"quotas": {"requestsPerSecond": rates}});
    client.local("POST /_local/knobs", quotas).await.ok();
    let next = "/things/gw-1/jobs/$next";
    client.data(&format!("GET {next}"), json!({})).await.ok();
    client.data(&format!("PUT {next}"), json!({})).await.ok();
    for line in [
        "GET /things/gw-1/jobs".to_owned(),
        format!("GET {next}"),
        format!("PUT {next}"),
        "POST /things/gw-1/jobs/J".to_owned(),
    ] {
        let answer = client.data(&line, json!({})).await;
        assert_eq!(
            answer.refused(),
            refusal(429, "ThrottlingException"),
            "{line}"
        );
        let answer = client.device("gw-1", &line, json!({})).await;
        assert_eq!(
            answer.refused(),
            refusal(429, "ThrottlingException"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_devices_request_is_told_at_once_over_http_too() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/J", job()).await.ok();
    for (line, body, expected) in [
        (
            "GET /things/gw-1/jobs/J?executionNumber=one&includeJobDocument=yes",
            json!({}),
            "2 validation errors detected: Value '\"one\"' at 'executionNumber' failed to satisfy \
             constraint: Member must be an integer; Value '\"yes\"' at 'includeJobDocument' failed \
             to satisfy constraint: Member must be a boolean",
        ),
        (
            "POST /things/gw-1/jobs/J",
            json!({"status": "FAILED", "expectedVersion": [], "stepTimeoutInMinutes": 10_081}),
            "2 validation errors detected: Value '[]' at 'expectedVersion' failed to satisfy \
             constraint: Member must be an integer; Value '10081' at 'stepTimeoutInMinutes' failed \
             to satisfy constraint: Member must have value less than or equal to 10080",
        ),
        (
            "GET /things/gw%201/jobs/a%20b",
            json!({}),
            "2 validation errors detected: Value 'gw 1' at 'thingName' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+; Value \
             'a b' at 'jobId' failed to satisfy constraint: Member must satisfy regular expression \
             pattern: [a-zA-Z0-9_-]+",
        ),
    ] {
        let answer = client.data(line, body).await;
        assert_eq!(answer.body["message"], expected, "{line}");
        assert_eq!(answer.refused(), refusal(400, "InvalidRequestException"));
    }
    // Only MQTT has tokens: here it is one of the members that AWS does not know.
    let body = json!({"status": "IN_PROGRESS", "clientToken": 7});
    client.data("POST /things/gw-1/jobs/J", body).await.ok();
    let described = "GET /things/gw-1/jobs/J?executionNumber=1&includeJobDocument=false";
    let described = client.data(described, json!({})).await.ok();
    assert_eq!(described["execution"].get("jobDocument"), None);
}

#[tokio::test]
async fn the_jobs_endpoint_can_be_retired() {
    let client = Client::new().await;
    let jobs = "GET /endpoint?endpointType=iot%3AJobs";
    client.iot(jobs, json!({})).await.ok();
    let retired = json!({"iotJobsEndpointRetired": true});
    client.local("POST /_local/knobs", retired).await.ok();
    let answer = client.iot(jobs, json!({})).await;
    assert_eq!(
        answer.body["message"],
        "IoT Jobs and Commands APIs are now available through iot:Data-ATS endpoints instead of \
         iot:Jobs endpoints. Please use iot:Data-ATS."
    );
    assert_eq!(answer.refused(), refusal(400, "InvalidRequestException"));
    let data = "GET /endpoint?endpointType=iot%3AData-ATS";
    client.iot(data, json!({})).await.ok();
}
