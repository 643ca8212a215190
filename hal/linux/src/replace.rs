//! Replaces a file so that a cut at any moment leaves the old one or the new one, never a half one.
//!
//! ```text
//! create .NAME.tmp → write → fsync → rename over NAME → fsync the directory
//! ```
//!
//! A temporary file that a cut leaves behind is harmless: nobody reads it, and the next replacement begins with an empty one.

use core::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const MODE: u32 = 0o600;

/// Replaces `directory/name` by a file that holds `value`; durable once it returns.
///
/// After an error the file is the old one or, when only the directory could not be synced, the new one.
pub(crate) fn replace(directory: &Path, name: &str, value: &[u8]) -> Result<(), ReplaceError> {
    replace_on(&mut Disk, directory, name, value)
}

/// The directory that holds the file at `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|directory| !directory.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A file could not be replaced; what it held before is still there unless the step was [`Step::SyncDirectory`].
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {path}: {cause}", path = path.display())]
pub struct ReplaceError {
    /// What was being done.
    pub step: Step,
    /// What it was done to.
    pub path: PathBuf,
    /// What the kernel said.
    pub cause: io::Error,
}

/// The steps of a replacement, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The temporary file is made, or emptied.
    Create,
    /// The value is written to it.
    Write,
    /// It is made durable.
    Sync,
    /// It takes the place of the old file.
    Rename,
    /// That is made durable.
    SyncDirectory,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename to",
            Self::SyncDirectory => "sync directory",
        })
    }
}

/// The system calls of a replacement: the disk's, or those of a model that loses power.
trait Files {
    type File;

    fn create(&mut self, path: &Path) -> io::Result<Self::File>;
    fn write(&mut self, file: &mut Self::File, value: &[u8]) -> io::Result<()>;
    fn sync(&mut self, file: &Self::File) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_directory(&mut self, directory: &Path) -> io::Result<()>;
}

struct Disk;

impl Files for Disk {
    type File = File;

    fn create(&mut self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(MODE)
            .open(path)
    }

    fn write(&mut self, file: &mut File, value: &[u8]) -> io::Result<()> {
        file.write_all(value)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&mut self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

fn replace_on<F: Files>(
    files: &mut F,
    directory: &Path,
    name: &str,
    value: &[u8],
) -> Result<(), ReplaceError> {
    let path = directory.join(name);
    let temporary = directory.join(format!(".{name}.tmp"));
    let failed = |step, path: &Path| {
        let path = path.to_owned();
        move |cause| ReplaceError { step, path, cause }
    };

    let mut file = files
        .create(&temporary)
        .map_err(failed(Step::Create, &temporary))?;
    files
        .write(&mut file, value)
        .map_err(failed(Step::Write, &temporary))?;
    files.sync(&file).map_err(failed(Step::Sync, &temporary))?;
    drop(file);
    files
        .rename(&temporary, &path)
        .map_err(failed(Step::Rename, &path))?;
    files
        .sync_directory(directory)
        .map_err(failed(Step::SyncDirectory, directory))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const OLD: &[u8] = b"the old value";
    const NEW: &[u8] = b"a new and longer value";
    const DIRECTORY: &str = "/state";
    const STEPS: usize = 5 + NEW.len();

    #[test]
    fn a_replaced_file_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        replace(directory.path(), "record", NEW).unwrap();
        let mode = fs::metadata(directory.path().join("record"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, MODE);
    }

    #[test]
    fn a_temporary_file_left_behind_is_harmless() {
        let directory = tempfile::tempdir().unwrap();
        let left = [NEW, NEW, NEW].concat();
        fs::write(directory.path().join(".record.tmp"), left).unwrap();
        replace(directory.path(), "record", NEW).unwrap();
        assert_eq!(fs::read(directory.path().join("record")).unwrap(), NEW);
    }

    #[test]
    fn a_name_alone_is_in_the_current_directory() {
        assert_eq!(directory_of(Path::new("state")), Path::new("."));
        assert_eq!(directory_of(Path::new("/a/state")), Path::new("/a"));
    }

    #[test]
    fn a_directory_that_is_not_there_is_named_with_the_step() {
        let error = replace(Path::new("/nonexistent"), "record", NEW).unwrap_err();
        assert_eq!(error.step, Step::Create);
        assert!(
            error
                .to_string()
                .starts_with("cannot create /nonexistent/.record.tmp: ")
        );
    }

    #[test]
    fn a_cut_after_any_step_leaves_the_old_value_or_the_new_one() {
        for steps in 0..=STEPS {
            let mut disk = CutDisk::holding_the_old_value();
            disk.steps_left = steps;
            let result = replace_on(&mut disk, Path::new(DIRECTORY), "record", NEW);
            assert_eq!(result.is_ok(), steps == STEPS, "cut after {steps}");

            for after_cut in disk.after_cut() {
                let survived = after_cut.get("record").unwrap();
                let expected: &[&[u8]] = if result.is_ok() { &[NEW] } else { &[OLD, NEW] };
                assert!(
                    expected.contains(&survived.as_slice()),
                    "cut after {steps} left {survived:?}"
                );
            }
        }
    }

    #[test]
    fn an_error_at_any_step_before_the_rename_leaves_the_old_value_in_place() {
        for steps in 0..STEPS - 1 {
            let mut disk = CutDisk::holding_the_old_value();
            disk.steps_left = steps;
            replace_on(&mut disk, Path::new(DIRECTORY), "record", NEW).unwrap_err();
            let visible = disk.names["record"];
            assert_eq!(disk.files[visible].written, OLD, "error after {steps}");
        }
    }

    #[test]
    fn a_second_try_after_a_cut_succeeds() {
        for steps in 0..STEPS {
            let mut disk = CutDisk::holding_the_old_value();
            disk.steps_left = steps;
            replace_on(&mut disk, Path::new(DIRECTORY), "record", NEW).unwrap_err();
            disk.steps_left = STEPS;
            replace_on(&mut disk, Path::new(DIRECTORY), "record", NEW).unwrap();
            assert!(disk.after_cut().iter().all(|kept| kept["record"] == NEW));
        }
    }

    #[test]
    fn the_model_disk_would_catch_a_missing_fsync() {
        let mut disk = CutDisk::holding_the_old_value();
        disk.steps_left = STEPS;
        let mut file = disk.create(Path::new("/state/.record.tmp")).unwrap();
        disk.write(&mut file, NEW).unwrap();
        disk.rename(Path::new("/state/.record.tmp"), Path::new("/state/record"))
            .unwrap();
        assert!(
            disk.after_cut()
                .iter()
                .any(|kept| kept["record"] != NEW && kept["record"] != OLD)
        );
    }

    /// A file system that stops after so many steps, and keeps of what was not synced whatever is worst.
    struct CutDisk {
        steps_left: usize,
        files: Vec<Inode>,
        names: BTreeMap<String, usize>,
        durable_names: BTreeMap<String, usize>,
    }

    #[derive(Clone, Default)]
    struct Inode {
        written: Vec<u8>,
        synced: Vec<u8>,
    }

    impl CutDisk {
        fn holding_the_old_value() -> Self {
            let names = BTreeMap::from([("record".to_owned(), 0)]);
            let old = Inode {
                written: OLD.to_vec(),
                synced: OLD.to_vec(),
            };
            Self {
                steps_left: 0,
                files: vec![old],
                names: names.clone(),
                durable_names: names,
            }
        }

        fn step(&mut self) -> io::Result<()> {
            self.steps_left = self
                .steps_left
                .checked_sub(1)
                .ok_or_else(|| io::Error::other("power is cut"))?;
            Ok(())
        }

        /// Every directory that the cut may leave: names as synced or as they were, contents as synced or any part of what was
        /// written.
        fn after_cut(&self) -> Vec<BTreeMap<String, Vec<u8>>> {
            let mut kept = Vec::new();
            for names in [&self.durable_names, &self.names] {
                let longest = self.files.iter().map(|file| file.written.len()).max();
                for part in 0..=longest.unwrap_or(0) {
                    kept.push(
                        names
                            .iter()
                            .map(|(name, inode)| (name.clone(), self.files[*inode].kept(part)))
                            .collect(),
                    );
                }
            }
            kept
        }
    }

    impl Inode {
        fn kept(&self, part: usize) -> Vec<u8> {
            if self.synced == self.written {
                return self.synced.clone();
            }
            self.written[..part.min(self.written.len())].to_vec()
        }
    }

    impl Files for CutDisk {
        type File = usize;

        fn create(&mut self, path: &Path) -> io::Result<usize> {
            self.step()?;
            let name = path.file_name().unwrap().to_str().unwrap();
            let inode = *self.names.entry(name.to_owned()).or_insert_with(|| {
                self.files.push(Inode::default());
                self.files.len() - 1
            });
            self.files[inode].written.clear();
            Ok(inode)
        }

        fn write(&mut self, file: &mut usize, value: &[u8]) -> io::Result<()> {
            for byte in value {
                self.step()?;
                self.files[*file].written.push(*byte);
            }
            self.step()
        }

        fn sync(&mut self, file: &usize) -> io::Result<()> {
            self.step()?;
            let inode = &mut self.files[*file];
            inode.synced = inode.written.clone();
            Ok(())
        }

        fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            self.step()?;
            let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
            let inode = self.names.remove(&name(from)).unwrap();
            self.names.insert(name(to), inode);
            Ok(())
        }

        fn sync_directory(&mut self, _directory: &Path) -> io::Result<()> {
            self.step()?;
            self.durable_names = self.names.clone();
            Ok(())
        }
    }
}
