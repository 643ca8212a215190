//! A local service that speaks the AWS IoT Jobs APIs.
//!
//! It behaves as AWS IoT Jobs does, and on request as it does on a bad day: `docs/local-service-admin.md`
//! is the reference of its own paths, with faults that a seed decides and a clock that can be stepped
//! and scaled.

pub mod api;
pub mod artifacts;
pub mod broker;
pub mod clock;
pub mod device;
pub mod faults;
pub mod http;
pub mod model;
pub mod pki;
pub mod service;
pub mod shared;
pub mod store;
