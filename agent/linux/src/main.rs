//! x
#[allow(dead_code, unused_imports, reason = "driven by the driver")]
mod fetch;
fn main() {}
