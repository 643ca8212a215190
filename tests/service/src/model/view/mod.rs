//! What the control plane answers, in AWS's shapes: each of these serializes to the body of its
//! operation's response.

mod jobs;
mod packages;
mod templates;
mod things;

pub use jobs::*;
pub use packages::*;
pub use templates::*;
pub use things::*;
