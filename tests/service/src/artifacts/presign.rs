//! Presigned URLs: AWS Signature Version 4 in the query string, and version 2 for those that boto3
//! makes without being told otherwise (see [`super::presign_v2`]).
//!
//! Nothing here does I/O or reads a clock: `now` is an argument, in seconds of the Unix epoch.
//! The service signs and verifies with one well-known pair of keys, [`ACCESS_KEY`] and
//! [`SECRET_KEY`], which an operator may give to boto3 as well. They guard nothing but the rules
//! that a device must cope with: method, host, signature and expiry.
//! Facts: Amazon S3 API reference, "Authenticating requests: using query parameters".

use core::fmt;

use hmac::digest::Key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::{date, presign_v2};

/// The access key that presigned URLs are verified for.
pub const ACCESS_KEY: &str = "local";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "local";
/// The longest life of a presigned URL, in seconds: seven days.
pub(super) const MAX_EXPIRES: u64 = 604_800;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far ahead of the service's clock a URL may be dated.
const MAX_SKEW: u64 = 900;
/// AWS IoT signs with the session of a role, whose token makes its URLs long. So are these.
const SECURITY_TOKEN: &str = concat!(
    "IQoJb3JpZ2luX2VjLOCAL/////////////////LOCALSESSIONTOKENISNOCREDENTIALOCALSESSIONTOKENISNOCREDENTIAL",
    "LOCALSESSIONTOKENISNOCREDENTIALOCALSESSIONTOKENISNOCREDENTIALOCALSESSIONTOKENISNOCREDENTIALOCALSESS",
    "LOCALSESSIONTOKENISNOCREDENTIALOCALSESSIONTOKENISNOCREDENTIALOCALSESSIONTOKENISNOCREDENTIALOCAL+"
);

const UNESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
const UNESCAPED_PATH: AsciiSet = UNESCAPED.remove(b'/');

/// A URL whose query is a credential. Prints as its part before the `?`.
#[derive(Clone, PartialEq, Eq)]
pub struct PresignedUrl(String);

impl PresignedUrl {
    /// The whole URL, for the device that it was issued for. Never log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split('?').next().unwrap_or_default())?;
        f.write_str("?…")
    }
}

/// Why a presigned request is refused.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PresignError {
    /// The URL's time is over.
    #[error("Request has expired")]
    Expired,
    /// The query lacks a parameter, or one cannot be read.
    #[error("Error parsing the {parameter} parameter")]
    Malformed {
        /// The parameter's name.
        parameter: &'static str,
    },
    /// The URL is dated in the future.
    #[error("Request is not valid yet")]
    NotYetValid,
    /// Method, host, path or query differ from what was signed.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    SignatureMismatch,
    /// Signed with keys that the service does not know.
    #[error("The AWS Access Key Id you provided does not exist in our records.")]
    UnknownAccessKey,
}

/// A request as far as its signature covers it.
#[derive(Clone, Copy)]
pub(super) struct SignedRequest<'a> {
    /// The method, in upper case.
    pub(super) method: &'a str,
    /// The `Host` header.
    pub(super) host: &'a str,
    /// The path, percent-encoded as received.
    pub(super) path: &'a str,
    /// The query, percent-encoded as received.
    pub(super) query: &'a str,
    /// The value of a header, by its name in lower case.
    pub(super) header: &'a dyn Fn(&str) -> Option<String>,
}

/// When a URL is issued, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issue {
    /// Tells the URL from all others of the same second.
    pub(super) number: u64,
    /// Its life, in seconds.
    pub(super) expires: u64,
    /// When that begins.
    pub(super) now: u64,
}

/// What a URL is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource<'a> {
    /// The bucket's name.
    pub(super) bucket: &'a str,
    /// The object's key.
    pub(super) key: &'a str,
    /// The object's version; the latest unless said otherwise.
    pub(super) version: Option<&'a str>,
}

/// Presigns a `method` of `resource` below `origin` (`https://HOST:PORT`).
pub(super) fn presign(
    method: &str,
    origin: &str,
    region: &str,
    resource: Resource<'_>,
    issue: Issue,
) -> PresignedUrl {
    let Issue {
        number,
        expires,
        now,
    } = issue;
    let (_, host) = origin.split_once("://").unwrap_or(("", origin));
    let path = format!(
        "/{}/{}",
        encode(resource.bucket),
        utf8_percent_encode(resource.key, &UNESCAPED_PATH)
    );
    let version = resource.version.map(encode);
    let version = version.map_or_else(String::new, |version| format!("&versionId={version}"));
    let date = date::amz(now);
    let scope = Scope {
        date: date.get(..8).unwrap_or_default(),
        region,
    };
    // In the order of the canonical form.
    let query = format!(
        "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={date}&X-Amz-Expires={expires}\
         &X-Amz-Security-Token={token}&X-Amz-SignedHeaders=host{version}",
        credential = encode(&format!("{ACCESS_KEY}/{scope}")),
        token = encode(&format!("{SECURITY_TOKEN}{number:016X}==")),
    );
    let canonical = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let signature = sign(&canonical, &date, scope);
    PresignedUrl(format!(
        "{origin}{path}?{query}&X-Amz-Signature={signature}"
    ))
}

/// Whether a query presigns its request.
pub fn is_presigned(query: &str) -> bool {
    let is_signature = |pair: &str| pair.starts_with("X-Amz-Algorithm=");
    query.split('&').any(is_signature) || presign_v2::is_presigned(query)
}

/// Verifies the signature in the query of `request`, and that its time is not over.
pub(super) fn verify(request: &SignedRequest<'_>, now: u64) -> Result<(), PresignError> {
    if presign_v2::is_presigned(request.query) {
        return presign_v2::verify(request, now);
    }
    let query = Query::parse(request.query);
    if query.parameter("X-Amz-Algorithm")? != ALGORITHM {
        return Err(PresignError::Malformed {
            parameter: "X-Amz-Algorithm",
        });
    }
    let date = query.parameter("X-Amz-Date")?;
    let signed_at = date::parse_amz(date).ok_or(PresignError::Malformed {
        parameter: "X-Amz-Date",
    })?;
    let expires = query
        .parameter("X-Amz-Expires")?
        .parse()
        .ok()
        .filter(|expires| (1..=MAX_EXPIRES).contains(expires));
    let expires = expires.ok_or(PresignError::Malformed {
        parameter: "X-Amz-Expires",
    })?;
    let (access_key, scope) = Scope::parse(query.parameter("X-Amz-Credential")?, date)?;

    // S3 looks at the time first.
    if signed_at > now + MAX_SKEW {
        return Err(PresignError::NotYetValid);
    }
    if now >= signed_at + expires {
        return Err(PresignError::Expired);
    }
    if access_key != ACCESS_KEY {
        return Err(PresignError::UnknownAccessKey);
    }
    let canonical = canonical(request, &query)?;
    if sign(&canonical, date, scope) == query.parameter("X-Amz-Signature")? {
        Ok(())
    } else {
        Err(PresignError::SignatureMismatch)
    }
}

fn canonical(request: &SignedRequest<'_>, query: &Query) -> Result<String, PresignError> {
    let names = query.parameter("X-Amz-SignedHeaders")?;
    if !names.split(';').any(|name| name == "host") {
        return Err(PresignError::Malformed {
            parameter: "X-Amz-SignedHeaders",
        });
    }
    let mut headers = String::new();
    for name in names.split(';') {
        let value = match name {
            "host" => Some(request.host.to_owned()),
            name => (request.header)(name),
        };
        let value = value.ok_or(PresignError::SignatureMismatch)?;
        headers.push_str(&format!("{name}:{}\n", value.trim()));
    }
    let path = percent_decode_str(request.path).decode_utf8_lossy();
    Ok(format!(
        "{method}\n{path}\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD",
        method = request.method,
        path = utf8_percent_encode(&path, &UNESCAPED_PATH),
        query = query.canonical(),
    ))
}

/// What a signing key is good for: a day and a region; the service is always S3.
#[derive(Debug, Clone, Copy)]
struct Scope<'a> {
    date: &'a str,
    region: &'a str,
}

impl<'a> Scope<'a> {
    fn parse(credential: &'a str, date: &str) -> Result<(&'a str, Self), PresignError> {
        let mut parts = credential.rsplitn(5, '/');
        let fields = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        );
        let (Some("aws4_request"), Some("s3"), Some(region), Some(day), Some(access_key)) = fields
        else {
            return Err(PresignError::Malformed {
                parameter: "X-Amz-Credential",
            });
        };
        if !date.starts_with(day) || day.len() != 8 {
            return Err(PresignError::Malformed {
                parameter: "X-Amz-Credential",
            });
        }
        Ok((access_key, Self { date: day, region }))
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/s3/aws4_request", self.date, self.region)
    }
}

/// The parameters of a query, decoded.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(
            pairs
                .map(|(name, value)| (decode(name), decode(value)))
                .collect(),
        )
    }

    pub(super) fn parameter(&self, parameter: &'static str) -> Result<&str, PresignError> {
        let mut values = self.0.iter().filter(|(name, _)| name == parameter);
        let value = values.next().ok_or(PresignError::Malformed { parameter })?;
        Ok(&value.1)
    }

    fn canonical(&self) -> String {
        let signed = self.0.iter().filter(|(name, _)| name != "X-Amz-Signature");
        let mut pairs: Vec<_> = signed
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        pairs.sort();
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    }
}

fn sign(canonical: &str, date: &str, scope: Scope<'_>) -> String {
    let to_sign = format!(
        "{ALGORITHM}\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let key = hmac(format!("AWS4{SECRET_KEY}").as_bytes(), scope.date);
    let key = [scope.region, "s3", "aws4_request"]
        .into_iter()
        .fold(key, |key, part| hmac(&key, part));
    hex(&hmac(&key, &to_sign))
}

/// HMAC pads a short key with zeros; every key here is shorter than the block of 64 bytes.
fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    let mut block = Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::<Sha256>::new(&block)
        .chain_update(message)
        .finalize()
        .into_bytes()
        .into()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, &UNESCAPED).to_string()
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_792_567_680;
    const ORIGIN: &str = "https://localhost:9443";
    const ISSUE: Issue = Issue {
        number: 1,
        expires: 300,
        now: NOW,
    };

    fn issue() -> String {
        issue_for("GET")
    }

    fn issue_for(method: &str) -> String {
        issue_version(method, None)
    }

    fn issue_version(method: &str, version: Option<&str>) -> String {
        let resource = Resource {
            bucket: "firmware",
            key: "a b/ü+1.bin",
            version,
        };
        presign(method, ORIGIN, "eu-west-1", resource, ISSUE)
            .reveal()
            .to_owned()
    }

    #[test]
    fn a_url_is_bound_to_the_version_that_it_names() {
        let url = issue_version("GET", Some("a/1+"));
        assert!(url.contains("&versionId=a%2F1%2B&"));
        assert_eq!(check("GET", &url, NOW), Ok(()));
        for other in [
            url.replace("a%2F1%2B", "b"),
            url.replace("&versionId=a%2F1%2B", ""),
        ] {
            assert_eq!(
                check("GET", &other, NOW),
                Err(PresignError::SignatureMismatch)
            );
        }
    }

    #[test]
    fn a_url_for_an_upload_does_not_read() {
        let url = issue_for("PUT");
        assert_eq!(check("PUT", &url, NOW), Ok(()));
        assert_eq!(
            check("GET", &url, NOW),
            Err(PresignError::SignatureMismatch)
        );
    }

    fn check(method: &str, url: &str, now: u64) -> Result<(), PresignError> {
        let rest = url.strip_prefix("https://").unwrap();
        let (host, rest) = rest.split_once('/').unwrap();
        let (path, query) = rest.split_once('?').unwrap();
        verify(
            &SignedRequest {
                method,
                host,
                path: &format!("/{path}"),
                query,
                header: &|_| None,
            },
            now,
        )
    }

    #[test]
    fn an_issued_url_is_accepted_until_it_expires() {
        assert_eq!(check("GET", &issue(), NOW), Ok(()));
        assert_eq!(check("GET", &issue(), NOW + 299), Ok(()));
        assert_eq!(
            check("GET", &issue(), NOW + 300),
            Err(PresignError::Expired)
        );
    }

    #[test]
    fn a_url_from_the_future_is_refused() {
        assert_eq!(
            check("GET", &issue(), NOW - MAX_SKEW - 1),
            Err(PresignError::NotYetValid)
        );
    }

    #[test]
    fn a_url_is_bound_to_method_host_path_and_query() {
        let url = issue();
        let changed = [
            ("PUT", url.clone()),
            ("HEAD", url.clone()),
            ("GET", url.replace("localhost", "127.0.0.1")),
            ("GET", url.replace("firmware", "fireware")),
            ("GET", url.replace("Expires=300", "Expires=3000")),
            ("GET", format!("{url}&versionId=1")),
        ];
        for (method, url) in changed {
            assert_eq!(
                check(method, &url, NOW),
                Err(PresignError::SignatureMismatch),
                "{method} {url}"
            );
        }
    }

    #[test]
    fn keys_that_nobody_knows_are_refused() {
        let url = issue().replace("Credential=local", "Credential=AKIDEXAMPLE");
        assert_eq!(check("GET", &url, NOW), Err(PresignError::UnknownAccessKey));
    }

    #[test]
    fn a_missing_parameter_is_named() {
        for parameter in [
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        ] {
            let url = issue().replace(&format!("{parameter}="), "X-Amz-No=");
            assert_eq!(
                check("GET", &url, NOW),
                Err(PresignError::Malformed { parameter }),
                "{url}"
            );
        }
    }

    /// The example of the Amazon S3 API reference, "Authenticating requests: using query parameters",
    /// down to its canonical request; the reference signs with keys that the service does not have.
    #[test]
    fn the_canonical_request_is_the_one_of_the_reference() {
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
                     &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                     &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host";
        let host = "examplebucket.s3.amazonaws.com";
        let request = SignedRequest {
            method: "GET",
            host,
            path: "/test.txt",
            query,
            header: &|_| None,
        };
        let canonical = canonical(&request, &Query::parse(query)).unwrap();
        let expected = "3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04";
        assert_eq!(hex(&Sha256::digest(canonical)), expected);
    }

    #[test]
    fn a_url_prints_without_its_query() {
        let resource = Resource {
            bucket: "firmware",
            key: "image",
            version: None,
        };
        let url = presign("GET", ORIGIN, "eu-west-1", resource, ISSUE);
        assert_eq!(
            format!("{url} {url:?}"),
            "https://localhost:9443/firmware/image?… https://localhost:9443/firmware/image?…"
        );
    }

    proptest! {
        #[test]
        fn any_query_is_verified_or_refused(path: String, query: String) {
            let request = SignedRequest { method: "GET", host: "h", path: &path, query: &query, header: &|_| None };
            prop_assert!(verify(&request, NOW).is_err());
        }
    }
}
