//! A driver double: executes actions as the agent does, in virtual time, and checks what must always hold.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::string::{String, ToString as _};
use std::vec;
use std::vec::Vec;

use serde_json::Value;

use super::service::{Fault, Messages, Service};
use crate::details::StatusDetails;
use crate::event::Event;
use crate::names::{Namespace, NamespaceId, ThingName};
use crate::session::{
    Action, Admission, CancelReason, Input, Lane, Outcome, Run, Session, Settings, Timing,
};
use crate::time::Instant;

pub(super) const D: usize = 512;
/// Steps without quiet after which a test is taken to hang.
const STEPS_MAX: usize = 2_000;

/// What the driver was told to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Done {
    Subscribe(Vec<String>),
    Publish(String),
    Offer(u8, String),
    Document(u8, String),
    Save,
    Run(u8, Run),
    Cancel(u8, CancelReason),
    Release(u8),
    Reboot(u8),
    Restart(u8),
    RollBack(u8),
    Withdraw(u8, Vec<u8>),
}

pub(super) struct Bench<const N: usize> {
    pub(super) session: Session<N, D>,
    pub(super) service: Service,
    pub(super) settings: Settings,
    pub(super) now: u64,
    pub(super) linked: bool,
    /// What is durable.
    pub(super) disk: Option<Vec<u8>>,
    /// Saves fail.
    pub(super) disk_fails: bool,
    /// The agent dies at that save, counted from here; with the record durable or not.
    pub(super) dies_at_save: Option<(usize, bool)>,
    /// What handlers prepared cannot be taken back.
    pub(super) withdrawals_fail: bool,
    pub(super) done: Vec<Done>,
    pub(super) events: Vec<Event>,
    /// Judges offers by the job's name; claims what is not in here.
    pub(super) admissions: BTreeMap<String, Admission<'static>>,
    /// What the SUBACK says.
    pub(super) granted: Vec<bool>,
    pub(super) deadlines: Vec<Option<Instant>>,
    pub(super) running: [bool; N],
    /// No message is delivered in time: each waits that long.
    pub(super) latency: u64,
    inbox: VecDeque<(u64, String, Value)>,
    /// Handlers stop as soon as they are told to.
    pub(super) obedient: bool,
}

pub(super) fn settings() -> Settings {
    Settings {
        thing: ThingName::parse("thing-1").unwrap(),
        namespace: Namespace::Default,
        boot: 1,
        trial: false,
        seed: 7,
        timing: Timing::default(),
    }
}

pub(super) fn named(namespace: &str) -> Settings {
    Settings {
        namespace: Namespace::Named(NamespaceId::parse(namespace).unwrap()),
        ..settings()
    }
}

pub(super) fn details(pairs: &[(&str, &str)]) -> StatusDetails<D> {
    let mut details = StatusDetails::new();
    for (key, value) in pairs {
        details.insert(key, value).unwrap();
    }
    details
}

impl<const N: usize> Bench<N> {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let now = 1_000;
        Self {
            session: Session::new(Instant::from_millis(now), settings.clone(), None).unwrap(),
            service: Service {
                namespace: (settings.namespace != Namespace::Default).then_some("fleet"),
                ..Service::default()
            },
            settings,
            now,
            linked: false,
            disk: None,
            disk_fails: false,
            dies_at_save: None,
            withdrawals_fail: false,
            done: Vec::new(),
            events: Vec::new(),
            admissions: BTreeMap::new(),
            granted: vec![true; 8],
            deadlines: Vec::new(),
            running: [false; N],
            latency: 0,
            inbox: VecDeque::new(),
            obedient: true,
        }
    }

    /// One job, claimed and running.
    pub(super) fn running(job: &str) -> Self {
        let mut bench = Self::new();
        bench.service.queue(job);
        bench.link_up();
        assert!(bench.running[0], "{:?}", bench.events);
        bench
    }

    pub(super) fn at(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    pub(super) fn handle(&mut self, input: Input<'_, D>) {
        self.session.handle(self.at(), input);
        self.run();
    }

    pub(super) fn link_up(&mut self) {
        self.linked = true;
        self.handle(Input::LinkUp {
            session_present: false,
        });
    }

    pub(super) fn link_down(&mut self) {
        self.linked = false;
        self.inbox.clear();
        self.handle(Input::LinkDown);
    }

    pub(super) fn deliver(&mut self, messages: Messages) {
        for (topic, body) in messages {
            if self.linked {
                self.inbox.push_back((self.now + self.latency, topic, body));
            }
        }
        self.run();
    }

    /// A raw message, as it is.
    pub(super) fn receive(&mut self, topic: &str, payload: &str) {
        self.handle_message(topic, payload.as_bytes());
        self.run();
    }

    pub(super) fn queue(&mut self, job: &str) {
        let messages = self.service.queue(job);
        self.deliver(messages);
    }

    pub(super) fn set(&mut self, job: &str, status: &'static str) {
        let messages = self.service.set(job, status);
        self.deliver(messages);
    }

    pub(super) fn fault(&mut self, suffix: &'static str, fault: Fault) {
        self.service.faults.push((suffix, fault));
    }

    pub(super) fn finish(&mut self, lane: u8, outcome: Outcome<'_, D>) {
        assert!(self.running[usize::from(lane)], "no handler runs");
        self.running[usize::from(lane)] = false;
        self.handle(Input::Finished(Lane(lane), outcome));
    }

    pub(super) fn succeed(&mut self, lane: u8) {
        self.finish(lane, Outcome::Succeeded(&StatusDetails::new()));
    }

    pub(super) fn progress(&mut self, lane: u8, pairs: &[(&str, &str)]) {
        self.handle(Input::Progress(Lane(lane), &details(pairs)));
    }

    /// Lets time pass, waking the session whenever it asks for it.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + u64::try_from(time.as_millis()).unwrap();
        for _ in 0..STEPS_MAX {
            let wake = self
                .session
                .poll_timeout()
                .map(|(at, _)| at.as_millis())
                .into_iter()
                .chain(self.inbox.front().map(|(at, ..)| *at))
                .min()
                .filter(|at| *at <= end);
            let Some(wake) = wake else {
                self.now = end;
                return;
            };
            self.now = self.now.max(wake);
            self.handle(Input::Timeout);
        }
        panic!("busy until {end}: {:?}", self.session.poll_timeout());
    }

    pub(super) fn pass_secs(&mut self, secs: u64) {
        self.pass(Duration::from_secs(secs));
    }

    /// The agent dies and starts again with what is durable.
    pub(super) fn restart(&mut self) {
        self.start_anew();
        self.run();
    }

    fn start_anew(&mut self) {
        self.linked = false;
        self.inbox.clear();
        self.running = [false; N];
        self.settings.seed += 1;
        self.session =
            Session::new(self.at(), self.settings.clone(), self.disk.as_deref()).unwrap();
    }

    /// The device dies and boots again.
    pub(super) fn reboot(&mut self) {
        self.settings.boot += 1;
        self.restart();
    }

    pub(super) fn runs(&self) -> Vec<Run> {
        self.done
            .iter()
            .filter_map(|done| {
                let Done::Run(_, run) = done else {
                    return None;
                };
                Some(*run)
            })
            .collect()
    }

    pub(super) fn did(&self, what: &Done) -> bool {
        self.done.contains(what)
    }

    pub(super) fn status(&mut self, job: &str) -> &'static str {
        self.service.execution(job).status
    }

    pub(super) fn detail(&mut self, job: &str, key: &str) -> String {
        let details = self.service.execution(job).details.clone();
        details.unwrap_or_default()[key]
            .as_str()
            .unwrap_or_default()
            .to_string()
    }

    /// Executes actions and delivers answers until nothing moves.
    pub(super) fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            while self.step() {}
            while let Some(event) = self.session.poll_event() {
                self.events.push(event);
            }
            if self.inbox.front().is_none_or(|(at, ..)| *at > self.now) {
                return;
            }
            let Some((_, topic, body)) = self.inbox.pop_front() else {
                return;
            };
            self.handle_message(&topic, body.to_string().as_bytes());
        }
        panic!("never quiet: {:?}", self.done);
    }

    fn handle_message(&mut self, topic: &str, payload: &[u8]) {
        self.session
            .handle(self.at(), Input::Message { topic, payload });
        let mut buffer = [0; 4096];
        // A document stands in this very message.
        match self.session.poll_action(&mut buffer) {
            Some(Action::Offer { lane, document }) => {
                let text = core::str::from_utf8(&payload[document]).unwrap();
                let job: Value = serde_json::from_str(text).unwrap();
                self.done.push(Done::Offer(lane.0, text.to_string()));
                let job = job["job"].as_str().unwrap_or_default();
                let admission = self
                    .admissions
                    .get(job)
                    .copied()
                    .unwrap_or(Admission::Claim);
                self.session
                    .handle(self.at(), Input::Admitted(lane, admission));
            }
            Some(Action::Document { lane, document }) => {
                let text = core::str::from_utf8(&payload[document]).unwrap();
                self.done.push(Done::Document(lane.0, text.to_string()));
            }
            Some(other) => {
                let todo = Todo::from(other);
                self.execute(todo);
            }
            None => {}
        }
    }

    fn step(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let Some(action) = self.session.poll_action(&mut buffer) else {
            return false;
        };
        let todo = Todo::from(action);
        self.execute(todo);
        true
    }

    fn execute(&mut self, todo: Todo) {
        match todo {
            Todo::Publish(topic, body) => {
                self.done.push(Done::Publish(topic.clone()));
                assert!(self.linked, "publishes without a link");
                self.service.now = self.now;
                let messages = self.service.handle(&topic, &body);
                for (topic, body) in messages {
                    self.inbox.push_back((self.now + self.latency, topic, body));
                }
            }
            Todo::Save(generation) => self.save(generation),
            Todo::Run(lane, run, deadline) => {
                let handler = &mut self.running[usize::from(lane)];
                assert!(!*handler, "a handler runs twice in lane {lane}");
                *handler = true;
                self.deadlines.push(deadline);
                self.done.push(Done::Run(lane, run));
            }
            Todo::Withdraw(lane) => {
                assert!(!self.running[usize::from(lane.0)], "a handler runs");
                let state = self.session.handler_state(lane).to_vec();
                self.done.push(Done::Withdraw(lane.0, state));
                let done = !self.withdrawals_fail;
                self.session.handle(self.at(), Input::Withdrawn(lane, done));
            }
            Todo::Done(done) => {
                self.done.push(done.clone());
                if let Done::Subscribe(_) = done {
                    let granted = self.granted.clone();
                    self.session.handle(self.at(), Input::Subscribed(&granted));
                }
                if let Done::Cancel(lane, _) = done
                    && self.obedient
                {
                    self.running[usize::from(lane)] = false;
                    self.session
                        .handle(self.at(), Input::Finished(Lane(lane), Outcome::Stopped));
                }
            }
        }
    }

    fn save(&mut self, generation: u32) {
        self.done.push(Done::Save);
        if self.disk_fails {
            self.session
                .handle(self.at(), Input::SaveFailed(generation));
            return;
        }
        let mut buffer = vec![0; Session::<N, D>::RECORD_LEN_MAX];
        let len = self.session.record(&mut buffer).unwrap();
        buffer.truncate(len);
        match &mut self.dies_at_save {
            Some((0, durable)) => {
                if *durable {
                    self.disk = Some(buffer);
                }
                self.dies_at_save = None;
                return self.start_anew();
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        self.disk = Some(buffer);
        self.session.handle(self.at(), Input::Saved(generation));
    }
}

/// An action that owns what it carries.
enum Todo {
    Publish(String, Value),
    Save(u32),
    Run(u8, Run, Option<Instant>),
    Withdraw(Lane),
    Done(Done),
}

impl From<Action<'_, D>> for Todo {
    fn from(action: Action<'_, D>) -> Self {
        match action {
            Action::Subscribe(filters) => Self::Done(Done::Subscribe(
                filters.iter().map(|filter| filter.to_string()).collect(),
            )),
            Action::Publish { topic, payload } => Self::Publish(
                topic.to_string(),
                serde_json::from_slice(payload).expect("a request is JSON"),
            ),
            Action::Offer { .. } | Action::Document { .. } => {
                panic!("a document without its message")
            }
            Action::Save(generation) => Self::Save(generation),
            Action::RunHandler {
                lane,
                run,
                deadline,
            } => Self::Run(lane.0, run, deadline),
            Action::CancelHandler { lane, reason } => Self::Done(Done::Cancel(lane.0, reason)),
            Action::Release(lane) => Self::Done(Done::Release(lane.0)),
            Action::Reboot(lane) => Self::Done(Done::Reboot(lane.0)),
            Action::Restart(lane) => Self::Done(Done::Restart(lane.0)),
            Action::RollBack(lane) => Self::Done(Done::RollBack(lane.0)),
            Action::Withdraw(lane) => Self::Withdraw(lane),
            Action::_Details(never, _) => match never {},
        }
    }
}
