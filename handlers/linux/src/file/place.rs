//! Where a file goes: the checks before anything is written, and the steps that put it there. Everything here blocks.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use iot_jobs_handler::{Failure, FailureClass};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::document::Request;
use super::owner::Owner;
use super::{failed, rejected};

/// The mode of a new file whose document names none.
const MODE_DEFAULT: u32 = 0o644;
/// The bits of a mode that `chmod` sets.
const MODE_MASK: u32 = 0o7777;
/// Bytes that are hashed at a time.
const BUFFER_LEN: usize = 64 * 1024;
/// The databases of users and groups.
const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A file's place, checked.
#[derive(Debug, Clone)]
pub(super) struct Place {
    directory: PathBuf,
    target: PathBuf,
    part: PathBuf,
    mode: u32,
    owner: Owner,
}

/// The right bytes, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// How many.
    pub(super) bytes: u64,
    /// Whether mode and owner are right too.
    pub(super) is_finished: bool,
}

impl Place {
    /// Checks the path and the owner.
    pub(super) fn find(allowed: &[PathBuf], request: &Request) -> Result<Self, Failure> {
        let path = Path::new(&request.path);
        let not_allowed = || {
            rejected(
                "path_not_allowed",
                format_args!("{} is below no allowed directory", request.path),
            )
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(not_allowed());
        };
        // Before the file system is touched: a document must not learn what is there.
        if !allowed.iter().any(|allowed| parent.starts_with(allowed)) {
            return Err(not_allowed());
        }
        // What the directory really is, links resolved.
        let directory = fs::canonicalize(parent).map_err(|error| at(parent, &error))?;
        let inside = allowed
            .iter()
            .filter_map(|allowed| fs::canonicalize(allowed).ok())
            .any(|allowed| directory.starts_with(allowed));
        if !inside {
            return Err(not_allowed());
        }

        let target = directory.join(name);
        let old = match fs::symlink_metadata(&target) {
            Ok(old) if old.file_type().is_file() => Some(old),
            Ok(_) => {
                return Err(rejected(
                    "not_a_file",
                    format_args!("{} is there and no plain file", request.path),
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(&target, &error)),
        };
        let owner = match &request.owner {
            Some(names) => names.resolve(Path::new(PASSWD), Path::new(GROUP))?,
            None => old.as_ref().map_or_else(Owner::default, |old| Owner {
                user: Some(old.uid()),
                group: Some(old.gid()),
            }),
        };
        let mode = request.mode.or(old.map(|old| old.mode() & MODE_MASK));
        let mut part = std::ffi::OsString::from(".");
        part.push(name);
        part.push(".part");
        Ok(Self {
            part: directory.join(part),
            directory,
            target,
            mode: mode.unwrap_or(MODE_DEFAULT),
            owner,
        })
    }

    /// Where the download goes until it is verified.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Looks whether the right bytes are in place already.
    pub(super) fn look(&self, request: &Request) -> Result<Option<Found>, Failure> {
        let mut file = match open(&self.target, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&self.target, &error)),
        };
        let failure = |error: io::Error| at(&self.target, &error);
        let metadata = file.metadata().map_err(failure)?;
        if request.size.is_some_and(|size| size != metadata.len()) {
            return Ok(None);
        }
        if digest(&mut file).map_err(failure)? != request.sha256 {
            return Ok(None);
        }
        Ok(Some(Found {
            bytes: metadata.len(),
            is_finished: self.is_dressed(&metadata),
        }))
    }

    /// Sets mode and owner of a file whose bytes are in place.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        let file = open(&self.target, false).map_err(|error| at(&self.target, &error))?;
        self.dress(&file).map_err(|error| at(&self.target, &error))
    }

    /// Puts the part in place, if what was written is what was promised. Nobody else writes it in the meantime.
    pub(super) fn fill(&self, request: &Request) -> Result<(), Failure> {
        let failure = |error: io::Error| at(&self.part, &error);
        let mut part = open(&self.part, true).map_err(failure)?;
        match part.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    FailureClass::Transient,
                    "busy",
                    format_args!("another job downloads {}", request.path),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failure(error)),
        }
        if digest(&mut part).map_err(failure)? != request.sha256 {
            self.abandon()?;
            return Err(failed(
                "digest_mismatch",
                format_args!("{} does not hold what was written", self.part.display()),
            ));
        }
        let steps = || {
            self.dress(&part)?;
            fs::rename(&self.part, &self.target)?;
            File::open(&self.directory)?.sync_all()
        };
        steps().map_err(|error| at(&self.target, &error))
    }

    /// Removes what a download left that nobody will go on with.
    pub(super) fn abandon(&self) -> Result<(), Failure> {
        let mut resume = self.part.clone().into_os_string();
        resume.push(".resume");
        for path in [self.part.as_path(), Path::new(&resume)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at(path, &error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn is_dressed(&self, found: &fs::Metadata) -> bool {
        found.mode() & MODE_MASK == self.mode
            && self.owner.user.is_none_or(|user| user == found.uid())
            && self.owner.group.is_none_or(|group| group == found.gid())
    }

    /// Sets owner and mode, the mode last: a change of owner clears its special bits.
    fn dress(&self, file: &File) -> io::Result<()> {
        let found = file.metadata()?;
        let user = self.owner.user.filter(|user| *user != found.uid());
        let group = self.owner.group.filter(|group| *group != found.gid());
        if user.is_some() || group.is_some() {
            fchown(file, user, group)?;
        }
        file.set_permissions(fs::Permissions::from_mode(self.mode))?;
        file.sync_all()
    }
}

/// Opens a plain file, never through a link and never waiting for the other end of a pipe.
fn open(path: &Path, write: bool) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(
            OFlags::NOFOLLOW
                .union(OFlags::NONBLOCK)
                .bits()
                .cast_signed(),
        )
        .open(path)?;
    if file.metadata()?.file_type().is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "no plain file"))
    }
}

fn digest(file: &mut File) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(read) => hash.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The failure that an error of the file system is.
fn at(path: &Path, error: &io::Error) -> Failure {
    const CODES: [(io::ErrorKind, &str); 5] = [
        (io::ErrorKind::NotFound, "no_directory"),
        (io::ErrorKind::PermissionDenied, "permission_denied"),
        (io::ErrorKind::QuotaExceeded, "no_space"),
        (io::ErrorKind::ReadOnlyFilesystem, "read_only"),
        (io::ErrorKind::StorageFull, "no_space"),
    ];
    let code = CODES
        .into_iter()
        .find_map(|(kind, code)| (kind == error.kind()).then_some(code))
        .unwrap_or("file_error");
    failed(code, format_args!("{}: {error}", path.display()))
}
