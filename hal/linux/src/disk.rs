//! How much room a file system has left.

use std::io;
use std::path::{Path, PathBuf};

/// Bytes that an unprivileged process can still write to the file system that holds `path`.
pub fn free_bytes(path: &Path) -> Result<u64, DiskError> {
    let stat = rustix::fs::statvfs(path).map_err(|cause| DiskError {
        path: path.to_owned(),
        cause: cause.into(),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The file system cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask for the free space at {path}: {cause}", path = path.display())]
pub struct DiskError {
    /// Where.
    pub path: PathBuf,
    /// What the kernel said.
    pub cause: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_known_where_files_are() {
        assert!(free_bytes(&std::env::temp_dir()).unwrap() > 0);
    }

    #[test]
    fn a_place_that_is_not_there_is_named() {
        let error = free_bytes(Path::new("/nonexistent/place")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/place"));
    }
}
