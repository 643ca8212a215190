//! Names that were parsed once, and the ARNs made of them.
//!
//! Character sets and lengths are those of the AWS IoT API reference (ThingName, ThingGroupName,
//! JobId, NamespaceId).

use core::borrow::Borrow;
use core::fmt;

use serde::de::{Deserializer, Error as _, Unexpected};
use serde::{Deserialize, Serialize};

use super::validate::Pattern;

/// Characters of job ids and namespaces.
pub(super) const PLAIN: Pattern = Pattern {
    printed: "[a-zA-Z0-9_-]+",
    allows: is_plain_char,
};
/// Characters of thing and group names, and of the keys of status details.
pub(super) const WITH_COLON: Pattern = Pattern {
    printed: "[a-zA-Z0-9:_-]+",
    allows: is_colon_char,
};
/// Characters of the names of software packages and of their versions.
pub(super) const WITH_DOT: Pattern = Pattern {
    printed: "[a-zA-Z0-9-_.]+",
    allows: is_dot_char,
};
/// Longest thing or group name.
pub(super) const MAX_THING_NAME: usize = 128;
/// Longest job id.
pub(super) const MAX_JOB_ID: usize = 64;
/// Longest name of a software package.
pub(super) const MAX_PACKAGE_NAME: usize = 128;
/// Longest name of a package version.
pub(super) const MAX_VERSION_NAME: usize = 64;
/// Longest namespace that this service takes; the API reference names no limit.
const MAX_NAMESPACE: usize = 128;
/// Longest name of a region that this service takes; those of AWS are shorter.
const MAX_REGION_BYTES: usize = 32;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:ident, $allowed:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(String);

        impl $name {
            /// The name, if `text` is a legal one.
            pub fn parse(text: &str) -> Option<Self> {
                let legal = !text.is_empty() && text.len() <= $max && text.chars().all($allowed);
                legal.then(|| Self(text.to_owned()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| {
                    D::Error::invalid_value(Unexpected::Str(&text), &"a legal name")
                })
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a thing.
    ThingName, MAX_THING_NAME, is_colon_char
);
name!(
    /// The name of a static thing group.
    GroupName, MAX_THING_NAME, is_colon_char
);
name!(
    /// The id of a job; unique over all namespaces.
    JobId, MAX_JOB_ID, is_plain_char
);
name!(
    /// The id of a job template.
    TemplateId, MAX_JOB_ID, is_plain_char
);
name!(
    /// The namespace of a job. Jobs without one are in the default namespace, `None` everywhere.
    NamespaceId, MAX_NAMESPACE, is_plain_char
);
name!(
    /// The name of a software package.
    PackageName, MAX_PACKAGE_NAME, is_dot_char
);
name!(
    /// The name of a version of a software package.
    VersionName, MAX_VERSION_NAME, is_dot_char
);

/// Whether `c` may stand in a job id or namespace.
fn is_plain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Whether `c` may stand in the name of a thing or group.
pub(super) fn is_colon_char(c: char) -> bool {
    is_plain_char(c) || c == ':'
}

/// Whether `c` may stand in the name of a software package or of its version.
fn is_dot_char(c: char) -> bool {
    is_plain_char(c) || c == '.'
}

/// What a job is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Every member of a group, and of the groups below it.
    Group(GroupName),
    /// One thing.
    Thing(ThingName),
}

/// A job template by what its ARN says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TemplateName<'a> {
    /// One of AWS's.
    Managed {
        /// For example `AWS-Reboot`.
        name: &'a str,
        /// For example `1.0`.
        version: &'a str,
    },
    /// One of the account's own.
    Own(TemplateId),
}

/// The region and account in whose name a control-plane request is made: the SigV4 credential
/// scope's region, and the service's account. It appears in ARNs; it does not divide the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Scope {
    /// For example `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Scope {
    /// Whether `text` could name a region.
    pub fn is_region(text: &str) -> bool {
        let is_legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=MAX_REGION_BYTES).contains(&text.len()) && text.bytes().all(is_legal)
    }

    /// The ARN of a thing.
    pub fn thing_arn(&self, name: &ThingName) -> String {
        self.arn("thing", name.as_str())
    }

    /// The ARN of a thing group.
    pub fn group_arn(&self, name: &GroupName) -> String {
        self.arn("thinggroup", name.as_str())
    }

    /// The ARN of a job.
    pub fn job_arn(&self, id: &JobId) -> String {
        self.arn("job", id.as_str())
    }

    /// The thing or group that `arn` names, if it is one of this region and account.
    pub fn target(&self, arn: &str) -> Option<Target> {
        if let Some(name) = self.resource(arn, "thing") {
            return ThingName::parse(name).map(Target::Thing);
        }
        GroupName::parse(self.resource(arn, "thinggroup")?).map(Target::Group)
    }

    /// The job that `arn` names, if it is one of this region and account.
    pub fn job(&self, arn: &str) -> Option<JobId> {
        JobId::parse(self.resource(arn, "job")?)
    }

    /// The ARN of a job template of the account.
    pub fn template_arn(&self, id: &TemplateId) -> String {
        self.arn("jobtemplate", id.as_str())
    }

    /// The ARN of a job template of AWS's, which names no account.
    pub(super) fn managed_template_arn(&self, name: &str, version: &str) -> String {
        format!("arn:aws:iot:{}::jobtemplate/{name}:{version}", self.region)
    }

    /// The job template that `arn` names, if it is one of this region, and of this account or AWS's.
    pub(super) fn template<'a>(&self, arn: &'a str) -> Option<TemplateName<'a>> {
        if let Some(id) = self.resource(arn, "jobtemplate") {
            return TemplateId::parse(id).map(TemplateName::Own);
        }
        let managed = arn
            .strip_prefix("arn:aws:iot:")?
            .strip_prefix(self.region.as_str())?
            .strip_prefix("::jobtemplate/")?;
        let (name, version) = managed.split_once(':')?;
        Some(TemplateName::Managed { name, version })
    }

    /// The ARN of a software package.
    pub fn package_arn(&self, package: &PackageName) -> String {
        self.arn("package", package.as_str())
    }

    /// The ARN of a version of a software package.
    pub fn package_version_arn(&self, package: &PackageName, version: &VersionName) -> String {
        self.arn("package", &format!("{package}/version/{version}"))
    }

    /// The software package that `arn` names, if it is one of this region and account, and the version in it
    /// as it is written: it may be `$default` or `$null`.
    pub(super) fn package<'a>(&self, arn: &'a str) -> Option<(PackageName, Option<&'a str>)> {
        let resource = self.resource(arn, "package")?;
        match resource.split_once("/version/") {
            Some((package, version)) => Some((PackageName::parse(package)?, Some(version))),
            None => Some((PackageName::parse(resource)?, None)),
        }
    }

    fn arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:iot:{}:{}:{kind}/{name}", self.region, self.account)
    }

    fn resource<'a>(&self, arn: &'a str, kind: &str) -> Option<&'a str> {
        arn.strip_prefix("arn:aws:iot:")?
            .strip_prefix(self.region.as_str())?
            .strip_prefix(':')?
            .strip_prefix(self.account.as_str())?
            .strip_prefix(':')?
            .strip_prefix(kind)?
            .strip_prefix('/')
    }
}
