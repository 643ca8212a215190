//! DescribeEndpoint: which endpoints there are.

use super::Model;
use super::error::ControlError;

const JOBS: &str = "iot:Jobs";

impl Model {
    /// Whether there is an endpoint of this type; it is always the same one.
    ///
    /// # Errors
    ///
    /// Fails in AWS's words for `iot:Jobs` if [`super::Knobs::iot_jobs_endpoint_retired`] is set (seen on
    /// the live service by MiniStack, 2026-09-19), and for what is no type.
    pub fn check_endpoint_type(&self, endpoint_type: Option<&str>) -> Result<(), ControlError> {
        let message = match endpoint_type {
            Some(JOBS) if self.knobs.iot_jobs_endpoint_retired => {
                "IoT Jobs and Commands APIs are now available through iot:Data-ATS endpoints \
                 instead of iot:Jobs endpoints. Please use iot:Data-ATS."
                    .to_owned()
            }
            None | Some("iot:Data" | "iot:Data-ATS" | JOBS) => return Ok(()),
            Some(other) => format!("The endpoint type {other} is not valid."),
        };
        Err(ControlError::InvalidRequest(message))
    }
}
