//! What a session is told once: whose jobs, which boot, how long to wait for what.

use core::time::Duration;

use crate::names::{JobId, Namespace, ThingName};

/// Which of the session's executions: an index below its `N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u8);

/// The identity of work: a job id alone comes again (continuous jobs, retries), the three together never do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExecutionId {
    /// The namespace that the job lives in.
    pub namespace: Namespace,
    /// The job.
    pub job: JobId,
    /// The execution's number on this device.
    pub number: i64,
}

/// What a session needs to know from the start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The device.
    pub thing: ThingName,
    /// The namespace that the session owns.
    pub namespace: Namespace,
    /// Names this boot of the device (`boot_id`): a different one at start means that the device rebooted.
    pub boot: u128,
    /// Whether the running image is on its trial boot, not confirmed yet (`BootState::Trial`). Only then is there something to
    /// roll back; `false` on a device without firmware slots.
    pub trial: bool,
    /// Seeds client tokens and jitter; different on every start.
    pub seed: u64,
    /// How long to wait for what.
    pub timing: Timing,
}

/// How long to wait for what. The default is the policy of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Until a request without an answer is sent again.
    pub answer_within: Duration,
    /// The step timer asked of the service with each update, in whole minutes; none when `None`.
    pub step_timeout: Option<Duration>,
    /// Least time between two progress updates.
    pub progress_every: Duration,
    /// Longest random wait before the first request after an outage.
    pub outage_jitter: Duration,
    /// Between two describes of `$next` while nothing else asks for one.
    pub poll_every: Duration,
    /// Least time between two describes started by notifications.
    pub describe_every: Duration,
    /// How long a reboot waits for its announcement to be accepted.
    pub reboot_within: Duration,
    /// Uptime after which an unconfirmed trial image is rolled back.
    pub trial_window: Duration,
    /// How long before the service's job timer the agent ends a job itself.
    pub deadline_margin: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(10),
            step_timeout: Some(Duration::from_secs(10 * 60)),
            progress_every: Duration::from_secs(5),
            outage_jitter: Duration::from_secs(30),
            poll_every: Duration::from_secs(30 * 60),
            describe_every: Duration::from_millis(200),
            reboot_within: Duration::from_secs(60),
            trial_window: Duration::from_secs(30 * 60),
            deadline_margin: Duration::from_secs(90),
        }
    }
}
