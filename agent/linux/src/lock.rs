//! One agent for each state directory.
//!
//! The lock belongs to the open file: the kernel releases it however the process ends, so that it is never stale.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use crate::error::StartError;

/// Name of the file that is locked.
const FILE: &str = "lock";
/// What jobs left there is the agent's alone.
const DIRECTORY_MODE: u32 = 0o700;
/// Most digits of a process id, and then some.
const PID_LEN_MAX: u64 = 20;

/// Held as long as the agent runs.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Creates `directory` when it is missing, and locks it.
    pub(crate) fn take(directory: &Path) -> Result<Self, StartError> {
        let unusable = |source: io::Error| StartError::StateDirectory {
            path: directory.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)
            .map_err(unusable)?;
        let path = directory.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = holder(&mut file);
                return Err(StartError::Locked { path, pid });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        // Who holds it is a courtesy: a disk that is full must not keep the agent from starting.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_LEN_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_second_agent_is_told_which_process_holds_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let _first = Lock::take(directory.path()).unwrap();

        let error = Lock::take(directory.path()).unwrap_err();

        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
    }

    #[test]
    fn a_directory_is_free_again_when_its_agent_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        drop(Lock::take(directory.path()).unwrap());

        assert!(Lock::take(directory.path()).is_ok());
    }

    #[test]
    fn a_missing_directory_is_created_for_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("a/b");

        let _lock = Lock::take(&made).unwrap();

        let mode = std::fs::metadata(made).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
