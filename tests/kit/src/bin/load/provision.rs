//! Makes things, their certificates and the group that holds them all, through the service's HTTP plane.

use std::sync::mpsc::{self, SyncSender};
use std::thread;

use serde_json::{Value, json};

use iot_jobs_kit::service::Credentials;
use iot_jobs_kit::{Aws, AwsError, KitError};

use crate::device::Device;
use crate::report::Ticker;

/// The group of all things.
const GROUP: &str = "load";
/// Each of these keeps one HTTP connection open.
const WORKERS: usize = 4;

/// Makes the things, and the ARN of their group.
pub(crate) fn provision(aws: &Aws, things: usize) -> Result<(Vec<Device>, String), KitError> {
    let path = format!("/thing-groups/{GROUP}");
    let group = call(aws, "POST", &path, &json!({}))?;
    let arn = group.get("thingGroupArn").and_then(Value::as_str);
    let arn = arn.unwrap_or_default().to_owned();

    let mut devices = Vec::with_capacity(things);
    let mut ticker = Ticker::start();
    let (sender, receiver) = mpsc::sync_channel(WORKERS);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let sender = sender.clone();
            scope.spawn(move || make(aws, (worker..things).step_by(WORKERS), &sender));
        }
        drop(sender);
        for device in receiver {
            devices.push(device?);
            ticker.say(|| format!("{} of {things} things made", devices.len()));
        }
        Ok((devices, arn))
    })
}

/// Makes things until nobody wants them any more.
fn make(
    aws: &Aws,
    numbers: impl Iterator<Item = usize>,
    made: &SyncSender<Result<Device, KitError>>,
) {
    for number in numbers {
        if made.send(make_one(aws, number)).is_err() {
            return;
        }
    }
}

fn make_one(aws: &Aws, number: usize) -> Result<Device, KitError> {
    let thing = format!("load-{number:05}");
    call(aws, "POST", &format!("/things/{thing}"), &json!({}))?;
    let path = format!("/_local/things/{thing}/certificate");
    let credentials = call(aws, "POST", &path, &json!({}))?;
    let credentials: Credentials = serde_json::from_value(credentials)
        .map_err(|error| KitError::Build(format!("{path}: {error}")))?;
    let member = json!({"thingGroupName": GROUP, "thingName": thing});
    call(aws, "PUT", "/thing-groups/addThingToThingGroup", &member)?;
    Ok(Device { thing, credentials })
}

/// Calls the control plane.
pub(crate) fn call(aws: &Aws, method: &str, path: &str, body: &Value) -> Result<Value, KitError> {
    let answer = aws.call("iot", method, path, Some(body));
    answer.map_err(|source: AwsError| KitError::Aws {
        call: format!("{method} {path}"),
        source,
    })
}
