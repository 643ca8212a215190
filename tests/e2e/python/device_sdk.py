#!/usr/bin/env python3
"""AWS's own device SDK as the device: takes a job from the service and completes it.

Runs on a stage without an agent. IotJobsClientV2, over MQTT 3.1.1 or 5.
"""
import argparse
import json
import os
import threading
import time
import uuid

import awsiot
import boto3
from awscrt import mqtt_request_response
from awsiot import ServiceStreamOptions, iotjobs, mqtt5_client_builder, mqtt_connection_builder

THING = os.environ["THING_NAME"]
WITHIN = 20.0


def client_311(client_id):
    connection = mqtt_connection_builder.mtls_from_path(**files(), client_id=client_id, clean_session=True)
    connection.connect().result(WITHIN)
    options = mqtt_request_response.ClientOptions(
        max_request_response_subscriptions=8, max_streaming_subscriptions=4, operation_timeout_in_seconds=int(WITHIN)
    )
    return iotjobs.IotJobsClientV2(connection, options), lambda: connection.disconnect().result(WITHIN)


def client_5(client_id):
    connected, stopped = threading.Event(), threading.Event()
    client = mqtt5_client_builder.mtls_from_path(
        **files(),
        client_id=client_id,
        on_lifecycle_connection_success=lambda _: connected.set(),
        on_lifecycle_stopped=lambda _: stopped.set(),
    )
    client.start()
    assert connected.wait(WITHIN), "no MQTT 5 connection"
    options = mqtt_request_response.ClientOptions(
        max_request_response_subscriptions=8, max_streaming_subscriptions=4, operation_timeout_in_seconds=int(WITHIN)
    )

    def close():
        client.stop()
        assert stopped.wait(WITHIN), "the MQTT 5 client did not stop"

    return iotjobs.IotJobsClientV2(client, options), close


def files():
    return dict(
        endpoint=os.environ["MQTT_HOST"],
        port=int(os.environ["MQTT_PORT"]),
        cert_filepath=os.environ["THING_CERTIFICATE"],
        pri_key_filepath=os.environ["THING_KEY"],
        ca_filepath=os.environ["ROOT_CA"],
    )


def stream(create, request):
    """Subscribes; the list that its events are put into, and an event that is set by each."""
    seen, news, subscribed = [], threading.Event(), threading.Event()

    def on_status(event):
        if event.type == mqtt_request_response.SubscriptionStatusEventType.SUBSCRIPTION_ESTABLISHED:
            subscribed.set()

    def on_event(event):
        seen.append(event)
        news.set()

    operation = create(
        request,
        ServiceStreamOptions(
            subscription_status_listener=on_status,
            incoming_event_listener=on_event,
            deserialization_failure_listener=lambda failure: print("cannot read", failure, flush=True),
        ),
    )
    operation.open()
    assert subscribed.wait(WITHIN), "no subscription"
    return operation, seen, news


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mqtt", choices=["3", "5"], required=True)
    args = parser.parse_args()

    iot = boto3.client("iot")
    jobs, close = (client_311 if args.mqtt == "3" else client_5)(f"sdk-{uuid.uuid4().hex[:8]}")

    changed, lists, listed = stream(
        jobs.create_job_executions_changed_stream,
        iotjobs.JobExecutionsChangedSubscriptionRequest(thing_name=THING),
    )
    pending = jobs.get_pending_job_executions(iotjobs.GetPendingJobExecutionsRequest(thing_name=THING)).result(WITHIN)
    assert not pending.queued_jobs and not pending.in_progress_jobs, "the thing is new"

    job = f"sdk-{uuid.uuid4().hex[:12]}"
    thing = iot.describe_thing(thingName=THING)["thingArn"]
    iot.create_job(jobId=job, targets=[thing], document=json.dumps({"operation": "hello", "count": 3}))
    assert listed.wait(WITHIN), "no notify"
    assert [summary.job_id for summary in lists[0].jobs["QUEUED"]] == [job], lists[0].jobs

    started = jobs.start_next_pending_job_execution(
        iotjobs.StartNextPendingJobExecutionRequest(thing_name=THING, status_details={"step": "one"})
    ).result(WITHIN)
    execution = started.execution
    assert (execution.job_id, execution.status, execution.version_number) == (job, "IN_PROGRESS", 2), execution
    assert execution.job_document == {"operation": "hello", "count": 3}, execution.job_document

    try:
        jobs.update_job_execution(
            iotjobs.UpdateJobExecutionRequest(thing_name=THING, job_id=job, status="IN_PROGRESS", expected_version=99)
        ).result(WITHIN)
        raise AssertionError("a wrong version was taken")
    except awsiot.V2ServiceException as refused:
        error = refused.modeled_error
        assert error.code == iotjobs.RejectedErrorCode.VERSION_MISMATCH, error.code
        assert error.execution_state.version_number == 2, error.execution_state

    jobs.update_job_execution(
        iotjobs.UpdateJobExecutionRequest(
            thing_name=THING, job_id=job, status="SUCCEEDED", expected_version=2, status_details={"done": "yes"}
        )
    ).result(WITHIN)
    told = iot.describe_job_execution(jobId=job, thingName=THING)["execution"]
    assert told["status"] == "SUCCEEDED", told
    assert told["statusDetails"]["detailsMap"] == {"done": "yes"}, told
    began = time.monotonic()
    while len(lists) < 2 and time.monotonic() - began < WITHIN:
        listed.clear()
        listed.wait(1)
    assert lists[1].jobs == {}, "the second notify empties the list"
    assert iot.describe_job(jobId=job)["job"]["status"] == "COMPLETED"

    del changed
    close()
    print(f"IotJobsClientV2 over MQTT {args.mqtt}: {job} SUCCEEDED")


if __name__ == "__main__":
    main()
