//! How many jobs there may be at one time, and how many of them roll out.
//!
//! A job counts as active from CreateJob to its end, and as concurrent while things wait for its rollout
//! (developer guide, job-limits). One that begins while too many roll out is refused, or was scheduled
//! and is cancelled, or waits: see [`AtConcurrencyLimit`]. A job with maintenance windows takes its turn
//! anew each time that it opens; if it finds none after it has once begun, it waits.

use super::Model;
use super::error::ControlError;
use super::job::{Cancellation, Job};
use super::knobs::AtConcurrencyLimit;
use super::names::JobId;
use super::quotas::limit;
use super::time::Timestamp;
use super::window::{Phase, Schedule};

impl Model {
    /// Refuses a new job that is one too many. The limits are AWS's, the words are ours.
    pub(super) fn refuse_crowd(
        &self,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let quotas = &self.knobs.quotas;
        if !self.has_fewer_than(quotas.active_jobs, Job::is_running) {
            return Err(ControlError::LimitExceeded(format!(
                "No more than {} jobs can be active.",
                quotas.active_jobs
            )));
        }
        let refuses = self.knobs.at_concurrency_limit == AtConcurrencyLimit::Refuse;
        if refuses && schedule.phase(now) == Phase::Open && !self.has_turn() {
            return Err(ControlError::LimitExceeded(format!(
                "No more than {} jobs can be concurrent.",
                quotas.concurrent_jobs
            )));
        }
        Ok(())
    }

    /// Gives a job its turn to roll out, if it has none yet and there is one.
    pub(super) fn takes_turn(&mut self, id: &JobId) -> bool {
        if self.jobs.get(id).is_some_and(|job| job.rollout.turn) {
            return true;
        }
        let has_turn = self.has_turn();
        if let Some(job) = self.jobs.get_mut(id) {
            job.rollout.turn = has_turn;
        }
        has_turn
    }

    /// Cancels a scheduled job that is to begin and finds no turn; says whether it did.
    pub(super) fn cancel_if_crowded_out(&mut self, id: &JobId, now: Timestamp) -> bool {
        let refuses = self.knobs.at_concurrency_limit == AtConcurrencyLimit::Refuse;
        let is_new = self.jobs.get(id).is_some_and(Job::has_yet_to_begin);
        if !refuses || !is_new || self.has_turn() {
            return false;
        }
        let quota = self.knobs.quotas.concurrent_jobs;
        let why = Cancellation {
            force: false,
            reason_code: Some("CONCURRENT_JOBS_LIMIT".to_owned()),
            comment: Some(format!(
                "No more than {quota} jobs can be concurrent, which was so when this one was to start."
            )),
        };
        self.cancel(id, why, now);
        true
    }

    /// Whether one job more may roll out.
    fn has_turn(&self) -> bool {
        let quota = self.knobs.quotas.concurrent_jobs;
        self.has_fewer_than(quota, Job::is_rolling_out)
    }

    fn has_fewer_than(&self, quota: u32, counts: impl Fn(&Job) -> bool) -> bool {
        let quota = limit(quota);
        self.jobs.len() < quota || self.jobs.values().filter(|job| counts(job)).count() < quota
    }
}

impl Job {
    /// Whether things wait for the job, and none was reached.
    fn has_yet_to_begin(&self) -> bool {
        !self.rollout.waiting.is_empty() && self.executions.is_empty()
    }
}
