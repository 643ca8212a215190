//! wire/request
