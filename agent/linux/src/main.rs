//! Runs AWS IoT Jobs on a Linux device.
//!
//! One process, one thread, one MQTT connection. The protocol lives in `iot-jobs-proto`, which owns no socket, clock or file;
//! this crate is the shell around it:
//!
//! ```text
//! cli ──▶ agent ──▶ driver ──┬─ link      the MQTT connection
//!                            ├─ dispatch  which handler runs a document
//!                            ├─ run       one handler at work ── device ── fetch, slots
//!                            ├─ journal   what is logged
//!                            ├─ status    what `status` answers
//!                            └─ systemd   what the supervisor is told
//! ```

mod agent;
mod cause;
mod cli;
mod device;
mod dispatch;
mod driver;
mod error;
mod fetch;
mod journal;
mod link;
mod lock;
mod run;
mod seat;
mod status;
mod systemd;
mod timer;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os().skip(1))
}
