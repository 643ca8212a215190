//! What an execution asks of the service.

use crate::execution::{Execution, Handler, State};
use crate::session::Action;
use crate::session::context::Context;
use crate::session::publish::{Publish, compose};
use crate::time::Instant;
use crate::topic::{self, Target};
use crate::wire::request::{Describe, StepTimeout, Update};
use crate::wire::status::Status;

/// What an update is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// IN_PROGRESS, of the version that was described.
    Claim,
    /// IN_PROGRESS, with progress or only to start the step timer anew.
    Progress {
        /// Whether it carries details.
        details: bool,
    },
    /// IN_PROGRESS, before the device goes away.
    Announcement {
        /// Whether it carries details.
        details: bool,
    },
    /// The terminal status.
    Report,
}

/// Which request is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// UpdateJobExecution.
    Update,
    /// DescribeJobExecution.
    Describe,
}

impl<const D: usize> Execution<D> {
    /// Which request is to be sent now.
    pub(crate) fn request_due(&self, cx: &Context) -> Option<Due> {
        if self.update.is_due(cx.now) && self.kind_due(cx).is_some() {
            return Some(Due::Update);
        }
        (self.describe.is_due(cx.now) && self.describes()).then_some(Due::Describe)
    }

    /// What an update would say in this state; `None` where none is sent.
    pub(super) fn kind_due(&self, cx: &Context) -> Option<Kind> {
        let details = self.fresh && !self.entry.details.is_empty();
        match self.state {
            State::Claiming { .. } => Some(Kind::Claim),
            State::Running => match self.handler {
                Handler::Running => Some(Kind::Progress { details }),
                Handler::Idle | Handler::Due | Handler::Stopping { .. } => None,
            },
            State::Deferred { .. } => Some(Kind::Progress { details }),
            State::Announcing { .. } => Some(Kind::Announcement { details }),
            State::Reporting(report) => cx.saves.is_done(report.generation).then_some(Kind::Report),
            State::Resuming
            | State::Offered { .. }
            | State::Starting { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Over(_) => None,
        }
    }

    /// Whether the execution is described in this state.
    pub(super) fn describes(&self) -> bool {
        match self.state {
            State::Resuming | State::Running | State::Deferred { .. } => true,
            State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Announcing { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Reporting(_)
            | State::Over(_) => false,
        }
    }

    /// Writes the request that is due.
    pub(crate) fn request<'a>(
        &mut self,
        cx: &mut Context,
        due: Due,
        buffer: &'a mut [u8],
    ) -> Option<Action<'a, D>> {
        match due {
            Due::Update => self.send_update(cx, buffer),
            Due::Describe => self.send_describe(cx, buffer),
        }
    }

    fn send_update<'a>(&mut self, cx: &mut Context, buffer: &'a mut [u8]) -> Option<Action<'a, D>> {
        let kind = self.kind_due(cx)?;
        let (token, client_token) = cx.next_token()?;
        let timing = cx.settings.timing;
        let away = timing.trial_window + timing.reboot_within;
        let (status, with_details, expected_version, step) = match kind {
            Kind::Claim => (
                Status::InProgress,
                false,
                self.version(),
                timing.step_timeout,
            ),
            Kind::Progress { details } => (Status::InProgress, details, None, timing.step_timeout),
            // The step timer runs on while the device is away.
            Kind::Announcement { details } => (
                Status::InProgress,
                details,
                None,
                timing.step_timeout.map(|step| step + away),
            ),
            Kind::Report => {
                let (status, bare) = self.report_to_send()?;
                let details = !bare && !self.entry.details.is_empty();
                (status, details, None, None)
            }
        };
        let topic = topic::update(
            &cx.settings.thing,
            &cx.settings.namespace,
            &self.entry.id.job,
        );
        let body = Update {
            client_token: &client_token,
            status,
            status_details: with_details.then_some(&self.entry.details),
            expected_version,
            execution_number: Some(self.entry.id.number),
            step_timeout: step.map(StepTimeout::at_least),
            include_job_execution_state: false,
            include_job_document: false,
        };
        self.update.sent(token, cx.now, timing.answer_within);
        self.timers.update_sent(cx);
        self.sent = kind;
        self.fresh = false;
        compose(cx, buffer, topic, Publish::Update(&body))
    }

    fn send_describe<'a>(
        &mut self,
        cx: &mut Context,
        buffer: &'a mut [u8],
    ) -> Option<Action<'a, D>> {
        let (token, client_token) = cx.next_token()?;
        let target = Target::Job((&self.entry.id.job).into());
        let topic = topic::describe(&cx.settings.thing, &cx.settings.namespace, target);
        let body = Describe {
            client_token: &client_token,
            execution_number: Some(self.entry.id.number),
            include_job_document: self.renewing || self.state == State::Resuming,
        };
        self.describe
            .sent(token, cx.now, cx.settings.timing.answer_within);
        self.timers.look_sent();
        compose(cx, buffer, topic, Publish::Describe(&body))
    }

    fn version(&self) -> Option<i64> {
        match self.state {
            State::Claiming { version } => version,
            State::Resuming
            | State::Offered { .. }
            | State::Starting { .. }
            | State::Running
            | State::Deferred { .. }
            | State::Announcing { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Reporting(_)
            | State::Over(_) => None,
        }
    }

    fn report_to_send(&self) -> Option<(Status, bool)> {
        match self.state {
            State::Reporting(report) => Some((report.status, report.bare)),
            State::Resuming
            | State::Offered { .. }
            | State::Claiming { .. }
            | State::Starting { .. }
            | State::Running
            | State::Deferred { .. }
            | State::Announcing { .. }
            | State::Leaving { .. }
            | State::Suspended
            | State::Over(_) => None,
        }
    }

    /// The answer to the update in flight will not come.
    pub(super) fn update_lost(&mut self) {
        match self.sent {
            Kind::Progress { details } | Kind::Announcement { details } => self.fresh |= details,
            Kind::Claim | Kind::Report => {}
        }
        if self.sent != Kind::Report && self.report_to_send().is_some() {
            self.update.settle();
        }
    }

    /// The link is gone: no answer comes over it.
    pub(crate) fn link_lost(&mut self, now: Instant) {
        if self.update.link_lost(now) {
            self.update_lost();
        }
        self.describe.link_lost(now);
    }
}
