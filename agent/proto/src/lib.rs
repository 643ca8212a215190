//! The sans-IO core of an AWS IoT Jobs agent.
//!
//! It owns no socket, clock, file, thread or random source: time and seeds are arguments. It allocates nothing, holds no
//! unsafe code and panics on no input. A shell drives it:
//!
//! ```text
//! loop {
//!     while let Some(action) = session.poll_action(&mut buffer) { execute(action) }
//!     while let Some(event) = session.poll_event() { log(event) }
//!     input = first of { message | link | handler | saved | timer at poll_timeout() }
//!     session.handle(now, input)
//! }
//! ```
#![no_std]

#[cfg(test)]
extern crate std;

pub mod backoff;
pub mod details;
mod division;
pub mod document;
pub mod event;
mod execution;
pub mod json;
pub mod names;
pub mod record;
pub mod redact;
mod report;
pub mod session;
pub mod time;
pub mod topic;
pub mod wire;
