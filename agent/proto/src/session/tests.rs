//! The session against a small driver and a small service that speak raw JSON.

extern crate std;

mod bench;
mod freed;
mod lanes;
mod random;
mod restart;
mod running;
mod saves;
mod service;
mod traps;
