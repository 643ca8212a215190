//! What the catalog of software packages is asked, as it arrives: nothing in here is checked yet.
//!
//! A request that is to be done once serializes to what tells it from others: its names and members,
//! without its token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// CreatePackage.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreatePackage {
    /// From the path.
    #[serde(skip_deserializing)]
    pub package_name: String,
    /// From the query.
    #[serde(skip)]
    pub client_token: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Labels, by their keys.
    pub tags: Option<BTreeMap<String, String>>,
}

/// UpdatePackage.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdatePackage {
    /// From the path.
    #[serde(skip_deserializing)]
    pub package_name: String,
    /// From the query.
    #[serde(skip)]
    pub client_token: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The version that `$default` names.
    pub default_version_name: Option<String>,
    /// Whether `$default` is to name none.
    pub unset_default_version: Option<bool>,
}

/// DeletePackage.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeletePackage {
    /// From the path.
    #[serde(skip_deserializing)]
    pub package_name: String,
    /// Tells a request from its repetition.
    #[serde(skip_serializing)]
    pub client_token: Option<String>,
}

/// ListPackages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListPackages {
    /// 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// UpdatePackageConfiguration.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdatePackageConfiguration {
    /// From the query.
    #[serde(skip)]
    pub client_token: Option<String>,
    /// What is to change.
    pub version_update_by_jobs_config: Option<VersionUpdateByJobsConfig>,
}

/// Whether AWS writes into a thing's shadow which package versions a job has installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VersionUpdateByJobsConfig {
    /// Whether it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The role that may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// CreatePackageVersion.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreatePackageVersion {
    /// From the path.
    #[serde(skip_deserializing)]
    pub package_name: String,
    /// From the path.
    #[serde(skip_deserializing)]
    pub version_name: String,
    /// From the query.
    #[serde(skip)]
    pub client_token: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What job documents can refer to.
    pub attributes: Option<BTreeMap<String, String>>,
    /// Where the files are.
    pub artifact: Option<Artifact>,
    /// A job document for this version.
    pub recipe: Option<String>,
    /// Labels, by their keys.
    pub tags: Option<BTreeMap<String, String>>,
}

/// UpdatePackageVersion.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdatePackageVersion {
    /// From the path.
    #[serde(skip_deserializing)]
    pub package_name: String,
    /// From the path.
    #[serde(skip_deserializing)]
    pub version_name: String,
    /// From the query.
    #[serde(skip)]
    pub client_token: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Replaces all of them.
    pub attributes: Option<BTreeMap<String, String>>,
    /// Where the files are.
    pub artifact: Option<Artifact>,
    /// PUBLISH or DEPRECATE.
    pub action: Option<String>,
    /// A job document for this version.
    pub recipe: Option<String>,
}

/// DeletePackageVersion.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeletePackageVersion {
    /// From the path.
    #[serde(skip_deserializing)]
    pub package_name: String,
    /// From the path.
    #[serde(skip_deserializing)]
    pub version_name: String,
    /// Tells a request from its repetition.
    #[serde(skip_serializing)]
    pub client_token: Option<String>,
}

/// ListPackageVersions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListPackageVersions {
    /// From the path.
    #[serde(skip)]
    pub package_name: String,
    /// Only versions in this status.
    pub status: Option<String>,
    /// 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// The files of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Artifact {
    /// Where they are; nowhere if that is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_location: Option<S3Location>,
}

/// An object in S3.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct S3Location {
    /// The bucket's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The object's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The object's version; the latest unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
