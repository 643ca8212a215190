//! The three ways in which S3 writes a moment, from and to seconds of the Unix epoch, always UTC.

use crate::model::calendar::Date;

const SECONDS_PER_DAY: u64 = 86_400;
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Wed, 21 Oct 2026 07:28:00 GMT`, as in `Last-Modified` (RFC 9110, 5.6.7).
pub(super) fn http(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / SECONDS_PER_DAY);
    let weekday = pick(&DAYS, seconds / SECONDS_PER_DAY % 7);
    let month = pick(&MONTHS, month - 1);
    let (hour, minute, second) = clock(seconds);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `2026-10-21T07:28:00.000Z`, as in S3's XML.
pub(super) fn iso(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / SECONDS_PER_DAY);
    let (hour, minute, second) = clock(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// `20261021T072800Z`, as in `X-Amz-Date`.
pub(super) fn amz(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / SECONDS_PER_DAY);
    let (hour, minute, second) = clock(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads what [`http`] writes; other forms of a date are `None`, and a condition on them is ignored.
pub(super) fn parse_http(text: &str) -> Option<u64> {
    let mut parts = text.get(5..)?.split(' ');
    let day = number(parts.next()?, 2)?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year = number(parts.next()?, 4)?;
    let mut time = parts.next()?.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let seconds = moment((year, month, day), (hour, minute, second))?;
    (http(seconds) == text).then_some(seconds)
}

/// Reads what [`amz`] writes.
pub(super) fn parse_amz(text: &str) -> Option<u64> {
    let field = |from: usize, len: usize| number(text.get(from..from + len)?, len);
    let seconds = moment(
        (field(0, 4)?, field(4, 2)?, field(6, 2)?),
        (field(9, 2)?, field(11, 2)?, field(13, 2)?),
    )?;
    (amz(seconds) == text).then_some(seconds)
}

fn number(text: &str, len: usize) -> Option<u64> {
    let digits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn pick(names: &[&'static str], index: u64) -> &'static str {
    usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default()
}

fn clock(seconds: u64) -> (u64, u64, u64) {
    (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn moment(
    (year, month, day): (u64, u64, u64),
    (hour, minute, second): (u64, u64, u64),
) -> Option<u64> {
    let days = Date { year, month, day }.to_days()?;
    Some(days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

fn civil(days: u64) -> (u64, u64, u64) {
    let Date { year, month, day } = Date::from_days(days);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_moment_is_written_in_each_form() {
        let moment = 1_792_567_680;
        assert_eq!(http(moment), "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(iso(moment), "2026-10-21T07:28:00.000Z");
        assert_eq!(amz(moment), "20261021T072800Z");
    }

    #[test]
    fn every_written_moment_reads_back() {
        for day in 0..60_000 {
            let moment = day * SECONDS_PER_DAY + day % SECONDS_PER_DAY;
            assert_eq!(parse_http(&http(moment)), Some(moment));
            assert_eq!(parse_amz(&amz(moment)), Some(moment));
        }
    }

    #[test]
    fn a_date_that_does_not_exist_is_refused() {
        for text in [
            "20260230T000000Z",
            "20261301T000000Z",
            "20261021T250000Z",
            "20261021 072800Z",
            "",
            "é",
        ] {
            assert_eq!(parse_amz(text), None, "{text}");
        }
        for text in [
            "Mon, 21 Oct 2026 07:28:00 GMT",
            "Wed, 21 Oct 2026",
            "ééé",
            "",
        ] {
            assert_eq!(parse_http(text), None, "{text}");
        }
    }
}
