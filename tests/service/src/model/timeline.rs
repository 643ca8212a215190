//! What happened to one execution, in order: for people to read. No rule of the service asks it.
//!
//! A [`Timeline`] is bounded in three ways. When it has too many entries, the oldest behind the first
//! ones goes that changed no status, and is counted. When it has too much text, entries lose theirs:
//! the oldest behind the first ones, then the first ones, but never the newest; that they happened
//! stays. And a device that is refused again and again adds nothing after a while, so that one in a
//! loop does not write for ever. Values are kept as the device reported them, but for their ends, if
//! they are long, and for the queries of presigned URLs, which are credentials.

mod text;

use serde::{Deserialize, Serialize};

use super::Model;
use super::error::DeviceError;
use super::execution::{ExecutionId, StepTimer};
use super::names::{JobId, NamespaceId, ThingName};
use super::operation::JobExecution;
use super::status::{ExecutionStatus, StatusDetails};
use super::time::Timestamp;

use text::readable;
pub(super) use text::redacted;

/// Most entries of one execution.
const MAX_ENTRIES: usize = 64;
/// So many entries stay, whatever comes behind them.
const FIRST_KEPT: usize = 16;
/// Most details of one report that are kept: as many as can come and go within AWS's quota.
const MAX_DETAILS: usize = 20;
/// Most bytes of names, values and messages of one execution. One report has fewer.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// How many refusals are noted that nothing else comes between.
const MAX_REFUSALS_IN_A_ROW: usize = 8;

/// What happened to an execution, the first first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    entries: Vec<Entry>,
    left_out: u32,
}

/// Something that happened to an execution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What can happen to an execution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// The service cancelled it.
    Canceled {
        /// What it was cancelled by.
        by: Canceler,
        /// Whether it would have been cancelled in progress.
        force: bool,
    },
    /// It became the next of its thing, which notify-next says. Whether a device heard it is not known:
    /// there may be none, and a fault may delay the message or drop it.
    Offered,
    /// It began to wait for its device.
    Queued(Origin),
    /// A request of its device to change it was refused.
    Refused(Box<Refusal>),
    /// Its thing left the job's targets, or was deleted.
    Removed,
    /// Its device reported.
    Reported {
        /// The status before.
        from: ExecutionStatus,
        /// The status as reported.
        to: ExecutionStatus,
        /// What else was reported.
        report: Option<Box<Report>>,
    },
    /// A timer ran out.
    TimedOut(Timer),
}

/// Why there is an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// Its thing joined, or came back to, the targets of a continuous job.
    Joined,
    /// The one before failed.
    Retried,
    /// The job reached its thing.
    RolledOut,
}

/// What cancels executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Canceler {
    /// CancelJobExecution.
    Execution,
    /// CancelJob, or the job's abort criteria.
    Job,
    /// The end of the job's schedule.
    Schedule,
}

/// A timer of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Timer {
    /// That of the job.
    InProgress,
    /// That of the device.
    Step,
}

/// What a device was told when it was refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// For programs.
    pub code: Box<str>,
    /// For people; empty if it went.
    pub message: Box<str>,
    /// Whether those that follow it at once are not noted.
    pub is_last_noted: bool,
}

/// What a device reports besides its status.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The status details that changed, as far as they are kept.
    pub details: Box<[Detail]>,
    /// How many more changed.
    pub details_left_out: u32,
    /// Whether, and how, the step timer was set.
    pub step: StepChange,
    /// When the job's timer runs out, if this started it.
    #[serde(with = "optional_millis")]
    pub in_progress_ends: Option<Timestamp>,
}

/// A status detail that changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    /// Its name.
    pub key: Box<str>,
    /// Its value, which may be cut; `None` if it went.
    pub value: Option<Box<str>>,
}

/// What became of the step timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepChange {
    /// Nothing.
    Kept,
    /// It runs out then.
    Set(#[serde(with = "millis")] Timestamp),
    /// It no longer runs.
    Stopped,
}

impl Timeline {
    /// What is known, the first first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries went, all of them from behind the first [`Timeline::first_kept`].
    pub fn left_out(&self) -> u32 {
        self.left_out
    }

    /// How many entries stand before those that went.
    pub fn first_kept(&self) -> usize {
        FIRST_KEPT.min(self.entries.len())
    }

    /// Notes that something happened.
    pub(super) fn note(&mut self, at: Timestamp, what: What) {
        if self.entries.len() >= MAX_ENTRIES {
            let mut later = self.entries.iter().skip(FIRST_KEPT);
            let dull = later.position(|entry| !entry.what.changes_status());
            self.entries.remove(FIRST_KEPT + dull.unwrap_or_default());
            self.left_out = self.left_out.saturating_add(1);
        }
        // Most executions have few entries, and there are many executions.
        self.entries.reserve_exact(1);
        self.entries.push(Entry { at, what });
        self.shed_texts();
    }

    /// How many refusals there are at the end.
    fn refusals_in_a_row(&self) -> usize {
        let entries = self.entries.iter().rev();
        entries
            .take_while(|entry| matches!(entry.what, What::Refused(_)))
            .count()
    }

    /// Takes texts away until the rest is within the bound.
    fn shed_texts(&mut self) {
        let mut bytes: usize = self
            .entries
            .iter()
            .map(|entry| entry.what.text_bytes())
            .sum();
        let before_newest = self.entries.len().saturating_sub(1);
        let first = FIRST_KEPT.min(before_newest);
        for index in (first..before_newest).chain(0..first) {
            if bytes <= MAX_TEXT_BYTES {
                return;
            }
            if let Some(entry) = self.entries.get_mut(index) {
                bytes -= entry.what.text_bytes();
                entry.what.shed_texts();
            }
        }
    }
}

impl What {
    /// A report of the device, which turned `from` into `to`.
    pub(super) fn reported(from: ExecutionStatus, to: ExecutionStatus, report: Report) -> Self {
        let is_plain = report.details.is_empty()
            && report.details_left_out == 0
            && report.step == StepChange::Kept
            && report.in_progress_ends.is_none();
        let report = (!is_plain).then(|| Box::new(report));
        Self::Reported { from, to, report }
    }

    fn changes_status(&self) -> bool {
        match self {
            Self::Offered | Self::Refused(_) => false,
            Self::Reported { from, to, .. } => from != to,
            Self::Canceled { .. } | Self::Queued(_) | Self::Removed | Self::TimedOut(_) => true,
        }
    }

    /// How much of it a device chose.
    fn text_bytes(&self) -> usize {
        match self {
            Self::Refused(refusal) => refusal.message.len(),
            Self::Reported { report, .. } => {
                let details = report.iter().flat_map(|report| &report.details);
                details.map(Detail::bytes).sum()
            }
            Self::Canceled { .. }
            | Self::Offered
            | Self::Queued(_)
            | Self::Removed
            | Self::TimedOut(_) => 0,
        }
    }

    fn shed_texts(&mut self) {
        match self {
            Self::Refused(refusal) => refusal.message = Box::default(),
            Self::Reported { report, .. } => {
                if let Some(report) = report {
                    report.shed_details();
                }
            }
            Self::Canceled { .. }
            | Self::Offered
            | Self::Queued(_)
            | Self::Removed
            | Self::TimedOut(_) => {}
        }
    }
}

impl Report {
    /// A report of `new` details, if the device gave any, where there were `old` ones.
    pub(super) fn new(
        old: Option<&StatusDetails>,
        new: Option<&StatusDetails>,
        step: StepChange,
    ) -> Self {
        let mut changes = changes(old, new);
        let details = changes.by_ref().take(MAX_DETAILS).map(Detail::from);
        Self {
            details: details.collect(),
            details_left_out: saturated(changes.count()),
            step,
            in_progress_ends: None,
        }
    }

    fn shed_details(&mut self) {
        let shed = core::mem::take(&mut self.details);
        self.details_left_out = self.details_left_out.saturating_add(saturated(shed.len()));
    }
}

impl Detail {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, |value| value.len())
    }
}

impl From<(&str, Option<&str>)> for Detail {
    fn from((key, value): (&str, Option<&str>)) -> Self {
        Self {
            key: key.into(),
            value: value.map(readable),
        }
    }
}

impl StepChange {
    /// What a device's wish at `now` does.
    pub(super) fn of(timer: StepTimer, now: Timestamp) -> Self {
        match timer {
            StepTimer::Keep => Self::Kept,
            StepTimer::Restart(after) => Self::Set(now.plus(after)),
            StepTimer::Stop => Self::Stopped,
        }
    }
}

/// What differs in `new`, if the device gave any; what went has no value.
fn changes<'a>(
    old: Option<&'a StatusDetails>,
    new: Option<&'a StatusDetails>,
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let before = move |key: &String| old.and_then(|old| old.get(key));
    let told = new.into_iter().flatten();
    let told = told.filter(move |(key, value)| before(key) != Some(*value));
    let told = told.map(|(key, value)| (key.as_str(), Some(value.as_str())));
    let gone = new.and(old).into_iter().flat_map(StatusDetails::keys);
    let gone = gone.filter(move |key| new.is_some_and(|new| !new.contains_key(*key)));
    told.chain(gone.map(|key| (key.as_str(), None)))
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Model {
    /// Notes that an execution became the next of its thing.
    pub(super) fn note_offer(&mut self, next: &JobExecution, now: Timestamp) {
        let id = ExecutionId {
            thing: next.thing_name.clone(),
            job: next.job_id.clone(),
            number: next.execution_number,
        };
        self.note(&id, What::Offered, now);
    }

    /// Notes that an update was refused, if there is the execution that it names, and not all that may
    /// follow each other were noted. Otherwise the execution is not even touched, so that it is not
    /// written either.
    pub(super) fn note_refusal(
        &mut self,
        thing: &ThingName,
        namespace: Option<&NamespaceId>,
        job: &JobId,
        number: Option<i64>,
        error: &DeviceError,
        now: Timestamp,
    ) {
        let Ok(id) = self.find(thing, namespace, job, number) else {
            return;
        };
        let Some(execution) = self.execution(&id) else {
            return;
        };
        let before = execution.timeline.refusals_in_a_row();
        if before >= MAX_REFUSALS_IN_A_ROW {
            return;
        }
        let refusal = Refusal {
            code: error.code().into(),
            message: readable(&error.to_string()),
            is_last_noted: before + 1 == MAX_REFUSALS_IN_A_ROW,
        };
        self.note(&id, What::Refused(Box::new(refusal)), now);
    }

    fn note(&mut self, id: &ExecutionId, what: What, now: Timestamp) {
        let key = (id.thing.clone(), id.number);
        let job = self.jobs.get_mut(&id.job);
        if let Some(execution) = job.and_then(|job| job.executions.get_mut(&key)) {
            execution.timeline.note(now, what);
        }
    }
}

/// Points in time to the millisecond.
mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Timestamp;

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(from).map(Timestamp::from_millis)
    }
}

/// Points in time to the millisecond, if any.
mod optional_millis {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Timestamp;

    pub(super) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Timestamp::as_millis).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let millis = Option::<u64>::deserialize(from)?;
        Ok(millis.map(Timestamp::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn details(pairs: &[(&str, &str)]) -> StatusDetails {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn progress(n: usize) -> What {
        let in_progress = ExecutionStatus::InProgress;
        let details = details(&[("progress", &n.to_string())]);
        let report = Report::new(None, Some(&details), StepChange::Kept);
        What::reported(in_progress, in_progress, report)
    }

    /// `count` details that each take all that is kept of one.
    fn longest(count: usize) -> StatusDetails {
        (0..count)
            .map(|n| (format!("{n:0128}"), "é".repeat(1024)))
            .collect()
    }

    /// How many details an entry tells, and how many more there were.
    fn told_and_left_out(entry: &Entry) -> (usize, u32) {
        let What::Reported { report, .. } = &entry.what else {
            panic!("{entry:?}");
        };
        let report = report.as_ref().unwrap();
        (report.details.len(), report.details_left_out)
    }

    fn text_bytes(timeline: &Timeline) -> usize {
        let entries = timeline.entries().iter();
        entries.map(|entry| entry.what.text_bytes()).sum()
    }

    #[test]
    fn an_entry_takes_three_words() {
        assert_eq!(size_of::<Entry>(), 24);
    }

    #[test]
    fn a_full_timeline_keeps_its_beginning_its_end_and_every_change_of_status() {
        let mut timeline = Timeline::default();
        timeline.note(at(0), What::Queued(Origin::RolledOut));
        for n in 0..20 {
            timeline.note(at(1), progress(n));
        }
        timeline.note(at(2), What::TimedOut(Timer::Step));
        for n in 20..200 {
            timeline.note(at(3), progress(n));
        }
        let kept = timeline.entries();
        assert_eq!(kept.len(), MAX_ENTRIES);
        assert_eq!(kept.len() + timeline.left_out() as usize, 202);
        assert_eq!(kept[0].what, What::Queued(Origin::RolledOut));
        assert_eq!(kept[FIRST_KEPT - 1].what, progress(FIRST_KEPT - 2));
        assert_eq!(kept[FIRST_KEPT].what, What::TimedOut(Timer::Step));
        assert_eq!(kept[MAX_ENTRIES - 1].what, progress(199));
    }

    #[test]
    fn only_details_that_changed_are_told() {
        let old = details(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let new = details(&[("a", "1"), ("b", "0"), ("d", "4")]);
        let told: Vec<_> = changes(Some(&old), Some(&new)).collect();
        assert_eq!(told, [("b", Some("0")), ("d", Some("4")), ("c", None)]);
    }

    #[test]
    fn details_that_were_not_given_have_not_changed() {
        assert_eq!(changes(Some(&details(&[("a", "1")])), None).count(), 0);
    }

    #[test]
    fn of_many_details_the_first_are_told_and_the_others_counted() {
        let report = Report::new(None, Some(&longest(1000)), StepChange::Kept);
        assert_eq!(report.details.len(), MAX_DETAILS);
        assert_eq!(report.details_left_out, 980);
        assert!(report.details.iter().is_sorted_by_key(|detail| &detail.key));
    }

    #[test]
    fn the_longest_report_is_told_whole_for_as_long_as_it_is_the_newest() {
        let in_progress = ExecutionStatus::InProgress;
        let mut timeline = Timeline::default();
        for n in 0..3 {
            let report = Report::new(None, Some(&longest(1000)), StepChange::Kept);
            timeline.note(at(n), What::reported(in_progress, in_progress, report));
            let newest = timeline.entries().last().unwrap();
            assert_eq!(told_and_left_out(newest), (MAX_DETAILS, 980));
            assert!(text_bytes(&timeline) <= MAX_TEXT_BYTES);
        }
    }

    #[test]
    fn texts_go_from_the_oldest_behind_the_first_and_the_entries_stay() {
        let in_progress = ExecutionStatus::InProgress;
        let mut timeline = Timeline::default();
        let mut note = |count: usize| {
            let report = Report::new(None, Some(&longest(count)), StepChange::Kept);
            timeline.note(at(0), What::reported(in_progress, in_progress, report));
            let told = timeline
                .entries()
                .iter()
                .map(|entry| told_and_left_out(entry).0);
            told.collect::<Vec<_>>()
        };
        // Each takes 387 bytes, so that 42 are within the bound.
        let full = (0..42).map(|_| note(1)).last().unwrap();
        assert_eq!(full, [1; 42]);
        let told = note(2);
        let went: Vec<_> = (0..told.len()).filter(|index| told[*index] == 0).collect();
        assert_eq!(went, [FIRST_KEPT, FIRST_KEPT + 1]);
    }

    #[test]
    fn a_message_goes_as_details_do() {
        let mut timeline = Timeline::default();
        for n in 0..MAX_ENTRIES {
            let refusal = Refusal {
                code: "InvalidRequest".into(),
                message: "m".repeat(512).into(),
                is_last_noted: n == 0,
            };
            timeline.note(at(0), What::Refused(Box::new(refusal)));
        }
        assert_eq!(timeline.entries().len(), MAX_ENTRIES);
        assert!(text_bytes(&timeline) <= MAX_TEXT_BYTES);
        let first = &timeline.entries()[FIRST_KEPT].what;
        let expected = Refusal {
            code: "InvalidRequest".into(),
            message: "".into(),
            is_last_noted: false,
        };
        assert_eq!(*first, What::Refused(Box::new(expected)));
    }

    #[test]
    fn a_timeline_survives_being_written_and_read() {
        let mut timeline = Timeline::default();
        let refusal = Refusal {
            code: "VersionMismatch".into(),
            message: "no".into(),
            is_last_noted: true,
        };
        let step = StepChange::Set(Timestamp::from_millis(7_001));
        let report = Report {
            in_progress_ends: Some(Timestamp::from_millis(9_002)),
            ..Report::new(None, Some(&details(&[("a", "1")])), step)
        };
        let (queued, in_progress) = (ExecutionStatus::Queued, ExecutionStatus::InProgress);
        for what in [
            What::Queued(Origin::Joined),
            What::Offered,
            What::reported(queued, in_progress, report),
            What::Refused(Box::new(refusal)),
            What::Canceled {
                by: Canceler::Schedule,
                force: true,
            },
            What::TimedOut(Timer::InProgress),
            What::Removed,
        ] {
            timeline.note(Timestamp::from_millis(1_234), what);
        }
        let written = serde_json::to_string(&timeline).unwrap();
        assert_eq!(
            serde_json::from_str::<Timeline>(&written).unwrap(),
            timeline
        );
    }
}
