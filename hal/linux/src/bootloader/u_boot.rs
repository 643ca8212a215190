//! U-Boot, through `fw_printenv` and `fw_setenv`.
//!
//! The variables are those of RAUC's U-Boot integration, and one more:
//!
//! | variable | holds |
//! |---|---|
//! | `BOOT_ORDER` | `A B` or `B A`: the slots in the order in which they are tried |
//! | `BOOT_A_LEFT`, `BOOT_B_LEFT` | boots left: 3 for a good slot, 1 for one on trial, 0 for a bad one |
//! | `BOOT_TRIAL` | the slot on trial, or `none` |
//!
//! The environment needs a redundant copy (`CONFIG_SYS_REDUNDAND_ENVIRONMENT`), so that a power cut leaves the old one or the new
//! one. All variables are set by one call of `fw_setenv -s -`, which writes the environment once; both U-Boot's own tools and
//! libubootenv take lines of `NAME=VALUE`. What was written is read back, because versions of the tools before 2017 do not.
//!
//! The boot script takes a try away from the slot on trial alone:
//!
#![doc = "```text"]
#![doc = include_str!("u_boot_script.txt")]
#![doc = "```"]
//!
//! RAUC's own script works too. It takes a try at every boot, and something must give it back: RAUC's mark-good service, or a
//! confirmation here.

use std::fs;
use std::path::{Path, PathBuf};

use iot_jobs_hal::Slot;

use super::{Bootloader, BootloaderError, Change, SlotState, cut, parse_slot};
use crate::blocking::blocking;
use crate::program::Program;

/// Where the kernel says how it was booted (`proc(5)`).
pub const CMDLINE: &str = "/proc/cmdline";

const TRIES_OF_A_GOOD_SLOT: u32 = 3;
const TRIES_OF_A_TRIAL: u32 = 1;
const NO_TRIAL: &str = "none";

const ORDER: &str = "BOOT_ORDER";
const A_LEFT: &str = "BOOT_A_LEFT";
const B_LEFT: &str = "BOOT_B_LEFT";
const TRIAL: &str = "BOOT_TRIAL";

/// U-Boot's environment.
#[derive(Debug, Clone)]
pub struct UBoot {
    printenv: Program,
    setenv: Program,
    running: Running,
}

impl UBoot {
    /// Reads the environment by `printenv`, writes it by `setenv`, and learns from `running` which slot runs.
    pub const fn new(printenv: Program, setenv: Program, running: Running) -> Self {
        Self {
            printenv,
            setenv,
            running,
        }
    }

    async fn environment(&self) -> Result<Environment, BootloaderError> {
        // All of it: asked for single variables, fw_printenv fails when one of them is not set.
        let printed = self.printenv.run(&[], "").await?;
        Environment::parse(&printed)
    }
}

impl Bootloader for UBoot {
    async fn current(&mut self) -> Result<Slot, BootloaderError> {
        let running = self.running.clone();
        let unreadable = running.path().to_owned();
        blocking(move || Ok(running.slot()))
            .await
            .map_err(|cause| BootloaderError::Read {
                path: unreadable,
                cause,
            })?
    }

    async fn primary(&mut self) -> Result<Slot, BootloaderError> {
        let environment = self.environment().await?;
        let first = environment.first;
        Ok(match environment.left(first) {
            0 if environment.left(first.other()) > 0 => first.other(),
            _ => first,
        })
    }

    async fn state(&mut self, slot: Slot) -> Result<SlotState, BootloaderError> {
        let environment = self.environment().await?;
        let on_trial = environment.trial == Some(slot);
        Ok(match environment.left(slot) {
            // The boot took the try away.
            0 if on_trial && self.current().await? == slot => SlotState::Pending,
            0 => SlotState::Bad,
            _ if on_trial => SlotState::Pending,
            _ => SlotState::Good,
        })
    }

    async fn apply(&mut self, change: Change) -> Result<(), BootloaderError> {
        let old = self.environment().await?;
        let new = old.with(change);
        if new == old {
            return Ok(());
        }
        self.setenv.run(&["-s", "-"], &new.to_script()).await?;

        let found = self.environment().await?.variables();
        let differs = new.variables().into_iter().zip(found);
        for ((variable, written), (_, found)) in differs {
            if written != found {
                return Err(BootloaderError::Unchanged {
                    variable,
                    written,
                    found,
                });
            }
        }
        Ok(())
    }
}

/// What says which slot runs.
#[derive(Debug, Clone)]
pub enum Running {
    /// The kernel's command line: `rauc.slot=A`, or a `root=` that is one of the two devices.
    Cmdline {
        /// [`CMDLINE`], or another file for tests.
        path: PathBuf,
        /// The device of slot A.
        a: PathBuf,
        /// The device of slot B.
        b: PathBuf,
    },
    /// A file that holds `A` or `B`, written at boot.
    File(PathBuf),
}

impl Running {
    fn path(&self) -> &Path {
        match self {
            Self::Cmdline { path, .. } | Self::File(path) => path,
        }
    }

    fn slot(&self) -> Result<Slot, BootloaderError> {
        let path = self.path();
        let text = fs::read_to_string(path).map_err(|cause| BootloaderError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let (found, expected) = match self {
            Self::Cmdline { a, b, .. } => (
                slot_of_cmdline(&text, a, b),
                "it needs rauc.slot=A, rauc.slot=B, or root= with one of the two devices",
            ),
            Self::File(_) => (parse_slot(text.trim()), "it needs to hold A or B"),
        };
        found.ok_or_else(|| BootloaderError::Running {
            path: path.to_owned(),
            expected,
        })
    }
}

/// The part of the environment that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Environment {
    first: Slot,
    a_left: u32,
    b_left: u32,
    trial: Option<Slot>,
}

impl Environment {
    /// Variables that are not set are what the boot script takes them for.
    fn parse(printed: &str) -> Result<Self, BootloaderError> {
        let mut environment = Self {
            first: Slot::A,
            a_left: TRIES_OF_A_GOOD_SLOT,
            b_left: TRIES_OF_A_GOOD_SLOT,
            trial: None,
        };
        for line in printed.lines() {
            let Some((variable, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim();
            let wrong = |expected| BootloaderError::Answer {
                verb: cut(variable),
                answer: cut(value),
                expected,
            };
            // U-Boot counts in hexadecimal.
            let tries = || u32::from_str_radix(value, 16).map_err(|_| wrong("a number"));
            match variable {
                ORDER => {
                    environment.first = value
                        .split_whitespace()
                        .find_map(parse_slot)
                        .ok_or_else(|| wrong("`A B` or `B A`"))?;
                }
                A_LEFT => environment.a_left = tries()?,
                B_LEFT => environment.b_left = tries()?,
                TRIAL => environment.trial = parse_slot(value),
                _ => {}
            }
        }
        Ok(environment)
    }

    const fn left(&self, slot: Slot) -> u32 {
        match slot {
            Slot::A => self.a_left,
            Slot::B => self.b_left,
        }
    }

    fn with(mut self, change: Change) -> Self {
        let left = match change.state {
            SlotState::Bad => 0,
            SlotState::Good => TRIES_OF_A_GOOD_SLOT,
            SlotState::Pending => TRIES_OF_A_TRIAL,
        };
        match change.slot {
            Slot::A => self.a_left = left,
            Slot::B => self.b_left = left,
        }
        self.trial = match change.state {
            SlotState::Pending => Some(change.slot),
            SlotState::Bad | SlotState::Good => self.trial.filter(|slot| *slot != change.slot),
        };
        self.first = change.primary.unwrap_or(self.first);
        self
    }

    fn variables(&self) -> [(&'static str, String); 4] {
        let order = format!("{} {}", self.first.as_str(), self.first.other().as_str());
        let trial = self.trial.map_or(NO_TRIAL, Slot::as_str);
        [
            (ORDER, order),
            (A_LEFT, self.a_left.to_string()),
            (B_LEFT, self.b_left.to_string()),
            (TRIAL, trial.to_owned()),
        ]
    }

    fn to_script(self) -> String {
        self.variables()
            .iter()
            .map(|(variable, value)| format!("{variable}={value}\n"))
            .collect()
    }
}

fn slot_of_cmdline(cmdline: &str, a: &Path, b: &Path) -> Option<Slot> {
    let word = |name: &str| {
        cmdline
            .split_whitespace()
            .filter_map(|word| word.strip_prefix(name))
            .next_back()
    };
    if let Some(slot) = word("rauc.slot=") {
        return parse_slot(slot);
    }
    let root = device_of_root(word("root=")?);
    let is_root = |slot: &Path| slot == root || same_device(slot, &root);
    match (is_root(a), is_root(b)) {
        (true, false) => Some(Slot::A),
        (false, true) => Some(Slot::B),
        (true, true) | (false, false) => None,
    }
}

/// The device that `root=` names, by its path or by a tag that udev keeps a link for.
fn device_of_root(root: &str) -> PathBuf {
    const TAGS: [(&str, &str); 4] = [
        ("LABEL=", "/dev/disk/by-label"),
        ("PARTLABEL=", "/dev/disk/by-partlabel"),
        ("PARTUUID=", "/dev/disk/by-partuuid"),
        ("UUID=", "/dev/disk/by-uuid"),
    ];
    TAGS.iter()
        .find_map(|(tag, directory)| Some(Path::new(directory).join(root.strip_prefix(tag)?)))
        .unwrap_or_else(|| PathBuf::from(root))
}

fn same_device(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::fixture::Script;

    /// Keeps its environment in the file `env` beside it, and counts its writes.
    const SETENV: &str = r#"
        cd "$(dirname "$0")"
        test "$1" = "-s" && test "$2" = "-" || exit 64
        cat > script
        while IFS='=' read -r name value; do
            grep -v "^$name=" env > rest
            echo "$name=$value" >> rest
            mv rest env
        done < script
        echo write >> writes"#;

    struct Board {
        setenv: Script,
        printenv: Script,
    }

    impl Board {
        fn new(environment: &str, running: &str) -> Self {
            let setenv = Script::new(SETENV);
            setenv.write("env", environment);
            setenv.write("running", running);
            let printenv = Script::new(&format!("cat {}/env", setenv.directory().display()));
            Self { setenv, printenv }
        }

        fn u_boot(&self) -> UBoot {
            let running = Running::File(self.setenv.directory().join("running"));
            UBoot::new(self.printenv.program(), self.setenv.program(), running)
        }
    }

    const A_RUNS: &str = "arch=arm\nBOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\n";
    const MARK_B: Change = Change {
        slot: Slot::B,
        state: SlotState::Pending,
        primary: Some(Slot::B),
    };

    const CONFIRM_B: Change = Change {
        slot: Slot::B,
        state: SlotState::Good,
        primary: None,
    };
    const BOOT_SCRIPT: &str = include_str!("u_boot_script.txt");

    #[tokio::test]
    async fn a_mark_is_one_write_of_the_environment() {
        let board = Board::new(A_RUNS, "A\n");
        board.u_boot().apply(MARK_B).await.unwrap();
        assert_eq!(board.setenv.read("writes"), "write\n");
        assert_eq!(
            board.setenv.read("env"),
            "arch=arm\nBOOT_ORDER=B A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=1\nBOOT_TRIAL=B\n"
        );
        assert_eq!(board.u_boot().primary().await.unwrap(), Slot::B);
    }

    /// U-Boot's commands in terms of a shell, around the boot script: the environment in `env` is booted, `running` is the slot.
    const U_BOOT: &str = r#"
        cd "$(dirname "$0")"
        setenv() { eval "$1=\${2-}"; }
        setexpr() { eval "$1=$(($2 $3 $4))"; }
        saveenv() {
            printf 'BOOT_ORDER=%s\nBOOT_A_LEFT=%s\nBOOT_B_LEFT=%s\nBOOT_TRIAL=%s\n' \
                "$BOOT_ORDER" "$BOOT_A_LEFT" "$BOOT_B_LEFT" "$BOOT_TRIAL" > env
        }
        reset() { echo reset > running; exit; }
        while IFS='=' read -r name value; do setenv "$name" "$value"; done < env
        BOOT_SCRIPT
        echo "$bootargs" > cmdline
        echo "$slot" > running"#;

    /// Boots the board by the script that the documentation tells to use.
    async fn boot(board: &Board) -> UBoot {
        let firmware = Script::new(&U_BOOT.replace("BOOT_SCRIPT", BOOT_SCRIPT));
        firmware.write("env", &board.setenv.read("env"));
        firmware.program().run(&[], "").await.unwrap();
        board.setenv.write("env", &firmware.read("env"));
        board.setenv.write("running", &firmware.read("running"));
        board.u_boot()
    }

    #[tokio::test]
    async fn by_the_boot_script_an_unconfirmed_slot_runs_once() {
        let board = Board::new("", "A");
        boot(&board).await.apply(MARK_B).await.unwrap();

        let mut trial = boot(&board).await;
        assert_eq!(trial.current().await.unwrap(), Slot::B);
        assert_eq!(trial.state(Slot::B).await.unwrap(), SlotState::Pending);

        for _ in 0..5 {
            let mut back = boot(&board).await;
            assert_eq!(back.current().await.unwrap(), Slot::A);
            assert_eq!(back.primary().await.unwrap(), Slot::A);
            assert_eq!(back.state(Slot::A).await.unwrap(), SlotState::Good);
            assert_eq!(back.state(Slot::B).await.unwrap(), SlotState::Bad);
        }
    }

    #[tokio::test]
    async fn by_the_boot_script_a_confirmed_slot_runs_for_ever() {
        let board = Board::new("", "A");
        boot(&board).await.apply(MARK_B).await.unwrap();
        boot(&board).await.apply(CONFIRM_B).await.unwrap();
        for _ in 0..5 {
            let mut confirmed = boot(&board).await;
            assert_eq!(confirmed.current().await.unwrap(), Slot::B);
            assert_eq!(confirmed.primary().await.unwrap(), Slot::B);
            assert_eq!(confirmed.state(Slot::B).await.unwrap(), SlotState::Good);
        }
    }

    #[tokio::test]
    async fn by_the_boot_script_a_slot_that_was_rolled_back_does_not_run() {
        let board = Board::new("", "A");
        boot(&board).await.apply(MARK_B).await.unwrap();
        let roll_back = Change {
            slot: Slot::B,
            state: SlotState::Bad,
            primary: Some(Slot::A),
        };
        boot(&board).await.apply(roll_back).await.unwrap();
        assert_eq!(boot(&board).await.current().await.unwrap(), Slot::A);
    }

    #[tokio::test]
    async fn a_slot_whose_try_was_taken_is_pending_while_it_runs_and_bad_once_it_does_not() {
        let taken = "BOOT_ORDER=B A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\nBOOT_TRIAL=B\n";
        let on_trial = Board::new(taken, "B").u_boot().state(Slot::B).await;
        assert_eq!(on_trial.unwrap(), SlotState::Pending);
        let gone_back = Board::new(taken, "A").u_boot().state(Slot::B).await;
        assert_eq!(gone_back.unwrap(), SlotState::Bad);
    }

    #[tokio::test]
    async fn a_slot_without_tries_is_passed_over() {
        let taken = "BOOT_ORDER=B A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\nBOOT_TRIAL=B\n";
        let board = Board::new(taken, "A");
        assert_eq!(board.u_boot().primary().await.unwrap(), Slot::A);
    }

    #[tokio::test]
    async fn a_confirmation_gives_all_tries_back_and_ends_the_trial() {
        let taken = "BOOT_ORDER=B A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\nBOOT_TRIAL=B\n";
        let board = Board::new(taken, "B");
        board.u_boot().apply(CONFIRM_B).await.unwrap();
        board.u_boot().apply(CONFIRM_B).await.unwrap();
        assert_eq!(
            board.setenv.read("env"),
            "BOOT_ORDER=B A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\nBOOT_TRIAL=none\n"
        );
        assert_eq!(
            board.setenv.read("writes"),
            "write\n",
            "the second changes nothing"
        );
    }

    #[tokio::test]
    async fn an_environment_that_did_not_take_the_change_is_an_error() {
        let board = Board::new(A_RUNS, "A");
        let deaf = Script::new("cat > /dev/null");
        let running = Running::File(board.setenv.directory().join("running"));
        let mut u_boot = UBoot::new(board.printenv.program(), deaf.program(), running);
        let error = u_boot.apply(MARK_B).await.unwrap_err();
        assert!(matches!(
            error,
            BootloaderError::Unchanged {
                variable: "BOOT_ORDER",
                ..
            }
        ));
    }

    #[tokio::test]
    async fn an_environment_without_our_variables_is_what_the_boot_script_takes_it_for() {
        let board = Board::new("arch=arm\n", "A");
        assert_eq!(board.u_boot().primary().await.unwrap(), Slot::A);
        let state = board.u_boot().state(Slot::B).await.unwrap();
        assert_eq!(state, SlotState::Good);
    }

    #[tokio::test]
    async fn a_number_of_tries_that_is_none_is_an_error() {
        let board = Board::new("BOOT_A_LEFT=many\n", "A");
        let error = board.u_boot().primary().await.unwrap_err();
        assert!(matches!(error, BootloaderError::Answer { .. }));
    }

    #[test]
    fn the_command_line_says_which_slot_runs() {
        let (a, b) = (Path::new("/dev/mmcblk0p2"), Path::new("/dev/mmcblk0p3"));
        for (cmdline, slot) in [
            ("quiet rauc.slot=B root=/dev/mmcblk0p2", Some(Slot::B)),
            ("root=/dev/mmcblk0p2 rw", Some(Slot::A)),
            ("root=/dev/mmcblk0p3 rw\n", Some(Slot::B)),
            ("root=/dev/mmcblk0p2 root=/dev/mmcblk0p3", Some(Slot::B)),
            ("root=PARTUUID=0000-02", None),
            ("rauc.slot=rootfs.0", None),
            ("", None),
        ] {
            assert_eq!(slot_of_cmdline(cmdline, a, b), slot, "{cmdline}");
        }
    }

    #[tokio::test]
    async fn a_device_that_does_not_say_which_slot_runs_is_an_error() {
        let board = Board::new(A_RUNS, "rootfs.0");
        let error = board.u_boot().current().await.unwrap_err();
        assert!(matches!(error, BootloaderError::Running { .. }));
    }
}
