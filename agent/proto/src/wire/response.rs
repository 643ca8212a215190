//! wire/response
