//! The JSON shapes of the Jobs protocol: requests written, answers and notifications scanned without a tree.

pub mod error;
pub mod execution;
pub mod request;
pub mod response;
pub mod status;

mod writer;
