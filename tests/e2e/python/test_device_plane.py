"""The rules of the device plane over MQTT, the same on the service's own broker and on an outside one.

Needs awscrt, boto3 and a stage without an agent; MQTT_BROKER says which broker the devices are on:

    cargo run -p iot-jobs-kit --bin stage -- --no-agent -- python3 tests/e2e/python/test_device_plane.py
    cargo run -p iot-jobs-kit --bin stage -- --no-agent --mosquitto -- python3 tests/e2e/python/test_device_plane.py

Developer guide: jobs-mqtt-api, jobs-comm-notifications, iot-jobs-lifecycle, jobs-api (ErrorResponse).
"""

import json
import os
import threading
import time
import unittest
import urllib.request
import uuid

import boto3
from awscrt import mqtt
from awsiot import mqtt_connection_builder

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
THING = os.environ["THING_NAME"]
IS_EMBEDDED = os.environ["MQTT_BROKER"] == "embedded"
WITHIN = 20.0
NAMESPACE = "acme"
IOT = boto3.client("iot")


def local(path, body=None):
    request = urllib.request.Request(f"{ENDPOINT}/_local/{path}", data=json.dumps(body or {}).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Device:
    """One connection of the thing, and everything that arrived on it, in order."""

    def __init__(self):
        self.arrived, self.news = [], threading.Condition()
        self.connection = mqtt_connection_builder.mtls_from_path(
            endpoint=os.environ["MQTT_HOST"],
            port=int(os.environ["MQTT_PORT"]),
            cert_filepath=os.environ["THING_CERTIFICATE"],
            pri_key_filepath=os.environ["THING_KEY"],
            ca_filepath=os.environ["ROOT_CA"],
            client_id=f"plane-{uuid.uuid4().hex[:8]}",
            clean_session=True,
            on_connection_interrupted=self.on_interrupted,
        )
        self.interrupted = threading.Event()
        self.connection.on_message(self.on_message)
        self.connection.connect().result(WITHIN)

    def on_interrupted(self, connection, error, **_):
        self.interrupted.set()

    def on_message(self, topic, payload, **_):
        with self.news:
            self.arrived.append((topic.removeprefix(f"$aws/things/{THING}/jobs/"), payload))
            self.news.notify_all()

    def subscribe(self, *suffixes):
        for suffix in suffixes:
            topic = suffix if suffix.startswith("$aws/events") else f"$aws/things/{THING}/jobs/{suffix}"
            future, _ = self.connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE)
            assert future.result(WITHIN)["qos"] == mqtt.QoS.AT_LEAST_ONCE, topic

    def publish(self, suffix, payload):
        future, _ = self.connection.publish(f"$aws/things/{THING}/jobs/{suffix}", payload, mqtt.QoS.AT_LEAST_ONCE)
        return future

    def wait(self, what, count=1):
        """The `count`th message that `what` picks, whenever it arrived."""
        with self.news:
            found = self.news.wait_for(lambda: len(list(filter(what, self.arrived))) >= count, WITHIN)
            assert found, f"nothing of the kind among {self.arrived}"
            return list(filter(what, self.arrived))[count - 1]

    def ask(self, suffix, **members):
        """The verdict and the body of the answer to a request."""
        token = uuid.uuid4().hex
        self.publish(suffix, json.dumps({**members, "clientToken": token})).result(WITHIN)
        topic, payload = self.wait(lambda message: message[0].startswith(f"{suffix}/") and token.encode() in message[1])
        body = json.loads(payload)
        assert body.pop("clientToken") == token
        return topic.removeprefix(f"{suffix}/"), body

    def accepted(self, suffix, **members):
        verdict, body = self.ask(suffix, **members)
        assert verdict == "accepted", body
        return body

    def rejected(self, suffix, **members):
        verdict, body = self.ask(suffix, **members)
        assert verdict == "rejected", body
        return body

    def told(self):
        """What it was notified of up to now, and forgets it: everything before the answer to a question has arrived."""
        self.accepted("get")
        with self.news:
            told = [(topic, json.loads(payload)) for topic, payload in self.arrived if topic.startswith("notify")]
            self.arrived = []
        return told

    def close(self):
        self.connection.disconnect().result(WITHIN)


class DevicePlane(unittest.TestCase):
    def setUp(self):
        local("clock", {"frozen": True})
        local("reset")
        self.arn = IOT.create_thing(thingName=THING)["thingArn"]
        self.device = Device()
        self.addCleanup(self.device.close)
        self.device.subscribe("get/+", "start-next/+", "+/get/+", "+/update/+", "notify", "notify-next")

    def create(self, job, document=None, **members):
        document = json.dumps(document or {"operation": "hello"})
        IOT.create_job(jobId=job, targets=[self.arn], document=document, **members)

    def execution(self, job):
        return IOT.describe_job_execution(jobId=job, thingName=THING)["execution"]

    def start(self, job, **members):
        self.create(job, **members)
        self.device.accepted(f"{job}/update", status="IN_PROGRESS")

    # What is pending.

    def test_a_thing_without_jobs_has_empty_lists_and_nothing_next(self):
        self.assertEqual(self.device.accepted("get")["inProgressJobs"], [])
        self.assertEqual(self.device.accepted("get")["queuedJobs"], [])
        self.assertEqual(list(self.device.accepted("$next/get")), ["timestamp"])
        self.assertEqual(list(self.device.accepted("start-next")), ["timestamp"])

    def test_a_new_job_is_notified_and_is_next(self):
        self.create("j", {"operation": "hello", "count": 3})
        (first, listed), (second, following) = self.device.told()
        self.assertEqual((first, second), ("notify", "notify-next"))
        self.assertEqual([summary["jobId"] for summary in listed["jobs"]["QUEUED"]], ["j"])
        self.assertNotIn("IN_PROGRESS", listed["jobs"])
        execution = following["execution"]
        self.assertEqual(execution["jobDocument"], {"operation": "hello", "count": 3})
        self.assertEqual((execution["versionNumber"], execution["executionNumber"]), (1, 1))
        self.assertNotIn("thingName", execution)
        self.assertEqual(self.device.accepted("$next/get")["execution"], execution)

    def test_a_job_behind_another_is_listed_but_not_next(self):
        self.create("j")
        self.device.told()
        self.create("k")
        self.assertEqual([topic for topic, _ in self.device.told()], ["notify"])

    def test_a_start_is_not_notified(self):
        self.create("j")
        self.device.told()
        started = self.device.accepted("start-next", statusDetails={"step": "one"})["execution"]
        self.assertEqual((started["status"], started["versionNumber"]), ("IN_PROGRESS", 2))
        self.assertEqual(self.device.told(), [])

    def test_starting_again_hands_out_the_same_and_changes_nothing(self):
        self.create("j")
        started = self.device.accepted("start-next", statusDetails={"step": "one"})["execution"]
        again = self.device.accepted("start-next", statusDetails={"step": "two"})["execution"]
        self.assertEqual(again, started)

    def test_the_end_is_answered_then_notified_then_the_next_is_told(self):
        self.create("j")
        self.create("k")
        self.device.told()
        self.device.accepted("j/update", status="SUCCEEDED")
        self.device.wait(lambda message: message[0] == "notify-next")
        order = [topic for topic, _ in self.device.arrived]
        self.assertEqual(order, ["j/update/accepted", "notify", "notify-next"])
        told = dict(self.device.told())
        self.assertEqual(told["notify-next"]["execution"]["jobId"], "k")

    def test_the_last_end_empties_the_list_and_leaves_nothing_next(self):
        self.start("j")
        self.device.told()
        self.device.accepted("j/update", status="SUCCEEDED")
        told = dict(self.device.told())
        self.assertEqual(told["notify"]["jobs"], {})
        self.assertEqual(list(told["notify-next"]), ["timestamp"])

    def test_the_list_ends_after_ten(self):
        for number in range(12):
            self.create(f"j{number}")
        self.assertEqual(len(self.device.accepted("get")["queuedJobs"]), 10)

    # Updates.

    def test_an_update_answers_no_more_than_what_was_asked_for(self):
        self.create("j")
        self.assertEqual(list(self.device.accepted("j/update", status="IN_PROGRESS")), ["timestamp"])
        full = self.device.accepted(
            "j/update", status="IN_PROGRESS", includeJobExecutionState=True, includeJobDocument=True
        )
        self.assertEqual(full["executionState"], {"status": "IN_PROGRESS", "versionNumber": 3})
        self.assertEqual(full["jobDocument"], {"operation": "hello"})

    def test_details_stay_unless_given_and_are_replaced_whole(self):
        self.create("j")
        self.device.accepted("j/update", status="IN_PROGRESS", statusDetails={"a": "1", "b": "2"})
        self.device.accepted("j/update", status="IN_PROGRESS")
        self.assertEqual(self.execution("j")["statusDetails"]["detailsMap"], {"a": "1", "b": "2"})
        self.device.accepted("j/update", status="IN_PROGRESS", statusDetails={"c": "3"})
        self.assertEqual(self.execution("j")["statusDetails"]["detailsMap"], {"c": "3"})

    def test_a_version_that_is_not_the_stored_one_is_a_mismatch(self):
        self.create("j")
        refused = self.device.rejected("j/update", status="IN_PROGRESS", expectedVersion=99)
        self.assertEqual(refused["code"], "VersionMismatch")
        self.assertEqual(refused["message"], "Expected version 99 but found version 1")
        self.assertEqual(refused["executionState"], {"status": "QUEUED", "versionNumber": 1})

    def test_a_version_may_be_written_as_a_string(self):
        self.create("j")
        self.device.accepted("j/update", status="IN_PROGRESS", expectedVersion="1")

    def test_a_terminal_execution_is_not_changed_and_not_described(self):
        self.create("j")
        self.device.accepted("j/update", status="FAILED")
        refused = self.device.rejected("j/update", status="SUCCEEDED")
        self.assertEqual((refused["code"], refused["executionState"]["status"]), ("InvalidStateTransition", "FAILED"))
        self.assertEqual(self.device.rejected("j/get")["code"], "TerminalStateReached")
        self.assertEqual(self.execution("j")["status"], "FAILED")

    def test_a_status_that_only_the_service_sets_is_refused(self):
        self.create("j")
        for status in ["QUEUED", "CANCELED", "TIMED_OUT", "REMOVED"]:
            refused = self.device.rejected("j/update", status=status)
            self.assertEqual(refused["code"], "InvalidStateTransition")
            self.assertNotIn("executionState", refused)

    def test_a_bad_request_is_refused_and_changes_nothing(self):
        self.create("j")
        for members in [
            {},
            {"status": "DONE"},
            {"status": "FAILED", "statusDetails": {"a": "line\nbreak"}},
            {"status": "FAILED", "statusDetails": {"a": "x" * 1025}},
            {"status": "FAILED", "statusDetails": {f"k{number}": "v" for number in range(11)}},
            {"status": "IN_PROGRESS", "stepTimeoutInMinutes": 0},
        ]:
            self.assertEqual(self.device.rejected("j/update", **members)["code"], "InvalidRequest", members)
        self.assertEqual(self.execution("j")["versionNumber"], 1)

    def test_what_is_not_there_is_not_found(self):
        self.assertEqual(self.device.rejected("none/get")["code"], "ResourceNotFound")
        self.create("j")
        self.assertEqual(self.device.rejected("j/get", executionNumber=7)["code"], "ResourceNotFound")
        self.assertEqual(self.device.rejected("j/update", status="FAILED", executionNumber=7)["code"], "ResourceNotFound")

    def test_what_is_no_json_object_is_invalid_json(self):
        for payload in [b"{", b"[]", b"\xff"]:
            self.device.arrived = []
            self.device.publish("get", payload).result(WITHIN)
            _, refused = self.device.wait(lambda message: message[0] == "get/rejected")
            self.assertEqual(json.loads(refused)["code"], "InvalidJson", payload)

    def test_an_empty_payload_is_an_empty_request(self):
        self.device.publish("$next/get", b"").result(WITHIN)
        _, answer = self.device.wait(lambda message: message[0] == "$next/get/accepted")
        self.assertEqual(list(json.loads(answer)), ["timestamp"])

    # Cancels and timers.

    def test_a_forced_cancel_is_told_by_the_lists_alone(self):
        self.start("j")
        self.device.told()
        IOT.cancel_job(jobId="j", force=True)
        told = dict(self.device.told())
        self.assertEqual(told["notify"]["jobs"], {})
        refused = self.device.rejected("j/update", status="SUCCEEDED")
        self.assertEqual((refused["code"], refused["executionState"]["status"]), ("InvalidStateTransition", "CANCELED"))

    def test_a_cancel_leaves_what_runs(self):
        self.start("j")
        self.device.told()
        IOT.cancel_job(jobId="j")
        self.assertEqual(self.device.told(), [])
        self.device.accepted("j/update", status="SUCCEEDED")

    def test_a_step_timer_that_runs_out_is_told(self):
        self.create("j")
        self.device.accepted("j/update", status="IN_PROGRESS", stepTimeoutInMinutes=1)
        self.device.told()
        local("clock", {"advance": 61})
        self.assertEqual(dict(self.device.told())["notify"]["jobs"], {})
        refused = self.device.rejected("j/update", status="SUCCEEDED")
        self.assertEqual(refused["executionState"]["status"], "TIMED_OUT")

    def test_a_step_timer_ends_no_later_than_the_job_timer(self):
        self.create("j", timeoutConfig={"inProgressTimeoutInMinutes": 2})
        self.device.accepted("j/update", status="IN_PROGRESS", stepTimeoutInMinutes=9)
        left = self.device.accepted("j/get")["execution"]["approximateSecondsBeforeTimedOut"]
        self.assertEqual(left, 120)

    def test_a_retry_is_a_new_execution_that_is_told(self):
        retry = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1}]}
        self.start("j", jobExecutionsRetryConfig=retry)
        self.device.told()
        self.device.accepted("j/update", status="FAILED")
        told = self.device.told()
        following = [body for topic, body in told if topic == "notify-next"][-1]["execution"]
        self.assertEqual((following["executionNumber"], following["versionNumber"]), (2, 1))

    # Namespaces.

    def test_a_namespace_has_topics_and_a_queue_of_its_own(self):
        spaced = f"namespace-{NAMESPACE}"
        self.device.subscribe(f"notify-{spaced}", f"notify-next-{spaced}", f"+/{spaced}/get/+", f"+/{spaced}/update/+")
        self.create("j", namespaceId=NAMESPACE)
        told = dict(self.device.told())
        self.assertEqual(set(told), {f"notify-{spaced}", f"notify-next-{spaced}"})
        self.assertEqual(list(self.device.accepted("$next/get")), ["timestamp"])
        self.assertEqual(self.device.rejected("j/get")["code"], "ResourceNotFound")
        found = self.device.accepted(f"$next/{spaced}/get")["execution"]
        self.assertEqual(found["jobId"], "j")
        self.device.accepted(f"j/{spaced}/update", status="SUCCEEDED")
        self.assertEqual(self.execution("j")["status"], "SUCCEEDED")

    # Faults.

    def test_a_lost_answer_was_still_done(self):
        self.create("j")
        local("faults", {"nextRequests": [{"operation": "update", "drop": True}]})
        self.device.publish("j/update", json.dumps({"status": "SUCCEEDED"})).result(WITHIN)
        refused = self.device.rejected("j/update", status="SUCCEEDED")
        self.assertEqual(refused["executionState"]["status"], "SUCCEEDED")

    def test_a_throttled_request_is_not_done(self):
        self.create("j")
        local("faults", {"nextRequests": [{"operation": "update", "code": "RequestThrottled"}]})
        self.assertEqual(self.device.rejected("j/update", status="SUCCEEDED")["code"], "RequestThrottled")
        self.assertEqual(self.execution("j")["status"], "QUEUED")

    def test_a_hidden_job_is_notified_before_it_is_seen(self):
        local("faults", {"nextRequests": [{"hideNext": 5}]})
        self.device.accepted("get")
        self.create("j")
        self.assertEqual(list(self.device.accepted("$next/get")), ["timestamp"])
        local("clock", {"advance": 6})
        self.assertEqual(self.device.accepted("$next/get")["execution"]["jobId"], "j")

    # What depends on the broker.

    def test_events_are_published_on_request(self):
        IOT.update_event_configurations(eventConfigurations={"JOB_EXECUTION": {"Enabled": True}})
        self.addCleanup(IOT.update_event_configurations, eventConfigurations={"JOB_EXECUTION": {"Enabled": False}})
        topic = "$aws/events/jobExecution/j/succeeded"
        self.device.subscribe(topic)
        self.start("j")
        self.device.accepted("j/update", status="SUCCEEDED")
        _, event = self.device.wait(lambda message: message[0] == topic)
        self.assertEqual(json.loads(event)["thingArn"], self.arn)

    @unittest.skipUnless(IS_EMBEDDED, "an outside broker sends to subscribers only")
    def test_an_answer_needs_no_subscription(self):
        device = Device()
        self.addCleanup(device.close)
        self.assertEqual(device.accepted("get")["queuedJobs"], [])

    @unittest.skipUnless(IS_EMBEDDED, "an outside broker sends to every connection of the thing that subscribed")
    def test_an_answer_goes_to_the_connection_that_asked(self):
        other = Device()
        self.addCleanup(other.close)
        other.subscribe("get/+")
        self.device.accepted("get")
        other.accepted("get")
        self.assertEqual(len(other.arrived), 1)

    @unittest.skipUnless(IS_EMBEDDED, "an outside broker does as its own configuration says; mosquitto discards")
    def test_who_publishes_what_the_policy_denies_is_disconnected(self):
        device = Device()
        device.connection.publish("$aws/things/another/jobs/get", "{}", mqtt.QoS.AT_MOST_ONCE)
        self.assertTrue(device.interrupted.wait(WITHIN))
        device.close()

    @unittest.skipIf(IS_EMBEDDED, "the service's own broker disconnects, see above")
    def test_the_broker_keeps_a_thing_from_the_topics_of_others(self):
        IOT.create_thing(thingName="another")
        arn = IOT.describe_thing(thingName="another")["thingArn"]
        IOT.create_job(jobId="theirs", targets=[arn], document="{}")
        body = json.dumps({"status": "SUCCEEDED"})
        topic = "$aws/things/another/jobs/theirs/update"
        self.device.connection.publish(topic, body, mqtt.QoS.AT_LEAST_ONCE)[0].result(WITHIN)
        self.device.accepted("get")
        told = IOT.describe_job_execution(jobId="theirs", thingName="another")["execution"]
        self.assertEqual(told["status"], "QUEUED")

    def test_a_connection_that_was_away_asks_and_goes_on(self):
        self.start("j")
        self.device.close()
        self.device.connection.connect().result(WITHIN)
        self.device.subscribe("get/+", "+/get/+", "+/update/+")
        pending = self.device.accepted("get")["inProgressJobs"]
        self.assertEqual([summary["jobId"] for summary in pending], ["j"])
        self.device.accepted("j/update", status="SUCCEEDED")

    def test_an_answer_is_one_message(self):
        for _ in range(3):
            self.device.accepted("get")
        topics = [topic for topic, _ in self.device.arrived]
        self.assertEqual(topics, ["get/accepted"] * 3)


if __name__ == "__main__":
    unittest.main()
