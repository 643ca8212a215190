//! Broken HTTP through a real socket: each request is refused in AWS's shape if it can be read at all,
//! and nobody else notices.

use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::*;
use crate::api::extract::{Json, MAX_BODY_BYTES};

const SIGNED: &str =
    "Authorization: AWS4-HMAC-SHA256 Credential=local/20261021/eu-west-1/iot/aws4_request\r\n";
const INVALID: &str = "InvalidRequestException";
/// What the connection itself refuses: no operation was asked for yet, and there is no body.
const NO_HTTP: &str = "";
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends bytes, says no more, and reads until the service closes.
async fn raw(client: &Client, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    // The service may refuse before it has read all, and close.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the service ends the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A signed request whose head ends as `head` says.
fn signed(line: &str, head: &str, body: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{SIGNED}{head}\r\n{body}").into_bytes()
}

fn check(answer: &str, status: u16, exception: &str, what: &str) {
    let head = answer.to_ascii_lowercase();
    assert!(
        head.starts_with(&format!("http/1.1 {status} "))
            || head.starts_with(&format!("http/1.0 {status} ")),
        "{what}: {answer}"
    );
    if exception == NO_HTTP {
        assert!(head.contains("content-length: 0"), "{what}: {answer}");
        return;
    }
    let named = format!("x-amzn-errortype: {exception}\r\n").to_ascii_lowercase();
    assert!(head.contains(&named), "{what}: {answer}");
    assert!(head.contains("x-amzn-requestid: "), "{what}: {answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).expect(what);
    assert!(body["message"].is_string(), "{what}: {answer}");
}

#[tokio::test]
async fn a_head_that_is_no_http_ends_its_own_connection() {
    let client = Client::with_thing().await;
    for (what, bytes) in [
        ("no method", b"/jobs\r\n\r\n".as_slice()),
        ("another version", b"GET /jobs HTTP/9.9\r\n\r\n"),
        (
            "a byte that is no text",
            b"GET /jobs/\xff\xfe\x80\x00 HTTP/1.1\r\n\r\n",
        ),
        ("a null in the path", b"GET /jobs/a\0b HTTP/1.1\r\n\r\n"),
        (
            "a header without a colon",
            b"GET /jobs HTTP/1.1\r\nnonsense\r\n\r\n",
        ),
        (
            "a null in a header",
            b"GET /jobs HTTP/1.1\r\nx: a\0b\r\n\r\n",
        ),
        (
            "a length that is no number",
            b"PUT /jobs/J HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        ),
        (
            "a negative length",
            b"PUT /jobs/J HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        ),
        (
            "two lengths",
            b"PUT /jobs/J HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        ),
        (
            "another transfer coding",
            b"PUT /jobs/J HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        ),
    ] {
        check(&raw(&client, bytes).await, 400, NO_HTTP, what);
    }
    let garbage = raw(&client, b"\x16\x03\x01\x00\x05nonsense").await;
    assert!(!garbage.contains("HTTP"), "{garbage}");
    client.iot("GET /things/gw-1", json!({})).await.ok();
}

#[tokio::test]
async fn a_path_that_names_nothing_is_refused_as_aws_does() {
    let client = Client::with_thing().await;
    for (path, status, exception) in [
        ("/jobs/%00", 400, INVALID),
        ("/jobs/%zz", 400, INVALID),
        ("/jobs/%", 400, INVALID),
        ("/jobs/%C0%AF", 400, INVALID),
        ("/jobs/%FF%FE", 400, INVALID),
        ("/jobs/%2e%2e", 400, INVALID),
        ("/jobs/..%2f..%2fetc", 400, INVALID),
        ("/jobs?maxResults=%FF", 400, INVALID),
        ("/jobs?maxResults=99999999999999999999", 400, INVALID),
        ("/jobs/../jobs", 404, "UnknownOperationException"),
        ("//jobs", 404, "UnknownOperationException"),
        ("/things/gw-1/jobs/%2Fx", 400, INVALID),
        ("http://localhost/jobs/%00", 400, INVALID),
    ] {
        let request = signed(&format!("GET {path}"), "Connection: close\r\n", "");
        check(&raw(&client, &request).await, status, exception, path);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_as_aws_does() {
    let client = Client::with_thing().await;
    let put = |head: &str, body: &str| signed("PUT /jobs/J", head, body);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let deep = "[".repeat(100_000);
    let length = |body: &str| format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
    for (what, request) in [
        ("too short", put("Content-Length: 99\r\n", "{}")),
        ("no chunk", put(chunked, "nonsense\r\n")),
        ("a chunk without an end", put(chunked, "ff\r\n{}")),
        ("a huge chunk", put(chunked, "ffffffffffffffff\r\n{}")),
        ("deep", put(&length(&deep), &deep)),
        ("no JSON", put(&length("<a/>"), "<a/>")),
        ("a list", put(&length("[1]"), "[1]")),
        (
            "a lone surrogate",
            put(
                &length(r#"{"document":"\ud800"}"#),
                r#"{"document":"\ud800"}"#,
            ),
        ),
        (
            "a number",
            put(&length(r#"{"targets":1e999}"#), r#"{"targets":1e999}"#),
        ),
    ] {
        check(&raw(&client, &request).await, 400, INVALID, what);
    }
}

#[tokio::test]
async fn a_body_is_read_to_its_limit_whatever_its_head_says() {
    let client = Client::with_thing().await;
    let padded = |size: usize| format!("{}{{", " ".repeat(size - 1));
    let limit = client
        .signed("iot", "PUT /jobs/J", padded(MAX_BODY_BYTES))
        .await;
    assert_eq!(limit.refused(), refusal(400, INVALID));
    let above = "RequestEntityTooLargeException";
    let beyond = client
        .signed("iot", "PUT /jobs/J", padded(MAX_BODY_BYTES + 1))
        .await;
    assert_eq!(beyond.refused(), refusal(413, above));
}

#[tokio::test]
async fn whatever_the_content_type_says_the_body_is_json() {
    let client = Client::with_thing().await;
    let body = job().to_string();
    for (number, kind) in ["text/xml", "application/x-amz-json-1.1", "\u{e9}", ""]
        .iter()
        .enumerate()
    {
        let request = request(&format!("PUT /jobs/J{number}"))
            .header("content-type", *kind)
            .header(
                AUTHORIZATION,
                "AWS4-HMAC-SHA256 Credential=local/20261021/eu-west-1/iot/aws4_request",
            );
        client.send(request, body.clone()).await.ok();
    }
}

#[tokio::test]
async fn a_header_that_is_no_text_is_no_signature() {
    let client = Client::with_thing().await;
    let mut request =
        b"GET /jobs/J HTTP/1.1\r\nConnection: close\r\nAuthorization: \xff\xfe".to_vec();
    request.extend(b" Credential=local/20261021/eu-west-1/iot/aws4_request\r\n\r\n");
    let answer = raw(&client, &request).await;
    check(
        &answer,
        403,
        "MissingAuthenticationTokenException",
        "no text",
    );
}

#[tokio::test]
async fn old_and_unusual_http_is_answered() {
    let client = Client::with_thing().await;
    let body = job().to_string();
    let length = body.len();
    let expects = signed(
        "PUT /jobs/J",
        &format!("Expect: 100-continue\r\nContent-Length: {length}\r\nConnection: close\r\n"),
        &body,
    );
    let answer = raw(&client, &expects).await;
    let continued = answer
        .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
        .unwrap();
    assert!(continued.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    let old = format!("GET /jobs/J HTTP/1.0\r\n{SIGNED}\r\n");
    let answer = raw(&client, old.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");

    let head = "Upgrade: websocket\r\nConnection: upgrade, close\r\n";
    let answer = raw(&client, &signed("GET /jobs/J", head, "")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    let elsewhere = format!(
        "GET http://localhost/jobs/J HTTP/1.1\r\nHost: localhost\r\n{SIGNED}Connection: close\r\n\r\n"
    );
    let answer = raw(&client, elsewhere.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_order() {
    let client = Client::with_thing().await;
    let mut requests = signed("GET /jobs/%00", "", "");
    requests.extend(signed("GET /things/gw-1", "", ""));
    requests.extend(signed("GET /jobs/none", "Connection: close\r\n", ""));
    let answer = raw(&client, &requests).await;
    let statuses: Vec<_> = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, found)| &answer[at + found.len()..][..3])
        .collect();
    assert_eq!(statuses, ["400", "200", "404"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let request = Request::new(Body::new(Silent));
    let began = tokio::time::Instant::now();
    let refused = <Json<Value> as axum::extract::FromRequest<()>>::from_request(request, &()).await;
    let response = axum::response::IntoResponse::into_response(refused.err().unwrap());
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(began.elapsed(), Duration::from_secs(30));
}

/// A body of which nothing ever comes.
struct Silent;

impl hyper::body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
