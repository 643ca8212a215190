//! x
#[allow(dead_code, reason = "driven by the driver")]
mod fetch;
fn main() {}
