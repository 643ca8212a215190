//! When a job is cancelled for its failures.
//!
//! Each execution that ends is counted, retried or not, and the criteria are looked at in order
//! (developer guide, job-rollout-abort-scheduling). What a criterion is measured by is what ended,
//! not what was rolled out. An abort is a cancel without force.

use serde::{Deserialize, Serialize};

use super::Model;
use super::error::ControlError;
use super::job::{Cancellation, Job};
use super::names::JobId;
use super::status::ExecutionStatus;
use super::time::Timestamp;
use super::validate::Violations;
use super::window::Phase;

const ALL: &str = "ALL";
const FAILURE_TYPES: [&str; 4] = [ALL, "TIMED_OUT", "FAILED", "REJECTED"];
const CANCEL: &str = "CANCEL";
const REASON: &str = "ABORT_CANCEL";
/// Thresholds have two decimal digits at most.
const HUNDREDTHS: f64 = 100.0;
const HUNDRED_PERCENT: u128 = 10_000;

/// When to give a job up (API reference, AbortConfig).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AbortConfig {
    /// At least one, of different failure types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria_list: Option<Vec<AbortCriteria>>,
}

/// One reason to give a job up.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AbortCriteria {
    /// FAILED, REJECTED, TIMED_OUT or ALL of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_type: Option<String>,
    /// CANCEL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Above 0, up to 100, with two decimal digits at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_percentage: Option<f64>,
    /// How many executions must have ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_number_of_executed_things: Option<i64>,
}

impl AbortConfig {
    /// Checks what AWS's service model says of the members.
    pub(super) fn check(&self, violations: &mut Violations) {
        let member = "abortConfig.criteriaList";
        violations.required(member, self.criteria_list.as_ref());
        if self.criteria_list.as_ref().is_some_and(Vec::is_empty) {
            let rule = "Member must have length greater than or equal to 1";
            violations.note("[]", member, rule);
        }
        for (index, criteria) in self.criteria().iter().enumerate() {
            let at = |name: &str| format!("{member}.{}.member.{name}", index + 1);
            let minimum = criteria.min_number_of_executed_things;
            let executed = at("minNumberOfExecutedThings");
            violations.required(&executed, minimum.as_ref());
            violations.range(&executed, minimum, 1, i64::from(i32::MAX));
            let failure = criteria.failure_type.as_ref();
            violations.required(&at("failureType"), failure);
            violations.one_of(&at("failureType"), failure, &FAILURE_TYPES);
            violations.required(&at("action"), criteria.action.as_ref());
            violations.one_of(&at("action"), criteria.action.as_ref(), &[CANCEL]);
            let threshold = criteria.threshold_percentage;
            let percentage = at("thresholdPercentage");
            violations.required(&percentage, threshold.as_ref());
            violations.decimal_range(&percentage, threshold, None, 100.0);
        }
    }

    /// Refuses members that the service model does not rule out.
    pub(super) fn refuse(&self) -> Result<(), ControlError> {
        for (index, criteria) in self.criteria().iter().enumerate() {
            let mut before = self.criteria().iter().take(index);
            let threshold = criteria.threshold_percentage.unwrap_or_default();
            let message = if before.any(|other| other.failure_type == criteria.failure_type) {
                "Multiple AbortCriteria cannot have the same failure type".to_owned()
            } else if threshold <= 0.0 {
                format!(
                    "ThresholdPercentage value {threshold:?} for AbortCriteria must have value \
                     greater than 0"
                )
            } else if criteria.hundredths() as f64 / HUNDREDTHS != threshold {
                "Abort thresholdPercentage must have two or less decimal digits".to_owned()
            } else {
                continue;
            };
            return Err(ControlError::InvalidRequest(message));
        }
        Ok(())
    }

    /// Which criterion is met, in words, once so many executions have each status.
    fn met(&self, count: impl Fn(ExecutionStatus) -> usize) -> Option<String> {
        let terminal = ExecutionStatus::ALL.into_iter();
        let terminal = terminal.filter(|status| status.is_terminal());
        let ended: usize = terminal.map(&count).sum();
        self.criteria().iter().find_map(|criteria| {
            let statuses = criteria.statuses().into_iter();
            let failed: usize = statuses.map(&count).sum();
            criteria.is_met(failed, ended).then(|| {
                let kind = criteria.failure_type.as_deref().unwrap_or_default();
                let threshold = criteria.threshold_percentage.unwrap_or_default();
                format!(
                    "Abort criteria for failure type {kind} with threshold {threshold:.2}% met. \
                     Total completed executions: {ended}, total {kind} executions: {failed}"
                )
            })
        })
    }

    fn criteria(&self) -> &[AbortCriteria] {
        self.criteria_list.as_deref().unwrap_or_default()
    }
}

impl AbortCriteria {
    fn statuses(&self) -> Vec<ExecutionStatus> {
        use ExecutionStatus::{Failed, Rejected, TimedOut};

        match self.failure_type.as_deref() {
            Some(ALL) => vec![Failed, Rejected, TimedOut],
            Some(kind) => ExecutionStatus::parse(kind).into_iter().collect(),
            None => Vec::new(),
        }
    }

    fn is_met(&self, failed: usize, ended: usize) -> bool {
        let minimum = self.min_number_of_executed_things.unwrap_or(1);
        let minimum = usize::try_from(minimum).unwrap_or_default();
        let share = failed as u128 * HUNDRED_PERCENT;
        ended >= minimum.max(1) && share >= self.hundredths() * ended as u128
    }

    fn hundredths(&self) -> u128 {
        (self.threshold_percentage.unwrap_or_default() * HUNDREDTHS).round() as u128
    }
}

impl Model {
    /// Cancels a job whose failures meet one of its criteria.
    pub(super) fn abort_if_failing(&mut self, id: &JobId, now: Timestamp) {
        let job = self.jobs.get(id);
        if let Some(comment) = job.and_then(Job::reason_to_abort) {
            let why = Cancellation {
                force: false,
                reason_code: Some(REASON.to_owned()),
                comment: Some(comment),
            };
            self.cancel(id, why, now);
        }
    }
}

impl Job {
    fn reason_to_abort(&self) -> Option<String> {
        let config = self.terms.abort.as_ref();
        let config = config.filter(|_| self.is_running() && self.phase != Phase::Ended);
        config?.met(|status| self.count(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExecutionStatus::{Canceled, Failed, Rejected, Removed, Succeeded, TimedOut};

    fn criteria(kind: &str, threshold: f64, minimum: i64) -> AbortCriteria {
        AbortCriteria {
            failure_type: Some(kind.to_owned()),
            action: Some(CANCEL.to_owned()),
            threshold_percentage: Some(threshold),
            min_number_of_executed_things: Some(minimum),
        }
    }

    fn config(list: &[AbortCriteria]) -> AbortConfig {
        AbortConfig {
            criteria_list: Some(list.to_vec()),
        }
    }

    fn is_met(criteria: AbortCriteria, counts: &[(ExecutionStatus, usize)]) -> bool {
        let count = |status| {
            let found = counts.iter().find(|(counted, _)| *counted == status);
            found.map_or(0, |(_, count)| *count)
        };
        config(&[criteria]).met(count).is_some()
    }

    #[test]
    fn a_criterion_is_met_by_its_share_of_what_ended() {
        for (kind, threshold, minimum, counts, met) in [
            ("FAILED", 20.0, 5, &[(Failed, 1), (Succeeded, 4)][..], true),
            ("FAILED", 20.0, 5, &[(Failed, 1), (Succeeded, 5)], false),
            ("FAILED", 20.0, 6, &[(Failed, 5)], false),
            ("FAILED", 20.0, 1, &[(Rejected, 5), (TimedOut, 5)], false),
            ("REJECTED", 50.0, 1, &[(Rejected, 1), (Failed, 1)], true),
            ("TIMED_OUT", 50.0, 1, &[(TimedOut, 1), (Failed, 1)], true),
            (
                "ALL",
                75.0,
                4,
                &[(Failed, 1), (Rejected, 1), (TimedOut, 1), (Succeeded, 1)],
                true,
            ),
            (
                "ALL",
                75.01,
                4,
                &[(Failed, 1), (Rejected, 1), (TimedOut, 1), (Succeeded, 1)],
                false,
            ),
            ("ALL", 50.0, 2, &[(Failed, 1), (Canceled, 1)], true),
            ("ALL", 50.0, 2, &[(Failed, 1), (Removed, 2)], false),
            ("ALL", 100.0, 1, &[(Failed, 3)], true),
            ("FAILED", 0.07, 1, &[(Failed, 7), (Succeeded, 9_993)], true),
            ("FAILED", 33.34, 1, &[(Failed, 1), (Succeeded, 2)], false),
            ("FAILED", 33.33, 1, &[(Failed, 1), (Succeeded, 2)], true),
        ] {
            let criteria = criteria(kind, threshold, minimum);
            assert_eq!(
                is_met(criteria, counts),
                met,
                "{kind} {threshold} {counts:?}"
            );
        }
    }

    #[test]
    fn the_first_criterion_that_is_met_gives_the_reason() {
        let config = config(&[
            criteria("REJECTED", 10.0, 1),
            criteria("FAILED", 20.0, 1),
            criteria("ALL", 10.0, 1),
        ]);
        assert_eq!(
            config.met(|status| usize::from(status == Failed)),
            Some(
                "Abort criteria for failure type FAILED with threshold 20.00% met. Total \
                 completed executions: 1, total FAILED executions: 1"
                    .to_owned()
            )
        );
    }

    #[test]
    fn thresholds_have_two_decimal_digits_at_most() {
        for (threshold, legal) in [
            (0.01, true),
            (12.34, true),
            (99.99, true),
            (100.0, true),
            (0.0, false),
            (-1.0, false),
            (0.001, false),
            (12.345, false),
        ] {
            let config = config(&[criteria("ALL", threshold, 1)]);
            assert_eq!(config.refuse().is_ok(), legal, "{threshold}");
        }
    }

    #[test]
    fn a_failure_type_stands_in_one_criterion() {
        let config = config(&[criteria("ALL", 10.0, 1), criteria("ALL", 20.0, 1)]);
        assert!(config.refuse().is_err());
    }
}
