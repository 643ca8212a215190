//! Looking for work: `$next` first, then what stands behind it.
//!
//! A notification is a hint, never state: it only makes the session ask. While there is room for more than `$next` names, or
//! `$next` names something that is not to be run here now, the pending list names the others, and each is described by its own
//! id before it is offered. The list of a namespace comes with its notifications only: AWS knows no topic to ask for it.

use core::time::Duration;

use heapless::Deque;

use crate::event::Event;
use crate::names::{JobId, Namespace};
use crate::report::Refusal;
use crate::session::Action;
use crate::session::context::Context;
use crate::session::exchange::Exchange;
use crate::session::publish::{Publish, compose};
use crate::time::Instant;
use crate::topic::{self, Target};
use crate::wire::error::ErrorCode;
use crate::wire::request::{Describe, Pending};

/// Most executions taken from a list at once; when they are done with, the list is asked for the others.
const CANDIDATES_MAX: usize = 8;
/// How often `$next` is asked again when it is empty although a notification said otherwise: after 1, 2, 4 and 8 seconds.
const REASKS_MAX: u32 = 4;
/// The first of these waits.
const REASK_FIRST: Duration = Duration::from_secs(1);
/// The wait before a new link asks again for `$next` that is empty: what was queued just before is to be seen by then. With the
/// longest random wait that is as late as the last time that it is asked again after a notification.
const SECOND_LOOK_AFTER: Duration = Duration::from_secs(5);
/// The longest random wait on top of that: a fleet that links at once must not ask again at once.
const SECOND_LOOK_JITTER: Duration = Duration::from_secs(10);
/// The share of the safety poll's interval that is random, as a divisor.
const POLL_JITTER: u32 = 8;

/// What the service is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// `$next`.
    Next,
    /// The list of pending executions.
    List,
    /// An execution of that list.
    Job(JobId, i64),
}

/// Whether a new link asks for `$next` again when it is empty. The notification of a job that cannot be seen yet may have gone out
/// before anything was subscribed, and no other one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SecondLook {
    /// Work was found, or a notification took its place, or it is done.
    Done,
    /// `$next` was not answered yet.
    IfEmpty,
    /// It was empty.
    At(Instant),
}

impl SecondLook {
    /// What is left to do once `$next` is asked for.
    fn left_at(self, now: Instant) -> Self {
        match self {
            Self::At(at) if at <= now => Self::Done,
            Self::At(_) | Self::Done | Self::IfEmpty => self,
        }
    }
}

/// Looking for work.
#[derive(Debug)]
pub(crate) struct Search {
    exchange: Exchange,
    question: Question,
    /// When `$next` is asked for.
    next_at: Instant,
    second_look: SecondLook,
    /// Before that, notifications do not make the session ask.
    quiet_until: Instant,
    /// A notification said that there is work, and none was found yet.
    hinted: bool,
    reasks: u32,
    list_wanted: bool,
    candidates: Deque<(JobId, i64), CANDIDATES_MAX>,
}

impl Search {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            exchange: Exchange::new(),
            question: Question::Next,
            next_at: now,
            second_look: SecondLook::Done,
            quiet_until: now,
            hinted: false,
            reasks: 0,
            list_wanted: false,
            candidates: Deque::new(),
        }
    }

    /// Asks for `$next` as soon as there is room and a link.
    pub(crate) fn want(&mut self, now: Instant) {
        self.next_at = self.next_at.min(now);
    }

    /// A notification came. What comes together is asked for once.
    pub(crate) fn hint(&mut self, now: Instant, promising: bool) {
        self.next_at = self.next_at.min(self.quiet_until.max(now));
        if promising {
            self.hinted = true;
            self.reasks = 0;
            self.second_look = SecondLook::Done;
        }
    }

    /// A list names an execution that could be run here.
    pub(crate) fn add_candidate(&mut self, job: JobId, number: i64) {
        let mut known = self.candidates.iter();
        if known.any(|(known, at)| (known, *at) == (&job, number)) {
            return;
        }
        if self.candidates.push_back((job, number)).is_err() {
            self.list_wanted = true;
        }
    }

    /// There is room, and `$next` is not what fills it.
    pub(crate) fn want_list(&mut self) {
        self.list_wanted = true;
    }

    /// `$next` names an execution that has not ended: the service is up to date.
    pub(crate) fn next_seen(&mut self) {
        self.second_look = SecondLook::Done;
    }

    /// The link is up anew: what was asked will not be answered.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.exchange.drop_it();
        self.second_look = SecondLook::IfEmpty;
        self.want(now);
    }

    /// Stops asking: there is no room, or the agent stops.
    pub(crate) fn close(&mut self) {
        self.exchange.drop_it();
    }

    /// Takes the next question up, if none is open.
    pub(crate) fn advance(&mut self, cx: &mut Context) {
        if self.exchange.expire(cx.now) {
            cx.log(Event::Unanswered);
        }
        if !self.exchange.is_idle() {
            return;
        }
        if self.asks_at() <= cx.now {
            self.second_look = self.second_look.left_at(cx.now);
            self.question = Question::Next;
            let poll_every = cx.settings.timing.poll_every;
            let jitter = cx.random.up_to(poll_every / POLL_JITTER);
            self.next_at = cx.now + poll_every - jitter;
        } else if let Some((job, number)) = self.candidates.pop_front() {
            self.question = Question::Job(job, number);
        } else if self.list_wanted {
            self.list_wanted = false;
            if cx.settings.namespace != Namespace::Default {
                return;
            }
            self.question = Question::List;
        } else {
            return;
        }
        self.exchange.settle();
        self.exchange.ask(cx.now);
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.exchange.is_due(now)
    }

    /// When something is to be asked, or asked again.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.exchange.timeout(true).or(Some(self.asks_at()))
    }

    /// When `$next` is asked for, if nothing happens before.
    fn asks_at(&self) -> Instant {
        match self.second_look {
            SecondLook::At(at) => self.next_at.min(at),
            SecondLook::Done | SecondLook::IfEmpty => self.next_at,
        }
    }

    /// Writes the question.
    pub(crate) fn request<'a, const D: usize>(
        &mut self,
        cx: &mut Context,
        buffer: &'a mut [u8],
    ) -> Option<Action<'a, D>> {
        let (token, client_token) = cx.next_token()?;
        self.exchange
            .sent(token, cx.now, cx.settings.timing.answer_within);
        let describe = |execution_number| Describe {
            client_token: &client_token,
            execution_number,
            include_job_document: true,
        };
        let (thing, namespace) = (&cx.settings.thing, &cx.settings.namespace);
        match &self.question {
            Question::Next => {
                self.quiet_until = cx.now + cx.settings.timing.describe_every;
                let topic = topic::describe(thing, namespace, Target::Next);
                compose(cx, buffer, topic, Publish::Describe(&describe(None)))
            }
            Question::Job(job, number) => {
                let topic = topic::describe(thing, namespace, Target::Job(job.into()));
                compose(
                    cx,
                    buffer,
                    topic,
                    Publish::Describe(&describe(Some(*number))),
                )
            }
            Question::List => {
                let topic = topic::pending(thing);
                let body = Pending {
                    client_token: &client_token,
                };
                compose(cx, buffer, topic, Publish::Pending(&body))
            }
        }
    }

    /// What was asked last.
    pub(crate) const fn question(&self) -> &Question {
        &self.question
    }

    /// Takes the answer to the attempt with this token; what was asked.
    pub(crate) fn answered(&mut self, token: u32) -> Option<Question> {
        self.exchange.answered(token)?;
        Some(self.question.clone())
    }

    /// Work was found.
    pub(crate) fn found(&mut self) {
        self.hinted = false;
        self.reasks = 0;
    }

    /// `$next` is empty although a notification said otherwise, or names what has ended here (`stale`): the service may not be up
    /// to date yet.
    pub(crate) fn found_nothing(&mut self, cx: &mut Context, stale: bool) {
        if (stale || self.hinted) && self.reasks < REASKS_MAX {
            let wait = REASK_FIRST * (1 << self.reasks);
            self.reasks += 1;
            self.next_at = self.next_at.min(cx.now + wait);
        } else {
            self.hinted = false;
            self.reasks = 0;
            self.look_again_or_rest(cx);
        }
    }

    /// `$next` is empty, and nothing says otherwise.
    fn look_again_or_rest(&mut self, cx: &mut Context) {
        match self.second_look {
            SecondLook::IfEmpty => {
                let wait = SECOND_LOOK_AFTER + cx.random.up_to(SECOND_LOOK_JITTER);
                self.second_look = SecondLook::At(cx.now + wait);
            }
            SecondLook::At(_) | SecondLook::Done => cx.log(Event::NothingPending),
        }
    }

    /// The service refused to answer.
    pub(crate) fn refused(&mut self, cx: &mut Context, question: &Question, refusal: &Refusal) {
        let gone = match refusal.code {
            ErrorCode::ResourceNotFound | ErrorCode::TerminalStateReached => true,
            ErrorCode::InternalError
            | ErrorCode::InvalidJson
            | ErrorCode::InvalidRequest
            | ErrorCode::InvalidStateTransition
            | ErrorCode::InvalidTopic
            | ErrorCode::RequestThrottled
            | ErrorCode::Unknown
            | ErrorCode::VersionMismatch => false,
        };
        match question {
            Question::Next if gone => self.found_nothing(cx, false),
            Question::Job(..) if gone => {}
            Question::Next | Question::List | Question::Job(..) => {
                cx.log(Event::RequestRefused(refusal.code));
                if refusal.code.is_transient() {
                    self.exchange.ask_patiently(cx.now, &mut cx.random);
                }
            }
        }
    }
}
