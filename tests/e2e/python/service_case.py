"""What the tests of iot-jobs-local through boto3 share: clients, names, and how refusals are asserted.

Every answer of `iot` and `iot-jobs-data` that any client made here gets is held against botocore's model:
status, headers, and each member of the body.
"""

import json
import os
import weakref
import unittest
import urllib.request
from collections import defaultdict

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from service_shapes import WRITTEN_AS_NULL, members_of, misshapen

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = "eu-west-1"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/download"
BUCKET = "firmware"
IMAGE = bytes(range(256)) * 4096
# Lets requests through that boto3 itself would refuse.
UNCHECKED = Config(parameter_validation=False, retries={"max_attempts": 1})

# Refusals that the model does not know: what is not here, and what is at fault before any operation.
UNMODELLED = {"UnsupportedOperationException": 501, "UnknownOperationException": 404}
# What any operation may answer; here only a planned fault does. Source: API reference, CommonErrors.
COMMON = {"InternalFailureException": 500}
# Members of refusals that the model does not know. Source: API reference, UpdateJobExecution of the data plane.
BEYOND_THE_MODEL = {"UpdateJobExecution": {"executionState"}}
# Who looks at the answers that a client gets.
INSPECTORS = weakref.WeakKeyDictionary()


def client(name, **overrides):
    settings = dict(
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )
    made = boto3.client(name, **{**settings, **overrides})
    if name in ("iot", "iot-jobs-data"):
        INSPECTORS[made] = Inspector(made.meta.service_model)
        made.meta.events.register("response-received", INSPECTORS[made])
    return made


class Inspector:
    """Holds answers against the model, and remembers which members they had."""

    def __init__(self, service):
        self.service = service
        self.seen = defaultdict(set)

    def __call__(self, event_name, response_dict, **_):
        if response_dict is None:
            return
        operation = self.service.operation_model(event_name.rsplit(".", 1)[-1])
        faults = list(self.faults(operation, response_dict))
        assert not faults, f"{operation.name} answered {response_dict}: {faults}"

    def faults(self, operation, answer):
        headers, status = answer["headers"], answer["status_code"]
        if not headers.get("x-amzn-RequestId"):
            yield "no x-amzn-RequestId"
        if headers.get("content-type") != "application/json":
            yield f"content-type {headers.get('content-type')}"
        body = json.loads(answer["body"])
        if status == 200:
            shape = operation.output_shape
            self.seen[operation.name].update(members_of(body))
            nulls = WRITTEN_AS_NULL.get(operation.name, ())
            yield from misshapen(shape, body, nulls) if shape else [body] if body else []
        else:
            yield from self.faults_of_refusal(operation, headers.get("x-amzn-ErrorType"), status, body)

    def faults_of_refusal(self, operation, code, status, body):
        if code in UNMODELLED:
            if status != UNMODELLED[code]:
                yield f"{code} with status {status}"
            return
        modelled = {error.error_code: error for error in operation.error_shapes}
        if code in COMMON and code not in modelled:
            if status != COMMON[code]:
                yield f"{code} with status {status}"
            return
        if code not in modelled:
            yield f"{code} is no error of {operation.name}"
            return
        error = modelled[code]
        if status != error.metadata["error"]["httpStatusCode"]:
            yield f"{code} with status {status}"
        more = BEYOND_THE_MODEL.get(operation.name, ())
        yield from misshapen(error, {name: value for name, value in body.items() if name not in more})
        if not body.get("message"):
            yield "no message"


IOT = client("iot")
DATA = client("iot-jobs-data")
S3 = client("s3")


def local(method, path, body=None):
    """Asks the service itself, below /_local."""
    data = json.dumps(body).encode() if body is not None else b""
    request = urllib.request.Request(f"{ENDPOINT}/_local/{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def arn(kind, name, region=REGION):
    return f"arn:aws:iot:{region}:{ACCOUNT}:{kind}/{name}"


class ServiceTest(unittest.TestCase):
    def setUp(self):
        local("POST", "faults", {})
        local("POST", "reset")

    def refused(self, code, status, call, /, **request):
        """Asserts that a call is refused with this code and status, and returns its error."""
        with self.assertRaises(ClientError) as raised:
            call(**request)
        answer = raised.exception.response
        self.assertEqual(answer["Error"]["Code"], code, answer)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status, answer)
        self.assertTrue(answer["Error"]["Message"] or status == 404, answer)
        return raised.exception

    def invalid(self, call, /, **request):
        return self.refused("InvalidRequestException", 400, call, **request)

    def missing(self, call, /, **request):
        return self.refused("ResourceNotFoundException", 404, call, **request)

    def job(self, job_id, thing="gw-1", **members):
        """A job for one thing, which is made."""
        IOT.create_thing(thingName=thing)
        request = {"targets": [arn("thing", thing)], "document": '{"operation":"x"}', **members}
        return IOT.create_job(jobId=job_id, **request)

    def status(self, job_id, thing="gw-1"):
        return IOT.describe_job_execution(jobId=job_id, thingName=thing)["execution"]["status"]
