//! What one device asks the service, and an account of all that it hears.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use iot_jobs_kit::service::Credentials;

use crate::device::DeviceError;
use crate::link::{Destination, Link};
use crate::mqtt::{self, Packet};

/// What an agent subscribes to, below `$aws/things/THING/jobs/`.
const FILTERS: [&str; 8] = [
    "notify",
    "notify-next",
    "+/get/accepted",
    "+/get/rejected",
    "+/update/accepted",
    "+/update/rejected",
    "get/accepted",
    "get/rejected",
];
const SUBSCRIBE_ID: u16 = 1;
/// The code of a subscription that was granted at QoS 1.
const GRANTED: u8 = 1;
const TOKEN: &str = "clientToken";

/// A device that was let in.
#[derive(Debug)]
pub(crate) struct Session {
    link: Link,
    /// What the topics of this device begin with.
    root: String,
    heard: Heard,
    /// How many requests were sent; the packet id and the token of the last one.
    requests: u16,
}

/// What was heard besides what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// How often the list of what is pending changed.
    pub(crate) notify: usize,
    /// How often an execution became the first one.
    pub(crate) next: usize,
    /// How often nothing was left to be the first one.
    pub(crate) no_next: usize,
    acknowledgements: usize,
}

/// An execution with its document, as the service describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Execution {
    pub(crate) job_id: String,
    pub(crate) job_document: Value,
    pub(crate) execution_number: u64,
    pub(crate) version_number: u64,
}

/// The answer to a request.
#[derive(Debug)]
struct Answer {
    /// Its topic, from the operation on.
    topic: String,
    body: Value,
}

impl Session {
    /// Connects, under the name of the thing.
    pub(crate) async fn open(
        destination: &Destination,
        credentials: &Credentials,
        thing: &str,
    ) -> Result<Self, DeviceError> {
        let mut link = Link::open(destination, credentials, thing).await?;
        match link.next().await? {
            Packet::Connack { code: 0 } => {}
            Packet::Connack { code } => return Err(DeviceError::Refused(code)),
            other @ (Packet::Pingresp
            | Packet::Puback { .. }
            | Packet::Publish { .. }
            | Packet::Suback { .. }) => return Err(unasked(other)),
        }
        Ok(Self {
            link,
            root: format!("$aws/things/{thing}/jobs/"),
            heard: Heard::default(),
            requests: 0,
        })
    }

    /// Subscribes to what an agent subscribes to.
    pub(crate) async fn subscribe(&mut self) -> Result<(), DeviceError> {
        let filters = FILTERS.map(|filter| format!("{}{filter}", self.root));
        mqtt::subscribe(self.link.output(), SUBSCRIBE_ID, &filters);
        match self.link.next().await? {
            Packet::Suback { codes } if codes == [GRANTED; FILTERS.len()] => Ok(()),
            Packet::Suback { codes } => {
                let refused = codes.iter().find(|code| **code != GRANTED);
                Err(DeviceError::Refused(refused.copied().unwrap_or_default()))
            }
            other @ (Packet::Connack { .. }
            | Packet::Pingresp
            | Packet::Puback { .. }
            | Packet::Publish { .. }) => Err(unasked(other)),
        }
    }

    /// Asks what is next.
    pub(crate) async fn describe(&mut self) -> Result<Option<Execution>, DeviceError> {
        let body = json!({"includeJobDocument": true});
        let mut answer = self.request("$next/get", body).await?;
        let execution = answer.get_mut("execution").map(Value::take);
        Ok(execution.map(serde_json::from_value).transpose()?)
    }

    /// Reports on the execution of `job`.
    pub(crate) async fn update(&mut self, job: &str, body: Value) -> Result<(), DeviceError> {
        let answer = self.request(&format!("{job}/update"), body).await;
        answer.map(drop)
    }

    /// Listens until enough was heard.
    pub(crate) async fn until(
        &mut self,
        is_enough: impl Fn(&Heard) -> bool,
    ) -> Result<(), DeviceError> {
        while !is_enough(&self.heard) {
            self.listen().await?;
        }
        Ok(())
    }

    /// Listens until `ended` is true.
    pub(crate) async fn stay(
        &mut self,
        mut ended: watch::Receiver<bool>,
    ) -> Result<(), DeviceError> {
        loop {
            tokio::select! {
                heard = self.listen() => heard?,
                // An error means that nobody is left who could say so.
                _ = ended.wait_for(|ended| *ended) => return Ok(()),
            }
        }
    }

    /// Checks that everything was heard once, and goes.
    pub(crate) async fn close(self) -> Result<(), DeviceError> {
        self.heard.check(self.requests.into())?;
        Ok(self.link.close().await?)
    }

    /// Hears one message, which answers nothing.
    async fn listen(&mut self) -> Result<(), DeviceError> {
        match self.hear().await? {
            None => Ok(()),
            Some(answer) => Err(DeviceError::Unasked(answer.topic)),
        }
    }

    /// Sends a request and waits for its answer.
    async fn request(&mut self, operation: &str, mut body: Value) -> Result<Value, DeviceError> {
        self.requests += 1;
        let token = Value::from(self.requests.to_string());
        if let Some(members) = body.as_object_mut() {
            members.insert(TOKEN.to_owned(), token.clone());
        }
        let topic = format!("{}{operation}", self.root);
        let payload = body.to_string();
        mqtt::publish(
            self.link.output(),
            self.requests,
            &topic,
            payload.as_bytes(),
        );
        let answer = loop {
            if let Some(answer) = self.hear().await? {
                break answer;
            }
        };
        if answer.body.get(TOKEN) != Some(&token) {
            return Err(DeviceError::Unasked(answer.topic));
        }
        match answer.topic.strip_prefix(operation) {
            Some("/accepted") => Ok(answer.body),
            Some("/rejected") => Err(DeviceError::Rejected(answer.body.to_string())),
            Some(_) | None => Err(DeviceError::Unasked(answer.topic)),
        }
    }

    /// Takes the next packet, and gives it if it is an answer. Giving up on it loses nothing.
    async fn hear(&mut self) -> Result<Option<Answer>, DeviceError> {
        let (topic, body, id) = match self.link.next().await? {
            Packet::Publish { topic, payload, id } => (topic, payload, id),
            Packet::Puback { .. } => {
                self.heard.acknowledgements += 1;
                return Ok(None);
            }
            Packet::Pingresp => return Ok(None),
            other @ (Packet::Connack { .. } | Packet::Suback { .. }) => return Err(unasked(other)),
        };
        let Some(topic) = topic.strip_prefix(&self.root) else {
            return Err(DeviceError::Unasked(topic.to_owned()));
        };
        let topic = topic.to_owned();
        let body: Value = serde_json::from_slice(body)?;
        if let Some(id) = id {
            mqtt::puback(self.link.output(), id);
        }
        match topic.as_str() {
            "notify" => self.heard.notify += 1,
            "notify-next" if body.get("execution").is_some() => self.heard.next += 1,
            "notify-next" => self.heard.no_next += 1,
            _ => return Ok(Some(Answer { topic, body })),
        }
        Ok(None)
    }
}

impl Heard {
    /// A job that comes and goes is told of twice, each time in both ways.
    fn check(&self, requests: usize) -> Result<(), DeviceError> {
        for (what, heard, expected) in [
            ("notify", self.notify, 2),
            ("notify-next with an execution", self.next, 1),
            ("notify-next without one", self.no_next, 1),
            ("acknowledgements", self.acknowledgements, requests),
        ] {
            if heard != expected {
                return Err(DeviceError::Heard {
                    what,
                    heard,
                    expected,
                });
            }
        }
        Ok(())
    }
}

fn unasked(packet: Packet<'_>) -> DeviceError {
    DeviceError::Unasked(packet.name().to_owned())
}
