//! Looks at the files that a configuration names: are they there, are they what they should be, who can read them.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::problem::{Place, Problem};

/// Most bytes of a PEM file that are looked at; a bundle of all public roots has a quarter of that.
const PEM_LEN_MAX: u64 = 1024 * 1024;
const READABLE_BY_OTHERS: u32 = 0o077;
const EXECUTABLE: u32 = 0o111;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A file that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) place: Place,
    pub(crate) key: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) need: Need,
}

/// What it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// A PEM file with certificates.
    Certificates,
    /// A directory, or one that can be made.
    Directory,
    /// A file in a directory that is there.
    Parent,
    /// A PEM file with a private key that others cannot read.
    PrivateKey,
    /// Something to execute.
    Program,
    /// A file that can be read.
    Readable,
    /// A block device, or a file; the other slot, and whether a size was configured.
    Slot { other: PathBuf, sized: bool },
}

impl Demand {
    /// What is wrong with the file, if anything.
    pub(crate) fn check(&self) -> Option<Problem> {
        let checked = match &self.need {
            Need::Certificates => self.check_certificates(),
            Need::Directory => self.check_directory(&self.path),
            Need::Parent => self.check_parent(),
            Need::PrivateKey => self.check_private_key(),
            Need::Program => self.check_program(),
            Need::Readable => self.open().map(drop),
            Need::Slot { other, sized } => self.check_slot(other, *sized),
        };
        let Wrong { problem, help } = checked.err()?;
        Some(Problem {
            place: Some(self.place),
            problem,
            help,
        })
    }

    fn check_certificates(&self) -> Result<(), Wrong> {
        let text = self.pem()?;
        if has_block(&text, "CERTIFICATE") {
            return Ok(());
        }
        let help = if has_key(&text) {
            "name the certificate's file: this one holds a private key"
        } else {
            "name a PEM file with a line `-----BEGIN CERTIFICATE-----`"
        };
        self.wrong("holds no certificate", help)
    }

    fn check_private_key(&self) -> Result<(), Wrong> {
        let text = self.pem()?;
        let mode = self.found()?.mode() & 0o7777;
        if mode & READABLE_BY_OTHERS != 0 {
            let problem = format!("is open to other users (mode {mode:04o})");
            let help = format!("run `chmod 600 {}`", self.path.display());
            return self.wrong(problem, help);
        }
        if has_block(&text, "ENCRYPTED PRIVATE KEY") {
            let help = "keep the key in a file without a passphrase that only the agent can read";
            return self.wrong("is encrypted", help);
        }
        if has_key(&text) {
            return Ok(());
        }
        let help = if has_block(&text, "CERTIFICATE") {
            "name the key's file: this one holds a certificate"
        } else {
            "name a PEM file with a line `-----BEGIN PRIVATE KEY-----`"
        };
        self.wrong("holds no private key", help)
    }

    /// The directory, or the nearest one above it that is there.
    fn check_directory(&self, path: &Path) -> Result<(), Wrong> {
        let there = path
            .ancestors()
            .filter(|above| !above.as_os_str().is_empty())
            .find_map(|above| Some((above, fs::metadata(above).ok()?)));
        match there {
            Some((above, found)) if !found.is_dir() => {
                let problem = format!("cannot be a directory: {} is a file", above.display());
                self.wrong(problem, "name another directory, or remove the file")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_parent(&self) -> Result<(), Wrong> {
        let parent = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        let is_there = fs::metadata(parent.unwrap_or(Path::new("."))).is_ok_and(|at| at.is_dir());
        if is_there && !self.path.is_dir() {
            return Ok(());
        }
        self.wrong(
            "cannot be a file there",
            "name a file in a directory that exists",
        )
    }

    fn check_program(&self) -> Result<(), Wrong> {
        let found = self.found()?;
        let path = self.path.display();
        if found.is_file() && found.mode() & WRITABLE_BY_OTHERS != 0 {
            let help = format!("run `chmod go-w {path}`: whoever can change it becomes the agent");
            return self.wrong("can be changed by other users", help);
        }
        if found.is_file() && found.mode() & EXECUTABLE != 0 {
            return Ok(());
        }
        let help = format!("run `chmod 755 {path}`, or name a program");
        self.wrong("cannot be executed", help)
    }

    fn check_slot(&self, other: &Path, sized: bool) -> Result<(), Wrong> {
        if let (Ok(one), Ok(two)) = (self.path.canonicalize(), other.canonicalize())
            && one == two
        {
            let problem = format!("is the same file as {}", other.display());
            return self.wrong(problem, "give each slot a file or device of its own");
        }
        match fs::metadata(&self.path) {
            Ok(found) if found.file_type().is_block_device() => Ok(()),
            Ok(found) if found.is_file() && (sized || found.len() > 0) => Ok(()),
            Ok(found) if !found.is_file() => {
                self.wrong("is no file or block device", "name one of the two")
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => self.unreadable(&error),
            Ok(_) | Err(_) if sized => self.check_parent(),
            Ok(_) | Err(_) => self.wrong(
                "is a file whose size nobody knows",
                "set `size_max_mib` to the largest image that it may hold",
            ),
        }
    }

    fn pem(&self) -> Result<String, Wrong> {
        let mut bytes = Vec::new();
        self.open()?
            .take(PEM_LEN_MAX)
            .read_to_end(&mut bytes)
            .or_else(|error| self.unreadable(&error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn open(&self) -> Result<File, Wrong> {
        File::open(&self.path).or_else(|error| self.unreadable(&error))
    }

    fn found(&self) -> Result<Metadata, Wrong> {
        fs::metadata(&self.path).or_else(|error| self.unreadable(&error))
    }

    fn unreadable<T>(&self, error: &io::Error) -> Result<T, Wrong> {
        if error.kind() == io::ErrorKind::NotFound {
            return self.wrong("does not exist", "create the file, or correct the path");
        }
        if error.kind() == io::ErrorKind::PermissionDenied {
            let help = "give the agent's user the right to read it, directories above it included";
            return self.wrong("cannot be read", help);
        }
        self.wrong(format!("cannot be read: {error}"), "correct the path")
    }

    fn wrong<T>(&self, what: impl core::fmt::Display, help: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong {
            problem: format!("`{}`: {} {what}", self.key, self.path.display()),
            help: help.into(),
        })
    }
}

/// What is wrong with a file, and what to do.
struct Wrong {
    problem: String,
    help: String,
}

fn has_block(pem: &str, label: &str) -> bool {
    let begin = format!("-----BEGIN {label}-----");
    pem.lines().any(|line| line.trim() == begin)
}

/// PKCS#8, PKCS#1 or SEC1.
fn has_key(pem: &str) -> bool {
    ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]
        .iter()
        .any(|label| has_block(pem, label))
}
