//! What goes wrong on purpose on the device plane; see [`crate::faults`] for how faults are chosen.
//!
//! Faults befall requests, over MQTT and over HTTP, and what devices are notified of. Over HTTP there is
//! one answer to a request, so [`RequestFault::duplicate`] and [`RequestFault::hold_for_messages`] do
//! nothing there, and an answer that is lost is a connection that ends without one.

use core::ops::Not;
use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::held::Hold;
use crate::faults::{
    Chance, Fault, FaultError, Occasion, Plan, Seconds, check_thing, check_time, is_in, is_of,
};
use crate::model::Effect;
use crate::model::names::ThingName;
use crate::model::time::Timestamp;

const MAX_HIDE_SECONDS: u64 = 86_400;
/// The longest that a message or an answer is late.
pub(crate) const MAX_DELAY_SECONDS: u64 = 86_400;
const MAX_HOLD_MESSAGES: u32 = 1000;
/// The most things from which what is next is hidden one by one; from others it is not.
const MAX_HIDDEN: usize = 4096;

/// The faults to come on the device plane. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceFaults {
    /// What befalls requests.
    pub requests: Plan<RequestFault>,
    /// What befalls notifications.
    pub notifications: Plan<NotificationFault>,
    hidden: Hidden,
}

/// What befalls one request. Members add up, as far as they leave anything to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestFault {
    /// The only operation that this is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The only thing that this is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The only namespace that this is for; an empty name is the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How likely this is, where it stands; certain unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
    /// Do what is asked, and lose the answer.
    #[serde(skip_serializing_if = "Not::not")]
    pub drop: bool,
    /// Neither do what is asked nor answer.
    #[serde(skip_serializing_if = "Not::not")]
    pub ignore: bool,
    /// Do what is asked once, and answer twice.
    #[serde(skip_serializing_if = "Not::not")]
    pub duplicate: bool,
    /// Do not do what is asked; answer with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<FaultCode>,
    /// From this request on, and for so long, answer every device, or the only one that this is for, as
    /// if nothing was pending: a notification may arrive before what it tells of is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hide_next: Option<Seconds>,
    /// Answer so much later, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<Seconds>,
    /// Answer after so many later messages to the thing; [`Hold`] says until when at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_for_messages: Option<u32>,
    /// End the connection instead of answering.
    #[serde(skip_serializing_if = "Not::not")]
    pub close_connection: bool,
}

/// What befalls one notification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationFault {
    /// The only kind that this is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<NotificationKind>,
    /// The only thing that this is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The only namespace that this is for; an empty name is the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How likely this is, where it stands; certain unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
    /// Lose it.
    #[serde(skip_serializing_if = "Not::not")]
    pub drop: bool,
    /// Publish it twice.
    #[serde(skip_serializing_if = "Not::not")]
    pub duplicate: bool,
    /// From this notification on, and for so long, answer its thing as if nothing was pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hide_next: Option<Seconds>,
    /// Publish it so much later, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<Seconds>,
    /// Publish it after so many later messages to the thing; [`Hold`] says until when at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_for_messages: Option<u32>,
    /// End the thing's connections before: a session that outlives them gets it later.
    #[serde(skip_serializing_if = "Not::not")]
    pub close_connection: bool,
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
/// Developer guide, jobs-api, ErrorResponse. Over HTTP they are ServiceUnavailableException, the one
/// failure of the service that the operations declare, and ThrottlingException.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum FaultCode {
    /// The service failed.
    InternalError,
    /// The device asks too often.
    RequestThrottled,
}

impl DeviceFaults {
    /// The faults of these plans.
    pub fn new(requests: Plan<RequestFault>, notifications: Plan<NotificationFault>) -> Self {
        Self {
            requests,
            notifications,
            hidden: Hidden::default(),
        }
    }

    /// Whether a fault ends connections of MQTT.
    pub(crate) fn closes_connections(&self) -> bool {
        let Self {
            requests,
            notifications,
            ..
        } = self;
        let closes = |fault: &RequestFault| fault.close_connection;
        let closes_before = |fault: &NotificationFault| fault.close_connection;
        requests.planned().iter().any(closes)
            || requests.standing().iter().any(closes)
            || notifications.planned().iter().any(closes_before)
            || notifications.standing().iter().any(closes_before)
    }

    /// Takes the fault of a request that arrives, and hides what is next if it says so.
    pub(crate) fn next_request(
        &mut self,
        operation: Operation,
        thing: &ThingName,
        namespace: Option<&str>,
        now: Timestamp,
    ) -> RequestFault {
        let occasion = Occasion {
            subject: thing.as_str(),
            kind: operation.name(),
            namespace,
        };
        let fault = self.requests.take(&occasion, now);
        if let Some(time) = fault.hide_next {
            let from = fault.only.as_ref().map(|_| thing);
            self.hidden.hide(from, now.plus(time.get()), now);
        }
        fault
    }

    /// Takes the fault of a notification that goes out, and hides what is next if it says so. Events
    /// have none.
    pub(crate) fn next_notification(
        &mut self,
        effect: &Effect,
        now: Timestamp,
    ) -> NotificationFault {
        let (kind, thing, namespace) = match effect {
            Effect::Event(_) => return NotificationFault::default(),
            Effect::Notify {
                thing, namespace, ..
            } => (NotificationKind::Notify, thing, namespace),
            Effect::NotifyNext {
                thing, namespace, ..
            } => (NotificationKind::NotifyNext, thing, namespace),
        };
        let occasion = Occasion {
            subject: thing.as_str(),
            kind: kind.name(),
            namespace: namespace.as_ref().map(|namespace| namespace.as_str()),
        };
        let fault = self.notifications.take(&occasion, now);
        if let Some(time) = fault.hide_next {
            self.hidden.hide(Some(thing), now.plus(time.get()), now);
        }
        fault
    }

    /// Whether a device may not see what is next.
    pub(crate) fn is_next_hidden(&self, thing: &ThingName, now: Timestamp) -> bool {
        self.hidden.is_hidden(thing, now)
    }
}

impl Fault for RequestFault {
    const PLANE: &'static str = "Requests";

    fn is_for(&self, occasion: &Occasion<'_>) -> bool {
        self.operation
            .is_none_or(|only| only.name() == occasion.kind)
            && is_of(self.only.as_ref(), occasion)
            && is_in(self.namespace.as_ref(), occasion)
    }

    fn chance(&self) -> Option<Chance> {
        self.chance
    }

    fn check(&self) -> Result<(), FaultError> {
        check_thing(self.only.as_ref())?;
        check_time("hideNext", self.hide_next, 0, MAX_HIDE_SECONDS)?;
        check_time("delaySeconds", self.delay_seconds, 0, MAX_DELAY_SECONDS)?;
        check_hold(self.hold_for_messages)
    }
}

impl Fault for NotificationFault {
    const PLANE: &'static str = "Notifications";

    fn is_for(&self, occasion: &Occasion<'_>) -> bool {
        self.kind.is_none_or(|only| only.name() == occasion.kind)
            && is_of(self.only.as_ref(), occasion)
            && is_in(self.namespace.as_ref(), occasion)
    }

    fn chance(&self) -> Option<Chance> {
        self.chance
    }

    fn check(&self) -> Result<(), FaultError> {
        check_thing(self.only.as_ref())?;
        check_time("hideNext", self.hide_next, 0, MAX_HIDE_SECONDS)?;
        check_time("delaySeconds", self.delay_seconds, 0, MAX_DELAY_SECONDS)?;
        check_hold(self.hold_for_messages)
    }
}

fn check_hold(messages: Option<u32>) -> Result<(), FaultError> {
    if messages.is_none_or(|messages| (1..=MAX_HOLD_MESSAGES).contains(&messages)) {
        Ok(())
    } else {
        let limit = MAX_HOLD_MESSAGES;
        Err(FaultError::OutOfHold { limit })
    }
}

impl RequestFault {
    /// How often the answer is sent.
    pub(super) fn copies(&self) -> usize {
        copies(self.drop, self.duplicate)
    }

    /// When the answer is sent.
    pub(super) fn hold(&self) -> Hold {
        Hold::new(self.delay(), self.hold_for_messages)
    }

    /// How late the answer is.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.delay_seconds.map(Seconds::get)
    }
}

impl NotificationFault {
    /// How often the notification is published.
    pub(super) fn copies(&self) -> usize {
        copies(self.drop, self.duplicate)
    }

    /// When the notification is published.
    pub(super) fn hold(&self) -> Hold {
        let delay = self.delay_seconds.map(Seconds::get);
        Hold::new(delay, self.hold_for_messages)
    }
}

fn copies(drop: bool, duplicate: bool) -> usize {
    match (drop, duplicate) {
        (true, _) => 0,
        (false, false) => 1,
        (false, true) => 2,
    }
}

impl Operation {
    /// As in faults and in streams of draws.
    fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Pending => "pending",
            Self::StartNext => "start-next",
            Self::Update => "update",
        }
    }
}

impl NotificationKind {
    /// As in faults and in streams of draws.
    fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::NotifyNext => "notify-next",
        }
    }
}

impl FaultCode {
    /// The `code` and `message` of the answer over MQTT.
    pub(super) fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::InternalError => ("InternalError", "An internal error occurred"),
            Self::RequestThrottled => ("RequestThrottled", "Rate exceeded"),
        }
    }
}

/// From whom what is next is hidden, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Hidden {
    from_all: Option<Timestamp>,
    from: BTreeMap<ThingName, Timestamp>,
}

impl Hidden {
    fn hide(&mut self, from: Option<&ThingName>, until: Timestamp, now: Timestamp) {
        let Some(thing) = from else {
            self.from_all = Some(until);
            return;
        };
        if self.from.len() >= MAX_HIDDEN {
            self.from.retain(|_, until| now < *until);
        }
        if self.from.len() < MAX_HIDDEN || self.from.contains_key(thing) {
            self.from.insert(thing.clone(), until);
        }
    }

    fn is_hidden(&self, thing: &ThingName, now: Timestamp) -> bool {
        let of_thing = self.from.get(thing).copied();
        self.from_all.max(of_thing).is_some_and(|until| now < until)
    }
}
