//! What goes wrong on purpose on the device plane, so that a test can count on it.
//!
//! Driven by `POST /_local/faults`; see [`crate::api`]. Faults befall requests over MQTT, and what
//! devices are notified of; the HTTP form of the operations has none. Nothing here is left to
//! chance: each request takes the first fault that is for its operation, in the order in which
//! requests arrive.

use core::time::Duration;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::Effect;
use crate::model::time::Timestamp;

const MAX_NEXT: usize = 64;
const MAX_HIDE_SECONDS: u64 = 86_400;

/// The faults to come. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFaults {
    /// Faults of the next requests: each takes the first one that is for its operation.
    pub next_requests: VecDeque<RequestFault>,
    /// What befalls each later request.
    pub all_requests: RequestFault,
    /// Faults of the next notifications: each takes the first one that is for its kind.
    pub next_notifications: VecDeque<NotificationFault>,
    /// What befalls each later notification.
    pub all_notifications: NotificationFault,
    /// Until when nothing is next; a request with [`RequestFault::hide_next`] sets it.
    pub hidden_until: Option<Timestamp>,
}

/// What befalls one request. Members add up, as far as they leave anything to each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestFault {
    /// The only operation that this is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Do what is asked, and lose the answer.
    pub drop: bool,
    /// Neither do what is asked nor answer.
    pub ignore: bool,
    /// Do what is asked once, and answer twice.
    pub duplicate: bool,
    /// Do not do what is asked; answer with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<FaultCode>,
    /// From this request on, and for so many seconds, answer every device as if nothing was
    /// pending: a notification may arrive before what it tells of is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hide_next: Option<u64>,
}

/// What befalls one notification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationFault {
    /// The only kind that this is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<NotificationKind>,
    /// Lose it.
    pub drop: bool,
    /// Publish it twice.
    pub duplicate: bool,
}

/// An operation of the device plane, as far as faults tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// DescribeJobExecution.
    Describe,
    /// GetPendingJobExecutions.
    Pending,
    /// StartNextPendingJobExecution.
    StartNext,
    /// UpdateJobExecution.
    Update,
}

/// A kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotificationKind {
    /// Of what is pending.
    Notify,
    /// Of what is first.
    NotifyNext,
}

/// A refusal that is the service's own fault, and passes.
///
/// Developer guide, jobs-api, ErrorResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum FaultCode {
    /// The service failed.
    InternalError,
    /// The device asks too often.
    RequestThrottled,
}

/// Why faults are refused.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceFaultError {
    /// Nothing stays hidden for so long.
    #[error("hideNext is more than {MAX_HIDE_SECONDS} seconds")]
    HiddenTooLong,
    /// More faults planned than are kept.
    #[error("more than {MAX_NEXT} entries in {member}")]
    TooMany {
        /// The list of them.
        member: &'static str,
    },
}

impl DeviceFaults {
    /// Checks the limits that JSON cannot express.
    ///
    /// # Errors
    ///
    /// Fails if a list or a time is too long.
    pub fn checked(self) -> Result<Self, DeviceFaultError> {
        let lengths = [
            ("nextRequests", self.next_requests.len()),
            ("nextNotifications", self.next_notifications.len()),
        ];
        if let Some((member, _)) = lengths.into_iter().find(|(_, len)| *len > MAX_NEXT) {
            return Err(DeviceFaultError::TooMany { member });
        }
        let is_too_long = |fault: &RequestFault| fault.hide_next > Some(MAX_HIDE_SECONDS);
        if self.next_requests.iter().any(is_too_long) || is_too_long(&self.all_requests) {
            return Err(DeviceFaultError::HiddenTooLong);
        }
        Ok(self)
    }

    /// Takes the fault of a request that arrives.
    pub(super) fn next_request(&mut self, operation: Operation) -> RequestFault {
        let is_for = |fault: &RequestFault| fault.operation.is_none_or(|only| only == operation);
        take(&mut self.next_requests, self.all_requests, is_for)
    }

    /// Takes the fault of a notification that goes out. Events are none.
    pub(crate) fn next_notification(&mut self, effect: &Effect) -> NotificationFault {
        let kind = match effect {
            Effect::Event(_) => return NotificationFault::default(),
            Effect::Notify { .. } => NotificationKind::Notify,
            Effect::NotifyNext { .. } => NotificationKind::NotifyNext,
        };
        let is_for = |fault: &NotificationFault| fault.kind.is_none_or(|only| only == kind);
        take(&mut self.next_notifications, self.all_notifications, is_for)
    }

    /// Hides what is next, if the request's fault says so, and says whether it is hidden.
    pub(super) fn hides_next(&mut self, fault: &RequestFault, now: Timestamp) -> bool {
        if let Some(seconds) = fault.hide_next {
            self.hidden_until = Some(now.plus(Duration::from_secs(seconds)));
        }
        self.hidden_until.is_some_and(|until| now < until)
    }
}

impl NotificationFault {
    /// How often the notification is published.
    pub(super) fn copies(&self) -> usize {
        copies(self.drop, self.duplicate)
    }
}

impl RequestFault {
    /// How often the answer is sent.
    pub(super) fn copies(&self) -> usize {
        copies(self.drop, self.duplicate)
    }
}

impl FaultCode {
    /// The `code` and `message` of the answer.
    pub(super) fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::InternalError => ("InternalError", "An internal error occurred"),
            Self::RequestThrottled => ("RequestThrottled", "Rate exceeded"),
        }
    }
}

/// Takes the first fault that is for what happens, or the one that befalls the rest.
fn take<T: Copy + Default>(next: &mut VecDeque<T>, all: T, is_for: impl Fn(&T) -> bool) -> T {
    let at = next.iter().position(&is_for);
    at.and_then(|at| next.remove(at))
        .or_else(|| is_for(&all).then_some(all))
        .unwrap_or_default()
}

fn copies(drop: bool, duplicate: bool) -> usize {
    match (drop, duplicate) {
        (true, _) => 0,
        (false, false) => 1,
        (false, true) => 2,
    }
}
