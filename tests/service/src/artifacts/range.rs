//! Which part of an object a `Range` header asks for.

/// What a `Range` header means for an object of a known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// The whole object: no range, several ranges or one that is not understood (RFC 9110, 14.2).
    Whole,
    /// The bytes `first..=last`.
    Part { first: u64, last: u64 },
    /// No byte of the object is in the range.
    Unsatisfiable,
}

impl Range {
    /// Reads a `Range` header's value for an object of `size` bytes.
    pub(super) fn parse(header: &str, size: u64) -> Self {
        let Some((first, last)) = header
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'))
        else {
            return Self::Whole;
        };
        match (number(first), number(last)) {
            (Bound::Absent, Bound::At(0)) => Self::Unsatisfiable,
            (Bound::Absent, Bound::At(_)) if size == 0 => Self::Unsatisfiable,
            (Bound::Absent, Bound::At(len)) => Self::Part {
                first: size.saturating_sub(len),
                last: size - 1,
            },
            (Bound::At(first), Bound::At(last)) if last < first => Self::Whole,
            (Bound::At(first), Bound::Absent | Bound::At(_)) if first >= size => {
                Self::Unsatisfiable
            }
            (Bound::At(first), Bound::Absent) => Self::Part {
                first,
                last: size - 1,
            },
            (Bound::At(first), Bound::At(last)) => Self::Part {
                first,
                last: last.min(size - 1),
            },
            (Bound::Absent | Bound::Invalid, Bound::Absent | Bound::Invalid)
            | (Bound::Invalid, Bound::At(_))
            | (Bound::At(_), Bound::Invalid) => Self::Whole,
        }
    }
}

enum Bound {
    Absent,
    At(u64),
    Invalid,
}

fn number(text: &str) -> Bound {
    if text.is_empty() {
        return Bound::Absent;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Bound::Invalid;
    }
    text.parse().map_or(Bound::Invalid, Bound::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_selects_its_bytes() {
        let part = |first, last| Range::Part { first, last };
        assert_eq!(Range::parse("bytes=0-0", 10), part(0, 0));
        assert_eq!(Range::parse("bytes=3-", 10), part(3, 9));
        assert_eq!(Range::parse("bytes=-3", 10), part(7, 9));
        assert_eq!(Range::parse("bytes=-30", 10), part(0, 9));
        assert_eq!(Range::parse("bytes=8-30", 10), part(8, 9));
    }

    #[test]
    fn a_range_behind_the_end_is_unsatisfiable() {
        for (header, size) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
        ] {
            assert_eq!(
                Range::parse(header, size),
                Range::Unsatisfiable,
                "{header} of {size}"
            );
        }
    }

    #[test]
    fn what_is_not_one_valid_range_means_the_whole() {
        for header in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=+1-2",
        ] {
            assert_eq!(Range::parse(header, 10), Range::Whole, "{header}");
        }
    }
}
