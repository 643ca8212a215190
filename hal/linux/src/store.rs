//! State that survives a power cut: a directory with one small file for each key.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use iot_jobs_hal::StateStore;

use crate::blocking::{Task, blocking};
use crate::replace::{ReplaceError, replace};

/// Most bytes of one value.
pub const VALUE_LEN_MAX: usize = 64 * 1024;
/// Most bytes of a key.
pub const KEY_LEN_MAX: usize = 128;

const DIRECTORY_MODE: u32 = 0o700;
/// What the name of a value that was put aside ends with.
const ASIDE: &str = "-unreadable";

/// Keeps each key in a file of its name, mode 0600, replaced as a whole.
#[derive(Debug)]
pub struct StateDirectory {
    directory: PathBuf,
    save: Task<Result<(), ReplaceError>>,
}

impl StateDirectory {
    /// Opens the directory, and makes it (mode 0700) where there is none.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&directory)
            .map_err(|cause| StoreError::Directory {
                path: directory.clone(),
                cause,
            })?;
        Ok(Self {
            directory,
            save: Task::idle(),
        })
    }

    /// Takes what is at `key` out of the way, whatever it is, and keeps it for whoever looks into it; where it is now.
    ///
    /// What was put aside before is replaced.
    pub async fn put_aside(&mut self, key: &str) -> Result<PathBuf, StoreError> {
        check(key)?;
        self.save.finish().await;

        let path = self.directory.join(key);
        let aside = self.directory.join(format!("{key}{ASIDE}"));
        let work = {
            let (path, aside) = (path.clone(), aside.clone());
            move || {
                // A file does not replace a directory, nor the other way round.
                match fs::symlink_metadata(&aside) {
                    Ok(old) if old.is_dir() => fs::remove_dir_all(&aside)?,
                    Ok(_) => fs::remove_file(&aside)?,
                    Err(_) => {}
                }
                fs::rename(path, aside)
            }
        };
        blocking(work)
            .await
            .map_err(|cause| StoreError::Aside { path, cause })?;
        Ok(aside)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }
}

impl StateStore for StateDirectory {
    type Error = StoreError;

    async fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        check(key)?;
        self.save.finish().await;

        let path = self.directory.join(key);
        let unreadable = |cause| StoreError::Load {
            path: path.clone(),
            cause,
        };
        let limit = buffer.len();
        let read = {
            let path = path.clone();
            blocking(move || read(&path, limit)).await
        };
        let Some(value) = read.map_err(unreadable)? else {
            return Ok(None);
        };
        match buffer.get_mut(..value.len()) {
            Some(place) => place.copy_from_slice(&value),
            None => return Err(StoreError::Longer { path, limit }),
        }
        Ok(Some(value.len()))
    }

    async fn save(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        check(key)?;
        if value.len() > VALUE_LEN_MAX {
            return Err(StoreError::TooLong {
                len: value.len(),
                limit: VALUE_LEN_MAX,
            });
        }

        let work = {
            let (directory, key, value) = (self.directory.clone(), key.to_owned(), value.to_vec());
            move || replace(&directory, &key, &value)
        };
        let saved = self.save.run(work).await;
        saved.map_err(|cause| StoreError::Directory {
            path: self.directory.clone(),
            cause,
        })??;
        Ok(())
    }
}

/// Why state could not be kept or found.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The value cannot be taken out of the way.
    #[error("cannot put {path} aside: {cause}", path = path.display())]
    Aside {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The directory cannot be used.
    #[error("cannot use the state directory {path}: {cause}", path = path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The key is no file name of ours.
    #[error("key {key:?} is not 1 to {KEY_LEN_MAX} of a-z A-Z 0-9 . _ - without a leading dot")]
    Key {
        /// The key, cut.
        key: String,
    },
    /// The value cannot be read.
    #[error("cannot read {path}: {cause}", path = path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The file holds more than the caller can take; it was not written by this store.
    #[error("{path} holds more than {limit} bytes", path = path.display())]
    Longer {
        /// The file.
        path: PathBuf,
        /// Bytes that the caller can take.
        limit: usize,
    },
    /// The value cannot be written.
    #[error(transparent)]
    Save(#[from] ReplaceError),
    /// The value is larger than a value may be.
    #[error("value of {len} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The largest length.
        limit: usize,
    },
}

fn check(key: &str) -> Result<(), StoreError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = (1..=KEY_LEN_MAX).contains(&key.len());
    if fits && !key.starts_with('.') && key.chars().all(allowed) {
        return Ok(());
    }
    Err(StoreError::Key {
        key: key.chars().take(KEY_LEN_MAX).collect(),
    })
}

/// Reads at most one byte more than `limit`, which tells that the file is longer.
fn read(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut value = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut value)?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_saved_value_is_loaded_by_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/on/demand");
        let mut store = StateDirectory::open(&path).unwrap();
        store.save("record.default", b"first").await.unwrap();
        store.save("record.default", b"second").await.unwrap();

        let mut store = StateDirectory::open(&path).unwrap();
        let mut buffer = [0; 16];
        let len = store.load("record.default", &mut buffer).await.unwrap();

        assert_eq!(&buffer[..len.unwrap()], b"second");
    }

    #[tokio::test]
    async fn a_key_never_saved_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StateDirectory::open(directory.path()).unwrap();
        assert_eq!(store.load("record", &mut [0; 16]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_empty_value_is_a_value() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StateDirectory::open(directory.path()).unwrap();
        store.save("record", b"").await.unwrap();
        assert_eq!(store.load("record", &mut [0; 16]).await.unwrap(), Some(0));
    }

    #[tokio::test]
    async fn a_file_longer_than_the_buffer_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StateDirectory::open(directory.path()).unwrap();
        store.save("record", &[7; 17]).await.unwrap();
        let error = store.load("record", &mut [0; 16]).await.unwrap_err();
        assert!(matches!(error, StoreError::Longer { limit: 16, .. }));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_put_aside_whatever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StateDirectory::open(directory.path()).unwrap();
        for round in 0..2 {
            fs::create_dir(directory.path().join("record")).unwrap();
            store.load("record", &mut [0; 16]).await.unwrap_err();
            store.put_aside("record").await.unwrap();

            fs::write(directory.path().join("record"), [7; 17]).unwrap();
            store.load("record", &mut [0; 16]).await.unwrap_err();
            let aside = store.put_aside("record").await.unwrap();

            assert_eq!(fs::read(aside).unwrap(), [7; 17], "round {round}");
            assert_eq!(store.load("record", &mut [0; 16]).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_value_over_the_limit_is_refused_and_the_old_one_stays() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StateDirectory::open(directory.path()).unwrap();
        store.save("record", b"old").await.unwrap();

        let too_long = vec![0; VALUE_LEN_MAX + 1];
        let error = store.save("record", &too_long).await.unwrap_err();

        assert!(matches!(error, StoreError::TooLong { .. }));
        assert_eq!(store.load("record", &mut [0; 16]).await.unwrap(), Some(3));
    }

    #[tokio::test]
    async fn a_key_cannot_leave_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StateDirectory::open(directory.path()).unwrap();
        for key in ["", "..", "../x", "a/b", ".hidden", "a\0b", &"k".repeat(129)] {
            let error = store.save(key, b"x").await.unwrap_err();
            assert!(matches!(error, StoreError::Key { .. }), "{key:?}");
        }
    }

    #[tokio::test]
    async fn a_save_whose_future_was_dropped_ends_before_the_next_one_starts() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = StateDirectory::open(directory.path()).unwrap();
        for round in 0..32_u8 {
            let longer = [round; 4096];
            {
                let dropped = store.save("record", &longer);
                tokio::select! { biased; _ = dropped => {}, () = core::future::ready(()) => {} }
            }
            store.save("record", &[round, 1]).await.unwrap();
            let mut buffer = [0; 4096];
            assert_eq!(store.load("record", &mut buffer).await.unwrap(), Some(2));
            assert_eq!(buffer[..2], [round, 1]);
        }
    }

    #[test]
    fn a_state_directory_that_is_a_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = StateDirectory::open(&file).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()));
    }
}
