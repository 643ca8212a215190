//! Why the service refused a request.

/// The `code` of a rejected request (AWS developer guide, `jobs-mqtt-api`, ErrorResponse).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// `InternalError`: the service failed; try again.
    InternalError,
    /// `InvalidJson`: the request is not a JSON object.
    InvalidJson,
    /// `InvalidRequest`: a member is missing, unknown or has a value that the service does not take.
    InvalidRequest,
    /// `InvalidStateTransition`: the execution has ended already, or a device may not set the status.
    InvalidStateTransition,
    /// `InvalidTopic`: no operation has the topic.
    InvalidTopic,
    /// `RequestThrottled`: too many requests; try again later.
    RequestThrottled,
    /// `ResourceNotFound`: no such execution.
    ResourceNotFound,
    /// `TerminalStateReached`: the execution described has ended.
    TerminalStateReached,
    /// A code that this version does not know, or none at all.
    Unknown,
    /// `VersionMismatch`: the execution is at another version than the one expected.
    VersionMismatch,
}

impl ErrorCode {
    const KNOWN: [Self; 9] = [
        Self::InternalError,
        Self::InvalidJson,
        Self::InvalidRequest,
        Self::InvalidStateTransition,
        Self::InvalidTopic,
        Self::RequestThrottled,
        Self::ResourceNotFound,
        Self::TerminalStateReached,
        Self::VersionMismatch,
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
            Self::InternalError => "InternalError",
            Self::InvalidJson => "InvalidJson",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidStateTransition => "InvalidStateTransition",
            Self::InvalidTopic => "InvalidTopic",
            Self::RequestThrottled => "RequestThrottled",
            Self::ResourceNotFound => "ResourceNotFound",
            Self::TerminalStateReached => "TerminalStateReached",
            Self::Unknown => "Unknown",
            Self::VersionMismatch => "VersionMismatch",
        }
    }

    /// Whether the same request may succeed later. A code that is not known may: giving up on it would lose a report.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::InternalError | Self::RequestThrottled | Self::Unknown => true,
            Self::InvalidJson
            | Self::InvalidRequest
            | Self::InvalidStateTransition
            | Self::InvalidTopic
            | Self::ResourceNotFound
            | Self::TerminalStateReached
            | Self::VersionMismatch => false,
        }
    }
}
