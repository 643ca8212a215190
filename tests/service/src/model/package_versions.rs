//! The versions of software packages, from draft to deprecation.
//!
//! ```text
//!            PUBLISH              DEPRECATE
//!   DRAFT ─────────────▶ PUBLISHED ─────────▶ DEPRECATED
//!                            ▲     PUBLISH        │
//!                            └────────────────────┘
//! ```
//!
//! Attributes and artifact are settled with the first publication; description and recipe never are.
//! Facts: developer guide, preparing-to-use-software-package-catalog (package version lifecycle) and
//! preparing-jobs-for-service-package-catalog (recipe, artifact). What is unknown is decided as in
//! [`super::packages`]. Whether AWS looks at once for the artifact's object is unknown too: here a URL to
//! an object that is not there fails, as any URL does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Model;
use super::error::PackageError;
use super::idempotency::{Once, check_token};
use super::names::{PackageName, Scope, VersionName};
use super::packages::{
    DESCRIPTION, PACKAGE_NAME, VERSION_NAME, bad_token, check_page, check_tags, package_name,
    package_not_found, read_tags, unmodelled, version_not_found,
};
use super::page::page;
use super::request::{
    Artifact, CreatePackageVersion, DeletePackageVersion, ListPackageVersions, Tag,
    UpdatePackageVersion,
};
use super::table::Record;
use super::time::{self, Timestamp};
use super::validate::{PRINTABLE, Pattern, Text, Violations};
use super::view::{
    PackageVersionDescription, PackageVersionList, PackageVersionReference, PackageVersionSummary,
};

/// Most versions of all packages (AWS general reference, Software Package Catalog quotas).
const MAX_VERSIONS: usize = 10_000;
/// The most that names and values of a version's attributes take together (API reference,
/// CreatePackageVersion: 3 KB).
const MAX_ATTRIBUTES_BYTES: usize = 3072;
const ATTRIBUTE_KEY: Text = Text {
    min: 1,
    max: usize::MAX,
    pattern: Some(Pattern {
        printed: "[a-zA-Z0-9:_-]+",
        allows: super::names::is_colon_char,
    }),
};
const ATTRIBUTE_VALUE: Text = Text {
    min: 1,
    max: usize::MAX,
    pattern: Some(PRINTABLE),
};
const RECIPE: Text = Text {
    min: 0,
    max: 3072,
    pattern: None,
};
const S3_NAME: Text = Text {
    min: 1,
    max: usize::MAX,
    pattern: None,
};

/// A version of a package.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct PackageVersion {
    description: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) artifact: Artifact,
    recipe: Option<String>,
    pub(super) status: PackageVersionStatus,
    pub(super) tags: Vec<Tag>,
    #[serde(with = "time::kept")]
    created_at: Timestamp,
    #[serde(with = "time::kept")]
    last_modified_at: Timestamp,
}

impl Record for PackageVersion {}

/// Where a version stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PackageVersionStatus {
    /// There are newer ones.
    Deprecated,
    /// Not ready to be installed.
    Draft,
    /// Ready.
    Published,
}

/// What is done to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Deprecate,
    Publish,
}

impl PackageVersionStatus {
    const NAMES: [&'static str; 3] = ["DRAFT", "PUBLISHED", "DEPRECATED"];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deprecated => "DEPRECATED",
            Self::Draft => "DRAFT",
            Self::Published => "PUBLISHED",
        }
    }

    /// Whether jobs may install a version that stands so.
    pub(super) fn is_deployable(self) -> bool {
        match self {
            Self::Deprecated | Self::Published => true,
            Self::Draft => false,
        }
    }

    /// What becomes of it, if `action` is allowed.
    fn after(self, action: Action) -> Option<Self> {
        match (self, action) {
            (Self::Deprecated | Self::Draft, Action::Publish) => Some(Self::Published),
            (Self::Published, Action::Deprecate) => Some(Self::Deprecated),
            (Self::Published, Action::Publish)
            | (Self::Deprecated | Self::Draft, Action::Deprecate) => None,
        }
    }
}

impl Action {
    const NAMES: [&'static str; 2] = ["PUBLISH", "DEPRECATE"];

    fn parse(name: &str) -> Option<Self> {
        match name {
            "DEPRECATE" => Some(Self::Deprecate),
            "PUBLISH" => Some(Self::Publish),
            _ => None,
        }
    }
}

impl Model {
    /// CreatePackageVersion. The version begins as a draft.
    pub fn create_package_version(
        &mut self,
        scope: &Scope,
        request: CreatePackageVersion,
        now: Timestamp,
    ) -> Result<PackageVersionReference, PackageError> {
        let (package, version) = check_create(&request)?;
        let tags = read_tags(request.tags.as_ref())?;
        let reference = PackageVersionReference {
            package_version_arn: scope.package_version_arn(&package, &version),
            package_name: package.clone(),
            version_name: version.clone(),
            description: request.description.clone(),
            attributes: request.attributes.clone().unwrap_or_default(),
            status: PackageVersionStatus::Draft,
        };
        let token = request.client_token.as_ref();
        let once = Once::new("CreatePackageVersion", token, &request);
        if self.packages.tokens.was_granted(&once)? {
            return Ok(reference);
        }
        if !self.packages.packages.contains_key(&package) {
            return Err(unmodelled(package_not_found(&package)));
        }
        if self.packages.version(&package, &version).is_some() {
            return Err(PackageError::Conflict {
                message: format!("Version {version} of package {package} already exists."),
                resource_id: version.to_string(),
            });
        }
        if self.packages.versions.len() >= MAX_VERSIONS {
            let message = format!("There cannot be more than {MAX_VERSIONS} package versions.");
            return Err(PackageError::ServiceQuotaExceeded(message));
        }
        let row = PackageVersion {
            description: request.description,
            attributes: request.attributes.unwrap_or_default(),
            artifact: request.artifact.unwrap_or_default(),
            recipe: request.recipe,
            status: PackageVersionStatus::Draft,
            tags,
            created_at: now,
            last_modified_at: now,
        };
        self.packages.versions.insert((package, version), row);
        self.packages.tokens.grant(once);
        Ok(reference)
    }

    /// GetPackageVersion.
    pub fn get_package_version(
        &self,
        scope: &Scope,
        package: &str,
        version: &str,
    ) -> Result<PackageVersionDescription, PackageError> {
        let (package, version) = names(Violations::default(), package, version)?;
        let found = self.packages.version(&package, &version);
        let found = found.ok_or_else(|| version_not_found(&package, &version))?;
        let artifact = Some(found.artifact.clone());
        Ok(PackageVersionDescription {
            package_version_arn: scope.package_version_arn(&package, &version),
            package_name: package,
            version_name: version,
            description: found.description.clone(),
            attributes: found.attributes.clone(),
            artifact: artifact.filter(|artifact| artifact.s3_location.is_some()),
            status: found.status,
            creation_date: found.created_at,
            last_modified_date: found.last_modified_at,
            recipe: found.recipe.clone(),
        })
    }

    /// UpdatePackageVersion.
    pub fn update_package_version(
        &mut self,
        request: UpdatePackageVersion,
        now: Timestamp,
    ) -> Result<(), PackageError> {
        let (package, version) = check_update(&request)?;
        let token = request.client_token.as_ref();
        let once = Once::new("UpdatePackageVersion", token, &request);
        if self.packages.tokens.was_granted(&once)? {
            return Ok(());
        }
        let not_found = || version_not_found(&package, &version);
        let found = self.packages.version(&package, &version);
        let status = found.ok_or_else(not_found)?.status;
        let conflict = |what: &str| PackageError::Conflict {
            message: format!(
                "Version {version} of package {package} in status {} cannot be {what}.",
                status.as_str()
            ),
            resource_id: version.to_string(),
        };
        let is_settled = status != PackageVersionStatus::Draft;
        if is_settled && (request.attributes.is_some() || request.artifact.is_some()) {
            return Err(conflict("given other attributes or another artifact"));
        }
        let action = request.action.as_deref();
        let status = match action.and_then(Action::parse) {
            Some(action) => status.after(action).ok_or_else(|| match action {
                Action::Deprecate => conflict("deprecated"),
                Action::Publish => conflict("published"),
            })?,
            None => status,
        };

        let key = (package.clone(), version.clone());
        let found = self.packages.versions.get_mut(&key);
        let found = found.ok_or_else(not_found)?;
        found.status = status;
        found.description = request.description.or(found.description.take());
        found.recipe = request.recipe.or(found.recipe.take());
        if let Some(attributes) = request.attributes {
            found.attributes = attributes;
        }
        if let Some(artifact) = request.artifact {
            found.artifact = artifact;
        }
        found.last_modified_at = now;
        self.packages.tokens.grant(once);
        Ok(())
    }

    /// DeletePackageVersion. The default version stays until the package has another one, or none.
    pub fn delete_package_version(
        &mut self,
        request: &DeletePackageVersion,
    ) -> Result<(), PackageError> {
        let mut violations = Violations::default();
        check_token(&mut violations, request.client_token.as_ref());
        let (package, version) = names(violations, &request.package_name, &request.version_name)?;
        let token = request.client_token.as_ref();
        let once = Once::new("DeletePackageVersion", token, request);
        if self
            .packages
            .tokens
            .was_granted(&once)
            .map_err(unmodelled)?
        {
            return Ok(());
        }
        let owner = self.packages.packages.get(&package);
        if owner.is_some_and(|owner| owner.default_version.as_ref() == Some(&version)) {
            return Err(PackageError::Validation(format!(
                "Version {version} is the default of package {package} and cannot be deleted."
            )));
        }
        self.packages.versions.remove(&(package, version));
        self.packages.tokens.grant(once);
        Ok(())
    }

    /// ListPackageVersions, by name. A package that is not there has none.
    pub fn list_package_versions(
        &self,
        request: &ListPackageVersions,
    ) -> Result<PackageVersionList, PackageError> {
        let mut violations = Violations::default();
        violations.text("packageName", &request.package_name, PACKAGE_NAME);
        let status = request.status.as_ref();
        violations.one_of("status", status, &PackageVersionStatus::NAMES);
        let size = check_page(&mut violations, request.max_results);
        let package = package_name(violations, &request.package_name)?;
        let chosen = self
            .packages
            .versions_of(&package)
            .filter(|(_, version)| status.is_none_or(|status| status == version.status.as_str()));
        let entries = chosen.map(|(name, version)| {
            let summary = PackageVersionSummary {
                package_name: package.clone(),
                version_name: name.clone(),
                status: version.status,
                creation_date: version.created_at,
                last_modified_date: version.last_modified_at,
            };
            (name.to_string(), summary)
        });
        let list = format!("versions of {package}");
        let token = request.next_token.as_ref();
        let (package_version_summaries, next_token) =
            page(&list, entries, size, token).map_err(bad_token)?;
        Ok(PackageVersionList {
            package_version_summaries,
            next_token,
        })
    }
}

/// Checks what AWS's service model says of a new version.
fn check_create(
    request: &CreatePackageVersion,
) -> Result<(PackageName, VersionName), PackageError> {
    let mut violations = Violations::default();
    let description = request.description.as_ref();
    violations.optional_text("description", description, DESCRIPTION);
    let (attributes, artifact) = (request.attributes.as_ref(), request.artifact.as_ref());
    check_content(&mut violations, attributes, artifact);
    violations.optional_text("recipe", request.recipe.as_ref(), RECIPE);
    check_tags(&mut violations, request.tags.as_ref());
    check_token(&mut violations, request.client_token.as_ref());
    names(violations, &request.package_name, &request.version_name)
}

/// Checks what AWS's service model says of the members of an update.
fn check_update(
    request: &UpdatePackageVersion,
) -> Result<(PackageName, VersionName), PackageError> {
    let mut violations = Violations::default();
    let description = request.description.as_ref();
    violations.optional_text("description", description, DESCRIPTION);
    let (attributes, artifact) = (request.attributes.as_ref(), request.artifact.as_ref());
    check_content(&mut violations, attributes, artifact);
    violations.one_of("action", request.action.as_ref(), &Action::NAMES);
    violations.optional_text("recipe", request.recipe.as_ref(), RECIPE);
    check_token(&mut violations, request.client_token.as_ref());
    names(violations, &request.package_name, &request.version_name)
}

/// Checks attributes and artifact. AWS's service model does not say that a location needs a bucket and
/// a key, but without them it is none.
fn check_content(
    violations: &mut Violations,
    attributes: Option<&BTreeMap<String, String>>,
    artifact: Option<&Artifact>,
) {
    if let Some(attributes) = attributes {
        let (keys, values) = (ATTRIBUTE_KEY, ATTRIBUTE_VALUE);
        violations.map("attributes", attributes, usize::MAX, keys, values);
        let pairs = attributes.iter();
        let size: usize = pairs.map(|(key, value)| key.len() + value.len()).sum();
        if size > MAX_ATTRIBUTES_BYTES {
            let rule =
                format!("Member must have a combined size of at most {MAX_ATTRIBUTES_BYTES} bytes");
            violations.note(format!("{size} bytes"), "attributes", rule);
        }
    }
    if let Some(location) = artifact.and_then(|artifact| artifact.s3_location.as_ref()) {
        for (name, value) in [("bucket", &location.bucket), ("key", &location.key)] {
            let member = format!("artifact.s3Location.{name}");
            violations.required(&member, value.as_ref());
            violations.optional_text(&member, value.as_ref(), S3_NAME);
        }
    }
}

/// The names of package and version, if nothing is wrong with the request.
fn names(
    mut violations: Violations,
    package: &str,
    version: &str,
) -> Result<(PackageName, VersionName), PackageError> {
    violations.text("packageName", package, PACKAGE_NAME);
    violations.text("versionName", version, VERSION_NAME);
    let package = package_name(violations, package)?;
    let version = VersionName::parse(version);
    let version =
        version.ok_or_else(|| PackageError::Validation("versionName is invalid.".to_owned()))?;
    Ok((package, version))
}
