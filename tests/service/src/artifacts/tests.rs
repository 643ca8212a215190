//! The store through its HTTP face, as clients see it.

mod versions;

use axum::body::{Body, Bytes};
use axum::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HOST, IF_MATCH, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, RANGE,
};
use axum::http::request::Builder;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tempfile::TempDir;

use super::*;
use crate::http::ShownCertificate;

const NOW: Timestamp = Timestamp::from_secs(1_792_567_680);
const CONTENT: &[u8] = b"0123456789";

struct Client {
    artifacts: Artifacts,
    _directory: TempDir,
}

impl Client {
    /// A store with the bucket `firmware` and in it the object `image`.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("objects");
        let artifacts = Artifacts::open(&path, "https://localhost:9443", "eu-west-1").unwrap();
        let client = Self {
            artifacts,
            _directory: directory,
        };
        assert_eq!(
            client
                .send(Method::PUT, "/firmware", &[], "")
                .await
                .status(),
            StatusCode::OK
        );
        assert_eq!(
            client.put("/firmware/image", &[], CONTENT).await.status(),
            StatusCode::OK
        );
        client
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        headers: &[(HeaderName, &str)],
        body: impl Into<Body>,
    ) -> Response<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(AUTHORIZATION, "AWS4-HMAC-SHA256 …");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.artifacts
            .answer(request.body(body.into()).unwrap(), NOW)
            .await
    }

    async fn put(
        &self,
        uri: &str,
        headers: &[(HeaderName, &str)],
        body: &'static [u8],
    ) -> Response<Body> {
        let length = body.len().to_string();
        let headers = [&[(CONTENT_LENGTH, length.as_str())], headers].concat();
        self.send(Method::PUT, uri, &headers, body).await
    }

    async fn get(&self, uri: &str, headers: &[(HeaderName, &str)]) -> Response<Body> {
        self.send(Method::GET, uri, headers, "").await
    }

    /// Downloads the image as a device does.
    async fn download(&self, now: Timestamp) -> Response<Body> {
        self.download_with(now, |request| request).await
    }

    /// Downloads the image as a device does that adds something to its request.
    async fn download_with(
        &self,
        now: Timestamp,
        add: impl FnOnce(Builder) -> Builder,
    ) -> Response<Body> {
        let url = self.artifacts.presign(
            Access::Read,
            "firmware",
            "image",
            Duration::from_secs(60),
            now,
        );
        let uri = url.reveal().strip_prefix("https://localhost:9443").unwrap();
        let request = Request::builder().uri(uri).header(HOST, "localhost:9443");
        let request = add(request).body(Body::empty()).unwrap();
        self.artifacts.answer(request, NOW).await
    }
}

fn header<'a>(response: &'a Response<Body>, name: &HeaderName) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

async fn refusal(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = text(response).await;
    (
        status,
        xml::elements(&body, "Code")
            .next()
            .unwrap_or_default()
            .to_owned(),
    )
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

const fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

#[tokio::test]
async fn an_object_is_read_as_it_was_written() {
    let client = Client::new().await;
    let headers = [
        (name("x-amz-meta-board"), "rev-b"),
        (name("content-type"), "text/plain"),
    ];
    client.put("/firmware/a%20b/c", &headers, b"content").await;
    let answer = client.get("/firmware/a%20b/c", &[]).await;
    assert_eq!(header(&answer, &name("x-amz-meta-board")), "rev-b");
    assert_eq!(header(&answer, &name("content-type")), "text/plain");
    assert_eq!(
        header(&answer, &LAST_MODIFIED),
        "Wed, 21 Oct 2026 07:28:00 GMT"
    );
    assert_eq!(header(&answer, &name("accept-ranges")), "bytes");
    assert_eq!(text(answer).await, "content");
}

#[tokio::test]
async fn a_range_is_answered_with_its_part() {
    let client = Client::new().await;
    let answer = client.get("/firmware/image", &[(RANGE, "bytes=3-5")]).await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&answer, &CONTENT_RANGE), "bytes 3-5/10");
    assert_eq!(text(answer).await, "345");
    let answer = client.get("/firmware/image", &[(RANGE, "bytes=10-")]).await;
    assert_eq!(refusal(answer).await, refused(416, "InvalidRange"));
}

#[tokio::test]
async fn a_range_of_an_object_that_changed_is_answered_with_the_whole() {
    let client = Client::new().await;
    let etag = header(&client.get("/firmware/image", &[]).await, &ETAG).to_owned();
    let range = [(RANGE, "bytes=3-5"), (IF_RANGE, etag.as_str())];
    assert_eq!(
        text(client.get("/firmware/image", &range).await).await,
        "345"
    );
    client.put("/firmware/image", &[], b"abcdefghij").await;
    let answer = client.get("/firmware/image", &range).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(text(answer).await, "abcdefghij");
}

#[tokio::test]
async fn conditions_on_the_etag_are_kept() {
    let client = Client::new().await;
    let etag = header(&client.get("/firmware/image", &[]).await, &ETAG).to_owned();
    let unchanged = client
        .get("/firmware/image", &[(IF_NONE_MATCH, &etag)])
        .await;
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(text(unchanged).await, "");
    let other = client
        .get("/firmware/image", &[(IF_MATCH, "\"other\"")])
        .await;
    assert_eq!(refusal(other).await, refused(412, "PreconditionFailed"));
    assert_eq!(
        client
            .get("/firmware/image", &[(IF_MATCH, &etag)])
            .await
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_chunked_body_is_stored_without_its_chunks_once_its_checksum_holds() {
    let client = Client::new().await;
    let headers = [
        (
            name("x-amz-content-sha256"),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        ),
        (name("x-amz-decoded-content-length"), "9"),
        (name("x-amz-trailer"), "x-amz-checksum-crc32"),
        (name("content-encoding"), "aws-chunked"),
    ];
    let good = b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
    assert_eq!(
        client
            .put("/firmware/chunked", &headers, good)
            .await
            .status(),
        StatusCode::OK
    );
    let answer = client
        .get(
            "/firmware/chunked",
            &[(name("x-amz-checksum-mode"), "ENABLED")],
        )
        .await;
    assert_eq!(header(&answer, &name("x-amz-checksum-crc32")), "y/Q5Jg==");
    assert_eq!(header(&answer, &name("content-encoding")), "");
    assert_eq!(text(answer).await, "123456789");

    let bad = b"9\r\n123456780\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
    let answer = client.put("/firmware/bad", &headers, bad).await;
    assert_eq!(refusal(answer).await, refused(400, "BadDigest"));
    let short = b"8\r\n12345678\r\n0\r\n\r\n";
    let answer = client.put("/firmware/bad", &headers, short).await;
    assert_eq!(refusal(answer).await, refused(400, "IncompleteBody"));
    assert_eq!(
        refusal(client.get("/firmware/bad", &[]).await).await,
        refused(404, "NoSuchKey")
    );
}

#[tokio::test]
async fn a_body_that_differs_from_its_signed_digest_is_refused() {
    let client = Client::new().await;
    let headers = [(
        name("x-amz-content-sha256"),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )];
    assert_eq!(
        client.put("/firmware/empty", &headers, b"").await.status(),
        StatusCode::OK
    );
    let answer = client.put("/firmware/full", &headers, b"full").await;
    assert_eq!(
        refusal(answer).await,
        refused(400, "XAmzContentSHA256Mismatch")
    );
}

#[tokio::test]
async fn parts_are_joined_in_the_order_of_the_request() {
    let client = Client::new().await;
    let begun = text(
        client
            .send(Method::POST, "/firmware/big?uploads", &[], "")
            .await,
    )
    .await;
    let id = xml::elements(&begun, "UploadId").next().unwrap();
    let mut list = String::new();
    for (number, part) in [(1, b"one,".as_slice()), (2, b"two")] {
        let answer = client
            .put(
                &format!("/firmware/big?partNumber={number}&uploadId={id}"),
                &[],
                part,
            )
            .await;
        let etag = header(&answer, &ETAG).replace('"', "&quot;");
        list.push_str(&format!(
            "<Part><ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>"
        ));
    }
    let uri = format!("/firmware/big?uploadId={id}");
    let wrong = client
        .send(Method::POST, &uri, &[], list.replace(">2<", ">3<"))
        .await;
    assert_eq!(refusal(wrong).await, refused(400, "InvalidPart"));
    assert_eq!(
        client
            .send(Method::POST, &uri, &[], list.clone())
            .await
            .status(),
        StatusCode::OK
    );
    assert_eq!(
        text(client.get("/firmware/big", &[]).await).await,
        "one,two"
    );
    let again = client.send(Method::POST, &uri, &[], list).await;
    assert_eq!(refusal(again).await, refused(404, "NoSuchUpload"));
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let client = Client::new().await;
    for key in ["a/1", "a/2", "b", "z&"] {
        client.put(&format!("/firmware/{key}"), &[], b"").await;
    }
    let mut keys = Vec::new();
    let mut token = String::new();
    loop {
        let uri = format!("/firmware?list-type=2&delimiter=%2F&max-keys=2{token}");
        let page = text(client.get(&uri, &[]).await).await;
        keys.extend(xml::elements(&page, "Key").map(xml::text));
        for prefix in xml::elements(&page, "CommonPrefixes") {
            keys.extend(xml::elements(prefix, "Prefix").map(xml::text));
        }
        match xml::elements(&page, "NextContinuationToken").next() {
            Some(next) => token = format!("&continuation-token={next}"),
            None => break,
        }
    }
    assert_eq!(keys, ["b", "a/", "image", "z&"]);
}

#[tokio::test]
async fn what_s3_refuses_is_refused_with_its_code() {
    let client = Client::new().await;
    let mut answers = Vec::new();
    for (method, uri) in [
        (Method::PUT, "/firmware"),
        (Method::PUT, "/No"),
        (Method::GET, "/missing?list-type=2"),
        (Method::GET, "/firmware/missing"),
        (Method::PUT, "/firmware/image"),
        (Method::DELETE, "/firmware"),
        (Method::GET, "/firmware?acl"),
        (Method::PATCH, "/firmware/image"),
        (Method::GET, "/firmware/%ff"),
    ] {
        answers.push(refusal(client.send(method, uri, &[], "").await).await);
    }
    let expected = [
        refused(409, "BucketAlreadyOwnedByYou"),
        refused(400, "InvalidBucketName"),
        refused(404, "NoSuchBucket"),
        refused(404, "NoSuchKey"),
        refused(411, "MissingContentLength"),
        refused(409, "BucketNotEmpty"),
        refused(501, "NotImplemented"),
        refused(405, "MethodNotAllowed"),
        refused(400, "InvalidArgument"),
    ];
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn only_signed_requests_are_answered() {
    let client = Client::new().await;
    let request = Request::builder()
        .uri("/firmware/image")
        .body(Body::empty())
        .unwrap();
    let answer = client.artifacts.answer(request, NOW).await;
    assert_eq!(refusal(answer).await, refused(403, "AccessDenied"));
    assert_eq!(text(client.download(NOW).await).await.as_bytes(), CONTENT);
}

#[tokio::test]
async fn an_expired_url_says_so() {
    let client = Client::new().await;
    let answer = client
        .download(Timestamp::from_secs(NOW.as_secs() - 60))
        .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(
        text(answer)
            .await
            .contains("<Code>AccessDenied</Code><Message>Request has expired</Message>")
    );
}

#[tokio::test]
async fn urls_are_issued_expired_on_demand() {
    let client = Client::new().await;
    client.artifacts.set_faults(Faults {
        urls_expire_at_once: true,
        ..Faults::default()
    });
    assert_eq!(client.download(NOW).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_download_ends_after_the_bytes_that_its_fault_allows() {
    let client = Client::new().await;
    let cut = DownloadFault {
        close_after_bytes: Some(4),
        ..DownloadFault::default()
    };
    client.artifacts.set_faults(Faults {
        next_downloads: [cut].into(),
        ..Faults::default()
    });
    let answer = client.download(NOW).await;
    assert_eq!(
        answer.headers().get(CONTENT_LENGTH),
        Some(&HeaderValue::from_static("10"))
    );
    let mut body = answer.into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        Bytes::from_static(b"0123")
    );
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(text(client.download(NOW).await).await.as_bytes(), CONTENT);
}

#[tokio::test]
async fn a_slow_download_arrives_whole() {
    let client = Client::new().await;
    let slow = DownloadFault {
        bytes_per_second: Some(200),
        ..DownloadFault::default()
    };
    client.artifacts.set_faults(Faults {
        all_downloads: slow,
        ..Faults::default()
    });
    let mut body = client.download(NOW).await.into_body();
    assert_eq!(
        body.frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), 6);
}

#[tokio::test]
async fn a_failing_download_has_the_status_of_its_fault() {
    let client = Client::new().await;
    let busy = DownloadFault {
        status: Some(503),
        ..DownloadFault::default()
    };
    client.artifacts.set_faults(Faults {
        next_downloads: [busy].into(),
        ..Faults::default()
    });
    assert_eq!(
        refusal(client.download(NOW).await).await,
        refused(503, "SlowDown")
    );
}

#[tokio::test]
async fn a_job_document_is_read_up_to_its_limit() {
    let client = Client::new().await;
    let read = |bucket: &str, key: &str| ObjectLocation {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    };
    let artifacts = &client.artifacts;
    assert_eq!(
        artifacts.read(&read("firmware", "image"), 4).await,
        Ok(b"0123".to_vec())
    );
    assert_eq!(
        artifacts.read(&read("firmware", "no"), 4).await,
        Err(SourceError::ObjectNotFound)
    );
    assert_eq!(
        artifacts.read(&read("no", "image"), 4).await,
        Err(SourceError::BucketNotFound)
    );
}

#[tokio::test]
async fn a_presigned_download_takes_no_second_credential() {
    let client = Client::new().await;
    for credential in ["Bearer token", "AWS4-HMAC-SHA256 …"] {
        let response = client
            .download_with(NOW, |request| request.header(AUTHORIZATION, credential))
            .await;
        assert_eq!(refusal(response).await, refused(400, "InvalidArgument"));
    }
}

#[tokio::test]
async fn a_presigned_download_with_a_client_certificate_is_refused() {
    let client = Client::new().await;
    let thing = Some("gw-1".to_owned());
    let response = client
        .download_with(NOW, |request| request.extension(ShownCertificate { thing }))
        .await;
    assert_eq!(refusal(response).await, refused(403, "AccessDenied"));
}

#[tokio::test]
async fn every_url_is_another_one_even_within_a_second() {
    let client = Client::new().await;
    let issue = || {
        let life = Duration::from_secs(60);
        let artifacts = &client.artifacts;
        artifacts.presign(Access::Read, "firmware", "image", life, NOW)
    };
    assert_ne!(issue().reveal(), issue().reveal());
    assert_eq!(client.download(NOW).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_abandoned_upload_makes_room_for_a_new_one_the_oldest_first() {
    let client = Client::new().await;
    let mut ids = Vec::new();
    for _ in 0..=store::MAX_UPLOADS {
        let begun = client.send(Method::POST, "/firmware/big?uploads", &[], "");
        let begun = text(begun.await).await;
        ids.extend(xml::elements(&begun, "UploadId").next().map(str::to_owned));
    }
    let part = async |id: &str| {
        let uri = format!("/firmware/big?partNumber=1&uploadId={id}");
        client.put(&uri, &[], CONTENT).await
    };
    let oldest = part(&ids[0]).await;
    assert_eq!(refusal(oldest).await, refused(404, "NoSuchUpload"));
    for id in [&ids[1], &ids[store::MAX_UPLOADS]] {
        assert_eq!(part(id).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn objects_are_deleted_together_whether_they_exist_or_not() {
    let client = Client::new().await;
    client.put("/firmware/a%26b", &[], CONTENT).await;
    let delete = async |body: &'static str| {
        let answer = client.send(Method::POST, "/firmware?delete", &[], body);
        answer.await
    };
    let named =
        "<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>no</Key></Object></Delete>";
    let deleted = text(delete(named).await).await;
    let keys: Vec<_> = xml::elements(&deleted, "Key").collect();
    assert_eq!(keys, ["a&amp;b", "no"]);
    let gone = client.get("/firmware/a%26b", &[]).await;
    assert_eq!(refusal(gone).await, refused(404, "NoSuchKey"));
    let kept = client.get("/firmware/image", &[]).await;
    assert_eq!(kept.status(), StatusCode::OK);

    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>image</Key></Object></Delete>";
    let deleted = text(delete(quiet).await).await;
    assert_eq!(xml::elements(&deleted, "Key").next(), None);
    let gone = client.get("/firmware/image", &[]).await;
    assert_eq!(refusal(gone).await, refused(404, "NoSuchKey"));

    let nothing = delete("<Delete></Delete>").await;
    assert_eq!(refusal(nothing).await, refused(400, "MalformedXML"));
}

#[tokio::test]
async fn the_uploads_of_a_deleted_bucket_are_not_the_oldest_any_more() {
    let client = Client::new().await;
    for bucket in ["first", "second"] {
        let uri = format!("/{bucket}");
        client.send(Method::PUT, &uri, &[], "").await;
        let mut ids = Vec::new();
        for _ in 0..=store::MAX_UPLOADS {
            let uri = format!("/{bucket}/big?uploads");
            let begun = text(client.send(Method::POST, &uri, &[], "").await).await;
            ids.extend(xml::elements(&begun, "UploadId").next().map(str::to_owned));
        }
        let uri = format!("/{bucket}/big?partNumber=1&uploadId={}", ids[0]);
        let part = client.put(&uri, &[], CONTENT).await;
        assert_eq!(
            refusal(part).await,
            refused(404, "NoSuchUpload"),
            "{bucket}"
        );
        client
            .send(Method::DELETE, &format!("/{bucket}"), &[], "")
            .await;
    }
}
