//! `/_local/faults`: what goes wrong on purpose.

use std::collections::VecDeque;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Service;
use crate::api::Backend;
use crate::api::error::ApiError;
use crate::api::extract::{Answer, Answered, Json};
use crate::artifacts::{DownloadFault, Faults};
use crate::device::faults::{DeviceFaults, NotificationFault, RequestFault};

/// The faults of downloads and of the device plane.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AllFaults {
    next_downloads: VecDeque<DownloadFault>,
    all_downloads: DownloadFault,
    urls_expire_at_once: bool,
    next_requests: VecDeque<RequestFault>,
    all_requests: RequestFault,
    next_notifications: VecDeque<NotificationFault>,
    all_notifications: NotificationFault,
}

impl AllFaults {
    fn read(service: &Backend) -> Self {
        let of_downloads = service.artifacts.faults();
        let of_devices = service.shared.faults().clone();
        Self {
            next_downloads: of_downloads.next_downloads,
            all_downloads: of_downloads.all_downloads,
            urls_expire_at_once: of_downloads.urls_expire_at_once,
            next_requests: of_devices.next_requests,
            all_requests: of_devices.all_requests,
            next_notifications: of_devices.next_notifications,
            all_notifications: of_devices.all_notifications,
        }
    }

    fn apply(self, service: &Backend) -> Result<(), ApiError> {
        let of_downloads = Faults {
            next_downloads: self.next_downloads,
            all_downloads: self.all_downloads,
            urls_expire_at_once: self.urls_expire_at_once,
        };
        let of_devices = DeviceFaults {
            next_requests: self.next_requests,
            all_requests: self.all_requests,
            next_notifications: self.next_notifications,
            all_notifications: self.all_notifications,
            ..DeviceFaults::default()
        };
        let of_downloads = of_downloads.checked();
        let of_downloads =
            of_downloads.map_err(|error| ApiError::invalid_request(error.to_string()))?;
        let of_devices = of_devices.checked();
        let of_devices =
            of_devices.map_err(|error| ApiError::invalid_request(error.to_string()))?;
        service.artifacts.set_faults(of_downloads);
        service.shared.set_faults(of_devices);
        Ok(())
    }
}

pub(super) async fn read(State(service): Service) -> Answer<AllFaults> {
    Answer(AllFaults::read(&service))
}

pub(super) async fn set(
    State(service): Service,
    Json(faults): Json<AllFaults>,
) -> Answered<AllFaults> {
    faults.apply(&service)?;
    Ok(Answer(AllFaults::read(&service)))
}
