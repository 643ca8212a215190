//! The cron expressions of maintenance windows, in UTC.
//!
//! Six fields, `minutes hours day-of-month month day-of-week year`, bare or within `cron(…)`
//! (developer guide, jobs-configurations-details; the wildcards are those of Amazon EventBridge,
//! eb-cron-expressions). What no page describes is refused rather than guessed: ranges that run
//! backwards, `LW`, `L-3`.
//!
//! Every search ends with the last year that an expression can name.

use core::ops::RangeInclusive;

use super::calendar::{
    Date, MINUTES_PER_DAY, days_in_month, minute_of, print_minute, start_of, weekday,
};
use super::time::Timestamp;

const FIELDS: usize = 6;
const FIRST_YEAR: u64 = 1970;
const LAST_YEAR: u64 = 2199;
const MINUTES: Field = Field::numbers(0, 59);
const HOURS: Field = Field::numbers(0, 23);
const DAYS_OF_MONTH: Field = Field::numbers(1, 31);
const MONTHS: Field = Field {
    first: 1,
    last: 12,
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
};
const DAYS_OF_WEEK: Field = Field {
    first: 1,
    last: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};
const YEARS: Field = Field::numbers(FIRST_YEAR, LAST_YEAR);

const SUNDAY: u64 = 1;
const SATURDAY: u64 = 7;
/// No month has a weekday a sixth time.
const MAX_NTH: u64 = 5;

/// When a window opens, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Numbers,
    hours: Numbers,
    days: Days,
    months: Vec<Span>,
    years: Vec<Span>,
}

impl Cron {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let wrapped = text
            .strip_prefix("cron(")
            .and_then(|rest| rest.strip_suffix(')'));
        let fields: Vec<_> = wrapped.unwrap_or(text).split_ascii_whitespace().collect();
        let fields: [&str; FIELDS] = fields.try_into().ok()?;
        let [minutes, hours, day_of_month, month, day_of_week, year] = fields;
        Some(Self {
            minutes: Numbers::of(&MINUTES.spans(minutes)?),
            hours: Numbers::of(&HOURS.spans(hours)?),
            days: Days::parse(day_of_month, day_of_week)?,
            months: MONTHS.spans(month)?,
            years: YEARS.spans(year)?,
        })
    }

    /// The first occurrence after `at`.
    pub(super) fn after(&self, at: Timestamp) -> Option<Timestamp> {
        self.soon(at).or_else(|| {
            let day = (minute_of(at) + 1) / MINUTES_PER_DAY;
            let mut days = self.days(month_of(day)..=YEARS.last * 12 + 11);
            let found = days.find(|found| *found > day)?;
            Some(start_of(found * MINUTES_PER_DAY + self.first_from(0)?))
        })
    }

    /// The first occurrence after `at`, if it is on the day of the minute that follows: found without a
    /// search.
    pub(super) fn soon(&self, at: Timestamp) -> Option<Timestamp> {
        let from = minute_of(at) + 1;
        let (day, minute) = (from / MINUTES_PER_DAY, from % MINUTES_PER_DAY);
        let found = self.falls_on(day).then(|| self.first_from(minute));
        Some(start_of(day * MINUTES_PER_DAY + found??))
    }

    /// The last occurrence at or before `at`, if it is on that day or on the day before: found without a
    /// search.
    pub(super) fn lately(&self, at: Timestamp) -> Option<Timestamp> {
        let (day, minute) = (
            minute_of(at) / MINUTES_PER_DAY,
            minute_of(at) % MINUTES_PER_DAY,
        );
        let last_on = |day: u64, minute: u64| {
            let found = self.falls_on(day).then(|| self.last_up_to(minute));
            Some(start_of(day * MINUTES_PER_DAY + found??))
        };
        let before = || last_on(day.checked_sub(1)?, MINUTES_PER_DAY - 1);
        last_on(day, minute).or_else(before)
    }

    fn falls_on(&self, day: u64) -> bool {
        let date = Date::from_days(day);
        any(&self.years, date.year) && any(&self.months, date.month) && self.days.fall_on(date, day)
    }

    /// The first minute of a day on which the expression occurs, from `minute` on.
    fn first_from(&self, minute: u64) -> Option<u64> {
        let (hour, rest) = (minute / 60, minute % 60);
        let in_hour = || Some(hour * 60 + self.minutes.first_from(rest)?);
        let later = || Some(self.hours.first_from(hour + 1)? * 60 + self.minutes.first_from(0)?);
        let occurs = self.hours.contains(hour);
        occurs.then(in_hour).flatten().or_else(later)
    }

    /// The last minute of a day on which the expression occurs, up to `minute`.
    fn last_up_to(&self, minute: u64) -> Option<u64> {
        let (hour, rest) = (minute / 60, minute % 60);
        let in_hour = || Some(hour * 60 + self.minutes.last_up_to(rest)?);
        let earlier = || {
            let hour = self.hours.last_up_to(hour.checked_sub(1)?)?;
            Some(hour * 60 + self.minutes.last_up_to(59)?)
        };
        let occurs = self.hours.contains(hour);
        occurs.then(in_hour).flatten().or_else(earlier)
    }

    /// The days on which the expression occurs, within months that are counted from the year 0.
    fn days(&self, months: RangeInclusive<u64>) -> impl DoubleEndedIterator<Item = u64> + use<'_> {
        months
            .map(|month| (month / 12, month % 12 + 1))
            .filter(|(year, month)| any(&self.years, *year) && any(&self.months, *month))
            .flat_map(move |(year, month)| {
                (1..=days_in_month(year, month)).filter_map(move |day| {
                    let date = Date { year, month, day };
                    date.to_days().filter(|days| self.days.fall_on(date, *days))
                })
            })
    }
}

/// How the service writes when a window opens.
pub(super) fn print(at: Timestamp) -> String {
    print_minute(minute_of(at))
}

fn month_of(day: u64) -> u64 {
    let date = Date::from_days(day);
    date.year * 12 + date.month - 1
}

/// Every `step`th number from `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
    step: u64,
}

impl Span {
    fn contains(self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
            && (number - self.first).is_multiple_of(self.step)
    }
}

/// Numbers below 64, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers(u64);

impl Numbers {
    fn of(spans: &[Span]) -> Self {
        let held = (0..u64::from(u64::BITS)).filter(|number| any(spans, *number));
        Self(held.fold(0, |bits, number| bits | 1 << number))
    }

    fn contains(self, number: u64) -> bool {
        self.first_from(number) == Some(number)
    }

    /// The first of them from `number` on.
    fn first_from(self, number: u64) -> Option<u64> {
        let left = self.0 & (u64::MAX << number);
        (left != 0).then(|| u64::from(left.trailing_zeros()))
    }

    /// The last of them up to `number`.
    fn last_up_to(self, number: u64) -> Option<u64> {
        let left = self.0 & (u64::MAX >> (63 - number));
        left.checked_ilog2().map(u64::from)
    }
}

fn any(spans: &[Span], number: u64) -> bool {
    spans.iter().any(|span| span.contains(number))
}

/// What may stand in a field.
struct Field {
    first: u64,
    last: u64,
    /// The names of the numbers, the first one's first.
    names: &'static [&'static str],
}

impl Field {
    const fn numbers(first: u64, last: u64) -> Self {
        Self {
            first,
            last,
            names: &[],
        }
    }

    fn spans(&self, text: &str) -> Option<Vec<Span>> {
        text.split(',').map(|part| self.span(part)).collect()
    }

    /// Reads `*`, `a`, `a-b`, and each of them with `/step`; `a/step` runs to the field's end.
    fn span(&self, text: &str) -> Option<Span> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None if range == "*" => (self.first, self.last),
            None => {
                let first = self.value(range)?;
                (first, step.map_or(first, |_| self.last))
            }
        };
        let step = step.unwrap_or(1);
        (first <= last && step >= 1).then_some(Span { first, last, step })
    }

    fn value(&self, text: &str) -> Option<u64> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(index) => self.first + u64::try_from(index).ok()?,
            None => number(text)?,
        };
        (self.first..=self.last).contains(&value).then_some(value)
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// On which days an expression occurs. One of the two fields is `?`, the other one decides.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

impl Days {
    fn parse(day_of_month: &str, day_of_week: &str) -> Option<Self> {
        match (day_of_month, day_of_week) {
            ("?", "?") => None,
            ("?", days) => {
                let alone = !days.contains(',');
                let days: Option<Vec<_>> = days.split(',').map(DayOfWeek::parse).collect();
                let days = days.filter(|days| alone || !days.iter().any(DayOfWeek::stands_alone));
                days.map(Self::OfWeek)
            }
            (days, "?") => {
                let days: Option<_> = days.split(',').map(DayOfMonth::parse).collect();
                days.map(Self::OfMonth)
            }
            _ => None,
        }
    }

    /// Whether the expression occurs on `date`, which is `days` days after the epoch.
    fn fall_on(&self, date: Date, days: u64) -> bool {
        match self {
            Self::OfMonth(rules) => rules.iter().any(|rule| rule.falls_on(date, days)),
            Self::OfWeek(rules) => rules.iter().any(|rule| rule.falls_on(date, days)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfMonth {
    /// `L`
    Last,
    /// `15W`: the day from Monday to Friday that is nearest to the 15th, in the same month.
    NearestWeekday(u64),
    Span(Span),
}

impl DayOfMonth {
    fn parse(text: &str) -> Option<Self> {
        if text == "L" {
            return Some(Self::Last);
        }
        if let Some(day) = text.strip_suffix('W') {
            return DAYS_OF_MONTH.value(day).map(Self::NearestWeekday);
        }
        DAYS_OF_MONTH.span(text).map(Self::Span)
    }

    fn falls_on(self, date: Date, days: u64) -> bool {
        let last = days_in_month(date.year, date.month);
        match self {
            Self::Last => date.day == last,
            Self::NearestWeekday(day) => {
                // May lie behind the month's end: then there is no such day in it.
                let weekday = weekday(days + 35 + day - date.day);
                let nearest = match weekday {
                    SATURDAY if day == 1 => 3,
                    SATURDAY => day - 1,
                    SUNDAY if day == last => day - 2,
                    SUNDAY => day + 1,
                    _ => day,
                };
                day <= last && date.day == nearest
            }
            Self::Span(span) => span.contains(date.day),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfWeek {
    /// `6L`: the month's last Friday.
    LastInMonth(u64),
    /// `3#2`: the month's second Tuesday.
    Nth {
        weekday: u64,
        nth: u64,
    },
    Span(Span),
}

impl DayOfWeek {
    fn parse(text: &str) -> Option<Self> {
        if text == "L" {
            let (first, last, step) = (SATURDAY, SATURDAY, 1);
            return Some(Self::Span(Span { first, last, step }));
        }
        if let Some(weekday) = text.strip_suffix('L') {
            return DAYS_OF_WEEK.value(weekday).map(Self::LastInMonth);
        }
        if let Some((weekday, nth)) = text.split_once('#') {
            let nth = number(nth).filter(|nth| (1..=MAX_NTH).contains(nth))?;
            let weekday = DAYS_OF_WEEK.value(weekday)?;
            return Some(Self::Nth { weekday, nth });
        }
        DAYS_OF_WEEK.span(text).map(Self::Span)
    }

    /// Whether no other expression may stand beside it.
    fn stands_alone(&self) -> bool {
        match self {
            Self::Nth { .. } => true,
            Self::LastInMonth(_) | Self::Span(_) => false,
        }
    }

    fn falls_on(self, date: Date, days: u64) -> bool {
        let today = weekday(days);
        match self {
            Self::LastInMonth(weekday) => {
                today == weekday && date.day + 7 > days_in_month(date.year, date.month)
            }
            Self::Nth { weekday, nth } => today == weekday && date.day.div_ceil(7) == nth,
            Self::Span(span) => span.contains(today),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::model::calendar::parse_minute;

    use super::*;

    fn at(text: &str) -> Timestamp {
        start_of(parse_minute(text).unwrap())
    }

    fn next(expression: &str, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(expression).unwrap();
        let first = cron.after(at(from));
        core::iter::successors(first, |at| cron.after(*at))
            .take(count)
            .map(print)
            .collect()
    }

    #[test]
    fn the_guides_examples_occur_when_it_says() {
        for (expression, expected) in [
            ("0 10 * * ? *", "2026-11-21T10:00"),
            ("0 18 ? * MON-FRI *", "2026-11-20T18:00"),
            ("0 8 1 * ? *", "2026-12-01T08:00"),
            ("cron(0/15 * * * ? *)", "2026-11-20T12:15"),
            ("5,35 14 * * ? *", "2026-11-20T14:05"),
            ("15 12 * * ? *", "2026-11-20T12:15"),
            ("0 9 ? * 2#1 *", "2026-12-07T09:00"),
            ("0 10 L * ? *", "2026-11-30T10:00"),
            ("0 10 ? * 6L *", "2026-11-27T10:00"),
            ("0 10 ? * L *", "2026-11-21T10:00"),
            ("0 10 15W * ? *", "2026-12-15T10:00"),
        ] {
            let found = next(expression, "2026-11-20T12:00", 1);
            assert_eq!(found, [expected], "{expression}");
        }
    }

    #[test]
    fn the_nearest_weekday_stays_in_its_month() {
        // 2026-08-01 and 2025-11-01 are Saturdays, 2026-05-31 is a Sunday.
        assert_eq!(
            next("0 0 1W 8 ? *", "2026-07-01T00:00", 1),
            ["2026-08-03T00:00"]
        );
        assert_eq!(
            next("0 0 31W 5 ? *", "2026-05-01T00:00", 1),
            ["2026-05-29T00:00"]
        );
        assert_eq!(
            next("0 0 31W 6,7 ? *", "2026-06-01T00:00", 1),
            ["2026-07-31T00:00"]
        );
    }

    #[test]
    fn leap_days_and_years_ends_are_found() {
        assert_eq!(
            next("30 23 29 2 ? *", "2026-11-20T12:00", 3),
            ["2028-02-29T23:30", "2032-02-29T23:30", "2036-02-29T23:30"]
        );
        assert_eq!(
            next("30 23 29 FEB ? *", "2096-03-01T00:00", 1),
            ["2104-02-29T23:30"],
            "2100 is no leap year"
        );
        assert_eq!(
            next("50 23 L * ? *", "2026-12-31T23:00", 2),
            ["2026-12-31T23:50", "2027-01-31T23:50"]
        );
    }

    #[test]
    fn what_cannot_occur_has_no_occurrence() {
        for expression in ["0 0 30 2 ? *", "0 0 1 1 ? 2020", "0 0 31 APR,JUN ? *"] {
            let cron = Cron::parse(expression).unwrap();
            assert_eq!(cron.after(at("2026-11-20T12:00")), None, "{expression}");
        }
        let last = Cron::parse("59 23 31 12 ? 2199").unwrap();
        assert_eq!(last.after(at("2199-12-31T23:59")), None);
        assert_eq!(
            last.after(Timestamp::from_millis(u64::MAX / 2_000_000)),
            None
        );
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for expression in [
            "",
            "* * * * *",
            "* * * * * *",
            "* * ? * ? *",
            "* * * * ? * *",
            "60 * * * ? *",
            "* 24 * * ? *",
            "* * 0 * ? *",
            "* * 32 * ? *",
            "* * * 13 ? *",
            "* * ? * 0 *",
            "* * ? * 8 *",
            "* * * * ? 1969",
            "* * * * ? 2200",
            "*/0 * * * ? *",
            "5-1 * * * ? *",
            "1- * * * ? *",
            ", * * * ? *",
            "+1 * * * ? *",
            "* * ? * FRI-MON *",
            "* * ? * 2#6 *",
            "* * ? * 2#0 *",
            "* * ? * 2#1,3#1 *",
            "* * LW * ? *",
            "* * W * ? *",
            "* * L-3 * ? *",
            "* * 15W-18W * ? *",
            "L * * * ? *",
            "? * * * ? *",
            "99999999999999999999 * * * ? *",
            "cron(* * * * ? *",
            "rate(5 minutes)",
        ] {
            assert_eq!(Cron::parse(expression), None, "{expression}");
        }
    }

    /// Whether a field of plain spans holds `number`, by counting.
    fn listed(field: &str, first: u64, last: u64, number: u64) -> bool {
        field.split(',').any(|part| {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            let (low, high) = match range.split_once('-') {
                Some((low, high)) => (low.parse().unwrap(), high.parse().unwrap()),
                None if range == "*" => (first, last),
                None if part.contains('/') => (range.parse().unwrap(), last),
                None => (range.parse().unwrap(), range.parse().unwrap()),
            };
            let mut counted = low;
            while counted <= high && counted < number {
                counted += step.parse::<u64>().unwrap();
            }
            counted == number && counted <= high
        })
    }

    /// Whether an expression occurs in a minute: slow, minute by minute, by its text.
    fn occurs(fields: &[String; 6], minute: u64) -> bool {
        let days = minute / MINUTES_PER_DAY;
        let date = Date::from_days(days);
        let in_month = |days: u64| Date::from_days(days).month == date.month;
        let day_of_month = match fields[2].as_str() {
            "?" => true,
            "L" => !in_month(days + 1),
            text if text.ends_with('W') => {
                let day: u64 = text.trim_end_matches('W').parse().unwrap();
                let target = Date { day, ..date }.to_days();
                target.is_some_and(|target| {
                    let nearest = [0, -1, 1, -2, 2].map(|off| target.checked_add_signed(off));
                    let mut nearest = nearest.into_iter().flatten();
                    let works = |days: &u64| in_month(*days) && (2..=6).contains(&weekday(*days));
                    nearest.find(works) == Some(days)
                })
            }
            text => listed(text, 1, 31, date.day),
        };
        let today = weekday(days);
        let day_of_week = match fields[4].as_str() {
            "?" => true,
            "L" => today == 7,
            text if text.ends_with('L') => today.to_string() == text[..1] && !in_month(days + 7),
            text if text.contains('#') => {
                let nth = (1..=date.day)
                    .filter(|day| (date.day - day).is_multiple_of(7))
                    .count();
                text == format!("{today}#{nth}")
            }
            text => listed(text, 1, 7, today),
        };
        listed(&fields[0], 0, 59, minute % 60)
            && listed(&fields[1], 0, 23, minute / 60 % 24)
            && listed(&fields[3], 1, 12, date.month)
            && listed(&fields[5], 1970, 2199, date.year)
            && day_of_month
            && day_of_week
    }

    fn span(first: u64, last: u64) -> impl Strategy<Value = String> {
        prop_oneof![
            2 => Just("*".to_owned()),
            2 => (first..=last).prop_map(|a| a.to_string()),
            1 => (first..=last, first..=last)
                .prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (first..=last, 1..=last).prop_map(|(a, step)| format!("{a}/{step}")),
            1 => (1..=last).prop_map(|step| format!("*/{step}")),
            1 => (first..=last, first..=last, 1..=last)
                .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
        ]
    }

    fn field(first: u64, last: u64) -> impl Strategy<Value = String> {
        proptest::collection::vec(span(first, last), 1..3).prop_map(|spans| spans.join(","))
    }

    fn days() -> impl Strategy<Value = (String, String)> {
        let of_month = prop_oneof![
            3 => field(1, 31),
            1 => Just("L".to_owned()),
            1 => (1..=31_u64).prop_map(|day| format!("{day}W")),
        ];
        let of_week = prop_oneof![
            3 => field(1, 7),
            1 => Just("L".to_owned()),
            1 => (1..=7_u64).prop_map(|day| format!("{day}L")),
            1 => (1..=7_u64, 1..=5_u64).prop_map(|(day, nth)| format!("{day}#{nth}")),
        ];
        prop_oneof![
            of_month.prop_map(|days| (days, "?".to_owned())),
            of_week.prop_map(|days| ("?".to_owned(), days)),
        ]
    }

    fn expression() -> impl Strategy<Value = [String; 6]> {
        let year = prop_oneof![3 => Just("*".to_owned()), 1 => field(2023, 2029)];
        (field(0, 59), field(0, 23), days(), field(1, 12), year).prop_map(
            |(minutes, hours, (of_month, of_week), month, year)| {
                [minutes, hours, of_month, month, of_week, year]
            },
        )
    }

    /// Minutes that the slow search looks at: a bit more than a month.
    const HORIZON: u64 = 33 * MINUTES_PER_DAY;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn searches_find_what_a_look_at_every_minute_finds(
            fields in expression(),
            day in 19_000..22_000_u64,
            minute in 0..MINUTES_PER_DAY,
            millis in 0..60_000_u64,
        ) {
            let cron = Cron::parse(&fields.join(" ")).unwrap();
            let now = day * MINUTES_PER_DAY + minute;
            let at = Timestamp::from_millis(start_of(now).as_millis() + millis);

            let slow = (now + 1..now + HORIZON).find(|minute| occurs(&fields, *minute));
            let fast = cron.after(at).map(minute_of).filter(|found| *found < now + HORIZON);
            prop_assert_eq!(fast, slow);

            let midnight = ((now + 1) / MINUTES_PER_DAY + 1) * MINUTES_PER_DAY;
            let soon = slow.filter(|found| *found < midnight);
            prop_assert_eq!(cron.soon(at).map(minute_of), soon);

            let yesterday = (day - 1) * MINUTES_PER_DAY;
            let slow = (yesterday..=now).rev().find(|minute| occurs(&fields, *minute));
            prop_assert_eq!(cron.lately(at).map(minute_of), slow);
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,64}", odd in "[0-9*,/?LW#-]{1,6}( [0-9*,/?LW#-]{1,6}){5}") {
            let _ = Cron::parse(&text);
            if let Some(cron) = Cron::parse(&odd) {
                let _ = cron.after(Timestamp::from_secs(1_700_000_000));
            }
        }
    }
}
