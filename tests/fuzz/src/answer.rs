//! What is true of every answer of the API, whatever was asked.

use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Response, StatusCode};
use bytes::Bytes;
use serde_json::Value;

/// What the service's own files are.
const FILES: [&str; 3] = ["application/x-pem-file", "image/svg+xml", "text/"];

/// Checks an answer to `method` `path`.
pub fn check(method: &Method, path: &str, answer: &Response<Bytes>) {
    let status = answer.status();
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    assert!(
        !status.is_server_error() || status == StatusCode::NOT_IMPLEMENTED,
        "{method} {path}: {answer:?}"
    );
    let id = [header("x-amzn-requestid"), header("x-amz-request-id")].concat();
    // The page and its parts, and the authority.
    let is_file = status.is_success() && FILES.iter().any(|kind| kind_of(answer).starts_with(kind));
    assert!(
        !id.is_empty() || is_file,
        "{method} {path} has no id: {answer:?}"
    );

    let is_error = status.is_client_error() || status.is_server_error();
    let kind = kind_of(answer);
    let is_s3 = !header("x-amz-request-id").is_empty();
    if is_error && !is_s3 {
        let exception = header("x-amzn-errortype");
        assert!(
            exception.ends_with("Exception"),
            "{method} {path}: {answer:?}"
        );
        assert_eq!(kind, "application/json", "{method} {path}: {answer:?}");
    }
    if method == Method::HEAD || is_file {
        return;
    }
    if is_s3 {
        if is_error {
            let text = std::str::from_utf8(answer.body()).unwrap_or_default();
            assert_eq!(kind, "application/xml", "{method} {path}: {answer:?}");
            assert!(
                text.contains("<Error><Code>"),
                "{method} {path}: {answer:?}"
            );
            assert!(text.ends_with("</Error>"), "{method} {path}: {answer:?}");
        }
        return;
    }
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    assert!(body.is_object(), "{method} {path}: {answer:?}");
    if is_error {
        let message = body["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{method} {path}: {answer:?}");
    }
}

fn kind_of(answer: &Response<Bytes>) -> &str {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}
