//! Runs AWS IoT Jobs on a Linux device.
#![allow(dead_code, unused_imports, reason = "the driver follows")]

mod cause;
mod device;
mod dispatch;
mod error;
mod fetch;
mod journal;
mod link;
mod run;
mod seat;
mod status;
mod timer;
mod tls;

fn main() {}
