//! The status of a job execution.

/// The status of a job execution, as the service spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// `CANCELED`: by the service; terminal.
    Canceled,
    /// `FAILED`: by the device; terminal, the service may retry.
    Failed,
    /// `IN_PROGRESS`: by the device.
    InProgress,
    /// `QUEUED`: by the service.
    Queued,
    /// `REJECTED`: by the device; terminal, never retried.
    Rejected,
    /// `REMOVED`: by the service; terminal.
    Removed,
    /// `SUCCEEDED`: by the device; terminal.
    Succeeded,
    /// `TIMED_OUT`: by the service; terminal, the service may retry.
    TimedOut,
    /// A status that this version does not know; never taken for terminal.
    Unknown,
}

impl Status {
    const KNOWN: [Self; 8] = [
        Self::Canceled,
        Self::Failed,
        Self::InProgress,
        Self::Queued,
        Self::Rejected,
        Self::Removed,
        Self::Succeeded,
        Self::TimedOut,
    ];

    /// Reads the service's spelling.
    pub fn parse(text: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str() == text)
            .unwrap_or(Self::Unknown)
    }

    /// The service's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
            Self::InProgress => "IN_PROGRESS",
            Self::Queued => "QUEUED",
            Self::Rejected => "REJECTED",
            Self::Removed => "REMOVED",
            Self::Succeeded => "SUCCEEDED",
            Self::TimedOut => "TIMED_OUT",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Whether the execution has ended.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Canceled
            | Self::Failed
            | Self::Rejected
            | Self::Removed
            | Self::Succeeded
            | Self::TimedOut => true,
            Self::InProgress | Self::Queued | Self::Unknown => false,
        }
    }
}
