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
/// What the agent logs when it reached the broker.
const LINK_UP: &str = "link up";
/// The field of the agent's log line that counts bytes fetched twice.
const REFETCHED: &str = " refetched=";

/// A line of the agent's log that is worth one of ours.
struct Moment {
    logged: &'static str,
    name: &'static str,
    meaning: &'static str,
}

const MOMENTS: [Moment; 7] = [
    Moment {
        logged: "claimed job",
        name: "claimed",
        meaning: "the service accepted IN_PROGRESS",
    },
    Moment {
        logged: "downloaded artifact",
        name: "downloaded",
        meaning: "every byte is in the spare slot, with the digest of the document",
    },
    Moment {
        logged: "phase=\"verifying\"",
        name: "verifying",
        meaning: "what was written is read back",
    },
    Moment {
        logged: "phase=\"rebooting\"",
        name: "marked",
        meaning: "the spare slot boots once",
    },
    Moment {
        logged: "job waits for a reboot",
        name: "rebooting",
        meaning: "the service knows, the record is on disk",
    },
    Moment {
        logged: "run=AfterReboot",
        name: "rebooted",
        meaning: "the new image runs, the same execution was found again",
    },
    Moment {
        logged: "phase=\"confirming\"",
        name: "confirming",
        meaning: "the image has its digest, the service is reached",
    },
];

/// What to call the time between two moments.
const SPANS: [(&str, &str, &str); 5] = [
    ("queued", "claimed", "create to claim"),
    ("claimed", "downloaded", "download, over a link that broke"),
    ("downloaded", "marked", "read back, mark the slot"),
    (
        "marked",
        "rebooted",
        "announce, reboot, connect, find the job again",
    ),
    ("rebooted", "ended", "check, confirm, report"),
];

/// The printed timeline.
#[derive(Debug)]
pub(crate) struct Timeline {
    watch: Stopwatch,
    terminal: bool,
    bar: bool,
    total: u64,
    bytes: u64,
    part: u64,
    refetched: Option<u64>,
    status: String,
    marks: Vec<(&'static str, Duration)>,
}

impl Timeline {
    /// Starts, for a download of `total` bytes; `terminal` decides between a bar and plain lines.
    pub(crate) fn new(total: usize, terminal: bool) -> Self {
        Self {
            watch: Stopwatch::start(),
            terminal,
            bar: false,
            total: total as u64,
            bytes: 0,
            part: 0,
            refetched: None,
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
        if execution.detail("progress").starts_with("downloading")
            && let Ok(bytes) = execution.detail("bytes").parse::<u64>()
            && bytes > self.bytes
        {
            self.bytes = bytes;
            self.progress();
        }
        let status = execution.status();
        if status == self.status {
            return;
        }
        match status.as_str() {
            "QUEUED" => self.say("queued", "the job is created and notified"),
            "IN_PROGRESS" => {}
            _ => self.say("ended", &format!("the service says {status}")),
        }
        self.status = status;
    }

    /// Shows what the agent logged.
    pub(crate) fn log_line(&mut self, line: &str) {
        for moment in &MOMENTS {
            if line.contains(moment.logged) && self.at(moment.name).is_none() {
                self.say(moment.name, moment.meaning);
            }
        }
        if line.contains(LINK_UP) && self.at("link cut").is_some() && self.at("link up").is_none() {
            self.say("link up", "the download goes on where it was");
        }
        if let Some((_, refetched)) = line.split_once(REFETCHED) {
            self.refetched = refetched.trim().parse().ok();
        }
    }

    /// Prints a line, and notes the moment.
    #[expect(clippy::print_stdout, reason = "a command line")]
    pub(crate) fn say(&mut self, name: &'static str, meaning: &str) {
        self.close_bar();
        let at = self.watch.elapsed();
        println!("{:7.2} s  {name:<12} {meaning}", at.as_secs_f64());
        self.marks.push((name, at));
    }

    /// Prints where the time went.
    #[expect(clippy::print_stdout, reason = "a command line")]
    pub(crate) fn summary(&mut self, end: &Execution) {
        self.close_bar();
        println!("\nWhere the time went");
        for (from, to, what) in SPANS {
            if let (Some(from), Some(to)) = (self.at(from), self.at(to)) {
                println!("{:9.2} s  {what}", to.saturating_sub(from).as_secs_f64());
            }
        }
        if let Some(refetched) = self.refetched {
            let mib = self.total as f64 / MIB;
            println!("{refetched:9} B  fetched twice, of {mib:.0} MiB");
        }
        println!("\nStatus details");
        for key in ["version", "bytes", "sha256", "slot"] {
            println!("  {key:<8} {}", end.detail(key));
        }
    }

    fn at(&self, name: &str) -> Option<Duration> {
        let found = self.marks.iter().find(|(mark, _)| *mark == name);
        found.map(|(_, at)| *at)
    }

    fn progress(&mut self) {
        let part = self.bytes * PARTS / self.total.max(1);
        if self.terminal {
            self.draw();
        } else if part != self.part {
            self.part = part;
            let (done, total) = (self.bytes as f64 / MIB, self.total as f64 / MIB);
            self.say("progress", &format!("{done:.1} of {total:.1} MiB"));
        }
    }

    #[expect(clippy::print_stdout, reason = "a command line")]
    fn draw(&mut self) {
        let filled = (self.bytes * BAR / self.total.max(1)).min(BAR);
        let bar: String = (0..BAR)
            .map(|i| if i < filled { '█' } else { '░' })
            .collect();
        let (at, mib) = (self.watch.elapsed().as_secs_f64(), self.bytes as f64 / MIB);
        print!("\r{at:7.2} s  progress     {bar} {mib:5.1} MiB ");
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
