//! Topics: which message arrived, and where a request goes.
//!
//! Never allocates and never copies: what [`Inbound::parse`] finds borrows from the topic. Both forms of every topic are known, the
//! plain one and that of a namespace (`…/JOB/namespace-NS/get`, `…/notify-namespace-NS`).

use heapless::String;

use crate::names::{JobId, JobIdRef, NameError, Namespace, NamespaceIdRef, ThingName};

/// Most bytes of a topic (AWS general reference, `iot-core` quotas).
pub const TOPIC_LEN_MAX: usize = 256;
/// Most filters of one SUBSCRIBE (AWS general reference, `iot-core` quotas); no session needs more.
pub const FILTERS_MAX: usize = 8;

/// What a topic says of the message that arrived on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inbound<'a> {
    /// The namespace named in the topic; none is the default one.
    pub namespace: Option<NamespaceIdRef<'a>>,
    /// What arrived.
    pub message: Message<'a>,
}

/// What arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// The service's answer to a request of this thing.
    Answer {
        /// The request answered.
        to: Request<'a>,
        /// How.
        verdict: Verdict,
    },
    /// The thing's own request: brokers other than AWS's hand it back to a wide filter. Nothing to do.
    Echo(Request<'a>),
    /// The list of pending executions changed (`notify`).
    Notify,
    /// Another execution became the next one (`notify-next`).
    NotifyNext,
}

/// A request of the device, told by its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// `JOB/get` or `$next/get`: DescribeJobExecution.
    Describe(Target<'a>),
    /// `get`: GetPendingJobExecutions.
    Pending,
    /// `start-next`: StartNextPendingJobExecution.
    StartNext,
    /// `JOB/update`: UpdateJobExecution.
    Update(JobIdRef<'a>),
}

/// Which execution is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// That of a job.
    Job(JobIdRef<'a>),
    /// The first one pending; answers keep the literal `$next`.
    Next,
}

/// How the service answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `…/accepted`
    Accepted,
    /// `…/rejected`
    Rejected,
}

/// Why a received topic is not one of ours.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// The topic belongs to another thing.
    #[error("topic names another thing")]
    ForeignThing,
    /// The job id is not one.
    #[error("job id: {0}")]
    JobId(NameError),
    /// The namespace id is not one.
    #[error("namespace id: {0}")]
    NamespaceId(NameError),
    /// The topic is outside `$aws/things/<thing>/jobs/`.
    #[error("not a Jobs topic")]
    NotJobs,
    /// The topic is longer than the service allows.
    #[error("topic of {len} bytes exceeds the limit of 256")]
    TooLong {
        /// Length that was received.
        len: usize,
    },
    /// The topic lies below `jobs/`, but no message of the Jobs protocol has its shape.
    #[error("no Jobs message has such a topic")]
    Unknown,
}

/// Why a topic cannot be written: the names together are too long for the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("topic of {len} bytes exceeds the limit of 256")]
pub struct TopicTooLong {
    /// Length of the topic, or of that of its answer.
    pub len: usize,
}

impl<'a> Inbound<'a> {
    /// Reads the topic of a message that `thing` received.
    pub fn parse(topic: &'a str, thing: &ThingName) -> Result<Self, TopicError> {
        let _ = (topic, thing);
        todo!()
    }

    /// Whether the message is about `namespace`.
    pub fn is_of(&self, namespace: &Namespace) -> bool {
        match (self.namespace, namespace) {
            (None, Namespace::Default) => true,
            (Some(found), Namespace::Named(own)) => found == *own,
            (None, Namespace::Named(_)) | (Some(_), Namespace::Default) => false,
        }
    }
}

/// The topic of a DescribeJobExecution request.
pub fn describe(
    thing: &ThingName,
    namespace: &Namespace,
    target: Target<'_>,
) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    let _ = (thing, namespace, target);
    todo!()
}

/// The topic of an UpdateJobExecution request.
pub fn update(
    thing: &ThingName,
    namespace: &Namespace,
    job: &JobId,
) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    let _ = (thing, namespace, job);
    todo!()
}

/// The topic of a GetPendingJobExecutions request. It has no form for a namespace.
pub fn pending(thing: &ThingName) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    let _ = thing;
    todo!()
}

/// The topic of a StartNextPendingJobExecution request. It has no form for a namespace.
pub fn start_next(thing: &ThingName) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    let _ = thing;
    todo!()
}

/// The filters that the session of a namespace subscribes to, at most [`FILTERS_MAX`].
///
/// Their last levels are concrete: a `+` there can make the service close the connection.
#[derive(Debug, Clone, Copy)]
pub struct Filters<'a> {
    thing: &'a ThingName,
    namespace: &'a Namespace,
}

impl<'a> Filters<'a> {
    /// The filters for the jobs of `thing` in `namespace`.
    pub fn new(thing: &'a ThingName, namespace: &'a Namespace) -> Result<Self, TopicTooLong> {
        Ok(Self { thing, namespace })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Never: a session subscribes to something.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The filter at `index`, in the order of [`iter`](Self::iter) and thus of the SUBACK's codes.
    pub fn nth(&self, index: usize) -> Option<String<TOPIC_LEN_MAX>> {
        let _ = (index, self.thing, self.namespace);
        todo!()
    }

    /// The filters, in the order in which they are subscribed.
    pub fn iter(&self) -> impl Iterator<Item = String<TOPIC_LEN_MAX>> {
        (0..self.len()).filter_map(|index| self.nth(index))
    }
}
