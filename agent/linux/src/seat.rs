//! One namespace's session, and what the core has no room for: the documents of its lanes and the handlers at work in them.

use core::array;
use std::rc::Rc;

use iot_jobs_config::HandlerKind;
use iot_jobs_handler::{CancelReason, Failure, FailureClass, Handler as _, Job, Next};
use iot_jobs_handler_firmware::Firmware;
use iot_jobs_handler_linux::FileDownload;
use iot_jobs_proto::details::StatusDetails;
use iot_jobs_proto::names::ThingName;
use iot_jobs_proto::session::{ExecutionId, Lane, Outcome, Run, Session};
use iot_jobs_proto::time::Instant;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::device::{LinuxDevice, Slots, Tools};
use crate::dispatch::{self, Resource, Selection};
use crate::journal;
use crate::run::{self, DETAILS_LEN, Ended, Shared};
use crate::status::{ExecutionStatus, NamespaceStatus};

/// Executions at a time in one namespace, at most; the configuration may allow fewer.
pub(crate) const LANES: usize = 4;
/// Bytes that a handler reads from a slot at a time.
const FIRMWARE_BUFFER_LEN: usize = 64 * 1024;

/// The core of a namespace.
pub(crate) type Core = Session<LANES, DETAILS_LEN>;

/// A namespace that the device owns.
#[derive(Debug)]
pub(crate) struct Seat {
    /// What operators call the namespace.
    pub(crate) name: String,
    /// Names its record in the state directory.
    pub(crate) key: String,
    /// The core.
    pub(crate) session: Core,
    /// Whether the broker granted every filter.
    pub(crate) subscribed: bool,
    /// Lanes that the record brought back and whose documents were not seen yet: they may need anything.
    restored: Vec<Lane>,
    lanes: [Option<Held>; LANES],
}

/// A document that a handler takes, from its offer until its lane is free.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) id: ExecutionId,
    pub(crate) selection: Selection,
    pub(crate) document: Rc<str>,
    pub(crate) running: Option<Running>,
}

/// A handler at work.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) shared: Rc<Shared>,
    /// When its task is dropped, should it not stop as told.
    pub(crate) give_up_at: Option<Instant>,
    task: JoinHandle<()>,
}

/// What every run of a handler needs.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) thing: ThingName,
    pub(crate) slots: Option<Rc<Mutex<Slots>>>,
    pub(crate) tools: Rc<Tools>,
    /// Woken by handlers.
    pub(crate) wake: Rc<Notify>,
}

/// Which run is to be started, and with what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) run: Run,
    pub(crate) deadline: Option<Instant>,
    /// What the record keeps of earlier runs.
    pub(crate) state: &'a [u8],
    pub(crate) seed: u64,
}

impl Seat {
    /// Takes the namespace's session.
    pub(crate) fn new(name: &str, session: Core) -> Self {
        let restored = lanes()
            .filter(|lane| session.execution(*lane).is_some())
            .collect();
        Self {
            restored,
            name: name.to_owned(),
            key: record_key(name),
            session,
            subscribed: false,
            lanes: array::from_fn(|_| None),
        }
    }

    /// What a lane holds.
    pub(crate) fn held(&mut self, lane: Lane) -> Option<&mut Held> {
        self.lanes.get_mut(usize::from(lane.0))?.as_mut()
    }

    /// Everything that the lanes hold.
    pub(crate) fn all_held(&self) -> impl Iterator<Item = &Held> {
        self.lanes.iter().flatten()
    }

    /// The lanes in which a handler works.
    pub(crate) fn running(&mut self) -> impl Iterator<Item = (Lane, &mut Held)> {
        self.lanes
            .iter_mut()
            .enumerate()
            .filter_map(|(index, held)| {
                let lane = Lane(u8::try_from(index).ok()?);
                held.as_mut()
                    .filter(|held| held.running.is_some())
                    .map(|held| (lane, held))
            })
    }

    /// Whether an execution of an earlier run of the agent may need anything, its document not being seen yet.
    pub(crate) fn is_restoring(&self) -> bool {
        !self.restored.is_empty()
    }

    /// Whether an execution prepared something for a later boot, as far as the record knows.
    pub(crate) fn has_prepared(&self) -> bool {
        lanes().any(|lane| !self.session.handler_state(lane).is_empty())
    }

    /// The lane's document was seen, or is not needed any more; whether the record brought it back.
    pub(crate) fn restored(&mut self, lane: Lane) -> bool {
        let before = self.restored.len();
        self.restored.retain(|waiting| *waiting != lane);
        self.restored.len() < before
    }

    /// Whether a lane holds what only one may have at a time.
    pub(crate) fn uses(&self, resource: Resource) -> bool {
        self.all_held()
            .any(|held| dispatch::resource(held.selection.handler) == Some(resource))
    }

    /// Keeps a document for a lane, or anew for one that a restart left without it.
    pub(crate) fn hold(&mut self, lane: Lane, held: Held) {
        if let Some(free) = self.lanes.get_mut(usize::from(lane.0)) {
            *free = Some(held);
        }
    }

    /// Forgets what a lane holds; whether it held anything.
    pub(crate) fn release(&mut self, lane: Lane) -> bool {
        let held = self
            .lanes
            .get_mut(usize::from(lane.0))
            .and_then(Option::take);
        if let Some(running) = held.as_ref().and_then(|held| held.running.as_ref()) {
            running.task.abort();
        }
        held.is_some()
    }

    /// What the namespace is at.
    pub(crate) fn status(&self) -> NamespaceStatus {
        NamespaceStatus {
            subscribed: self.subscribed,
            executions: self.all_held().map(Held::status).collect(),
        }
    }
}

impl Held {
    /// Starts the handler.
    ///
    /// Must be called within a [`tokio::task::LocalSet`].
    pub(crate) fn start(&mut self, bench: &Bench, start: &Start<'_>) {
        let shared = Rc::new(Shared::new(
            Rc::clone(&bench.wake),
            Rc::clone(&self.document),
            start.state,
        ));
        let span = journal::span(&self.id);
        let work = work(
            bench.clone(),
            Rc::clone(&shared),
            self.id.clone(),
            self.selection.clone(),
            start.run,
            start.deadline,
            start.seed,
        );
        self.running = Some(Running {
            shared,
            give_up_at: None,
            task: tokio::task::spawn_local(work.instrument(span)),
        });
    }

    /// Tells the handler to stop, and gives it until `give_up_at`.
    pub(crate) fn cancel(&mut self, reason: CancelReason, give_up_at: Instant) {
        if let Some(running) = &mut self.running {
            running.shared.cancel(reason);
            running.give_up_at.get_or_insert(give_up_at);
        }
    }

    /// Replaces the document by one with fresh URLs.
    pub(crate) fn renew(&mut self, document: &str) {
        self.document = document.into();
        if let Some(running) = &self.running {
            running.shared.renewed(Rc::clone(&self.document));
        }
    }

    fn status(&self) -> ExecutionStatus {
        let progress = self
            .running
            .as_ref()
            .map(|running| running.shared.progressed());
        ExecutionStatus {
            job: self.id.job.to_string(),
            execution: self.id.number,
            handler: Some(self.selection.handler.as_str().to_owned()),
            bytes: progress.as_ref().map(|progress| progress.bytes),
            progress: progress.map(|progress| progress.to_string()),
        }
    }
}

impl Running {
    /// Drops the handler where it is: it did not stop as told.
    pub(crate) fn give_up(&mut self) {
        self.give_up_at = None;
        self.task.abort();
    }
}

/// The lanes of a session.
pub(crate) fn lanes() -> impl Iterator<Item = Lane> {
    (0u8..).take(LANES).map(Lane)
}

/// Names the record of a namespace; namespace ids have only characters that a file name may have.
pub(crate) fn record_key(namespace: &str) -> String {
    format!("jobs-{namespace}")
}

/// What the core is told of the end of a run. A failure of a handler that was told to stop is that it stopped.
pub(crate) fn outcome<'a>(
    ended: &Ended,
    cancelled: bool,
    details: &'a StatusDetails<DETAILS_LEN>,
) -> Outcome<'a, DETAILS_LEN> {
    match ended {
        Ended::Next(Next::AlreadyDone | Next::Succeed) => Outcome::Succeeded(details),
        Ended::Next(Next::Defer(wait)) => Outcome::Defer(*wait),
        Ended::Next(Next::Reboot) => Outcome::Reboot(details),
        Ended::Next(Next::Restart) => Outcome::Restart(details),
        Ended::Failure(_) if cancelled => Outcome::Stopped,
        Ended::Failure(failure) => match failure.class {
            FailureClass::Rejected => Outcome::Rejected(details),
            FailureClass::Cancelled | FailureClass::Failed | FailureClass::Transient => {
                Outcome::Failed(details)
            }
        },
    }
}

async fn work(
    bench: Bench,
    shared: Rc<Shared>,
    id: ExecutionId,
    selection: Selection,
    run: Run,
    deadline: Option<Instant>,
    seed: u64,
) {
    let attempt = async || -> Result<Next, Failure> {
        let document = shared.document();
        let job = Job {
            thing: &bench.thing,
            namespace: &id.namespace,
            id: &id.job,
            execution: id.number,
            operation: &selection.operation,
            document: &document,
            run,
        };
        let mut slots = match (&bench.slots, dispatch::resource(selection.handler)) {
            (Some(slots), Some(Resource::Firmware)) => Some(slots.lock().await),
            (None, _) | (_, None) => None,
        };
        let mut device = LinuxDevice {
            shared: &shared,
            slots: slots.as_deref_mut(),
            tools: &bench.tools,
            deadline,
            seed,
            blob: shared.with_state(<[u8]>::to_vec),
        };
        match selection.handler {
            HandlerKind::FileDownload => {
                let mut file = FileDownload {
                    allowed: bench.tools.download.allowed_paths.clone(),
                    size_max: bench.tools.download.size_max,
                };
                file.run(&job, &mut device).await
            }
            HandlerKind::Firmware => {
                let mut firmware = Firmware::<FIRMWARE_BUFFER_LEN>::new();
                firmware.run(&job, &mut device).await
            }
        }
    };
    run::work(&shared, seed, attempt).await;
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_transient_failure_that_stayed_is_failed_so_that_the_service_retries() {
        assert!(matches!(
            told(&failed(FailureClass::Transient), false),
            Told::Failed
        ));
    }

    #[test]
    fn a_document_that_can_never_run_is_rejected_so_that_the_service_does_not_retry() {
        assert!(matches!(
            told(&failed(FailureClass::Rejected), false),
            Told::Rejected
        ));
    }

    #[test]
    fn a_failure_after_the_order_to_stop_is_that_it_stopped() {
        assert!(matches!(
            told(&failed(FailureClass::Failed), true),
            Told::Stopped
        ));
    }

    #[test]
    fn a_success_counts_even_after_the_order_to_stop() {
        assert!(matches!(
            told(&Ended::Next(Next::Succeed), true),
            Told::Succeeded
        ));
    }

    #[test]
    fn a_deferred_run_keeps_its_wait() {
        let wait = Duration::from_secs(7);
        let details = StatusDetails::new();

        assert!(matches!(
            outcome(&Ended::Next(Next::Defer(wait)), false, &details),
            Outcome::Defer(given) if given == wait
        ));
    }

    /// An [`Outcome`] without its details.
    #[derive(Debug)]
    enum Told {
        Failed,
        Other,
        Rejected,
        Stopped,
        Succeeded,
    }

    fn told(ended: &Ended, cancelled: bool) -> Told {
        match outcome(ended, cancelled, &StatusDetails::new()) {
            Outcome::Failed(_) => Told::Failed,
            Outcome::Rejected(_) => Told::Rejected,
            Outcome::Stopped => Told::Stopped,
            Outcome::Succeeded(_) => Told::Succeeded,
            Outcome::Defer(_) | Outcome::Reboot(_) | Outcome::Restart(_) => Told::Other,
        }
    }

    fn failed(class: FailureClass) -> Ended {
        Ended::Failure(Box::new(Failure::new(class, "code", "a sentence")))
    }
}
