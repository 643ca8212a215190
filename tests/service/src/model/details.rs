//! Status details as devices send them.
//!
//! Limits: API reference, DetailsMap, and the Jobs quotas of the AWS general reference.

use serde_json::Value;

use super::names::WITH_COLON;
use super::quotas::{Quotas, limit};
use super::status::StatusDetails;
use super::validate::{PRINTABLE, Text, Violations};

const MEMBER: &str = "statusDetails";
const KEYS: Text = Text {
    min: 1,
    max: 128,
    pattern: Some(WITH_COLON),
};

/// Reads status details from JSON. Scalars become strings, unless `strict`.
pub(super) fn read(
    violations: &mut Violations,
    details: Option<&Value>,
    strict: bool,
    quotas: &Quotas,
) -> Option<StatusDetails> {
    let details = details.filter(|details| !details.is_null())?;
    let Value::Object(members) = details else {
        violations.note(details, MEMBER, "Member must be a map of strings");
        return None;
    };
    let mut read = StatusDetails::new();
    for (name, value) in members {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) if !strict => value.to_string(),
            Value::Bool(_)
            | Value::Number(_)
            | Value::Null
            | Value::Array(_)
            | Value::Object(_) => {
                let member = format!("{MEMBER}.{name}");
                violations.note(value, &member, "Member must be a string");
                continue;
            }
        };
        read.insert(name.clone(), text);
    }
    check(violations, &read, quotas);
    Some(read)
}

/// Checks status details.
pub(super) fn check(violations: &mut Violations, details: &StatusDetails, quotas: &Quotas) {
    let values = Text {
        min: 1,
        max: limit(quotas.status_details_value_characters),
        pattern: Some(PRINTABLE),
    };
    let pairs = limit(quotas.status_details_pairs);
    violations.map(MEMBER, details, pairs, KEYS, values);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(details: &Value, strict: bool) -> Result<Option<StatusDetails>, String> {
        let mut violations = Violations::default();
        let read = read(&mut violations, Some(details), strict, &Quotas::default());
        violations.into_result().map(|()| read)
    }

    fn pairs(count: usize) -> Value {
        (0..count).map(|n| (n.to_string(), json!("v"))).collect()
    }

    #[test]
    fn details_at_every_limit_are_taken() {
        let widest = json!({"k".repeat(128): "é".repeat(1024), "a:b_c-D9": " "});
        for details in [json!({}), pairs(10), widest] {
            assert!(verdict(&details, true).is_ok(), "{details}");
        }
    }

    #[test]
    fn details_beyond_a_limit_are_refused() {
        for details in [
            pairs(11),
            json!({"k".repeat(129): "v"}),
            json!({"": "v"}),
            json!({"a.b": "v"}),
            json!({"a b": "v"}),
            json!({"k": ""}),
            json!({"k": "v".repeat(1025)}),
            json!({"k": "two\nlines"}),
            json!({"k": "\u{1b}[0m"}),
            json!({"k": ["v"]}),
            json!({"k": {"v": "v"}}),
            json!({"k": null}),
            json!("k"),
            json!(["k", "v"]),
        ] {
            assert!(verdict(&details, false).is_err(), "{details}");
        }
    }

    #[test]
    fn scalars_become_strings() {
        let details = verdict(&json!({"a": true, "b": 7, "c": 1.5}), false);
        let expected = [("a", "true"), ("b", "7"), ("c", "1.5")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(details, Ok(Some(StatusDetails::from(expected))));
    }

    #[test]
    fn scalars_are_refused_where_strings_are_insisted_on() {
        assert_eq!(
            verdict(&json!({"a": true}), true),
            Err(
                "1 validation error detected: Value 'true' at 'statusDetails.a' failed to satisfy \
                 constraint: Member must be a string"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_key_outside_the_pattern_is_told_in_the_words_of_aws() {
        assert_eq!(
            verdict(&json!({"a.b": "v"}), false),
            Err("1 validation error detected: Value '{a.b=v}' at 'statusDetails' failed to satisfy \
                 constraint: Map keys must satisfy constraint: [Member must have length less than \
                 or equal to 128, Member must have length greater than or equal to 1, Member must \
                 satisfy regular expression pattern: [a-zA-Z0-9:_-]+]"
                .to_owned())
        );
    }
}
