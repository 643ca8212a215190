//! The handler on real directories, with a device that downloads from memory.

use core::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use iot_jobs_hal::{BootState, FirmwareSlots, Slot};
use iot_jobs_handler::{Downloaded, Progress};
use iot_jobs_proto::names::{JobId, Namespace, ThingName};
use iot_jobs_proto::time::Instant;
use sha2::{Digest as _, Sha256};

use super::*;

const NEW: &[u8] = b"the new file";

#[tokio::test]
async fn a_file_is_put_in_place_with_its_mode() {
    let mut bench = Bench::new();
    let document = bench.with("mode", "\"0750\"");
    assert_eq!(bench.run(&document).await, Ok(Next::Succeed));

    assert_eq!(fs::read(bench.target()).unwrap(), NEW);
    assert_eq!(mode_of(&bench.target()), 0o750);
    assert_eq!(bench.names(), ["app.conf"], "the part is gone");
    let expected = [
        ("bytes", NEW.len().to_string()),
        ("handler", "file-download".to_owned()),
        ("path", bench.target().display().to_string()),
        ("sha256", digits(NEW)),
    ];
    assert_eq!(
        bench.details,
        expected
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    );
}

#[tokio::test]
async fn a_file_that_is_there_already_is_not_downloaded() {
    let mut bench = Bench::new();
    fs::write(bench.target(), NEW).unwrap();
    let document = bench.document();
    assert_eq!(bench.run(&document).await, Ok(Next::AlreadyDone));
    assert_eq!(bench.downloads, 0);
}

#[tokio::test]
async fn a_file_with_another_mode_is_only_given_its_mode() {
    let mut bench = Bench::new();
    fs::write(bench.target(), NEW).unwrap();
    let document = bench.with("mode", "\"600\"");
    assert_eq!(bench.run(&document).await, Ok(Next::Succeed));

    assert_eq!(mode_of(&bench.target()), 0o600);
    assert_eq!(bench.downloads, 0);
}

#[tokio::test]
async fn a_file_that_is_replaced_keeps_its_mode_and_owner() {
    let mut bench = Bench::new();
    fs::write(bench.target(), "the old file").unwrap();
    fs::set_permissions(bench.target(), fs::Permissions::from_mode(0o640)).unwrap();
    let old = fs::metadata(bench.target()).unwrap();
    let document = bench.document();
    assert_eq!(bench.run(&document).await, Ok(Next::Succeed));

    let new = fs::metadata(bench.target()).unwrap();
    assert_eq!(fs::read(bench.target()).unwrap(), NEW);
    assert_eq!(
        (new.mode(), new.uid(), new.gid()),
        (old.mode(), old.uid(), old.gid())
    );
    assert_ne!(new.ino(), old.ino(), "replaced, not overwritten");
}

#[tokio::test]
async fn an_owner_is_set() {
    let mut bench = Bench::new();
    let me = fs::metadata(bench.directory()).unwrap();
    let owner = format!("\"{}:{}\"", me.uid(), me.gid());
    let document = bench.with("owner", &owner);
    assert_eq!(bench.run(&document).await, Ok(Next::Succeed));

    let found = fs::metadata(bench.target()).unwrap();
    assert_eq!((found.uid(), found.gid()), (me.uid(), me.gid()));
}

#[tokio::test]
async fn a_kill_between_any_two_steps_changes_nothing() {
    let stages: [(&str, Leave); 5] = [
        ("before the download", |_| {}),
        ("in the download", |bench| {
            fs::write(bench.part(), &NEW[..5]).unwrap();
        }),
        ("after the download", |bench| {
            fs::write(bench.part(), NEW).unwrap();
        }),
        ("after the mode", |bench| {
            fs::write(bench.part(), NEW).unwrap();
            fs::set_permissions(bench.part(), fs::Permissions::from_mode(0o640)).unwrap();
        }),
        ("after the rename", |bench| {
            fs::write(bench.target(), NEW).unwrap();
            fs::set_permissions(bench.target(), fs::Permissions::from_mode(0o640)).unwrap();
        }),
    ];
    for (stage, leave) in stages {
        let mut bench = Bench::new();
        let document = bench.with("mode", "\"640\"");
        leave(&bench);
        let in_place = bench.target().exists();

        let ended = bench.run_as(&document, Run::AfterRestart).await;
        assert_eq!(ended, Ok(Next::Succeed), "{stage}");
        assert_eq!(bench.downloads, usize::from(!in_place), "{stage}");
        assert_eq!(fs::read(bench.target()).unwrap(), NEW, "{stage}");
        assert_eq!(mode_of(&bench.target()), 0o640, "{stage}");
        assert_eq!(bench.names(), ["app.conf"], "{stage}");
    }
}

#[tokio::test]
async fn a_failed_download_leaves_the_old_file() {
    let mut bench = Bench::new();
    fs::write(bench.target(), "the old file").unwrap();
    bench.failure = Some("digest_mismatch");
    let document = bench.document();
    let failure = bench.run(&document).await.unwrap_err();

    assert_eq!(failure.code, "digest_mismatch");
    assert_eq!(fs::read(bench.target()).unwrap(), b"the old file");
}

#[tokio::test]
async fn a_part_that_changed_since_is_not_put_in_place() {
    let mut bench = Bench::new();
    bench.bytes = b"another one!";
    let document = bench.document();
    let failure = bench.run(&document).await.unwrap_err();

    assert_eq!(
        (failure.code, failure.class),
        ("digest_mismatch", FailureClass::Failed)
    );
    assert!(bench.names().is_empty());
}

#[tokio::test]
async fn a_part_that_another_job_writes_is_not_put_in_place() {
    let mut bench = Bench::new();
    let other = fs::File::create(bench.part()).unwrap();
    other.lock().unwrap();
    let document = bench.document();
    let failure = bench.run(&document).await.unwrap_err();

    assert_eq!(
        (failure.code, failure.class),
        ("busy", FailureClass::Transient)
    );
    assert!(!bench.target().exists());
}

#[tokio::test]
async fn a_cancelled_job_leaves_nothing_and_a_stopped_one_its_part() {
    for (reason, left) in [
        (CancelReason::CanceledByService, 0),
        (CancelReason::TimedOut, 0),
        (CancelReason::Stopping, 2),
    ] {
        let mut bench = Bench::new();
        bench.cancels = Some(reason);
        let document = bench.document();
        let failure = bench.run(&document).await.unwrap_err();

        assert_eq!(failure.class, FailureClass::Cancelled, "{reason:?}");
        assert_eq!(bench.names().len(), left, "{reason:?}");
    }
}

#[tokio::test]
async fn a_file_is_never_written_outside_the_allowed_directories() {
    let outside = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    symlink(outside.path(), bench.directory().join("link")).unwrap();
    let sibling = format!("{}-other/x", bench.directory().display());
    for path in [
        outside.path().join("x").display().to_string(),
        bench.directory().join("link/x").display().to_string(),
        bench.directory().display().to_string(),
        sibling,
        "/etc/passwd".to_owned(),
    ] {
        let document = bench.with("path", &format!("\"{path}\""));
        let failure = bench.run(&document).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.class),
            ("path_not_allowed", FailureClass::Rejected),
            "{path}"
        );
    }
    assert_eq!(bench.downloads, 0);
}

#[tokio::test]
async fn an_allowed_directory_may_itself_be_a_link() {
    let mut bench = Bench::new();
    let link = bench.home.path().join("link");
    symlink(bench.directory(), &link).unwrap();
    bench.allowed = vec![link.clone()];
    let path = format!("\"{}\"", link.join("app.conf").display());
    let document = bench.with("path", &path);

    assert_eq!(bench.run(&document).await, Ok(Next::Succeed));
    assert_eq!(fs::read(bench.target()).unwrap(), NEW);
}

#[tokio::test]
async fn only_a_plain_file_is_replaced() {
    let things: [fn(&Path); 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("/etc/passwd", path).unwrap(),
        |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
    ];
    for make in things {
        let mut bench = Bench::new();
        make(&bench.target());
        let document = bench.document();
        let failure = bench.run(&document).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.class),
            ("not_a_file", FailureClass::Rejected)
        );
        assert_eq!(bench.downloads, 0);
    }
}

#[tokio::test]
async fn a_directory_that_is_missing_is_not_made() {
    let mut bench = Bench::new();
    let path = bench.directory().join("missing/app.conf");
    let document = bench.with("path", &format!("\"{}\"", path.display()));
    let failure = bench.run(&document).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.class),
        ("no_directory", FailureClass::Failed)
    );
}

#[tokio::test]
async fn a_wrong_document_is_rejected_with_the_member_at_fault() {
    let mut bench = Bench::new();
    let target = bench.target().display().to_string();
    let long = format!("\"/{}\"", "x".repeat(201));
    for (member, value) in [
        ("url", "\"ftp://example.com/a\""),
        ("url", "7"),
        ("sha256", "\"00\""),
        ("size", "-1"),
        ("mode", "\"888\""),
        ("mode", "\"10000\""),
        ("mode", "\"77\""),
        ("mode", "644"),
        ("owner", "\"a:b:c\""),
        ("owner", "\"a b\""),
        ("path", "\"relative\""),
        ("path", "\"/a/../b\""),
        ("path", "\"/a/./b\""),
        ("path", "\"/a//b\""),
        ("path", "\"//a/b\""),
        ("path", "\"/a/b/\""),
        ("path", "\"/a/b/.\""),
        ("path", "\"/\""),
        ("path", "\"/a\\u0000b\""),
        ("path", long.as_str()),
    ] {
        let document = bench.with(member, value);
        let failure = bench.run(&document).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.class),
            ("invalid_document", FailureClass::Rejected),
            "{member}: {value}"
        );
        assert!(
            failure.message.contains(&format!("`{member}`")),
            "{}",
            failure.message
        );
    }
    let document = bench.with("owner", "\"no-such-user\"");
    assert_eq!(
        bench.run(&document).await.unwrap_err().code,
        "unknown_owner"
    );
    assert!(!Path::new(&target).exists());
    assert_eq!(bench.downloads, 0);
}

/// Makes the directory as a kill leaves it.
type Leave = fn(&Bench);

/// A directory that is allowed, and a device that downloads.
struct Bench {
    home: tempfile::TempDir,
    allowed: Vec<PathBuf>,
    downloads: usize,
    bytes: &'static [u8],
    failure: Option<&'static str>,
    cancels: Option<CancelReason>,
    cancelled: Cell<Option<CancelReason>>,
    details: BTreeMap<String, String>,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("allowed");
        fs::create_dir(&directory).unwrap();
        Self {
            allowed: vec![directory],
            home,
            downloads: 0,
            bytes: NEW,
            failure: None,
            cancels: None,
            cancelled: Cell::new(None),
            details: BTreeMap::new(),
        }
    }

    fn directory(&self) -> PathBuf {
        self.home.path().join("allowed")
    }

    fn target(&self) -> PathBuf {
        self.directory().join("app.conf")
    }

    fn part(&self) -> PathBuf {
        self.directory().join(".app.conf.part")
    }

    fn names(&self) -> Vec<String> {
        fs::read_dir(self.directory())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn document(&self) -> String {
        self.with("operation", "\"file-download\"")
    }

    fn with(&self, member: &str, value: &str) -> String {
        let mut members = BTreeMap::from([
            ("url", "\"https://example.com/a?s=1\"".to_owned()),
            ("path", format!("\"{}\"", self.target().display())),
            ("sha256", format!("\"{}\"", digits(NEW))),
            ("size", NEW.len().to_string()),
        ]);
        members.insert(member, value.to_owned());
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    async fn run(&mut self, document: &str) -> Result<Next, Failure> {
        self.run_as(document, Run::First).await
    }

    async fn run_as(&mut self, document: &str, run: Run) -> Result<Next, Failure> {
        let thing = ThingName::parse("thing").unwrap();
        let namespace = Namespace::default();
        let id = JobId::parse("job").unwrap();
        let job = Job {
            thing: &thing,
            namespace: &namespace,
            id: &id,
            execution: 1,
            operation: "file-download",
            document,
            run,
        };
        let mut handler = FileDownload {
            allowed: self.allowed.clone(),
            size_max: 1000,
        };
        handler.run(&job, self).await
    }
}

impl Device for Bench {
    type Slots = NoSlots;

    fn slots(&mut self) -> Option<&mut NoSlots> {
        None
    }

    async fn download(
        &mut self,
        what: &Download<'_>,
        target: Target<'_>,
    ) -> Result<Downloaded, Failure> {
        let Target::File(part) = target else {
            panic!("not for a slot");
        };
        assert_eq!((what.url_member, what.size_max), ("url", 1000));
        assert_eq!(what.sha256, <[u8; 32]>::from(Sha256::digest(NEW)));
        self.downloads += 1;
        if let Some(code) = self.failure {
            return Err(failed(code, "no"));
        }
        fs::write(part, self.bytes).unwrap();
        if self.cancels.is_some() {
            fs::write(format!("{part}.resume"), "{}").unwrap();
            self.cancelled.set(self.cancels);
        }
        Ok(Downloaded {
            bytes: NEW.len() as u64,
            refetched: 0,
        })
    }

    fn state(&self) -> &[u8] {
        &[]
    }

    async fn save_state(&mut self, _: &[u8]) -> Result<(), Failure> {
        panic!("the file system holds the truth")
    }

    fn progress(&mut self, _: Progress<'_>) {}

    fn detail(&mut self, key: &str, value: &str) {
        self.details.insert(key.to_owned(), value.to_owned());
    }

    fn cancelled(&self) -> Option<CancelReason> {
        self.cancelled.get()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    async fn health(&mut self) -> Result<(), Failure> {
        panic!("no trial here")
    }
}

/// What a device without slots has.
struct NoSlots;

impl FirmwareSlots for NoSlots {
    type Error = std::io::Error;

    async fn running(&mut self) -> Result<Slot, Self::Error> {
        unreachable!()
    }

    async fn boot_state(&mut self) -> Result<BootState, Self::Error> {
        unreachable!()
    }

    async fn capacity(&mut self, _: Slot) -> Result<u64, Self::Error> {
        unreachable!()
    }

    async fn read(&mut self, _: Slot, _: u64, _: &mut [u8]) -> Result<usize, Self::Error> {
        unreachable!()
    }

    async fn prepare(&mut self, _: Slot, _: u64) -> Result<(), Self::Error> {
        unreachable!()
    }

    async fn write(&mut self, _: Slot, _: u64, _: &[u8]) -> Result<(), Self::Error> {
        unreachable!()
    }

    async fn sync(&mut self, _: Slot) -> Result<(), Self::Error> {
        unreachable!()
    }

    async fn mark_trial(&mut self, _: Slot) -> Result<(), Self::Error> {
        unreachable!()
    }

    async fn confirm(&mut self) -> Result<(), Self::Error> {
        unreachable!()
    }

    async fn roll_back(&mut self) -> Result<(), Self::Error> {
        unreachable!()
    }
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn digits(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
