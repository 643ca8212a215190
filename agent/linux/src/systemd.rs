//! What systemd is told: ready, status, still alive, stopping.
//!
//! Does nothing when systemd does not listen (`NOTIFY_SOCKET`). A message that cannot be sent is dropped: the agent's work does
//! not depend on its supervisor.

use core::time::Duration;

use iot_jobs_proto::time::Instant;
use sd_notify::NotifyState;

/// The link to the service manager.
#[derive(Debug)]
pub(crate) struct Systemd {
    ready: bool,
    status: String,
    stopping: bool,
    alive_at: Instant,
    watchdog: Option<Duration>,
}

impl Systemd {
    /// Reads what systemd asks for from the environment.
    pub(crate) fn new() -> Self {
        Self {
            ready: false,
            status: String::new(),
            stopping: false,
            alive_at: Instant::default(),
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// How often systemd wants to hear: three times within its limit, so that one that comes late is early enough.
    pub(crate) fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 3)
    }

    /// The driver made a round; said when it is due.
    pub(crate) fn alive(&mut self, now: Instant) {
        if let Some(every) = self.alive_every()
            && now >= self.alive_at
        {
            self.alive_at = now + every;
            send(&[NotifyState::Watchdog]);
        }
    }

    /// The agent is subscribed; only the first time counts.
    pub(crate) fn ready(&mut self) {
        if !self.ready {
            self.ready = true;
            send(&[NotifyState::Ready]);
        }
    }

    /// One line for `systemctl status`.
    pub(crate) fn status(&mut self, line: String) {
        if self.status != line {
            send(&[NotifyState::Status(&line)]);
            self.status = line;
        }
    }

    /// The agent stops; only the first time counts.
    pub(crate) fn stopping(&mut self) {
        if !self.stopping {
            self.stopping = true;
            send(&[NotifyState::Stopping]);
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
