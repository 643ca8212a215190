//! The device plane over MQTT: reads requests, asks the model, answers and notifies.
//!
//! No rule of Jobs is in here. An answer goes to the connection that asked, on the topic of its
//! request and `accepted` or `rejected`; then the devices are told what the request changed. The
//! HTTP form of these operations is the API's. Requests and notifications may go wrong on purpose:
//! see [`faults`].

pub mod faults;
mod message;
mod topic;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::broker::{Broker, ConnectionId, Request};
use crate::model::document::Presign;
use crate::model::error::DeviceError;
use crate::model::operation::{Describe, GetPending, Pending, Selector, StartNext, Update};
use crate::model::time::Timestamp;
use crate::model::{Effect, Model};
use crate::shared::Shared;
use crate::throttle::Kind;

use faults::{FaultCode, NotificationFault, Operation, RequestFault};
use message::{Answer, Body};
use topic::{Asked, TopicError, Verb};

const INVALID_TOPIC: &str = "InvalidTopic";

/// The way to the devices.
pub trait Outlet: Send + Sync {
    /// Publishes to every subscriber of `topic`.
    fn publish(&self, topic: &str, payload: Bytes);

    /// Answers one connection, subscribed or not.
    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes);
}

impl Outlet for Broker {
    fn publish(&self, topic: &str, payload: Bytes) {
        Self::publish(self, topic, payload);
    }

    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes) {
        Self::reply(self, to, topic, payload);
    }
}

/// Answers the devices' requests until the broker is gone.
pub async fn serve(shared: Shared, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        answer(&shared, &request);
    }
}

/// Answers one request.
pub fn answer(shared: &Shared, request: &Request) {
    let mut reply = Reply {
        outlet: shared.outlet(),
        request,
        fault: RequestFault::default(),
    };
    let asked = match topic::read(&request.topic) {
        Ok(asked) => asked,
        Err(TopicError::NotJobs | TopicError::Ours) => return,
        Err(TopicError::Unknown) => return reply.to_invalid_topic(shared.clock().now()),
    };
    let fault = shared.faults().next_request(asked.verb.operation());
    if fault.ignore {
        return;
    }
    reply.fault = fault;
    let body = match Body::read(&request.payload) {
        Ok(body) => body,
        Err(error) => {
            let (code, message) = error.told();
            let now = shared.clock().now();
            return reply.rejected(message::unreadable(code, message, None, now));
        }
    };
    let throttled = !shared.takes(asked.verb.kind());
    let throttled = throttled.then_some(FaultCode::RequestThrottled);
    if let Some(code) = fault.code.or(throttled) {
        let (code, message) = code.told();
        let (token, now) = (body.token.as_ref(), shared.clock().now());
        return reply.rejected(message::unreadable(code, message, token, now));
    }
    shared.answering(
        |model, now| {
            let hidden = shared.faults().hides_next(&fault, now);
            if hidden && asked.verb.asks_what_is_next() {
                return nothing(model, &asked);
            }
            ask(model, &asked, &body, shared.presign(), now)
        },
        |result, now| match result {
            Ok(answer) => reply.accepted(message::accepted(answer, body.token.as_ref(), now)),
            Err(error) => reply.rejected(message::rejected(&error, body.token.as_ref(), now)),
        },
    );
}

/// Tells a device of a change.
pub(crate) fn tell(
    outlet: &dyn Outlet,
    presign: &dyn Presign,
    effect: &Effect,
    fault: NotificationFault,
    now: Timestamp,
) {
    for _ in 0..fault.copies() {
        tell_once(outlet, presign, effect, now);
    }
}

fn tell_once(outlet: &dyn Outlet, presign: &dyn Presign, effect: &Effect, now: Timestamp) {
    match effect {
        Effect::Event(event) => outlet.publish(&topic::event(event), message::event(event)),
        Effect::Notify {
            thing,
            namespace,
            job,
            pending,
        } => {
            let payload = message::notify(pending, now);
            if let Some(namespace) = namespace {
                let literal = topic::notify_of_job(thing, job, namespace);
                outlet.publish(&literal, payload.clone());
            }
            outlet.publish(&topic::notify(thing, namespace.as_ref()), payload);
        }
        Effect::NotifyNext {
            thing,
            namespace,
            next,
        } => {
            let payload = message::notify_next(next.as_deref(), presign, now);
            outlet.publish(&topic::notify_next(thing, namespace.as_ref()), payload);
        }
    }
}

fn ask(
    model: &mut Model,
    asked: &Asked,
    body: &Body,
    presign: &dyn Presign,
    now: Timestamp,
) -> Result<Answer, DeviceError> {
    let thing = &asked.thing;
    let namespace = asked.namespace.as_ref();
    let members = &body.members;
    match &asked.verb {
        Verb::Describe(which) => {
            let request = Describe::parse(members);
            let execution = model.describe(thing, namespace, which, &request, now)?;
            Ok(message::execution(execution.as_ref(), presign, now))
        }
        Verb::GetPending => {
            GetPending::parse(members)?;
            let pending = model.pending_job_executions(thing, namespace)?;
            Ok(message::pending(&pending))
        }
        Verb::StartNext => {
            let request = StartNext::parse(members);
            let execution = model.start_next(thing, namespace, &request, now)?;
            Ok(message::execution(execution.as_ref(), presign, now))
        }
        Verb::Update(job) => {
            let request = Update::parse(members);
            let updated = model.update(thing, namespace, job, &request, now)?;
            Ok(message::updated(&updated, presign, now))
        }
    }
}

/// What a device is told that may not see what is next.
fn nothing(model: &Model, asked: &Asked) -> Result<Answer, DeviceError> {
    // There are still no jobs for what is no thing.
    model.pending_job_executions(&asked.thing, asked.namespace.as_ref())?;
    Ok(match asked.verb {
        Verb::GetPending => message::pending(&Pending::default()),
        Verb::Describe(_) | Verb::StartNext | Verb::Update(_) => Answer::new(),
    })
}

impl Verb {
    fn operation(&self) -> Operation {
        match self {
            Self::Describe(_) => Operation::Describe,
            Self::GetPending => Operation::Pending,
            Self::StartNext => Operation::StartNext,
            Self::Update(_) => Operation::Update,
        }
    }

    fn kind(&self) -> Kind<'static> {
        match self {
            Self::Describe(_) | Self::GetPending => Kind::Read,
            Self::StartNext | Self::Update(_) => Kind::Write,
        }
    }

    fn asks_what_is_next(&self) -> bool {
        match self {
            Self::Describe(Selector::Next) | Self::GetPending | Self::StartNext => true,
            Self::Describe(Selector::Job(_)) | Self::Update(_) => false,
        }
    }
}

/// The way back to who asked.
struct Reply<'a> {
    outlet: &'a dyn Outlet,
    request: &'a Request,
    fault: RequestFault,
}

impl Reply<'_> {
    fn accepted(&self, payload: Bytes) {
        self.send("accepted", payload);
    }

    fn rejected(&self, payload: Bytes) {
        self.send("rejected", payload);
    }

    fn to_invalid_topic(&self, now: Timestamp) {
        let body = Body::read(&self.request.payload).ok();
        let token = body.as_ref().and_then(|body| body.token.as_ref());
        let message = "The topic does not map to an operation of AWS IoT Jobs";
        self.rejected(message::unreadable(INVALID_TOPIC, message, token, now));
    }

    fn send(&self, verdict: &str, payload: Bytes) {
        let topic = format!("{}/{verdict}", self.request.topic);
        let to = self.request.connection.as_ref();
        for _ in 0..self.fault.copies() {
            self.outlet.reply(to, &topic, payload.clone());
        }
    }
}

#[cfg(test)]
mod tests;
