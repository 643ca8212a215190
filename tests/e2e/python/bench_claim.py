#!/usr/bin/env python3
"""How long from a job's notification to the agent's IN_PROGRESS, seen by a bystander on the broker.

Runs on a stage with mosquitto, whose subscribers see the requests of others:

    cargo run -p iot-jobs-kit --bin stage -- --mosquitto -- python tests/e2e/python/bench_claim.py

Prints the median beside that of a bare message to the broker and back, both over TLS, in the same run.
"""
import json
import os
import queue
import statistics
import time
import uuid

import boto3
from awscrt.mqtt import QoS
from awsiot import mqtt_connection_builder

THING = os.environ["THING_NAME"]
ROUNDS = 30
WITHIN = 20.0


def main():
    seen = queue.Queue()
    directory = os.environ["DEVICE_DIRECTORY"]
    connection = mqtt_connection_builder.mtls_from_path(
        endpoint=os.environ["MQTT_HOST"],
        port=int(os.environ["MQTT_PORT"]),
        cert_filepath=os.environ["THING_CERTIFICATE"],
        pri_key_filepath=os.environ["THING_KEY"],
        ca_filepath=os.path.join(directory, "broker-ca.pem"),
        client_id=f"bystander-{uuid.uuid4().hex[:8]}",
        clean_session=True,
    )
    connection.connect().result(WITHIN)

    def on_message(topic, payload, **_):
        seen.put((time.perf_counter(), topic, payload))

    subscribed, _ = connection.subscribe(f"$aws/things/{THING}/#", QoS.AT_LEAST_ONCE, on_message)
    subscribed.result(WITHIN)

    def next_on(suffix, contains=b""):
        while True:
            at, topic, payload = seen.get(timeout=WITHIN)
            if topic.endswith(suffix) and contains in payload:
                return at

    echoes, claims = [], []
    iot = boto3.client("iot")
    arn = iot.describe_thing(thingName=THING)["thingArn"]
    for number in range(ROUNDS):
        began = time.perf_counter()
        connection.publish(f"$aws/things/{THING}/bench/echo", b"{}", QoS.AT_LEAST_ONCE)
        echoes.append(next_on("/bench/echo") - began)

        job = f"bench-{uuid.uuid4().hex[:12]}"
        target = os.path.join(directory, "files", "bench")
        document = {"operation": "file-download", "url": "https://localhost:1/none", "path": target, "sha256": "0" * 64}
        iot.create_job(jobId=job, targets=[arn], document=json.dumps(document))
        notified = next_on("/jobs/notify-next", job.encode())
        claims.append(next_on(f"/jobs/{job}/update", b"IN_PROGRESS") - notified)
        iot.cancel_job(jobId=job, force=True)
        while not seen.empty():
            seen.get()

    echo, claim = (statistics.median(times) * 1000 for times in (echoes, claims))
    print(f"publish → own subscription      {echo:7.2f} ms (median of {ROUNDS})")
    print(f"notify-next → IN_PROGRESS       {claim:7.2f} ms (median of {ROUNDS}), {claim / echo:.1f} × the bare message")


if __name__ == "__main__":
    main()
