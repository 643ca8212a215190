//! A bootloader behind a program of the operator's, with five verbs.
//!
//! | called as | prints |
//! |---|---|
//! | `get-current` | the slot that runs: `A` or `B` |
//! | `get-primary` | the slot that boots next: `A` or `B` |
//! | `set-primary SLOT` | |
//! | `get-state SLOT` | `good`, `pending` or `bad` |
//! | `set-state SLOT STATE` | |
//!
//! The verbs are those of RAUC's custom backend with one more state: `pending` is a slot that boots once and goes back to the
//! other one unless it is set `good`. Exit code 0 says that it was done and is durable; anything else, with the reason on
//! standard error, that it was not.

use iot_jobs_hal::Slot;

use super::{Bootloader, BootloaderError, Change, SlotState, cut, parse_slot};
use crate::program::Program;

/// A program with five verbs.
#[derive(Debug, Clone)]
pub struct CommandBootloader {
    program: Program,
}

impl CommandBootloader {
    /// Asks `program`.
    pub const fn new(program: Program) -> Self {
        Self { program }
    }

    async fn ask<T>(
        &self,
        words: &[&str],
        parse: impl FnOnce(&str) -> Option<T>,
        expected: &'static str,
    ) -> Result<T, BootloaderError> {
        let printed = self.program.run(words, "").await?;
        let answer = printed.trim();
        parse(answer).ok_or_else(|| BootloaderError::Answer {
            verb: words.join(" "),
            answer: cut(answer),
            expected,
        })
    }
}

impl Bootloader for CommandBootloader {
    async fn current(&mut self) -> Result<Slot, BootloaderError> {
        self.ask(&["get-current"], parse_slot, "A or B").await
    }

    async fn primary(&mut self) -> Result<Slot, BootloaderError> {
        self.ask(&["get-primary"], parse_slot, "A or B").await
    }

    async fn state(&mut self, slot: Slot) -> Result<SlotState, BootloaderError> {
        self.ask(
            &["get-state", slot.as_str()],
            SlotState::parse,
            "good, pending or bad",
        )
        .await
    }

    async fn apply(&mut self, change: Change) -> Result<(), BootloaderError> {
        let state = ["set-state", change.slot.as_str(), change.state.as_str()];
        self.program.run(&state, "").await?;
        if let Some(primary) = change.primary {
            let primary = ["set-primary", primary.as_str()];
            self.program.run(&primary, "").await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::fixture::Script;

    const BOARD: &str = r#"
        cd "$(dirname "$0")"
        echo "$*" >> calls
        case "$1" in
            get-current) echo A ;;
            get-primary) echo B ;;
            get-state) echo pending ;;
            set-primary|set-state) ;;
            *) echo "unknown verb $1" >&2; exit 64 ;;
        esac"#;

    #[tokio::test]
    async fn the_program_is_asked_by_its_verbs() {
        let script = Script::new(BOARD);
        let mut bootloader = CommandBootloader::new(script.program());
        assert_eq!(bootloader.current().await.unwrap(), Slot::A);
        assert_eq!(bootloader.primary().await.unwrap(), Slot::B);
        let state = bootloader.state(Slot::B).await.unwrap();
        assert_eq!(state, SlotState::Pending);
        assert_eq!(
            script.read("calls"),
            "get-current\nget-primary\nget-state B\n"
        );
    }

    #[tokio::test]
    async fn the_primary_is_the_last_write_of_a_mark() {
        let script = Script::new(BOARD);
        let mut bootloader = CommandBootloader::new(script.program());
        let mark = Change {
            slot: Slot::B,
            state: SlotState::Pending,
            primary: Some(Slot::B),
        };
        bootloader.apply(mark).await.unwrap();
        assert_eq!(script.read("calls"), "set-state B pending\nset-primary B\n");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_slot_is_an_error_that_repeats_it() {
        let script = Script::new("echo rootfs.0");
        let error = CommandBootloader::new(script.program()).primary().await;
        assert_eq!(
            error.unwrap_err().to_string(),
            r#"the bootloader answered get-primary with "rootfs.0", not with A or B"#
        );
    }

    #[tokio::test]
    async fn a_state_that_could_not_be_set_leaves_the_primary_alone() {
        let script =
            Script::new(r#"echo "$*" >> "$(dirname "$0")/calls"; echo "read-only" >&2; exit 1"#);
        let mark = Change {
            slot: Slot::B,
            state: SlotState::Pending,
            primary: Some(Slot::B),
        };
        let error = CommandBootloader::new(script.program()).apply(mark).await;
        let text = error.unwrap_err().to_string();
        assert!(
            text.ends_with("set-state B pending` failed with exit code 1: read-only"),
            "{text}"
        );
        assert_eq!(script.read("calls"), "set-state B pending\n");
    }
}
