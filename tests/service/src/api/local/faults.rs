//! `/_local/faults`: what goes wrong on purpose, and what did.

use std::collections::VecDeque;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Service;
use crate::api::Backend;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Json};
use crate::api::faults::CallFault;
use crate::artifacts::{DownloadFault, Faults};
use crate::device::faults::{DeviceFaults, NotificationFault, RequestFault};
use crate::faults::{Befallen, Fault, FaultError, Plan, Seconds, Standing};

/// The faults of all planes.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AllFaults {
    seed: u64,
    next_calls: VecDeque<CallFault>,
    all_calls: Standing<CallFault>,
    next_downloads: VecDeque<DownloadFault>,
    all_downloads: Standing<DownloadFault>,
    urls_expire_at_once: bool,
    urls_expire_after_seconds: Option<Seconds>,
    next_requests: VecDeque<RequestFault>,
    all_requests: Standing<RequestFault>,
    next_notifications: VecDeque<NotificationFault>,
    all_notifications: Standing<NotificationFault>,
}

impl AllFaults {
    fn read(service: &Backend) -> Self {
        let of_calls = service.calls.lock().clone();
        let of_downloads = service.artifacts.faults();
        let of_devices = service.shared.faults().clone();
        let standing = of_calls.standing().to_vec();
        Self {
            seed: of_calls.seed(),
            next_calls: of_calls.planned().clone(),
            all_calls: Standing(standing),
            next_downloads: of_downloads.downloads.planned().clone(),
            all_downloads: Standing(of_downloads.downloads.standing().to_vec()),
            urls_expire_at_once: of_downloads.urls_expire_at_once,
            urls_expire_after_seconds: of_downloads.urls_expire_after,
            next_requests: of_devices.requests.planned().clone(),
            all_requests: Standing(of_devices.requests.standing().to_vec()),
            next_notifications: of_devices.notifications.planned().clone(),
            all_notifications: Standing(of_devices.notifications.standing().to_vec()),
        }
    }

    /// Replaces all faults, or none if one is refused.
    fn apply(self, service: &Backend) -> Result<(), FaultError> {
        let seed = self.seed;
        let of_calls = Plan::new(self.next_calls, self.all_calls.0, seed)?;
        let of_downloads = Faults::new(
            Plan::new(self.next_downloads, self.all_downloads.0, seed)?,
            self.urls_expire_at_once,
            self.urls_expire_after_seconds,
        )?;
        let of_devices = DeviceFaults::new(
            Plan::new(self.next_requests, self.all_requests.0, seed)?,
            Plan::new(self.next_notifications, self.all_notifications.0, seed)?,
        );
        if of_devices.closes_connections() && !service.broker.has_connections() {
            return Err(FaultError::NoConnections);
        }
        *service.calls.lock() = of_calls;
        service.artifacts.set_faults(of_downloads);
        service.shared.set_faults(of_devices);
        Ok(())
    }
}

/// The faults to come, and how much of chance was used.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    faults: AllFaults,
    draws: Draws,
}

/// How many draws each plane made.
#[derive(Debug, Serialize)]
struct Draws {
    calls: u64,
    downloads: u64,
    requests: u64,
    notifications: u64,
}

impl Shown {
    fn read(service: &Backend) -> Self {
        let calls = service.calls.lock().draws();
        let of_devices = service.shared.faults();
        let draws = Draws {
            calls,
            downloads: service.artifacts.faults().downloads.draws(),
            requests: of_devices.requests.draws(),
            notifications: of_devices.notifications.draws(),
        };
        drop(of_devices);
        Self {
            faults: AllFaults::read(service),
            draws,
        }
    }
}

/// The faults that befell since they were planned.
#[derive(Debug, Serialize)]
pub(super) struct Log {
    calls: PlaneLog,
    downloads: PlaneLog,
    requests: PlaneLog,
    notifications: PlaneLog,
}

/// The last faults of one plane, and how many came before.
#[derive(Debug, Serialize)]
struct PlaneLog {
    befallen: VecDeque<Befallen>,
    forgotten: u64,
}

impl PlaneLog {
    fn of<F: Fault>(plan: &Plan<F>) -> Self {
        let (befallen, forgotten) = plan.log();
        Self {
            befallen: befallen.clone(),
            forgotten,
        }
    }
}

pub(super) async fn read(State(service): Service) -> Answer<Shown> {
    Answer(Shown::read(&service))
}

pub(super) async fn set(State(service): Service, Json(faults): Json<AllFaults>) -> Answered<Shown> {
    let applied = faults.apply(&service);
    applied.map_err(|error| ApiError::invalid_request(error.to_string()))?;
    Ok(Answer(Shown::read(&service)))
}

pub(super) async fn log(State(service): Service) -> Answer<Log> {
    let calls = PlaneLog::of(&service.calls.lock());
    let downloads = PlaneLog::of(&service.artifacts.faults().downloads);
    let of_devices = service.shared.faults();
    Answer(Log {
        calls,
        downloads,
        requests: PlaneLog::of(&of_devices.requests),
        notifications: PlaneLog::of(&of_devices.notifications),
    })
}
