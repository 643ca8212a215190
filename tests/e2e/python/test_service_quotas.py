"""Quotas, throttling and the other knobs of the service, as boto3 and a bare MQTT client see them.

Each test sets the knobs that it needs over /_local/knobs, with the clock stopped, and puts all back. Needs what
test_service_boto3.py needs, and the service's own broker.
"""

import json
import os
import socket
import ssl
import struct
import tempfile
import unittest
import urllib.error
from datetime import datetime, timedelta, timezone

from botocore.config import Config

from test_service_boto3 import BUCKET, DATA, ENDPOINT, IOT, S3, ServiceTest, arn, client, local

# boto3 repeats what was throttled, by itself; these do not.
ONCE = Config(retries={"total_max_attempts": 1})
IOT_ONCE = client("iot", config=ONCE)
DATA_ONCE = client("iot-jobs-data", config=ONCE)
MINUTE = 60
JOBS = "$aws/things/gw-1/jobs"


class KnobsTest(ServiceTest):
    def setUp(self):
        super().setUp()
        self.before = local("GET", "knobs")
        self.addCleanup(local, "POST", "knobs", self.before)
        local("POST", "clock", {"frozen": True})
        self.addCleanup(local, "POST", "clock", {"frozen": False})

    def knobs(self, **knobs):
        return local("POST", "knobs", knobs)

    def quotas(self, **quotas):
        return self.knobs(quotas=quotas)["quotas"]

    def limited(self, call, /, **request):
        return self.refused("LimitExceededException", 410, call, **request)

    def things(self, *names):
        for name in names:
            IOT.create_thing(thingName=name)
        return [arn("thing", name) for name in names]

    def create(self, job_id, targets, **members):
        return IOT.create_job(jobId=job_id, targets=targets, document="{}", **members)

    def slow(self, job_id, **members):
        """A job of three things that reaches one of them a minute."""
        rate = {"maximumPerMinute": 1}
        return self.create(job_id, self.things("a", "b", "c"), jobExecutionsRolloutConfig=rate, **members)

    def described(self, job_id):
        return IOT.describe_job(jobId=job_id)["job"]

    def time(self, minutes):
        now = datetime.fromtimestamp(local("GET", "clock")["now"], timezone.utc)
        return (now + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M")


def step(seconds):
    local("POST", "clock", {"advance": seconds})


class Names(KnobsTest):
    def test_every_knob_is_told_and_what_is_told_can_be_set(self):
        self.assertEqual(self.before["quotas"]["concurrentJobs"], 500)
        self.assertIsNone(self.before["quotas"]["requestsPerSecond"]["controlPlane"])
        self.assertEqual(self.before["atConcurrencyLimit"], "refuse")
        self.assertEqual(self.knobs(**self.before), self.before)

    def test_what_is_not_named_stays(self):
        changed = self.quotas(concurrentJobs=2)
        self.assertEqual(changed, {**self.before["quotas"], "concurrentJobs": 2})

    def test_every_problem_is_told_at_once_and_nothing_is_set(self):
        with self.assertRaises(urllib.error.HTTPError) as raised:
            self.knobs(events="yes", quotas={"concurrentJobs": 0, "pageSize": 10, "nothing": 1})
        answer = raised.exception
        self.assertEqual((answer.code, answer.headers["x-amzn-errortype"]), (400, "InvalidRequestException"))
        message = json.load(answer)["message"]
        for part in ["events cannot be", "quotas.concurrentJobs cannot be 0", "no knob quotas.nothing"]:
            self.assertIn(part, message)
        self.assertEqual(local("GET", "knobs"), self.before)

    def test_a_reset_forgets_no_knob(self):
        self.quotas(concurrentJobs=2)
        local("POST", "reset")
        self.assertEqual(local("GET", "knobs")["quotas"]["concurrentJobs"], 2)

    def test_the_quotas_of_aws_switch_the_rates_on(self):
        quotas = self.knobs(quotas="aws")["quotas"]
        rates = {"controlPlane": 10, "dataPlaneReads": 200, "dataPlaneWrites": 200}
        self.assertEqual(quotas["requestsPerSecond"], rates)
        self.assertEqual((quotas["connectsPerSecond"], quotas["publishesPerSecond"]), (1, 100))
        self.assertEqual(self.knobs(quotas="local"), self.before)


class Quotas(KnobsTest):
    def test_concurrent_jobs(self):
        self.quotas(concurrentJobs=1)
        self.slow("first")
        self.limited(self.slow, job_id="second")
        self.missing(IOT.describe_job, jobId="second")
        step(2 * MINUTE)
        self.slow("second")

    def test_active_jobs_count_scheduled_ones(self):
        self.quotas(activeJobs=2)
        targets = self.things("gw-1")
        self.create("a", targets)
        self.create("b", targets, schedulingConfig={"startTime": self.time(60)})
        self.limited(self.create, job_id="c", targets=targets)
        DATA.update_job_execution(jobId="a", thingName="gw-1", status="SUCCEEDED")
        self.create("c", targets)

    def test_targets(self):
        self.quotas(targetsPerJob=2)
        targets = self.things("a", "b", "c")
        self.create("two", targets[:2])
        self.limited(self.create, job_id="three", targets=targets)

    def test_rollout_rate(self):
        self.quotas(rolloutPerMinute=2000)
        targets = self.things("gw-1")
        self.create("fast", targets, jobExecutionsRolloutConfig={"maximumPerMinute": 2000})
        refused = self.invalid(
            self.create, job_id="faster", targets=targets, jobExecutionsRolloutConfig={"maximumPerMinute": 2001}
        )
        self.assertIn("less than or equal to 2000", str(refused))

    def test_document_size(self):
        S3.create_bucket(Bucket=BUCKET)
        for key, size in [("fits", 40_000), ("not", 40_001)]:
            S3.put_object(Bucket=BUCKET, Key=key, Body=b'"' + b"x" * (size - 2) + b'"')
        targets, source = self.things("gw-1"), f"https://s3.eu-west-1.amazonaws.com/{BUCKET}/"
        self.limited(IOT.create_job, jobId="j", targets=targets, documentSource=source + "fits")
        self.quotas(documentBytes=40_000)
        IOT.create_job(jobId="j", targets=targets, documentSource=source + "fits")
        self.limited(IOT.create_job, jobId="k", targets=targets, documentSource=source + "not")

    def test_job_templates(self):
        self.quotas(jobTemplates=1)
        IOT.create_job_template(jobTemplateId="a", description="d", document="{}")
        self.limited(IOT.create_job_template, jobTemplateId="b", description="d", document="{}")

    def test_pending_executions(self):
        self.quotas(pendingExecutions=2)
        targets = self.things("gw-1")
        for job_id in "abc":
            self.create(job_id, targets)
        pending = DATA.get_pending_job_executions(thingName="gw-1")
        self.assertEqual([each["jobId"] for each in pending["queuedJobs"]], ["a", "b"])

    def test_status_details(self):
        self.quotas(statusDetailsPairs=1, statusDetailsValueCharacters=3)
        self.create("j", self.things("gw-1"))
        update = dict(jobId="j", thingName="gw-1", status="IN_PROGRESS")
        DATA.update_job_execution(statusDetails={"k": "xyz"}, **update)
        self.invalid(DATA.update_job_execution, statusDetails={"k": "wxyz"}, **update)
        self.invalid(DATA.update_job_execution, statusDetails={"k": "x", "l": "y"}, **update)

    def test_timeouts_and_retries(self):
        self.quotas(timeoutMinutes=5, retriesPerThing=1)
        targets = self.things("gw-1")
        retry = lambda count: {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": count}]}
        self.create(
            "j", targets, timeoutConfig={"inProgressTimeoutInMinutes": 5}, jobExecutionsRetryConfig=retry(1)
        )
        self.invalid(self.create, job_id="k", targets=targets, timeoutConfig={"inProgressTimeoutInMinutes": 6})
        self.invalid(self.create, job_id="k", targets=targets, jobExecutionsRetryConfig=retry(2))

    def test_pages(self):
        self.quotas(pageSize=2)
        self.things("a", "b", "c")
        self.assertEqual(len(IOT.list_things()["things"]), 2)
        pages = list(IOT.get_paginator("list_things").paginate())
        self.assertEqual([len(page["things"]) for page in pages], [2, 1])


class Rates(KnobsTest):
    def throttled(self, status, call, /, **request):
        refused = self.refused("ThrottlingException", status, call, **request)
        self.assertEqual(refused.response["Error"]["Message"], "Rate exceeded")

    def test_the_eleventh_request_of_a_second_is_throttled_and_other_operations_are_not(self):
        self.quotas(requestsPerSecond={"controlPlane": 10})
        for _ in range(10):
            IOT_ONCE.list_jobs()
        for _ in range(3):
            self.throttled(400, IOT_ONCE.list_jobs)
        IOT_ONCE.list_job_templates()
        IOT_ONCE.list_things()
        DATA_ONCE.get_pending_job_executions(thingName=self.things("gw-1")[0].split("/")[1])
        step(0.1)
        IOT_ONCE.list_jobs()
        self.throttled(400, IOT_ONCE.list_jobs)
        step(1)
        for _ in range(10):
            IOT_ONCE.list_jobs()
        self.throttled(400, IOT_ONCE.list_jobs)

    def test_what_is_throttled_is_not_done(self):
        targets = self.things("gw-1")
        self.quotas(requestsPerSecond={"controlPlane": 1})
        request = dict(targets=targets, document="{}")
        IOT_ONCE.create_job(jobId="a", **request)
        self.throttled(400, IOT_ONCE.create_job, jobId="b", **request)
        self.missing(IOT_ONCE.describe_job, jobId="b")

    def test_boto3_gets_through_by_itself(self):
        local("POST", "clock", {"frozen": False})
        self.quotas(requestsPerSecond={"controlPlane": 10})
        patient = client("iot", config=Config(retries={"mode": "standard", "total_max_attempts": 10}))
        for _ in range(15):
            patient.list_jobs()

    def test_reads_and_writes_of_devices_are_throttled_apart(self):
        self.create("j", self.things("gw-1"))
        self.quotas(requestsPerSecond={"dataPlaneReads": 2, "dataPlaneWrites": 1})
        DATA_ONCE.get_pending_job_executions(thingName="gw-1")
        DATA_ONCE.describe_job_execution(thingName="gw-1", jobId="j")
        self.throttled(429, DATA_ONCE.get_pending_job_executions, thingName="gw-1")
        self.throttled(429, DATA_ONCE.describe_job_execution, thingName="gw-1", jobId="$next")
        DATA_ONCE.start_next_pending_job_execution(thingName="gw-1")
        update = dict(thingName="gw-1", jobId="j", status="SUCCEEDED")
        self.throttled(429, DATA_ONCE.update_job_execution, **update)
        step(1)
        DATA_ONCE.update_job_execution(**update)


class Choices(KnobsTest):
    def test_a_job_too_many_waits_where_that_is_chosen(self):
        self.knobs(atConcurrencyLimit="hold", quotas={"concurrentJobs": 1})
        self.slow("first")
        self.slow("second")
        second = self.described("second")
        self.assertEqual((second["status"], second["isConcurrent"]), ("IN_PROGRESS", False))
        self.assertEqual(second["jobProcessDetails"]["numberOfQueuedThings"], 0)
        step(2 * MINUTE)
        second = self.described("second")
        self.assertEqual((second["isConcurrent"], second["jobProcessDetails"]["numberOfQueuedThings"]), (True, 1))

    def test_a_scheduled_job_that_finds_no_turn_is_cancelled(self):
        self.knobs(minimumScheduleLeadMinutes=1, quotas={"concurrentJobs": 1})
        self.slow("late", schedulingConfig={"startTime": self.time(2)})
        self.slow("first")
        step(MINUTE)
        self.assertEqual(self.described("late")["status"], "SCHEDULED")
        step(MINUTE)
        late = self.described("late")
        self.assertEqual((late["status"], late["reasonCode"]), ("CANCELED", "CONCURRENT_JOBS_LIMIT"))

    def test_a_snapshot_misses_who_has_just_joined(self):
        self.knobs(groupMembershipLagSeconds=5)
        self.things("gw-1")
        IOT.create_thing_group(thingGroupName="g")
        IOT.add_thing_to_thing_group(thingGroupName="g", thingName="gw-1")
        group = [arn("thinggroup", "g")]
        queued = lambda job_id: self.described(job_id)["jobProcessDetails"]["numberOfQueuedThings"]
        self.create("early", group)
        self.create("continuous", group, targetSelection="CONTINUOUS")
        self.assertEqual((queued("early"), queued("continuous")), (0, 1))
        step(5)
        self.create("later", group)
        self.assertEqual(queued("later"), 1)

    def test_an_execution_times_out_late(self):
        self.knobs(timeoutSlackSeconds=60)
        self.create("j", self.things("gw-1"), timeoutConfig={"inProgressTimeoutInMinutes": 1})
        DATA.start_next_pending_job_execution(thingName="gw-1")
        step(119)
        self.assertEqual(self.status("j"), "IN_PROGRESS")
        step(1)
        self.assertEqual(self.status("j"), "TIMED_OUT")

    def test_the_jobs_endpoint_is_retired(self):
        IOT.describe_endpoint(endpointType="iot:Jobs")
        self.knobs(iotJobsEndpointRetired=True)
        refused = self.invalid(IOT.describe_endpoint, endpointType="iot:Jobs")
        self.assertIn("Please use iot:Data-ATS.", str(refused))
        IOT.describe_endpoint(endpointType="iot:Data-ATS")

    def test_the_jobs_of_a_group_without_the_scheduled_ones(self):
        IOT.create_thing_group(thingGroupName="g")
        self.create("j", [arn("thinggroup", "g")], schedulingConfig={"startTime": self.time(60)})
        self.assertEqual(len(IOT.list_jobs(thingGroupName="g")["jobs"]), 1)
        self.knobs(listJobsOmitsScheduledInGroups=True)
        self.assertEqual(IOT.list_jobs(thingGroupName="g")["jobs"], [])
        self.assertEqual(len(IOT.list_jobs()["jobs"]), 1)

    def test_a_rate_that_rises_by_both_criteria(self):
        criteria = {"numberOfNotifiedThings": 4, "numberOfSucceededThings": 4}
        rate = {"baseRatePerMinute": 2, "incrementFactor": 2.0, "rateIncreaseCriteria": criteria}
        request = dict(
            targets=self.things("gw-1"),
            jobExecutionsRolloutConfig={"maximumPerMinute": 10, "exponentialRate": rate},
        )
        self.invalid(self.create, job_id="j", **request)
        self.knobs(bothRateCriteria=True)
        self.create("j", **request)

    def test_events_are_switched_on(self):
        self.assertFalse(IOT.describe_event_configurations()["eventConfigurations"]["JOB"]["Enabled"])
        self.knobs(events=True)
        self.assertTrue(IOT.describe_event_configurations()["eventConfigurations"]["JOB"]["Enabled"])

    def test_details_that_are_no_strings(self):
        self.create("j", self.things("gw-1"))
        device = Device(self, 4)
        body = {"status": "IN_PROGRESS", "statusDetails": {"n": 1}, "clientToken": "t"}
        self.assertEqual(device.ask("j/update", body)[0], "j/update/accepted")
        self.knobs(strictStatusDetails=True)
        topic, answer = device.ask("j/update", body)
        self.assertEqual((topic, answer["code"]), ("j/update/rejected", "InvalidRequest"))


class Device:
    """Just enough of an MQTT client to see what the broker does: `version` is 4 for MQTT 3.1.1, or 5."""

    CONNACK, PUBLISH, PUBACK, SUBACK, DISCONNECT = 0x20, 0x30, 0x40, 0x90, 0xE0

    def __init__(self, test, version, client_id="gw-1"):
        self.version = version
        issued = local("POST", "things/gw-1/certificate")
        context = ssl.create_default_context(cadata=issued["caPem"])
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "identity.pem")
            with open(path, "w") as file:
                file.write(issued["certificatePem"] + issued["privateKey"])
            context.load_cert_chain(path)
        plain = socket.create_connection((issued["endpoint"], issued["port"]), timeout=20)
        self.socket = context.wrap_socket(plain, server_hostname=issued["endpoint"])
        test.addCleanup(self.socket.close)
        flags, keep_alive = 0x02, 60
        head = text("MQTT") + bytes([version, flags]) + struct.pack("!H", keep_alive)
        self.send(0x10, head + self.properties() + text(client_id))
        self.connack = self.receive()

    def properties(self):
        return b"\0" if self.version == 5 else b""

    def send(self, kind, body):
        length, rest = b"", len(body)
        while True:
            rest, digit = rest >> 7, rest & 0x7F
            length += bytes([digit | 0x80 if rest else digit])
            if not rest:
                break
        self.socket.sendall(bytes([kind]) + length + body)

    def receive(self):
        """The kind of the next packet and its body; None when the broker has hung up."""
        head = self.read(1)
        if not head:
            return None
        length, shift = 0, 0
        while True:
            digit = self.read(1)[0]
            length, shift = length | (digit & 0x7F) << shift, shift + 7
            if digit < 0x80:
                break
        return head[0], self.read(length)

    def read(self, length):
        data = b""
        while len(data) < length:
            try:
                more = self.socket.recv(length - len(data))
            except (ConnectionResetError, ssl.SSLEOFError):
                more = b""
            if not more:
                return data
            data += more
        return data

    def subscribe(self, *filters):
        options = b"".join(text(each) + b"\x01" for each in filters)
        self.send(0x82, struct.pack("!H", 1) + self.properties() + options)

    def publish(self, topic, body, qos=1):
        packet_id = struct.pack("!H", 7) if qos else b""
        payload = json.dumps(body).encode()
        self.send(0x30 | qos << 1, text(topic) + packet_id + self.properties() + payload)

    def ask(self, request, body):
        """Asks the service: the topic of the answer, below jobs/, and the answer."""
        self.publish(f"{JOBS}/{request}", body, qos=0)
        kind, packet = self.receive()
        assert kind == self.PUBLISH, hex(kind)
        (length,) = struct.unpack("!H", packet[:2])
        payload = packet[2 + length + len(self.properties()) :]
        return packet[2 : 2 + length].decode().removeprefix(f"{JOBS}/"), json.loads(payload)


def text(string):
    encoded = string.encode()
    return struct.pack("!H", len(encoded)) + encoded


class Devices(KnobsTest):
    def setUp(self):
        super().setUp()
        self.things("gw-1")

    def let_in(self, device):
        self.assertEqual((device.connack[0], device.connack[1][:2]), (Device.CONNACK, b"\0\0"))
        return device

    def test_a_request_beyond_the_rate_is_rejected_with_its_token(self):
        self.quotas(requestsPerSecond={"dataPlaneReads": 1})
        for version in (4, 5):
            with self.subTest(version=version):
                step(1)
                device = self.let_in(Device(self, version))
                self.assertEqual(device.ask("get", {})[0], "get/accepted")
                topic, answer = device.ask("$next/get", {"clientToken": "t"})
                self.assertEqual(topic, "$next/get/rejected")
                self.assertEqual((answer["code"], answer["clientToken"]), ("RequestThrottled", "t"))

    def test_a_client_id_connects_once_a_second(self):
        # The broker's clock does not stop, so that the quota is one that no slow machine refills: one in
        # a second, and the second CONNECT follows at once. It may still be the first of a new second.
        self.quotas(connectsPerSecond=1)
        for version in (4, 5):
            with self.subTest(version=version):
                for attempt in range(5):
                    Device(self, version, f"c{version}-{attempt}")
                    refused = Device(self, version, f"c{version}-{attempt}").connack
                    if refused is None or refused[1][1] != 0:
                        break
                if version == 4:
                    self.assertIsNone(refused)
                else:
                    self.assertEqual((refused[0], refused[1][1]), (Device.CONNACK, 0x97))
                self.let_in(Device(self, version, f"another-{version}"))

    def test_nine_filters_in_one_subscribe_end_the_connection(self):
        filters = [f"a/{number}" for number in range(9)]
        for version in (4, 5):
            with self.subTest(version=version):
                device = self.let_in(Device(self, version))
                device.subscribe(*filters[:8])
                self.assertEqual(device.receive()[0], Device.SUBACK)
                device.subscribe(*filters)
                if version == 5:
                    kind, body = device.receive()
                    self.assertEqual((kind, body[-9:]), (Device.SUBACK, b"\x97" * 9))
                    kind, body = device.receive()
                    self.assertEqual((kind, body[0]), (Device.DISCONNECT, 0x97))
                self.assertIsNone(device.receive())

    def test_more_subscriptions_than_the_quota_fail_alone(self):
        self.quotas(subscriptionsPerConnection=1)
        for version, code in ((4, 0x80), (5, 0x97)):
            with self.subTest(version=version):
                device = self.let_in(Device(self, version))
                device.subscribe("a", "b")
                kind, body = device.receive()
                self.assertEqual((kind, body[-2:]), (Device.SUBACK, bytes([1, code])))
                self.assertEqual(device.ask("get", {})[0], "get/accepted")

    def test_what_the_policy_denies_ends_the_connection(self):
        foreign = "$aws/things/another/jobs/get"
        denials = [lambda device: device.publish(foreign, {}), lambda device: device.subscribe(foreign)]
        for version in (4, 5):
            for deny, answer in zip(denials, (Device.PUBACK, Device.SUBACK)):
                with self.subTest(version=version, answer=answer):
                    device = self.let_in(Device(self, version))
                    deny(device)
                    if version == 5:
                        kind, body = device.receive()
                        self.assertEqual((kind, 0x87 in body[2:]), (answer, True))
                        kind, body = device.receive()
                        self.assertEqual((kind, body[0]), (Device.DISCONNECT, 0x87))
                    self.assertIsNone(device.receive())

    def test_a_denied_filter_fails_alone_where_that_is_chosen(self):
        self.knobs(deniedFilterFailsAlone=True)
        for version, code in ((4, 0x80), (5, 0x87)):
            with self.subTest(version=version):
                device = self.let_in(Device(self, version))
                device.subscribe("a", "$aws/things/another/jobs/notify")
                kind, body = device.receive()
                self.assertEqual((kind, body[-2:]), (Device.SUBACK, bytes([1, code])))
                self.assertEqual(device.ask("get", {})[0], "get/accepted")

    def test_a_payload_beyond_the_quota_ends_the_connection(self):
        self.quotas(payloadBytes=100)
        for version in (4, 5):
            with self.subTest(version=version):
                device = self.let_in(Device(self, version))
                device.publish("a", "x" * 98)
                self.assertEqual(device.receive()[0], Device.PUBACK)
                device.publish("a", "x" * 99)
                if version == 5:
                    kind, body = device.receive()
                    self.assertEqual((kind, body[0]), (Device.DISCONNECT, 0x95))
                self.assertIsNone(device.receive())

    def test_all_that_is_wrong_with_a_request_is_told_at_once(self):
        device = self.let_in(Device(self, 4))
        body = {"clientToken": "t", "stepTimeoutInMinutes": 0, "statusDetails": {"a b": "c"}}
        topic, answer = device.ask("start-next", body)
        self.assertEqual((topic, answer["code"]), ("start-next/rejected", "InvalidRequest"))
        self.assertTrue(answer["message"].startswith("2 validation errors detected: Value "), answer)
        topic, answer = device.ask("start-next", {"clientToken": "t" * 5000})
        self.assertEqual((topic, answer["code"]), ("start-next/rejected", "InvalidRequest"))
        self.assertNotIn("clientToken", answer)


if __name__ == "__main__":
    unittest.main()
