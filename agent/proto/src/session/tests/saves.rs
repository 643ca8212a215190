//! A job that installs an image, on an agent or a device that dies at any of its saves.

use super::bench::{Bench, Done, details, settings};
use crate::details::StatusDetails;
use crate::session::{Input, Lane, Outcome};

/// More steps than any job needs.
const STEPS_MAX: usize = 40;
/// More saves than any job needs.
const SAVES_MAX: usize = 12;

#[test]
fn an_agent_that_dies_at_any_save_ends_the_job_as_if_it_had_not() {
    for save in 0..SAVES_MAX {
        for durable in [false, true] {
            let board = drive(&[(save, durable)], false);
            assert_eq!(
                board.end,
                Some("SUCCEEDED"),
                "save {save}, durable {durable}"
            );
            assert_eq!((board.trials, board.confirms), (1, 1), "save {save}");
        }
    }
}

#[test]
fn an_agent_that_dies_at_any_two_saves_ends_the_job_as_if_it_had_not() {
    for (first, second) in pairs() {
        let board = drive(&[(first, true), (second, false)], false);
        assert_eq!(board.end, Some("SUCCEEDED"), "saves {first} and {second}");
        assert_eq!((board.trials, board.confirms), (1, 1), "{first}, {second}");
    }
}

#[test]
fn a_device_that_dies_at_any_two_saves_says_what_it_runs() {
    let mut rolled_back = 0;
    for (first, second) in pairs() {
        let board = drive(&[(first, true), (second, true)], true);
        let expected = if board.runs_new {
            "SUCCEEDED"
        } else {
            "FAILED"
        };
        assert_eq!(board.end, Some(expected), "saves {first} and {second}");
        assert_eq!(board.trials, 1, "saves {first} and {second}");
        rolled_back += usize::from(!board.runs_new);
    }
    assert!(
        rolled_back > 0,
        "a power cut during the trial is among them"
    );
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..SAVES_MAX).flat_map(|first| (0..SAVES_MAX).map(move |second| (first, second)))
}

/// Two slots and a bootloader that tries an image once.
#[derive(Default)]
struct Board {
    marked: bool,
    runs_new: bool,
    on_trial: bool,
    trials: u32,
    confirms: u32,
    /// What the service was told.
    end: Option<&'static str>,
}

impl Board {
    fn boot(&mut self) {
        if core::mem::take(&mut self.marked) {
            (self.runs_new, self.on_trial) = (true, true);
            self.trials += 1;
        } else if core::mem::take(&mut self.on_trial) {
            self.runs_new = false;
        }
    }

    /// One run of a handler as the firmware handler is: it marks once its state says so.
    fn run(&mut self, bench: &mut Bench<1>) {
        let state = bench.session.handler_state(Lane(0)).to_vec();
        let starts = bench.settings.seed;
        let counted = state == b"counted";
        if !self.runs_new && !self.marked {
            if counted {
                let why = details(&[("reason", "rolled_back")]);
                return bench.finish(0, Outcome::Failed(&why));
            }
            bench.handle(Input::HandlerState(Lane(0), b"armed"));
            if bench.settings.seed != starts {
                return;
            }
            self.marked = true;
        }
        if !counted {
            bench.handle(Input::HandlerState(Lane(0), b"counted"));
            if bench.settings.seed != starts {
                return;
            }
        }
        if self.marked {
            return bench.finish(0, Outcome::Reboot(&StatusDetails::new()));
        }
        self.confirms += u32::from(core::mem::take(&mut self.on_trial));
        bench.succeed(0);
    }
}

/// Runs one job to its end; `deaths` are counted in saves, each from the one before.
fn drive(deaths: &[(usize, bool)], power_goes: bool) -> Board {
    let mut board = Board::default();
    let mut bench = Bench::<1>::with(settings());
    let mut deaths = deaths.iter().copied();
    bench.dies_at_save = deaths.next();
    bench.service.queue("job");
    for _ in 0..STEPS_MAX {
        let (starts, armed) = (bench.settings.seed, bench.dies_at_save.is_some());
        if !bench.linked {
            bench.link_up();
        } else if bench.running[0] {
            board.run(&mut bench);
        } else {
            bench.pass_secs(60);
        }
        let reboots = |done: &Done| matches!(done, Done::Reboot(_) | Done::RollBack(_));
        let asked = bench.done.iter().any(reboots);
        let died = armed && bench.dies_at_save.is_none() && bench.settings.seed != starts;
        if died {
            bench.dies_at_save = deaths.next();
        }
        if asked || (died && power_goes) {
            if bench.did(&Done::RollBack(0)) {
                (board.marked, board.runs_new, board.on_trial) = (false, false, false);
            }
            bench.done.clear();
            board.boot();
            bench.settings.trial = board.on_trial;
            bench.reboot();
        }
        let status = bench.status("job");
        if !matches!(status, "QUEUED" | "IN_PROGRESS") {
            board.end = Some(status);
        }
    }
    assert_eq!(bench.service.execution("job").ends, 1, "one end");
    board
}
