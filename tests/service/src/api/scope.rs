//! Which plane a request is for: the credential scope of its signature says.
//!
//! `Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`, or the same
//! in `X-Amz-Credential` of a presigned query. A device without a signature shows its certificate instead,
//! and reaches the jobs of its own thing only. What is the service's own needs no signature: `/_local`,
//! and the root, unless S3 is asked for its buckets there.
//! Facts: developer guide, "Device-side HTTP API" and the policy actions `iotjobsdata:*`.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Request};
use percent_encoding::percent_decode_str;

use crate::artifacts::is_presigned;
use crate::http::ShownCertificate;
use crate::model::names::Scope;

/// The first segments of the paths of `iot` and `iot-jobs-data`.
const IOT_PATHS: [&str; 11] = [
    "endpoint",
    "event-configurations",
    "jobs",
    "job-templates",
    "managed-job-templates",
    "package-configuration",
    "packages",
    "tags",
    "thing-groups",
    "things",
    "untag",
];

/// A part of the service with its own protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plane {
    /// S3.
    Artifacts,
    /// `iot`.
    Control,
    /// `iot-jobs-data`.
    Data,
    /// `iot-jobs-data`, of a thing that the certificate does not speak for.
    Foreign,
    /// The service's own.
    Local,
    /// The service's page for people.
    Page,
    /// Signed for a service that is not here.
    Unknown { service: String },
    /// Unsigned, where a signature is needed to tell the planes apart.
    Unsigned,
}

/// The plane, and the region that the request is signed for.
pub(super) fn of(request: &Request<Body>) -> (Plane, Option<String>) {
    let path = request.uri().path();
    if path.starts_with("/_local/page/") {
        return (Plane::Page, None);
    }
    if path == "/_local" || path.starts_with("/_local/") {
        return (Plane::Local, None);
    }
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let query = request.uri().query().unwrap_or_default();
    let is_presigned = is_presigned(query);
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    // S3's ListBuckets is signed, in one of its ways.
    if path == "/" && is_read && !is_presigned && !request.headers().contains_key(AUTHORIZATION) {
        return (Plane::Page, None);
    }
    // A presigned query says more than a header that does not belong there; S3 has its own way to refuse it.
    let header = header.filter(|_| !is_presigned);
    let credential = in_query(query).or_else(|| in_header(header?));
    let Some((region, service)) = credential.as_deref().and_then(parse) else {
        let shown = request.extensions().get::<ShownCertificate>();
        if let Some((shown, thing)) = shown.zip(thing_of_jobs(path)) {
            let is_own = shown.thing.as_deref() == Some(&*thing);
            let plane = if is_own { Plane::Data } else { Plane::Foreign };
            return (plane, None);
        }
        let first = path.split('/').nth(1).unwrap_or_default();
        // S3 has unsigned requests, older signatures, and its own way to refuse them.
        let plane = if IOT_PATHS.contains(&first) && !is_presigned {
            Plane::Unsigned
        } else {
            Plane::Artifacts
        };
        return (plane, None);
    };
    let plane = match service {
        "iot" => Plane::Control,
        "iot-jobs-data" => Plane::Data,
        "s3" => Plane::Artifacts,
        service => Plane::Unknown {
            service: service.to_owned(),
        },
    };
    (plane, Scope::is_region(region).then(|| region.to_owned()))
}

/// The thing of a path of the data plane: `/things/THING/jobs` or below.
pub(super) fn thing_of_jobs(path: &str) -> Option<Cow<'_, str>> {
    let mut segments = path.strip_prefix("/things/")?.split('/');
    let (thing, "jobs") = (segments.next()?, segments.next()?) else {
        return None;
    };
    Some(percent_decode_str(thing).decode_utf8_lossy())
}

fn in_header(header: &str) -> Option<String> {
    let (_, credential) = header.split_once("Credential=")?;
    Some(credential.split([',', ' ']).next()?.to_owned())
}

fn in_query(query: &str) -> Option<String> {
    let credential = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
    Some(
        percent_decode_str(credential)
            .decode_utf8_lossy()
            .into_owned(),
    )
}

/// Region and service. An access key may hold slashes, so they are counted from the end.
fn parse(credential: &str) -> Option<(&str, &str)> {
    let mut parts = credential.rsplit('/');
    let (Some("aws4_request"), Some(service), Some(region)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    // The date and the access key.
    parts.next().and(parts.next()).map(|_| (region, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(uri: &str, credential: &str) -> (Plane, Option<String>) {
        let value =
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00");
        let request = Request::builder().uri(uri).header(AUTHORIZATION, value);
        of(&request.body(Body::empty()).unwrap())
    }

    fn unsigned(uri: &str) -> (Plane, Option<String>) {
        of(&Request::builder().uri(uri).body(Body::empty()).unwrap())
    }

    #[test]
    fn the_same_path_goes_to_the_plane_that_signed_it() {
        let region = Some("eu-west-1".to_owned());
        let plane = |service: &str| {
            signed(
                "/things/t/jobs",
                &format!("k/20261021/eu-west-1/{service}/aws4_request"),
            )
        };
        assert_eq!(plane("iot"), (Plane::Control, region.clone()));
        assert_eq!(plane("iot-jobs-data"), (Plane::Data, region.clone()));
        assert_eq!(plane("s3"), (Plane::Artifacts, region.clone()));
        assert_eq!(
            plane("sts"),
            (
                Plane::Unknown {
                    service: "sts".to_owned()
                },
                region
            )
        );
    }

    #[test]
    fn a_presigned_query_is_a_signature() {
        let uri = "/b/k?X-Amz-Credential=k%2F20261021%2Fus-east-1%2Fs3%2Faws4_request";
        assert_eq!(
            unsigned(uri),
            (Plane::Artifacts, Some("us-east-1".to_owned()))
        );
    }

    #[test]
    fn a_presigned_query_goes_to_s3_whatever_the_header_says() {
        for query in ["AWSAccessKeyId=k", "X-Amz-Algorithm=AWS4-HMAC-SHA256"] {
            let credential = "k/20261021/eu-west-1/iot/aws4_request";
            let (plane, _) = signed(&format!("/b/k?{query}"), credential);
            assert_eq!(plane, Plane::Artifacts, "{query}");
        }
    }

    #[test]
    fn without_a_signature_the_path_decides() {
        assert_eq!(unsigned("/_local/health"), (Plane::Local, None));
        assert_eq!(unsigned("/_local/page/page.css"), (Plane::Page, None));
        for path in IOT_PATHS {
            let uri = format!("/{path}/t");
            assert_eq!(unsigned(&uri), (Plane::Unsigned, None), "{uri}");
        }
        assert_eq!(unsigned("/bucket/things"), (Plane::Artifacts, None));
    }

    #[test]
    fn without_a_signature_a_certificate_opens_the_jobs_of_its_thing() {
        let shown_by = |thing: Option<&str>, uri: &str| {
            let thing = thing.map(str::to_owned);
            let request = Request::builder().uri(uri);
            let request = request.extension(ShownCertificate { thing });
            of(&request.body(Body::empty()).unwrap()).0
        };
        for (thing, uri, plane) in [
            (Some("a:1"), "/things/a:1/jobs", Plane::Data),
            (Some("a:1"), "/things/a%3A1/jobs/%24next", Plane::Data),
            (Some("a:1"), "/things/a:2/jobs/J", Plane::Foreign),
            (None, "/things/a:1/jobs", Plane::Foreign),
            (Some("a:1"), "/things/a:1", Plane::Unsigned),
            (Some("a:1"), "/things/a:1/jobs-x", Plane::Unsigned),
            (Some("a:1"), "/jobs/J", Plane::Unsigned),
        ] {
            assert_eq!(shown_by(thing, uri), plane, "{thing:?} {uri}");
        }
    }

    #[test]
    fn the_root_is_the_page_unless_it_is_signed() {
        assert_eq!(unsigned("/"), (Plane::Page, None));
        assert_eq!(unsigned("/?x=1"), (Plane::Page, None));
        assert_eq!(unsigned("/?AWSAccessKeyId=k").0, Plane::Artifacts);
        let credential = "k/20261021/eu-west-1/s3/aws4_request";
        assert_eq!(signed("/", credential).0, Plane::Artifacts);
        let older = Request::builder()
            .uri("/")
            .header(AUTHORIZATION, "AWS k:sig=");
        assert_eq!(of(&older.body(Body::empty()).unwrap()).0, Plane::Artifacts);
        let put = Request::builder().uri("/").method("PUT");
        assert_eq!(of(&put.body(Body::empty()).unwrap()).0, Plane::Artifacts);
    }

    #[test]
    fn what_is_no_region_does_not_reach_an_arn() {
        for region in ["", "EU", "a:b", &"a".repeat(33)] {
            assert_eq!(
                signed("/things", &format!("k/d/{region}/iot/aws4_request")),
                (Plane::Control, None)
            );
        }
    }
}
