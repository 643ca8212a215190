//! What the driver holds: one session for each namespace that the device owns.
//!
//! A session subscribes, waits for the SUBACK, describes what is next, offers it to the shell, claims it, runs it, renews its
//! timer, reports its end and holds that report until the service took it or refused it for good. It never logs, sleeps or
//! sends: it hands out [`Action`]s and [`Event`]s and is told what came of them by [`Input`]s.
//!
//! After each [`Session::handle`] the driver drains [`Session::poll_action`] before it calls `handle` again: a document that
//! is offered stands in the message just handled. Then it drains [`Session::poll_event`], and wakes the session again at
//! [`Session::poll_timeout`].
//!
//! A save covers all inputs handled before its [`Action::Save`] was handed out: a handler that waits for its state to be durable
//! waits for the first save handed out after [`Input::HandlerState`].

mod action;
pub(crate) mod context;
pub(crate) mod exchange;
mod inbound;
mod input;
mod ledger;
mod link;
mod outbound;
pub(crate) mod publish;
mod search;
mod settings;

use core::ops::Range;

use heapless::Vec;

use crate::event::Event;
use crate::execution::{Execution, Why};
use crate::names::JobId;
use crate::record::{self, Entry, Phase, RecordError, Trial};
use crate::session::context::Context;
use crate::session::ledger::{Ledger, Verdict};
use crate::session::link::Link;
use crate::session::search::Search;
use crate::time::Instant;
use crate::topic::{FILTERS_MAX, TOPIC_LEN_MAX};

pub use crate::session::action::{Action, CancelReason, FilterList, Run};
pub use crate::session::input::{Admission, Input, Outcome};
pub use crate::session::settings::{ExecutionId, Lane, Settings, Timing};

/// What a request needs besides its topic and its details, generously.
const REQUEST_FIXED_LEN: usize = 512;
/// Most bytes that one byte of details becomes in JSON.
const ESCAPE_LEN_MAX: usize = 2;

/// One namespace's jobs on this device: up to `N` at a time, with `D` bytes of status details each.
#[derive(Debug)]
pub struct Session<const N: usize, const D: usize> {
    cx: Context,
    link: Link,
    search: Search,
    ledger: Ledger,
    lanes: [Option<Execution<D>>; N],
    /// Lanes that were left and that the driver was not told of.
    released: [bool; N],
    /// The document in the message just handled.
    document: Option<Document>,
}

/// A document in the message just handled.
#[derive(Debug)]
enum Document {
    /// To be judged.
    Offer(Lane, Range<usize>),
    /// To replace a lane's.
    Renewal(Lane, Range<usize>),
}

impl<const N: usize, const D: usize> Session<N, D> {
    /// Bytes of the largest record.
    pub const RECORD_LEN_MAX: usize = record::record_len_max(N, D);

    /// Bytes that [`poll_action`](Self::poll_action) needs at most.
    pub const BUFFER_LEN_MAX: usize = {
        let filters = FILTERS_MAX * TOPIC_LEN_MAX;
        let request = TOPIC_LEN_MAX + REQUEST_FIXED_LEN + ESCAPE_LEN_MAX * D;
        if filters > request { filters } else { request }
    };

    /// Starts with what the last run saved; an unreadable record is an error, and the caller decides.
    pub fn new(
        now: Instant,
        settings: Settings,
        record: Option<&[u8]>,
    ) -> Result<Self, RecordError> {
        let entries = match record {
            Some(bytes) => record::decode::<N, D>(bytes, &settings.namespace)?,
            None => Vec::new(),
        };
        let mut this = Self {
            cx: Context::new(now, settings),
            link: Link::new(),
            search: Search::new(now),
            ledger: Ledger::default(),
            lanes: core::array::from_fn(|_| None),
            released: [false; N],
            document: None,
        };
        this.restore(entries);
        this.settle();
        Ok(this)
    }

    fn restore(&mut self, mut entries: Vec<(u8, Entry<D>), N>) {
        self.arm_trial(&mut entries);
        for (lane, entry) in entries {
            let execution = Execution::restored(&mut self.cx, entry);
            let own = self
                .lanes
                .get_mut(usize::from(lane))
                .filter(|slot| slot.is_none());
            // Lanes may be fewer than they were; which one it is does not matter.
            let slot = match own {
                Some(slot) => Some(slot),
                None => self.lanes.iter_mut().find(|slot| slot.is_none()),
            };
            if let Some(slot) = slot {
                *slot = Some(execution);
            }
        }
    }

    /// Decides whose image is on trial, and until when: that of the execution that kept a state and asked for the reboot, or else
    /// of one that a power cut took the words from, or else of one that asked for the reboot without a word.
    fn arm_trial(&mut self, entries: &mut [(u8, Entry<D>)]) {
        let settings = &self.cx.settings;
        let boot = settings.boot;
        let likeliest = entries
            .iter()
            .filter_map(|(_, entry)| likelihood(entry, boot))
            .max();
        for (_, entry) in entries {
            let known = entry.trial.is_some();
            let guessed = likeliest.is_some() && likelihood(entry, boot) == likeliest;
            if !settings.trial || !(known || guessed) {
                entry.trial = None;
                continue;
            }
            let until = self.cx.now + settings.timing.trial_window;
            let begun = entry.trial.filter(|trial| trial.boot == boot);
            if begun.is_none() {
                // Before anything else can bring the agent down.
                self.cx.saves.want();
            }
            entry.trial = Some(Trial {
                boot,
                until: begun.map_or(until, |trial| trial.until.min(until)),
            });
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_, D>) {
        self.cx.now = self.cx.now.max(now);
        self.document_missed();
        match input {
            Input::LinkUp { session_present } => {
                self.link_lost();
                self.link.up(&mut self.cx, session_present);
                self.search.restart(self.cx.now);
            }
            Input::LinkDown => {
                self.link.down();
                self.link_lost();
            }
            Input::Subscribed(granted) => self.link.subscribed(&mut self.cx, granted),
            Input::Message { topic, payload } => self.message(topic, payload),
            Input::Admitted(lane, admission) => {
                self.with_lane(lane, |execution, cx| execution.admitted(cx, admission));
            }
            Input::RenewDocument(lane) => {
                self.with_lane(lane, |execution, cx| execution.renew_document(cx));
            }
            Input::Progress(lane, details) => {
                self.with_lane(lane, |execution, cx| execution.progress(cx, details));
            }
            Input::HandlerState(lane, state) => {
                self.with_lane(lane, |execution, cx| execution.set_handler_state(cx, state));
            }
            Input::Finished(lane, outcome) => {
                self.with_lane(lane, |execution, cx| execution.finished(cx, outcome));
            }
            Input::Withdrawn(lane, done) => {
                self.with_lane(lane, |execution, cx| execution.withdrawn(cx, done));
            }
            Input::TrialOver(lane) => {
                self.with_lane(lane, |execution, cx| execution.trial_over(cx));
            }
            Input::Saved(generation) => {
                self.cx.saves.saved(generation);
                self.each_lane(|execution, cx| execution.saved(cx));
            }
            Input::SaveFailed(generation) => {
                let (now, random) = (self.cx.now, &mut self.cx.random);
                if let Some(wait) = self.cx.saves.failed(generation, now, random) {
                    self.cx.log(Event::SaveFailed(wait));
                }
            }
            Input::Freed => self.offer_again(),
            Input::Stop => {
                self.cx.stopping = true;
                self.each_lane(|execution, cx| execution.stop(cx));
            }
            Input::Timeout => {}
        }
        self.link.tick(self.cx.now);
        self.each_lane(|execution, cx| execution.tick(cx));
        self.settle();
    }

    /// The driver did not take the document, and the message is gone: it is asked for again.
    fn document_missed(&mut self) {
        match self.document.take() {
            Some(Document::Offer(lane, _) | Document::Renewal(lane, _)) => {
                self.with_lane(lane, |execution, cx| execution.document_missed(cx));
            }
            None => {}
        }
    }

    fn link_lost(&mut self) {
        self.search.close();
        self.each_lane(|execution, cx| execution.link_lost(cx.now));
    }

    fn with_lane(&mut self, lane: Lane, run: impl FnOnce(&mut Execution<D>, &mut Context)) {
        if let Some(Some(execution)) = self.lanes.get_mut(usize::from(lane.0)) {
            run(execution, &mut self.cx);
        }
    }

    fn each_lane(&mut self, mut run: impl FnMut(&mut Execution<D>, &mut Context)) {
        for execution in self.lanes.iter_mut().flatten() {
            run(execution, &mut self.cx);
        }
    }

    /// Draws the conclusions that concern more than one lane.
    fn settle(&mut self) {
        self.empty_lanes();
        if self.is_leaving() {
            self.each_lane(|execution, cx| {
                if !execution.is_leaving() {
                    execution.stop(cx);
                }
            });
            self.empty_lanes();
        } else if !self.cx.stopping {
            self.each_lane(|execution, cx| execution.go_on(cx));
        }
        if self.is_searching() {
            self.search.advance(&mut self.cx);
        } else {
            self.search.close();
        }
    }

    /// Frees the lanes whose executions are over.
    fn empty_lanes(&mut self) {
        let mut one_ended = false;
        for (slot, released) in self.lanes.iter_mut().zip(&mut self.released) {
            let Some(why) = slot.as_ref().and_then(Execution::is_over) else {
                continue;
            };
            let Some(execution) = slot.take() else {
                continue;
            };
            *released = true;
            if execution.entry().phase != Phase::Unclaimed {
                self.cx.saves.want();
            }
            let ExecutionId { job, number, .. } = execution.id().clone();
            match why {
                Why::Ended => {
                    one_ended = true;
                    self.ledger.insert(job, number, Verdict::Ended);
                }
                Why::Left => self.ledger.insert(job, number, Verdict::Left),
                Why::Postponed => self.ledger.insert(job, number, postponed(&self.cx)),
                Why::Stopped => {}
            }
            if why != Why::Ended {
                self.search.want_list();
            }
        }
        if one_ended {
            self.offer_again();
        }
    }

    /// What was in use may be free: what waited for it is offered again.
    fn offer_again(&mut self) {
        self.ledger.forget_postponed();
        self.search.want(self.cx.now);
        self.each_lane(|execution, cx| execution.retry_resume(cx));
    }

    fn postpone(&mut self, job: JobId, number: i64) {
        self.ledger.insert(job, number, postponed(&self.cx));
    }

    fn is_leaving(&self) -> bool {
        self.lanes.iter().flatten().any(Execution::is_leaving)
    }

    fn has_room(&self) -> bool {
        self.lanes.iter().any(Option::is_none)
    }

    fn is_searching(&self) -> bool {
        self.link.is_ready(self.cx.now)
            && self.has_room()
            && !self.cx.stopping
            && !self.is_leaving()
    }

    /// What to do next; `buffer` is what an [`Action::Publish`] or [`Action::Subscribe`] is written into, of
    /// [`BUFFER_LEN_MAX`](Self::BUFFER_LEN_MAX) bytes.
    pub fn poll_action<'a>(&'a mut self, buffer: &'a mut [u8]) -> Option<Action<'a, D>> {
        match self.document.take() {
            Some(Document::Offer(lane, document)) => {
                return Some(Action::Offer { lane, document });
            }
            Some(Document::Renewal(lane, document)) => {
                return Some(Action::Document { lane, document });
            }
            None => {}
        }
        if let Some(generation) = self.cx.saves.take_due(self.cx.now) {
            return Some(Action::Save(generation));
        }
        if let Some(action) = self.poll_lanes() {
            return Some(action);
        }
        if self.link.take_subscribe(&self.cx) {
            return Some(self.subscribe(buffer));
        }
        self.poll_request(buffer)
    }

    /// What happened, for the log.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.cx.pop_event()
    }

    /// When [`Input::Timeout`] is due, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let ready = self.link.is_ready(self.cx.now);
        let link = self.link.timeout(self.cx.now).map(|at| (at, "link"));
        let save = self.cx.saves.timeout().map(|at| (at, "save"));
        let search = self
            .is_searching()
            .then(|| self.search.timeout())
            .flatten()
            .map(|at| (at, "describe of what is next"));
        self.lanes
            .iter()
            .flatten()
            .filter_map(|execution| execution.timeout(&self.cx, ready))
            .chain(link)
            .chain(save)
            .chain(search)
            .min_by_key(|(at, _)| *at)
    }

    /// Writes what must survive a restart; the length written. Called for [`Action::Save`].
    pub fn record(&self, buffer: &mut [u8]) -> Result<usize, RecordError> {
        let entries = (0u8..)
            .zip(&self.lanes)
            .filter_map(|(lane, slot)| Some((lane, slot.as_ref()?.entry())));
        record::encode(entries, buffer)
    }

    /// The execution in a lane, for status pages.
    pub fn execution(&self, lane: Lane) -> Option<&ExecutionId> {
        self.lane(lane).map(Execution::id)
    }

    /// What the lane's handler keeps with the record; empty at first.
    pub fn handler_state(&self, lane: Lane) -> &[u8] {
        self.lane(lane)
            .map_or(&[], |execution| execution.entry().state.as_slice())
    }

    /// Whether the driver may exit without losing anything: no handler runs, and all is saved.
    pub fn is_idle(&self) -> bool {
        self.cx.saves.is_clean() && !self.lanes.iter().flatten().any(Execution::is_busy)
    }

    fn lane(&self, lane: Lane) -> Option<&Execution<D>> {
        self.lanes.get(usize::from(lane.0))?.as_ref()
    }
}

/// How likely it is that the image that runs since `boot` is one that the execution installed; `None` if it cannot be.
fn likelihood<const D: usize>(entry: &Entry<D>, boot: u128) -> Option<u8> {
    if entry.boot == boot {
        return None;
    }
    // Who installs an image keeps a state before.
    let prepared = !entry.state.is_empty();
    match entry.phase {
        Phase::Rebooting if prepared => Some(3),
        Phase::Running if prepared => Some(2),
        Phase::Rebooting => Some(1),
        Phase::Unclaimed
        | Phase::Running
        | Phase::Restarting
        | Phase::RolledBack
        | Phase::Reporting(_) => None,
    }
}

/// Until before the next safety poll, so that this one finds it.
fn postponed(cx: &Context) -> Verdict {
    Verdict::Postponed(cx.now + cx.settings.timing.poll_every / 2)
}

/// The names of the lanes, in order.
fn lanes() -> impl Iterator<Item = Lane> {
    (0u8..=u8::MAX).map(Lane)
}

#[cfg(test)]
mod tests;
