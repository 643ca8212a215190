//! Runs AWS IoT Jobs on a Linux device.
#![allow(dead_code, unused_imports, reason = "the driver follows")]

mod cause;
mod fetch;
mod link;
mod timer;
mod tls;

fn main() {}
