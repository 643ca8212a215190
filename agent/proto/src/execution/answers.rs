//! What the service's answers mean for an execution.

use core::ops::Range;

use crate::event::Event;
use crate::execution::requests::Kind;
use crate::execution::{Execution, Handler, State, Why};
use crate::record::Phase;
use crate::report::{Fate, NOT_FOUND_MAX, Refusal};
use crate::session::CancelReason;
use crate::session::context::Context;
use crate::time::Instant;
use crate::wire::error::ErrorCode;
use crate::wire::status::Status;

/// How often in a row a claim may meet another version before the execution is put aside.
const MISMATCHES_MAX: u8 = 5;

/// What the service says of an execution that was described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) status: Status,
    pub(crate) number: i64,
    pub(crate) version: Option<i64>,
    /// Seconds until the service ends it.
    pub(crate) seconds_left: Option<i64>,
    /// Where its document stands, if that is an object.
    pub(crate) document: Option<Range<usize>>,
}

impl Description {
    /// The version to claim; none when it runs already: then there is nothing to lose to another claim.
    pub(crate) fn version_to_claim(&self) -> Option<i64> {
        self.version.filter(|_| self.status != Status::InProgress)
    }
}

/// What the document in the message just handled is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fresh {
    /// To be judged.
    Offer(Range<usize>),
    /// To replace the handler's.
    Renewal(Range<usize>),
}

impl<const D: usize> Execution<D> {
    /// Whether an update with this token waits for its answer.
    pub(crate) fn awaits_update(&self, token: u32) -> bool {
        self.update.token() == Some(token)
    }

    /// Whether a describe with this token waits for its answer.
    pub(crate) fn awaits_describe(&self, token: u32) -> bool {
        self.describe.token() == Some(token)
    }

    /// The token of the update in flight: for answers that cannot name it.
    pub(crate) fn update_token(&self) -> Option<u32> {
        self.update.token()
    }

    /// The service took the update.
    pub(crate) fn update_accepted(&mut self, cx: &mut Context, token: u32) {
        let Some(sent_at) = self.update.answered(token) else {
            return;
        };
        self.not_found = 0;
        let attempts = self.update.attempts();
        self.update.settle();
        match (self.sent, self.state) {
            (Kind::Claim, State::Claiming { .. }) => self.claimed(cx, sent_at),
            (Kind::Progress { .. }, State::Running | State::Deferred { .. }) => {
                self.timers.update_accepted(cx, sent_at);
                if self.fresh {
                    self.update.ask(self.timers.progress_at(cx));
                }
            }
            (Kind::Announcement { .. }, State::Announcing { leave, .. }) => self.go(cx, leave),
            (Kind::Report, State::Reporting(report)) => {
                cx.log(Event::Reported {
                    execution: self.entry.id.clone(),
                    status: report.status,
                    attempts,
                });
                self.over(Why::Ended);
            }
            // The state went on while the update was in flight.
            (Kind::Claim | Kind::Progress { .. } | Kind::Announcement { .. } | Kind::Report, _) => {
                self.ask_for_report(cx)
            }
        }
    }

    /// The service refused the update.
    pub(crate) fn update_refused(&mut self, cx: &mut Context, token: u32, refusal: &Refusal) {
        if self.update.answered(token).is_none() {
            return;
        }
        match (self.sent, self.state) {
            (Kind::Claim, State::Claiming { .. }) => self.claim_refused(cx, refusal),
            (Kind::Progress { details }, State::Running | State::Deferred { .. }) => {
                self.progress_refused(cx, refusal, details);
            }
            (Kind::Announcement { details }, State::Announcing { leave, .. }) => {
                match refusal.code {
                    ErrorCode::InvalidRequest | ErrorCode::InvalidJson if !details => {
                        self.go(cx, leave);
                    }
                    ErrorCode::InternalError
                    | ErrorCode::InvalidJson
                    | ErrorCode::InvalidRequest
                    | ErrorCode::InvalidStateTransition
                    | ErrorCode::InvalidTopic
                    | ErrorCode::RequestThrottled
                    | ErrorCode::ResourceNotFound
                    | ErrorCode::TerminalStateReached
                    | ErrorCode::Unknown
                    | ErrorCode::VersionMismatch => self.progress_refused(cx, refusal, details),
                }
            }
            (Kind::Report, State::Reporting(_)) => self.report_refused(cx, refusal),
            // The state went on while the update was in flight.
            (Kind::Claim | Kind::Progress { .. } | Kind::Announcement { .. } | Kind::Report, _) => {
                self.update.settle();
                self.ask_for_report(cx);
            }
        }
    }

    /// A report waited for an older update to be answered.
    fn ask_for_report(&mut self, cx: &Context) {
        if let State::Reporting(report) = self.state
            && cx.saves.is_done(report.generation)
        {
            self.update.ask(cx.now);
        }
    }

    fn claimed(&mut self, cx: &mut Context, sent_at: Instant) {
        let id = self.entry.id.clone();
        cx.log(if self.entry.phase == Phase::Unclaimed {
            Event::Claimed(id)
        } else {
            Event::Resumed(id)
        });
        self.mismatches = 0;
        self.timers.clear();
        self.timers.update_accepted(cx, sent_at);
        self.start(cx);
    }

    fn claim_refused(&mut self, cx: &mut Context, refusal: &Refusal) {
        if let Some(status) = refusal.ended() {
            return self.ended(cx, status);
        }
        match refusal.code {
            ErrorCode::VersionMismatch => {
                self.mismatches = self.mismatches.saturating_add(1);
                let ours = self.update.attempts() > 1;
                if ours && refusal.status == Some(Status::InProgress) {
                    // An earlier attempt arrived, and its answer was lost. The step timer started then.
                    self.update.settle();
                    self.claimed(cx, cx.now);
                } else if self.mismatches > MISMATCHES_MAX {
                    self.put_aside(cx, refusal.code);
                } else {
                    self.update.drop_it();
                    self.state = State::Resuming;
                    self.describe.ask(cx.now);
                }
            }
            ErrorCode::ResourceNotFound if self.is_found_again() => {
                self.update.ask_patiently(cx.now, &mut cx.random);
            }
            ErrorCode::ResourceNotFound => self.ended(cx, None),
            ErrorCode::InvalidStateTransition
            | ErrorCode::InvalidRequest
            | ErrorCode::InvalidJson
            | ErrorCode::InvalidTopic => self.put_aside(cx, refusal.code),
            ErrorCode::TerminalStateReached
            | ErrorCode::InternalError
            | ErrorCode::RequestThrottled
            | ErrorCode::Unknown => {
                cx.log(Event::RequestRefused(refusal.code));
                self.update.ask_patiently(cx.now, &mut cx.random);
            }
        }
    }

    /// A claim that is refused for reasons unknown: others go first, and it is tried again later.
    fn put_aside(&mut self, cx: &mut Context, code: ErrorCode) {
        cx.log(Event::RequestRefused(code));
        cx.log(Event::Postponed(self.entry.id.clone()));
        if self.entry.phase == Phase::Unclaimed {
            return self.over(Why::Postponed);
        }
        // What has run already is not forgotten.
        self.update.drop_it();
        self.mismatches = 0;
        self.state = State::Resuming;
        self.describe.ask_patiently(cx.now, &mut cx.random);
    }

    fn progress_refused(&mut self, cx: &mut Context, refusal: &Refusal, details: bool) {
        if let Some(status) = refusal.ended() {
            return self.ended(cx, status);
        }
        match refusal.code {
            ErrorCode::ResourceNotFound if !self.is_found_again() => return self.ended(cx, None),
            ErrorCode::InvalidRequest | ErrorCode::InvalidJson if details => {
                cx.log(Event::DetailsRefused(self.entry.id.clone()));
                self.update.settle();
                return self.update.ask(cx.now);
            }
            ErrorCode::InvalidStateTransition => self.describe.ask(cx.now),
            ErrorCode::ResourceNotFound
            | ErrorCode::InvalidRequest
            | ErrorCode::InvalidJson
            | ErrorCode::InternalError
            | ErrorCode::InvalidTopic
            | ErrorCode::RequestThrottled
            | ErrorCode::TerminalStateReached
            | ErrorCode::Unknown
            | ErrorCode::VersionMismatch => {}
        }
        cx.log(Event::RequestRefused(refusal.code));
        self.fresh |= details;
        self.timers.show_life();
        self.update.ask_patiently(cx.now, &mut cx.random);
    }

    fn report_refused(&mut self, cx: &mut Context, refusal: &Refusal) {
        let State::Reporting(report) = &mut self.state else {
            return;
        };
        let status = report.status;
        let execution = self.entry.id.clone();
        match report.refused(refusal) {
            Fate::Delivered => {
                cx.log(Event::Reported {
                    execution,
                    status,
                    attempts: self.update.attempts(),
                });
                self.over(Why::Ended);
            }
            Fate::Refused => {
                cx.log(Event::ReportRefused {
                    execution,
                    status,
                    code: refusal.code,
                    actual: refusal.status,
                });
                self.over(Why::Ended);
            }
            Fate::AgainBare => {
                cx.log(Event::DetailsRefused(execution));
                self.update.ask(cx.now);
            }
            Fate::AgainLater => {
                cx.log(Event::RequestRefused(refusal.code));
                self.update.ask_patiently(cx.now, &mut cx.random);
            }
        }
    }

    /// Whether an execution that was not found is worth another question.
    fn is_found_again(&mut self) -> bool {
        self.not_found = self.not_found.saturating_add(1);
        self.not_found <= NOT_FOUND_MAX
    }

    /// The service described the execution.
    pub(crate) fn described(
        &mut self,
        cx: &mut Context,
        token: u32,
        found: Option<Description>,
    ) -> Option<Fresh> {
        let asked_at = self.describe.answered(token)?;
        self.describe.settle();
        let Some(found) = found else {
            // Says nothing of this execution: it was asked for by its id.
            if self.renewing || self.state == State::Resuming {
                self.describe.ask_patiently(cx.now, &mut cx.random);
            }
            return None;
        };
        self.not_found = 0;
        if found.status.is_terminal() || found.number != self.entry.id.number {
            let status = Some(found.status).filter(|status| status.is_terminal());
            self.ended(cx, status);
            return None;
        }
        match self.state {
            State::Resuming => self.described_to_resume(cx, &found),
            State::Running | State::Deferred { .. } => {
                if let Some(left) = found.seconds_left {
                    self.timers.learn(cx, asked_at, left);
                }
                self.renewed(cx, found.document)
            }
            State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Announcing { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Reporting(_)
            | State::Over(_) => None,
        }
    }

    fn described_to_resume(&mut self, cx: &mut Context, found: &Description) -> Option<Fresh> {
        let Some(document) = found.document.clone() else {
            self.fail(
                cx,
                Status::Rejected,
                "invalid_document",
                "the job document is not a JSON object",
            );
            return None;
        };
        self.state = State::Offered {
            version: found.version_to_claim(),
        };
        cx.log(Event::Offered(self.entry.id.clone()));
        Some(Fresh::Offer(document))
    }

    fn renewed(&mut self, cx: &Context, document: Option<Range<usize>>) -> Option<Fresh> {
        if !self.renewing {
            return None;
        }
        let Some(document) = document else {
            // This describe left before the handler asked.
            self.describe.ask(cx.now);
            return None;
        };
        self.renewing = false;
        Some(Fresh::Renewal(document))
    }

    /// The service refused to describe the execution.
    pub(crate) fn describe_refused(&mut self, cx: &mut Context, token: u32, refusal: &Refusal) {
        if self.describe.answered(token).is_none() {
            return;
        }
        if let Some(status) = refusal.ended() {
            return self.ended(cx, status);
        }
        if refusal.code == ErrorCode::ResourceNotFound && !self.is_found_again() {
            return self.ended(cx, None);
        }
        cx.log(Event::RequestRefused(refusal.code));
        let retried = refusal.code.is_transient() || refusal.code == ErrorCode::ResourceNotFound;
        if retried || self.renewing || self.state == State::Resuming {
            self.describe.ask_patiently(cx.now, &mut cx.random);
        }
    }

    /// A list lacks the execution. That says nothing by itself: it is described.
    pub(crate) fn missed(&mut self, cx: &Context) {
        match self.state {
            State::Running | State::Deferred { .. } => self.describe.ask(cx.now),
            State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Announcing { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Reporting(_)
            | State::Over(_) => {}
        }
    }

    /// The service ended the execution, and said so.
    fn ended(&mut self, cx: &mut Context, status: Option<Status>) {
        match self.state {
            State::Leaving { .. } | State::Reporting(_) | State::Over(_) => return,
            State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Running
            | State::Deferred { .. }
            | State::Announcing { .. }
            | State::Suspended => {}
        }
        let told = Handler::is_canceled(self.handler);
        if !told {
            cx.log(Event::EndedByService(self.entry.id.clone(), status));
        }
        self.cancel(cx, CancelReason::CanceledByService);
        if !self.is_busy() {
            self.give_up(cx);
        }
    }
}

impl Handler {
    fn is_canceled(self) -> bool {
        match self {
            Self::Stopping { reason, .. } => reason == CancelReason::CanceledByService,
            Self::Idle | Self::Due | Self::Running => false,
        }
    }
}
