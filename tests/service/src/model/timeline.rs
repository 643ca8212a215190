//! What happened to one execution, in order: for people to read. No rule of the service asks it.
//!
//! A [`Timeline`] is bounded: when it is full, the oldest entry behind the first ones goes that
//! changed no status, and is counted. Values are kept as the device reported them, but for the
//! queries of presigned URLs, which are credentials.

use serde::{Deserialize, Serialize};

use super::Model;
use super::error::DeviceError;
use super::execution::{ExecutionId, StepTimer};
use super::names::{JobId, NamespaceId, ThingName};
use super::operation::JobExecution;
use super::status::{ExecutionStatus, StatusDetails};
use super::time::Timestamp;

/// Most entries of one execution.
const MAX_ENTRIES: usize = 64;
/// So many entries stay, whatever comes behind them.
const FIRST_KEPT: usize = 16;
/// How much of a value, or of a message, is kept.
const MAX_CHARS: usize = 256;
/// Parameters that make a URL's query a credential, in lower case (Amazon S3 API reference,
/// signature versions 4 and 2).
const CREDENTIALS: [&str; 4] = [
    "x-amz-signature=",
    "x-amz-security-token=",
    "signature=",
    "awsaccesskeyid=",
];
const REDACTED: &str = "?<redacted>";

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
    /// For people.
    pub message: Box<str>,
}

/// What a device reports besides its status.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The status details that changed.
    pub details: Box<[Detail]>,
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
    }
}

impl What {
    /// A report of the device, which turned `from` into `to`.
    pub(super) fn reported(from: ExecutionStatus, to: ExecutionStatus, report: Report) -> Self {
        let is_plain = report.details.is_empty()
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

/// What differs in `new`, if the device gave any.
pub(super) fn changed(old: Option<&StatusDetails>, new: Option<&StatusDetails>) -> Box<[Detail]> {
    let Some(new) = new else {
        return Box::default();
    };
    let before = |key: &String| old.and_then(|old| old.get(key));
    let told = new
        .iter()
        .filter(|(key, value)| before(key) != Some(*value));
    let told = told.map(|(key, value)| Detail {
        key: key.as_str().into(),
        value: Some(readable(value)),
    });
    let gone = old.into_iter().flat_map(StatusDetails::keys);
    let gone = gone.filter(|key| !new.contains_key(*key));
    let gone = gone.map(|key| Detail {
        key: key.as_str().into(),
        value: None,
    });
    told.chain(gone).collect()
}

/// A text without credentials, cut to what people read.
fn readable(text: &str) -> Box<str> {
    let text = redacted(text);
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

/// A text in which no presigned URL has its query.
pub(super) fn redacted(text: &str) -> String {
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

    /// Notes that an update was refused, if there is the execution that it names.
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
        let refusal = Refusal {
            code: error.code().into(),
            message: readable(&error.to_string()),
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
        let report = Report {
            details: changed(None, Some(&details(&[("progress", &n.to_string())]))),
            step: StepChange::Kept,
            in_progress_ends: None,
        };
        What::reported(in_progress, in_progress, report)
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
        let told: Vec<_> = changed(Some(&old), Some(&new))
            .into_iter()
            .map(|detail| format!("{}={:?}", detail.key, detail.value.as_deref()))
            .collect();
        assert_eq!(told, ["b=Some(\"0\")", "d=Some(\"4\")", "c=None"]);
    }

    #[test]
    fn details_that_were_not_given_have_not_changed() {
        assert!(changed(Some(&details(&[("a", "1")])), None).is_empty());
    }

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
        let told = changed(None, Some(&details(&[("a", &"é".repeat(1024))])));
        let value = told[0].value.as_deref().unwrap();
        assert_eq!(value, format!("{}…", "é".repeat(MAX_CHARS)));
    }

    #[test]
    fn a_timeline_survives_being_written_and_read() {
        let mut timeline = Timeline::default();
        let refusal = Refusal {
            code: "VersionMismatch".into(),
            message: "no".into(),
        };
        let report = Report {
            details: changed(None, Some(&details(&[("a", "1")]))),
            step: StepChange::Set(Timestamp::from_millis(7_001)),
            in_progress_ends: Some(Timestamp::from_millis(9_002)),
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
