//! Lists in pages.
//!
//! A token names the last entry of its page by the key that the list is sorted by, so that entries
//! that come and go between two pages are neither skipped nor repeated.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Model;
use super::error::ControlError;
use super::quotas::limit;
use super::validate::Violations;

/// The largest page that can be asked for (API reference, ListJobs).
const MAX_RESULTS: i64 = 250;

/// Checks the size of the page asked for.
pub(super) fn check(violations: &mut Violations, max_results: Option<i64>) {
    violations.range("maxResults", max_results, 1, MAX_RESULTS);
}

impl Model {
    /// How many entries a page has that asks for `max_results`: no more than the quota.
    pub(super) fn page_size(&self, max_results: Option<i64>) -> usize {
        let asked = usize::try_from(max_results.unwrap_or(MAX_RESULTS));
        let quota = limit(self.knobs.quotas.page_size);
        asked.unwrap_or_default().min(quota)
    }
}

/// The page of `size` of `entries` after `token`, and the token of the page behind it. Entries come with the
/// key that sorts them; `list` tells apart the tokens of different lists.
pub(super) fn page<T>(
    list: &str,
    entries: impl Iterator<Item = (String, T)>,
    size: usize,
    token: Option<&String>,
) -> Result<(Vec<T>, Option<String>), ControlError> {
    let after = token.map(|token| decode(list, token)).transpose()?;

    let mut rest: Vec<_> = entries
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
        .collect();
    rest.sort_by(|(left, _), (right, _)| left.cmp(right));
    let more = rest.len() > size;
    rest.truncate(size);
    let next = rest
        .last()
        .filter(|_| more)
        .map(|(key, _)| encode(list, key));
    Ok((rest.into_iter().map(|(_, entry)| entry).collect(), next))
}

/// A key that sorts large numbers first.
pub(super) fn descending(number: u64) -> String {
    format!("{:020}", u64::MAX - number)
}

fn encode(list: &str, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}/{key}"))
}

fn decode(list: &str, token: &str) -> Result<String, ControlError> {
    let key = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        Some(text.strip_prefix(list)?.strip_prefix('/')?.to_owned())
    };
    key().ok_or_else(|| ControlError::InvalidRequest("Next token is invalid.".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(letters: &str) -> impl Iterator<Item = (String, char)> {
        letters.chars().map(|c| (c.to_string(), c))
    }

    #[test]
    fn the_last_page_has_no_token() {
        assert_eq!(
            page("l", letters("abc"), 3, None),
            Ok((vec!['a', 'b', 'c'], None))
        );
    }

    #[test]
    fn an_entry_that_vanished_between_two_pages_hides_no_other() {
        let (first, token) = page("l", letters("abcd"), 2, None).unwrap();
        assert_eq!(first, ['a', 'b']);
        let (second, _) = page("l", letters("acd"), 2, token.as_ref()).unwrap();
        assert_eq!(second, ['c', 'd']);
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let (_, token) = page("l", letters("abc"), 1, None).unwrap();
        let invalid = ControlError::InvalidRequest("Next token is invalid.".to_owned());
        assert_eq!(page("m", letters("abc"), 1, token.as_ref()), Err(invalid));
    }

    #[test]
    fn the_newest_come_first_under_descending_keys() {
        assert!(descending(10) < descending(9));
    }
}
