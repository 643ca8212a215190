//! DescribeEndpoint: which of AWS's endpoints the service stands in for.
//!
//! AWS has a host name for each type; here one host is all of them (API reference, DescribeEndpoint).

use super::error::ControlError;
use super::validate::{Text, Violations};

/// Where devices speak MQTT and the data plane. AWS sends who asks for `iot:Jobs` to `iot:Data-ATS`
/// (notes of MiniStack 1.5.33); the API reference still lists both.
const HERE: [&str; 3] = ["iot:Data", "iot:Data-ATS", "iot:Jobs"];
/// What AWS has besides.
const ELSEWHERE: [&str; 2] = ["iot:CredentialProvider", "iot:DeviceAdvisor"];
const TYPE: Text = Text {
    min: 0,
    max: 128,
    pattern: None,
};

/// Refuses a type of endpoint that is not here; who asks for none means the data plane.
pub fn check_endpoint_type(asked: Option<&String>) -> Result<(), ControlError> {
    let mut violations = Violations::default();
    violations.optional_text("endpointType", asked, TYPE);
    violations
        .into_result()
        .map_err(ControlError::InvalidRequest)?;
    match asked.map(String::as_str) {
        Some(elsewhere) if ELSEWHERE.contains(&elsewhere) => Err(ControlError::InvalidRequest(
            format!("The endpoint type {elsewhere} is not supported yet by this service."),
        )),
        Some(other) if !HERE.contains(&other) => Err(ControlError::InvalidRequest(format!(
            "The endpoint type {other} is not valid."
        ))),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(asked: &str) -> Option<String> {
        let refused = check_endpoint_type(Some(&asked.to_owned()));
        refused.err().map(|error| error.to_string())
    }

    #[test]
    fn the_data_plane_is_here_by_each_of_its_names() {
        assert_eq!(check_endpoint_type(None), Ok(()));
        for here in HERE {
            assert_eq!(refusal(here), None);
        }
    }

    #[test]
    fn a_type_of_aws_that_is_not_here_is_told_apart_from_nonsense() {
        for (asked, told) in [
            ("iot:CredentialProvider", "not supported yet"),
            ("iot:data-ats", "is not valid"),
            (&"x".repeat(129), "at 'endpointType'"),
        ] {
            let refusal = refusal(asked).unwrap();
            assert!(refusal.contains(told), "{refusal}");
        }
    }
}
