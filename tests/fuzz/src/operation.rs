//! Requests that are almost right: an operation of the API with members and values of its own
//! vocabulary, some of them wrong, some of them too many.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use serde_json::{Map, Value, json};

use crate::stage::{ACCOUNT, REGION};

/// Service, method, path, and the names of the query and of the body. `*` stands for a name.
type Operation = (
    &'static str,
    Method,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const PAGE: &[&str] = &["maxResults", "nextToken"];
const JOB: &[&str] = &[
    "targets",
    "document",
    "documentSource",
    "description",
    "presignedUrlConfig",
    "targetSelection",
    "jobExecutionsRolloutConfig",
    "abortConfig",
    "timeoutConfig",
    "tags",
    "namespaceId",
    "jobTemplateArn",
    "jobExecutionsRetryConfig",
    "documentParameters",
    "schedulingConfig",
    "destinationPackageVersions",
];
const TEMPLATE: &[&str] = &[
    "jobArn",
    "document",
    "documentSource",
    "description",
    "presignedUrlConfig",
    "jobExecutionsRolloutConfig",
    "abortConfig",
    "timeoutConfig",
    "tags",
    "jobExecutionsRetryConfig",
    "maintenanceWindows",
    "destinationPackageVersions",
];
const MEMBERSHIP: &[&str] = &["thingGroupName", "thingGroupArn", "thingName", "thingArn"];
const IOT: &str = "iot";
const DATA: &str = "iot-jobs-data";
const LONGEST_LIST: usize = 10_000;
const LONGEST_TEXT: usize = 200_000;
const DEEPEST: usize = 100_000;

const OPERATIONS: &[Operation] = &[
    (IOT, Method::PUT, "/jobs/*", &[], JOB),
    (IOT, Method::GET, "/jobs/*", &["beforeSubstitution"], &[]),
    (
        IOT,
        Method::PATCH,
        "/jobs/*",
        &["namespaceId"],
        &[
            "description",
            "presignedUrlConfig",
            "jobExecutionsRolloutConfig",
            "abortConfig",
            "timeoutConfig",
            "jobExecutionsRetryConfig",
        ],
    ),
    (
        IOT,
        Method::DELETE,
        "/jobs/*",
        &["force", "namespaceId"],
        &[],
    ),
    (
        IOT,
        Method::PUT,
        "/jobs/*/cancel",
        &["force"],
        &["reasonCode", "comment"],
    ),
    (
        IOT,
        Method::GET,
        "/jobs/*/job-document",
        &["beforeSubstitution"],
        &[],
    ),
    (
        IOT,
        Method::POST,
        "/jobs/*/targets",
        &["namespaceId"],
        &["targets", "comment"],
    ),
    (
        IOT,
        Method::GET,
        "/jobs/*/things",
        &["status", "maxResults", "nextToken"],
        &[],
    ),
    (
        IOT,
        Method::GET,
        "/jobs",
        &[
            "status",
            "targetSelection",
            "maxResults",
            "nextToken",
            "thingGroupName",
            "thingGroupId",
            "namespaceId",
        ],
        &[],
    ),
    (
        IOT,
        Method::GET,
        "/things/*/jobs",
        &["status", "namespaceId", "maxResults", "nextToken", "jobId"],
        &[],
    ),
    (
        IOT,
        Method::GET,
        "/things/*/jobs/*",
        &["executionNumber"],
        &[],
    ),
    (
        IOT,
        Method::PUT,
        "/things/*/jobs/*/cancel",
        &["force"],
        &["expectedVersion", "statusDetails"],
    ),
    (
        IOT,
        Method::DELETE,
        "/things/*/jobs/*/executionNumber/1",
        &["force", "namespaceId"],
        &[],
    ),
    (IOT, Method::PUT, "/job-templates/*", &[], TEMPLATE),
    (IOT, Method::GET, "/job-templates/*", &[], &[]),
    (IOT, Method::DELETE, "/job-templates/*", &[], &[]),
    (IOT, Method::GET, "/job-templates", PAGE, &[]),
    (
        IOT,
        Method::GET,
        "/managed-job-templates",
        &["templateName", "maxResults"],
        &[],
    ),
    (
        IOT,
        Method::GET,
        "/managed-job-templates/*",
        &["templateVersion"],
        &[],
    ),
    (
        IOT,
        Method::POST,
        "/things/*",
        &[],
        &["attributePayload", "thingTypeName"],
    ),
    (
        IOT,
        Method::PATCH,
        "/things/*",
        &[],
        &["attributePayload", "expectedVersion"],
    ),
    (IOT, Method::DELETE, "/things/*", &["expectedVersion"], &[]),
    (
        IOT,
        Method::GET,
        "/things",
        &["attributeName", "attributeValue", "maxResults"],
        &[],
    ),
    (
        IOT,
        Method::POST,
        "/thing-groups/*",
        &[],
        &["parentGroupName", "thingGroupProperties", "tags"],
    ),
    (
        IOT,
        Method::DELETE,
        "/thing-groups/*",
        &["expectedVersion"],
        &[],
    ),
    (
        IOT,
        Method::GET,
        "/thing-groups",
        &["parentGroup", "recursive", "maxResults"],
        &[],
    ),
    (
        IOT,
        Method::GET,
        "/thing-groups/*/things",
        &["recursive", "maxResults", "nextToken"],
        &[],
    ),
    (
        IOT,
        Method::PUT,
        "/thing-groups/addThingToThingGroup",
        &[],
        MEMBERSHIP,
    ),
    (
        IOT,
        Method::PUT,
        "/thing-groups/removeThingFromThingGroup",
        &[],
        MEMBERSHIP,
    ),
    (IOT, Method::POST, "/tags", &[], &["resourceArn", "tags"]),
    (
        IOT,
        Method::GET,
        "/tags",
        &["resourceArn", "nextToken"],
        &[],
    ),
    (
        IOT,
        Method::POST,
        "/untag",
        &[],
        &["resourceArn", "tagKeys"],
    ),
    (
        IOT,
        Method::PATCH,
        "/event-configurations",
        &[],
        &["eventConfigurations"],
    ),
    (DATA, Method::GET, "/things/*/jobs", &[], &[]),
    (
        DATA,
        Method::PUT,
        "/things/*/jobs/$next",
        &[],
        &["statusDetails", "stepTimeoutInMinutes"],
    ),
    (
        DATA,
        Method::GET,
        "/things/*/jobs/*",
        &["includeJobDocument", "executionNumber"],
        &[],
    ),
    (
        DATA,
        Method::POST,
        "/things/*/jobs/*",
        &[],
        &[
            "status",
            "statusDetails",
            "stepTimeoutInMinutes",
            "expectedVersion",
            "includeJobExecutionState",
            "includeJobDocument",
            "executionNumber",
        ],
    ),
];

/// The values of members by their names; a text stands for itself.
const NAMES: &[&str] = &[
    "J1",
    "J2",
    "J3",
    "J4",
    "J5",
    "N1",
    "N2",
    "t1",
    "t2",
    "t3",
    "t4",
    "site",
    "hall",
    "T1",
    "acme",
    "AWS-Reboot",
    "$next",
    "",
    "%",
    "%00",
    "%C3%28",
    "..",
    "a%2Fb",
    "a:b",
    "\u{1F680}",
];
const TEXTS: &[&str] = &[
    "QUEUED",
    "IN_PROGRESS",
    "SUCCEEDED",
    "FAILED",
    "TIMED_OUT",
    "REJECTED",
    "REMOVED",
    "CANCELED",
    "SCHEDULED",
    "COMPLETED",
    "DELETION_IN_PROGRESS",
    "SNAPSHOT",
    "CONTINUOUS",
    "ALL",
    "CANCEL",
    "STOP_ROLLOUT",
    "FORCE_CANCEL",
    "acme",
    "J1",
    "t1",
    "site",
    "hall",
    "",
    "\u{0}",
    "\u{202E}",
    "{}",
    "[]",
    "null",
    "{\"a\":1}",
    "${aws:iot:s3-presigned-url:https://s3.amazonaws.com/images/image}",
    "${aws:iot:s3-presigned-url:",
    "${aws:iot:parameter:x}",
    "https://s3.amazonaws.com/images/image",
    "s3://images/image",
    "https://images.s3.eu-west-1.amazonaws.com/image",
    "2026-10-21T08:30",
    "2026-10-21T09:00",
    "2027-10-21T08:30",
    "2028-02-29T23:59",
    "9999-99-99T99:99",
    "cron(0/15 8-18 ? * MON-FRI *)",
    "* * * * ? *",
    "0 0 29 2 ? *",
    "0 0 31 2 ? *",
    "0 0 LW * ? *",
    "0 0 ? * 6#5 *",
    "0 0 15W * ? 2199",
    "0-59/1 0-23 1-31 JAN-DEC ? 1970-2199",
    "arn:aws:iot:",
    "1",
    "0",
    "-1",
    "true",
    "false",
    "18446744073709551616",
];
const NUMBERS: &[i64] = &[
    0,
    1,
    2,
    3,
    5,
    10,
    59,
    60,
    100,
    250,
    251,
    1000,
    1001,
    1430,
    3600,
    10_080,
    -1,
    i64::MAX,
    i64::MIN,
];

/// One request.
pub fn request(bytes: &mut Unstructured<'_>) -> Result<Request<Body>> {
    let (service, method, path, query, members) = bytes.choose(OPERATIONS)?;
    let mut uri = String::new();
    for (at, part) in path.split('*').enumerate() {
        if at > 0 {
            uri.push_str(&label(bytes.choose(NAMES)?));
        }
        uri.push_str(part);
    }
    let mut mark = '?';
    for name in *query {
        if bytes.ratio(1, 3)? {
            uri = format!("{uri}{mark}{name}={}", label(bytes.choose(TEXTS)?));
            mark = '&';
        }
    }
    let mut body = Map::new();
    for name in *members {
        if bytes.ratio(1, 3)? || matches!(*name, "targets" | "document") && bytes.ratio(9, 10)? {
            body.insert((*name).to_owned(), member(name, bytes)?);
        }
    }
    let credential = format!("local/20261021/{REGION}/{service}/aws4_request");
    let mut text = Value::Object(body).to_string();
    if bytes.ratio(1, 50)? {
        text = "[".repeat(bytes.int_in_range(0..=DEEPEST)?);
    }
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(
            AUTHORIZATION,
            format!("AWS4-HMAC-SHA256 Credential={credential}"),
        )
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(text));
    Ok(request.unwrap_or_default())
}

/// Escapes what a path or a query cannot hold; what is escaped already stays, right or wrong.
fn label(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:$%~".contains(&byte);
    let escape = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A value for a member, mostly of the right shape.
fn member(name: &str, bytes: &mut Unstructured<'_>) -> Result<Value> {
    if bytes.ratio(1, 20)? {
        return anything(bytes, 3);
    }
    Ok(match name {
        "targets" => targets(bytes)?,
        "resourceArn" | "jobArn" | "jobTemplateArn" | "thingArn" | "thingGroupArn" => {
            target(bytes)?
        }
        "tags" => list(bytes, |bytes| {
            Ok(json!({"Key": text(bytes)?, "Value": text(bytes)?}))
        })?,
        "tagKeys" => list(bytes, text)?,
        "presignedUrlConfig" => object(bytes, &["roleArn", "expiresInSec"])?,
        "roleArn" => json!(format!("arn:aws:iam::{ACCOUNT}:role/r")),
        "timeoutConfig" => object(bytes, &["inProgressTimeoutInMinutes"])?,
        "jobExecutionsRolloutConfig" => object(bytes, &["maximumPerMinute", "exponentialRate"])?,
        "exponentialRate" => object(
            bytes,
            &[
                "baseRatePerMinute",
                "incrementFactor",
                "rateIncreaseCriteria",
            ],
        )?,
        "incrementFactor" | "thresholdPercentage" => number_with_fraction(bytes)?,
        "rateIncreaseCriteria" => object(
            bytes,
            &["numberOfNotifiedThings", "numberOfSucceededThings"],
        )?,
        "abortConfig" | "jobExecutionsRetryConfig" => object(bytes, &["criteriaList"])?,
        "criteriaList" => list(bytes, |bytes| {
            let names = [
                "failureType",
                "action",
                "thresholdPercentage",
                "minNumberOfExecutedThings",
                "numberOfRetries",
            ];
            object(bytes, &names)
        })?,
        "schedulingConfig" => object(
            bytes,
            &["startTime", "endTime", "endBehavior", "maintenanceWindows"],
        )?,
        "maintenanceWindows" => list(bytes, |bytes| {
            object(bytes, &["startTime", "durationInMinutes"])
        })?,
        "attributePayload" => object(bytes, &["attributes", "merge"])?,
        "thingGroupProperties" => object(bytes, &["thingGroupDescription", "attributePayload"])?,
        "attributes" | "statusDetails" | "documentParameters" => map(bytes, text)?,
        "eventConfigurations" => map(bytes, |bytes| object(bytes, &["Enabled"]))?,
        "destinationPackageVersions" => list(bytes, text)?,
        "merge" | "Enabled" | "force" | "includeJobDocument" | "includeJobExecutionState" => {
            json!(bytes.arbitrary::<bool>()?)
        }
        "expiresInSec"
        | "inProgressTimeoutInMinutes"
        | "maximumPerMinute"
        | "baseRatePerMinute"
        | "numberOfNotifiedThings"
        | "numberOfSucceededThings"
        | "minNumberOfExecutedThings"
        | "numberOfRetries"
        | "durationInMinutes"
        | "expectedVersion"
        | "executionNumber"
        | "stepTimeoutInMinutes" => json!(bytes.choose(NUMBERS)?),
        _ => text(bytes)?,
    })
}

fn object(bytes: &mut Unstructured<'_>, names: &[&str]) -> Result<Value> {
    let mut object = Map::new();
    for name in names {
        if bytes.ratio(4, 5)? {
            object.insert((*name).to_owned(), member(name, bytes)?);
        }
    }
    Ok(Value::Object(object))
}

fn map(
    bytes: &mut Unstructured<'_>,
    value: impl Fn(&mut Unstructured<'_>) -> Result<Value>,
) -> Result<Value> {
    let mut object = Map::new();
    for at in 0..length(bytes)? {
        let key = match at {
            0..8 => (*bytes.choose(TEXTS)?).to_owned(),
            at => format!("k{at}"),
        };
        object.insert(key, value(bytes)?);
    }
    Ok(Value::Object(object))
}

fn list(
    bytes: &mut Unstructured<'_>,
    entry: impl Fn(&mut Unstructured<'_>) -> Result<Value>,
) -> Result<Value> {
    let entries = (0..length(bytes)?).map(|_| entry(bytes));
    Ok(Value::Array(entries.collect::<Result<_>>()?))
}

/// Few, mostly; sometimes more than anybody should send.
fn length(bytes: &mut Unstructured<'_>) -> Result<usize> {
    match bytes.ratio(1, 100)? {
        true => bytes.int_in_range(0..=LONGEST_LIST),
        false => bytes.int_in_range(0..=3),
    }
}

fn target(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let kind = bytes.choose(&["thing", "thinggroup", "job", "jobtemplate", "x"])?;
    let name = bytes.choose(NAMES)?;
    Ok(json!(format!(
        "arn:aws:iot:{REGION}:{ACCOUNT}:{kind}/{name}"
    )))
}

/// Few targets, or more than a job may have, and each another one.
fn targets(bytes: &mut Unstructured<'_>) -> Result<Value> {
    if bytes.ratio(49, 50)? {
        return list(bytes, target);
    }
    let length = bytes.int_in_range(0..=LONGEST_LIST)?;
    Ok((0..length).map(|at| format!("x{at}")).collect())
}

fn text(bytes: &mut Unstructured<'_>) -> Result<Value> {
    if bytes.ratio(1, 200)? {
        let letter = *bytes.choose(&["a", "\u{e9}", "\\", "\"", " "])?;
        return Ok(json!(
            letter.repeat(bytes.int_in_range(0..=LONGEST_TEXT)? / letter.len())
        ));
    }
    Ok(json!(bytes.choose(TEXTS)?))
}

fn number_with_fraction(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let number = bytes.choose(&[
        0.0, 1.0, 1.1, 1.5, 5.0, 5.1, 50.0, 99.99, 100.0, 1e308, -1e-300,
    ])?;
    Ok(json!(number))
}

fn anything(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kinds = if depth == 0 { 3 } else { 5 };
    Ok(match bytes.int_in_range(0..=kinds)? {
        0 => Value::Null,
        1 => json!(bytes.arbitrary::<bool>()?),
        2 => json!(bytes.choose(NUMBERS)?),
        3 => text(bytes)?,
        4 => list(bytes, |bytes| anything(bytes, depth - 1))?,
        _ => map(bytes, |bytes| anything(bytes, depth - 1))?,
    })
}
