//! Topics and topic filters as AWS IoT reads them.
//!
//! Pure text: what a filter matches, and which names are legal. Who may use which topic is decided in
//! [`super::policy`].

/// The longest topic or filter, in bytes.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
pub(super) const TOPIC_LIMIT: usize = 256;

/// The most slashes in a topic or filter. Reserved topics are not exempt.
///
/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
pub(super) const SLASH_LIMIT: usize = 7;

/// A topic filter that is legal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicFilter(String);

impl TopicFilter {
    /// Takes a filter as a client sent it.
    pub(super) fn parse(text: &str) -> Result<Self, TopicError> {
        check_length(text)?;
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let is_last = levels.peek().is_none();
            if level.contains('+') && level != "+" {
                return Err(TopicError::Wildcard);
            }
            if level.contains('#') && (level != "#" || !is_last) {
                return Err(TopicError::Wildcard);
            }
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a message on `topic` is for this filter.
    ///
    /// As at AWS IoT, and other than in MQTT, `a/#` does not match `a` itself:
    /// <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>
    pub(super) fn matches(&self, topic: &str) -> bool {
        // A wildcard in the first level never stands for a reserved one.
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for pattern in self.0.split('/') {
            match (pattern, levels.next()) {
                ("#", level) => return level.is_some(),
                ("+", Some(_)) => {}
                (_, Some(level)) if pattern == level => {}
                (_, Some(_) | None) => return false,
            }
        }
        levels.next().is_none()
    }
}

/// Checks the name of a topic that a client publishes to.
pub(super) fn check_name(topic: &str) -> Result<(), TopicError> {
    check_length(topic)?;
    if topic.contains(['+', '#']) {
        return Err(TopicError::Wildcard);
    }
    Ok(())
}

fn check_length(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > TOPIC_LIMIT {
        return Err(TopicError::TooLong { len: text.len() });
    }
    if text.bytes().filter(|byte| *byte == b'/').count() > SLASH_LIMIT {
        return Err(TopicError::TooDeep);
    }
    if text.contains('\0') {
        return Err(TopicError::Nul);
    }
    Ok(())
}

/// Why a topic or filter is not legal.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TopicError {
    /// There is no text.
    #[error("topic is empty")]
    Empty,
    /// A NUL character is in the text.
    #[error("topic contains NUL")]
    Nul,
    /// More slashes than AWS IoT allows.
    #[error("topic has more than {SLASH_LIMIT} slashes")]
    TooDeep,
    /// More bytes than AWS IoT allows.
    #[error("topic of {len} bytes exceeds the limit of {TOPIC_LIMIT}")]
    TooLong {
        /// Length that was received.
        len: usize,
    },
    /// A wildcard is not a whole level, not last, or in a topic name.
    #[error("wildcard is misplaced")]
    Wildcard,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_stands_for_one_level_even_next() {
        let filter = filter("$aws/things/pump/jobs/+/get/accepted");

        assert!(filter.matches("$aws/things/pump/jobs/job-1/get/accepted"));
        assert!(filter.matches("$aws/things/pump/jobs/$next/get/accepted"));
        assert!(!filter.matches("$aws/things/pump/jobs/get/accepted"));
        assert!(!filter.matches("$aws/things/pump/jobs/a/b/get/accepted"));
    }

    #[test]
    fn a_hash_stands_for_everything_below_but_not_for_the_parent() {
        let filter = filter("$aws/things/pump/jobs/#");

        assert!(filter.matches("$aws/things/pump/jobs/notify"));
        assert!(filter.matches("$aws/things/pump/jobs/a/namespace-n/update/accepted"));
        assert!(!filter.matches("$aws/things/pump/jobs"));
        assert!(!filter.matches("$aws/things/pump2/jobs/notify"));
    }

    #[test]
    fn a_wildcard_in_the_first_level_never_matches_a_reserved_topic() {
        for text in ["#", "+/things/pump/jobs/notify", "+/#"] {
            assert!(
                !filter(text).matches("$aws/things/pump/jobs/notify"),
                "{text}"
            );
        }
        assert!(filter("#").matches("site/pump"));
    }

    #[test]
    fn a_misplaced_wildcard_is_refused() {
        for text in ["a/#/b", "a#", "a/b+", "#/a", "a/+b/c"] {
            assert_eq!(
                TopicFilter::parse(text),
                Err(TopicError::Wildcard),
                "{text}"
            );
        }
        assert_eq!(check_name("a/+"), Err(TopicError::Wildcard));
    }

    #[test]
    fn seven_slashes_are_allowed_and_eight_are_not() {
        assert_eq!(check_name("a/b/c/d/e/f/g/h"), Ok(()));
        assert_eq!(check_name("a/b/c/d/e/f/g/h/i"), Err(TopicError::TooDeep));
    }

    #[test]
    fn two_hundred_fifty_six_bytes_are_allowed_and_one_more_is_not() {
        assert_eq!(check_name(&"x".repeat(TOPIC_LIMIT)), Ok(()));
        assert_eq!(
            check_name(&"x".repeat(TOPIC_LIMIT + 1)),
            Err(TopicError::TooLong {
                len: TOPIC_LIMIT + 1
            })
        );
    }

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }
}
