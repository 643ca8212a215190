//! What the fuzz targets of the local service share: a service without sockets, and what must be
//! true of whatever it answers.

pub mod answer;
pub mod operation;
pub mod script;
mod setting;
pub mod stage;
