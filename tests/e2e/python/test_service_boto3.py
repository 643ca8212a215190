"""Every operation of iot-jobs-local as boto3 sees it: what works, and how it is refused.

Needs boto3 and a running service at AWS_ENDPOINT_URL, which it resets before each test:

    iot-jobs-local --http 127.0.0.1:9080 --mqtt 127.0.0.1:0 &
    AWS_ENDPOINT_URL=http://127.0.0.1:9080 python3 tests/e2e/python/test_service_boto3.py
"""

import http.client
import io
import json
import os
import ssl
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from botocore.config import Config
from botocore.exceptions import ClientError

from service_case import BUCKET, DATA, ENDPOINT, IMAGE, IOT, REGION, ROLE, S3, ServiceTest, arn, client, local


class Things(ServiceTest):
    def test_create_and_describe(self):
        made = IOT.create_thing(thingName="gw:1", attributePayload={"attributes": {"board": "b"}})
        self.assertEqual(made["thingArn"], arn("thing", "gw:1"))
        described = IOT.describe_thing(thingName="gw:1")
        self.assertEqual(described["thingId"], made["thingId"])
        self.assertEqual((described["attributes"], described["version"]), ({"board": "b"}, 1))
        self.assertEqual(described["defaultClientId"], "gw:1")

    def test_the_same_thing_may_be_created_again_but_not_another_one_of_its_name(self):
        made = IOT.create_thing(thingName="gw-1")
        self.assertEqual(IOT.create_thing(thingName="gw-1")["thingId"], made["thingId"])
        payload = {"attributes": {"a": "b"}}
        refused = self.refused(
            "ResourceAlreadyExistsException", 409, IOT.create_thing, thingName="gw-1", attributePayload=payload
        )
        self.assertEqual(refused.response["resourceArn"], made["thingArn"])

    def test_names_are_checked(self):
        self.invalid(IOT.create_thing, thingName="bad name")
        self.invalid(IOT.create_thing, thingName="x" * 129)
        self.missing(IOT.describe_thing, thingName="nobody")

    def test_arns_have_the_region_of_the_request(self):
        made = client("iot", region_name="us-east-1").create_thing(thingName="gw-1")
        self.assertEqual(made["thingArn"], arn("thing", "gw-1", region="us-east-1"))

    def test_list_in_pages(self):
        names = [f"gw-{number}" for number in range(5)]
        for name in names:
            IOT.create_thing(thingName=name)
        pages = list(IOT.get_paginator("list_things").paginate(PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(page["things"]) for page in pages], [2, 2, 1])
        self.assertEqual(sorted(thing["thingName"] for page in pages for thing in page["things"]), names)
        self.invalid(IOT.list_things, maxResults=251)
        self.invalid(IOT.list_things, nextToken="forged")

    def test_update(self):
        IOT.create_thing(thingName="gw-1", attributePayload={"attributes": {"a": "b"}})
        IOT.update_thing(thingName="gw-1", attributePayload={"attributes": {"c": "d"}, "merge": True})
        described = IOT.describe_thing(thingName="gw-1")
        self.assertEqual((described["attributes"], described["version"]), ({"a": "b", "c": "d"}, 2))
        self.refused("VersionConflictException", 409, IOT.update_thing, thingName="gw-1", expectedVersion=9)
        self.missing(IOT.update_thing, thingName="nobody")

    def test_delete(self):
        IOT.create_thing(thingName="gw-1")
        IOT.delete_thing(thingName="gw-1")
        self.missing(IOT.describe_thing, thingName="gw-1")


class ThingGroups(ServiceTest):
    def test_create_describe_and_list(self):
        made = IOT.create_thing_group(
            thingGroupName="site", thingGroupProperties={"thingGroupDescription": "a site"}
        )
        self.assertEqual(made["thingGroupArn"], arn("thinggroup", "site"))
        described = IOT.describe_thing_group(thingGroupName="site")
        self.assertEqual(described["thingGroupProperties"]["thingGroupDescription"], "a site")
        listed = IOT.list_thing_groups()["thingGroups"]
        self.assertEqual(listed, [{"groupName": "site", "groupArn": made["thingGroupArn"]}])
        self.missing(IOT.describe_thing_group, thingGroupName="nowhere")
        self.invalid(IOT.create_thing_group, thingGroupName="bad name")

    def test_members(self):
        IOT.create_thing(thingName="gw-1")
        IOT.create_thing_group(thingGroupName="site")
        IOT.add_thing_to_thing_group(thingGroupName="site", thingName="gw-1")
        self.assertEqual(IOT.list_things_in_thing_group(thingGroupName="site")["things"], ["gw-1"])
        groups = IOT.list_thing_groups_for_thing(thingName="gw-1")["thingGroups"]
        self.assertEqual([group["groupName"] for group in groups], ["site"])
        IOT.remove_thing_from_thing_group(thingGroupName="site", thingName="gw-1")
        self.assertEqual(IOT.list_things_in_thing_group(thingGroupName="site", recursive=True)["things"], [])
        self.missing(IOT.add_thing_to_thing_group, thingGroupName="site", thingName="nobody")
        self.missing(IOT.list_things_in_thing_group, thingGroupName="nowhere")
        self.missing(IOT.list_thing_groups_for_thing, thingName="nobody")

    def test_delete(self):
        IOT.create_thing_group(thingGroupName="site")
        IOT.delete_thing_group(thingGroupName="site")
        self.missing(IOT.describe_thing_group, thingGroupName="site")

    def test_a_job_for_a_group_reaches_its_members(self):
        IOT.create_thing_group(thingGroupName="site")
        for thing in ["gw-1", "gw-2"]:
            IOT.create_thing(thingName=thing)
            IOT.add_thing_to_thing_group(thingGroupName="site", thingName=thing)
        IOT.create_job(jobId="j", targets=[arn("thinggroup", "site")], document="{}")
        summaries = IOT.list_job_executions_for_job(jobId="j")["executionSummaries"]
        things = sorted(summary["thingArn"] for summary in summaries)
        self.assertEqual(things, [arn("thing", "gw-1"), arn("thing", "gw-2")])


class Jobs(ServiceTest):
    def test_create_and_describe(self):
        made = self.job("j", description="a job", timeoutConfig={"inProgressTimeoutInMinutes": 5})
        self.assertEqual((made["jobArn"], made["description"]), (arn("job", "j"), "a job"))
        job = IOT.describe_job(jobId="j")["job"]
        self.assertEqual((job["status"], job["targetSelection"]), ("IN_PROGRESS", "SNAPSHOT"))
        self.assertEqual(job["timeoutConfig"], {"inProgressTimeoutInMinutes": 5})
        self.assertEqual(job["jobProcessDetails"]["numberOfQueuedThings"], 1)
        self.assertEqual(IOT.get_job_document(jobId="j")["document"], '{"operation":"x"}')

    def test_what_is_wrong_is_refused(self):
        self.job("j")
        target = arn("thing", "gw-1")
        self.refused("ResourceAlreadyExistsException", 409, self.job, job_id="j")
        self.missing(IOT.create_job, jobId="k", targets=[arn("thing", "nobody")], document="{}")
        self.missing(IOT.describe_job, jobId="k")
        self.missing(IOT.get_job_document, jobId="k")
        for wrong in [
            {"jobId": "a/b c", "document": "{}"},
            {"jobId": "k" * 65, "document": "{}"},
            {"document": "no json"},
            {"document": "{}", "documentSource": "https://s3.amazonaws.com/b/k"},
            {},
            {"document": "{}", "timeoutConfig": {"inProgressTimeoutInMinutes": 10081}},
            {"document": "{}", "targetSelection": "SOMETIMES"},
            {"document": "{}", "description": "x" * 2029},
            {"document": '{"u":"${aws:iot:s3-presigned-url:https://s3.amazonaws.com/b/k}"}'},
        ]:
            with self.subTest(wrong=wrong):
                self.invalid(IOT.create_job, **{"jobId": "k", "targets": [target], **wrong})
        large = json.dumps({"x": "y" * 32768})
        with self.assertRaises(ClientError):
            IOT.create_job(jobId="k", targets=[target], document=large)

    def test_a_document_is_fetched_once(self):
        S3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        S3.put_object(Bucket=BUCKET, Key="dir/job.json", Body=b'{"a":1}')
        source = f"https://s3.{REGION}.amazonaws.com/{BUCKET}/dir/job.json"
        IOT.create_thing(thingName="gw-1")
        IOT.create_job(jobId="j", targets=[arn("thing", "gw-1")], documentSource=source)
        S3.delete_object(Bucket=BUCKET, Key="dir/job.json")
        self.assertEqual(IOT.get_job_document(jobId="j")["document"], '{"a":1}')
        self.assertEqual(IOT.describe_job(jobId="j")["documentSource"], source)
        self.invalid(IOT.create_job, jobId="k", targets=[arn("thing", "gw-1")], documentSource=source)

    def test_list_in_pages(self):
        for number in range(3):
            self.job(f"j-{number}")
        pages = list(IOT.get_paginator("list_jobs").paginate(PaginationConfig={"PageSize": 2}))
        listed = [job["jobId"] for page in pages for job in page["jobs"]]
        self.assertEqual(sorted(listed), ["j-0", "j-1", "j-2"])
        self.assertEqual(IOT.list_jobs(status="COMPLETED")["jobs"], [])
        self.invalid(IOT.list_jobs, status="NO_STATUS")

    def test_tags(self):
        self.job("j", tags=[{"Key": "team", "Value": "edge"}])
        tags = IOT.list_tags_for_resource(resourceArn=arn("job", "j"))["tags"]
        self.assertEqual(tags, [{"Key": "team", "Value": "edge"}])
        self.missing(IOT.list_tags_for_resource, resourceArn=arn("job", "k"))

    def test_cancel(self):
        self.job("queued")
        IOT.cancel_job(jobId="queued", reasonCode="OPERATOR", comment="stop")
        job = IOT.describe_job(jobId="queued")["job"]
        self.assertEqual((job["status"], job["reasonCode"], job["comment"]), ("CANCELED", "OPERATOR", "stop"))
        self.assertEqual(self.status("queued"), "CANCELED")
        self.invalid(IOT.cancel_job, jobId="queued", reasonCode="not upper case")
        self.missing(IOT.cancel_job, jobId="nothing")

    def test_only_force_cancels_what_runs(self):
        for job_id, force, status in [("gentle", False, "IN_PROGRESS"), ("forced", True, "CANCELED")]:
            self.job(job_id, thing=job_id)
            DATA.start_next_pending_job_execution(thingName=job_id)
            IOT.cancel_job(jobId=job_id, force=force)
            self.assertEqual(self.status(job_id, thing=job_id), status)

    def test_delete(self):
        self.job("j")
        self.refused("InvalidStateTransitionException", 409, IOT.delete_job, jobId="j")
        IOT.delete_job(jobId="j", force=True)
        self.missing(IOT.describe_job, jobId="j")

    def test_namespaces(self):
        self.job("j", namespaceId="acme")
        self.assertEqual(IOT.describe_job(jobId="j")["job"]["namespaceId"], "acme")
        self.assertEqual(DATA.get_pending_job_executions(thingName="gw-1")["queuedJobs"], [])
        listed = IOT.list_job_executions_for_thing(thingName="gw-1", namespaceId="acme")
        self.assertEqual([summary["jobId"] for summary in listed["executionSummaries"]], ["j"])


class JobExecutions(ServiceTest):
    def test_describe_and_list(self):
        self.job("j")
        execution = IOT.describe_job_execution(jobId="j", thingName="gw-1", executionNumber=1)["execution"]
        self.assertEqual((execution["status"], execution["versionNumber"]), ("QUEUED", 1))
        self.assertEqual(execution["thingArn"], arn("thing", "gw-1"))
        self.assertLess(abs(execution["queuedAt"].timestamp() - local("GET", "clock")["now"]), 60)
        for_job = IOT.list_job_executions_for_job(jobId="j", status="QUEUED")["executionSummaries"]
        self.assertEqual(for_job[0]["jobExecutionSummary"]["executionNumber"], 1)
        for_thing = IOT.list_job_executions_for_thing(thingName="gw-1")["executionSummaries"]
        self.assertEqual(for_thing[0]["jobId"], "j")
        self.missing(IOT.describe_job_execution, jobId="j", thingName="gw-1", executionNumber=2)
        self.missing(IOT.list_job_executions_for_job, jobId="k")
        self.invalid(IOT.list_job_executions_for_job, jobId="j", status="NO_STATUS")

    def test_cancel(self):
        self.job("j")
        self.refused(
            "VersionConflictException", 409,
            IOT.cancel_job_execution, jobId="j", thingName="gw-1", expectedVersion=9,
        )
        DATA.start_next_pending_job_execution(thingName="gw-1")
        self.refused("InvalidStateTransitionException", 409, IOT.cancel_job_execution, jobId="j", thingName="gw-1")
        IOT.cancel_job_execution(jobId="j", thingName="gw-1", force=True, statusDetails={"by": "operator"})
        execution = IOT.describe_job_execution(jobId="j", thingName="gw-1")["execution"]
        self.assertEqual((execution["status"], execution["forceCanceled"]), ("CANCELED", True))
        self.missing(IOT.cancel_job_execution, jobId="k", thingName="gw-1")

    def test_delete(self):
        self.job("j")
        DATA.start_next_pending_job_execution(thingName="gw-1")
        execution = dict(jobId="j", thingName="gw-1", executionNumber=1)
        self.refused("InvalidStateTransitionException", 409, IOT.delete_job_execution, **execution)
        IOT.delete_job_execution(**execution, force=True)
        self.missing(IOT.describe_job_execution, jobId="j", thingName="gw-1")
        self.invalid(IOT.delete_job_execution, **{**execution, "executionNumber": 0})


class DevicePlane(ServiceTest):
    def test_a_job_from_queued_to_succeeded(self):
        self.job("j")
        pending = DATA.get_pending_job_executions(thingName="gw-1")
        self.assertEqual([job["jobId"] for job in pending["queuedJobs"]], ["j"])
        self.assertIsInstance(pending["queuedJobs"][0]["queuedAt"], int)
        started = DATA.start_next_pending_job_execution(
            thingName="gw-1", statusDetails={"step": "one"}, stepTimeoutInMinutes=5
        )["execution"]
        self.assertEqual((started["status"], started["versionNumber"]), ("IN_PROGRESS", 2))
        self.assertLessEqual(started["approximateSecondsBeforeTimedOut"], 300)
        self.assertEqual(json.loads(started["jobDocument"]), {"operation": "x"})
        updated = DATA.update_job_execution(
            thingName="gw-1", jobId="j", status="SUCCEEDED", statusDetails={"step": "two"}, expectedVersion=2,
            executionNumber=1, includeJobExecutionState=True, includeJobDocument=True,
        )
        self.assertEqual(updated["executionState"]["versionNumber"], 3)
        self.assertEqual(json.loads(updated["jobDocument"]), {"operation": "x"})
        self.assertEqual(IOT.describe_job(jobId="j")["job"]["status"], "COMPLETED")
        details = IOT.describe_job_execution(jobId="j", thingName="gw-1")["execution"]["statusDetails"]
        self.assertEqual(details, {"detailsMap": {"step": "two"}})

    def test_next_is_described_with_and_without_its_document(self):
        self.assertNotIn("execution", self.nothing_pending())
        self.job("j")
        shown = DATA.describe_job_execution(thingName="gw-1", jobId="$next")["execution"]
        self.assertEqual(shown["jobDocument"], '{"operation":"x"}')
        bare = DATA.describe_job_execution(thingName="gw-1", jobId="$next", includeJobDocument=False)["execution"]
        self.assertNotIn("jobDocument", bare)

    def nothing_pending(self):
        IOT.create_thing(thingName="gw-1")
        self.assertNotIn("execution", DATA.start_next_pending_job_execution(thingName="gw-1"))
        return DATA.describe_job_execution(thingName="gw-1", jobId="$next")

    def test_what_is_wrong_is_refused(self):
        self.job("j")
        update = dict(thingName="gw-1", jobId="j")
        mismatch = self.invalid(DATA.update_job_execution, **update, status="IN_PROGRESS", expectedVersion=7)
        self.assertIn("Expected version 7 but found version 1", str(mismatch))
        self.refused("InvalidStateTransitionException", 409, DATA.update_job_execution, **update, status="CANCELED")
        self.invalid(DATA.update_job_execution, **update, status="NO_STATUS")
        details = {f"key-{number}": "x" for number in range(11)}
        self.invalid(DATA.update_job_execution, **update, status="IN_PROGRESS", statusDetails=details)
        self.invalid(DATA.start_next_pending_job_execution, thingName="gw-1", stepTimeoutInMinutes=10081)
        self.missing(DATA.update_job_execution, thingName="gw-1", jobId="k", status="FAILED")
        self.missing(DATA.describe_job_execution, thingName="gw-1", jobId="k")
        self.missing(DATA.get_pending_job_executions, thingName="nobody")

    def test_a_finished_execution_is_gone_for_the_device(self):
        self.job("j")
        DATA.update_job_execution(thingName="gw-1", jobId="j", status="FAILED")
        self.refused("TerminalStateException", 410, DATA.describe_job_execution, thingName="gw-1", jobId="j")
        again = dict(thingName="gw-1", jobId="j", status="SUCCEEDED")
        self.refused("InvalidStateTransitionException", 409, DATA.update_job_execution, **again)

    def test_timers_follow_the_clock(self):
        self.job("j", timeoutConfig={"inProgressTimeoutInMinutes": 10})
        DATA.start_next_pending_job_execution(thingName="gw-1")
        local("POST", "clock", {"advance": 590})
        self.assertEqual(self.status("j"), "IN_PROGRESS")
        local("POST", "clock", {"advance": 11})
        self.assertEqual(self.status("j"), "TIMED_OUT")


class Endpoints(ServiceTest):
    def test_describe(self):
        for endpoint in ["iot:Data-ATS", "iot:Data", "iot:Jobs"]:
            address = IOT.describe_endpoint(endpointType=endpoint)["endpointAddress"]
            self.assertTrue(address)
        self.invalid(IOT.describe_endpoint, endpointType="iot:Nothing")

    def test_what_is_not_here_is_named(self):
        code = "UnsupportedOperationException"
        refused = self.refused(code, 501, IOT.list_policies)
        self.assertIn("ListPolicies is not supported", str(refused))
        self.refused(code, 501, IOT.list_thing_types)
        self.refused(code, 501, IOT.create_keys_and_certificate)
        self.refused("UnknownOperationException", 404, IOT.list_certificates)


class Artifacts(ServiceTest):
    def setUp(self):
        super().setUp()
        S3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.ca = urllib.request.urlopen(f"{ENDPOINT}/_local/ca.pem", timeout=10).read().decode()

    def device_url(self, key, seconds=300):
        """The URL that a device is given for an object."""
        location = f"https://s3.{REGION}.amazonaws.com/{BUCKET}/{key}"
        document = json.dumps({"url": f"${{aws:iot:s3-presigned-url:{location}}}"})
        presigned = {"roleArn": ROLE, "expiresInSec": seconds}
        self.job("download", document=document, presignedUrlConfig=presigned)
        execution = DATA.describe_job_execution(thingName="gw-1", jobId="download")["execution"]
        return json.loads(execution["jobDocument"])["url"]

    def download(self, url, **headers):
        request = urllib.request.Request(url, headers=headers)
        context = ssl.create_default_context(cadata=self.ca)
        return urllib.request.urlopen(request, context=context, timeout=10)

    def not_downloaded(self, status, url, **headers):
        with self.assertRaises(urllib.error.HTTPError) as raised:
            self.download(url, **headers)
        with raised.exception as answer:
            self.assertEqual(answer.code, status)
            return answer.read().decode()

    def test_a_device_uploads_under_the_names_of_its_execution(self):
        location = f"https://s3.{REGION}.amazonaws.com/{BUCKET}/logs/${{thingName}}/${{jobId}}-${{executionNumber}}"
        document = json.dumps({"url": f"${{aws:iot:s3-presigned-url-upload:{location}}}"})
        self.invalid(self.job, job_id="j", document=document)
        self.job("j", document=document, presignedUrlConfig={"roleArn": ROLE})
        seen = DATA.describe_job_execution(thingName="gw-1", jobId="j")["execution"]["jobDocument"]
        url = json.loads(seen)["url"]
        self.not_downloaded(403, url)
        request = urllib.request.Request(url, data=b"a log", method="PUT")
        context = ssl.create_default_context(cadata=self.ca)
        urllib.request.urlopen(request, context=context, timeout=10).close()
        stored = S3.get_object(Bucket=BUCKET, Key="logs/gw-1/j-1")
        self.assertEqual(stored["Body"].read(), b"a log")

    def test_buckets(self):
        buckets = [bucket["Name"] for bucket in S3.list_buckets()["Buckets"]]
        self.assertEqual(buckets, [BUCKET])
        S3.head_bucket(Bucket=BUCKET)
        self.assertEqual(S3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"], REGION)
        with self.assertRaises(S3.exceptions.BucketAlreadyOwnedByYou):
            S3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.refused("404", 404, S3.head_bucket, Bucket="missing")
        self.refused("InvalidBucketName", 400, S3.create_bucket, Bucket="under_score")
        S3.put_object(Bucket=BUCKET, Key="a", Body=b"")
        self.refused("BucketNotEmpty", 409, S3.delete_bucket, Bucket=BUCKET)
        S3.delete_object(Bucket=BUCKET, Key="a")
        S3.delete_bucket(Bucket=BUCKET)
        self.refused("NoSuchBucket", 404, S3.put_object, Bucket=BUCKET, Key="a", Body=b"")

    def test_objects(self):
        put = S3.put_object(Bucket=BUCKET, Key="a b/ü.bin", Body=IMAGE, Metadata={"board": "rev-b"})
        got = S3.get_object(Bucket=BUCKET, Key="a b/ü.bin")
        self.assertEqual(got["Body"].read(), IMAGE)
        self.assertEqual((got["ETag"], got["Metadata"]), (put["ETag"], {"board": "rev-b"}))
        head = S3.head_object(Bucket=BUCKET, Key="a b/ü.bin")
        self.assertEqual(head["ContentLength"], len(IMAGE))
        part = S3.get_object(Bucket=BUCKET, Key="a b/ü.bin", Range="bytes=10-19")
        self.assertEqual((part["Body"].read(), part["ContentRange"]), (IMAGE[10:20], f"bytes 10-19/{len(IMAGE)}"))
        self.refused("InvalidRange", 416, S3.get_object, Bucket=BUCKET, Key="a b/ü.bin", Range=f"bytes={len(IMAGE)}-")
        self.refused("PreconditionFailed", 412, S3.get_object, Bucket=BUCKET, Key="a b/ü.bin", IfMatch='"x"')
        self.refused("304", 304, S3.get_object, Bucket=BUCKET, Key="a b/ü.bin", IfNoneMatch=put["ETag"])
        self.refused("NoSuchKey", 404, S3.get_object, Bucket=BUCKET, Key="missing")
        self.refused("NotImplemented", 501, S3.get_object_tagging, Bucket=BUCKET, Key="a b/ü.bin")

    def test_checksums(self):
        for algorithm in ["CRC32", "SHA1", "SHA256"]:
            member = f"Checksum{algorithm}"
            put = S3.put_object(Bucket=BUCKET, Key="k", Body=IMAGE, ChecksumAlgorithm=algorithm)
            got = S3.get_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
            self.assertEqual(got["Body"].read(), IMAGE)
            self.assertEqual(got[member], put[member])
            self.refused(
                "BadDigest", 400, S3.put_object, Bucket=BUCKET, Key="k", Body=b"other", **{member: put[member]}
            )

    def test_chunked_uploads_over_tls(self):
        url = self.device_url("unused")
        host = urllib.parse.urlsplit(url).netloc
        path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"iot-jobs-local-ca-{os.getpid()}.pem")
        with open(path, "w") as file:
            file.write(self.ca)
        self.addCleanup(os.remove, path)
        tls = client("s3", endpoint_url=f"https://{host}", verify=path)
        # Over TLS botocore sends a stream in chunks, with its checksum behind it.
        tls.put_object(Bucket=BUCKET, Key="chunked", Body=io.BytesIO(IMAGE))
        self.assertEqual(tls.get_object(Bucket=BUCKET, Key="chunked")["Body"].read(), IMAGE)

    def test_large_files_go_up_in_parts(self):
        image = IMAGE * 20
        S3.upload_fileobj(io.BytesIO(image), BUCKET, "large")
        self.assertTrue(S3.head_object(Bucket=BUCKET, Key="large")["ETag"].endswith('-3"'))
        whole = io.BytesIO()
        S3.download_fileobj(BUCKET, "large", whole)
        self.assertEqual(whole.getvalue(), image)
        upload = S3.create_multipart_upload(Bucket=BUCKET, Key="dropped")
        parts = dict(Bucket=BUCKET, Key="dropped", UploadId=upload["UploadId"])
        S3.abort_multipart_upload(**parts)
        self.refused("NoSuchUpload", 404, S3.upload_part, **parts, PartNumber=1, Body=b"")

    def test_list(self):
        for key in ["a/1", "a/2", "b", "c d"]:
            S3.put_object(Bucket=BUCKET, Key=key, Body=b"")
        pages = S3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 3})
        self.assertEqual([item["Key"] for page in pages for item in page["Contents"]], ["a/1", "a/2", "b", "c d"])
        folded = S3.list_objects_v2(Bucket=BUCKET, Delimiter="/")
        self.assertEqual(folded["CommonPrefixes"], [{"Prefix": "a/"}])
        self.assertEqual([item["Key"] for item in folded["Contents"]], ["b", "c d"])
        self.assertEqual(S3.list_objects_v2(Bucket=BUCKET, Prefix="a/")["KeyCount"], 2)

    def test_urls_of_devices(self):
        S3.put_object(Bucket=BUCKET, Key="image.bin", Body=IMAGE)
        url = self.device_url("image.bin", seconds=60)
        with self.download(url) as answer:
            etag = answer.headers["ETag"]
            self.assertEqual(answer.read(), IMAGE)
        with self.download(url, Range="bytes=100-", **{"If-Range": etag}) as answer:
            self.assertEqual((answer.status, answer.read()), (206, IMAGE[100:]))
        self.assertIn("SignatureDoesNotMatch", self.not_downloaded(403, url.replace("image.bin", "other.bin")))
        local("POST", "clock", {"advance": 61})
        self.assertIn("Request has expired", self.not_downloaded(403, url))

    def test_urls_of_boto3(self):
        S3.put_object(Bucket=BUCKET, Key="a b.bin", Body=IMAGE)
        # boto3 dates its URLs by the machine's clock, so the service's must not be far from it.
        ahead = local("GET", "clock")["now"] - time.time()
        where = dict(Params={"Bucket": BUCKET, "Key": "a b.bin"}, ExpiresIn=int(max(ahead, 0)) + 60)
        for version in ["s3", "s3v4"]:
            settings = Config(signature_version=version, s3={"addressing_style": "path"})
            with self.subTest(version=version):
                url = client("s3", config=settings).generate_presigned_url("get_object", **where)
                with self.download(url) as answer:
                    self.assertEqual(answer.read(), IMAGE)
                stranger = client("s3", config=settings, aws_access_key_id="AKIDEXAMPLE")
                url = stranger.generate_presigned_url("get_object", **where)
                self.assertIn("InvalidAccessKeyId", self.not_downloaded(403, url))

    def test_unsigned_requests_are_refused(self):
        self.assertIn("AccessDenied", self.not_downloaded(403, f"{ENDPOINT}/{BUCKET}/image.bin"))

    def test_faults_of_downloads(self):
        S3.put_object(Bucket=BUCKET, Key="image.bin", Body=IMAGE)
        url = self.device_url("image.bin")
        local("POST", "faults", {"nextDownloads": [{"closeAfterBytes": 1000}, {"status": 503}]})
        with self.assertRaises(http.client.IncompleteRead) as cut, self.download(url) as answer:
            answer.read()
        self.assertEqual(cut.exception.partial, IMAGE[:1000])
        self.not_downloaded(503, url)
        with self.download(url) as answer:
            self.assertEqual(answer.read(), IMAGE)
        local("POST", "faults", {"urlsExpireAtOnce": True})
        execution = DATA.describe_job_execution(thingName="gw-1", jobId="download")["execution"]
        self.not_downloaded(403, json.loads(execution["jobDocument"])["url"])


class Local(ServiceTest):
    def test_status_and_health(self):
        self.job("j")
        self.assertEqual(local("GET", "health"), {"status": "ok"})
        status = local("GET", "status")
        self.assertEqual((status["things"], status["jobs"]), (1, 1))

    def test_certificates(self):
        issued = local("POST", "things/gw-1/certificate")
        for pem in ["certificatePem", "privateKey", "caPem"]:
            self.assertIn("-----BEGIN ", issued[pem])
        self.assertGreater(issued["port"], 0)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            local("POST", "things/no%20thing/certificate")
        refused.exception.close()
        self.assertEqual(refused.exception.code, 400)


if __name__ == "__main__":
    unittest.main()
