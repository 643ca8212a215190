//! What the person who waits is told: progress while it runs, and the numbers at its end.

use core::time::Duration;

use iot_jobs_kit::wait::Stopwatch;

use crate::device::Waits;
use crate::usage::Usage;

const SAY_EVERY: Duration = Duration::from_secs(1);
const MIB: f64 = 1024.0 * 1024.0;
const KIB: f64 = 1024.0;

/// Says something to who waits, at most once a second.
#[derive(Debug)]
pub(crate) struct Ticker {
    watch: Stopwatch,
    said: Duration,
}

impl Ticker {
    pub(crate) fn start() -> Self {
        Self {
            watch: Stopwatch::start(),
            said: Duration::ZERO,
        }
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.watch.elapsed();
        if now >= self.said + SAY_EVERY {
            self.said = now;
            say(&line());
        }
    }
}

/// Says something to who waits.
#[expect(clippy::print_stderr, reason = "a command line")]
pub(crate) fn say(line: &str) {
    eprintln!("  {line}");
}

/// What one part of the run took.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// How many things it was for.
    pub(crate) things: usize,
    pub(crate) took: Duration,
    /// The service, before and after.
    pub(crate) service: [Usage; 2],
    /// This program, before and after.
    pub(crate) own: [Usage; 2],
}

/// The numbers of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) stages: Vec<Stage>,
    pub(crate) waits: Vec<Waits>,
}

impl Report {
    /// Prints the numbers.
    #[expect(clippy::print_stdout, reason = "a command line")]
    pub(crate) fn print(&self) {
        println!(
            "\n{:<10}{:>8}{:>9}{:>11}{:>15}{:>14}{:>12}{:>15}",
            "stage",
            "things",
            "seconds",
            "per second",
            "service CPU s",
            "us per thing",
            "own CPU s",
            "service MiB"
        );
        for stage in &self.stages {
            println!("{}", stage.line());
        }
        if !self.waits.is_empty() {
            println!(
                "\n{:<10}{:>10}{:>10}{:>10}",
                "wait, ms", "p50", "p99", "max"
            );
            for (name, wait) in WAITS {
                let waits = self.waits.iter().map(wait).collect();
                println!("{name:<10}{}", percentiles(waits));
            }
        }
        if let Some([before, after]) = self.stage("connect").map(|stage| stage.service) {
            let peak = self.stages.last().map_or(0, |stage| stage.service[1].peak);
            let things = self.stage("connect").map_or(1, |stage| stage.things.max(1));
            println!(
                "\nservice's memory: {:.1} MiB before the connections, {:.1} MiB with them ({:.1} KiB each), {:.1} MiB at most",
                before.resident as f64 / MIB,
                after.resident as f64 / MIB,
                after.resident.saturating_sub(before.resident) as f64 / KIB / things as f64,
                peak as f64 / MIB,
            );
        }
    }

    fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }
}

impl Stage {
    fn line(&self) -> String {
        let [before, after] = self.service;
        let [own_before, own_after] = self.own;
        let seconds = self.took.as_secs_f64();
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        let own = own_after.cpu.saturating_sub(own_before.cpu).as_secs_f64();
        let things = self.things as f64;
        format!(
            "{:<10}{:>8}{seconds:>9.2}{:>11.0}{cpu:>15.2}{:>14.0}{own:>12.2}{:>15.1}",
            self.name,
            self.things,
            things / seconds,
            cpu * 1e6 / things,
            after.resident as f64 / MIB,
        )
    }
}

type Wait = fn(&Waits) -> Duration;

const WAITS: [(&str, Wait); 4] = [
    ("connect", |waits| waits.connect),
    ("describe", |waits| waits.describe),
    ("claim", |waits| waits.claim),
    ("succeed", |waits| waits.succeed),
];

/// The median, the 99th percentile and the maximum, in milliseconds.
fn percentiles(mut waits: Vec<Duration>) -> String {
    waits.sort_unstable();
    let last = waits.len().saturating_sub(1);
    let at = |percent: usize| {
        let wait = waits.get(last * percent / 100).copied();
        wait.unwrap_or_default().as_secs_f64() * 1000.0
    };
    format!("{:>10.2}{:>10.2}{:>10.2}", at(50), at(99), at(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_waits() {
        let waits = (0..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentiles(waits), "     50.00     99.00    100.00");
        assert_eq!(percentiles(vec![]), "      0.00      0.00      0.00");
    }
}
