//! Status details: the service's limits enforced on insert.

use heapless::String;

/// Most pairs that the service takes (AWS general reference, `iot_device_management` quotas).
pub const PAIRS_MAX: usize = 10;
/// Largest length of a key.
pub const KEY_LEN_MAX: usize = 128;
/// Most characters of a value; counted in UTF-16 units, the stricter reading of the quota.
pub const VALUE_CHARS_MAX: usize = 1024;

/// Why a pair is not taken.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DetailsError {
    /// The bytes set aside for details are used up.
    #[error("status details are full")]
    Full,
    /// The key breaks the service's pattern `[a-zA-Z0-9:_-]+` or its length.
    #[error("key is not 1 to 128 of [a-zA-Z0-9:_-]")]
    Key,
    /// There are ten pairs already.
    #[error("more than 10 pairs")]
    TooManyPairs,
}

/// Up to ten pairs in `BYTES` bytes, two of which each pair takes for itself.
///
/// Values are made to fit on insert, since one bad value makes the service refuse the whole update: control characters become
/// blanks, an empty value becomes `-`, a long one is cut at a character's edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusDetails<const BYTES: usize> {
    /// `key=value` lines: a key holds no `=`, a value that was made to fit no line feed.
    packed: String<BYTES>,
}

impl<const BYTES: usize> StatusDetails<BYTES> {
    /// No pairs.
    pub const fn new() -> Self {
        Self {
            packed: String::new(),
        }
    }

    /// Sets `key` to `value`, made to fit; replaces the value that the key had. On an error nothing has changed.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), DetailsError> {
        check_key(key)?;
        let mut changed = Self::new();
        let mut count = 0;
        let mut found = false;
        for (known, old) in self.iter() {
            count += 1;
            if known == key {
                found = true;
                changed.push(key, value)?;
            } else {
                changed.push(known, old)?;
            }
        }
        if !found {
            if count == PAIRS_MAX {
                return Err(DetailsError::TooManyPairs);
            }
            changed.push(key, value)?;
        }
        *self = changed;
        Ok(())
    }

    /// The value of `key`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.iter()
            .find_map(|(found, value)| (found == key).then_some(value))
    }

    /// The pairs, in the order of their first insert.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        Pairs { rest: &self.packed }
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The pairs as `key=value` lines: a key holds no `=`, a value no control character.
    pub(crate) fn packed(&self) -> &str {
        &self.packed
    }

    /// Appends a pair. Fitting a value that fits changes nothing.
    fn push(&mut self, key: &str, value: &str) -> Result<(), DetailsError> {
        let full = |_| DetailsError::Full;
        self.packed.push_str(key).map_err(full)?;
        self.packed.push('=').map_err(full)?;
        for c in fit(value) {
            self.packed.push(c).map_err(full)?;
        }
        self.packed.push('\n').map_err(full)
    }
}

struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = cut(self.rest, b'=')?;
        let (value, rest) = cut(rest, b'\n')?;
        self.rest = rest;
        Some((key, value))
    }
}

/// What stands before the first `mark`, and what behind it.
fn cut(text: &str, mark: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == mark)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn check_key(key: &str) -> Result<(), DetailsError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-');
    if (1..=KEY_LEN_MAX).contains(&key.len()) && key.bytes().all(legal) {
        Ok(())
    } else {
        Err(DetailsError::Key)
    }
}

/// The characters of `value` as the service takes them.
fn fit(value: &str) -> impl Iterator<Item = char> {
    let value = if value.is_empty() { "-" } else { value };
    let mut units = 0;
    value
        .chars()
        .take_while(move |c| {
            units += c.len_utf16();
            units <= VALUE_CHARS_MAX
        })
        .map(|c| if is_other(c) { ' ' } else { c })
}

/// Whether `c` is in Unicode's category C (other), which the service refuses: controls, formats, private use, noncharacters, and
/// the planes without any character. Single code points that are not assigned within a script are not told apart: the table
/// would weigh more than the rest of the codec.
fn is_other(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{40000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{10ffff}')
        || c as u32 & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use std::string::String as StdString;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn fitted(value: &str) -> StdString {
        let mut details = StatusDetails::<8192>::new();
        details.insert("k", value).unwrap();
        details.value("k").unwrap().into()
    }

    #[test]
    fn pairs_keep_the_order_of_their_first_insert() {
        let mut details = StatusDetails::<64>::new();
        details.insert("a", "1").unwrap();
        details.insert("b", "2").unwrap();
        details.insert("a", "a longer value").unwrap();
        details.insert("b", "").unwrap();
        let pairs: Vec<_> = details.iter().collect();
        assert_eq!(pairs, [("a", "a longer value"), ("b", "-")]);
    }

    #[test]
    fn a_newline_is_sent_as_a_blank() {
        assert_eq!(fitted("one\r\ntwo\tthree\u{1b}[0m"), "one  two three [0m");
    }

    #[test]
    fn other_scripts_and_emoji_are_sent_as_they_are() {
        for value in ["naïve 50 %", "προσοχή", "完了", "😀"] {
            assert_eq!(fitted(value), value);
        }
    }

    #[test]
    fn invisible_and_private_characters_are_sent_as_blanks() {
        assert_eq!(
            fitted("\u{200b}\u{feff}\u{e000}\u{fffe}\u{e0001}\u{10ffff}"),
            "      "
        );
    }

    #[test]
    fn an_empty_value_is_sent_as_a_dash() {
        assert_eq!(fitted(""), "-");
    }

    #[test]
    fn a_long_value_is_cut_at_1024_characters() {
        assert_eq!(fitted(&"é".repeat(2000)), "é".repeat(1024));
    }

    #[test]
    fn a_character_of_two_units_is_never_cut_in_half() {
        let value = std::format!("{}😀", "x".repeat(1023));
        assert_eq!(fitted(&value), "x".repeat(1023));
    }

    #[test]
    fn a_key_outside_the_pattern_is_refused() {
        let mut details = StatusDetails::<64>::new();
        let long = "k".repeat(129);
        for key in ["", "a.b", "a b", "ä", long.as_str()] {
            assert_eq!(details.insert(key, "v"), Err(DetailsError::Key));
        }
        assert!(details.is_empty());
    }

    #[test]
    fn ten_pairs_are_taken_and_an_eleventh_is_not() {
        let mut details = StatusDetails::<128>::new();
        for n in 0..10 {
            details.insert(&std::format!("k{n}"), "v").unwrap();
        }
        assert_eq!(details.insert("k10", "v"), Err(DetailsError::TooManyPairs));
        assert_eq!(details.insert("k9", "w"), Ok(()));
    }

    #[test]
    fn a_pair_that_does_not_fit_changes_nothing() {
        let mut details = StatusDetails::<9>::new();
        details.insert("a", "123456").unwrap();
        assert_eq!(details.insert("a", "1234567"), Err(DetailsError::Full));
        assert_eq!(details.insert("b", "1"), Err(DetailsError::Full));
        assert_eq!(details.value("a"), Some("123456"));
    }

    proptest! {
        #[test]
        fn details_behave_like_a_small_ordered_map(
            inserts in prop::collection::vec(("[a-e]{1,2}", "[ -~é]{0,12}"), 0..40),
        ) {
            let mut details = StatusDetails::<96>::new();
            let mut model: Vec<(StdString, StdString)> = Vec::new();
            for (key, value) in inserts {
                if details.insert(&key, &value).is_ok() {
                    let value = if value.is_empty() { "-".into() } else { value };
                    match model.iter_mut().find(|(known, _)| *known == key) {
                        Some(pair) => pair.1 = value,
                        None => model.push((key, value)),
                    }
                }
                let pairs: Vec<(StdString, StdString)> =
                    details.iter().map(|(k, v)| (k.into(), v.into())).collect();
                prop_assert_eq!(&pairs, &model);
            }
        }

        #[test]
        fn every_value_becomes_one_that_the_service_takes(value: StdString) {
            let value = fitted(&value);
            prop_assert!((1..=1024).contains(&value.encode_utf16().count()));
            prop_assert!(!value.chars().any(char::is_control));
        }
    }
}
