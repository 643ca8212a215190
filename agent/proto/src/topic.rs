//! Topics: which message arrived, and where a request goes.
//!
//! [`Inbound::parse`] borrows all that it finds from the topic and takes nothing that the service cannot have sent. Both forms of
//! every topic are known, the plain one and that of a namespace (`…/JOB/namespace-NS/get`, `…/notify-namespace-NS`).

use heapless::String;

use crate::names::{JobId, JobIdRef, NameError, Namespace, NamespaceIdRef, ThingName};

/// Most bytes of a topic (AWS general reference, `iot-core` quotas).
pub const TOPIC_LEN_MAX: usize = 256;
/// Most filters of one SUBSCRIBE (AWS general reference, `iot-core` quotas); no session needs more.
pub const FILTERS_MAX: usize = 8;

const THINGS: &str = "$aws/things/";
const JOBS: &str = "/jobs/";
/// Most levels below `jobs/`: `JOB/namespace-NS/get/accepted`.
const LEVELS_MAX: usize = 4;
/// What an answer's topic has more than its request's.
const ANSWER_LEN: usize = "/accepted".len();

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
    /// The topic has more levels than any of the Jobs protocol.
    #[error("topic has more levels than any of the Jobs protocol")]
    TooManyLevels,
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
        if topic.len() > TOPIC_LEN_MAX {
            return Err(TopicError::TooLong { len: topic.len() });
        }
        let mut levels = [""; LEVELS_MAX];
        match split(below_jobs(topic, thing)?, &mut levels)? {
            [levels @ .., "accepted"] => Self::answer(levels, Verdict::Accepted),
            [levels @ .., "rejected"] => Self::answer(levels, Verdict::Rejected),
            [notice] if notice.starts_with("notify") => Self::notice(notice),
            // The form that the API reference of CreateJob prints; the service sends the one above.
            [job, notice] | [job, notice, ""] if notice.starts_with("notify-namespace-") => {
                job_id(job)?;
                Self::notice(notice)
            }
            levels => Self::request(levels).map(|(namespace, request)| Self {
                namespace,
                message: Message::Echo(request),
            }),
        }
    }

    fn answer(levels: &[&'a str], verdict: Verdict) -> Result<Self, TopicError> {
        let (namespace, to) = Self::request(levels)?;
        Ok(Self {
            namespace,
            message: Message::Answer { to, verdict },
        })
    }

    fn notice(level: &'a str) -> Result<Self, TopicError> {
        let (message, suffix) = match level.strip_prefix("notify-next") {
            Some(suffix) => (Message::NotifyNext, suffix),
            None => (
                Message::Notify,
                level.strip_prefix("notify").ok_or(TopicError::Unknown)?,
            ),
        };
        let namespace = match suffix.strip_prefix("-namespace-") {
            Some(id) => Some(namespace(id)?),
            None if suffix.is_empty() => None,
            None => return Err(TopicError::Unknown),
        };
        Ok(Self { namespace, message })
    }

    /// Reads a request's levels below `jobs/`.
    fn request(
        levels: &[&'a str],
    ) -> Result<(Option<NamespaceIdRef<'a>>, Request<'a>), TopicError> {
        let (job, namespace, verb) = match levels {
            ["get"] => return Ok((None, Request::Pending)),
            ["start-next"] => return Ok((None, Request::StartNext)),
            [job, verb] => (*job, None, *verb),
            [job, level, verb] => {
                let id = level
                    .strip_prefix("namespace-")
                    .ok_or(TopicError::Unknown)?;
                (*job, Some(namespace(id)?), *verb)
            }
            _ => return Err(TopicError::Unknown),
        };
        let request = match (verb, job) {
            ("get", "$next") => Request::Describe(Target::Next),
            ("get", job) => Request::Describe(Target::Job(job_id(job)?)),
            ("update", job) => Request::Update(job_id(job)?),
            _ => return Err(TopicError::Unknown),
        };
        Ok((namespace, request))
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
    let target = match target {
        Target::Job(id) => id.as_str(),
        Target::Next => "$next",
    };
    request(thing, namespace, [target, "/get"])
}

/// The topic of an UpdateJobExecution request.
pub fn update(
    thing: &ThingName,
    namespace: &Namespace,
    job: &JobId,
) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    request(thing, namespace, [job.as_str(), "/update"])
}

/// The topic of a GetPendingJobExecutions request. It has no form for a namespace.
pub fn pending(thing: &ThingName) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    compose(thing, &["get"], ANSWER_LEN)
}

/// The topic of a StartNextPendingJobExecution request. It has no form for a namespace.
pub fn start_next(thing: &ThingName) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    compose(thing, &["start-next"], ANSWER_LEN)
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
    /// With a namespace: there is no pending list to subscribe to.
    const NAMED: usize = FILTERS_MAX - 2;

    /// The filters for the jobs of `thing` in `namespace`.
    pub fn new(thing: &'a ThingName, namespace: &'a Namespace) -> Result<Self, TopicTooLong> {
        let filters = Self { thing, namespace };
        for index in 0..filters.iter().len() {
            filters.filter(index)?;
        }
        Ok(filters)
    }

    /// The filter at `index`, in the order of [`iter`](Self::iter) and thus of the SUBACK's codes.
    pub fn nth(&self, index: usize) -> Option<String<TOPIC_LEN_MAX>> {
        self.iter().nth(index)
    }

    /// The filters, in the order in which they are subscribed.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = String<TOPIC_LEN_MAX>> {
        let count = match self.namespace {
            Namespace::Default => FILTERS_MAX,
            Namespace::Named(_) => Self::NAMED,
        };
        // `new` has seen all of them fit.
        (0..count).map(|index| self.filter(index).unwrap_or_default())
    }

    fn filter(&self, index: usize) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
        let [infix, id] = level_of(self.namespace);
        let suffix = match self.namespace {
            Namespace::Default => "",
            Namespace::Named(_) => "-namespace-",
        };
        match index {
            0 => compose(self.thing, &["notify", suffix, id], 0),
            1 => compose(self.thing, &["notify-next", suffix, id], 0),
            2 => compose(self.thing, &["+", infix, id, "/get/accepted"], 0),
            3 => compose(self.thing, &["+", infix, id, "/get/rejected"], 0),
            4 => compose(self.thing, &["+", infix, id, "/update/accepted"], 0),
            5 => compose(self.thing, &["+", infix, id, "/update/rejected"], 0),
            6 => compose(self.thing, &["get/accepted"], 0),
            _ => compose(self.thing, &["get/rejected"], 0),
        }
    }
}

/// What follows `$aws/things/<thing>/jobs/`.
fn below_jobs<'a>(topic: &'a str, thing: &ThingName) -> Result<&'a str, TopicError> {
    let named = topic.strip_prefix(THINGS).ok_or(TopicError::NotJobs)?;
    let below = named
        .strip_prefix(thing.as_str())
        .filter(|below| below.starts_with('/'))
        .ok_or(TopicError::ForeignThing)?;
    below.strip_prefix(JOBS).ok_or(TopicError::NotJobs)
}

/// Cuts `path` at its slashes.
fn split<'a, 'b>(
    path: &'a str,
    levels: &'b mut [&'a str; LEVELS_MAX],
) -> Result<&'b [&'a str], TopicError> {
    let mut rest = Some(path);
    let mut count = 0;
    while let Some(path) = rest {
        let level = levels.get_mut(count).ok_or(TopicError::TooManyLevels)?;
        let cut = path.bytes().position(|byte| byte == b'/');
        *level = cut.and_then(|at| path.get(..at)).unwrap_or(path);
        rest = cut.and_then(|at| path.get(at + 1..));
        count += 1;
    }
    Ok(levels.get(..count).unwrap_or_default())
}

fn job_id(level: &str) -> Result<JobIdRef<'_>, TopicError> {
    JobIdRef::parse(level).map_err(TopicError::JobId)
}

fn namespace(id: &str) -> Result<NamespaceIdRef<'_>, TopicError> {
    NamespaceIdRef::parse(id).map_err(TopicError::NamespaceId)
}

/// The level that names a namespace between job and verb.
fn level_of(namespace: &Namespace) -> [&str; 2] {
    match namespace {
        Namespace::Default => ["", ""],
        Namespace::Named(id) => ["/namespace-", id.as_str()],
    }
}

/// A request's topic; refused, too, if its answer could not arrive.
#[inline(never)]
fn request(
    thing: &ThingName,
    namespace: &Namespace,
    [job, verb]: [&str; 2],
) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    let [infix, id] = level_of(namespace);
    compose(thing, &[job, infix, id, verb], ANSWER_LEN)
}

/// `$aws/things/<thing>/jobs/` and `parts`, as long as `reserve` more bytes would fit.
fn compose(
    thing: &ThingName,
    parts: &[&str],
    reserve: usize,
) -> Result<String<TOPIC_LEN_MAX>, TopicTooLong> {
    let head = [THINGS, thing.as_str(), JOBS];
    let len = head
        .iter()
        .chain(parts)
        .map(|part| part.len())
        .sum::<usize>()
        + reserve;
    if len > TOPIC_LEN_MAX {
        return Err(TopicTooLong { len });
    }
    let mut topic = String::new();
    for part in head.iter().chain(parts) {
        topic.push_str(part).map_err(|_| TopicTooLong { len })?;
    }
    Ok(topic)
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String as StdString;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const BELOW: &str = "$aws/things/pump-7/jobs/";

    fn thing() -> ThingName {
        ThingName::parse("pump-7").unwrap()
    }

    fn parse(below: &str) -> Result<Inbound<'static>, TopicError> {
        let topic = StdString::leak(format!("{BELOW}{below}"));
        Inbound::parse(topic, &thing())
    }

    fn job(id: &str) -> JobIdRef<'_> {
        JobIdRef::parse(id).unwrap()
    }

    fn named(id: &str) -> Namespace {
        Namespace::Named(crate::names::NamespaceId::parse(id).unwrap())
    }

    fn accepted(to: Request<'static>) -> Result<Inbound<'static>, TopicError> {
        answer(None, to, Verdict::Accepted)
    }

    fn answer(
        namespace: Option<&'static str>,
        to: Request<'static>,
        verdict: Verdict,
    ) -> Result<Inbound<'static>, TopicError> {
        Ok(Inbound {
            namespace: namespace.map(|id| NamespaceIdRef::parse(id).unwrap()),
            message: Message::Answer { to, verdict },
        })
    }

    fn notice(
        namespace: Option<&'static str>,
        message: Message<'static>,
    ) -> Result<Inbound<'static>, TopicError> {
        Ok(Inbound {
            namespace: namespace.map(|id| NamespaceIdRef::parse(id).unwrap()),
            message,
        })
    }

    #[test]
    fn every_plain_answer_is_recognised() {
        let requests = [
            ("get", Request::Pending),
            ("start-next", Request::StartNext),
            ("$next/get", Request::Describe(Target::Next)),
            ("job-1/get", Request::Describe(Target::Job(job("job-1")))),
            ("job-1/update", Request::Update(job("job-1"))),
        ];
        for (path, to) in requests {
            assert_eq!(parse(&format!("{path}/accepted")), accepted(to));
            assert_eq!(
                parse(&format!("{path}/rejected")),
                answer(None, to, Verdict::Rejected)
            );
        }
    }

    #[test]
    fn every_answer_of_a_namespace_is_recognised() {
        let requests = [
            ("$next/namespace-ns/get", Request::Describe(Target::Next)),
            (
                "j/namespace-ns/get",
                Request::Describe(Target::Job(job("j"))),
            ),
            ("j/namespace-ns/update", Request::Update(job("j"))),
        ];
        for (path, to) in requests {
            assert_eq!(
                parse(&format!("{path}/accepted")),
                answer(Some("ns"), to, Verdict::Accepted)
            );
            assert_eq!(
                parse(&format!("{path}/rejected")),
                answer(Some("ns"), to, Verdict::Rejected)
            );
        }
    }

    #[test]
    fn notifications_are_recognised_with_and_without_a_namespace() {
        assert_eq!(parse("notify"), notice(None, Message::Notify));
        assert_eq!(parse("notify-next"), notice(None, Message::NotifyNext));
        assert_eq!(
            parse("notify-namespace-ns"),
            notice(Some("ns"), Message::Notify)
        );
        assert_eq!(
            parse("notify-next-namespace-ns"),
            notice(Some("ns"), Message::NotifyNext)
        );
    }

    #[test]
    fn the_notification_that_the_api_reference_prints_is_recognised() {
        assert_eq!(
            parse("job-1/notify-namespace-ns/"),
            notice(Some("ns"), Message::Notify)
        );
    }

    #[test]
    fn jobs_named_like_verbs_are_jobs() {
        for id in [
            "get",
            "notify",
            "update",
            "start-next",
            "notify-next",
            "accepted",
        ] {
            let id = job(id);
            assert_eq!(
                parse(&format!("{id}/get/accepted")),
                accepted(Request::Describe(Target::Job(id)))
            );
            assert_eq!(
                parse(&format!("{id}/update/accepted")),
                accepted(Request::Update(id))
            );
            assert_eq!(
                parse(&format!("{id}/namespace-ns/update/rejected")),
                answer(Some("ns"), Request::Update(id), Verdict::Rejected)
            );
        }
    }

    #[test]
    fn a_request_of_our_own_that_a_broker_hands_back_is_an_echo() {
        let echoes = [
            ("get", Request::Pending),
            ("start-next", Request::StartNext),
            ("$next/get", Request::Describe(Target::Next)),
            ("notify/update", Request::Update(job("notify"))),
            ("j/namespace-ns/update", Request::Update(job("j"))),
        ];
        for (path, request) in echoes {
            assert_eq!(parse(path).unwrap().message, Message::Echo(request));
        }
    }

    #[test]
    fn another_thing_is_foreign_even_if_its_name_begins_like_ours() {
        for topic in [
            "$aws/things/pump-8/jobs/notify",
            "$aws/things/pump-77/jobs/notify",
            "$aws/things/pump/jobs/notify",
            "$aws/things//jobs/notify",
        ] {
            assert_eq!(
                Inbound::parse(topic, &thing()),
                Err(TopicError::ForeignThing)
            );
        }
    }

    #[test]
    fn topics_of_other_services_are_not_jobs() {
        for topic in [
            "",
            "notify",
            "aws/things/pump-7/jobs/notify",
            "$aws/things/pump-7/shadow/update",
            "$aws/things/pump-7/jobs",
        ] {
            assert_eq!(Inbound::parse(topic, &thing()), Err(TopicError::NotJobs));
        }
    }

    #[test]
    fn a_job_id_that_the_service_cannot_have_made_is_refused() {
        assert_eq!(
            parse("a.b/get/accepted"),
            Err(TopicError::JobId(NameError::Character('.')))
        );
        assert_eq!(
            parse("/get/accepted"),
            Err(TopicError::JobId(NameError::Empty))
        );
        assert_eq!(
            parse(&format!("{}/update/accepted", "j".repeat(65))),
            Err(TopicError::JobId(NameError::TooLong { len: 65, limit: 64 }))
        );
        assert_eq!(
            parse("$next/update/accepted"),
            Err(TopicError::JobId(NameError::Character('$')))
        );
    }

    #[test]
    fn a_namespace_without_an_id_is_refused() {
        for path in ["notify-namespace-", "j/namespace-/get/accepted"] {
            assert_eq!(
                parse(path),
                Err(TopicError::NamespaceId(NameError::Empty)),
                "{path}"
            );
        }
    }

    #[test]
    fn shapes_outside_the_protocol_are_refused() {
        for path in [
            "",
            "accepted",
            "job-1",
            "job-1/cancel",
            "job-1/accepted",
            "job-1/get/maybe",
            "job-1/get/",
            "job-1/other-ns/get/accepted",
            "notifyx",
            "job-1/notify",
            "notify-nextx",
        ] {
            assert_eq!(parse(path), Err(TopicError::Unknown), "{path}");
        }
        assert_eq!(
            parse("job-1/namespace-ns/get/accepted/more"),
            Err(TopicError::TooManyLevels)
        );
    }

    #[test]
    fn a_topic_longer_than_the_service_allows_is_refused() {
        let long = format!("{BELOW}{}", "/".repeat(TOPIC_LEN_MAX));
        assert_eq!(
            Inbound::parse(&long, &thing()),
            Err(TopicError::TooLong { len: long.len() })
        );
    }

    #[test]
    fn a_message_belongs_to_the_namespace_in_its_topic() {
        let plain = parse("notify").unwrap();
        let own = parse("notify-namespace-ns").unwrap();
        assert!(plain.is_of(&Namespace::Default) && !plain.is_of(&named("ns")));
        assert!(
            own.is_of(&named("ns")) && !own.is_of(&named("n")) && !own.is_of(&Namespace::Default)
        );
    }

    #[test]
    fn requests_go_where_the_service_listens() {
        let id = JobId::parse("job-1").unwrap();
        let plain = Namespace::Default;
        let own = named("ns");
        let next = |namespace| describe(&thing(), namespace, Target::Next).unwrap();
        assert_eq!(next(&plain), "$aws/things/pump-7/jobs/$next/get");
        assert_eq!(next(&own), "$aws/things/pump-7/jobs/$next/namespace-ns/get");
        assert_eq!(
            update(&thing(), &plain, &id).unwrap(),
            "$aws/things/pump-7/jobs/job-1/update"
        );
        assert_eq!(
            update(&thing(), &own, &id).unwrap(),
            "$aws/things/pump-7/jobs/job-1/namespace-ns/update"
        );
        assert_eq!(pending(&thing()).unwrap(), "$aws/things/pump-7/jobs/get");
        assert_eq!(
            start_next(&thing()).unwrap(),
            "$aws/things/pump-7/jobs/start-next"
        );
    }

    #[test]
    fn a_request_is_refused_when_its_answer_would_exceed_the_limit() {
        let thing = ThingName::parse(&"t".repeat(128)).unwrap();
        let id = JobId::parse(&"j".repeat(64)).unwrap();
        assert!(update(&thing, &named(&"n".repeat(19)), &id).is_ok());
        assert_eq!(
            update(&thing, &named(&"n".repeat(20)), &id),
            Err(TopicTooLong { len: 257 })
        );
    }

    #[test]
    fn a_session_subscribes_to_both_notifications_and_to_its_answers() {
        let filters = |namespace: &Namespace| -> Vec<StdString> {
            Filters::new(&thing(), namespace)
                .unwrap()
                .iter()
                .map(|filter| filter.strip_prefix(BELOW).unwrap().into())
                .collect()
        };
        assert_eq!(
            filters(&Namespace::Default),
            [
                "notify",
                "notify-next",
                "+/get/accepted",
                "+/get/rejected",
                "+/update/accepted",
                "+/update/rejected",
                "get/accepted",
                "get/rejected",
            ]
        );
        assert_eq!(
            filters(&named("ns")),
            [
                "notify-namespace-ns",
                "notify-next-namespace-ns",
                "+/namespace-ns/get/accepted",
                "+/namespace-ns/get/rejected",
                "+/namespace-ns/update/accepted",
                "+/namespace-ns/update/rejected",
            ]
        );
    }

    #[test]
    fn filters_stay_within_the_limits_of_the_service() {
        let thing = ThingName::parse(&"t".repeat(128)).unwrap();
        let namespace = named(&"n".repeat(64));
        for filter in Filters::new(&thing, &namespace).unwrap().iter() {
            assert!(filter.len() <= TOPIC_LEN_MAX);
            assert!(filter.matches('/').count() <= 7, "{filter}");
        }
    }

    proptest! {
        #[test]
        fn no_topic_panics(topic in "\\PC{0,300}") {
            let _ = Inbound::parse(&topic, &thing());
        }

        #[test]
        fn no_path_below_jobs_panics(
            levels in prop::collection::vec(
                "get|update|notify|notify-next|accepted|rejected|namespace-n|start-next|[$]next|\\PC{0,9}",
                0..7,
            ),
        ) {
            let _ = Inbound::parse(&format!("{BELOW}{}", levels.join("/")), &thing());
        }

        #[test]
        fn the_answer_to_a_request_names_its_job(
            thing in "[a-zA-Z0-9:_-]{1,60}",
            id in "[a-zA-Z0-9_-]{1,64}",
            ns in prop::option::of("[a-zA-Z0-9_-]{1,19}"),
        ) {
            let thing = ThingName::parse(&thing).unwrap();
            let id = JobId::parse(&id).unwrap();
            let namespace = ns.as_deref().map_or(Namespace::Default, named);
            let topic = update(&thing, &namespace, &id).unwrap();
            let topic = format!("{topic}/rejected");
            let inbound = Inbound::parse(&topic, &thing).unwrap();
            prop_assert!(inbound.is_of(&namespace));
            prop_assert_eq!(inbound.message, Message::Answer {
                to: Request::Update(JobIdRef::from(&id)),
                verdict: Verdict::Rejected,
            });
        }
    }
}
