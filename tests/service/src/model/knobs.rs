//! Choices in the rules of jobs, and how they are made unless somebody asks for others.

use core::time::Duration;

use super::error::ControlError;
use super::quotas::Quotas;

/// Choices where AWS's behaviour is unknown, or where tests want more than AWS does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knobs {
    /// How much of everything there may be.
    pub quotas: Quotas,
    /// What becomes of a new job while as many roll out as may.
    pub at_concurrency_limit: AtConcurrencyLimit,
    /// Refuse status details whose values are not strings. AWS takes scalars.
    pub strict_status_details: bool,
    /// Publish notify-next of a namespace even while another namespace heads the thing's queue.
    /// AWS does not (aws-greengrass-lite issue #1151).
    pub notify_next_per_namespace: bool,
    /// Publish the events of jobs and executions, as after UpdateEventConfigurations. AWS publishes
    /// none until it is asked (developer guide, events-jobs).
    pub events: bool,
    /// Take a rollout whose rate rises at notified and at succeeded things, whichever are sooner, as
    /// samples of AWS's documentation have it. AWS refuses it.
    pub both_rate_criteria: bool,
    /// Refuse to name an endpoint of the type `iot:Jobs`, as AWS does by now, though its reference
    /// still lists the type (API reference, DescribeEndpoint).
    pub iot_jobs_endpoint_retired: bool,
    /// Leave scheduled jobs out of ListJobs with the name of a group, as AWS does (aws-cli issue
    /// #8924).
    pub list_jobs_omits_scheduled_in_groups: bool,
    /// How many seconds a thing has to be in a group until a snapshot of the group shows it. On AWS
    /// it may take some (developer guide, jobs-troubleshooting).
    pub group_membership_lag_seconds: u32,
    /// How many minutes a schedule's start and end have to be ahead, and apart (developer guide,
    /// jobs-configurations-details).
    pub minimum_schedule_lead_minutes: u32,
    /// How many seconds an execution outlives its timers. On AWS it may be up to 60 (API reference,
    /// TimeoutConfig); here it is always as many.
    pub timeout_slack_seconds: u32,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            quotas: Quotas::default(),
            at_concurrency_limit: AtConcurrencyLimit::default(),
            strict_status_details: false,
            notify_next_per_namespace: false,
            events: false,
            both_rate_criteria: false,
            iot_jobs_endpoint_retired: false,
            list_jobs_omits_scheduled_in_groups: false,
            group_membership_lag_seconds: 0,
            minimum_schedule_lead_minutes: 30,
            timeout_slack_seconds: 0,
        }
    }
}

impl Knobs {
    /// Refuses to name an endpoint of the type `iot:Jobs` if it is retired.
    ///
    /// # Errors
    ///
    /// Fails in AWS's words (seen on the live service by MiniStack, 2026-09-19).
    pub fn refuse_retired_endpoint(&self, endpoint_type: Option<&str>) -> Result<(), ControlError> {
        if self.iot_jobs_endpoint_retired && endpoint_type == Some("iot:Jobs") {
            return Err(ControlError::InvalidRequest(
                "IoT Jobs and Commands APIs are now available through iot:Data-ATS endpoints \
                 instead of iot:Jobs endpoints. Please use iot:Data-ATS."
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// How long an execution outlives its timers.
    pub(super) fn timeout_slack(&self) -> Duration {
        Duration::from_secs(self.timeout_slack_seconds.into())
    }

    /// How long a thing has to be in a group until a snapshot of the group shows it.
    pub(super) fn group_membership_lag(&self) -> Duration {
        Duration::from_secs(self.group_membership_lag_seconds.into())
    }

    /// How far a schedule's start and end have to be ahead, and apart.
    pub(super) fn minimum_schedule_lead(&self) -> Duration {
        Duration::from_secs(u64::from(self.minimum_schedule_lead_minutes) * 60)
    }
}

/// What becomes of a new job while as many jobs roll out as may. AWS's texts disagree: by
/// jobs-troubleshooting of the developer guide it is refused, by jobs-configurations-details it is made
/// and waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AtConcurrencyLimit {
    /// It is made, and reaches nothing until fewer roll out.
    Hold,
    /// It is not made.
    #[default]
    Refuse,
}

impl AtConcurrencyLimit {
    /// The names of all choices.
    pub const NAMES: [&'static str; 2] = ["hold", "refuse"];

    /// The choice called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Hold, Self::Refuse]
            .into_iter()
            .find(|choice| choice.as_str() == name)
    }

    /// The choice's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Refuse => "refuse",
        }
    }
}
