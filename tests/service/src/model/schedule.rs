//! What a schedule means for a job: when its things are reached, when its executions are offered, and
//! how it ends (developer guide, jobs-configurations-details and iot-jobs-lifecycle).
//!
//! While a job is shut it is SCHEDULED, nothing is rolled out, and its executions are in no list, not
//! even those in progress; these may still be updated. A list that changes at a window's edge is
//! told (developer guide, jobs-comm-notifications). At its end a job is never cancelled: it is
//! completed once its executions are over, by themselves or as its end behaviour says.
//!
//! The texts of the refusals are AWS's where MiniStack 1.5.33 captured them: those on the time
//! format and on windows; the others are ours.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Model;
use super::calendar::{parse_minute, start_of};
use super::cron::{self, Cron};
use super::error::ControlError;
use super::jobs::is_cancellable;
use super::names::{JobId, ThingName};
use super::retry::Retries;
use super::status::TargetSelection;
use super::table::Table;
use super::time::Timestamp;
use super::timeline::Canceler;
use super::validate::{Text, Violations};
use super::view::ScheduledJobRollout;
use super::window::{EndBehavior, Phase, Schedule, Window};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Least time to a start or an end, and between them.
const MIN_LEAD: Duration = Duration::from_secs(30 * 60);
const MAX_TO_START: Duration = DAY.saturating_mul(365);
const MAX_TO_END: Duration = DAY.saturating_mul(2 * 365);
/// The longest window: ten minutes less than a day.
const MAX_WINDOW_MINUTES: i64 = 1430;
/// Most windows of one job. AWS tells no number; each edge of a schedule costs a look at all of them.
const MAX_WINDOWS: usize = 100;
/// How many windows DescribeJob tells of (API reference, Job).
const ROLLOUTS_TOLD: usize = 7;
const TIME: Text = Text {
    min: 1,
    max: 64,
    pattern: None,
};
const EXPRESSION: Text = Text {
    min: 1,
    max: 256,
    pattern: None,
};

/// When a job runs (API reference, SchedulingConfig).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SchedulingConfig {
    /// `YYYY-MM-DDThh:mm`, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// `YYYY-MM-DDThh:mm`, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// STOP_ROLLOUT unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_behavior: Option<String>,
    /// When a continuous job reaches its things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_windows: Option<Vec<MaintenanceWindow>>,
}

/// A window that opens again and again (API reference, MaintenanceWindow).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MaintenanceWindow {
    /// A cron expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// 1 to 1430 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_in_minutes: Option<i64>,
}

impl SchedulingConfig {
    /// Checks what AWS's service model says of the members.
    pub(super) fn check(&self, violations: &mut Violations) {
        let (start, end) = (self.start_time.as_ref(), self.end_time.as_ref());
        violations.optional_text("schedulingConfig.startTime", start, TIME);
        violations.optional_text("schedulingConfig.endTime", end, TIME);
        let behavior = self.end_behavior.as_ref();
        violations.one_of(
            "schedulingConfig.endBehavior",
            behavior,
            &EndBehavior::NAMES,
        );
        let windows = self.maintenance_windows.as_deref();
        check_windows(violations, "schedulingConfig.maintenanceWindows", windows);
    }

    /// Reads a schedule that begins to count at `now`.
    pub(super) fn read(
        &self,
        selection: TargetSelection,
        now: Timestamp,
    ) -> Result<Schedule, ControlError> {
        let start = self.start_time.as_ref().map(read_time).transpose()?;
        let end = self.end_time.as_ref().map(read_time).transpose()?;
        if let Some((start, text)) = start {
            check_lead("StartTime", text, start, now, MAX_TO_START)?;
        }
        if let Some((end, text)) = end {
            check_lead("EndTime", text, end, now, MAX_TO_END)?;
        }
        if let (Some((start, _)), Some((end, _))) = (start, end)
            && end < start.plus(MIN_LEAD)
        {
            return Err(invalid(
                "EndTime of SchedulingConfig must be at least 30 minutes after StartTime.",
            ));
        }
        let windows = self.maintenance_windows.as_deref().unwrap_or_default();
        if !windows.is_empty() && selection == TargetSelection::Snapshot {
            return Err(invalid(
                "TargetSelection is invalid. MaintenanceWindow cannot be used with SNAPSHOT job.",
            ));
        }
        if !windows.is_empty() && start.is_none() {
            return Err(invalid(
                "MaintenanceWindow cannot be used without StartTime of SchedulingConfig.",
            ));
        }
        self.schedule()
    }

    /// What the members mean, for whom they were checked before.
    pub(super) fn schedule(&self) -> Result<Schedule, ControlError> {
        let start = self.start_time.as_ref().map(read_time).transpose()?;
        let end = self.end_time.as_ref().map(read_time).transpose()?;
        let windows = self.maintenance_windows.as_deref().unwrap_or_default();
        let behavior = self.end_behavior.as_deref().and_then(EndBehavior::parse);
        Ok(Schedule {
            start: start.map(|(start, _)| start),
            end: end.map(|(end, _)| end),
            end_behavior: behavior.unwrap_or_default(),
            windows: windows
                .iter()
                .map(MaintenanceWindow::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl MaintenanceWindow {
    pub(super) fn read(&self) -> Result<Window, ControlError> {
        let text = self.start_time.as_deref().unwrap_or_default();
        let opens = Cron::parse(text).ok_or_else(|| {
            let reason = "is not a valid cron expression.";
            invalid(&format!("StartTime {text} of MaintenanceWindow {reason}"))
        })?;
        let minutes = u64::try_from(self.duration_in_minutes.unwrap_or_default());
        let duration = Duration::from_secs(minutes.unwrap_or_default().saturating_mul(60));
        Ok(Window { opens, duration })
    }
}

/// Checks what AWS's service model says of windows, the value of `member`.
pub(super) fn check_windows(
    violations: &mut Violations,
    member: &str,
    windows: Option<&[MaintenanceWindow]>,
) {
    if windows.is_some_and(|windows| windows.len() > MAX_WINDOWS) {
        let rule = format!("Member must have length less than or equal to {MAX_WINDOWS}");
        violations.note("[MaintenanceWindow]", member, rule);
    }
    for (index, window) in windows.into_iter().flatten().enumerate() {
        let at = |name: &str| format!("{member}.{}.member.{name}", index + 1);
        match &window.start_time {
            Some(text) => violations.text(&at("startTime"), text, EXPRESSION),
            None => violations.missing(&at("startTime")),
        }
        match window.duration_in_minutes {
            Some(_) => violations.range(
                &at("durationInMinutes"),
                window.duration_in_minutes,
                1,
                MAX_WINDOW_MINUTES,
            ),
            None => violations.missing(&at("durationInMinutes")),
        }
    }
}

impl Model {
    /// Lets a new job follow its schedule.
    pub(super) fn begin(&mut self, id: &JobId, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.phase = job.terms.schedule.phase(now);
        job.hidden = job.phase == Phase::Shut;
        let (phase, edge) = (job.phase, job.terms.schedule.next_edge(now));
        self.plan_edge(id, edge);
        if phase == Phase::Open {
            self.roll_out(id, now);
        }
    }

    /// Does what the edge of a job's schedule asks for that falls on `now`.
    pub(super) fn pass_edge(&mut self, id: &JobId, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let schedule = &job.terms.schedule;
        let (phase, behavior) = (schedule.phase(now), schedule.end_behavior);
        let edge = schedule.next_edge(now).filter(|_| job.is_open());
        let running = job.is_running();
        let turned = running && job.phase != phase;
        if turned {
            job.touch(now);
        }
        job.phase = phase;
        self.plan_edge(id, edge);
        if running && phase == Phase::Ended {
            self.end(id, behavior, now);
        }
        self.hide(id, phase == Phase::Shut, now);
        match phase {
            Phase::Ended => self.complete_if_over(id, now),
            Phase::Open if turned => {
                self.give_deferred(id, now);
                self.roll_out(id, now);
            }
            Phase::Shut if turned => self.plan(id, None),
            Phase::Open | Phase::Shut => {}
        }
    }

    /// Gives `thing` an execution, or has it wait for the job to open; after the job's end, neither.
    pub(super) fn give(&mut self, id: &JobId, thing: &ThingName, retries: Retries, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        match job.phase {
            Phase::Ended => {}
            Phase::Open => self.enqueue(id, thing, retries, retries.origin(), now),
            Phase::Shut => drop(job.deferred.insert(thing.clone(), retries)),
        }
    }

    fn give_deferred(&mut self, id: &JobId, now: Timestamp) {
        let deferred = self.jobs.get_mut(id).map(|job| &mut job.deferred);
        for (thing, retries) in deferred.map(Table::take).unwrap_or_default() {
            self.enqueue(id, &thing, retries, retries.origin(), now);
        }
    }

    /// Takes a job's executions out of the lists, or puts them back.
    fn hide(&mut self, id: &JobId, hidden: bool, now: Timestamp) {
        let job = self.jobs.get_mut(id);
        if let Some(job) = job.filter(|job| job.hidden != hidden) {
            job.hidden = hidden;
            self.tell_things_of(id, now);
        }
    }

    /// Stops a job's rollout, and cancels what its end behaviour says.
    fn end(&mut self, id: &JobId, behavior: EndBehavior, now: Timestamp) {
        self.end_rollout(id);
        let force = match behavior {
            EndBehavior::Cancel => false,
            EndBehavior::ForceCancel => true,
            EndBehavior::StopRollout => return,
        };
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let cancelled = job.ids(id, |execution| is_cancellable(execution, force));
        for execution in cancelled.collect::<Vec<_>>() {
            self.change(&execution, now, |execution| {
                execution.cancel(Canceler::Schedule, force, now);
            });
        }
    }

    /// Sets when a job passes the next edge of its schedule.
    pub(super) fn plan_edge(&mut self, id: &JobId, edge: Option<Timestamp>) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        if let Some(before) = core::mem::replace(&mut job.edge, edge) {
            self.edges.remove(&(before, id.clone()));
        }
        if let Some(edge) = edge {
            self.edges.insert((edge, id.clone()));
        }
    }
}

impl Schedule {
    /// `scheduledJobRollouts`: when the next windows open. Only jobs with windows have it.
    pub(super) fn next_rollouts(&self, now: Timestamp) -> Option<Vec<ScheduledJobRollout>> {
        let rollouts = self.rollouts(now, ROLLOUTS_TOLD).into_iter();
        let rollouts = rollouts.map(|at| ScheduledJobRollout {
            start_time: cron::print(at),
        });
        (!self.windows.is_empty()).then(|| rollouts.collect())
    }
}

fn read_time(text: &String) -> Result<(Timestamp, &str), ControlError> {
    match parse_minute(text) {
        Some(minute) => Ok((start_of(minute), text)),
        None => Err(invalid(&format!(
            "1 validation error detected: Provided time {text} UTC must follow the format \
             YYYY-MM-DDThh:mm."
        ))),
    }
}

fn check_lead(
    name: &str,
    text: &str,
    at: Timestamp,
    now: Timestamp,
    max: Duration,
) -> Result<(), ControlError> {
    if at < now.plus(MIN_LEAD) {
        return Err(invalid(&format!(
            "{name} {text} of SchedulingConfig must be at least 30 minutes from now."
        )));
    }
    if at > now.plus(max) {
        let years = max.as_secs() / DAY.as_secs() / 365;
        return Err(invalid(&format!(
            "{name} {text} of SchedulingConfig must be at most {years} year(s) from now."
        )));
    }
    Ok(())
}

fn invalid(message: &str) -> ControlError {
    ControlError::InvalidRequest(message.to_owned())
}
