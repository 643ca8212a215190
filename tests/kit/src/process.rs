//! A child process whose log lines are kept, and whose power can be pulled at any of them.

use core::fmt;
use core::time::Duration;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::{KitError, at, wait_for};

/// Sees each line of a log, of one process after the other.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<Look>>);

type Look = dyn FnMut(&str) -> Verdict + Send;

impl Watch {
    /// Calls `look` for each line.
    pub fn new(look: impl FnMut(&str) -> Verdict + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(look)))
    }

    fn look(&self, line: &str) -> Verdict {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(line)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// What happens to a process after a line of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// SIGKILL, at once.
    Kill,
    /// Nothing.
    Live,
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    program: PathBuf,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `command`; what it writes to stderr is kept, and appended to `log`.
    pub fn start(mut command: Command, log: &Path, watch: Option<Watch>) -> Result<Self, KitError> {
        let program = PathBuf::from(command.get_program());
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(at(log))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| KitError::Start {
                program: program.clone(),
                source,
            })?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let pid = pid(&child);
            let kept = Arc::clone(&lines);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let verdict = watch
                        .as_ref()
                        .map_or(Verdict::Live, |watch| watch.look(&line));
                    if let (Verdict::Kill, Some(pid)) = (verdict, pid) {
                        let _ = kill_process(pid, Signal::KILL);
                    }
                    let _ = writeln!(file, "{line}");
                    lock(&kept).push(line);
                }
            });
        }
        Ok(Self {
            child,
            program,
            lines,
        })
    }

    /// The lines logged so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    /// The last lines logged, for error messages.
    pub fn tail(&self) -> String {
        const TAIL: usize = 30;
        let lines = self.lines();
        lines
            .get(lines.len().saturating_sub(TAIL)..)
            .unwrap_or_default()
            .join("\n")
    }

    /// Waits for a log line that contains `text`.
    pub fn wait_line(&self, text: &str, within: Duration) -> Result<String, KitError> {
        wait_for(within, || {
            self.lines().into_iter().find(|line| line.contains(text))
        })
        .ok_or_else(|| KitError::Timeout {
            what: format!("{text:?} in the log of {}", self.program.display()),
            seconds: within.as_secs(),
            log: self.tail(),
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs, and how it ended if not.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus, KitError> {
        if let Some(pid) = pid(&self.child) {
            let _ = kill_process(pid, Signal::TERM);
        }
        wait_for(within, || self.exited()).ok_or_else(|| KitError::Timeout {
            what: format!("{} to end after SIGTERM", self.program.display()),
            seconds: within.as_secs(),
            log: self.tail(),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// A panicking reader leaves whole lines behind.
fn lock(lines: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}
