//! The loop around the core: executes what it asks for, tells it what happened, wakes it when it asked to be woken.
//!
//! One task, one thread. It decides nothing about jobs: the sessions do, one for each namespace that the device owns. What it
//! holds is what the core has no room for: documents, and the handlers at work ([`Seat`]).
//!
//! Invariant: actions are executed in the order in which they were asked for, and a session's actions are drained before the next
//! input reaches it.

mod execute;
mod power;
#[cfg(test)]
mod tests;

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use iot_jobs_hal::Clock as _;
use iot_jobs_hal_linux::clock::BootClock;
use iot_jobs_hal_linux::reboot::RebootCommand;
use iot_jobs_hal_linux::store::StateDirectory;
use iot_jobs_proto::backoff::SplitMix64;
use iot_jobs_proto::session::{Input, Lane};
use iot_jobs_proto::time::Instant;

use self::power::Power;
use crate::dispatch::Dispatch;
use crate::link::{Link, LinkEvent};
use crate::run::{DETAILS_LEN, Want};
use crate::seat::{Bench, Seat};
use crate::status::Status;
use crate::systemd::Systemd;
use crate::{journal, timer};

/// How long running handlers have to reach a safe point when the agent stops.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// systemd is told that the agent is ready after this long even when the endpoint cannot be reached: being offline is no failure
/// to start, and must not hold up the boot.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Why the driver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A job asked for a restart of the agent.
    Restart,
    /// It was told to stop.
    Stopped,
}

/// The loop and everything that it drives.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) seats: Vec<Seat>,
    pub(crate) link: Link,
    pub(crate) shell: Shell,
    pub(crate) buffer: Box<[u8]>,
    pub(crate) end: Option<End>,
    pub(crate) power: Option<Power>,
}

/// What executes actions.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) clock: BootClock,
    pub(crate) store: StateDirectory,
    pub(crate) reboot: RebootCommand,
    pub(crate) bench: Bench,
    pub(crate) dispatch: Dispatch,
    /// Executions at a time in one namespace.
    pub(crate) concurrent: usize,
    pub(crate) random: SplitMix64,
    pub(crate) status: Rc<RefCell<Status>>,
    pub(crate) systemd: Systemd,
}

/// What the loop woke up for.
enum Wake {
    Handlers,
    Link(LinkEvent),
    Stop,
    Timer,
}

impl Driver {
    /// Drives until told to stop, or until a job asks for a restart of the agent. `stop` returns when it is to stop, and must be
    /// safe to drop unfinished.
    pub(crate) async fn run(mut self, mut stop: impl AsyncFnMut()) -> End {
        let started = self.now();
        let mut stop_by: Option<Instant> = None;
        let end = loop {
            self.settle().await;
            self.tell(started);
            if let Some(end) = self.end {
                break end;
            }
            if stop_by.is_some_and(|by| self.now() >= by || self.is_idle()) {
                break End::Stopped;
            }
            match self.wake(&mut stop, stop_by).await {
                Wake::Handlers => {}
                Wake::Link(event) => self.link_event(event).await,
                Wake::Stop => {
                    tracing::info!("told to stop");
                    self.shell.systemd.stopping();
                    stop_by.get_or_insert(self.now() + STOP_WITHIN);
                    self.every(|| Input::Stop);
                }
                Wake::Timer => self.timers().await,
            }
        };
        self.shell.systemd.stopping();
        self.link.close().await;
        end
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.shell.clock.now_millis())
    }

    fn is_idle(&self) -> bool {
        self.seats.iter().all(|seat| seat.session.is_idle())
    }

    async fn wake(&mut self, stop: &mut impl AsyncFnMut(), stop_by: Option<Instant>) -> Wake {
        let now = self.now();
        let due = self.due().into_iter().chain(stop_by).min();
        let wait = due
            .map_or(timer::WAIT_MAX, |at| at.since(now))
            .min(self.shell.systemd.alive_every().unwrap_or(timer::WAIT_MAX))
            .min(timer::WAIT_MAX);
        tokio::select! {
            event = self.link.event() => Wake::Link(event),
            () = self.shell.bench.wake.notified() => Wake::Handlers,
            () = stop() => Wake::Stop,
            () = timer::wait(wait) => Wake::Timer,
        }
    }

    /// The next moment at which something is to be done.
    fn due(&mut self) -> Option<Instant> {
        let power = self.power.map(|power| power.at);
        self.seats
            .iter_mut()
            .flat_map(|seat| {
                let core = seat.session.poll_timeout().map(|(at, _)| at);
                let handlers = seat.running().filter_map(|(_, held)| {
                    held.running.as_ref().and_then(|running| running.give_up_at)
                });
                core.into_iter().chain(handlers.min())
            })
            .chain(power)
            .min()
    }

    /// Does what the moment has come for.
    async fn timers(&mut self) {
        let now = self.now();
        for seat in &mut self.seats {
            if seat.session.poll_timeout().is_some_and(|(at, _)| at <= now) {
                seat.session.handle(now, Input::Timeout);
            }
            for (_, held) in seat.running() {
                if let Some(running) = &mut held.running
                    && running.give_up_at.is_some_and(|at| at <= now)
                {
                    running.give_up();
                }
            }
        }
        if let Some(power) = self.power
            && power.at <= now
        {
            self.leave_boot(power).await;
        }
    }

    /// Gives every session the same input.
    fn every<'a>(&mut self, input: impl Fn() -> Input<'a, DETAILS_LEN>) {
        let now = self.now();
        for seat in &mut self.seats {
            seat.session.handle(now, input());
        }
    }

    async fn link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Down {
                cause,
                news,
                retry_in,
            } => {
                journal::link_down(&cause, news, retry_in);
                let mut status = self.shell.status.borrow_mut();
                status.link.up = false;
                status.link.cause = Some(cause.to_string());
                drop(status);
                self.every(|| Input::LinkDown);
            }
            LinkEvent::Message { topic, payload } => self.message(&topic, &payload).await,
            LinkEvent::Subscribed {
                token,
                granted,
                news,
            } => {
                let now = self.now();
                if let Some(seat) = self.seats.get_mut(token) {
                    seat.subscribed = granted.iter().all(|granted| *granted);
                    if news {
                        journal::subscribed(&seat.name, &self.shell.bench.thing, &granted);
                    }
                    seat.session.handle(now, Input::Subscribed(&granted));
                }
            }
            LinkEvent::Up {
                session_present,
                news,
            } => {
                journal::link_up(session_present, news);
                let mut status = self.shell.status.borrow_mut();
                status.link.up = true;
                status.link.cause = None;
                drop(status);
                self.every(|| Input::LinkUp { session_present });
            }
        }
    }

    /// Shows a message to every session; each takes what is its own.
    async fn message(&mut self, topic: &[u8], payload: &[u8]) {
        let Ok(topic) = core::str::from_utf8(topic) else {
            return;
        };
        tracing::trace!(topic, bytes = payload.len(), "message arrived");
        for index in 0..self.seats.len() {
            let now = self.now();
            if let Some(seat) = self.seats.get_mut(index) {
                seat.session.handle(now, Input::Message { topic, payload });
            }
            // While the payload is at hand: offers point into it.
            self.drain(index, payload).await;
        }
    }

    /// Executes every action, and hands over what handlers want, until nothing is left to do.
    async fn settle(&mut self) {
        for index in 0..self.seats.len() {
            self.drain(index, &[]).await;
            while let Some((lane, want)) = self.seats.get_mut(index).and_then(next_want) {
                self.want(index, lane, want);
                self.drain(index, &[]).await;
            }
        }
    }

    /// Tells systemd and whoever asks for the status.
    fn tell(&mut self, started: Instant) {
        let online = self.seats.iter().all(|seat| seat.subscribed);
        let now = self.now();
        if online || now.since(started) >= READY_WITHIN {
            self.shell.systemd.ready();
        }
        self.shell.systemd.alive(now);
        let mut status = self.shell.status.borrow_mut();
        for seat in &self.seats {
            status.namespaces.insert(seat.name.clone(), seat.status());
        }
        let line = status.line();
        drop(status);
        self.shell.systemd.status(line);
    }
}

/// The next thing that a handler of this namespace wants.
fn next_want(seat: &mut Seat) -> Option<(Lane, Want)> {
    seat.running().find_map(|(lane, held)| {
        let want = held.running.as_ref()?.shared.want()?;
        Some((lane, want))
    })
}
