//! How much of everything one account may have: the limits of the rules of jobs.
//!
//! The defaults are AWS's for an account and region (AWS general reference, [AWS IoT Device Management
//! endpoints and quotas]). What AWS's service model itself says of a member, such as the length of a name, is no
//! quota and stands where the member is checked; how many requests a second are taken is
//! [`crate::throttle`]'s, and what one connection of a device may do is [`crate::broker::MqttQuotas`]'.
//!
//! [AWS IoT Device Management endpoints and quotas]: https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html

/// The longest document that CreateJob takes from the request itself (API reference, CreateJob).
pub(super) const INLINE_DOCUMENT_CHARACTERS: usize = 32_768;

/// The limits of one account. Pages are those of the AWS IoT developer guide unless another source is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Jobs that are scheduled or in progress (general reference, Jobs quotas: active jobs).
    pub active_jobs: u32,
    /// Jobs that roll out at one time (general reference, Jobs quotas: concurrent jobs).
    pub concurrent_jobs: u32,
    /// Jobs that are deleted at one time (job-limits).
    pub deleting_jobs: u32,
    /// Things and groups that one job names (general reference, Jobs quotas: targets per job).
    pub targets_per_job: u32,
    /// Things that one job reaches in a minute (general reference, Jobs quotas: job execution roll out
    /// rate).
    pub rollout_per_minute: u32,
    /// Bytes of a job document; one in the request is never longer than AWS's service model has it
    /// (general reference, Jobs quotas: job document size).
    pub document_bytes: u32,
    /// Job templates (general reference, Jobs quotas).
    pub job_templates: u32,
    /// Executions in a pending list (job-limits).
    pub pending_executions: u32,
    /// Executions of jobs with an open maintenance window in that list, beyond those (job-limits).
    pub pending_executions_in_window: u32,
    /// Pairs in status details (general reference, Jobs quotas).
    pub status_details_pairs: u32,
    /// Characters of a value in status details (general reference, Jobs quotas).
    pub status_details_value_characters: u32,
    /// Minutes of the in-progress and of the step timer (general reference, Jobs quotas).
    pub timeout_minutes: u32,
    /// Retries on one thing, of all failure types together (jobs-configurations-details).
    pub retries_per_thing: u32,
    /// Entries on one page of a list (general reference, Jobs quotas: list results per page).
    pub page_size: u32,
}

impl Quotas {
    /// The most that [`Quotas::document_bytes`] can be: the messages with the document must not exceed the
    /// payload limit of AWS IoT, 128 KiB. Ten URLs, status details at AWS's limits and the rest fit beside it.
    pub const DOCUMENT_BYTES_MAX: u32 = 112 * 1024;
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            active_jobs: 100_000,
            concurrent_jobs: 500,
            deleting_jobs: 10,
            targets_per_job: 100,
            rollout_per_minute: 1000,
            document_bytes: 32_768,
            job_templates: 100,
            pending_executions: 10,
            pending_executions_in_window: 5,
            status_details_pairs: 10,
            status_details_value_characters: 1024,
            timeout_minutes: 10_080,
            retries_per_thing: 10,
            page_size: 250,
        }
    }
}

/// A quota as a number of things in memory.
pub(crate) fn limit(quota: u32) -> usize {
    usize::try_from(quota).unwrap_or(usize::MAX)
}
