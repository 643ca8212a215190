"""Faults as a feature: what goes wrong on every plane, as clients see it, and why it is the same each time.

Devices are MQTT clients of AWS's device SDK. Needs what test_service_boto3.py needs, and awsiotsdk.
"""

import gzip
import hashlib
import json
import os
import queue
import re
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid

import botocore
from awscrt import mqtt
from awsiot import mqtt_connection_builder
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from test_service_boto3 import BUCKET, DATA, ENDPOINT, IMAGE, IOT, ROLE, S3, ServiceTest, arn, client, local

WITHIN = 20.0
# How long nothing is waited for: enough for an answer on loopback.
QUIET = 0.3
MASK = (1 << 64) - 1
REFERENCE = os.path.join(os.path.dirname(__file__), "../../../docs/local-service-admin.md")
PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 3})


def faults(**members):
    return local("POST", "faults", members)


def befallen(plane):
    return local("GET", "faults/log")[plane]["befallen"]


def draw(seed, stream, number):
    """The generator as docs/local-service-admin.md describes it."""
    state = 0xCBF29CE484222325
    for byte in stream.encode():
        state = (state ^ byte) * 0x100000001B3 & MASK
    z = (seed ^ state) + number * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return ((z ^ z >> 31) >> 11) / (1 << 53)


class Device:
    """A thing that hears all that is said to it, and asks under numbers of its own."""

    def __init__(self, thing):
        IOT.create_thing(thingName=thing)
        issued = local("POST", f"things/{thing}/certificate")
        self.root, self.heard, self.lost = f"$aws/things/{thing}/jobs/", queue.Queue(), threading.Event()
        self.connection = mqtt_connection_builder.mtls_from_bytes(
            cert_bytes=issued["certificatePem"].encode(),
            pri_key_bytes=issued["privateKey"].encode(),
            ca_bytes=issued["caPem"].encode(),
            endpoint=issued["endpoint"],
            port=issued["port"],
            client_id=f"{thing}-{uuid.uuid4().hex[:8]}",
            clean_session=True,
            on_connection_interrupted=lambda **_: self.lost.set(),
        )
        self.connection.connect().result(WITHIN)
        subscribed, _ = self.connection.subscribe(self.root + "#", mqtt.QoS.AT_LEAST_ONCE, self.hear)
        subscribed.result(WITHIN)

    def hear(self, topic, payload, **_):
        name = topic.removeprefix(self.root)
        if name.endswith(("/accepted", "/rejected")) or name.startswith("notify"):
            self.heard.put((name, json.loads(payload)))

    def ask(self, topic, token=None, **body):
        if token is not None:
            body["clientToken"] = str(token)
        published, _ = self.connection.publish(self.root + topic, json.dumps(body), mqtt.QoS.AT_LEAST_ONCE)
        published.result(WITHIN)

    def next(self, count=1):
        return [self.heard.get(timeout=WITHIN) for _ in range(count)]

    def topics(self, count):
        return [topic for topic, _ in self.next(count)]

    def is_quiet(self):
        time.sleep(QUIET)
        return self.heard.empty()

    def close(self):
        self.connection.disconnect().result(WITHIN)


class FaultsTest(ServiceTest):
    def setUp(self):
        super().setUp()
        local("POST", "clock", {"frozen": True})
        self.addCleanup(local, "POST", "clock", {"frozen": False, "scale": 1})

    def device(self, thing="gw-1"):
        device = Device(thing)
        self.addCleanup(device.close)
        return device


class Chance(FaultsTest):
    def test_the_faults_of_a_seed_are_those_of_the_documented_generator(self):
        device = self.device()
        self.job("j")
        device.next(2)
        for seed in [7, 2**64 - 1]:
            planned = faults(
                seed=seed,
                allRequests=[
                    {"operation": "update", "code": "InternalError", "chance": 0.3},
                    {"operation": "update", "code": "RequestThrottled", "chance": 0.5},
                ],
            )
            self.assertEqual((planned["seed"], planned["draws"]["requests"]), (seed, 0))
            codes, draws = {}, 0
            for number in range(1, 41):
                for place, (code, chance) in enumerate([("InternalError", 0.3), ("RequestThrottled", 0.5)]):
                    draws += 1
                    if draw(seed, f"Requests/gw-1/update/{place}", number) < chance:
                        codes[number] = code
                        break
            met = {}
            for number in range(1, 41):
                device.ask("j/update", token=number, status="IN_PROGRESS")
                device.ask("get", token=0)
                for topic, body in device.next(2):
                    if topic == "j/update/rejected":
                        met[int(body["clientToken"])] = body["code"]
            self.assertEqual(met, codes)
            self.assertEqual({each["number"]: each["fault"]["code"] for each in befallen("requests")}, codes)
            self.assertEqual(local("GET", "faults")["draws"]["requests"], draws)

    def test_what_one_device_meets_does_not_depend_on_the_others(self):
        devices = [self.device(f"gw-{number}") for number in range(3)]

        def rage(device):
            for number in range(30):
                device.ask("get", token=number)
            return device.next(30)

        def log(crowd):
            faults(seed=11, allRequests={"code": "InternalError", "chance": 0.5})
            threads = [threading.Thread(target=rage, args=[device]) for device in crowd]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return [(each["subject"], each["number"]) for each in befallen("requests")]

        together = log(devices)
        for number, device in enumerate(devices):
            alone = log([device])
            self.assertTrue(alone)
            self.assertEqual([each for each in together if each[0] == f"gw-{number}"], alone)

    def test_what_has_no_meaning_is_refused_and_nothing_is_replaced(self):
        before = faults(allRequests={"drop": True})
        for wrong, says in [
            ({"nextRequests": [{"drop": True, "chance": 0.5}]}, "a planned fault is certain"),
            ({"allRequests": {"chance": 1.5}}, "between 0 and 1"),
            ({"allCalls": {"operation": "CreateJobs"}}, "no operation"),
            ({"allDownloads": [{"drop": True}]}, "unknown field `drop`"),
            ({"allNotifications": {"delaySeconds": -1}}, "from 0 on"),
            ({"urlsExpireAfterSeconds": 0}, "between 1 and 604800"),
        ]:
            with self.assertRaises(urllib.error.HTTPError) as raised:
                faults(**wrong)
            self.assertEqual(raised.exception.code, 400)
            self.assertIn(says, json.load(raised.exception)["message"])
        self.assertEqual(local("GET", "faults"), before)


class Messages(FaultsTest):
    def test_a_late_notification_comes_by_the_clock(self):
        device = self.device()
        faults(nextNotifications=[{"kind": "notify", "delaySeconds": 60}])
        self.job("j")
        self.assertEqual(device.topics(1), ["notify-next"])
        self.assertTrue(device.is_quiet())
        local("POST", "clock", {"advance": 60})
        [(topic, body)] = device.next()
        self.assertEqual(topic, "notify")
        self.assertEqual(body["timestamp"], int(local("GET", "clock")["now"]) - 60)

    def test_an_answer_changes_places_with_the_next_message(self):
        device = self.device()
        self.job("j")
        device.next(2)
        faults(nextRequests=[{"operation": "update", "holdForMessages": 1}])
        device.ask("j/update", status="SUCCEEDED")
        self.assertEqual(device.topics(3), ["notify", "j/update/accepted", "notify-next"])

    def test_a_reset_drops_what_is_late(self):
        device = self.device()
        faults(nextRequests=[{"delaySeconds": 60}])
        device.ask("get")
        local("POST", "reset")
        local("POST", "clock", {"advance": 60})
        self.assertTrue(device.is_quiet())

    def test_a_job_is_hidden_for_a_while_after_its_notification(self):
        device = self.device()
        faults(nextNotifications=[{"kind": "notify-next", "hideNext": 5}])
        self.job("j")
        [_, (topic, body)] = device.next(2)
        self.assertEqual((topic, body["execution"]["jobId"]), ("notify-next", "j"))
        device.ask("start-next")
        [(topic, body)] = device.next()
        self.assertNotIn("execution", body)
        self.assertEqual(DATA.get_pending_job_executions(thingName="gw-1")["queuedJobs"], [])
        self.assertNotIn("execution", DATA.describe_job_execution(thingName="gw-1", jobId="$next"))
        local("POST", "clock", {"advance": 5})
        device.ask("start-next")
        [(topic, body), *_] = device.next()
        self.assertEqual(body["execution"]["jobId"], "j")

    def test_a_connection_ends_instead_of_an_answer(self):
        device, other = self.device(), self.device("gw-2")
        self.job("j")
        device.next(2)
        faults(nextRequests=[{"only": "gw-1", "closeConnection": True}])
        other.ask("get")
        self.assertEqual(other.topics(1), ["get/accepted"])
        device.ask("j/update", status="IN_PROGRESS")
        self.assertTrue(device.lost.wait(WITHIN))
        self.assertEqual(self.status("j"), "IN_PROGRESS")
        self.assertFalse(other.lost.is_set())

    def test_connections_end_on_demand(self):
        device, other = self.device(), self.device("gw-2")
        self.assertEqual(local("POST", "connections/close", {"thing": "gw-1"}), {"closed": 1})
        self.assertTrue(device.lost.wait(WITHIN))
        self.assertFalse(other.lost.is_set())
        self.assertGreaterEqual(local("POST", "connections/close")["closed"], 1)
        self.assertTrue(other.lost.wait(WITHIN))


class Calls(FaultsTest):
    def setUp(self):
        super().setUp()
        IOT.create_thing(thingName="gw-1")
        self.iot = client("iot", config=PATIENT)
        self.request = dict(jobId="j", targets=[arn("thing", "gw-1")], document="{}")

    def test_a_script_that_tries_again_gets_through(self):
        for code in ["ThrottlingException", "InternalFailureException", "ServiceUnavailableException"]:
            faults(nextCalls=[{"operation": "CreateJob", "code": code}] * 2)
            made = self.iot.create_job(**self.request)
            self.assertEqual(made["ResponseMetadata"]["RetryAttempts"], 2, code)
            IOT.delete_job(jobId="j", force=True)

    def test_a_script_that_tries_too_little_hears_why(self):
        faults(allCalls={"operation": "CreateJob", "code": "ThrottlingException"})
        self.refused("ThrottlingException", 400, self.iot.create_job, **self.request)
        self.assertEqual([each["kind"] for each in befallen("calls")], ["CreateJob"] * 3)
        self.missing(IOT.describe_job, jobId="j")

    def test_a_lost_answer_is_met_by_the_second_attempt(self):
        faults(nextCalls=[{"operation": "CreateJob", "drop": True}])
        self.refused("ResourceAlreadyExistsException", 409, self.iot.create_job, **self.request)
        faults(nextCalls=[{"operation": "DeleteJob", "ignore": True}])
        self.assertEqual(self.iot.delete_job(jobId="j", force=True)["ResponseMetadata"]["RetryAttempts"], 1)

    def test_an_answer_may_be_late(self):
        local("POST", "clock", {"frozen": False, "scale": 3600})
        faults(nextCalls=[{"operation": "DescribeThing", "delaySeconds": 1800}])
        began, start = time.monotonic(), local("GET", "clock")["now"]
        self.iot.describe_thing(thingName="gw-1")
        self.assertGreaterEqual(local("GET", "clock")["now"] - start, 1800)
        self.assertLess(time.monotonic() - began, WITHIN)

    def test_faults_of_devices_befall_the_data_plane(self):
        IOT.create_job(**self.request)
        data = client("iot-jobs-data", config=Config(retries={"total_max_attempts": 1}))
        update = dict(jobId="j", thingName="gw-1", status="IN_PROGRESS")
        faults(
            nextRequests=[
                {"operation": "update", "code": "RequestThrottled"},
                {"operation": "update", "code": "InternalError"},
                {"operation": "update", "ignore": True},
                {"operation": "update", "drop": True},
            ]
        )
        self.refused("ThrottlingException", 429, data.update_job_execution, **update)
        self.refused("ServiceUnavailableException", 503, data.update_job_execution, **update)
        self.assertRaises(ConnectionClosedError, data.update_job_execution, **update)
        self.assertEqual(self.status("j"), "QUEUED")
        self.assertRaises(ConnectionClosedError, data.update_job_execution, **update)
        self.assertEqual(self.status("j"), "IN_PROGRESS")

    def test_every_operation_that_can_be_named_is_the_one_of_botocore(self):
        path = os.path.join(os.path.dirname(botocore.__file__), "data/iot/2015-05-28/service-2.json.gz")
        with gzip.open(path) as file:
            operations = json.load(file)["operations"]
        met = []
        for name, operation in operations.items():
            try:
                faults(allCalls=[{"operation": name, "code": "ServiceUnavailableException"}])
            except urllib.error.HTTPError:
                continue
            path = re.sub(r"\{[^}]*\}", "x", operation["http"]["requestUri"])
            headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=local/20261120/eu-west-1/iot/aws4_request"}
            method = operation["http"]["method"]
            request = urllib.request.Request(ENDPOINT + path, b"{}", headers, method=method)
            with self.assertRaises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(request, timeout=WITHIN)
            if raised.exception.code == 503:
                self.assertEqual([each["kind"] for each in befallen("calls")], [name])
                met.append(name)
            else:
                # A route that the service does not have.
                self.assertEqual(raised.exception.code, 404, name)
        self.assertGreaterEqual(len(met), 50)
        self.assertTrue({"CreateJob", "CancelJobExecution", "AddThingToThingGroup"} <= set(met))


class Downloads(FaultsTest):
    def setUp(self):
        super().setUp()
        S3.create_bucket(Bucket=BUCKET)
        S3.put_object(Bucket=BUCKET, Key="image", Body=IMAGE)

    def url(self):
        """A fresh URL of the image, as a device gets it."""
        if not any(job["jobId"] == "j" for job in IOT.list_jobs()["jobs"]):
            document = json.dumps({"url": f"${{aws:iot:s3-presigned-url:https://s3.amazonaws.com/{BUCKET}/image}}"})
            self.job("j", document=document, presignedUrlConfig={"roleArn": ROLE, "expiresInSec": 3600})
        described = DATA.describe_job_execution(thingName="gw-1", jobId="j")
        url = json.loads(described["execution"]["jobDocument"])["url"]
        parts = urllib.parse.urlsplit(url)
        # The URL is for HTTPS on the same port; plain HTTP spares this test the authority.
        return urllib.request.Request(f"{ENDPOINT}{parts.path}?{parts.query}", headers={"Host": parts.netloc})

    def fetch(self, request=None):
        with urllib.request.urlopen(request or self.url(), timeout=WITHIN) as answer:
            return answer.read()

    def test_what_looks_whole_is_not(self):
        faults(nextDownloads=[{"truncateAfterBytes": 1000}, {"corruptByteAt": 2000}])
        self.assertEqual(self.fetch(), IMAGE[:1000])
        corrupt = self.fetch()
        self.assertEqual(len(corrupt), len(IMAGE))
        self.assertNotEqual(hashlib.sha256(corrupt).digest(), hashlib.sha256(IMAGE).digest())
        self.assertEqual([at for at, byte in enumerate(corrupt) if byte != IMAGE[at]], [2000])
        self.assertEqual(self.fetch(), IMAGE)

    def test_a_busy_store_says_when_to_come_back(self):
        faults(allDownloads={"object": f"{BUCKET}/image", "status": 503, "retryAfterSeconds": 7})
        with self.assertRaises(urllib.error.HTTPError) as raised:
            self.fetch()
        self.assertEqual((raised.exception.code, raised.exception.headers["Retry-After"]), (503, "7"))

    def test_urls_expire_early(self):
        faults(urlsExpireAfterSeconds=5)
        url = self.url()
        self.assertEqual(self.fetch(url), IMAGE)
        local("POST", "clock", {"advance": 6})
        with self.assertRaises(urllib.error.HTTPError) as raised:
            self.fetch(url)
        self.assertEqual(raised.exception.code, 403)
        self.assertEqual(self.fetch(), IMAGE)

    def test_chance_is_of_the_object(self):
        faults(seed=3, allDownloads={"status": 500, "chance": 0.5})
        met = []
        for number in range(1, 21):
            try:
                self.fetch()
            except urllib.error.HTTPError:
                met.append(number)
        stream = f"Downloads/{BUCKET}/image/download/0"
        self.assertEqual(met, [number for number in range(1, 21) if draw(3, stream, number) < 0.5])


class Clock(FaultsTest):
    def test_a_fast_clock_fires_timers_soon(self):
        self.job("j", timeoutConfig={"inProgressTimeoutInMinutes": 10})
        DATA.start_next_pending_job_execution(thingName="gw-1")
        self.assertEqual(local("POST", "clock", {"scale": 6000})["frozen"], True)
        self.assertEqual(self.status("j"), "IN_PROGRESS")
        local("POST", "clock", {"frozen": False})
        until = time.monotonic() + WITHIN
        while self.status("j") != "TIMED_OUT" and time.monotonic() < until:
            time.sleep(0.01)
        self.assertEqual(self.status("j"), "TIMED_OUT")


class Reference(FaultsTest):
    def test_the_examples_of_the_reference_run(self):
        IOT.create_thing(thingName="gw-1")
        with open(REFERENCE) as file:
            examples = re.findall(r"^```sh\n(.*?)^```", file.read(), re.DOTALL | re.MULTILINE)
        self.assertGreaterEqual(len(examples), 8)
        for example in examples:
            if "iot-jobs-local" in example:
                continue
            run = subprocess.run(["bash", "-euo", "pipefail", "-c", example], capture_output=True, text=True, timeout=WITHIN)
            self.assertEqual(run.returncode, 0, f"{example}\n{run.stderr}")


if __name__ == "__main__":
    unittest.main()
