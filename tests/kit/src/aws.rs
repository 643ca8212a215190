//! The calls of an operator, as an AWS SDK puts them on the wire.

use core::time::Duration;

use serde_json::{Value, json};

/// Region of every call.
pub const REGION: &str = "eu-west-1";

/// A client of the service's HTTP planes.
#[derive(Debug, Clone)]
pub struct Aws {
    endpoint: String,
    http: ureq::Agent,
}

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct AwsError {
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    /// The exception's name.
    pub code: String,
    /// The exception's message.
    pub message: String,
}

/// A job to create; `document` is sent as its JSON text.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// Its id.
    pub id: &'a str,
    /// The thing that is to run it.
    pub thing: &'a str,
    /// Its namespace, if not the default one.
    pub namespace: Option<&'a str>,
    /// Its document.
    pub document: Value,
}

impl Aws {
    /// A client for the service at `endpoint` (`http://127.0.0.1:PORT`).
    pub fn new(endpoint: &str) -> Self {
        let http = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Self {
            endpoint: endpoint.into(),
            http,
        }
    }

    /// Calls `METHOD path` of an AWS service (`iot`, `iot-jobs-data`); the JSON answer.
    pub fn call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, AwsError> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let answer = self.send(service, method, path, body.as_bytes())?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).map_err(|error| AwsError {
            status: 200,
            code: "NotJson".into(),
            message: error.to_string(),
        })
    }

    /// Makes the thing; the ARN.
    pub fn create_thing(&self, thing: &str) -> Result<String, AwsError> {
        let made = self.call("iot", "POST", &format!("/things/{thing}"), Some(&json!({})))?;
        Ok(text(&made, "/thingArn"))
    }

    /// Makes the bucket unless it is there, and puts an object into it.
    pub fn upload(&self, bucket: &str, key: &str, bytes: &[u8]) -> Result<(), AwsError> {
        match self.send("s3", "PUT", &format!("/{bucket}"), b"") {
            Err(error) if error.status != 409 => return Err(error),
            Ok(_) | Err(_) => {}
        }
        self.send("s3", "PUT", &format!("/{bucket}/{key}"), bytes)
            .map(drop)
    }

    /// Creates a job for one thing, with presigned URLs and a job timer of ten minutes.
    pub fn create_job(&self, job: &NewJob<'_>) -> Result<(), AwsError> {
        let mut request = json!({
            "targets": [self.create_thing(job.thing)?],
            "document": job.document.to_string(),
            "timeoutConfig": {"inProgressTimeoutInMinutes": 10},
            "presignedUrlConfig": {"roleArn": "arn:aws:iam::123456789012:role/jobs-download", "expiresInSec": 300},
        });
        if let (Some(namespace), Some(members)) = (job.namespace, request.as_object_mut()) {
            members.insert("namespaceId".into(), namespace.into());
        }
        self.call("iot", "PUT", &format!("/jobs/{}", job.id), Some(&request))
            .map(drop)
    }

    /// Cancels a job.
    pub fn cancel_job(&self, job: &str, force: bool) -> Result<(), AwsError> {
        self.call(
            "iot",
            "PUT",
            &format!("/jobs/{job}/cancel?force={force}"),
            Some(&json!({})),
        )
        .map(drop)
    }

    /// How many executions of a job the service counts under `counter`, such as `numberOfSucceededThings`.
    pub fn count(&self, job: &str, counter: &str) -> Result<i64, AwsError> {
        let answer = self.call("iot", "GET", &format!("/jobs/{job}"), None)?;
        let counters = answer.pointer("/job/jobProcessDetails");
        Ok(counters
            .and_then(|counters| counters.get(counter)?.as_i64())
            .unwrap_or_default())
    }

    /// The execution of a job on a thing.
    pub fn execution(&self, thing: &str, job: &str) -> Result<Execution, AwsError> {
        let answer = self.call("iot", "GET", &format!("/things/{thing}/jobs/{job}"), None)?;
        Ok(Execution(
            answer.pointer("/execution").cloned().unwrap_or_default(),
        ))
    }

    fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, AwsError> {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header("Authorization", scope)
            .header("Content-Type", "application/json")
            .body(body)
            .map_err(|error| unanswered(&error))?;
        let mut answer = self.http.run(request).map_err(|error| unanswered(&error))?;
        let status = answer.status().as_u16();
        let code = answer
            .headers()
            .get("x-amzn-errortype")
            .and_then(|code| code.to_str().ok())
            .unwrap_or_default();
        let code = code.to_owned();
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_vec()
            .map_err(|error| unanswered(&error))?;
        if status < 300 {
            return Ok(bytes);
        }
        let told = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
        let message = match told.pointer("/message").and_then(Value::as_str) {
            Some(message) => message.to_owned(),
            None => String::from_utf8_lossy(&bytes).into_owned(),
        };
        Err(AwsError {
            status,
            code,
            message,
        })
    }
}

/// An execution as DescribeJobExecution tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution(pub Value);

impl Execution {
    /// Its status.
    pub fn status(&self) -> String {
        text(&self.0, "/status")
    }

    /// One of its status details; empty when it has no such.
    pub fn detail(&self, key: &str) -> String {
        text(&self.0, &format!("/statusDetails/detailsMap/{key}"))
    }

    /// Its number.
    pub fn number(&self) -> i64 {
        self.0
            .pointer("/executionNumber")
            .and_then(Value::as_i64)
            .unwrap_or_default()
    }

    /// Whether it has ended.
    pub fn is_terminal(&self) -> bool {
        !matches!(self.status().as_str(), "QUEUED" | "IN_PROGRESS" | "")
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn unanswered(error: &dyn core::error::Error) -> AwsError {
    AwsError {
        status: 0,
        code: "NoAnswer".into(),
        message: error.to_string(),
    }
}
