//! How fast a job reaches its targets.
//!
//! A job takes its things in batches: the first as it is made, another every minute from there on.
//! The developer guide (job-rollout-abort-scheduling) gives rates per minute and the totals at which
//! they rise; how AWS rounds them and spreads them over the minute is unknown. Here a batch is
//! rounded down and goes out at once.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Model;
use super::error::ControlError;
use super::job::Job;
use super::names::{JobId, ThingName};
use super::retry::Retries;
use super::status::{ExecutionStatus, JobStatus};
use super::table::Table;
use super::time::{self, Timestamp};
use super::timeline::Origin;
use super::validate::Violations;

/// The rate of a job that asks for none, and the highest (AWS general reference, Jobs quotas).
const MAX_PER_MINUTE: i64 = 1000;
const MIN_FACTOR: f64 = 1.1;
const MAX_FACTOR: f64 = 5.0;
const MINUTE: Duration = Duration::from_secs(60);
/// Rates are computed in these parts of a thing, so that no decimal digit of a factor is lost.
const PARTS: u128 = 1_000_000_000_000_000_000;
const TENTHS: f64 = 10.0;

/// How fast a job reaches its targets (API reference, JobExecutionsRolloutConfig).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutConfig {
    /// 1 to 1000; 1000 unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_per_minute: Option<i64>,
    /// How the rate rises towards the maximum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exponential_rate: Option<ExponentialRate>,
}

/// A rate that rises (API reference, ExponentialRolloutRate).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExponentialRate {
    /// 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_rate_per_minute: Option<i64>,
    /// 1.1 to 5, with one decimal digit at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub increment_factor: Option<f64>,
    /// When the rate rises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_increase_criteria: Option<RateIncreaseCriteria>,
}

/// When a rate rises: each time one of these totals was reached once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RateIncreaseCriteria {
    /// Executions that were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_notified_things: Option<i64>,
    /// Executions that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_succeeded_things: Option<i64>,
}

/// The things a job has yet to reach.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct Rollout {
    #[serde(skip)]
    pub(super) waiting: Table<ThingName, ()>,
    /// How many things were taken from `waiting`.
    pub(super) notified: usize,
    /// When the next batch is due.
    #[serde(with = "time::kept::option")]
    pub(super) next: Option<Timestamp>,
}

impl RolloutConfig {
    /// Whether the configuration asks for anything.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what AWS's service model says of the members.
    pub(super) fn check(&self, violations: &mut Violations) {
        let member = "jobExecutionsRolloutConfig";
        let maximum = self.maximum_per_minute;
        violations.range(
            &format!("{member}.maximumPerMinute"),
            maximum,
            1,
            MAX_PER_MINUTE,
        );
        let Some(rate) = &self.exponential_rate else {
            return;
        };
        let at = |name: &str| format!("{member}.exponentialRate.{name}");
        let base = rate.base_rate_per_minute;
        violations.required(&at("baseRatePerMinute"), base.as_ref());
        violations.range(&at("baseRatePerMinute"), base, 1, MAX_PER_MINUTE);
        let factor = rate.increment_factor;
        violations.required(&at("incrementFactor"), factor.as_ref());
        violations.decimal_range(&at("incrementFactor"), factor, Some(MIN_FACTOR), MAX_FACTOR);
        let criteria = rate.rate_increase_criteria;
        violations.required(&at("rateIncreaseCriteria"), criteria.as_ref());
        let criteria = criteria.unwrap_or_default();
        for (name, things) in [
            ("numberOfNotifiedThings", criteria.number_of_notified_things),
            (
                "numberOfSucceededThings",
                criteria.number_of_succeeded_things,
            ),
        ] {
            let member = at(&format!("rateIncreaseCriteria.{name}"));
            violations.range(&member, things, 1, i64::from(i32::MAX));
        }
    }

    /// Refuses members that contradict each other; `both` allows both criteria of a rate at once.
    pub(super) fn refuse(&self, both: bool) -> Result<(), ControlError> {
        let message = match (self.maximum_per_minute, &self.exponential_rate) {
            (None, Some(_)) => "Provide MaximumPerMinute value when ExponentialRate is defined",
            (None, None) => {
                "Provide MaximumPerMinute value or provide ExponentialRate and MaximumPerMinute"
            }
            (Some(_), None) => return Ok(()),
            (Some(maximum), Some(rate)) => match rate.fault(maximum, both) {
                Some(message) => message,
                None => return Ok(()),
            },
        };
        Err(ControlError::InvalidRequest(message.to_owned()))
    }

    /// How many things the next batch takes, if as many wait.
    fn batch(&self, notified: usize, succeeded: usize) -> usize {
        let maximum = self.maximum_per_minute.unwrap_or(MAX_PER_MINUTE);
        let maximum = u128::try_from(maximum).unwrap_or_default();
        let batch = match &self.exponential_rate {
            Some(rate) => rate.after(notified, succeeded, maximum),
            None => maximum,
        };
        usize::try_from(batch).unwrap_or(usize::MAX)
    }
}

impl ExponentialRate {
    fn fault(&self, maximum: i64, both: bool) -> Option<&'static str> {
        let criteria = self.rate_increase_criteria.unwrap_or_default();
        let (notified, succeeded) = (
            criteria.number_of_notified_things,
            criteria.number_of_succeeded_things,
        );
        match (notified, succeeded) {
            (None, None) => {
                return Some(
                    "Provide either NumberOfNotifiedThings or NumberOfSucceededThings when \
                     RateIncreaseCriteria is defined",
                );
            }
            (Some(_), Some(_)) if !both => {
                return Some(
                    "Provide only one of NumberOfNotifiedThings or NumberOfSucceededThings when \
                     RateIncreaseCriteria is defined",
                );
            }
            (Some(_), _) | (None, Some(_)) => {}
        }
        let tenths = self.increment_factor.unwrap_or(MIN_FACTOR) * TENTHS;
        if (tenths - tenths.round()).abs() > f64::EPSILON * TENTHS * TENTHS {
            return Some(
                "Exponential rollout incrementFactor must have one or less decimal digits",
            );
        }
        (self.base_rate_per_minute > Some(maximum)).then_some(
            "Exponential rollout baseRatePerMinute should be less than maximumPerMinute.",
        )
    }

    /// The rate once so many things were notified and have succeeded.
    fn after(&self, notified: usize, succeeded: usize, maximum: u128) -> u128 {
        let criteria = self.rate_increase_criteria.unwrap_or_default();
        let rises = |total: usize, every: Option<i64>| {
            let every = every.and_then(|every| usize::try_from(every).ok());
            every.and_then(|every| total.checked_div(every))
        };
        let rises = rises(notified, criteria.number_of_notified_things)
            .max(rises(succeeded, criteria.number_of_succeeded_things))
            .unwrap_or_default();
        let base = u128::try_from(self.base_rate_per_minute.unwrap_or(1)).unwrap_or(1);
        let tenths = (self.increment_factor.unwrap_or(MIN_FACTOR) * TENTHS).round() as u128;

        let mut rate = base * PARTS;
        for _ in 0..rises {
            // A factor is above 1, so this ends within some eighty steps.
            if rate >= maximum * PARTS {
                return maximum;
            }
            rate = rate * tenths / 10;
        }
        (rate / PARTS).min(maximum)
    }
}

impl Model {
    /// Reaches the next things of a job, and plans to reach those behind them.
    pub(super) fn roll_out(&mut self, id: &JobId, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        for thing in job.next_batch() {
            self.enqueue(id, &thing, Retries::default(), Origin::RolledOut, now);
        }
        let waits = self.jobs.get(id).is_some_and(Job::is_rolling_out);
        self.plan(id, waits.then(|| now.plus(MINUTE)));
        self.complete_if_over(id, now);
    }

    /// Ends the rollout of a job: what waits is not reached.
    pub(super) fn end_rollout(&mut self, id: &JobId) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.rollout.waiting.take();
            job.deferred.take();
        }
        self.plan(id, None);
    }

    /// Forgets a thing that waits to be reached, as it is a target no longer.
    pub(super) fn no_longer_reach(&mut self, id: &JobId, thing: &ThingName, now: Timestamp) {
        let job = self.jobs.get(id);
        if !job.is_some_and(|job| job.awaits(thing)) {
            return;
        }
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.deferred.remove(thing);
        let waiting = &mut job.rollout.waiting;
        if waiting.remove(thing).is_some() && waiting.is_empty() {
            self.plan(id, None);
            self.complete_if_over(id, now);
        }
    }

    /// Sets when a job is due next.
    pub(super) fn plan(&mut self, id: &JobId, next: Option<Timestamp>) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let before = core::mem::replace(&mut job.rollout.next, next);
        if let Some(before) = before {
            self.ticks.remove(&(before, id.clone()));
        }
        if let Some(next) = next {
            self.ticks.insert((next, id.clone()));
        }
    }

    /// Does what is due for a job.
    pub(super) fn tick(&mut self, id: &JobId, now: Timestamp) {
        self.plan(id, None);
        match self.jobs.get(id).map(Job::status) {
            Some(JobStatus::InProgress) => self.roll_out(id, now),
            Some(JobStatus::DeletionInProgress) => self.delete_more(id, now),
            Some(JobStatus::Canceled | JobStatus::Completed | JobStatus::Scheduled) | None => {}
        }
    }
}

impl Job {
    /// Whether things wait to be reached.
    pub(super) fn is_rolling_out(&self) -> bool {
        self.status() == JobStatus::InProgress && !self.rollout.waiting.is_empty()
    }

    /// Whether a thing waits for an execution.
    pub(super) fn awaits(&self, thing: &ThingName) -> bool {
        self.rollout.waiting.contains_key(thing) || self.deferred.contains_key(thing)
    }

    fn next_batch(&mut self) -> Vec<ThingName> {
        let succeeded = self.count(ExecutionStatus::Succeeded);
        let batch = self.terms.rollout.batch(self.rollout.notified, succeeded);
        let waiting = &mut self.rollout.waiting;
        let things: Vec<_> = core::iter::from_fn(|| waiting.pop_first())
            .take(batch)
            .collect();
        self.rollout.notified += things.len();
        things
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(maximum: i64, base: i64, factor: f64, notified: i64) -> RolloutConfig {
        let criteria = RateIncreaseCriteria {
            number_of_notified_things: Some(notified),
            number_of_succeeded_things: None,
        };
        let rate = ExponentialRate {
            base_rate_per_minute: Some(base),
            increment_factor: Some(factor),
            rate_increase_criteria: Some(criteria),
        };
        RolloutConfig {
            maximum_per_minute: Some(maximum),
            exponential_rate: Some(rate),
        }
    }

    /// The sizes of the batches until `things` are notified.
    fn batches(config: &RolloutConfig, things: usize) -> Vec<usize> {
        let mut notified = 0;
        let mut batches = Vec::new();
        while notified < things {
            let batch = config.batch(notified, 0).min(things - notified);
            notified += batch;
            batches.push(batch);
        }
        batches
    }

    #[test]
    fn the_developer_guides_rate_doubles_at_each_thousand() {
        let config = config(1000, 50, 2.0, 1000);
        let runs = [(20, 50), (10, 100), (5, 200), (3, 400), (1, 800), (1, 1000)];
        let expected: Vec<_> = runs
            .into_iter()
            .flat_map(|(minutes, batch)| core::iter::repeat_n(batch, minutes))
            .collect();
        assert_eq!(batches(&config, 6000), expected);
    }

    #[test]
    fn a_rate_rises_with_each_multiple_up_to_the_maximum() {
        assert_eq!(batches(&config(10, 2, 2.0, 4), 30), [2, 2, 4, 8, 10, 4]);
    }

    #[test]
    fn rates_are_rounded_down_but_never_by_a_binary_fraction() {
        for (base, factor, rises, rate) in [
            (100, 1.4, 2, 196),
            (10, 1.1, 1, 11),
            (3, 1.5, 1, 4),
            (625, 1.2, 4, 1296),
            (1, 1.1, 40, 45),
            (1, 1.1, 1_000_000, 2000),
        ] {
            let config = config(2000, base, factor, 1);
            assert_eq!(config.batch(rises, 0), rate, "{base} {factor} {rises}");
        }
    }

    #[test]
    fn a_rate_by_successes_stalls_until_there_are_some() {
        let mut config = config(10, 2, 2.0, 4);
        let rate = config.exponential_rate.as_mut().unwrap();
        rate.rate_increase_criteria = Some(RateIncreaseCriteria {
            number_of_notified_things: None,
            number_of_succeeded_things: Some(4),
        });
        assert_eq!(config.batch(100, 3), 2);
        assert_eq!(config.batch(100, 8), 8);
    }

    #[test]
    fn without_a_configuration_a_thousand_are_reached_each_minute() {
        assert_eq!(batches(&RolloutConfig::default(), 2500), [1000, 1000, 500]);
    }
}
