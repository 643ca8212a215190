//! What the answers to describes, and lists, mean for an execution.

use core::ops::Range;

use crate::event::Event;
use crate::execution::{Execution, State};
use crate::report::Refusal;
use crate::session::context::Context;
use crate::wire::error::ErrorCode;
use crate::wire::status::Status;

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
    /// Whether a describe with this token waits for its answer.
    pub(crate) fn awaits_describe(&self, token: u32) -> bool {
        self.describe.token() == Some(token)
    }

    /// The service described the execution.
    pub(crate) fn described(
        &mut self,
        cx: &mut Context,
        token: u32,
        found: Option<Description>,
    ) -> Option<Fresh> {
        let asked_at = self.describe.answered(token)?;
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
        if !self.renewing || found.document.is_some() {
            self.describe.settle();
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

    /// The document that was handed out was not taken.
    pub(crate) fn document_missed(&mut self, cx: &Context) {
        match self.state {
            State::Offered { .. } => self.state = State::Resuming,
            State::Running => self.renewing = true,
            State::Resuming
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Deferred { .. }
            | State::Announcing { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Reporting(_)
            | State::Over(_) => return,
        }
        self.describe.ask(cx.now);
    }

    fn renewed(&mut self, cx: &mut Context, document: Option<Range<usize>>) -> Option<Fresh> {
        if !self.renewing {
            return None;
        }
        let Some(document) = document else {
            // This describe left before the handler asked, or the service has none to give.
            self.describe.ask_patiently(cx.now, &mut cx.random);
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
}
