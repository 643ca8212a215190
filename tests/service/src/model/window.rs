//! When a job may reach its things: from its start to its end, and within its maintenance windows.
//!
//! A [`Schedule`] is read from the request once (see [`super::schedule`]) and tells, for any moment,
//! in which [`Phase`] a job is and when that may change.
//!
//! ```text
//!        start or window's start               end
//! Shut ─────────────────────────▶ Open ─────────────────▶ Ended
//!   ▲        window's end           │                       ▲
//!   └───────────────────────────────┘                       │
//!   └───────────────────────────────────────────────────────┘
//! ```
//!
//! Only windows that begin at or after the job's start count. How many windows AWS takes, and what
//! it makes of those that overlap, is unknown: here a job is open while any of them is.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::cron::Cron;
use super::time::Timestamp;

/// How many windows in a row are followed to tell when the last one closes: a month at least.
const MAX_CHAIN: usize = 256;

/// What becomes of the open executions of a job at its end (API reference, SchedulingConfig).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum EndBehavior {
    /// The queued ones are cancelled.
    Cancel,
    /// All are cancelled.
    ForceCancel,
    /// They go on.
    #[default]
    StopRollout,
}

impl EndBehavior {
    /// The names of all, in the order of the API reference.
    pub(super) const NAMES: [&'static str; 3] = ["STOP_ROLLOUT", "CANCEL", "FORCE_CANCEL"];

    /// The behaviour that the wire spells `text`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "CANCEL" => Some(Self::Cancel),
            "FORCE_CANCEL" => Some(Self::ForceCancel),
            "STOP_ROLLOUT" => Some(Self::StopRollout),
            _ => None,
        }
    }
}

/// Where a job stands in its schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Phase {
    /// Its end has come.
    Ended,
    /// It reaches its things.
    #[default]
    Open,
    /// It has not begun, or is between two windows.
    Shut,
}

/// When a job may reach its things. The default is always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) end_behavior: EndBehavior,
    pub(super) windows: Vec<Window>,
}

/// A window that opens again and again, each time for as long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) opens: Cron,
    pub(super) duration: Duration,
}

impl Schedule {
    /// The phase at `at`.
    pub(super) fn phase(&self, at: Timestamp) -> Phase {
        if self.end.is_some_and(|end| end <= at) {
            return Phase::Ended;
        }
        let started = self.start.is_none_or(|start| start <= at);
        if started && (self.windows.is_empty() || self.close(at).is_some()) {
            Phase::Open
        } else {
            Phase::Shut
        }
    }

    /// The first moment after `at` at which the phase may be another one.
    pub(super) fn next_edge(&self, at: Timestamp) -> Option<Timestamp> {
        if self.end.is_some_and(|end| end <= at) {
            return None;
        }
        let start = self.start.filter(|start| *start > at);
        let window = match start {
            None => self.last_close(at).or_else(|| self.next_start(at)),
            Some(_) => None,
        };
        start.or(window).into_iter().chain(self.end).min()
    }

    /// The next `count` moments at which a window opens, all of them before the end.
    pub(super) fn rollouts(&self, at: Timestamp, count: usize) -> Vec<Timestamp> {
        let mut rollouts = Vec::new();
        let mut after = at;
        // As a window may begin at the very start, the search begins just before it.
        if let Some(start) = self.start.filter(|start| *start > at) {
            after = Timestamp::from_millis(start.as_millis().saturating_sub(1));
        }
        while rollouts.len() < count
            && let Some(next) = self.next_start(after)
            && self.end.is_none_or(|end| next < end)
        {
            rollouts.push(next);
            after = next;
        }
        rollouts
    }

    fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        let opens = || self.windows.iter().map(|window| &window.opens);
        // Who opens on the same day is ahead of those that have to be searched for.
        let soon = opens().filter_map(|opens| opens.soon(at)).min();
        soon.or_else(|| opens().filter_map(|opens| opens.after(at)).min())
    }

    /// When the windows that are open at `at` close, the last of them. No window is open for a day.
    fn close(&self, at: Timestamp) -> Option<Timestamp> {
        let closes = self.windows.iter().filter_map(|window| {
            let start = window.opens.lately(at)?;
            let counts = self.start.is_none_or(|first| first <= start);
            let close = start.plus(window.duration);
            (counts && close > at).then_some(close)
        });
        closes.max()
    }

    /// When no window is open any more, if one is open at `at`.
    fn last_close(&self, at: Timestamp) -> Option<Timestamp> {
        let first = self.close(at)?;
        core::iter::successors(Some(first), |close| self.close(*close))
            .take(MAX_CHAIN)
            .last()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::model::calendar::{parse_minute, print_minute, start_of};
    use crate::model::cron::print;

    use super::*;

    fn at(text: &str) -> Timestamp {
        start_of(parse_minute(text).unwrap())
    }

    fn schedule(start: &str, windows: &[(&str, u64)]) -> Schedule {
        let window = |(opens, minutes): &(&str, u64)| Window {
            opens: Cron::parse(opens).unwrap(),
            duration: Duration::from_secs(minutes * 60),
        };
        Schedule {
            start: Some(at(start)),
            windows: windows.iter().map(window).collect(),
            ..Schedule::default()
        }
    }

    /// The edges after `from`, each with the phase that begins there.
    fn edges(schedule: &Schedule, from: &str, count: usize) -> Vec<(String, Phase)> {
        let first = schedule.next_edge(at(from));
        core::iter::successors(first, |edge| schedule.next_edge(*edge))
            .take(count)
            .map(|edge| (print(edge), schedule.phase(edge)))
            .collect()
    }

    fn expected(edges: &[(&str, Phase)]) -> Vec<(String, Phase)> {
        let edges = edges.iter().map(|(at, phase)| (at.to_string(), *phase));
        edges.collect()
    }

    #[test]
    fn without_a_schedule_a_job_is_open_for_ever() {
        let schedule = Schedule::default();
        assert_eq!(schedule.phase(Timestamp::default()), Phase::Open);
        assert_eq!(schedule.next_edge(Timestamp::default()), None);
    }

    #[test]
    fn a_job_without_windows_is_open_from_its_start_to_its_end() {
        let schedule = Schedule {
            end: Some(at("2026-11-21T12:00")),
            ..schedule("2026-11-20T12:00", &[])
        };
        assert_eq!(
            edges(&schedule, "2026-11-20T11:00", 9),
            expected(&[
                ("2026-11-20T12:00", Phase::Open),
                ("2026-11-21T12:00", Phase::Ended),
            ])
        );
        assert_eq!(schedule.phase(at("2026-11-20T11:59")), Phase::Shut);
    }

    #[test]
    fn a_job_waits_for_the_first_window_after_its_start() {
        let schedule = schedule("2026-11-20T10:30", &[("0 10 * * ? *", 60)]);
        assert_eq!(
            edges(&schedule, "2026-11-20T09:00", 3),
            expected(&[
                ("2026-11-20T10:30", Phase::Shut),
                ("2026-11-21T10:00", Phase::Open),
                ("2026-11-21T11:00", Phase::Shut),
            ]),
            "the window that was open at the start had begun before"
        );
    }

    #[test]
    fn a_window_that_begins_at_the_start_counts() {
        let schedule = schedule("2026-11-20T10:00", &[("0 10 * * ? *", 60)]);
        assert_eq!(schedule.phase(at("2026-11-20T10:00")), Phase::Open);
        let rollouts = schedule.rollouts(at("2026-11-20T09:00"), 2);
        let rollouts: Vec<_> = rollouts.into_iter().map(print).collect();
        assert_eq!(rollouts, ["2026-11-20T10:00", "2026-11-21T10:00"]);
    }

    #[test]
    fn windows_that_touch_or_overlap_are_one() {
        let windows = [
            ("0 1 * * ? *", 60),
            ("0 2 * * ? *", 30),
            ("15 2 * * ? *", 30),
        ];
        assert_eq!(
            edges(
                &schedule("2026-11-20T00:00", &windows),
                "2026-11-20T00:00",
                3
            ),
            expected(&[
                ("2026-11-20T01:00", Phase::Open),
                ("2026-11-20T02:45", Phase::Shut),
                ("2026-11-21T01:00", Phase::Open),
            ])
        );
    }

    #[test]
    fn a_window_crosses_a_years_end_and_falls_on_leap_days() {
        let new_year = schedule("2026-12-30T00:00", &[("30 23 31 12 ? *", 60)]);
        assert_eq!(
            edges(&new_year, "2026-12-31T00:00", 3),
            expected(&[
                ("2026-12-31T23:30", Phase::Open),
                ("2027-01-01T00:30", Phase::Shut),
                ("2027-12-31T23:30", Phase::Open),
            ])
        );
        let leap_day = schedule("2026-11-20T12:00", &[("0 23 29 2 ? *", 120)]);
        assert_eq!(
            edges(&leap_day, "2026-11-20T12:00", 3),
            expected(&[
                ("2028-02-29T23:00", Phase::Open),
                ("2028-03-01T01:00", Phase::Shut),
                ("2032-02-29T23:00", Phase::Open),
            ])
        );
    }

    #[test]
    fn the_end_cuts_a_window_and_ends_what_is_shut() {
        let open = Schedule {
            end: Some(at("2026-11-21T10:30")),
            ..schedule("2026-11-20T12:00", &[("0 10 * * ? *", 60)])
        };
        assert_eq!(
            edges(&open, "2026-11-20T12:00", 9),
            expected(&[
                ("2026-11-21T10:00", Phase::Open),
                ("2026-11-21T10:30", Phase::Ended),
            ])
        );
        assert_eq!(open.rollouts(at("2026-11-21T10:00"), 7), []);
        let shut = Schedule {
            end: Some(at("2026-11-21T09:00")),
            ..open
        };
        assert_eq!(
            edges(&shut, "2026-11-20T12:00", 9),
            expected(&[("2026-11-21T09:00", Phase::Ended)])
        );
    }

    #[test]
    fn windows_that_never_close_are_followed_for_a_while_only() {
        let always = schedule("2026-11-20T12:00", &[("0 * * * ? *", 60)]);
        let edge = always.next_edge(at("2026-11-20T12:00")).unwrap();
        assert_eq!(always.phase(edge), Phase::Open);
        assert!(edge > at("2026-11-30T00:00"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn phases_change_at_edges_alone(
            first in 0..60_u64,
            hours in 1..12_u64,
            minutes in proptest::collection::vec(1..=1430_u64, 1..3),
            probe in 0..4000_u64,
        ) {
            let opens = [format!("{first} */{hours} * * ? *"), format!("0 {hours} ? * MON,TUE *")];
            let windows: Vec<_> = opens.iter().map(String::as_str).zip(minutes).collect();
            let schedule = schedule("2026-12-30T00:00", &windows);
            let from = parse_minute("2026-12-30T00:00").unwrap() + probe;

            let phase = |minute| schedule.phase(start_of(minute));
            let limit = from + 3000;
            let slow = (from + 1..limit).find(|minute| phase(*minute) != phase(from));
            let edge = schedule.next_edge(start_of(from)).map(crate::model::calendar::minute_of);
            let edge = edge.filter(|edge| *edge < limit);
            prop_assert!(edge == slow, "{:?} {:?} from {}", edge, slow, print_minute(from));
        }
    }
}
