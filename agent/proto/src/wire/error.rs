//! wire/error
