//! What a process uses of its machine, as Linux tells it in `/proc`.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use iot_jobs_kit::KitError;

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Bytes of its memory that are in RAM.
    pub(crate) resident: u64,
    /// The most that these have been.
    pub(crate) peak: u64,
    /// Processor time, its own and the system's on its behalf.
    pub(crate) cpu: Duration,
}

impl Usage {
    /// Asks what the process `pid` has used.
    pub(crate) fn of(pid: u32) -> Result<Self, KitError> {
        let status = read(pid, "status")?;
        let stat = read(pid, "stat")?;
        Ok(Self {
            resident: bytes(&status, "VmRSS:"),
            peak: bytes(&status, "VmHWM:"),
            cpu: cpu(&stat, clock_ticks_per_second()),
        })
    }
}

/// Lets this process open as many files as the system allows it, and says how many that is.
pub(crate) fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Refused, it stays what it was.
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised,
        Err(_) => limit,
    };
    limit.current.unwrap_or(u64::MAX)
}

fn read(pid: u32, name: &str) -> Result<String, KitError> {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    fs::read_to_string(&path).map_err(|source| KitError::File { path, source })
}

/// A line of `status` such as `VmRSS:     1234 kB`.
fn bytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// `utime` and `stime`, the 14th and 15th field of `stat`; the second is a name in brackets.
fn cpu(stat: &str, ticks_per_second: u64) -> Duration {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1000 / ticks_per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(bytes(status, "VmRSS:"), 1024 * 1024);
        assert_eq!(bytes(status, "VmHWM:"), 2048 * 1024);
    }

    #[test]
    fn processor_time_is_that_of_the_process_and_of_the_system() {
        let stat = "42 (a) b)) S 1 1 1 0 -1 4194560 10 0 0 0 150 50 7 7 20 0 1 0";
        assert_eq!(cpu(stat, 100), Duration::from_secs(2));
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > 0 && usage.peak >= usage.resident);
    }
}
