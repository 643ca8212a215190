//! Presigned URLs of AWS Signature Version 2.
//!
//! boto3 makes them by default in the regions that S3 had before 2014; the service never does.
//! Facts: Amazon S3 user guide, "Signing and authenticating REST requests".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::digest::Key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::presign::{ACCESS_KEY, PresignError, Query, SECRET_KEY, SignedRequest};

/// Whether a query presigns its request.
pub(super) fn is_presigned(query: &str) -> bool {
    query
        .split('&')
        .any(|pair| pair.starts_with("AWSAccessKeyId="))
}

/// Verifies the signature in the query of `request`, and that its time is not over.
pub(super) fn verify(request: &SignedRequest<'_>, now: u64) -> Result<(), PresignError> {
    let query = Query::parse(request.query);
    let expires = query.parameter("Expires")?;
    let expires_at: u64 = expires.parse().map_err(|_| PresignError::Malformed {
        parameter: "Expires",
    })?;
    if now >= expires_at {
        return Err(PresignError::Expired);
    }
    if query.parameter("AWSAccessKeyId")? != ACCESS_KEY {
        return Err(PresignError::UnknownAccessKey);
    }
    let header = |name| (request.header)(name).unwrap_or_default();
    let version = query.parameter("versionId");
    let version = version.map_or_else(|_| String::new(), |id| format!("?versionId={id}"));
    // Headers and other parameters of Amazon's own would follow; requests with them do not verify.
    let to_sign = format!(
        "{method}\n{md5}\n{content_type}\n{expires}\n{path}{version}",
        method = request.method,
        md5 = header("content-md5"),
        content_type = header("content-type"),
        path = request.path,
    );
    if sign(&to_sign) == query.parameter("Signature")? {
        Ok(())
    } else {
        Err(PresignError::SignatureMismatch)
    }
}

/// HMAC pads a short key with zeros; the only key here is shorter than the block of 64 bytes.
fn sign(to_sign: &str) -> String {
    let mut block = Key::<Hmac<Sha1>>::default();
    block
        .iter_mut()
        .zip(SECRET_KEY.bytes())
        .for_each(|(to, from)| *to = from);
    BASE64.encode(
        Hmac::<Sha1>::new(&block)
            .chain_update(to_sign)
            .finalize()
            .into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with botocore's `generate_presigned_url`.
    const QUERY: &str =
        "AWSAccessKeyId=local&Signature=qV20Z2wTwzni0DvRR973LSUQH2A%3D&Expires=1795201759";

    fn check(method: &str, path: &str, query: &str, now: u64) -> Result<(), PresignError> {
        let host = "localhost";
        verify(
            &SignedRequest {
                method,
                host,
                path,
                query,
                header: &|_| None,
            },
            now,
        )
    }

    #[test]
    fn a_url_of_boto3_is_accepted_until_it_expires() {
        assert_eq!(
            check("GET", "/firmware/a%20b/%C3%BC.bin", QUERY, 1_795_201_758),
            Ok(())
        );
        let late = check("GET", "/firmware/a%20b/%C3%BC.bin", QUERY, 1_795_201_759);
        assert_eq!(late, Err(PresignError::Expired));
    }

    #[test]
    fn a_url_is_bound_to_method_path_and_expiry() {
        let later = QUERY.replace("1795201759", "1795201760");
        let path = "/firmware/a%20b/%C3%BC.bin";
        for (method, path, query) in [
            ("PUT", path, QUERY),
            ("GET", "/firmware/b", QUERY),
            ("GET", path, &later),
        ] {
            let checked = check(method, path, query, 1_795_201_758);
            assert_eq!(
                checked,
                Err(PresignError::SignatureMismatch),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn keys_that_nobody_knows_are_refused() {
        let query = QUERY.replace("=local", "=AKIDEXAMPLE");
        assert_eq!(
            check("GET", "/b/k", &query, 0),
            Err(PresignError::UnknownAccessKey)
        );
    }
}
