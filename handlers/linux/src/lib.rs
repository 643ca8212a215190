//! The job handlers of a Linux device.
#![expect(
    clippy::result_large_err,
    reason = "a failure holds its sentence, and is made once in a job"
)]

mod file;

pub use file::FileDownload;
