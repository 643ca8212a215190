//! What a download remembers of itself beside its unfinished part, so that it goes on after the agent or the device restarted.
//!
//! It is written only after the bytes that it speaks of are durable, and replaced as a whole: after a power cut the old one or the
//! new one is there. It holds no URL query. A file that cannot be read or does not fit counts as none: the download begins anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

/// Version of the file's shape.
const VERSION: u8 = 1;
/// Most bytes that are read: a URL's path and two header values.
const FILE_LEN_MAX: u64 = 64 * 1024;
/// What is downloaded is nobody else's business.
const FILE_MODE: u32 = 0o600;
/// Most bytes of a validator that is kept; a longer one is not used.
const VALIDATOR_LEN_MAX: usize = 1024;

/// Which download the unfinished part belongs to. Nothing of it changes when the URL is signed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The digest that the document promises, in hexadecimal digits.
    pub(super) sha256: String,
    /// The size that the document promises.
    pub(super) size: Option<u64>,
    /// The URL's path without its query.
    pub(super) path: String,
}

/// What the server said about the version it serves: sent back in `If-Range`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Validator {
    /// A strong entity tag, quotes included.
    Etag(String),
    /// A date, as it was received.
    LastModified(String),
}

impl Validator {
    /// Picks the strong entity tag, else the date (RFC 9110 §13.1.5 allows no weak tag in `If-Range`).
    pub(super) fn pick(etag: Option<&str>, last_modified: Option<&str>) -> Option<Self> {
        let fits = |value: &&str| value.len() <= VALIDATOR_LEN_MAX;
        let strong =
            |tag: &&str| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"') && fits(tag);

        if let Some(tag) = etag.filter(strong) {
            return Some(Self::Etag(tag.to_owned()));
        }
        last_modified
            .filter(fits)
            .map(|date| Self::LastModified(date.to_owned()))
    }

    /// The value of the `If-Range` header.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Etag(value) | Self::LastModified(value) => value,
        }
    }
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resume {
    version: u8,
    /// Whose download it is.
    pub(super) identity: Identity,
    /// Bytes that are durable.
    pub(super) bytes: u64,
    /// Bytes in all, as the server said.
    pub(super) total: Option<u64>,
    /// Which version of the artifact they are from.
    pub(super) validator: Option<Validator>,
    /// Bytes that were fetched more than once so far.
    pub(super) refetched: u64,
}

impl Resume {
    /// A download that has nothing yet.
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            version: VERSION,
            identity,
            bytes: 0,
            total: None,
            validator: None,
            refetched: 0,
        }
    }

    /// Reads what an earlier run left at `path`, if it is there, readable and of the same download.
    pub(super) fn load(path: &Path, identity: &Identity) -> Option<Self> {
        // Others may write where artifacts go: neither a link is followed, nor a pipe waited for.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(path)
            .ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, FILE_LEN_MAX), &mut text).ok()?;
        let found: Self = serde_json::from_slice(&text).ok()?;
        (found.version == VERSION && found.identity == *identity).then_some(found)
    }

    /// Replaces the file at `path` durably.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let fresh = fresh_path(path);
        // What a crash left, or somebody put there, is not written through.
        remove(&fresh)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_directory(path)
    }
}

/// Removes the file at `path`; done when it is not there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a new name in the directory of `path` durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

fn fresh_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn identity() -> Identity {
        Identity {
            sha256: "ab".repeat(32),
            size: Some(10),
            path: "/bucket/key".to_owned(),
        }
    }

    #[test]
    fn what_was_saved_is_loaded_by_the_same_download_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.resume");
        let mut resume = Resume::new(identity());
        resume.bytes = 7;
        resume.validator = Some(Validator::Etag("\"x\"".to_owned()));
        resume.save(&path).unwrap();

        assert_eq!(Resume::load(&path, &identity()), Some(resume));
        for other in [
            Identity {
                size: None,
                ..identity()
            },
            Identity {
                sha256: "cd".repeat(32),
                ..identity()
            },
            Identity {
                path: "/bucket/other".to_owned(),
                ..identity()
            },
        ] {
            assert_eq!(Resume::load(&path, &other), None);
        }
    }

    #[test]
    fn a_torn_file_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.resume");
        Resume::new(identity()).save(&path).unwrap();
        let whole = fs::read(&path).unwrap();

        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(Resume::load(&path, &identity()), None, "{length} bytes");
        }
    }

    #[test]
    fn a_link_in_place_of_the_file_is_neither_written_through_nor_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.resume");
        let victim = directory.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        std::os::unix::fs::symlink(&victim, fresh_path(&path)).unwrap();

        Resume::new(identity()).save(&path).unwrap();

        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        let saved = fs::symlink_metadata(&path).unwrap();
        assert!(saved.is_file());
        assert_eq!(saved.permissions().mode() & 0o777, 0o600);

        fs::rename(&path, &victim).unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert_eq!(Resume::load(&path, &identity()), None);
    }

    #[test]
    fn a_pipe_in_place_of_the_file_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.resume");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();

        assert_eq!(Resume::load(&path, &identity()), None);
    }

    #[test]
    fn a_weak_tag_is_no_validator() {
        assert_eq!(
            Validator::pick(Some("\"s\""), Some("date")),
            Some(Validator::Etag("\"s\"".to_owned()))
        );
        assert_eq!(
            Validator::pick(Some("W/\"w\""), Some("date")),
            Some(Validator::LastModified("date".to_owned()))
        );
        assert_eq!(Validator::pick(Some("W/\"w\""), None), None);
        assert_eq!(Validator::pick(Some("\""), None), None);
        assert_eq!(
            Validator::pick(
                Some(&format!("\"{}\"", "x".repeat(VALIDATOR_LEN_MAX))),
                None
            ),
            None
        );
    }
}
