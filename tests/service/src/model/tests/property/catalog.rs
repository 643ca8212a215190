//! What is asked about software packages, as one value each.

use proptest::prelude::*;
use serde_json::json;

use crate::model::Model;
use crate::model::request::{
    CreatePackage, CreatePackageVersion, DeletePackage, DeletePackageVersion, UpdatePackage,
    UpdatePackageConfiguration, UpdatePackageVersion,
};
use crate::model::tests::{parsed, scope};
use crate::model::time::Timestamp;

const PACKAGES: [&str; 2] = ["fw", "fw.app"];
const VERSIONS: [&str; 2] = ["1", "1.0"];
const TOKENS: [Option<&str>; 3] = [
    None,
    Some("123e4567-e89b-12d3-a456-426614174000"),
    Some("123e4567-e89b-12d3-a456-426614174001"),
];

/// A request, with the indices of what it names and of its token.
#[derive(Debug, Clone)]
pub(in crate::model::tests) struct OfCatalog {
    what: Asked,
    package: usize,
    version: usize,
    token: usize,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Configure,
    CreatePackage,
    CreateVersion,
    DeletePackage,
    DeleteVersion,
    SetDefault { unset: bool },
    UpdateVersion { action: &'static str },
}

pub(super) fn of_catalog() -> impl Strategy<Value = OfCatalog> {
    let what = prop_oneof![
        1 => Just(Asked::Configure),
        4 => Just(Asked::CreatePackage),
        6 => Just(Asked::CreateVersion),
        1 => Just(Asked::DeletePackage),
        2 => Just(Asked::DeleteVersion),
        3 => any::<bool>().prop_map(|unset| Asked::SetDefault { unset }),
        4 => Just(Asked::UpdateVersion { action: "PUBLISH" }),
        1 => Just(Asked::UpdateVersion { action: "DEPRECATE" }),
    ];
    let names = (0..PACKAGES.len(), 0..VERSIONS.len(), 0..TOKENS.len());
    (what, names).prop_map(|(what, (package, version, token))| OfCatalog {
        what,
        package,
        version,
        token,
    })
}

/// Asks it. Whether it is granted is the model's to say.
pub(super) fn apply(model: &mut Model, step: &OfCatalog, now: Timestamp) {
    let package_name = PACKAGES[step.package].to_owned();
    let version_name = VERSIONS[step.version].to_owned();
    let client_token = TOKENS[step.token].map(str::to_owned);
    match step.what {
        Asked::Configure => {
            let role = format!("arn:aws:iam::123456789012:role/{package_name}");
            let config = json!({"versionUpdateByJobsConfig": {"enabled": true, "roleArn": role}});
            let request = UpdatePackageConfiguration {
                client_token,
                ..parsed(config)
            };
            let _ = model.update_package_configuration(request);
        }
        Asked::CreatePackage => {
            let request = CreatePackage {
                package_name,
                client_token,
                ..parsed(json!({"tags": {"k": "v"}}))
            };
            let _ = model.create_package(&scope(), request, now);
        }
        Asked::CreateVersion => {
            let s3 = json!({"bucket": "b", "key": "k", "version": "v"});
            let request = CreatePackageVersion {
                package_name,
                version_name,
                client_token,
                ..parsed(json!({"attributes": {"a": "1"}, "artifact": {"s3Location": s3}}))
            };
            let _ = model.create_package_version(&scope(), request, now);
        }
        Asked::DeletePackage => {
            let _ = model.delete_package(&DeletePackage {
                package_name,
                client_token,
            });
        }
        Asked::DeleteVersion => {
            let _ = model.delete_package_version(&DeletePackageVersion {
                package_name,
                version_name,
                client_token,
            });
        }
        Asked::SetDefault { unset } => {
            let request = UpdatePackage {
                package_name,
                client_token,
                default_version_name: (!unset).then_some(version_name),
                unset_default_version: Some(unset),
                ..UpdatePackage::default()
            };
            let _ = model.update_package(request, now);
        }
        Asked::UpdateVersion { action } => {
            let request = UpdatePackageVersion {
                package_name,
                version_name,
                client_token,
                ..parsed(json!({"action": action, "description": "d"}))
            };
            let _ = model.update_package_version(request, now);
        }
    }
}
