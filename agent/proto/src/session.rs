//! What the driver holds: one session for each namespace that the device owns.
//!
//! A session subscribes, waits for the SUBACK, describes what is next, offers it to the shell, claims it, runs it, renews its
//! timer, reports its end and holds that report until the service took it or refused it for good. It never logs, sleeps or
//! sends: it hands out [`Action`]s and [`Event`](crate::event::Event)s and is told what came of them by [`Input`]s.

use core::ops::Range;
use core::time::Duration;

use crate::details::StatusDetails;
use crate::event::Event;
use crate::names::{JobId, Namespace, ThingName};
use crate::time::Instant;

/// Which of the session's executions: an index below its `N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u8);

/// The identity of work: a job id alone comes again (continuous jobs, retries), the three together never do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExecutionId {
    /// The namespace that the job lives in.
    pub namespace: Namespace,
    /// The job.
    pub job: JobId,
    /// The execution's number on this device.
    pub number: i64,
}

/// What a session needs to know from the start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The device.
    pub thing: ThingName,
    /// The namespace that the session owns.
    pub namespace: Namespace,
    /// Names this boot of the device (`boot_id`): a different one at start means that the device rebooted.
    pub boot: u128,
    /// Seeds client tokens and jitter; different on every start.
    pub seed: u64,
    /// How long to wait for what.
    pub timing: Timing,
}

/// How long to wait for what. The default is the policy of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Until a request without an answer is sent again.
    pub answer_within: Duration,
    /// The step timer asked of the service with each update, in whole minutes; none when `None`.
    pub step_timeout: Option<Duration>,
    /// Least time between two progress updates.
    pub progress_every: Duration,
    /// Longest random wait before the first request after an outage.
    pub outage_jitter: Duration,
    /// Between two describes of `$next` while nothing else asks for one.
    pub poll_every: Duration,
    /// Least time between two describes started by notifications.
    pub describe_every: Duration,
    /// How long a reboot waits for its announcement to be accepted.
    pub reboot_within: Duration,
    /// Uptime after which an unconfirmed trial image is rolled back.
    pub trial_window: Duration,
    /// How long before the service's job timer the agent ends a job itself.
    pub deadline_margin: Duration,
}

/// What the driver tells the session.
#[derive(Debug)]
pub enum Input<'a, const D: usize> {
    /// CONNACK arrived. `session_present` as the broker said it; subscriptions are asked anew when it is false.
    LinkUp {
        /// Whether the broker kept the session.
        session_present: bool,
    },
    /// The connection is gone.
    LinkDown,
    /// The SUBACK for [`Action::Subscribe`]: whether each filter was granted, in order.
    Subscribed(&'a [bool]),
    /// A PUBLISH arrived, on any topic.
    Message {
        /// Its topic.
        topic: &'a str,
        /// Its body.
        payload: &'a [u8],
    },
    /// The shell judged the document of [`Action::Offer`].
    Admitted(Lane, Admission<'a>),
    /// The handler asks for a fresh document (its presigned URL expired): the job is described again and answered with
    /// [`Action::Document`].
    RenewDocument(Lane),
    /// The handler shows life.
    Progress(Lane, &'a StatusDetails<D>),
    /// The handler's state blob changed: it is saved with the record, and the driver is told by `Saved`.
    HandlerState(Lane, &'a [u8]),
    /// The handler ended.
    Finished(Lane, Outcome<'a, D>),
    /// The record of that generation is durable.
    Saved(u32),
    /// The record could not be written.
    SaveFailed(u32),
    /// The shell stops (SIGTERM): nothing new is claimed; running handlers are told, what is held stays held.
    Stop,
    /// [`Session::poll_timeout`] has passed.
    Timeout,
}

/// The shell's verdict on an offered document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<'a> {
    /// A handler takes it: claim it.
    Claim,
    /// A handler takes it, but what it needs is in use: offer it again when an execution of ours has ended.
    Later,
    /// A configured filter leaves it to another agent: never touch it.
    Leave,
    /// Nobody handles it: REJECTED with this reason and message.
    Reject {
        /// Stable code for the status detail `reason`.
        reason: &'a str,
        /// One sentence for the status detail `message`.
        message: &'a str,
    },
}

/// How a handler ended. `details` is the whole map that the report carries.
#[derive(Debug)]
pub enum Outcome<'a, const D: usize> {
    /// Report SUCCEEDED.
    Succeeded(&'a StatusDetails<D>),
    /// Report FAILED: a retry may cure it.
    Failed(&'a StatusDetails<D>),
    /// Report REJECTED: a retry cannot cure it.
    Rejected(&'a StatusDetails<D>),
    /// The device must reboot; afterwards the handler runs again.
    Reboot(&'a StatusDetails<D>),
    /// The agent must restart; afterwards the handler runs again.
    Restart(&'a StatusDetails<D>),
    /// Run the handler again after this long.
    Defer(Duration),
    /// The handler stopped because it was told to ([`Action::CancelHandler`]).
    Stopped,
}

/// What the driver does for the session. Executed in order; those that need an answer say which.
#[derive(Debug)]
pub enum Action<'a, const D: usize> {
    /// Send one SUBSCRIBE with these filters at QoS 1; answered by [`Input::Subscribed`].
    Subscribe(&'a [&'a str]),
    /// Publish at QoS 1. Nothing is answered: the core waits for the service's answer and sends again.
    Publish {
        /// The topic.
        topic: &'a str,
        /// The body.
        payload: &'a [u8],
    },
    /// The message just handled holds a job's document at this range of its payload: keep a copy for the lane and judge it;
    /// answered by [`Input::Admitted`].
    Offer {
        /// The lane that the execution would run in.
        lane: Lane,
        /// Where in the payload the document (a JSON object) stands.
        document: Range<usize>,
    },
    /// The message just handled holds the lane's document anew, with fresh URLs: replace the copy and wake whoever waits for it.
    Document {
        /// The lane.
        lane: Lane,
        /// Where in the payload the document stands.
        document: Range<usize>,
    },
    /// Make [`Session::record`] durable; answered by [`Input::Saved`] or [`Input::SaveFailed`] with this generation.
    Save(u32),
    /// Start the lane's handler; it ends with [`Input::Finished`].
    RunHandler {
        /// The lane.
        lane: Lane,
        /// Which run of this execution it is.
        run: Run,
        /// When the agent ends the job itself, if a timer runs.
        deadline: Option<Instant>,
    },
    /// Tell the lane's handler to stop at the next safe point; it still ends with [`Input::Finished`].
    CancelHandler {
        /// The lane.
        lane: Lane,
        /// Why.
        reason: CancelReason,
    },
    /// The lane is free again: drop its document and what the handler kept for it.
    Release(Lane),
    /// Reboot the device. Everything is saved.
    Reboot(Lane),
    /// Restart the agent. Everything is saved.
    Restart(Lane),
    /// The trial image was not confirmed in time: mark it bad, go back to the other slot, reboot.
    RollBack(Lane),
    /// Never made; carries the size of details.
    #[doc(hidden)]
    _Details(
        core::convert::Infallible,
        core::marker::PhantomData<[(); D]>,
    ),
}

/// Which run of an execution's handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// The first.
    First,
    /// After the agent restarted, the boot being the same (or the link was renewed in between).
    AfterRestart,
    /// After the device rebooted.
    AfterReboot,
}

/// Why a handler is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// The service ended the execution (canceled, removed, deleted); nothing is reported.
    CanceledByService,
    /// The service's timer, or ours just before it, ran out.
    TimedOut,
    /// The agent stops; the execution goes on after its restart.
    Stopping,
}

/// One namespace's jobs on this device: up to `N` at a time, with `D` bytes of status details each.
#[derive(Debug)]
pub struct Session<const N: usize, const D: usize> {
    settings: Settings,
}

impl<const N: usize, const D: usize> Session<N, D> {
    /// Starts with what the last run saved; an unreadable record is an error, and the caller decides.
    pub fn new(
        now: Instant,
        settings: Settings,
        record: Option<&[u8]>,
    ) -> Result<Self, crate::record::RecordError> {
        let _ = (now, record);
        Ok(Self { settings })
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_, D>) {
        let _ = (now, input);
        todo!()
    }

    /// What to do next; `buffer` is what a [`Action::Publish`] is written into.
    pub fn poll_action<'a>(&'a mut self, buffer: &'a mut [u8]) -> Option<Action<'a, D>> {
        let _ = buffer;
        todo!()
    }

    /// What happened, for the log.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }

    /// When [`Input::Timeout`] is due, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        todo!()
    }

    /// Writes what must survive a restart; the length written. Called for [`Action::Save`].
    pub fn record(&self, buffer: &mut [u8]) -> Result<usize, crate::record::RecordError> {
        let _ = buffer;
        todo!()
    }

    /// The execution in a lane, and what it is at, for status pages.
    pub fn execution(&self, lane: Lane) -> Option<&ExecutionId> {
        let _ = (lane, &self.settings);
        todo!()
    }
}
