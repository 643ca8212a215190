//! wire/execution
