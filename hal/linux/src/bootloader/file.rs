//! A file that stands for a bootloader, and for the boot step that only a bootloader takes.
//!
//! For tests and the demo. The file names the boot that it was last used in; opened under another boot id it does first what a
//! bootloader does at power-on: it boots the primary slot, takes away a pending slot's only try, and goes back to the other slot
//! when that try was taken before and nobody confirmed.
//!
//! ```text
//! boot = 0123456789abcdef0123456789abcdef
//! current = A
//! primary = B
//! A = good
//! B = pending        good | pending | tried | bad
//! ```

use std::fs;
use std::io;
use std::path::PathBuf;

use iot_jobs_hal::Slot;

use super::{Bootloader, BootloaderError, Change, SlotState, cut, parse_slot};
use crate::blocking::{Task, blocking};
use crate::replace::{ReplaceError, directory_of, replace};

/// A file that stands for a bootloader.
#[derive(Debug)]
pub struct FileBootloader {
    path: PathBuf,
    boot: u128,
    save: Task<Result<(), ReplaceError>>,
}

impl FileBootloader {
    /// Uses the file at `path` in the boot named `boot`. A file that is not there is a fresh device: slot A runs, slot B is bad.
    pub fn new(path: impl Into<PathBuf>, boot: u128) -> Self {
        Self {
            path: path.into(),
            boot,
            save: Task::idle(),
        }
    }

    async fn memory(&mut self) -> Result<Memory, BootloaderError> {
        // A save whose future was dropped reports to nobody; what is read here is what it left.
        self.save.finish().await;

        let path = self.path.clone();
        let text = blocking(move || match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        })
        .await
        .map_err(|cause| self.unreadable(cause))?;

        let memory = match text {
            Some(text) => Memory::parse(&text).map_err(|line| BootloaderError::Corrupt {
                path: self.path.clone(),
                line: cut(line),
            })?,
            None => Memory::fresh(),
        };
        if memory.boot == Some(self.boot) {
            return Ok(memory);
        }
        let booted = memory.boot(self.boot);
        self.write(booted).await?;
        Ok(booted)
    }

    async fn write(&mut self, memory: Memory) -> Result<(), BootloaderError> {
        let directory = directory_of(&self.path).to_owned();
        let name = self.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let work = move || replace(&directory, &name, memory.to_text().as_bytes());

        let saved = self.save.run(work).await;
        saved.map_err(|cause| self.unreadable(cause))??;
        Ok(())
    }

    fn unreadable(&self, cause: io::Error) -> BootloaderError {
        BootloaderError::Read {
            path: self.path.clone(),
            cause,
        }
    }
}

impl Bootloader for FileBootloader {
    async fn current(&mut self) -> Result<Slot, BootloaderError> {
        Ok(self.memory().await?.current)
    }

    async fn primary(&mut self) -> Result<Slot, BootloaderError> {
        Ok(self.memory().await?.primary)
    }

    async fn state(&mut self, slot: Slot) -> Result<SlotState, BootloaderError> {
        Ok(match self.memory().await?.mark(slot) {
            Mark::Bad => SlotState::Bad,
            Mark::Good => SlotState::Good,
            Mark::Pending | Mark::Tried => SlotState::Pending,
        })
    }

    async fn apply(&mut self, change: Change) -> Result<(), BootloaderError> {
        let mut memory = self.memory().await?;
        memory.set_mark(
            change.slot,
            match change.state {
                SlotState::Bad => Mark::Bad,
                SlotState::Good => Mark::Good,
                SlotState::Pending => Mark::Pending,
            },
        );
        memory.primary = change.primary.unwrap_or(memory.primary);
        self.write(memory).await
    }
}

/// What the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    /// None before the first boot.
    boot: Option<u128>,
    current: Slot,
    primary: Slot,
    a: Mark,
    b: Mark,
}

impl Memory {
    const fn fresh() -> Self {
        Self {
            boot: None,
            current: Slot::A,
            primary: Slot::A,
            a: Mark::Good,
            b: Mark::Bad,
        }
    }

    /// The boot step.
    fn boot(mut self, boot: u128) -> Self {
        self.boot = Some(boot);
        let unconfirmed = self.mark(self.primary) == Mark::Tried;
        if unconfirmed {
            self.set_mark(self.primary, Mark::Bad);
        }
        if self.mark(self.primary) == Mark::Bad {
            self.primary = self.primary.other();
        }
        if self.mark(self.primary) == Mark::Pending {
            self.set_mark(self.primary, Mark::Tried);
        }
        self.current = self.primary;
        self
    }

    const fn mark(&self, slot: Slot) -> Mark {
        match slot {
            Slot::A => self.a,
            Slot::B => self.b,
        }
    }

    const fn set_mark(&mut self, slot: Slot, mark: Mark) {
        match slot {
            Slot::A => self.a = mark,
            Slot::B => self.b = mark,
        }
    }

    fn to_text(self) -> String {
        let Self {
            boot,
            current,
            primary,
            a,
            b,
        } = self;
        format!(
            "boot = {:032x}\ncurrent = {}\nprimary = {}\nA = {}\nB = {}\n",
            boot.unwrap_or_default(),
            current.as_str(),
            primary.as_str(),
            a.as_str(),
            b.as_str(),
        )
    }

    /// The error is the line at fault, empty when one is missing.
    fn parse(text: &str) -> Result<Self, &str> {
        let mut lines = text.lines();
        let boot = member(&mut lines, "boot", |value| {
            u128::from_str_radix(value, 16).ok()
        })?;
        let memory = Self {
            boot: Some(boot),
            current: member(&mut lines, "current", parse_slot)?,
            primary: member(&mut lines, "primary", parse_slot)?,
            a: member(&mut lines, "A", Mark::parse)?,
            b: member(&mut lines, "B", Mark::parse)?,
        };
        lines.next().map_or(Ok(memory), Err)
    }
}

/// How a slot is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Bad,
    Good,
    /// Boots once.
    Pending,
    /// Has booted once and was not confirmed.
    Tried,
}

impl Mark {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Good => "good",
            Self::Pending => "pending",
            Self::Tried => "tried",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Bad, Self::Good, Self::Pending, Self::Tried]
            .into_iter()
            .find(|mark| mark.as_str() == text)
    }
}

fn member<'a, T>(
    lines: &mut core::str::Lines<'a>,
    name: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, &'a str> {
    let line = lines.next().unwrap_or_default();
    line.split_once(" = ")
        .filter(|(found, _)| *found == name)
        .and_then(|(_, value)| parse(value))
        .ok_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK_B: Change = Change {
        slot: Slot::B,
        state: SlotState::Pending,
        primary: Some(Slot::B),
    };

    struct Device {
        directory: tempfile::TempDir,
        boots: u128,
    }

    impl Device {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
                boots: 0,
            }
        }

        fn reboot(&mut self) -> FileBootloader {
            self.boots += 1;
            self.same_boot()
        }

        fn same_boot(&self) -> FileBootloader {
            FileBootloader::new(self.path(), self.boots)
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("bootloader")
        }
    }

    #[tokio::test]
    async fn a_fresh_device_runs_slot_a() {
        let mut device = Device::new();
        let mut bootloader = device.reboot();
        assert_eq!(bootloader.current().await.unwrap(), Slot::A);
        assert_eq!(bootloader.primary().await.unwrap(), Slot::A);
        assert_eq!(bootloader.state(Slot::A).await.unwrap(), SlotState::Good);
        assert_eq!(bootloader.state(Slot::B).await.unwrap(), SlotState::Bad);
    }

    #[tokio::test]
    async fn a_marked_slot_runs_after_the_next_boot_and_not_before() {
        let mut device = Device::new();
        device.reboot().apply(MARK_B).await.unwrap();
        assert_eq!(device.same_boot().current().await.unwrap(), Slot::A);

        let mut bootloader = device.reboot();
        assert_eq!(bootloader.current().await.unwrap(), Slot::B);
        assert_eq!(bootloader.state(Slot::B).await.unwrap(), SlotState::Pending);
        assert_eq!(device.same_boot().current().await.unwrap(), Slot::B);
    }

    #[tokio::test]
    async fn a_trial_that_nobody_confirmed_goes_back_at_the_next_boot() {
        let mut device = Device::new();
        device.reboot().apply(MARK_B).await.unwrap();
        device.reboot().current().await.unwrap();

        let mut bootloader = device.reboot();
        assert_eq!(bootloader.current().await.unwrap(), Slot::A);
        assert_eq!(bootloader.primary().await.unwrap(), Slot::A);
        assert_eq!(bootloader.state(Slot::B).await.unwrap(), SlotState::Bad);
    }

    #[tokio::test]
    async fn a_confirmed_trial_stays() {
        let mut device = Device::new();
        device.reboot().apply(MARK_B).await.unwrap();
        let confirm = Change {
            slot: Slot::B,
            state: SlotState::Good,
            primary: None,
        };
        device.reboot().apply(confirm).await.unwrap();

        for _ in 0..3 {
            assert_eq!(device.reboot().current().await.unwrap(), Slot::B);
        }
    }

    #[tokio::test]
    async fn a_file_that_holds_something_else_is_named_with_its_line() {
        let mut device = Device::new();
        device.reboot().apply(MARK_B).await.unwrap();
        let good = fs::read_to_string(device.path()).unwrap();
        for (bad, line) in [
            (good.replace("pending", "maybe"), "B = maybe"),
            (good.replace("current = A", "current = C"), "current = C"),
            (good.clone() + "more", "more"),
            (String::new(), ""),
        ] {
            fs::write(device.path(), bad).unwrap();
            let error = device.same_boot().current().await.unwrap_err();
            assert!(
                matches!(&error, BootloaderError::Corrupt { line: found, .. } if found == line),
                "{error}"
            );
        }
    }
}
