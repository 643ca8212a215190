//! Who may know whom: the arrows between the crates are those of the design, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate of ours, and the crates of ours that it may depend on (in any section).
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "iot-jobs-agent",
        &[
            "iot-jobs-config",
            "iot-jobs-hal",
            "iot-jobs-hal-linux",
            "iot-jobs-handler",
            "iot-jobs-handler-firmware",
            "iot-jobs-handler-linux",
            "iot-jobs-proto",
        ],
    ),
    ("iot-jobs-config", &["iot-jobs-proto"]),
    ("iot-jobs-e2e", &["iot-jobs-kit"]),
    ("iot-jobs-hal", &[]),
    ("iot-jobs-hal-linux", &["iot-jobs-hal"]),
    ("iot-jobs-handler", &["iot-jobs-hal", "iot-jobs-proto"]),
    (
        "iot-jobs-handler-firmware",
        &["iot-jobs-hal", "iot-jobs-handler", "iot-jobs-proto"],
    ),
    (
        "iot-jobs-handler-linux",
        &["iot-jobs-hal", "iot-jobs-handler", "iot-jobs-proto"],
    ),
    ("iot-jobs-kit", &["iot-jobs-local"]),
    ("iot-jobs-local", &[]),
    ("iot-jobs-proto", &[]),
];

#[test]
fn crates_depend_only_on_those_that_the_design_allows() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut unlawful = Vec::new();
    for (name, dependencies) in workspace() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            unlawful.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in dependencies
            .iter()
            .filter(|d| !allowed.contains(&d.as_str()))
        {
            unlawful.push(format!("{name} → {dependency}"));
        }
    }
    assert_eq!(unlawful, Vec::<String>::new());
}

#[test]
fn the_table_names_no_crate_that_is_gone() {
    let present: BTreeSet<_> = workspace().into_keys().collect();
    let gone: Vec<_> = ALLOWED
        .iter()
        .filter(|(name, _)| !present.contains(*name))
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
}

/// The crates of the workspace, each with those of its dependencies that are ours.
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test's helper"
)]
fn workspace() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").expect("cargo runs tests");
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo metadata runs");
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let ours = dependencies
                .iter()
                .map(|d| text(&d["name"]))
                .filter(|name| name.starts_with("iot-jobs-"));
            (text(&package["name"]), ours.collect())
        })
        .collect()
}
