//! How many files this process may have open: each connection is one.

use iot_jobs_local::service::CONNECTIONS_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What all connections that the service allows need, and the service itself.
const WANTED: u64 = CONNECTIONS_MAX as u64 + 256;

/// Allows this process as many open files as the system lets it have, and warns if connections will have to wait.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, highest) {
        Ok(()) => highest.current,
        Err(_) => limit.current,
    };
    if let Some(files) = current.filter(|files| *files < WANTED) {
        tracing::warn!(
            files,
            "few open files are allowed: further connections will wait\nhelp: raise the hard limit for thousands of devices: ulimit -Hn {WANTED}"
        );
    }
}
