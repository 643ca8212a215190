//! What the agent is at, for `iot-jobs-agent status`.
//!
//! The running agent answers every connection to a Unix socket in its state directory with one JSON object. No file is written,
//! so that progress wears no flash, and an answer is never stale: when nobody listens, no agent runs.

use core::cell::RefCell;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use iot_jobs_hal::{BootState, FirmwareSlots};
use iot_jobs_proto::event::Event;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio::time::timeout;

use crate::error::StartError;
use crate::{journal, timer};

/// Name of the socket in the state directory.
const SOCKET: &str = "status.sock";
/// How long either side waits for the other.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long nobody is answered after a connection could not be taken.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// Most bytes that a client reads.
const ANSWER_LEN_MAX: u64 = 256 * 1024;
/// Ended executions that are kept.
const RESULTS_MAX: usize = 16;

/// The state of a slot whose image is confirmed.
const CONFIRMED: &str = "confirmed";
/// The state of a slot whose image waits to be confirmed.
const TRIAL: &str = "on trial";

/// What the agent is at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The agent's version.
    pub(crate) version: String,
    /// The agent's process.
    pub(crate) pid: u32,
    /// The device.
    pub(crate) thing: String,
    /// The connection.
    pub(crate) link: LinkStatus,
    /// Each owned namespace, by its name.
    pub(crate) namespaces: BTreeMap<String, NamespaceStatus>,
    /// Executions that ended, the latest first.
    pub(crate) results: VecDeque<ResultStatus>,
    /// The firmware slots, if the device has any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) slots: Option<SlotsStatus>,
}

/// The connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkStatus {
    /// Where to.
    pub(crate) endpoint: String,
    /// Whether it is up.
    pub(crate) up: bool,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) cause: Option<String>,
}

/// One namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamespaceStatus {
    /// Whether the broker granted every subscription.
    pub(crate) subscribed: bool,
    /// What runs.
    pub(crate) executions: Vec<ExecutionStatus>,
}

/// An execution that runs, or whose end is still to be reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecutionStatus {
    /// The job.
    pub(crate) job: String,
    /// The execution's number.
    pub(crate) execution: i64,
    /// The handler.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) handler: Option<String>,
    /// How far it is, as reported.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) progress: Option<String>,
    /// Bytes done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) bytes: Option<u64>,
}

/// An execution that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResultStatus {
    /// The namespace.
    pub(crate) namespace: String,
    /// The job.
    pub(crate) job: String,
    /// The execution's number.
    pub(crate) execution: i64,
    /// Its terminal status.
    pub(crate) status: String,
}

/// The firmware slots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotsStatus {
    /// The slot that runs.
    pub(crate) running: String,
    /// What the bootloader is at.
    pub(crate) state: String,
}

impl SlotsStatus {
    /// Asks the bootloader.
    pub(crate) async fn read<S: FirmwareSlots>(slots: &mut S) -> Result<Self, S::Error> {
        Ok(Self {
            running: slots.running().await?.as_str().to_owned(),
            state: match slots.boot_state().await? {
                BootState::Confirmed => CONFIRMED,
                BootState::Marked => "trial of the other one at the next boot",
                BootState::Trial => TRIAL,
            }
            .to_owned(),
        })
    }

    /// Whether the running image is confirmed, and nothing else will boot next.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.state == CONFIRMED
    }

    /// Whether the running image waits to be confirmed.
    pub(crate) fn is_trial(&self) -> bool {
        self.state == TRIAL
    }
}

impl Status {
    /// Keeps what an event says of an execution's end.
    pub(crate) fn note(&mut self, event: &Event) {
        if let Event::Reported {
            execution, status, ..
        } = event
        {
            self.ended(ResultStatus {
                namespace: journal::namespace_name(&execution.namespace).to_owned(),
                job: execution.job.to_string(),
                execution: execution.number,
                status: status.as_str().to_owned(),
            });
        }
    }

    /// Keeps a result, and forgets the oldest beyond the bound.
    fn ended(&mut self, result: ResultStatus) {
        self.results.push_front(result);
        self.results.truncate(RESULTS_MAX);
    }

    /// One line for `systemctl status`.
    pub(crate) fn line(&self) -> String {
        let link = if self.link.up {
            format!("connected to {}", self.link.endpoint)
        } else if let Some(cause) = &self.link.cause {
            format!("not connected to {}: {cause}", self.link.endpoint)
        } else {
            format!("connecting to {}", self.link.endpoint)
        };
        let mut running = self.namespaces.values().flat_map(|space| &space.executions);
        match running.next() {
            Some(first) => {
                let more = running.count();
                let progress = first.progress.as_deref().unwrap_or("running");
                let others = match more {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("{link}; job {} {progress}{others}", first.job)
            }
            None => format!("{link}; no job"),
        }
    }

    /// Several lines for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!("agent      {} (process {})", self.version, self.pid),
            format!("thing      {}", self.thing),
            match &self.link.cause {
                _ if self.link.up => format!("link       up, {}", self.link.endpoint),
                Some(cause) => format!("link       down, {}: {cause}", self.link.endpoint),
                None => format!("link       connecting to {}", self.link.endpoint),
            },
        ];
        if let Some(slots) = &self.slots {
            lines.push(format!(
                "slots      {} runs, {}",
                slots.running, slots.state
            ));
        }
        for (name, space) in &self.namespaces {
            let subscribed = if space.subscribed {
                "subscribed"
            } else {
                "not subscribed"
            };
            lines.push(format!("namespace  {name}: {subscribed}"));
            for execution in &space.executions {
                let handler = execution.handler.as_deref().unwrap_or("-");
                let progress = execution.progress.as_deref().unwrap_or("-");
                lines.push(format!(
                    "  running  {} #{} {handler} {progress}",
                    execution.job, execution.execution
                ));
            }
        }
        for result in &self.results {
            lines.push(format!(
                "  ended    {} #{} {} ({})",
                result.job, result.execution, result.status, result.namespace
            ));
        }
        lines.join("\n")
    }
}

/// Starts to answer; the socket lives as long as the task.
///
/// Must be called within a [`tokio::task::LocalSet`].
pub(crate) fn serve(directory: &Path, status: Rc<RefCell<Status>>) -> io::Result<()> {
    let (_directory, path) = socket(directory)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    tokio::task::spawn_local(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                // Out of descriptors: whoever asked is gone, the next one waits for its turn.
                timer::wait(ACCEPT_AGAIN).await;
                continue;
            };
            let answer = serde_json::to_vec(&*status.borrow()).unwrap_or_default();
            let _ = timeout(ANSWER_WITHIN, stream.write_all(&answer)).await;
        }
    });
    Ok(())
}

/// Asks the agent that uses `directory`.
pub(crate) fn ask(directory: &Path) -> Result<Status, StartError> {
    let not_running = || StartError::NotRunning {
        path: directory.to_owned(),
    };
    let unresponsive = |reason: String| StartError::Unresponsive {
        path: directory.to_owned(),
        reason,
    };
    let absent = |error: &io::Error| {
        let kind = error.kind();
        kind == io::ErrorKind::NotFound || kind == io::ErrorKind::ConnectionRefused
    };
    let connected = socket(directory)
        .and_then(|(_directory, path)| BlockingStream::connect(path))
        .and_then(|stream| {
            stream
                .set_read_timeout(Some(ANSWER_WITHIN))
                .map(|()| stream)
        });
    let stream = match connected {
        Ok(stream) => stream,
        Err(error) if absent(&error) => return Err(not_running()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(StartError::Forbidden {
                path: directory.to_owned(),
            });
        }
        Err(error) => return Err(unresponsive(error.to_string())),
    };
    let mut answer = Vec::new();
    stream
        .take(ANSWER_LEN_MAX)
        .read_to_end(&mut answer)
        .map_err(|error| {
            // What a read time-out is called on Linux.
            if error.kind() == io::ErrorKind::WouldBlock {
                unresponsive(format!("nothing came within {} s", ANSWER_WITHIN.as_secs()))
            } else {
                unresponsive(error.to_string())
            }
        })?;
    serde_json::from_slice(&answer).map_err(|error| unresponsive(error.to_string()))
}

/// The socket's path by way of the directory's descriptor, which is short however long the directory's own path is: a socket
/// address has room for 107 bytes.
fn socket(directory: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::open(directory)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()));
    Ok((directory, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_the_agent_is_at_however_long_the_directorys_path_is() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("d".repeat(120));
        std::fs::create_dir(&directory).unwrap();
        let status = Status {
            thing: "gw-1".to_owned(),
            ..Status::default()
        };

        let answered = with_server(&directory, status.clone(), |directory| ask(&directory));

        assert_eq!(answered.unwrap(), status);
    }

    #[test]
    fn a_socket_that_nobody_listens_at_means_no_agent() {
        let directory = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(directory.path().join(SOCKET)).unwrap());

        assert!(matches!(
            ask(directory.path()),
            Err(StartError::NotRunning { .. })
        ));
    }

    #[test]
    fn results_beyond_the_bound_are_forgotten() {
        let mut status = Status::default();
        for number in 0..100 {
            status.ended(ResultStatus {
                execution: number,
                ..ResultStatus::default()
            });
        }

        assert_eq!(status.results.len(), RESULTS_MAX);
        assert_eq!(status.results[0].execution, 99);
    }

    fn with_server<T: Send + 'static>(
        directory: &Path,
        status: Status,
        client: impl FnOnce(PathBuf) -> T + Send + 'static,
    ) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let directory = directory.to_owned();
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            serve(&directory, Rc::new(RefCell::new(status))).unwrap();
            tokio::task::spawn_blocking(move || client(directory))
                .await
                .unwrap()
        })
    }
}
