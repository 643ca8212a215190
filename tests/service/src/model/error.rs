//! Why the service refuses a request.
//!
//! [`ControlError`] is for who makes jobs, [`PackageError`] for who keeps software packages,
//! [`DeviceError`] for who runs jobs. Exceptions and HTTP
//! statuses are those of the API reference pages of the operations.

use super::status::ExecutionState;

/// Why a control-plane request was refused.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The id of a job template is taken.
    #[error("{message}")]
    Conflict {
        /// What AWS says.
        message: String,
        /// The id that is taken.
        resource_id: String,
    },
    /// A member is missing, malformed or in conflict with another one.
    #[error("{0}")]
    InvalidRequest(String),
    /// The job or execution is in a state that does not allow this.
    #[error("{0}")]
    InvalidStateTransition(String),
    /// A quota is exhausted.
    #[error("{0}")]
    LimitExceeded(String),
    /// The name is taken.
    #[error("{message}")]
    ResourceAlreadyExists {
        /// What AWS says.
        message: String,
        /// The name or id that is taken.
        resource_id: String,
        /// Its ARN.
        resource_arn: String,
    },
    /// There is no such thing, group, job or execution.
    #[error("{0}")]
    ResourceNotFound(String),
    /// The expected version is not the stored one.
    #[error("Expected version {expected} but found version {found}")]
    VersionConflict {
        /// What the caller expected.
        expected: i64,
        /// What is stored.
        found: u64,
    },
}

impl ControlError {
    /// The exception's name, as in `x-amzn-ErrorType`.
    pub fn exception(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "ConflictException",
            Self::InvalidRequest(_) => "InvalidRequestException",
            Self::InvalidStateTransition(_) => "InvalidStateTransitionException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::ResourceAlreadyExists { .. } => "ResourceAlreadyExistsException",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::VersionConflict { .. } => "VersionConflictException",
        }
    }

    /// The HTTP status of the exception.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::InvalidRequest(_) => 400,
            Self::ResourceNotFound(_) => 404,
            Self::Conflict { .. }
            | Self::InvalidStateTransition(_)
            | Self::ResourceAlreadyExists { .. }
            | Self::VersionConflict { .. } => 409,
            Self::LimitExceeded(_) => 410,
        }
    }
}

/// Why a request about software packages was refused. Their operations have exceptions of their own.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// The name is taken, or the package or version is in a state that does not allow this.
    #[error("{message}")]
    Conflict {
        /// What is in the way.
        message: String,
        /// The name of what is in the way.
        resource_id: String,
    },
    /// There is no such package or version.
    #[error("{0}")]
    ResourceNotFound(String),
    /// A quota is exhausted.
    #[error("{0}")]
    ServiceQuotaExceeded(String),
    /// A member is missing, malformed or in conflict with another one.
    #[error("{0}")]
    Validation(String),
}

impl PackageError {
    /// The exception's name, as in `x-amzn-ErrorType`.
    pub fn exception(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "ConflictException",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::ServiceQuotaExceeded(_) => "ServiceQuotaExceededException",
            Self::Validation(_) => "ValidationException",
        }
    }

    /// The HTTP status of the exception.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Validation(_) => 400,
            Self::ServiceQuotaExceeded(_) => 402,
            Self::ResourceNotFound(_) => 404,
            Self::Conflict { .. } => 409,
        }
    }
}

/// Why a device-plane request was refused.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// A member is missing or malformed.
    #[error("{0}")]
    InvalidRequest(String),
    /// The execution has finished, or a device may not set that status.
    #[error("{message}")]
    InvalidStateTransition {
        /// What AWS says.
        message: String,
        /// The state the execution is in; absent when the status is one that no device may set.
        state: Option<ExecutionState>,
    },
    /// There is no such thing or execution in this namespace.
    #[error("{0}")]
    ResourceNotFound(String),
    /// A finished execution cannot be described.
    #[error("Job Execution has reached terminal state. It is neither IN_PROGRESS nor QUEUED")]
    TerminalStateReached,
    /// The expected version is not the stored one.
    #[error("Expected version {expected} but found version {found}", found = state.version_number)]
    VersionMismatch {
        /// What the device expected.
        expected: i64,
        /// The state the execution is in.
        state: ExecutionState,
    },
}

impl DeviceError {
    /// The `code` of a rejected answer over MQTT.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "InvalidRequest",
            Self::InvalidStateTransition { .. } => "InvalidStateTransition",
            Self::ResourceNotFound(_) => "ResourceNotFound",
            Self::TerminalStateReached => "TerminalStateReached",
            Self::VersionMismatch { .. } => "VersionMismatch",
        }
    }

    /// The exception's name over HTTP, as in `x-amzn-ErrorType`.
    ///
    /// A version mismatch has no shape of its own there.
    pub fn exception(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) | Self::VersionMismatch { .. } => "InvalidRequestException",
            Self::InvalidStateTransition { .. } => "InvalidStateTransitionException",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::TerminalStateReached => "TerminalStateException",
        }
    }

    /// The HTTP status of the exception.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::InvalidRequest(_) | Self::VersionMismatch { .. } => 400,
            Self::ResourceNotFound(_) => 404,
            Self::InvalidStateTransition { .. } => 409,
            Self::TerminalStateReached => 410,
        }
    }

    /// The state of the execution, where the service tells it.
    pub fn state(&self) -> Option<&ExecutionState> {
        match self {
            Self::InvalidStateTransition { state, .. } => state.as_ref(),
            Self::VersionMismatch { state, .. } => Some(state),
            Self::InvalidRequest(_) | Self::ResourceNotFound(_) | Self::TerminalStateReached => {
                None
            }
        }
    }
}
