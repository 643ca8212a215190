//! The programs under test, built by cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::KitError;

/// Names the profile that tests build the programs in; `dev` when it is not set.
pub const PROFILE_VARIABLE: &str = "IOT_JOBS_TEST_PROFILE";

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// `iot-jobs-agent`
    pub agent: PathBuf,
    /// `iot-jobs-local`
    pub local: PathBuf,
}

impl Binaries {
    /// Builds both in cargo's `dev` profile, or in the one that [`PROFILE_VARIABLE`] names, once for this process.
    pub fn for_tests() -> Result<&'static Self, KitError> {
        static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| {
                let profile = std::env::var(PROFILE_VARIABLE).unwrap_or_else(|_| "dev".into());
                Self::build(&profile).map_err(|error| error.to_string())
            })
            .as_ref()
            .map_err(|problem| KitError::Build(problem.clone()))
    }

    /// Builds both in a profile. Cargo's own progress and errors go to stderr.
    pub fn build(profile: &str) -> Result<Self, KitError> {
        let messages = build(profile, &["iot-jobs-agent", "iot-jobs-local"])?;
        Ok(Self {
            agent: find(&messages, "iot-jobs-agent")?,
            local: find(&messages, "iot-jobs-local")?,
        })
    }

    /// Builds `iot-jobs-local` alone, in a profile.
    pub fn build_local(profile: &str) -> Result<PathBuf, KitError> {
        find(&build(profile, &["iot-jobs-local"])?, "iot-jobs-local")
    }
}

/// Builds the binaries of packages; cargo's messages.
fn build(profile: &str, packages: &[&str]) -> Result<String, KitError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    // What cargo told this process of its own package would look to build scripts like a change, and rebuild the world.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_one_package) {
            command.env_remove(name);
        }
    }
    let output = command
        .current_dir(workspace())
        .args(["build", "--profile", profile, "--bins"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| KitError::Start {
            program: cargo.into(),
            source,
        })?;
    if !output.status.success() {
        return Err(KitError::Build(output.status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The directory of the workspace's `Cargo.toml`.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// Whether cargo sets the variable for one package.
fn is_of_one_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_")
        || variable.starts_with("CARGO_MANIFEST_")
        || matches!(variable, "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "OUT_DIR")
}

/// Finds the executable of a binary target in cargo's messages.
fn find(messages: &str, name: &str) -> Result<PathBuf, KitError> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message.pointer("/target/name").and_then(|n| n.as_str()) == Some(name))
        .find_map(|message| message.pointer("/executable")?.as_str().map(PathBuf::from))
        .ok_or_else(|| KitError::Build(format!("cargo named no executable {name}")))
}
