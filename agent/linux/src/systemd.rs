//! What systemd is told: ready, status, still alive, stopping.
//!
//! Does nothing when systemd does not listen (`NOTIFY_SOCKET`). A message that cannot be sent is dropped: the agent's work does
//! not depend on its supervisor.

use core::pin::pin;
use core::time::Duration;

use iot_jobs_proto::time::Instant;
use sd_notify::NotifyState;

use crate::timer;

/// The link to the service manager.
#[derive(Debug)]
pub(crate) struct Systemd {
    ready: bool,
    status: String,
    stopping: bool,
    alive_at: Instant,
    watchdog: Option<Duration>,
    send: fn(&[NotifyState<'_>]),
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
            send,
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
            (self.send)(&[NotifyState::Watchdog]);
        }
    }

    /// Does `work`, which may take as long as the programs that it runs, and says all the while that the agent lives.
    pub(crate) async fn while_waiting<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let every = self.alive_every().unwrap_or(timer::WAIT_MAX);
            tokio::select! {
                done = &mut work => return done,
                () = timer::wait(every.min(timer::WAIT_MAX)) => {
                    if self.watchdog.is_some() {
                        (self.send)(&[NotifyState::Watchdog]);
                    }
                }
            }
        }
    }

    /// The agent is subscribed; only the first time counts.
    pub(crate) fn ready(&mut self) {
        if !self.ready {
            self.ready = true;
            (self.send)(&[NotifyState::Ready]);
        }
    }

    /// One line for `systemctl status`.
    pub(crate) fn status(&mut self, line: String) {
        if self.status != line {
            (self.send)(&[NotifyState::Status(&line)]);
            self.status = line;
        }
    }

    /// The agent stops; only the first time counts.
    pub(crate) fn stopping(&mut self) {
        if !self.stopping {
            self.stopping = true;
            (self.send)(&[NotifyState::Stopping]);
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_program_that_takes_long_does_not_make_systemd_kill_the_agent() {
        static ALIVE: AtomicU32 = AtomicU32::new(0);
        let mut systemd = Systemd {
            watchdog: Some(Duration::from_secs(30)),
            send: |states| {
                assert!(matches!(states, [NotifyState::Watchdog]));
                ALIVE.fetch_add(1, Ordering::Relaxed);
            },
            ..Systemd::new()
        };

        systemd
            .while_waiting(timer::wait(Duration::from_secs(95)))
            .await;

        assert_eq!(ALIVE.load(Ordering::Relaxed), 9);
    }
}
