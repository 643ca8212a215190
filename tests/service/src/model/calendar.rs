//! Days and minutes of the Gregorian calendar, in UTC.
//!
//! The one place that turns counts of days into dates and back. Like the protocol it knows no leap
//! seconds, and no day before 1970.

use super::time::Timestamp;

pub(super) const MINUTES_PER_DAY: u64 = 24 * 60;
const MILLIS_PER_MINUTE: u64 = 60_000;
/// Days from the 1st of March of the year 0 to the epoch.
const EPOCH_SHIFT: u64 = 719_468;
const DAYS_PER_ERA: u64 = 146_097;
const YEARS_PER_ERA: u64 = 400;

/// A day by its date; months and days count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub(crate) year: u64,
    pub(crate) month: u64,
    pub(crate) day: u64,
}

impl Date {
    /// The date of the day `days` days after the epoch.
    pub(crate) fn from_days(days: u64) -> Self {
        let days = days + EPOCH_SHIFT;
        let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = (shifted_month + 2) % 12 + 1;
        Self {
            // Years begin in March here, so that the leap day is a year's last.
            year: era * YEARS_PER_ERA + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        }
    }

    /// How many days after the epoch this is; `None` before the epoch and for a date that is none.
    pub(crate) fn to_days(self) -> Option<u64> {
        let Self { year, month, day } = self;
        let legal = (1970..=9999).contains(&year) && (1..=12).contains(&month);
        if !legal || !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        let shifted = if month > 2 { year } else { year - 1 };
        let (era, year_of_era) = (shifted / YEARS_PER_ERA, shifted % YEARS_PER_ERA);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * DAYS_PER_ERA + day_of_era).checked_sub(EPOCH_SHIFT)
    }
}

pub(super) fn days_in_month(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day of the week, 1 for Sunday to 7 for Saturday.
pub(super) fn weekday(days: u64) -> u64 {
    // The epoch was a Thursday.
    (days + 4) % 7 + 1
}

/// Whole minutes since the epoch, rounded down.
pub(super) fn minute_of(at: Timestamp) -> u64 {
    at.as_millis() / MILLIS_PER_MINUTE
}

/// The start of a minute.
pub(super) fn start_of(minute: u64) -> Timestamp {
    Timestamp::from_millis(minute.saturating_mul(MILLIS_PER_MINUTE))
}

/// Reads `YYYY-MM-DDThh:mm` as minutes since the epoch.
pub(super) fn parse_minute(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (hour, minute) = time.split_once(':')?;
    if date.next().is_some() {
        return None;
    }
    let date = Date {
        year: number(year, 4)?,
        month: number(month, 2)?,
        day: number(day, 2)?,
    };
    let (hour, minute) = (number(hour, 2)?, number(minute, 2)?);
    let legal = hour < 24 && minute < 60;
    Some(date.to_days().filter(|_| legal)? * MINUTES_PER_DAY + hour * 60 + minute)
}

/// Writes minutes since the epoch as `YYYY-MM-DDThh:mm`.
pub(super) fn print_minute(minute: u64) -> String {
    let Date { year, month, day } = Date::from_days(minute / MINUTES_PER_DAY);
    let (hour, minute) = (minute / 60 % 24, minute % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}")
}

fn number(text: &str, len: usize) -> Option<u64> {
    let digits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_five_centuries_has_its_own_date() {
        let mut expected = Date {
            year: 1970,
            month: 1,
            day: 1,
        };
        for days in 0..500 * 365 {
            assert_eq!(Date::from_days(days), expected);
            assert_eq!(expected.to_days(), Some(days));
            expected.day += 1;
            if expected.day > days_in_month(expected.year, expected.month) {
                expected.day = 1;
                expected.month += 1;
            }
            if expected.month > 12 {
                expected.month = 1;
                expected.year += 1;
            }
        }
    }

    #[test]
    fn known_days_have_their_weekday() {
        for (text, expected) in [
            ("1970-01-01T00:00", 5),
            ("2000-02-29T00:00", 3),
            ("2026-11-20T23:59", 6),
            ("2026-11-22T00:00", 1),
        ] {
            let minute = parse_minute(text).unwrap();
            assert_eq!(weekday(minute / MINUTES_PER_DAY), expected, "{text}");
        }
    }

    #[test]
    fn a_minute_is_written_as_it_is_read() {
        for text in [
            "1970-01-01T00:00",
            "2024-02-29T23:59",
            "2026-12-31T12:05",
            "2199-12-31T23:59",
        ] {
            assert_eq!(parse_minute(text).map(print_minute).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_minute_is_not_read() {
        for text in [
            "",
            "2026-11-20",
            "2026-11-20 10:00",
            "2026-11-20T10:00:00",
            "2026-11-20T10:00Z",
            "2026-11-20T24:00",
            "2026-11-20T10:60",
            "2026-02-29T10:00",
            "2026-13-01T10:00",
            "2026-11-00T10:00",
            "26-11-20T10:00",
            "+026-11-20T10:00",
            "1969-12-31T23:59",
            "2026-11-20-01T10:00",
            "２０２６-11-20T10:00",
        ] {
            assert_eq!(parse_minute(text), None, "{text}");
        }
    }
}
