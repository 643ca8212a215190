//! Answers about software packages and their versions.

use std::collections::BTreeMap;

use serde::Serialize;

pub use crate::model::package_versions::PackageVersionStatus;

use crate::model::names::{PackageName, VersionName};
use crate::model::request::{Artifact, VersionUpdateByJobsConfig};
use crate::model::time::Timestamp;

/// CreatePackage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageReference {
    /// The package's name.
    pub package_name: PackageName,
    /// The package's ARN.
    pub package_arn: String,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// GetPackage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageDescription {
    /// The package's name.
    pub package_name: PackageName,
    /// The package's ARN.
    pub package_arn: String,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The version that `$default` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_version_name: Option<VersionName>,
    /// When the package was made.
    pub creation_date: Timestamp,
    /// When the package changed last.
    pub last_modified_date: Timestamp,
}

/// ListPackages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageList {
    /// One page of packages, by name.
    pub package_summaries: Vec<PackageSummary>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One package of ListPackages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageSummary {
    /// The package's name.
    pub package_name: PackageName,
    /// The version that `$default` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_version_name: Option<VersionName>,
    /// When the package was made.
    pub creation_date: Timestamp,
    /// When the package changed last.
    pub last_modified_date: Timestamp,
}

/// CreatePackageVersion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageVersionReference {
    /// The version's ARN.
    pub package_version_arn: String,
    /// The package's name.
    pub package_name: PackageName,
    /// The version's name.
    pub version_name: VersionName,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As given.
    pub attributes: BTreeMap<String, String>,
    /// Where the version stands.
    pub status: PackageVersionStatus,
}

/// GetPackageVersion. Bills of materials are not supported, so their members are never set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageVersionDescription {
    /// The version's ARN.
    pub package_version_arn: String,
    /// The package's name.
    pub package_name: PackageName,
    /// The version's name.
    pub version_name: VersionName,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As given.
    pub attributes: BTreeMap<String, String>,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Where the version stands.
    pub status: PackageVersionStatus,
    /// When the version was made.
    pub creation_date: Timestamp,
    /// When the version changed last.
    pub last_modified_date: Timestamp,
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
}

/// ListPackageVersions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageVersionList {
    /// One page of versions, by name.
    pub package_version_summaries: Vec<PackageVersionSummary>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One version of ListPackageVersions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageVersionSummary {
    /// The package's name.
    pub package_name: PackageName,
    /// The version's name.
    pub version_name: VersionName,
    /// Where the version stands.
    pub status: PackageVersionStatus,
    /// When the version was made.
    pub creation_date: Timestamp,
    /// When the version changed last.
    pub last_modified_date: Timestamp,
}

/// GetPackageConfiguration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageConfiguration {
    /// As given.
    pub version_update_by_jobs_config: VersionUpdateByJobsConfig,
}
