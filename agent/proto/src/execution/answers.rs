//! What the answers to updates mean for an execution.

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

impl<const D: usize> Execution<D> {
    /// Whether an update with this token waits for its answer.
    pub(crate) fn awaits_update(&self, token: u32) -> bool {
        self.update.token() == Some(token)
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
            (Kind::Progress { .. }, State::Resuming) => {}
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
                self.ask_anew(cx)
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
            (
                Kind::Progress { details },
                State::Running | State::Deferred { .. } | State::Resuming,
            ) => {
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
                self.ask_anew(cx);
            }
        }
    }

    /// What the state wants to say waited for an older update to be answered.
    fn ask_anew(&mut self, cx: &Context) {
        if self.kind_due(cx).is_some() {
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
        self.asides.reset();
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
        let wait = self.asides.next(&mut cx.random);
        self.describe.drop_it();
        self.describe.ask_not_before(cx.now + wait);
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
    pub(super) fn is_found_again(&mut self) -> bool {
        self.not_found = self.not_found.saturating_add(1);
        self.not_found <= NOT_FOUND_MAX
    }

    /// The service ended the execution, and said so.
    pub(super) fn ended(&mut self, cx: &mut Context, status: Option<Status>) {
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
