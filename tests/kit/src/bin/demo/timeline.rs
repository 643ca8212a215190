//! What is printed while the job runs: one line for each change, a bar on a terminal.

use core::time::Duration;
use std::io::{Write as _, stdout};

use iot_jobs_kit::aws::Execution;
use iot_jobs_kit::wait::Stopwatch;

/// Characters of the bar.
const BAR: u64 = 30;
/// Off a terminal: a line for each of so many parts of the download.
const PARTS: u64 = 4;
const MIB: f64 = 1_048_576.0;

/// What the agent logs at the moments that are worth a line, and what to call them.
const MOMENTS: &[(&str, &str, &str)] = &[
    (
        "claimed job",
        "claimed",
        "the service accepted IN_PROGRESS; the record is on disk",
    ),
    (
        "downloaded",
        "downloaded",
        "every byte is in the spare slot and has the digest of the document",
    ),
    ("marked slot", "marked", "the spare slot boots once"),
    ("rebooting", "rebooting", "announced to the service first"),
    (
        "confirming",
        "confirming",
        "the running image has the digest, the service is reached",
    ),
];

/// The printed timeline.
#[derive(Debug)]
pub(crate) struct Timeline {
    watch: Stopwatch,
    terminal: bool,
    bar: bool,
    bytes: u64,
    total: u64,
    part: u64,
    status: String,
    marks: Vec<(&'static str, Duration)>,
}

impl Timeline {
    /// Starts; `terminal` decides between a bar and plain lines.
    pub(crate) fn new(terminal: bool) -> Self {
        Self {
            watch: Stopwatch::start(),
            terminal,
            bar: false,
            bytes: 0,
            total: 0,
            part: 0,
            status: String::new(),
            marks: Vec::new(),
        }
    }

    /// Bytes downloaded, as last reported.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Shows what changed in the execution.
    pub(crate) fn execution(&mut self, execution: &Execution) {
        if let Ok(bytes) = execution.detail("bytes").parse::<u64>()
            && bytes != self.bytes
        {
            self.bytes = bytes;
            self.progress(&execution.detail("progress"));
        }
        let status = execution.status();
        if status == self.status {
            return;
        }
        let name = match status.as_str() {
            "QUEUED" => "queued",
            "IN_PROGRESS" => "in progress",
            _ => "ended",
        };
        self.say(name, &format!("the service says {status}"));
        self.status = status;
    }

    /// Shows a moment that the agent logged.
    pub(crate) fn log_line(&mut self, line: &str) {
        for (text, name, meaning) in MOMENTS {
            if line.contains(text) && !self.marks.iter().any(|(seen, _)| seen == name) {
                self.say(name, meaning);
            }
        }
        if line.contains("resumed download") {
            self.say(
                "resumed",
                "with Range and If-Range, from the first byte that is missing",
            );
        }
    }

    /// Prints a line, and notes the moment.
    #[expect(clippy::print_stdout, reason = "a command line")]
    pub(crate) fn say(&mut self, name: &'static str, meaning: &str) {
        self.close_bar();
        println!(
            "{:7.2} s  {name:<12} {meaning}",
            self.watch.elapsed().as_secs_f64()
        );
        self.marks.push((name, self.watch.elapsed()));
    }

    /// Prints where the time went.
    #[expect(clippy::print_stdout, reason = "a command line")]
    pub(crate) fn summary(&mut self, end: &Execution, len: u64, served: Option<u64>) {
        self.close_bar();
        println!("\nWhere the time went");
        let at = |name: &str| {
            self.marks
                .iter()
                .find(|(mark, _)| *mark == name)
                .map(|(_, at)| *at)
        };
        for (what, from, to) in [
            ("create to claim", "queued", "claimed"),
            ("download", "claimed", "downloaded"),
            (
                "verify what was written, mark the slot",
                "downloaded",
                "marked",
            ),
            (
                "reboot, connect, find the job again",
                "rebooting",
                "confirming",
            ),
            ("confirm and report", "confirming", "ended"),
        ] {
            if let (Some(from), Some(to)) = (at(from), at(to)) {
                println!("  {:6.2} s  {what}", to.saturating_sub(from).as_secs_f64());
            }
        }
        if let Some(served) = served {
            println!(
                "  {:6} B  fetched twice, of {:.0} MiB",
                served.saturating_sub(len),
                len as f64 / MIB
            );
        }
        println!(
            "Status details: version {}, sha256 {}",
            end.detail("version"),
            end.detail("sha256")
        );
    }

    fn progress(&mut self, phase: &str) {
        const TOTAL: u64 = crate::IMAGE_LEN as u64;
        self.total = TOTAL;
        let part = self.bytes * PARTS / TOTAL;
        if self.terminal {
            self.draw();
        } else if part != self.part {
            self.part = part;
            let done = format!(
                "{phase} {:.1} of {:.1} MiB",
                self.bytes as f64 / MIB,
                TOTAL as f64 / MIB
            );
            self.say("progress", &done);
        }
    }

    #[expect(clippy::print_stdout, reason = "a command line")]
    fn draw(&mut self) {
        let filled = (self.bytes * BAR / self.total.max(1)).min(BAR);
        let bar: String = (0..BAR)
            .map(|i| if i < filled { '█' } else { '░' })
            .collect();
        let at = self.watch.elapsed().as_secs_f64();
        print!(
            "\r{at:7.2} s  progress     {bar} {:5.1} MiB ",
            self.bytes as f64 / MIB
        );
        let _ = stdout().flush();
        self.bar = true;
    }

    #[expect(clippy::print_stdout, reason = "a command line")]
    fn close_bar(&mut self) {
        if self.bar {
            println!();
            self.bar = false;
        }
    }
}
