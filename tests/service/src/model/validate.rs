//! Violations of the constraints in AWS's service model, worded as AWS words them.
//!
//! A request is checked to its end; [`Violations::into_result`] then tells all of them at once. Of a
//! long value it tells the beginning, and of many violations the first: the answer to the longest request
//! that MQTT allows must not exceed what MQTT allows.

use core::fmt::{Display, Write};
use std::collections::BTreeMap;

/// The most characters of a value, or of a member's name, that a message repeats.
const MAX_ECHO: usize = 256;
/// The most violations that a message tells; it counts all of them.
const MAX_TOLD: usize = 32;

/// Bounds on the length of a text, in characters, and on the characters in it. A `max` of `usize::MAX` is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) pattern: Option<Pattern>,
}

/// One or more characters of a set; or any number of them, if it is printed with a star.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pattern {
    /// The pattern as AWS prints it.
    pub(super) printed: &'static str,
    pub(super) allows: fn(char) -> bool,
}

/// The pattern of texts that people read: no control or format characters.
pub(super) const PRINTABLE: Pattern = Pattern {
    printed: "[^\\p{C}]+",
    allows: is_printable,
};

impl Text {
    fn broken_rules(&self, value: &str) -> Vec<String> {
        let mut rules = Vec::new();
        let length = value.chars().count();
        if length > self.max {
            rules.push(format!(
                "Member must have length less than or equal to {}",
                self.max
            ));
        }
        if length < self.min {
            rules.push(format!(
                "Member must have length greater than or equal to {}",
                self.min
            ));
        }
        if let Some(Pattern { printed, allows }) = self.pattern
            && (value.is_empty() && !takes_nothing(printed) || !value.chars().all(allows))
        {
            rules.push(format!(
                "Member must satisfy regular expression pattern: {printed}"
            ));
        }
        rules
    }

    /// Whether `value` breaks none of the rules.
    pub(super) fn allows(&self, value: &str) -> bool {
        self.broken_rules(value).is_empty()
    }

    pub(super) fn in_words(&self) -> String {
        let mut rules = Vec::new();
        if self.max < usize::MAX {
            rules.push(format!(
                "Member must have length less than or equal to {}",
                self.max
            ));
        }
        rules.push(format!(
            "Member must have length greater than or equal to {}",
            self.min
        ));
        if let Some(Pattern { printed, .. }) = self.pattern {
            rules.push(format!(
                "Member must satisfy regular expression pattern: {printed}"
            ));
        }
        rules.join(", ")
    }
}

/// What is wrong with one request.
#[derive(Debug, Default)]
pub(super) struct Violations {
    count: usize,
    /// The first of them.
    told: Vec<String>,
}

impl Violations {
    /// Notes that `value` at `member` breaks `rule`.
    pub(super) fn note(&mut self, value: impl Display, member: &str, rule: impl Display) {
        let (value, member) = (beginning(value), beginning(member));
        self.tell(|| format!("Value '{value}' at '{member}' failed to satisfy constraint: {rule}"));
    }

    /// Notes that `member` is missing.
    pub(super) fn missing(&mut self, member: &str) {
        self.tell(|| {
            format!(
                "Value null at '{member}' failed to satisfy constraint: Member must not be null"
            )
        });
    }

    fn tell(&mut self, violation: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < MAX_TOLD {
            self.told.push(violation());
        }
    }

    /// Notes that `member` is missing if it is.
    pub(super) fn required<T>(&mut self, member: &str, value: Option<&T>) {
        if value.is_none() {
            self.missing(member);
        }
    }

    /// Checks a text.
    pub(super) fn text(&mut self, member: &str, value: &str, bounds: Text) {
        for rule in bounds.broken_rules(value) {
            self.note(value, member, rule);
        }
    }

    /// Checks a text if there is one.
    pub(super) fn optional_text(&mut self, member: &str, value: Option<&String>, bounds: Text) {
        if let Some(value) = value {
            self.text(member, value, bounds);
        }
    }

    /// Checks an ARN of any service if there is one.
    pub(super) fn optional_arn(&mut self, member: &str, value: Option<&String>, bounds: Text) {
        self.optional_text(member, value, bounds);
        if let Some(value) = value.filter(|value| !is_arn(value)) {
            let rule = "Member must satisfy regular expression pattern: ^arn:[!-~]+$";
            self.note(value, member, rule);
        }
    }

    /// Checks a number if there is one.
    pub(super) fn range(&mut self, member: &str, value: Option<i64>, min: i64, max: i64) {
        let Some(value) = value else { return };
        if value > max {
            let rule = format!("Member must have value less than or equal to {max}");
            self.note(value, member, rule);
        }
        if value < min {
            let rule = format!("Member must have value greater than or equal to {min}");
            self.note(value, member, rule);
        }
    }

    /// Checks a number with a fraction if there is one.
    pub(super) fn decimal_range(
        &mut self,
        member: &str,
        value: Option<f64>,
        min: Option<f64>,
        max: f64,
    ) {
        let Some(value) = value else { return };
        let shown = format!("{value:?}");
        if value > max {
            let rule = format!("Member must have value less than or equal to {max}");
            self.note(&shown, member, rule);
        }
        if let Some(min) = min.filter(|min| value < *min) {
            let rule = format!("Member must have value greater than or equal to {min}");
            self.note(&shown, member, rule);
        }
    }

    /// Checks that a text, if there is one, is one of `names`.
    pub(super) fn one_of(&mut self, member: &str, value: Option<&String>, names: &[&str]) {
        if let Some(value) = value.filter(|value| !names.contains(&value.as_str())) {
            let rule = format!("Member must satisfy enum value set: [{}]", names.join(", "));
            self.note(value, member, rule);
        }
    }

    /// Checks the number of pairs in a map, its keys and its values.
    pub(super) fn map(
        &mut self,
        member: &str,
        map: &BTreeMap<String, String>,
        max_pairs: usize,
        keys: Text,
        values: Text,
    ) {
        if map.len() > max_pairs {
            let rule = format!("Member must have length less than or equal to {max_pairs}");
            self.note(in_braces(map), member, rule);
        }
        if !map.keys().all(|key| keys.allows(key)) {
            let rule = format!("Map keys must satisfy constraint: [{}]", keys.in_words());
            self.note(in_braces(map), member, rule);
        }
        if !map.values().all(|value| values.allows(value)) {
            let rule = format!("Map value must satisfy constraint: [{}]", values.in_words());
            self.note(in_braces(map), member, rule);
        }
    }

    /// All violations as one message, or nothing to complain about.
    pub(super) fn into_result(self) -> Result<(), String> {
        match self.count {
            0 => Ok(()),
            1 => Err(format!(
                "1 validation error detected: {}",
                self.told.concat()
            )),
            count => Err(format!(
                "{count} validation errors detected: {}",
                self.told.join("; ")
            )),
        }
    }
}

/// Whether a pattern, as AWS prints it, matches the empty text.
fn takes_nothing(printed: &str) -> bool {
    printed.trim_end_matches(['$', ')']).ends_with('*')
}

fn is_arn(text: &str) -> bool {
    let rest = text.strip_prefix("arn:").unwrap_or_default();
    !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic())
}

/// As much of a value as a message repeats.
fn beginning(value: impl Display) -> String {
    let mut text = value.to_string();
    if let Some((at, _)) = text.char_indices().nth(MAX_ECHO) {
        text.truncate(at);
        text.push('…');
    }
    text
}

fn in_braces(map: &BTreeMap<String, String>) -> String {
    let mut text = String::from("{");
    for (index, (key, value)) in map.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{key}={value}");
    }
    text.push('}');
    text
}

/// Whether `c` is outside the Unicode category C, as far as that is known without its tables:
/// which code points are unassigned differs from one Unicode version to the next.
fn is_printable(c: char) -> bool {
    let format = matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    let private = matches!(c,
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}');
    let noncharacter = matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    !(c.is_control() || format || private || noncharacter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Text = Text {
        min: 1,
        max: 4,
        pattern: Some(Pattern {
            printed: "[a-z]+",
            allows: |c| c.is_ascii_lowercase(),
        }),
    };

    #[test]
    fn all_violations_are_told_in_one_message() {
        let mut violations = Violations::default();
        violations.text("jobId", "A b c", NAME);
        violations.missing("targets");
        assert_eq!(
            violations.into_result(),
            Err("3 validation errors detected: \
                 Value 'A b c' at 'jobId' failed to satisfy constraint: \
                 Member must have length less than or equal to 4; \
                 Value 'A b c' at 'jobId' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [a-z]+; \
                 Value null at 'targets' failed to satisfy constraint: Member must not be null"
                .to_owned())
        );
    }

    #[test]
    fn one_violation_is_told_in_the_singular() {
        let mut violations = Violations::default();
        violations.range("maxResults", Some(251), 1, 250);
        assert_eq!(
            violations.into_result(),
            Err(
                "1 validation error detected: Value '251' at 'maxResults' failed to satisfy \
                 constraint: Member must have value less than or equal to 250"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_request_without_fault_passes() {
        let mut violations = Violations::default();
        violations.text("jobId", "abcd", NAME);
        violations.range("maxResults", None, 1, 250);
        assert_eq!(violations.into_result(), Ok(()));
    }

    #[test]
    fn nothing_matches_a_pattern_with_a_star_only() {
        for printed in ["[a-z]*", "^([a-z]*)$"] {
            assert!(takes_nothing(printed), "{printed}");
        }
        assert!(!takes_nothing("[a-z]+"));
        assert!(!takes_nothing("^arn:[!-~]+$"));
    }

    #[test]
    fn an_arn_is_more_than_its_prefix_and_has_no_blanks() {
        for (arn, count) in [
            ("arn:aws:iot", 0),
            ("arn:", 1),
            ("aws:iot", 1),
            ("arn:a b", 1),
        ] {
            let bounds = Text {
                min: 1,
                max: 1600,
                pattern: None,
            };
            let mut violations = Violations::default();
            violations.optional_arn("jobTemplateArn", Some(&arn.to_owned()), bounds);
            assert_eq!(violations.count, count, "{arn}");
        }
    }

    #[test]
    fn a_long_value_is_told_by_its_beginning() {
        let mut violations = Violations::default();
        violations.note("é".repeat(MAX_ECHO + 1), "jobId", "rule");
        let told = format!(
            "1 validation error detected: Value '{}…' at 'jobId' failed to satisfy constraint: rule",
            "é".repeat(MAX_ECHO)
        );
        assert_eq!(violations.into_result(), Err(told));
    }

    #[test]
    fn all_violations_are_counted_and_the_first_are_told() {
        let mut violations = Violations::default();
        for number in 0..1000 {
            violations.missing(&number.to_string());
        }
        let told = violations.into_result().unwrap_err();
        assert!(
            told.starts_with("1000 validation errors detected: "),
            "{told}"
        );
        assert_eq!(told.matches("Value null").count(), MAX_TOLD);
    }

    #[test]
    fn control_format_and_private_characters_are_not_printable() {
        for c in [
            '\n', '\t', '\u{7f}', '\u{85}', '\u{200b}', '\u{e000}', '\u{ffff}',
        ] {
            assert!(!is_printable(c), "{c:?}");
        }
    }

    #[test]
    fn letters_blanks_and_emoji_are_printable() {
        for c in ['a', ' ', 'é', '水', '🚀', '\u{a0}'] {
            assert!(is_printable(c), "{c:?}");
        }
    }
}
