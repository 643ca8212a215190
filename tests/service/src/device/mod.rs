//! The device plane over MQTT: reads requests, asks the model, answers and notifies.
//!
//! No rule of Jobs is in here. An answer goes to the connection that asked, on the topic of its
//! request and `accepted` or `rejected`; then the devices are told what the request changed. The
//! HTTP form of these operations is the API's. Requests and notifications may go wrong on purpose:
//! see [`faults`].
//!
//! On both planes the thing of a request is seen as it arrives; then comes the fault, which takes nothing from
//! the rates, then the throttle, and only then is the body looked at.

mod again;
pub mod faults;
mod held;
mod message;
mod post;
mod topic;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::broker::{Broker, ConnectionId, Request};
use crate::model::document::Presign;
use crate::model::error::DeviceError;
use crate::model::names::NamespaceId;
use crate::model::operation::{Describe, GetPending, Pending, Selector, StartNext, Update};
use crate::model::time::Timestamp;
use crate::model::{Effect, Model, limit};
use crate::shared::{NotKept, Shared};
use crate::throttle::Kind;

use faults::{FaultCode, NotificationFault, Operation, RequestFault};
use held::Message;
use message::{Answer, Body};
use topic::{Asked, TopicError, Verb};

pub use again::serve_outside;
pub use held::Hold;
pub(crate) use post::Post;

/// How many requests the disk confirms at once, if as many wait.
const ANSWERED_TOGETHER: usize = 256;
/// Developer guide, jobs-mqtt-api: error codes.
const INTERNAL_ERROR: &str = "InternalError";
const INVALID_TOPIC: &str = "InvalidTopic";

/// The way to the devices.
pub trait Outlet: Send + Sync {
    /// Whether a message on `topic` could reach anybody, now or later.
    fn is_heard(&self, topic: &str) -> bool;

    /// The most bytes of a payload: what exceeds them is discarded.
    fn payload_limit(&self) -> usize;

    /// Publishes to every subscriber of `topic`.
    fn publish(&self, topic: &str, payload: Bytes);

    /// Answers one connection, subscribed or not.
    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes);

    /// Ends one connection.
    fn disconnect(&self, connection: &ConnectionId);

    /// Ends the connections of a thing.
    fn disconnect_thing(&self, thing: &str);
}

impl Outlet for Broker {
    fn is_heard(&self, topic: &str) -> bool {
        Self::is_heard(self, topic)
    }

    fn payload_limit(&self) -> usize {
        limit(self.quotas().payload_bytes)
    }

    fn publish(&self, topic: &str, payload: Bytes) {
        Self::publish(self, topic, payload);
    }

    fn reply(&self, to: Option<&ConnectionId>, topic: &str, payload: Bytes) {
        Self::reply(self, to, topic, payload);
    }

    fn disconnect(&self, connection: &ConnectionId) {
        Self::disconnect(self, connection);
    }

    fn disconnect_thing(&self, thing: &str) {
        Self::disconnect_thing(self, thing);
    }
}

/// Answers the devices' requests until the broker is gone: those that wait together, as one disk
/// confirms them.
pub async fn serve(shared: Shared, mut requests: mpsc::Receiver<Request>) {
    let mut waiting = Vec::new();
    while requests.recv_many(&mut waiting, ANSWERED_TOGETHER).await > 0 {
        answer_all(&shared, &waiting);
        waiting.clear();
    }
}

/// Answers requests in their order.
fn answer_all(shared: &Shared, requests: &[Request]) {
    let answered = shared.together(|shared| {
        requests.iter().for_each(|request| answer(shared, request));
    });
    if answered.is_err() {
        // Each is refused for what became of the disk.
        requests.iter().for_each(|request| answer(shared, request));
    }
}

/// Answers one request.
pub fn answer(shared: &Shared, request: &Request) {
    let mut reply = Reply {
        post: shared.post(),
        request,
        fault: RequestFault::default(),
    };
    let asked = match topic::read(&request.topic) {
        Ok(asked) => asked,
        Err(TopicError::NotJobs | TopicError::Ours) => return,
        Err(TopicError::Unknown) => return reply.to_invalid_topic(shared.clock().now()),
    };
    shared.with(|model, now| model.saw(&asked.thing, now));
    reply.fault = asked.fault(shared);
    if reply.fault.ignore {
        return reply.close();
    }
    let throttled = || !shared.takes(asked.verb.kind());
    let throttled = || throttled().then_some(FaultCode::RequestThrottled);
    let refused = reply.fault.code.or_else(throttled).map(FaultCode::told);
    let now = shared.clock().now();
    let body = match (Body::read(&request.payload), refused) {
        (Ok(body), None) => body,
        (Ok(body), Some(why)) => return reply.refuse(why, body.token.as_ref(), now),
        (Err(_), Some(why)) => return reply.refuse(why, None, now),
        (Err(error), None) => return reply.refuse(error.told(), None, now),
    };
    shared.answering(
        |model, now| {
            let is_hidden = || shared.faults().is_next_hidden(&asked.thing, now);
            if asked.verb.asks_what_is_next() && is_hidden() {
                return nothing(model, &asked);
            }
            ask(model, &asked, &body, shared.presign(), now)
        },
        |result, now| match result {
            Ok(Ok(answer)) => {
                reply.accepted(answer, body.token.as_ref(), now);
            }
            Ok(Err(error)) => {
                reply.rejected(message::rejected(&error, body.token.as_ref(), now), now);
            }
            Err(NotKept) => {
                let message = NotKept.to_string();
                reply.refuse((INTERNAL_ERROR, &message), body.token.as_ref(), now);
            }
        },
    );
}

/// Tells a device of a change.
pub(crate) fn tell(
    post: &Post,
    presign: &dyn Presign,
    effect: &Effect,
    fault: &NotificationFault,
    now: Timestamp,
) {
    if fault.close_connection {
        match effect {
            Effect::Event(_) => {}
            Effect::Notify { thing, .. } | Effect::NotifyNext { thing, .. } => {
                post.outlet().disconnect_thing(thing.as_str());
            }
        }
    }
    let hold = fault.hold();
    let publish = |topic: String, payload: &dyn Fn() -> Bytes| {
        // What nobody hears is not even written: most of a large fleet may be away. By the time that
        // something held goes out, somebody may hear it.
        if hold.is_none() && !post.outlet().is_heard(&topic) {
            return;
        }
        let message = Message {
            to: None,
            topic,
            payload: payload(),
        };
        post.send(message, hold, now);
    };
    for _ in 0..fault.copies() {
        tell_once(&publish, presign, effect, now);
    }
}

fn tell_once(
    publish: &dyn Fn(String, &dyn Fn() -> Bytes),
    presign: &dyn Presign,
    effect: &Effect,
    now: Timestamp,
) {
    match effect {
        Effect::Event(event) => publish(topic::event(event), &|| message::event(event)),
        Effect::Notify {
            thing,
            namespace,
            job,
            pending,
        } => {
            let payload = || message::notify(pending, now);
            if let Some(namespace) = namespace {
                publish(topic::notify_of_job(thing, job, namespace), &payload);
            }
            publish(topic::notify(thing, namespace.as_ref()), &payload);
        }
        Effect::NotifyNext {
            thing,
            namespace,
            next,
        } => publish(topic::notify_next(thing, namespace.as_ref()), &|| {
            message::notify_next(next.as_deref(), presign, now)
        }),
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

impl Asked {
    /// Takes the fault that befalls the request.
    fn fault(&self, shared: &Shared) -> RequestFault {
        let namespace = self.namespace.as_ref().map(NamespaceId::as_str);
        let now = shared.clock().now();
        let operation = self.verb.operation();
        let mut faults = shared.faults();
        faults.next_request(operation, &self.thing, namespace, now)
    }
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
    post: &'a Post,
    request: &'a Request,
    fault: RequestFault,
}

impl Reply<'_> {
    /// Sends an answer, or why it cannot be sent: what was asked for is done all the same.
    fn accepted(&self, answer: Answer, token: Option<&String>, now: Timestamp) {
        let payload = message::accepted(answer, token, now);
        let limit = self.post.outlet().payload_limit();
        if payload.len() <= limit {
            return self.send("accepted", payload, now);
        }
        let length = payload.len();
        let message =
            format!("The answer has {length} bytes, and no message has more than {limit}");
        self.refuse((INTERNAL_ERROR, &message), token, now);
    }

    /// Refuses for what is not the model's to say, with a code and a message.
    fn refuse(&self, (code, message): (&str, &str), token: Option<&String>, now: Timestamp) {
        self.rejected(message::unreadable(code, message, token, now), now);
    }

    fn rejected(&self, payload: Bytes, now: Timestamp) {
        self.send("rejected", payload, now);
    }

    fn to_invalid_topic(&self, now: Timestamp) {
        let body = Body::read(&self.request.payload).ok();
        let token = body.as_ref().and_then(|body| body.token.as_ref());
        let message = "The topic does not map to an operation of AWS IoT Jobs";
        self.refuse((INVALID_TOPIC, message), token, now);
    }

    fn send(&self, verdict: &str, payload: Bytes, now: Timestamp) {
        if self.fault.close_connection {
            return self.close();
        }
        let message = Message {
            to: self.request.connection.clone(),
            topic: format!("{}/{verdict}", self.request.topic),
            payload,
        };
        for _ in 0..self.fault.copies() {
            self.post.send(message.clone(), self.fault.hold(), now);
        }
    }

    /// Ends the connection that asked, if the fault says so.
    fn close(&self) {
        let connection = self.request.connection.as_ref();
        if let Some(connection) = connection.filter(|_| self.fault.close_connection) {
            self.post.outlet().disconnect(connection);
        }
    }
}

#[cfg(test)]
mod tests;
