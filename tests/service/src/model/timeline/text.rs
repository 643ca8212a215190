//! What of a device's texts people are told: no credentials, and no more than they read.

/// How much of a value, or of a message, is kept.
const MAX_VALUE_BYTES: usize = 256;
/// Stands for what is cut off.
const CUT: char = '…';
/// Parameters that make a URL's query a credential, in lower case (Amazon S3 API reference,
/// signature versions 4 and 2).
const CREDENTIALS: [&str; 4] = [
    "x-amz-signature=",
    "x-amz-security-token=",
    "signature=",
    "awsaccesskeyid=",
];
const REDACTED: &str = "?<redacted>";

/// A text without credentials, cut to what people read.
pub(super) fn readable(text: &str) -> Box<str> {
    let mut text = redacted(text);
    if text.len() > MAX_VALUE_BYTES {
        let end = (0..=MAX_VALUE_BYTES)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push(CUT);
    }
    text.into()
}

/// A text in which no presigned URL has its query.
pub(in crate::model) fn redacted(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if !CREDENTIALS.iter().any(|name| lower.contains(name)) {
        return text.to_owned();
    }
    let mut public = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, query)) = rest.split_once('?') {
        public.push_str(before);
        public.push_str(REDACTED);
        let end = query.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'));
        rest = end.and_then(|end| query.get(end..)).unwrap_or_default();
    }
    public + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_a_presigned_url_is_not_kept() {
        for (text, kept) in [
            ("https://h/b/k?versionId=3", "https://h/b/k?versionId=3"),
            ("is it done? signed", "is it done? signed"),
            (
                "GET https://h/b/k?X-Amz-Expires=9&X-Amz-Signature=00ff: 403",
                "GET https://h/b/k?<redacted> 403",
            ),
            (
                "'https://h/b/k?AWSAccessKeyId=k&Signature=s%3D' and http://h/c?x=1",
                "'https://h/b/k?<redacted>' and http://h/c?<redacted>",
            ),
        ] {
            assert_eq!(redacted(text), kept);
        }
    }

    #[test]
    fn a_long_value_is_cut_between_two_characters() {
        for (value, kept) in [
            ("é".repeat(1024), format!("{}…", "é".repeat(128))),
            (
                format!("-{}", "é".repeat(1024)),
                format!("-{}…", "é".repeat(127)),
            ),
            ("é".repeat(128), "é".repeat(128)),
        ] {
            assert_eq!(*readable(&value), kept);
        }
    }
}
