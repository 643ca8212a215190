//! Copies, the first version of the list, and the versions of objects.

use super::*;

const VERSION: HeaderName = name("x-amz-version-id");
const SOURCE: HeaderName = name("x-amz-copy-source");
const MARKER: HeaderName = name("x-amz-delete-marker");

impl Client {
    /// A store whose bucket `firmware` keeps versions, and the names of two versions of `app`.
    async fn versioned() -> (Self, String, String) {
        let client = Self::new().await;
        client.set_versioning("Enabled").await;
        let first = client.put("/firmware/app", &[], b"first").await;
        let second = client.put("/firmware/app", &[], b"second").await;
        let versions = [&first, &second].map(|answer| header(answer, &VERSION).to_owned());
        let [first, second] = versions;
        (client, first, second)
    }

    async fn set_versioning(&self, status: &str) {
        let body =
            format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        let answer = self
            .send(Method::PUT, "/firmware?versioning", &[], body)
            .await;
        assert_eq!(answer.status(), StatusCode::OK);
    }

    async fn copy(&self, to: &str, headers: &[(HeaderName, &str)]) -> Response<Body> {
        self.send(Method::PUT, to, headers, "").await
    }

    async fn content(&self, uri: &str) -> String {
        text(self.get(uri, &[]).await).await
    }

    /// The versions in the order of the list; delete markers without their `Version`.
    async fn listed(&self, query: &str) -> Vec<String> {
        let page = self.content(&format!("/firmware?versions{query}")).await;
        xml::elements(&page, "VersionId")
            .map(str::to_owned)
            .collect()
    }
}

fn told<'a>(response: &'a Response<Body>, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

#[tokio::test]
async fn a_bucket_says_whether_it_keeps_versions() {
    let client = Client::new().await;
    let status = async || {
        let page = client.content("/firmware?versioning").await;
        xml::elements(&page, "Status").next().map(str::to_owned)
    };
    assert_eq!(status().await, None);
    for versioning in ["Enabled", "Suspended"] {
        client.set_versioning(versioning).await;
        assert_eq!(status().await.as_deref(), Some(versioning));
    }
}

#[tokio::test]
async fn an_object_of_a_bucket_without_versions_names_none() {
    let client = Client::new().await;
    let put = client.put("/firmware/app", &[], b"first").await;
    let read = client.get("/firmware/app", &[]).await;
    let deleted = client.send(Method::DELETE, "/firmware/app", &[], "").await;
    for answer in [put, read, deleted] {
        assert_eq!(told(&answer, &VERSION), None);
        assert_eq!(told(&answer, &MARKER), None);
    }
    assert_eq!(client.listed("&prefix=image").await, ["null"]);
}

#[tokio::test]
async fn every_version_is_read_by_its_name_and_the_latest_without() {
    let (client, first, second) = Client::versioned().await;
    assert_ne!(first, second);
    for (query, version, content) in [
        (String::new(), &second, "second"),
        (format!("?versionId={first}"), &first, "first"),
        (format!("?versionId={second}"), &second, "second"),
    ] {
        let answer = client.get(&format!("/firmware/app{query}"), &[]).await;
        assert_eq!(header(&answer, &VERSION), version);
        assert_eq!(text(answer).await, content);
    }
    let part = client
        .get(
            &format!("/firmware/app?versionId={first}"),
            &[(RANGE, "bytes=1-2")],
        )
        .await;
    assert_eq!(header(&part, &VERSION), first);
    assert_eq!(text(part).await, "ir");
    let unknown = client.get("/firmware/app?versionId=no", &[]).await;
    assert_eq!(refusal(unknown).await, refused(404, "NoSuchVersion"));
}

#[tokio::test]
async fn what_was_there_before_the_versions_is_the_version_null() {
    let client = Client::new().await;
    client.set_versioning("Enabled").await;
    client.put("/firmware/image", &[], b"new").await;
    let old = client.content("/firmware/image?versionId=null").await;
    assert_eq!(old.as_bytes(), CONTENT);
    client.set_versioning("Suspended").await;
    let put = client.put("/firmware/image", &[], b"newer").await;
    assert_eq!(header(&put, &VERSION), "null");
    assert_eq!(client.listed("").await.len(), 2);
    assert_eq!(
        client.content("/firmware/image?versionId=null").await,
        "newer"
    );
}

#[tokio::test]
async fn a_deleted_object_is_behind_a_marker_until_the_marker_is_deleted() {
    let (client, first, second) = Client::versioned().await;
    let deleted = client.send(Method::DELETE, "/firmware/app", &[], "").await;
    let marker = header(&deleted, &VERSION).to_owned();
    assert_eq!(told(&deleted, &MARKER), Some("true"));

    let gone = client.get("/firmware/app", &[]).await;
    assert_eq!(
        (told(&gone, &MARKER), told(&gone, &VERSION)),
        (Some("true"), Some(&*marker))
    );
    assert_eq!(refusal(gone).await, refused(404, "NoSuchKey"));
    let asked = client
        .get(&format!("/firmware/app?versionId={marker}"), &[])
        .await;
    assert_eq!(told(&asked, &MARKER), Some("true"));
    assert_eq!(refusal(asked).await, refused(405, "MethodNotAllowed"));
    assert_eq!(
        client.listed("&prefix=app").await,
        [&marker, &second, &first].map(String::as_str)
    );
    let keys = client.content("/firmware?list-type=2&prefix=app").await;
    assert_eq!(xml::elements(&keys, "Key").next(), None);

    let uri = format!("/firmware/app?versionId={marker}");
    let undeleted = client.send(Method::DELETE, &uri, &[], "").await;
    assert_eq!(told(&undeleted, &MARKER), Some("true"));
    assert_eq!(client.content("/firmware/app").await, "second");
}

#[tokio::test]
async fn a_deleted_version_is_gone_for_good() {
    let (client, first, second) = Client::versioned().await;
    for version in [&second, &second] {
        let uri = format!("/firmware/app?versionId={version}");
        let deleted = client.send(Method::DELETE, &uri, &[], "").await;
        assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
        assert_eq!(told(&deleted, &MARKER), None);
    }
    assert_eq!(client.content("/firmware/app").await, "first");
    let bucket = client.send(Method::DELETE, "/firmware", &[], "").await;
    assert_eq!(refusal(bucket).await, refused(409, "BucketNotEmpty"));
    let both = format!(
        "<Delete><Object><Key>app</Key><VersionId>{first}</VersionId></Object>\
         <Object><Key>image</Key><VersionId>null</VersionId></Object></Delete>"
    );
    client
        .send(Method::POST, "/firmware?delete", &[], both)
        .await;
    let bucket = client.send(Method::DELETE, "/firmware", &[], "").await;
    assert_eq!(bucket.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn objects_that_are_deleted_together_tell_of_their_markers() {
    let (client, ..) = Client::versioned().await;
    let body = "<Delete><Object><Key>app</Key></Object></Delete>";
    let deleted = client
        .send(Method::POST, "/firmware?delete", &[], body)
        .await;
    let deleted = text(deleted).await;
    let marker = xml::elements(&deleted, "DeleteMarkerVersionId")
        .next()
        .unwrap();
    assert_eq!(xml::elements(&deleted, "DeleteMarker").next(), Some("true"));
    assert_eq!(client.listed("&prefix=app&max-keys=1").await, [marker]);
}

#[tokio::test]
async fn versions_come_in_pages() {
    let (client, first, second) = Client::versioned().await;
    client.put("/firmware/dir/a", &[], b"").await;
    client.put("/firmware/dir/b", &[], b"").await;
    let mut told = Vec::new();
    let mut markers = String::new();
    for _ in 0..10 {
        let page = client
            .content(&format!(
                "/firmware?versions&delimiter=/&max-keys=1{markers}"
            ))
            .await;
        told.extend(xml::elements(&page, "VersionId").map(str::to_owned));
        for prefix in xml::elements(&page, "CommonPrefixes") {
            told.extend(xml::elements(prefix, "Prefix").map(str::to_owned));
        }
        let Some(key) = xml::elements(&page, "NextKeyMarker").next() else {
            break;
        };
        let version = xml::elements(&page, "NextVersionIdMarker").next();
        markers = format!(
            "&key-marker={key}&version-id-marker={}",
            version.unwrap_or_default()
        );
    }
    assert_eq!(told, [&*second, &first, "dir/", "null"]);
    let orphan = client
        .get("/firmware?versions&version-id-marker=v", &[])
        .await;
    assert_eq!(refusal(orphan).await, refused(400, "InvalidArgument"));
}

#[tokio::test]
async fn a_presigned_url_reads_the_version_that_it_was_made_for() {
    let (client, first, _) = Client::versioned().await;
    let life = Duration::from_secs(60);
    let access = Access::ReadVersion(&first);
    let url = client
        .artifacts
        .presign(access, "firmware", "app", life, NOW);
    let uri = url
        .reveal()
        .strip_prefix("https://localhost:9443")
        .unwrap()
        .to_owned();
    let get = async |uri: String| {
        let request = Request::builder().uri(uri).header(HOST, "localhost:9443");
        let request = request.body(Body::empty()).unwrap();
        client.artifacts.answer(request, NOW).await
    };
    assert_eq!(text(get(uri.clone()).await).await, "first");
    let other = uri.replace(&first, "null");
    assert_eq!(
        refusal(get(other).await).await,
        refused(403, "SignatureDoesNotMatch")
    );
}

#[tokio::test]
async fn the_parts_of_an_upload_become_a_version() {
    let (client, ..) = Client::versioned().await;
    let begun = client
        .send(Method::POST, "/firmware/app?uploads", &[], "")
        .await;
    let begun = text(begun).await;
    let id = xml::elements(&begun, "UploadId").next().unwrap();
    let uri = format!("/firmware/app?partNumber=1&uploadId={id}");
    let part = client.put(&uri, &[], b"third").await;
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        header(&part, &ETAG)
    );
    let uri = format!("/firmware/app?uploadId={id}");
    let done = client.send(Method::POST, &uri, &[], list).await;
    let version = header(&done, &VERSION).to_owned();
    let read = client
        .content(&format!("/firmware/app?versionId={version}"))
        .await;
    assert_eq!(read, "third");
}

#[tokio::test]
async fn what_is_no_choice_of_versions_is_refused() {
    let client = Client::new().await;
    for (body, code) in [
        ("<VersioningConfiguration/>", refused(400, "MalformedXML")),
        (
            "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>",
            refused(400, "MalformedXML"),
        ),
        (
            "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>",
            refused(501, "NotImplemented"),
        ),
    ] {
        let answer = client
            .send(Method::PUT, "/firmware?versioning", &[], body)
            .await;
        assert_eq!(refusal(answer).await, code, "{body}");
    }
    for uri in ["/missing?versioning", "/missing?versions"] {
        let answer = client.get(uri, &[]).await;
        assert_eq!(refusal(answer).await, refused(404, "NoSuchBucket"), "{uri}");
    }
}

#[tokio::test]
async fn a_copy_has_content_and_headers_of_its_source() {
    let client = Client::new().await;
    client.send(Method::PUT, "/backup", &[], "").await;
    let meta = name("x-amz-meta-board");
    client
        .put("/firmware/a%20b", &[(meta.clone(), "rev-1")], b"content")
        .await;
    for to in ["/firmware/copy", "/backup/copy"] {
        let copied = client.copy(to, &[(SOURCE, "/firmware/a%20b")]).await;
        assert_eq!(copied.status(), StatusCode::OK);
        let copied = text(copied).await;
        let copy = client.get(to, &[]).await;
        let etag = xml::elements(&copied, "ETag").next().map(xml::text);
        assert_eq!(etag.as_deref(), told(&copy, &ETAG));
        assert_eq!(told(&copy, &meta), Some("rev-1"));
        assert_eq!(text(copy).await, "content");
    }
    client
        .send(Method::DELETE, "/firmware/a%20b", &[], "")
        .await;
    assert_eq!(client.content("/backup/copy").await, "content");
}

#[tokio::test]
async fn a_copy_may_be_given_other_headers() {
    let client = Client::new().await;
    let (meta, directive) = (name("x-amz-meta-board"), name("x-amz-metadata-directive"));
    client
        .put("/firmware/image", &[(meta.clone(), "rev-1")], b"content")
        .await;
    let replaced = [
        (SOURCE, "firmware/image"),
        (directive.clone(), "REPLACE"),
        (meta.clone(), "rev-2"),
    ];
    assert_eq!(
        client.copy("/firmware/image", &replaced).await.status(),
        StatusCode::OK
    );
    let read = client.get("/firmware/image", &[]).await;
    assert_eq!(told(&read, &meta), Some("rev-2"));

    let same = client
        .copy("/firmware/image", &[(SOURCE, "firmware/image")])
        .await;
    assert_eq!(refusal(same).await, refused(400, "InvalidRequest"));
    let unknown = [(SOURCE, "firmware/image"), (directive, "MERGE")];
    let unknown = client.copy("/firmware/image", &unknown).await;
    assert_eq!(refusal(unknown).await, refused(400, "InvalidArgument"));
}

#[tokio::test]
async fn an_old_version_is_copied_over_the_latest() {
    let (client, first, _) = Client::versioned().await;
    let source = format!("firmware/app?versionId={first}");
    let copied = client.copy("/firmware/app", &[(SOURCE, &source)]).await;
    assert_eq!(
        told(&copied, &name("x-amz-copy-source-version-id")),
        Some(&*first)
    );
    assert!(told(&copied, &VERSION).is_some());
    assert_eq!(client.content("/firmware/app").await, "first");
    assert_eq!(client.listed("&prefix=app").await.len(), 3);
}

#[tokio::test]
async fn a_copy_keeps_the_conditions_on_its_source() {
    let client = Client::new().await;
    let etag = client.get("/firmware/image", &[]).await;
    let etag = header(&etag, &ETAG).to_owned();
    for (condition, value, status) in [
        ("x-amz-copy-source-if-match", &*etag, 200),
        ("x-amz-copy-source-if-match", "\"other\"", 412),
        ("x-amz-copy-source-if-none-match", &*etag, 412),
    ] {
        let headers = [(SOURCE, "firmware/image"), (name(condition), value)];
        let copied = client.copy("/firmware/copy", &headers).await;
        assert_eq!(copied.status().as_u16(), status, "{condition}: {value}");
    }
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused() {
    let client = Client::new().await;
    for (to, source, code) in [
        ("/firmware/copy", "firmware/no", refused(404, "NoSuchKey")),
        (
            "/firmware/copy",
            "missing/image",
            refused(404, "NoSuchBucket"),
        ),
        (
            "/firmware/copy",
            "firmware/image?versionId=v",
            refused(404, "NoSuchVersion"),
        ),
        (
            "/missing/copy",
            "firmware/image",
            refused(404, "NoSuchBucket"),
        ),
        ("/firmware/copy", "image", refused(400, "InvalidArgument")),
        (
            "/firmware/copy?acl",
            "firmware/image",
            refused(501, "NotImplemented"),
        ),
        (
            "/firmware/copy?partNumber=1&uploadId=u",
            "firmware/image",
            refused(501, "NotImplemented"),
        ),
    ] {
        let answer = client.copy(to, &[(SOURCE, source)]).await;
        assert_eq!(refusal(answer).await, code, "{source} to {to}");
    }
}

#[tokio::test]
async fn the_first_version_of_the_list_comes_in_pages_too() {
    let client = Client::new().await;
    for key in ["a/1", "a/2", "b", "z&"] {
        client.put(&format!("/firmware/{key}"), &[], b"").await;
    }
    let mut names = Vec::new();
    let mut marker = String::new();
    loop {
        let uri = format!("/firmware?delimiter=%2F&max-keys=1&marker={marker}");
        let page = client.content(&uri).await;
        names.extend(xml::elements(&page, "Key").map(xml::text));
        for prefix in xml::elements(&page, "CommonPrefixes") {
            names.extend(xml::elements(prefix, "Prefix").map(xml::text));
        }
        match xml::elements(&page, "NextMarker").next() {
            Some(next) => marker = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["a/", "b", "image", "z&"]);
    let flat = client.content("/firmware?max-keys=2&marker=a/1").await;
    let keys: Vec<_> = xml::elements(&flat, "Key").collect();
    assert_eq!(keys, ["a/2", "b"]);
    assert_eq!(xml::elements(&flat, "IsTruncated").next(), Some("true"));
}
