//! Who decides which slot boots.
//!
//! A [`Bootloader`] has RAUC's verbs: which slot runs, which boots next, how each of them is, and a change of both. A trial is
//! made of them: the spare slot becomes primary and [`SlotState::Pending`], which allows one boot; confirmed, it is
//! [`SlotState::Good`]; left alone, the boot after it takes the other slot.

mod command;
mod file;
mod u_boot;

use std::io;
use std::path::PathBuf;

use iot_jobs_hal::Slot;

pub use self::command::CommandBootloader;
pub use self::file::FileBootloader;
pub use self::u_boot::{CMDLINE, Running, UBoot};
use crate::program::ProgramError;
use crate::replace::ReplaceError;

/// Longest answer of a bootloader that an error repeats.
const ANSWER_LEN_MAX: usize = 80;

/// Decides which slot boots.
#[expect(
    async_fn_in_trait,
    reason = "the shell runs on one thread and needs no Send"
)]
pub trait Bootloader {
    /// The slot that this boot runs from.
    async fn current(&mut self) -> Result<Slot, BootloaderError>;

    /// The slot that boots next.
    async fn primary(&mut self) -> Result<Slot, BootloaderError>;

    /// How a slot is.
    async fn state(&mut self, slot: Slot) -> Result<SlotState, BootloaderError>;

    /// Makes a change durable: in one write where the bootloader can, otherwise the primary last.
    async fn apply(&mut self, change: Change) -> Result<(), BootloaderError>;
}

/// How a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// It is not booted.
    Bad,
    /// It was confirmed and boots again.
    Good,
    /// It boots once; while it runs it waits to be confirmed.
    Pending,
}

impl SlotState {
    /// `"bad"`, `"good"` or `"pending"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Good => "good",
            Self::Pending => "pending",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Bad, Self::Good, Self::Pending]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// What becomes of a slot, and which one boots next if that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The slot.
    pub slot: Slot,
    /// Its new state.
    pub state: SlotState,
    /// The slot that boots next.
    pub primary: Option<Slot>,
}

/// One of the bootloaders, chosen by the configuration.
#[derive(Debug)]
pub enum AnyBootloader {
    /// A program of the operator's.
    Command(CommandBootloader),
    /// A file.
    File(FileBootloader),
    /// U-Boot's environment.
    UBoot(UBoot),
}

impl Bootloader for AnyBootloader {
    async fn current(&mut self) -> Result<Slot, BootloaderError> {
        match self {
            Self::Command(command) => command.current().await,
            Self::File(file) => file.current().await,
            Self::UBoot(u_boot) => u_boot.current().await,
        }
    }

    async fn primary(&mut self) -> Result<Slot, BootloaderError> {
        match self {
            Self::Command(command) => command.primary().await,
            Self::File(file) => file.primary().await,
            Self::UBoot(u_boot) => u_boot.primary().await,
        }
    }

    async fn state(&mut self, slot: Slot) -> Result<SlotState, BootloaderError> {
        match self {
            Self::Command(command) => command.state(slot).await,
            Self::File(file) => file.state(slot).await,
            Self::UBoot(u_boot) => u_boot.state(slot).await,
        }
    }

    async fn apply(&mut self, change: Change) -> Result<(), BootloaderError> {
        match self {
            Self::Command(command) => command.apply(change).await,
            Self::File(file) => file.apply(change).await,
            Self::UBoot(u_boot) => u_boot.apply(change).await,
        }
    }
}

/// Why a bootloader could not be asked or told.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BootloaderError {
    /// The bootloader answered a verb with something else than asked for.
    #[error("the bootloader answered {verb} with {answer:?}, not with {expected}")]
    Answer {
        /// What was asked.
        verb: String,
        /// What it said, cut.
        answer: String,
        /// What it may say.
        expected: &'static str,
    },
    /// The file that stands for a bootloader holds something else.
    #[error("{path} holds no bootloader state: {line:?}", path = path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line at fault, cut; empty when one is missing.
        line: String,
    },
    /// A program failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// Nothing says which slot runs.
    #[error("{path} does not say which slot runs: {expected}", path = path.display())]
    Running {
        /// What was read.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// The environment was written, and is not what was written.
    #[error("{variable} is {found:?} after it was set to {written:?}")]
    Unchanged {
        /// The variable.
        variable: &'static str,
        /// What it was set to.
        written: String,
        /// What it is.
        found: String,
    },
    /// The file that stands for a bootloader cannot be written.
    #[error(transparent)]
    Write(#[from] ReplaceError),
}

fn parse_slot(text: &str) -> Option<Slot> {
    [Slot::A, Slot::B]
        .into_iter()
        .find(|slot| slot.as_str() == text)
}

fn cut(text: &str) -> String {
    text.chars().take(ANSWER_LEN_MAX).collect()
}
