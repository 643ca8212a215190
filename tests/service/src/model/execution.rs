//! One job on one thing: its state, its version and its two timers.
//!
//! ```text
//! QUEUED ──────▶ IN_PROGRESS ──────▶ SUCCEEDED FAILED REJECTED   by the device
//!    │               └─────────────▶ TIMED_OUT                   by a timer
//!    ├─────────────────────────────▶ SUCCEEDED FAILED REJECTED   by the device, unstarted
//!    └──────────────── both ───────▶ CANCELED REMOVED            by the service
//! ```
//!
//! Invariant: a terminal status is never left, and the version grows with every change but REMOVED.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::names::{JobId, ThingName};
use super::retry::Retries;
use super::status::{ExecutionState, ExecutionStatus, StatusDetails};
use super::table::Record;
use super::time::{self, Timestamp};
use super::timeline::{Canceler, Report, StepChange, Timeline, Timer, What};

const FIRST_VERSION: u64 = 1;

/// Names one execution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExecutionId {
    pub(super) thing: ThingName,
    pub(super) job: JobId,
    pub(super) number: u64,
}

/// What a device does to its step timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepTimer {
    /// It runs on, if it runs.
    Keep,
    /// It ends after this, counted from now.
    Restart(Duration),
    /// It no longer runs.
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Execution {
    pub(super) version: u64,
    pub(super) status: ExecutionStatus,
    pub(super) status_details: Option<StatusDetails>,
    #[serde(with = "time::kept")]
    pub(super) queued_at: Timestamp,
    /// Tells apart executions that were queued at the same time.
    pub(super) order: u64,
    #[serde(with = "time::kept::option")]
    pub(super) started_at: Option<Timestamp>,
    #[serde(with = "time::kept")]
    pub(super) last_updated_at: Timestamp,
    pub(super) force_canceled: bool,
    /// What was tried on the thing before.
    pub(super) retries: Retries,
    /// What happened to it so far.
    pub(super) timeline: Timeline,
    #[serde(with = "time::kept::option")]
    in_progress_ends: Option<Timestamp>,
    #[serde(with = "time::kept::option")]
    step_ends: Option<Timestamp>,
}

impl Record for Execution {}

impl Execution {
    /// An execution that waits for its device.
    pub(super) fn queued(order: u64, retries: Retries, now: Timestamp) -> Self {
        Self {
            version: FIRST_VERSION,
            status: ExecutionStatus::Queued,
            status_details: None,
            queued_at: now,
            order,
            started_at: None,
            last_updated_at: now,
            force_canceled: false,
            retries,
            timeline: Timeline::default(),
            in_progress_ends: None,
            step_ends: None,
        }
    }

    /// Takes over what the device reports. `timeout` is the job's, and counts from the start.
    pub(super) fn report(
        &mut self,
        status: ExecutionStatus,
        details: Option<StatusDetails>,
        step: StepTimer,
        timeout: Option<Duration>,
        now: Timestamp,
    ) {
        let from = self.status;
        let before = self.status_details.as_ref();
        let mut report = Report::new(before, details.as_ref(), StepChange::of(step, now));
        if self.status == ExecutionStatus::Queued && status == ExecutionStatus::InProgress {
            self.in_progress_ends = timeout.map(|timeout| now.plus(timeout));
            report.in_progress_ends = self.in_progress_ends;
        }
        match step {
            StepTimer::Keep => {}
            StepTimer::Restart(after) => self.step_ends = Some(now.plus(after)),
            StepTimer::Stop => self.step_ends = None,
        }
        self.started_at.get_or_insert(now);
        if details.is_some() {
            self.status_details = details;
        }
        self.turn(status, now);
        self.timeline
            .note(now, What::reported(from, status, report));
    }

    /// Cancels the execution, in progress or not.
    pub(super) fn cancel(&mut self, by: Canceler, force: bool, now: Timestamp) {
        self.force_canceled = force;
        self.turn(ExecutionStatus::Canceled, now);
        self.timeline.note(now, What::Canceled { by, force });
    }

    /// Ends the execution as a timer does.
    pub(super) fn time_out(&mut self, now: Timestamp) {
        let timer = self.timer();
        self.turn(ExecutionStatus::TimedOut, now);
        self.timeline.note(now, What::TimedOut(timer));
    }

    /// Ends the execution because its thing left; this alone does not change the version.
    pub(super) fn remove(&mut self, now: Timestamp) {
        self.status = ExecutionStatus::Removed;
        self.last_updated_at = now;
        self.timeline.note(now, What::Removed);
    }

    fn turn(&mut self, status: ExecutionStatus, now: Timestamp) {
        debug_assert!(self.status.is_pending(), "a terminal status is never left");
        self.status = status;
        self.version += 1;
        self.last_updated_at = now;
    }

    /// When the execution times out: at the earlier end of its timers.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.status != ExecutionStatus::InProgress {
            return None;
        }
        self.in_progress_ends
            .into_iter()
            .chain(self.step_ends)
            .min()
    }

    /// The timer that runs out first.
    pub(super) fn timer(&self) -> Timer {
        let job = self.in_progress_ends.unwrap_or(Timestamp::MAX);
        match self.step_ends {
            Some(step) if step < job => Timer::Step,
            Some(_) | None => Timer::InProgress,
        }
    }

    /// Whole seconds until the execution times out.
    pub(super) fn seconds_left(&self, now: Timestamp) -> Option<u64> {
        self.deadline()
            .map(|deadline| deadline.since(now).as_secs())
    }

    /// What the service tells of it beside an error, or on request.
    pub(super) fn state(&self) -> ExecutionState {
        ExecutionState {
            status: self.status,
            status_details: self.status_details.clone(),
            version_number: self.version,
        }
    }

    /// Sorts what is pending on a thing: what is in progress first, then what was queued first.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let waits = self.status != ExecutionStatus::InProgress;
        (waits, self.queued_at, self.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(hour: u64, minute: u64) -> Timestamp {
        Timestamp::from_secs((hour * 60 + minute) * 60)
    }

    fn started(timeout: Option<Duration>) -> Execution {
        let mut execution = Execution::queued(0, Retries::default(), at(11, 0));
        report(&mut execution, StepTimer::Keep, timeout, at(12, 0));
        execution
    }

    fn report(
        execution: &mut Execution,
        step: StepTimer,
        timeout: Option<Duration>,
        now: Timestamp,
    ) {
        execution.report(ExecutionStatus::InProgress, None, step, timeout, now);
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Example {
        in_progress_timeout_in_minutes: u32,
        steps: Vec<Step>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Step {
        set_at: u64,
        step_timeout_in_minutes: u32,
        times_out_at: u64,
    }

    #[test]
    fn a_step_timer_never_outlives_the_in_progress_timer() {
        let example = include_str!("../../../fixtures/service/step-timers.json");
        let example: Example = serde_json::from_str(example).unwrap();
        let mut execution = started(Some(example.in_progress_timeout_in_minutes * MINUTE));
        for step in example.steps {
            let timer = StepTimer::Restart(step.step_timeout_in_minutes * MINUTE);
            report(&mut execution, timer, None, at(12, step.set_at));
            assert_eq!(execution.deadline(), Some(at(12, step.times_out_at)));
        }
    }

    #[test]
    fn an_update_without_a_step_timer_leaves_it_running() {
        let mut execution = started(None);
        report(&mut execution, StepTimer::Restart(MINUTE), None, at(12, 0));
        report(&mut execution, StepTimer::Keep, None, at(12, 0));
        assert_eq!(execution.deadline(), Some(at(12, 1)));
    }

    #[test]
    fn a_stopped_step_timer_leaves_the_in_progress_timer() {
        let mut execution = started(Some(20 * MINUTE));
        report(&mut execution, StepTimer::Restart(MINUTE), None, at(12, 0));
        report(&mut execution, StepTimer::Stop, None, at(12, 0));
        assert_eq!(execution.deadline(), Some(at(12, 20)));
    }

    #[test]
    fn a_report_does_not_restart_the_in_progress_timer() {
        let mut execution = started(Some(20 * MINUTE));
        report(
            &mut execution,
            StepTimer::Keep,
            Some(20 * MINUTE),
            at(12, 10),
        );
        assert_eq!(execution.deadline(), Some(at(12, 20)));
    }

    #[test]
    fn an_execution_that_is_over_has_no_deadline() {
        let mut execution = started(Some(20 * MINUTE));
        execution.cancel(Canceler::Job, true, at(12, 1));
        assert_eq!(execution.deadline(), None);
    }

    #[test]
    fn an_execution_that_ends_unstarted_gets_its_start_time() {
        let mut execution = Execution::queued(0, Retries::default(), at(11, 0));
        let status = ExecutionStatus::Rejected;
        execution.report(status, None, StepTimer::Keep, Some(MINUTE), at(12, 0));
        assert_eq!(execution.started_at, Some(at(12, 0)));
    }

    #[test]
    fn a_removed_execution_keeps_its_version() {
        let mut execution = Execution::queued(0, Retries::default(), at(11, 0));
        execution.remove(at(12, 0));
        assert_eq!(execution.version, FIRST_VERSION);
    }

    #[test]
    fn details_that_are_not_given_stay() {
        let details = StatusDetails::from([("k".to_owned(), "v".to_owned())]);
        let mut execution = started(None);
        let status = ExecutionStatus::InProgress;
        execution.report(
            status,
            Some(details.clone()),
            StepTimer::Keep,
            None,
            at(12, 1),
        );
        report(&mut execution, StepTimer::Keep, None, at(12, 2));
        assert_eq!(execution.status_details, Some(details));
    }
}
