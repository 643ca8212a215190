//! The topics of the device plane, read by counting levels, so that a job may be called `get` or
//! `notify` where the grammar leaves room for it.
//!
//! ```text
//! $aws/things/THING/jobs/get           $aws/things/THING/jobs/JOB/get
//! $aws/things/THING/jobs/start-next    $aws/things/THING/jobs/JOB/update
//!                                      $aws/things/THING/jobs/JOB/namespace-NS/get
//!                                      $aws/things/THING/jobs/JOB/namespace-NS/update
//! ```
//!
//! JOB may be `$next` before `get`. The plain forms are of the developer guide, reserved-topics; the
//! namespaced ones are those that the Greengrass clients use. No client is known to ask for the
//! pending list of a namespace, or to start its next job without naming it, so there is no topic
//! for that; `jobs/namespace-NS/get` describes the job of that name.

use crate::model::events::Event;
use crate::model::names::{JobId, NamespaceId, ThingName};
use crate::model::operation::Selector;

const EVENTS: &str = "$aws/events/";
const ROOT: &str = "$aws/things/";
const JOBS: &str = "jobs";
const NAMESPACE: &str = "namespace-";

/// What a device asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    /// DescribeJobExecution.
    Describe(Selector),
    /// GetPendingJobExecutions.
    GetPending,
    /// StartNextPendingJobExecution.
    StartNext,
    /// UpdateJobExecution.
    Update(JobId),
}

/// A topic that names an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) thing: ThingName,
    pub(super) namespace: Option<NamespaceId>,
    pub(super) verb: Verb,
}

/// What a device is notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// The pending executions.
    Pending,
    /// The first of them.
    Next,
}

/// A topic that names no operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicError {
    /// It is among the Jobs topics and deserves an answer.
    Unknown,
    /// It is not a Jobs topic.
    NotJobs,
    /// It is one of the service's own, and answering it would have no end on a broker that
    /// returns what the service published.
    Ours,
}

/// Reads the topic of a request.
pub(super) fn read(topic: &str) -> Result<Asked, TopicError> {
    let rest = topic.strip_prefix(ROOT).ok_or(TopicError::NotJobs)?;
    let levels: Vec<_> = rest.split('/').collect();
    let [thing, JOBS, levels @ ..] = levels.as_slice() else {
        return Err(TopicError::NotJobs);
    };
    if is_ours(levels) {
        return Err(TopicError::Ours);
    }
    let thing = ThingName::parse(thing).ok_or(TopicError::Unknown)?;
    let (namespace, verb) = read_verb(levels).ok_or(TopicError::Unknown)?;
    Ok(Asked {
        thing,
        namespace,
        verb,
    })
}

fn read_verb(levels: &[&str]) -> Option<(Option<NamespaceId>, Verb)> {
    match levels {
        ["get"] => Some((None, Verb::GetPending)),
        ["start-next"] => Some((None, Verb::StartNext)),
        [job, "get"] => Some((None, Verb::Describe(Selector::parse(job)?))),
        [job, "update"] => Some((None, Verb::Update(JobId::parse(job)?))),
        [job, second, "get"] => {
            let namespace = namespace(second)?;
            Some((Some(namespace), Verb::Describe(Selector::parse(job)?)))
        }
        [job, second, "update"] => {
            let namespace = namespace(second)?;
            Some((Some(namespace), Verb::Update(JobId::parse(job)?)))
        }
        _ => None,
    }
}

/// Reads the topic of a notification: whose it is, in which namespace, and of what.
pub(super) fn read_notice(topic: &str) -> Option<(ThingName, Option<NamespaceId>, Notice)> {
    let levels: Vec<_> = topic.strip_prefix(ROOT)?.split('/').collect();
    let [thing, JOBS, levels @ ..] = levels.as_slice() else {
        return None;
    };
    let (namespace, notice) = match levels {
        ["notify"] => (None, Notice::Pending),
        ["notify-next"] => (None, Notice::Next),
        [level] | [_, level, ""] => {
            let level = level.strip_prefix("notify-")?;
            match level.strip_prefix("next-") {
                Some(level) => (Some(namespace(level)?), Notice::Next),
                None => (Some(namespace(level)?), Notice::Pending),
            }
        }
        _ => return None,
    };
    Some((ThingName::parse(thing)?, namespace, notice))
}

/// Whether the service publishes on these levels.
fn is_ours(levels: &[&str]) -> bool {
    match levels {
        [.., "accepted" | "rejected"] => true,
        [notice] | [_, notice, ""] => notice.starts_with("notify"),
        _ => false,
    }
}

fn namespace(level: &str) -> Option<NamespaceId> {
    NamespaceId::parse(level.strip_prefix(NAMESPACE)?)
}

/// Where the pending lists of a namespace are published.
pub(super) fn notify(thing: &ThingName, namespace: Option<&NamespaceId>) -> String {
    notification(thing, "notify", namespace)
}

/// Where the first pending execution of a namespace is published.
pub(super) fn notify_next(thing: &ThingName, namespace: Option<&NamespaceId>) -> String {
    notification(thing, "notify-next", namespace)
}

/// Where the pending lists of a namespace are published if the API reference is taken at its word
/// (CreateJob, namespaceId).
pub(super) fn notify_of_job(thing: &ThingName, job: &JobId, namespace: &NamespaceId) -> String {
    format!("{ROOT}{thing}/{JOBS}/{job}/notify-{NAMESPACE}{namespace}/")
}

/// Where an event is published.
pub(super) fn event(event: &Event) -> String {
    let subject = match event {
        Event::Job(_) => "job",
        Event::JobExecution(_) => "jobExecution",
    };
    format!("{EVENTS}{subject}/{}/{}", event.job(), event.operation())
}

fn notification(thing: &ThingName, kind: &str, namespace: Option<&NamespaceId>) -> String {
    match namespace {
        None => format!("{ROOT}{thing}/{JOBS}/{kind}"),
        Some(namespace) => format!("{ROOT}{thing}/{JOBS}/{kind}-{NAMESPACE}{namespace}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_jobs(levels: &str) -> Result<(Option<String>, Verb), TopicError> {
        let asked = read(&format!("$aws/things/gw-1/jobs/{levels}"))?;
        assert_eq!(asked.thing.as_str(), "gw-1");
        Ok((asked.namespace.map(|ns| ns.to_string()), asked.verb))
    }

    fn job(id: &str) -> JobId {
        JobId::parse(id).unwrap()
    }

    fn describe(id: &str) -> Verb {
        Verb::Describe(Selector::Job(job(id)))
    }

    #[test]
    fn every_form_of_a_request_is_read() {
        let greengrass = || Some("aws-gg-deployment".to_owned());
        for (levels, namespace, verb) in [
            ("get", None, Verb::GetPending),
            ("start-next", None, Verb::StartNext),
            ("J/get", None, describe("J")),
            ("$next/get", None, Verb::Describe(Selector::Next)),
            ("J/update", None, Verb::Update(job("J"))),
            (
                "J/namespace-aws-gg-deployment/get",
                greengrass(),
                describe("J"),
            ),
            (
                "$next/namespace-aws-gg-deployment/get",
                greengrass(),
                Verb::Describe(Selector::Next),
            ),
            (
                "J/namespace-aws-gg-deployment/update",
                greengrass(),
                Verb::Update(job("J")),
            ),
        ] {
            assert_eq!(read_jobs(levels), Ok((namespace, verb)), "{levels}");
        }
    }

    #[test]
    fn the_topics_of_notifications_are_read_as_they_are_written() {
        let thing = ThingName::parse("gw-1").unwrap();
        let acme = NamespaceId::parse("acme").unwrap();
        for namespace in [None, Some(acme.clone())] {
            let pending = read_notice(&notify(&thing, namespace.as_ref()));
            let next = read_notice(&notify_next(&thing, namespace.as_ref()));
            let read = |notice| Some((thing.clone(), namespace.clone(), notice));
            assert_eq!((pending, next), (read(Notice::Pending), read(Notice::Next)));
        }
        assert_eq!(
            read_notice(&notify_of_job(&thing, &job("J"), &acme)),
            Some((thing, Some(acme), Notice::Pending))
        );
        for other in [
            "$aws/things/gw-1/jobs/get/accepted",
            "$aws/events/job/J/completed",
        ] {
            assert_eq!(read_notice(other), None);
        }
    }

    #[test]
    fn jobs_called_like_a_verb_are_told_by_their_level() {
        for id in [
            "get",
            "start-next",
            "notify",
            "notify-next",
            "update",
            "accepted",
            "namespace-acme",
        ] {
            assert_eq!(
                read_jobs(&format!("{id}/get")),
                Ok((None, describe(id))),
                "{id}"
            );
            assert_eq!(
                read_jobs(&format!("{id}/update")),
                Ok((None, Verb::Update(job(id)))),
                "{id}"
            );
        }
    }

    #[test]
    fn topics_that_name_no_operation_are_unknown() {
        let long = format!("{}/get", "j".repeat(65));
        for levels in [
            "",
            "$next/update",
            "$next/start-next",
            "J/start-next",
            "J/delete",
            "J/get/",
            "J/namespace-/get",
            "J/other/get",
            "namespace-acme/start-next",
            "J:1/get",
            "+/get",
            &long,
        ] {
            assert_eq!(read_jobs(levels), Err(TopicError::Unknown), "{levels}");
        }
    }

    #[test]
    fn what_the_service_publishes_is_no_request() {
        let (thing, job) = (ThingName::parse("gw-1").unwrap(), job("J"));
        let namespace = NamespaceId::parse("acme").unwrap();
        for topic in [
            notify(&thing, None),
            notify(&thing, Some(&namespace)),
            notify_next(&thing, None),
            notify_next(&thing, Some(&namespace)),
            notify_of_job(&thing, &job, &namespace),
            "$aws/things/gw-1/jobs/get/accepted".to_owned(),
            "$aws/things/gw-1/jobs/J/namespace-acme/update/rejected".to_owned(),
        ] {
            assert_eq!(read(&topic), Err(TopicError::Ours), "{topic}");
        }
    }

    #[test]
    fn topics_of_other_services_are_not_ours() {
        for topic in [
            "",
            "$aws/things/gw-1/shadow/get",
            "$aws/things/gw-1/jobs-of-mine/get",
            "$aws/events/job/J/completed",
            "things/gw-1/jobs/get",
        ] {
            assert_eq!(read(topic), Err(TopicError::NotJobs), "{topic}");
        }
    }

    #[test]
    fn notifications_of_a_namespace_go_where_greengrass_listens() {
        let thing = ThingName::parse("gw-1").unwrap();
        let namespace = NamespaceId::parse("acme");
        assert_eq!(
            notify(&thing, namespace.as_ref()),
            "$aws/things/gw-1/jobs/notify-namespace-acme"
        );
        assert_eq!(
            notify_next(&thing, namespace.as_ref()),
            "$aws/things/gw-1/jobs/notify-next-namespace-acme"
        );
        assert_eq!(
            notify_next(&thing, None),
            "$aws/things/gw-1/jobs/notify-next"
        );
    }
}
