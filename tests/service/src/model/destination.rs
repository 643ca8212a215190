//! The package versions that a job installs, and what of them stands in its document.
//!
//! Placeholders are filled in when the job is made: what can be filled in does not change any more once a
//! version can be installed. An artifact becomes a placeholder for a presigned URL, which
//! each delivery replaces anew.
//!
//! Facts and messages: developer guide, preparing-jobs-for-service-package-catalog and
//! software-package-catalog-troubleshooting. The latter calls the exception of most messages
//! InvalidJobDocumentException, which AWS's service model does not have: they come as
//! InvalidRequestException. Both spellings of an artifact's placeholder are AWS's. Messages without a page
//! are ours.

use core::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Model;
use super::error::ControlError;
use super::names::{PackageName, Scope, VersionName};
use super::package_versions::PackageVersion;
use super::packages::Packages;
use super::request::{PresignedUrlConfig, S3Location};
use super::validate::{Text, Violations};

/// Most package versions of one job (API reference, CreateJob).
const MAX_DESTINATIONS: usize = 25;
const ARN: Text = Text {
    min: 1,
    max: 1600,
    pattern: None,
};
/// What stands in an ARN for the version that the package names.
const DEFAULT: &str = "$default";
/// What stands in an ARN for the removal of the package.
const NULL: &str = "$null";
const OPEN: &str = "${aws:iot:package:";
const CLOSE: char = '}';
const ARTIFACT: [&str; 2] = [
    "artifact-location:s3-presigned-url",
    "artifact:s3-presigned-url",
];
/// What a URL may have in it within a placeholder of the second generation.
const UNESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

/// Checks what AWS's service model says of ARNs of package versions.
pub(super) fn check_arns(violations: &mut Violations, arns: Option<&Vec<String>>) {
    for (index, arn) in arns.into_iter().flatten().enumerate() {
        let member = format!("destinationPackageVersions.{}.member", index + 1);
        violations.text(&member, arn, ARN);
        let rest = arn.strip_prefix("arn:");
        if rest.is_none_or(|rest| rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_graphic())) {
            let rule = "Member must satisfy regular expression pattern: ^arn:[!-~]+$";
            violations.note(arn, &member, rule);
        }
    }
}

/// What a job installs.
#[derive(Debug)]
pub(super) struct Destinations(Vec<Destination>);

/// A version that a job installs, or a package that it removes.
#[derive(Debug)]
struct Destination {
    package: PackageName,
    /// The version as the ARN has it.
    written: String,
    /// The version that is meant; none if the package is removed.
    version: Option<VersionName>,
}

impl Model {
    /// What `arns` name, if a job can install it now.
    pub(super) fn destinations(
        &self,
        scope: &Scope,
        arns: &[String],
    ) -> Result<Destinations, ControlError> {
        self.check_destinations(scope, arns)?;
        let destinations = arns.iter().map(|arn| {
            let (package, written) = parse(scope, arn)?;
            let version = match written {
                DEFAULT => Some(self.default_version(&package)?),
                NULL => None,
                name => VersionName::parse(name),
            };
            let found = version.as_ref();
            let found = found.and_then(|version| self.packages.version(&package, version));
            if found.is_some_and(|found| !found.status.is_deployable()) {
                return Err(invalid(&format!(
                    "Package version {arn} is in status DRAFT. It must be PUBLISHED or DEPRECATED to be deployed."
                )));
            }
            Ok(Destination {
                package,
                written: written.to_owned(),
                version,
            })
        });
        destinations.collect::<Result<_, _>>().map(Destinations)
    }

    /// Refuses ARNs of what is not there. A template may name versions that are not ready yet.
    pub(super) fn check_destinations(
        &self,
        scope: &Scope,
        arns: &[String],
    ) -> Result<(), ControlError> {
        if arns.len() > MAX_DESTINATIONS {
            return Err(ControlError::LimitExceeded(format!(
                "There cannot be more than {MAX_DESTINATIONS} destination package versions."
            )));
        }
        for arn in arns {
            let (package, written) = parse(scope, arn)?;
            let exists = match written {
                DEFAULT => self.packages.packages.contains_key(&package),
                // What is removed may be gone from the catalog, too.
                NULL => true,
                name => VersionName::parse(name)
                    .is_some_and(|version| self.packages.version(&package, &version).is_some()),
            };
            if !exists {
                let message = format!("Package version {arn} cannot be found.");
                return Err(ControlError::ResourceNotFound(message));
            }
        }
        Ok(())
    }

    fn default_version(&self, package: &PackageName) -> Result<VersionName, ControlError> {
        let found = self.packages.packages.get(package);
        let default = found.and_then(|package| package.default_version.clone());
        default.ok_or_else(|| invalid(&format!("Package {package} has no default version.")))
    }
}

impl Destinations {
    /// The ARNs, each with the version that is meant.
    pub(super) fn arns(&self, scope: &Scope) -> Vec<String> {
        let arns = self.0.iter().map(|destination| {
            let package = &destination.package;
            match &destination.version {
                Some(version) => scope.package_version_arn(package, version),
                None => format!("{}/version/{NULL}", scope.package_arn(package)),
            }
        });
        arns.collect()
    }

    /// `document` with the placeholders of package versions filled in.
    pub(super) fn fill(
        &self,
        packages: &Packages,
        scope: &Scope,
        document: &str,
        presign: &PresignedUrlConfig,
    ) -> Result<String, ControlError> {
        replace(document, |placeholder| {
            let (package, version, found) = self.resolve(packages, placeholder)?;
            match placeholder.part {
                Part::Artifact => {
                    let location = found.artifact.s3_location.as_ref();
                    let location = location.ok_or_else(|| {
                        invalid(&format!(
                            "Package {package} version {version} does not have an associated artifact to generate an S3 presigned url."
                        ))
                    })?;
                    if presign.role_arn.is_none() {
                        return Err(invalid(&format!(
                            "presignedUrlConfig role ARN is required to generate an S3 presigned url in job document for package {package} version {version} artifact."
                        )));
                    }
                    Ok(presigned(scope, location))
                }
                Part::Attribute(key) => match found.attributes.get(key) {
                    Some(value) => Ok(within_quotes(value)),
                    None => Err(invalid(&format!(
                        "Package {package} version {version} has no attribute {key}, which placeholder {placeholder} refers to."
                    ))),
                },
                // Maps of strings always serialize.
                Part::Attributes => {
                    Ok(serde_json::to_string(&found.attributes).unwrap_or_default())
                }
            }
        })
    }

    /// The version that a placeholder refers to. It must be one that the job installs, in the same words.
    fn resolve<'a>(
        &'a self,
        packages: &'a Packages,
        placeholder: &Placeholder<'_>,
    ) -> Result<(&'a PackageName, &'a VersionName, &'a PackageVersion), ControlError> {
        let destination = if placeholder.package.is_empty() {
            match self.0.as_slice() {
                [only] => Some(only),
                [] => None,
                _ => {
                    return Err(invalid(
                        "Cannot resolve empty package name and version name given multiple elements in destination package versions.",
                    ));
                }
            }
        } else {
            self.0.iter().find(|destination| {
                destination.package.as_str() == placeholder.package
                    && destination.written == placeholder.version
            })
        };
        let Some(destination) = destination else {
            return Err(invalid(&format!(
                "Placeholder {placeholder} refers to no element of destination package versions."
            )));
        };
        let package = &destination.package;
        let version = destination.version.as_ref().ok_or_else(null_is_none)?;
        let found = packages.version(package, version);
        let found = found.ok_or_else(|| {
            invalid(&format!(
                "Placeholder {placeholder} refers to no package version."
            ))
        })?;
        Ok((package, version, found))
    }
}

/// Refuses placeholders that no package version could fill in: those of a template are filled in when a job
/// is made from it.
pub(super) fn check_placeholders(document: &str) -> Result<(), ControlError> {
    replace(document, |_| Ok(String::new())).map(drop)
}

/// A placeholder for a part of a package version.
struct Placeholder<'a> {
    /// All between the braces, but for what is common to all.
    inner: &'a str,
    /// Empty with the version if the only one that the job installs is meant.
    package: &'a str,
    version: &'a str,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Artifact,
    Attribute(&'a str),
    /// All of them, as an object.
    Attributes,
}

impl<'a> Placeholder<'a> {
    fn parse(inner: &'a str) -> Result<Self, ControlError> {
        let parts = inner.split_once(":version:").and_then(|(package, rest)| {
            let (version, part) = rest.split_once(':')?;
            let part = match part.strip_prefix("attributes:") {
                Some("") => return None,
                Some(key) => Part::Attribute(key),
                None if part == "attributes" => Part::Attributes,
                None if ARTIFACT.contains(&part) => Part::Artifact,
                None => return None,
            };
            Some((package, version, part))
        });
        let Some((package, version, part)) = parts else {
            return Err(invalid(&format!(
                "Given placeholder {OPEN}{inner}{CLOSE} is invalid."
            )));
        };
        if package.is_empty() != version.is_empty() {
            return Err(invalid(
                "Empty package name and version name have to be used in pair.",
            ));
        }
        if version == NULL {
            return Err(null_is_none());
        }
        Ok(Self {
            inner,
            package,
            version,
            part,
        })
    }
}

impl fmt::Display for Placeholder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPEN}{}{CLOSE}", self.inner)
    }
}

/// Replaces each placeholder of `document` with what `value` makes of it.
fn replace(
    document: &str,
    mut value: impl FnMut(&Placeholder<'_>) -> Result<String, ControlError>,
) -> Result<String, ControlError> {
    let mut text = String::with_capacity(document.len());
    let mut rest = document;
    while let Some((between, opened)) = rest.split_once(OPEN) {
        // A placeholder ends within the string that it begins in.
        let closed = opened.split_once(CLOSE);
        let Some((inner, after)) = closed.filter(|(inner, _)| !inner.contains('"')) else {
            return Err(invalid(
                "One or more parameters or placeholders are not terminated.",
            ));
        };
        let before = document.len() - opened.len() - OPEN.len();
        let before = document.get(..before).unwrap_or_default();
        let placeholder = Placeholder::parse(inner)?;
        text.push_str(between);
        rest = after;
        match placeholder.part {
            Part::Artifact if is_nested(before) => {
                return Err(invalid(&format!(
                    "{OPEN}[...]:artifact:s3-presigned-url{CLOSE} cannot be nested inside another placeholder."
                )));
            }
            Part::Artifact | Part::Attribute(_) => text.push_str(&value(&placeholder)?),
            Part::Attributes => {
                rest = after_value(before, after).ok_or_else(|| {
                    invalid(
                        "The package version attribute placeholder for all attributes has to be a json value by itself and not appended with other strings or nested with other placeholders.",
                    )
                })?;
                // The object takes the place of the whole string.
                text.pop();
                text.push_str(&value(&placeholder)?);
            }
        }
    }
    Ok(text + rest)
}

/// What follows the string that a placeholder between `before` and `after` is alone in, if that is a value.
fn after_value<'a>(before: &str, after: &'a str) -> Option<&'a str> {
    let opens = before.ends_with('"') && in_string(before).is_empty();
    let after = after.strip_prefix('"').filter(|_| opens)?;
    let is_key = after.trim_start().starts_with(':');
    (!is_key).then_some(after)
}

/// Whether the string that `text` ends in has a placeholder begun but not ended.
fn is_nested(text: &str) -> bool {
    let mut depth = 0_usize;
    for piece in in_string(text).split_inclusive(['{', CLOSE]) {
        if piece.ends_with("${") {
            depth += 1;
        } else if piece.ends_with(CLOSE) {
            depth = depth.saturating_sub(1);
        }
    }
    depth > 0
}

/// What comes after the last quotation mark of `text` that is not escaped.
fn in_string(text: &str) -> &str {
    let is_escaped = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        let slashes = before.len() - before.trim_end_matches('\\').len();
        slashes % 2 == 1
    };
    let mut quotes = text.rmatch_indices('"');
    let last = quotes.find(|(at, _)| !is_escaped(*at));
    last.and_then(|(at, _)| text.get(at + 1..)).unwrap_or(text)
}

/// `value` as it stands between the quotation marks of JSON.
fn within_quotes(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    let inner = quoted.strip_prefix('"');
    let inner = inner.and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

/// The placeholder for a presigned URL of an artifact.
fn presigned(scope: &Scope, location: &S3Location) -> String {
    let bucket = location.bucket.as_deref().unwrap_or_default();
    let key = location.key.as_deref().unwrap_or_default();
    let mut url = format!("https://s3.{}.amazonaws.com/{bucket}/{key}", scope.region);
    if let Some(version) = &location.version {
        url.push_str(&format!("?versionId={version}"));
    }
    let url = utf8_percent_encode(&url, &UNESCAPED);
    format!("${{aws:iot:s3-presigned-url-v2:{url}{CLOSE}")
}

/// Reads package and version from an ARN.
fn parse<'a>(scope: &Scope, arn: &'a str) -> Result<(PackageName, &'a str), ControlError> {
    let named = scope.package(arn);
    let named = named.and_then(|(package, version)| Some((package, version?)));
    let is_version =
        |name: &str| matches!(name, DEFAULT | NULL) || VersionName::parse(name).is_some();
    named
        .filter(|(_, version)| is_version(version))
        .ok_or_else(|| invalid(&format!("Package version ARN {arn} is invalid.")))
}

fn null_is_none() -> ControlError {
    invalid("$null is not allowed to be referenced as a package version in job documents.")
}

fn invalid(message: &str) -> ControlError {
    ControlError::InvalidRequest(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(document: &str) -> Result<String, ControlError> {
        replace(document, |placeholder| {
            Ok(match placeholder.part {
                Part::Artifact => format!("<file of {}>", placeholder.package),
                Part::Attribute(key) => format!("<{key}>"),
                Part::Attributes => "{}".to_owned(),
            })
        })
    }

    fn refusal(document: &str) -> String {
        marked(document).unwrap_err().to_string()
    }

    #[test]
    fn every_form_of_a_placeholder_is_replaced() {
        let document = r#"{"a":"${aws:iot:package:p:version:1.0:attributes:k:1}",
            "b":["${aws:iot:package::version::attributes}","${aws:iot:package:p:version:$default:attributes}"],
            "c":"${aws:iot:package:p:version:1:artifact-location:s3-presigned-url}?",
            "d":"${aws:iot:package:q:version:1:artifact:s3-presigned-url}"}"#;
        let replaced = r#"{"a":"<k:1>",
            "b":[{},{}],
            "c":"<file of p>?",
            "d":"<file of q>"}"#;
        assert_eq!(marked(document).as_deref(), Ok(replaced));
    }

    #[test]
    fn an_attribute_may_stand_within_another_placeholder_but_an_artifact_may_not() {
        let url =
            r#"{"u":"${aws:iot:s3-presigned-url:${aws:iot:package::version::attributes:url}}"}"#;
        let replaced = r#"{"u":"${aws:iot:s3-presigned-url:<url>}"}"#;
        assert_eq!(marked(url).as_deref(), Ok(replaced));
        let artifact = "${aws:iot:package:p:version:1:artifact-location:s3-presigned-url}";
        let nested = format!(r#"{{"u":"${{aws:iot:s3-presigned-url:{artifact}}}"}}"#);
        assert!(refusal(&nested).ends_with("cannot be nested inside another placeholder."));
        let beside = format!(r#"{{"x":"${{HOME","u":"${{thingName}}/{artifact}"}}"#);
        assert!(marked(&beside).is_ok());
    }

    #[test]
    fn all_attributes_are_a_value_by_themselves() {
        let all = "${aws:iot:package:p:version:1:attributes}";
        for document in [
            format!(r#"{{"a":"x{all}"}}"#),
            format!(r#"{{"a":"{all}x"}}"#),
            format!(r#"{{"{all}":1}}"#),
            format!(r#"{{"{all}" : 1}}"#),
            format!(r#"{{"a":"\"{all}\""}}"#),
            format!(r#"{{"a":"\"{all}"}}"#),
            format!(r#"{{"a":"${{aws:iot:s3-presigned-url:{all}}}"}}"#),
        ] {
            let refusal = refusal(&document);
            assert!(
                refusal.contains("has to be a json value by itself"),
                "{document}: {refusal}"
            );
        }
    }

    #[test]
    fn what_is_no_placeholder_of_a_package_version_is_refused_by_its_spelling() {
        for inner in [
            "p",
            "p:version:1",
            "p:version:1:attributes:",
            "p:version:1:size",
            "p:1:attributes",
        ] {
            let document = format!(r#"{{"a":"{OPEN}{inner}}}"}}"#);
            let expected = format!("Given placeholder {OPEN}{inner}}} is invalid.");
            assert_eq!(refusal(&document), expected);
        }
    }

    #[test]
    fn half_empty_and_null_and_endless_placeholders_are_refused_in_the_words_of_aws() {
        for (inner, expected) in [
            (
                "p:version::attributes:a}",
                "Empty package name and version name have to be used in pair.",
            ),
            (
                ":version:1:attributes:a}",
                "Empty package name and version name have to be used in pair.",
            ),
            (
                "p:version:$null:attributes:a}",
                "$null is not allowed to be referenced as a package version in job documents.",
            ),
            (
                "p:version:1:attributes:a",
                "One or more parameters or placeholders are not terminated.",
            ),
        ] {
            let document = format!(r#"{{"a":"{OPEN}{inner}"}}"#);
            assert_eq!(refusal(&document), expected);
        }
    }

    #[test]
    fn a_key_of_any_characters_survives_its_placeholder() {
        let scope = Scope {
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
        };
        let location = S3Location {
            bucket: Some("b".to_owned()),
            key: Some("a b}\"%3F/ü?.bin".to_owned()),
            version: Some("v1".to_owned()),
        };
        let placeholder = presigned(&scope, &location);
        let inner = placeholder
            .strip_prefix("${aws:iot:s3-presigned-url-v2:")
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap();
        let decoded = percent_encoding::percent_decode_str(inner)
            .decode_utf8()
            .unwrap();
        let expected = "https://s3.eu-west-1.amazonaws.com/b/a b}\"%3F/ü?.bin?versionId=v1";
        assert_eq!(decoded, expected);
        assert!(!inner.contains(['}', '"', ' ']));
    }
}
