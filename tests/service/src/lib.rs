//! A local service that speaks the AWS IoT Jobs APIs.

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
