//! Software packages: the catalog of what jobs install.
//!
//! Facts: AWS IoT API reference, the pages of the operations, and developer guide,
//! preparing-to-use-software-package-catalog. The operations model few exceptions, and what AWS
//! answers besides is unknown. So deleting what is not there succeeds, as only that is idempotent, and a
//! refusal for which an operation models no exception of its own is a ValidationException. The words of
//! the refusals are ours.
//!
//! The configuration is kept and told, but has no effect: there are no shadows here to update.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Model;
use super::create::ROLE;
use super::error::{ControlError, PackageError};
use super::idempotency::{Once, Tokens, check_token};
use super::names::{MAX_PACKAGE_NAME, MAX_VERSION_NAME, PackageName, Scope, VersionName, WITH_DOT};
use super::package_versions::PackageVersion;
use super::page::page;
use super::request::{
    CreatePackage, DeletePackage, ListPackages, Tag, UpdatePackage, UpdatePackageConfiguration,
    VersionUpdateByJobsConfig,
};
use super::table::{Record, Table};
use super::tags::{KEY, MAX_TAGS, VALUE, is_reserved};
use super::time::{self, Timestamp};
use super::validate::{PRINTABLE, Text, Violations};
use super::view::{
    PackageConfiguration, PackageDescription, PackageList, PackageReference, PackageSummary,
};

/// Most packages of an account (AWS general reference, Software Package Catalog quotas).
const MAX_PACKAGES: usize = 100;
/// The largest page of packages or versions, and the one given to who does not ask for less.
const MAX_RESULTS: i64 = 100;
pub(super) const PACKAGE_NAME: Text = Text {
    min: 1,
    max: MAX_PACKAGE_NAME,
    pattern: Some(WITH_DOT),
};
pub(super) const VERSION_NAME: Text = Text {
    min: 1,
    max: MAX_VERSION_NAME,
    pattern: Some(WITH_DOT),
};
pub(super) const DESCRIPTION: Text = Text {
    min: 0,
    max: 1024,
    pattern: Some(PRINTABLE),
};

/// The catalog.
#[derive(Debug, Clone, Default)]
pub(super) struct Packages {
    pub(super) packages: Table<PackageName, Package>,
    pub(super) versions: Table<(PackageName, VersionName), PackageVersion>,
    pub(super) tokens: Tokens,
    pub(super) configuration: VersionUpdateByJobsConfig,
}

/// A package.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Package {
    description: Option<String>,
    pub(super) tags: Vec<Tag>,
    pub(super) default_version: Option<VersionName>,
    #[serde(with = "time::kept")]
    created_at: Timestamp,
    #[serde(with = "time::kept")]
    last_modified_at: Timestamp,
}

impl Record for Package {}

impl Packages {
    /// Notes from now on what is touched.
    pub(super) fn record(&mut self) {
        self.packages.record();
        self.versions.record();
        self.tokens.used.record();
    }

    /// A version, if the catalog has it.
    pub(super) fn version(
        &self,
        package: &PackageName,
        version: &VersionName,
    ) -> Option<&PackageVersion> {
        self.versions.get(&(package.clone(), version.clone()))
    }

    /// The versions of one package, in the order of their names.
    pub(super) fn versions_of<'a>(
        &'a self,
        package: &'a PackageName,
    ) -> impl Iterator<Item = (&'a VersionName, &'a PackageVersion)> {
        let of_package = self.versions.iter();
        of_package
            .filter(move |((of, _), _)| of == package)
            .map(|((_, name), version)| (name, version))
    }
}

impl Model {
    /// CreatePackage.
    pub fn create_package(
        &mut self,
        scope: &Scope,
        request: CreatePackage,
        now: Timestamp,
    ) -> Result<PackageReference, PackageError> {
        let mut violations = Violations::default();
        violations.text("packageName", &request.package_name, PACKAGE_NAME);
        let description = request.description.as_ref();
        violations.optional_text("description", description, DESCRIPTION);
        check_tags(&mut violations, request.tags.as_ref());
        check_token(&mut violations, request.client_token.as_ref());
        let name = package_name(violations, &request.package_name)?;
        let tags = read_tags(request.tags.as_ref())?;
        let reference = PackageReference {
            package_name: name.clone(),
            package_arn: scope.package_arn(&name),
            description: request.description.clone(),
        };
        let once = Once::new("CreatePackage", request.client_token.as_ref(), &request);
        if self.packages.tokens.was_granted(&once)? {
            return Ok(reference);
        }
        if self.packages.packages.contains_key(&name) {
            return Err(PackageError::Conflict {
                message: format!("Package {name} already exists."),
                resource_id: name.to_string(),
            });
        }
        if self.packages.packages.len() >= MAX_PACKAGES {
            let message = format!("There cannot be more than {MAX_PACKAGES} packages.");
            return Err(PackageError::ServiceQuotaExceeded(message));
        }
        let package = Package {
            description: request.description,
            tags,
            default_version: None,
            created_at: now,
            last_modified_at: now,
        };
        self.packages.packages.insert(name, package);
        self.packages.tokens.grant(once);
        Ok(reference)
    }

    /// GetPackage.
    pub fn get_package(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<PackageDescription, PackageError> {
        let mut violations = Violations::default();
        violations.text("packageName", name, PACKAGE_NAME);
        let name = package_name(violations, name)?;
        let package = self.packages.packages.get(&name);
        let package = package.ok_or_else(|| package_not_found(&name))?;
        Ok(PackageDescription {
            package_arn: scope.package_arn(&name),
            package_name: name,
            description: package.description.clone(),
            default_version_name: package.default_version.clone(),
            creation_date: package.created_at,
            last_modified_date: package.last_modified_at,
        })
    }

    /// UpdatePackage. A version in draft cannot be the default (developer guide,
    /// preparing-to-use-software-package-catalog).
    pub fn update_package(
        &mut self,
        request: UpdatePackage,
        now: Timestamp,
    ) -> Result<(), PackageError> {
        let mut violations = Violations::default();
        violations.text("packageName", &request.package_name, PACKAGE_NAME);
        let description = request.description.as_ref();
        violations.optional_text("description", description, DESCRIPTION);
        let default = request.default_version_name.as_ref();
        violations.optional_text("defaultVersionName", default, VERSION_NAME);
        check_token(&mut violations, request.client_token.as_ref());
        let name = package_name(violations, &request.package_name)?;
        let unset = request.unset_default_version == Some(true);
        if default.is_some() && unset {
            return Err(PackageError::Validation(
                "You cannot name a default version and unset the default version at the same time."
                    .to_owned(),
            ));
        }
        let once = Once::new("UpdatePackage", request.client_token.as_ref(), &request);
        if self.packages.tokens.was_granted(&once)? {
            return Ok(());
        }
        let default = default.and_then(|version| VersionName::parse(version));
        if let Some(version) = &default {
            self.check_default(&name, version)?;
        }
        let package = self.packages.packages.get_mut(&name);
        let package = package.ok_or_else(|| package_not_found(&name))?;
        if request.description.is_some() {
            package.description = request.description;
        }
        if unset || default.is_some() {
            package.default_version = default;
        }
        package.last_modified_at = now;
        self.packages.tokens.grant(once);
        Ok(())
    }

    fn check_default(
        &self,
        package: &PackageName,
        version: &VersionName,
    ) -> Result<(), PackageError> {
        if !self.packages.packages.contains_key(package) {
            return Err(package_not_found(package));
        }
        let found = self.packages.version(package, version);
        let found = found.ok_or_else(|| version_not_found(package, version))?;
        if found.status.is_deployable() {
            return Ok(());
        }
        Err(PackageError::Conflict {
            message: format!(
                "Version {version} of package {package} is in status DRAFT and cannot be the default."
            ),
            resource_id: version.to_string(),
        })
    }

    /// DeletePackage. All of its versions must be deleted before.
    pub fn delete_package(&mut self, request: &DeletePackage) -> Result<(), PackageError> {
        let mut violations = Violations::default();
        violations.text("packageName", &request.package_name, PACKAGE_NAME);
        check_token(&mut violations, request.client_token.as_ref());
        let name = package_name(violations, &request.package_name)?;
        let once = Once::new("DeletePackage", request.client_token.as_ref(), request);
        if self
            .packages
            .tokens
            .was_granted(&once)
            .map_err(unmodelled)?
        {
            return Ok(());
        }
        if self.packages.versions_of(&name).next().is_some() {
            return Err(PackageError::Validation(format!(
                "Package {name} has versions. Delete them before the package."
            )));
        }
        self.packages.packages.remove(&name);
        self.packages.tokens.grant(once);
        Ok(())
    }

    /// ListPackages, by name.
    pub fn list_packages(&self, request: &ListPackages) -> Result<PackageList, PackageError> {
        let mut violations = Violations::default();
        let size = check_page(&mut violations, request.max_results);
        violations.into_result().map_err(PackageError::Validation)?;
        let entries = self.packages.packages.iter().map(|(name, package)| {
            let summary = PackageSummary {
                package_name: name.clone(),
                default_version_name: package.default_version.clone(),
                creation_date: package.created_at,
                last_modified_date: package.last_modified_at,
            };
            (name.to_string(), summary)
        });
        let token = request.next_token.as_ref();
        let (package_summaries, next_token) =
            page("packages", entries, size, token).map_err(bad_token)?;
        Ok(PackageList {
            package_summaries,
            next_token,
        })
    }

    /// GetPackageConfiguration.
    pub fn get_package_configuration(&self) -> PackageConfiguration {
        PackageConfiguration {
            version_update_by_jobs_config: self.packages.configuration.clone(),
        }
    }

    /// UpdatePackageConfiguration: the members that are given replace the stored ones.
    pub fn update_package_configuration(
        &mut self,
        request: UpdatePackageConfiguration,
    ) -> Result<(), PackageError> {
        let mut violations = Violations::default();
        let config = request.version_update_by_jobs_config.as_ref();
        let role = config.and_then(|config| config.role_arn.as_ref());
        violations.optional_text("versionUpdateByJobsConfig.roleArn", role, ROLE);
        check_token(&mut violations, request.client_token.as_ref());
        violations.into_result().map_err(PackageError::Validation)?;
        let token = request.client_token.as_ref();
        let once = Once::new("UpdatePackageConfiguration", token, &request);
        if self.packages.tokens.was_granted(&once)? {
            return Ok(());
        }
        let new = request.version_update_by_jobs_config.unwrap_or_default();
        let stored = &mut self.packages.configuration;
        stored.enabled = new.enabled.or(stored.enabled);
        stored.role_arn = new.role_arn.or(stored.role_arn.take());
        self.packages.tokens.grant(once);
        Ok(())
    }
}

/// The name of a package, if nothing was wrong with the request.
pub(super) fn package_name(
    violations: Violations,
    name: &str,
) -> Result<PackageName, PackageError> {
    violations.into_result().map_err(PackageError::Validation)?;
    PackageName::parse(name)
        .ok_or_else(|| PackageError::Validation("packageName is invalid.".to_owned()))
}

/// Checks the size of the page asked for, and gives the one that is meant.
pub(super) fn check_page(violations: &mut Violations, max_results: Option<i64>) -> usize {
    violations.range("maxResults", max_results, 1, MAX_RESULTS);
    usize::try_from(max_results.unwrap_or(MAX_RESULTS)).unwrap_or_default()
}

/// Checks what AWS's service model says of the tags of a package or version.
pub(super) fn check_tags(violations: &mut Violations, tags: Option<&BTreeMap<String, String>>) {
    let Some(tags) = tags else { return };
    if tags.is_empty() {
        let rule = "Member must have length greater than or equal to 1";
        violations.note("{}", "tags", rule);
    }
    violations.map("tags", tags, MAX_TAGS, KEY, VALUE);
}

/// The tags as they are kept.
pub(super) fn read_tags(tags: Option<&BTreeMap<String, String>>) -> Result<Vec<Tag>, PackageError> {
    let tags = tags.into_iter().flatten().map(|(key, value)| {
        if is_reserved(key) {
            return Err(PackageError::Validation(format!(
                "Tags cannot begin with \"aws:\", offending tag: {key}"
            )));
        }
        Ok(Tag {
            key: key.clone(),
            value: Some(value.clone()),
        })
    });
    tags.collect()
}

pub(super) fn package_not_found(name: &PackageName) -> PackageError {
    PackageError::ResourceNotFound(format!("Package {name} cannot be found."))
}

pub(super) fn version_not_found(package: &PackageName, version: &VersionName) -> PackageError {
    PackageError::ResourceNotFound(format!(
        "Version {version} of package {package} cannot be found."
    ))
}

/// A refusal of an operation that models no conflict.
pub(super) fn unmodelled(error: PackageError) -> PackageError {
    PackageError::Validation(error.to_string())
}

/// A refusal of a page.
pub(super) fn bad_token(error: ControlError) -> PackageError {
    PackageError::Validation(error.to_string())
}
