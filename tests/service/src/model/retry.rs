//! When a failed execution is followed by another one.
//!
//! A retry is an execution of its own, queued at once with the next number (developer guide,
//! jobs-configurations-details, and key-concepts-jobs on numbers). REJECTED, REMOVED and CANCELED are
//! never retried. A thing that leaves a job and comes back starts anew.

use serde::{Deserialize, Serialize};

use super::Model;
use super::error::ControlError;
use super::execution::{Execution, ExecutionId};
use super::job::Job;
use super::request::TimeoutConfig;
use super::status::ExecutionStatus;
use super::table::Record;
use super::time::Timestamp;
use super::timeline::Origin;
use super::validate::Violations;

const ALL: &str = "ALL";
const TIMED_OUT: &str = "TIMED_OUT";
const FAILURE_TYPES: [&str; 3] = [ALL, TIMED_OUT, "FAILED"];
const MAX_CRITERIA: usize = 2;
/// Most retries on one thing, of all failure types together.
const MAX_RETRIES: i64 = 10;

/// How often a thing may try again (API reference, JobExecutionsRetryConfig).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryConfig {
    /// One or two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria_list: Option<Vec<RetryCriteria>>,
}

/// How often a thing may try again after one type of failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryCriteria {
    /// FAILED, TIMED_OUT or ALL of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_type: Option<String>,
    /// 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_retries: Option<i64>,
}

/// How often a thing has tried a job again, by what it failed with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Retries {
    failed: u64,
    timed_out: u64,
}

impl Record for Retries {}

impl Retries {
    /// `retryAttempt`.
    pub(super) fn total(self) -> u64 {
        self.failed + self.timed_out
    }

    /// Why there is an execution with so many retries, if it is given after the rollout.
    pub(super) fn origin(self) -> Origin {
        match self.total() {
            0 => Origin::Joined,
            _ => Origin::Retried,
        }
    }
}

impl RetryConfig {
    /// Checks what AWS's service model says of the members.
    pub(super) fn check(&self, violations: &mut Violations) {
        let member = "jobExecutionsRetryConfig.criteriaList";
        violations.required(member, self.criteria_list.as_ref());
        if self.criteria_list.as_ref().is_some_and(Vec::is_empty) {
            let rule = "Member must have length greater than or equal to 1";
            violations.note("[]", member, rule);
        }
        if self.criteria().len() > MAX_CRITERIA {
            let criteria = self.criteria().iter().map(RetryCriteria::in_words);
            let list = criteria.collect::<Vec<_>>().join(", ");
            let rule = format!("Member must have length less than or equal to {MAX_CRITERIA}");
            violations.note(format!("[{list}]"), member, rule);
        }
        for (index, criteria) in self.criteria().iter().enumerate() {
            let at = |name: &str| format!("{member}.{}.member.{name}", index + 1);
            let retries = criteria.number_of_retries;
            violations.required(&at("numberOfRetries"), retries.as_ref());
            violations.range(&at("numberOfRetries"), retries, 0, MAX_RETRIES);
            let failure = criteria.failure_type.as_ref();
            violations.required(&at("failureType"), failure);
            violations.one_of(&at("failureType"), failure, &FAILURE_TYPES);
        }
    }

    /// Refuses criteria that a new job cannot have.
    pub(super) fn refuse(&self, timeout: Option<&TimeoutConfig>) -> Result<(), ControlError> {
        self.refuse_combination()?;
        let retries = self.criteria().iter().map(RetryCriteria::retries);
        let timer = timeout.and_then(|timeout| timeout.in_progress_timeout_in_minutes);
        if retries.sum::<i64>() > MAX_RETRIES {
            return Err(invalid(&format!(
                "The total number of retries cannot be more than {MAX_RETRIES}."
            )));
        }
        if timer.is_none() && self.names(TIMED_OUT) {
            return Err(invalid(
                "A retryCriteria with failure type TIMED_OUT requires a TimeoutConfig.",
            ));
        }
        Ok(())
    }

    /// Refuses criteria that a job in progress, which was made with `old`, cannot be given.
    pub(super) fn refuse_update(&self, old: Option<&Self>) -> Result<(), ControlError> {
        if self
            .criteria()
            .iter()
            .any(|criteria| criteria.retries() != 0)
        {
            return Err(invalid(
                "The number of retries cannot be updated to any number other than 0.",
            ));
        }
        self.refuse_combination()?;
        let Some(old) = old else {
            return Err(invalid(
                "RetryConfig cannot be updated if the job has no RetryConfig defined during \
                 creation.",
            ));
        };
        let same = |some: &Self, other: &Self| {
            let mut types = some.criteria().iter().map(RetryCriteria::kind);
            types.all(|kind| other.names(kind))
        };
        if same(self, old) && same(old, self) {
            return Ok(());
        }
        Err(invalid(
            "FailureTypes must match existing FailureTypes defined in RetryConfig.",
        ))
    }

    fn refuse_combination(&self) -> Result<(), ControlError> {
        match self.criteria() {
            [_, _, ..] if self.names(ALL) => Err(invalid(
                "A retryCriteria with failure type ALL must be used by itself.",
            )),
            [first, second, ..] if first.failure_type == second.failure_type => Err(invalid(
                "Multiple RetryCriteria cannot have the same failure type",
            )),
            _ => Ok(()),
        }
    }

    /// What a thing has tried after one more retry, if it may retry what ended with `status`.
    fn next(&self, done: Retries, status: ExecutionStatus) -> Option<Retries> {
        let mut next = done;
        match status {
            ExecutionStatus::Failed => next.failed += 1,
            ExecutionStatus::TimedOut => next.timed_out += 1,
            ExecutionStatus::Canceled
            | ExecutionStatus::InProgress
            | ExecutionStatus::Queued
            | ExecutionStatus::Rejected
            | ExecutionStatus::Removed
            | ExecutionStatus::Succeeded => return None,
        }
        let allowed = self.criteria().iter().any(|criteria| {
            let used = match criteria.kind() {
                ALL => next.total(),
                kind if kind != status.as_str() => return false,
                TIMED_OUT => next.timed_out,
                _ => next.failed,
            };
            u64::try_from(criteria.retries()).is_ok_and(|retries| used <= retries)
        });
        allowed.then_some(next)
    }

    fn names(&self, kind: &str) -> bool {
        self.criteria()
            .iter()
            .any(|criteria| criteria.kind() == kind)
    }

    fn criteria(&self) -> &[RetryCriteria] {
        self.criteria_list.as_deref().unwrap_or_default()
    }
}

impl RetryCriteria {
    fn kind(&self) -> &str {
        self.failure_type.as_deref().unwrap_or_default()
    }

    fn retries(&self) -> i64 {
        self.number_of_retries.unwrap_or_default()
    }

    fn in_words(&self) -> String {
        format!(
            "RetryCriteria(failureType={}, numberOfRetries={})",
            self.kind(),
            self.retries()
        )
    }
}

impl Model {
    /// Queues another execution after one that failed, if its job says so; one that is between two
    /// windows does it at the next one's start.
    pub(super) fn retry(&mut self, id: &ExecutionId, now: Timestamp) {
        let Some((job, execution)) = self.jobs.get(&id.job).zip(self.execution(id)) else {
            return;
        };
        let retries = job.next_retries(execution);
        if let Some(retries) = retries.filter(|_| self.is_target(job, &id.thing)) {
            self.give(&id.job, &id.thing, retries, now);
        }
    }
}

impl Job {
    fn next_retries(&self, execution: &Execution) -> Option<Retries> {
        let config = self.terms.retry.as_ref();
        let config = config.filter(|_| self.is_running());
        config?.next(execution.retries, execution.status)
    }
}

fn invalid(message: &str) -> ControlError {
    ControlError::InvalidRequest(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExecutionStatus::{Failed, TimedOut};

    fn config(list: &[(&str, i64)]) -> RetryConfig {
        let criteria = list.iter().map(|(kind, retries)| RetryCriteria {
            failure_type: Some((*kind).to_owned()),
            number_of_retries: Some(*retries),
        });
        RetryConfig {
            criteria_list: Some(criteria.collect()),
        }
    }

    #[test]
    fn retries_are_counted_by_what_they_follow() {
        let ends = [Failed, TimedOut, Failed, TimedOut, Failed];
        for (list, retried) in [
            (&[("FAILED", 2)][..], &[true, false][..]),
            (
                &[("FAILED", 2), ("TIMED_OUT", 1)],
                &[true, true, true, false],
            ),
            (&[("TIMED_OUT", 3)], &[false]),
            (&[("ALL", 4)], &[true, true, true, true, false]),
            (&[("ALL", 0)], &[false]),
        ] {
            let config = config(list);
            let mut done = Retries::default();
            for (status, retried) in ends.into_iter().zip(retried) {
                let next = config.next(done, status);
                assert_eq!(next.is_some(), *retried, "{list:?} {done:?} {status:?}");
                done = next.unwrap_or(done);
            }
        }
    }

    #[test]
    fn only_failures_and_time_outs_are_retried() {
        let config = config(&[("ALL", 10)]);
        let retried = ExecutionStatus::ALL
            .into_iter()
            .filter(|status| config.next(Retries::default(), *status).is_some());
        assert_eq!(retried.collect::<Vec<_>>(), [Failed, TimedOut]);
    }

    #[test]
    fn what_a_new_job_cannot_ask_for_is_refused() {
        let timer = TimeoutConfig {
            in_progress_timeout_in_minutes: Some(5),
        };
        for (list, timeout, legal) in [
            (&[("ALL", 10)][..], None, true),
            (&[("FAILED", 4), ("TIMED_OUT", 6)], Some(&timer), true),
            (&[("FAILED", 4), ("TIMED_OUT", 6)], None, false),
            (&[("FAILED", 5), ("TIMED_OUT", 6)], Some(&timer), false),
            (&[("ALL", 1), ("FAILED", 1)], None, false),
            (&[("FAILED", 1), ("FAILED", 1)], None, false),
        ] {
            assert_eq!(config(list).refuse(timeout).is_ok(), legal, "{list:?}");
        }
    }

    #[test]
    fn a_job_in_progress_can_only_give_its_retries_up() {
        let old = config(&[("FAILED", 2), ("TIMED_OUT", 2)]);
        for (list, legal) in [
            (&[("TIMED_OUT", 0), ("FAILED", 0)][..], true),
            (&[("TIMED_OUT", 0), ("FAILED", 1)], false),
            (&[("FAILED", 0)], false),
            (&[("ALL", 0)], false),
        ] {
            let update = config(list).refuse_update(Some(&old));
            assert_eq!(update.is_ok(), legal, "{list:?}");
        }
        assert!(config(&[("FAILED", 0)]).refuse_update(None).is_err());
    }
}
