//! The page, what it reads, and who may read it.

use core::time::Duration;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, Response};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::*;

/// More than enough for an answer over loopback.
const LONG: Duration = Duration::from_secs(20);

impl Client {
    /// An answer as it comes, to a request whose Host is the service's address.
    async fn open(&self, request: axum::http::request::Builder) -> Response<Incoming> {
        let request = request.header(HOST, self.address.to_string());
        self.open_as_is(request).await
    }

    async fn open_as_is(&self, request: axum::http::request::Builder) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = request.body(Body::empty()).unwrap();
        sender.send_request(request).await.unwrap()
    }

    async fn status(&self, request: axum::http::request::Builder) -> u16 {
        self.open(request).await.status().as_u16()
    }

    async fn listen(&self) -> Response<Incoming> {
        self.open(request("GET /_local/changes")).await
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// The number of the next event.
async fn event(listener: &mut Response<Incoming>) -> u64 {
    let next = listener.body_mut().frame();
    let frame = timeout(LONG, next).await.unwrap().unwrap().unwrap();
    let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
    let number = text.strip_prefix("data: {\"revision\":");
    let number = number.and_then(|text| text.strip_suffix("}\n\n"));
    number
        .unwrap_or_else(|| panic!("{text:?}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn the_root_is_a_page_that_may_load_and_run_nothing_else() {
    let client = Client::new().await;
    let answer = client.open(request("GET /")).await;
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    assert_eq!(header(headers, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(headers, "x-content-type-options"), "nosniff");
    assert_eq!(header(headers, "x-frame-options"), "DENY");
    assert_eq!(header(headers, "cache-control"), "no-store");
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    let rules: Vec<_> = policy.split("; ").map(str::trim).collect();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(rules.contains(&rule), "{rule}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'));
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"<!doctype html>"));
}

#[tokio::test]
async fn every_part_of_the_page_has_its_type() {
    let client = Client::new().await;
    for (part, kind) in [
        ("main.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let answer = client
            .open(request(&format!("GET /_local/page/{part}")))
            .await;
        assert_eq!(answer.headers()[CONTENT_TYPE], kind, "{part}");
        assert_eq!(
            header(answer.headers(), "x-content-type-options"),
            "nosniff"
        );
    }
    let missing = client.status(request("GET /_local/page/../page.rs")).await;
    assert_eq!(missing, 404);
}

#[tokio::test]
async fn a_head_of_the_page_has_no_body() {
    let client = Client::new().await;
    let answer = client.open(request("HEAD /")).await;
    assert_eq!(answer.status(), 200);
    assert!(
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
}

#[tokio::test]
async fn a_signed_root_is_still_the_list_of_buckets() {
    let client = Client::new().await;
    let scope = "AWS4-HMAC-SHA256 Credential=local/20261021/eu-west-1/s3/aws4_request";
    let answer = client
        .open(request("GET /").header(AUTHORIZATION, scope))
        .await;
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("<ListAllMyBucketsResult"));
}

#[tokio::test]
async fn what_is_the_services_own_is_not_told_to_another_host() {
    let client = Client::new().await;
    for line in [
        "GET /",
        "GET /_local/page/main.js",
        "GET /_local/overview",
        "GET /_local/health",
        "POST /_local/reset",
    ] {
        for (host, status) in [("localhost:1", 200), ("evil.example", 403)] {
            let asked = request(line).header(HOST, host);
            let answer = client.open_as_is(asked).await;
            assert_eq!(answer.status(), status, "{line} {host}");
        }
    }
}

#[tokio::test]
async fn other_sites_are_refused_and_the_services_own_page_is_not() {
    let client = Client::new().await;
    for (site, status) in [
        ("same-origin", 200),
        ("none", 200),
        ("same-site", 403),
        ("cross-site", 403),
    ] {
        let asked = request("GET /_local/overview").header("sec-fetch-site", site);
        assert_eq!(client.status(asked).await, status, "{site}");
    }
    // A link on another site may lead here, and browsers ask for modules with an Origin.
    let followed = request("GET /").header("sec-fetch-site", "cross-site");
    assert_eq!(client.status(followed).await, 200);
    let module = request("GET /_local/page/main.js").header(ORIGIN, "http://localhost");
    assert_eq!(client.status(module).await, 200);
    let driven = request("POST /_local/reset").header(ORIGIN, "http://localhost");
    assert_eq!(client.status(driven).await, 403);
}

#[tokio::test]
async fn what_there_is_can_be_read_from_the_top_to_one_execution() {
    let client = Client::with_thing().await;
    client.iot("PUT /jobs/J", job()).await.ok();
    let started = json!({"statusDetails": {"step": "<b>"}});
    client
        .data("PUT /things/gw-1/jobs/$next", started)
        .await
        .ok();

    let read = async |path: &str| {
        client
            .local(&format!("GET /_local/{path}"), json!({}))
            .await
    };
    let overview = read("overview").await.ok();
    assert_eq!(
        (&overview["things"], &overview["connected"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(overview["executions"], json!({"IN_PROGRESS": 1}));
    assert_eq!(overview["frozen"], true);

    let jobs = read("jobs").await.ok();
    assert_eq!(jobs["items"][0]["jobId"], "J");
    assert_eq!(
        read("jobs/J").await.ok()["document"],
        "{\"operation\":\"x\"}"
    );
    let found = read("jobs/J/executions?status=IN_PROGRESS&search=GW")
        .await
        .ok();
    assert_eq!(found["items"][0]["thingName"], "gw-1");
    let things = read("things?limit=1").await.ok();
    assert_eq!(things["items"][0]["lastSeenAt"], 1_792_567_680_000_u64);
    assert_eq!(read("things/gw-1").await.ok()["newest"][0]["jobId"], "J");

    let execution = read("jobs/J/things/gw-1").await.ok();
    assert_eq!(execution, read("jobs/J/things/gw-1/1").await.ok());
    let last = execution["timeline"].as_array().unwrap().last().unwrap();
    let detail = json!([{"key": "step", "value": "<b>"}]);
    assert_eq!(last["what"]["reported"]["report"]["details"], detail);

    for missing in [
        "jobs/K",
        "jobs/K/executions",
        "things/t",
        "jobs/J/things/gw-1/2",
    ] {
        let refused = read(missing).await.refused();
        assert_eq!(
            refused,
            refusal(404, "ResourceNotFoundException"),
            "{missing}"
        );
    }
}

#[tokio::test]
async fn the_overview_tells_how_fast_the_clock_runs() {
    let client = Client::new().await;
    for (scale, frozen) in [(1.0, true), (60.0, true), (0.5, false)] {
        let asked = json!({"scale": scale, "frozen": frozen});
        client.local("POST /_local/clock", asked).await.ok();
        let overview = client.local("GET /_local/overview", json!({})).await.ok();
        let shown = (&overview["scale"], &overview["frozen"]);
        assert_eq!(shown, (&json!(scale), &json!(frozen)));
    }
}

#[tokio::test]
async fn a_part_of_a_list_that_no_page_asks_for_is_refused() {
    let client = Client::new().await;
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "size=1",
        &format!("search={}", "a".repeat(161)),
    ] {
        let line = format!("GET /_local/things?{query}");
        let refused = client.local(&line, json!({})).await.refused();
        assert_eq!(refused, refusal(400, "InvalidRequestException"), "{query}");
    }
}

#[tokio::test]
async fn a_listener_hears_that_something_changed() {
    let client = Client::new().await;
    let mut listener = client.listen().await;
    assert_eq!(
        header(listener.headers(), "content-type"),
        "text/event-stream"
    );
    assert_eq!(header(listener.headers(), "cache-control"), "no-store");
    let before = event(&mut listener).await;
    client.iot("POST /things/gw-1", json!({})).await.ok();
    assert!(event(&mut listener).await > before);
}

#[tokio::test]
async fn looking_at_the_page_changes_nothing() {
    let client = Client::with_thing().await;
    let revision = client.service.shared().revision();
    let before = *revision.borrow();
    for path in [
        "clock",
        "faults",
        "jobs",
        "knobs",
        "overview",
        "status",
        "things",
        "things/gw-1",
    ] {
        client
            .local(&format!("GET /_local/{path}"), json!({}))
            .await
            .ok();
    }
    client
        .iot("GET /endpoint?endpointType=iot:Data-ATS", json!({}))
        .await
        .ok();
    assert_eq!(*revision.borrow(), before);
}

#[tokio::test]
async fn changes_that_a_listener_does_not_take_wait_as_one() {
    let client = Client::new().await;
    let mut listener = client.listen().await;
    event(&mut listener).await;
    for n in 0..50 {
        client
            .iot(&format!("POST /things/gw-{n}"), json!({}))
            .await
            .ok();
    }
    let last = *client.service.shared().revision().borrow();
    let mut events = 1;
    while event(&mut listener).await < last {
        events += 1;
    }
    assert!(events < 25, "{events}");
}

#[tokio::test]
async fn only_so_many_listen_and_one_that_leaves_makes_room() {
    let client = Client::new().await;
    let mut listeners = Vec::new();
    let refused = loop {
        let listener = client.listen().await;
        if listener.status() != 200 {
            break listener;
        }
        listeners.push(listener);
        assert!(listeners.len() <= 64);
    };
    assert_eq!((refused.status().as_u16(), listeners.len()), (503, 64));
    drop(listeners);
    let room = async {
        while client.listen().await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, room).await.unwrap();
}

#[tokio::test]
async fn a_service_that_stops_does_not_wait_for_its_listeners() {
    let Client { service, address } = Client::new().await;
    let client = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    let asked = request("GET /_local/changes").header(HOST, address.to_string());
    let mut listener = sender
        .send_request(asked.body(Body::empty()).unwrap())
        .await
        .unwrap();
    event(&mut listener).await;
    // The grace that requests under way have is longer.
    timeout(Duration::from_secs(2), service.stop())
        .await
        .unwrap();
    assert!(
        listener
            .body_mut()
            .frame()
            .await
            .is_none_or(|frame| frame.is_err())
    );
}
