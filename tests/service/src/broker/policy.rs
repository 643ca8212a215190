//! What a thing may publish and subscribe to.
//!
//! The rules of an AWS IoT policy written with thing policy variables: below `$aws/` a device reaches
//! only its own thing; topics that do not begin with `$` are free. As who watches jobs has no other
//! certificate than a thing's, everyone may listen to `$aws/events/`.
//!
//! <https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html>

use super::topic::TopicFilter;

const EVENTS: &str = "$aws/events/";
const THINGS: &str = "$aws/things/";

/// What becomes of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publication {
    /// The thing may not publish there.
    Denied,
    /// The Jobs service takes it; no other client sees it.
    Request,
    /// Subscribers get it.
    Route,
}

impl Publication {
    /// Decides for a publish by `thing` to `topic`.
    pub(super) fn decide(thing: &str, topic: &str) -> Self {
        if !topic.starts_with('$') {
            return Self::Route;
        }
        match below_thing(thing, topic).map(|rest| rest.split_once('/')) {
            Some(Some(("jobs", request))) if is_for_the_service_to_send(request) => Self::Denied,
            Some(Some(("jobs", _))) => Self::Request,
            Some(Some(_) | None) => Self::Route,
            None => Self::Denied,
        }
    }
}

/// Whether `thing` may subscribe to `filter`.
pub(super) fn may_subscribe(thing: &str, filter: &TopicFilter) -> bool {
    let filter = filter.as_str();
    !filter.starts_with('$') || filter.starts_with(EVENTS) || below_thing(thing, filter).is_some()
}

/// The only thing that may subscribe to a filter which matches `topic`; `None` if any may.
pub(super) fn thing_of(topic: &str) -> Option<&str> {
    let (thing, _) = topic.strip_prefix(THINGS)?.split_once('/')?;
    Some(thing)
}

/// Whether `filter` matches topics below `$aws/things/THING/` only.
pub(super) fn is_below_thing(thing: &str, filter: &TopicFilter) -> bool {
    below_thing(thing, filter.as_str()).is_some()
}

/// The part of a topic or filter that follows `$aws/things/THING/`.
fn below_thing<'a>(thing: &str, topic: &'a str) -> Option<&'a str> {
    topic
        .strip_prefix(THINGS)?
        .strip_prefix(thing)?
        .strip_prefix('/')
        .filter(|rest| !rest.is_empty())
}

/// Whether the topic below `jobs/` is a response or a notification.
fn is_for_the_service_to_send(topic: &str) -> bool {
    match topic.rsplit_once('/') {
        Some((_, last)) => matches!(last, "accepted" | "rejected"),
        None => topic.starts_with("notify"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_below_the_own_thing_goes_to_the_service() {
        for topic in [
            "$aws/things/pump/jobs/get",
            "$aws/things/pump/jobs/start-next",
            "$aws/things/pump/jobs/$next/get",
            "$aws/things/pump/jobs/job-1/namespace-n/update",
            "$aws/things/pump/jobs/notify/get",
            "$aws/things/pump/jobs/accepted/update",
        ] {
            assert_eq!(
                Publication::decide("pump", topic),
                Publication::Request,
                "{topic}"
            );
        }
    }

    #[test]
    fn what_the_service_sends_cannot_be_published_by_a_device() {
        for topic in [
            "$aws/things/pump/jobs/notify",
            "$aws/things/pump/jobs/notify-next",
            "$aws/things/pump/jobs/notify-namespace-n",
            "$aws/things/pump/jobs/get/accepted",
            "$aws/things/pump/jobs/job-1/update/rejected",
        ] {
            assert_eq!(
                Publication::decide("pump", topic),
                Publication::Denied,
                "{topic}"
            );
        }
    }

    #[test]
    fn a_reserved_topic_outside_the_own_thing_is_denied() {
        for topic in [
            "$aws/things/pump2/jobs/get",
            "$aws/things/pum/jobs/get",
            "$aws/things/pump",
            "$aws/things/pump/",
            "$aws/events/job/a/completed",
            "$SYS/broker",
        ] {
            assert_eq!(
                Publication::decide("pump", topic),
                Publication::Denied,
                "{topic}"
            );
        }
    }

    #[test]
    fn other_topics_are_routed() {
        for topic in ["site/pump", "$aws/things/pump/shadow/get", "things/x/jobs"] {
            assert_eq!(
                Publication::decide("pump", topic),
                Publication::Route,
                "{topic}"
            );
        }
    }

    #[test]
    fn a_wildcard_is_allowed_below_the_own_thing_only() {
        assert!(subscribes("pump", "$aws/things/pump/jobs/+/update/+"));
        assert!(subscribes("pump", "$aws/things/pump/#"));
        assert!(subscribes("pump", "#"));
        assert!(subscribes("pump", "$aws/events/job/+/completed"));
        assert!(!subscribes("pump", "$aws/things/+/jobs/notify"));
        assert!(!subscribes("pump", "$aws/#"));
        assert!(!subscribes("pump", "$aws/things/pump2/jobs/notify"));
    }

    fn subscribes(thing: &str, filter: &str) -> bool {
        may_subscribe(thing, &TopicFilter::parse(filter).unwrap())
    }
}
