"""Copies, lists and versions of objects as boto3 and `aws s3api` see them; see test_service_boto3.py.

The AWS CLI is looked for beside the Python that runs this, then on the path.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

from botocore.config import Config

from test_service_boto3 import BUCKET, ENDPOINT, REGION, S3, ServiceTest, client

AWS = shutil.which("aws", path=os.path.dirname(sys.executable)) or shutil.which("aws")


class ObjectTest(ServiceTest):
    def setUp(self):
        super().setUp()
        S3.create_bucket(Bucket=BUCKET)

    def versioning(self, status):
        S3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})

    def put(self, key, body, **members):
        """Puts an object and returns its version, if it is told one."""
        return S3.put_object(Bucket=BUCKET, Key=key, Body=body, **members).get("VersionId")

    def read(self, key, bucket=BUCKET, **members):
        return S3.get_object(Bucket=bucket, Key=key, **members)["Body"].read()

    def versions(self, **members):
        """Keys and versions as they are listed, and those of delete markers."""
        listed = S3.list_object_versions(Bucket=BUCKET, **members)
        names = lambda kind: [(entry["Key"], entry["VersionId"]) for entry in listed.get(kind, [])]
        return names("Versions"), names("DeleteMarkers")


class Versions(ObjectTest):
    def test_versioning_is_enabled_and_suspended(self):
        self.assertNotIn("Status", S3.get_bucket_versioning(Bucket=BUCKET))
        for status in ["Enabled", "Suspended", "Enabled"]:
            self.versioning(status)
            self.assertEqual(S3.get_bucket_versioning(Bucket=BUCKET)["Status"], status)
        refused = {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Off"}}
        self.refused("MalformedXML", 400, S3.put_bucket_versioning, **refused)
        self.refused("NoSuchBucket", 404, S3.get_bucket_versioning, Bucket="missing")

    def test_a_bucket_without_versions_tells_of_none(self):
        self.assertIsNone(self.put("a", b"1"))
        self.assertNotIn("VersionId", S3.get_object(Bucket=BUCKET, Key="a"))
        self.assertEqual(self.versions(), ([("a", "null")], []))
        self.assertEqual(self.read("a", VersionId="null"), b"1")

    def test_every_version_is_read_by_its_name(self):
        self.put("a", b"null")
        self.versioning("Enabled")
        first, second = self.put("a", b"first"), self.put("a", b"second")
        self.assertEqual(self.read("a"), b"second")
        for version, body in [("null", b"null"), (first, b"first"), (second, b"second")]:
            answer = S3.get_object(Bucket=BUCKET, Key="a", VersionId=version)
            self.assertEqual((answer["VersionId"], answer["Body"].read()), (version, body))
            self.assertEqual(S3.head_object(Bucket=BUCKET, Key="a", VersionId=version)["ContentLength"], len(body))
        self.assertEqual(self.read("a", VersionId=first, Range="bytes=1-2"), b"ir")
        self.assertEqual(self.versions()[0], [("a", second), ("a", first), ("a", "null")])
        latest = [entry["IsLatest"] for entry in S3.list_object_versions(Bucket=BUCKET)["Versions"]]
        self.assertEqual(latest, [True, False, False])
        self.refused("NoSuchVersion", 404, S3.get_object, Bucket=BUCKET, Key="a", VersionId="none")

    def test_a_suspended_bucket_replaces_the_version_null(self):
        self.versioning("Enabled")
        first = self.put("a", b"first")
        self.versioning("Suspended")
        self.assertEqual([self.put("a", b"2"), self.put("a", b"3")], ["null", "null"])
        self.assertEqual(self.versions()[0], [("a", "null"), ("a", first)])
        self.assertEqual(self.read("a"), b"3")

    def test_a_deleted_object_comes_back_when_its_marker_is_deleted(self):
        self.versioning("Enabled")
        first = self.put("a", b"first")
        deleted = S3.delete_object(Bucket=BUCKET, Key="a")
        self.assertTrue(deleted["DeleteMarker"])
        marker = deleted["VersionId"]
        self.refused("NoSuchKey", 404, S3.get_object, Bucket=BUCKET, Key="a")
        self.refused("MethodNotAllowed", 405, S3.get_object, Bucket=BUCKET, Key="a", VersionId=marker)
        self.assertEqual(self.versions(), ([("a", first)], [("a", marker)]))
        self.assertNotIn("Contents", S3.list_objects_v2(Bucket=BUCKET))
        undeleted = S3.delete_object(Bucket=BUCKET, Key="a", VersionId=marker)
        self.assertTrue(undeleted["DeleteMarker"])
        self.assertEqual(self.read("a"), b"first")

    def test_versions_are_deleted_for_good(self):
        self.versioning("Enabled")
        first, second = self.put("a", b"first"), self.put("a", b"second")
        self.assertNotIn("DeleteMarker", S3.delete_object(Bucket=BUCKET, Key="a", VersionId=second))
        self.assertEqual(self.read("a"), b"first")
        self.refused("BucketNotEmpty", 409, S3.delete_bucket, Bucket=BUCKET)
        named = {"Objects": [{"Key": "a", "VersionId": first}]}
        deleted = S3.delete_objects(Bucket=BUCKET, Delete=named)["Deleted"]
        self.assertEqual(deleted, [{"Key": "a", "VersionId": first}])
        S3.delete_bucket(Bucket=BUCKET)

    def test_objects_deleted_together_get_markers(self):
        self.versioning("Enabled")
        self.put("a", b"1")
        deleted = S3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "a"}]})["Deleted"][0]
        self.assertTrue(deleted["DeleteMarker"])
        self.assertEqual(self.versions()[1], [("a", deleted["DeleteMarkerVersionId"])])

    def test_versions_come_in_pages(self):
        self.versioning("Enabled")
        expected = []
        for key in ["a b", "c&d"]:
            expected += reversed([(key, self.put(key, body)) for body in [b"1", b"2", b"3"]])
        paginator = S3.get_paginator("list_object_versions")
        for size in [1, 2, 4]:
            pages = list(paginator.paginate(Bucket=BUCKET, PaginationConfig={"PageSize": size}))
            listed = [(entry["Key"], entry["VersionId"]) for page in pages for entry in page["Versions"]]
            self.assertEqual(listed, expected)
        self.assertEqual(self.versions(Prefix="c")[0], expected[3:])
        self.put("dir/x", b"")
        folded = S3.list_object_versions(Bucket=BUCKET, Delimiter="/")
        self.assertEqual(folded["CommonPrefixes"], [{"Prefix": "dir/"}])

    def test_a_large_upload_becomes_a_version(self):
        self.versioning("Enabled")
        S3.upload_file(__file__, BUCKET, "a")
        begun = S3.create_multipart_upload(Bucket=BUCKET, Key="a")
        upload = {"Bucket": BUCKET, "Key": "a", "UploadId": begun["UploadId"]}
        part = S3.upload_part(**upload, PartNumber=1, Body=b"parts")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        version = S3.complete_multipart_upload(**upload, MultipartUpload=parts)["VersionId"]
        self.assertEqual(self.read("a", VersionId=version), b"parts")
        self.assertEqual(len(self.versions()[0]), 2)

    def test_a_presigned_url_is_for_one_version(self):
        self.versioning("Enabled")
        first = self.put("a b", b"first")
        self.put("a b", b"second")
        # boto3 signs at its own time; other tests have put the service's forward.
        week = 7 * 24 * 3600
        for signature in ["s3", "s3v4"]:
            config = Config(s3={"addressing_style": "path"}, signature_version=signature)
            parameters = {"Bucket": BUCKET, "Key": "a b", "VersionId": first}
            url = client("s3", config=config).generate_presigned_url("get_object", Params=parameters, ExpiresIn=week)
            with urllib.request.urlopen(url, timeout=10) as answer:
                self.assertEqual((answer.read(), answer.headers["x-amz-version-id"]), (b"first", first))
            with self.assertRaises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(url.replace(first, "null"), timeout=10)
            with raised.exception as refused:
                self.assertEqual(refused.code, 403)


class Copies(ObjectTest):
    def test_within_and_across_buckets(self):
        S3.create_bucket(Bucket="backup")
        self.put("a b/é.bin", b"content", Metadata={"board": "rev-1"}, ContentType="text/plain")
        source = {"Bucket": BUCKET, "Key": "a b/é.bin"}
        for bucket in [BUCKET, "backup"]:
            copied = S3.copy_object(Bucket=bucket, Key="copy", CopySource=source)["CopyObjectResult"]
            read = S3.get_object(Bucket=bucket, Key="copy")
            self.assertEqual((read["Body"].read(), read["ETag"]), (b"content", copied["ETag"]))
            self.assertEqual((read["Metadata"], read["ContentType"]), ({"board": "rev-1"}, "text/plain"))
            self.assertIn("LastModified", copied)
        S3.delete_object(**source)
        self.assertEqual(self.read("copy", bucket="backup"), b"content")

    def test_with_other_metadata(self):
        self.put("a", b"content", Metadata={"board": "rev-1"})
        request = {"Bucket": BUCKET, "Key": "a", "CopySource": f"{BUCKET}/a"}
        self.refused("InvalidRequest", 400, S3.copy_object, **request)
        S3.copy_object(**request, MetadataDirective="REPLACE", Metadata={"board": "rev-2"})
        read = S3.get_object(Bucket=BUCKET, Key="a")
        self.assertEqual((read["Body"].read(), read["Metadata"]), (b"content", {"board": "rev-2"}))
        self.refused("InvalidArgument", 400, S3.copy_object, **request, MetadataDirective="MERGE")

    def test_of_an_old_version(self):
        self.versioning("Enabled")
        first = self.put("a", b"first")
        self.put("a", b"second")
        source = {"Bucket": BUCKET, "Key": "a", "VersionId": first}
        copied = S3.copy_object(Bucket=BUCKET, Key="a", CopySource=source)
        self.assertEqual(copied["CopySourceVersionId"], first)
        self.assertEqual(self.read("a", VersionId=copied["VersionId"]), b"first")
        self.assertEqual(len(self.versions()[0]), 3)

    def test_on_conditions(self):
        etag = S3.put_object(Bucket=BUCKET, Key="a", Body=b"1")["ETag"]
        request = {"Bucket": BUCKET, "Key": "b", "CopySource": f"{BUCKET}/a"}
        self.refused("PreconditionFailed", 412, S3.copy_object, **request, CopySourceIfNoneMatch=etag)
        self.refused("PreconditionFailed", 412, S3.copy_object, **request, CopySourceIfMatch='"other"')
        S3.copy_object(**request, CopySourceIfMatch=etag)

    def test_in_parts(self):
        self.put("a", b"0123456789")
        begun = S3.create_multipart_upload(Bucket=BUCKET, Key="b")
        upload = {"Bucket": BUCKET, "Key": "b", "UploadId": begun["UploadId"]}
        parts = []
        for number, members in [(1, {"CopySourceRange": "bytes=2-4"}), (2, {})]:
            copied = S3.upload_part_copy(**upload, PartNumber=number, CopySource=f"{BUCKET}/a", **members)
            parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
        S3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        self.assertEqual(self.read("b"), b"2340123456789")

    def test_what_cannot_be_copied_is_refused(self):
        self.put("a", b"1")
        copy = S3.copy_object
        self.refused("NoSuchKey", 404, copy, Bucket=BUCKET, Key="b", CopySource=f"{BUCKET}/none")
        self.refused("NoSuchBucket", 404, copy, Bucket=BUCKET, Key="b", CopySource="missing/a")
        self.refused("NoSuchBucket", 404, copy, Bucket="missing", Key="b", CopySource=f"{BUCKET}/a")
        source = {"Bucket": BUCKET, "Key": "a", "VersionId": "none"}
        self.refused("NoSuchVersion", 404, copy, Bucket=BUCKET, Key="b", CopySource=source)


class Lists(ObjectTest):
    def test_the_first_version_of_the_list(self):
        for key in ["a/1", "a/2", "b c", "d&e"]:
            self.put(key, b"x")
        listed = S3.list_objects(Bucket=BUCKET)
        self.assertEqual([entry["Key"] for entry in listed["Contents"]], ["a/1", "a/2", "b c", "d&e"])
        self.assertFalse(listed["IsTruncated"])
        for delimiter, expected in [("", ["a/1", "a/2", "b c", "d&e"]), ("/", ["a/", "b c", "d&e"])]:
            members = {"Delimiter": delimiter} if delimiter else {}
            pages = S3.get_paginator("list_objects").paginate(
                Bucket=BUCKET, PaginationConfig={"PageSize": 1}, **members
            )
            names = []
            for page in pages:
                names += [entry["Key"] for entry in page.get("Contents", [])]
                names += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
            self.assertEqual(names, expected)
        self.assertEqual(len(S3.list_objects(Bucket=BUCKET, Prefix="a/")["Contents"]), 2)
        self.assertEqual(len(S3.list_objects(Bucket=BUCKET, Marker="a/1")["Contents"]), 3)
        self.refused("NoSuchBucket", 404, S3.list_objects, Bucket="missing")
        self.refused("InvalidArgument", 400, S3.list_objects, Bucket=BUCKET, MaxKeys=-1)


@unittest.skipUnless(AWS, "there is no AWS CLI")
class CommandLine(ObjectTest):
    def aws(self, *arguments):
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": ENDPOINT,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        done = subprocess.run(
            [AWS, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip().startswith("{") else done.stdout

    def test_versions_and_copies(self):
        bucket = ["--bucket", BUCKET]
        self.aws("s3api", "put-bucket-versioning", *bucket, "--versioning-configuration", "Status=Enabled")
        self.assertEqual(self.aws("s3api", "get-bucket-versioning", *bucket)["Status"], "Enabled")
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "image")
            versions = []
            for body in ["first", "second"]:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(body)
                put = self.aws("s3api", "put-object", *bucket, "--key", "a", "--body", path)
                versions.append(put["VersionId"])
            self.aws("s3api", "get-object", *bucket, "--key", "a", "--version-id", versions[0], path)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), "first")
        listed = self.aws("s3api", "list-object-versions", *bucket)["Versions"]
        self.assertEqual([entry["VersionId"] for entry in listed], versions[::-1])
        source = f"{BUCKET}/a?versionId={versions[0]}"
        copied = self.aws("s3api", "copy-object", *bucket, "--key", "b", "--copy-source", source)
        self.assertEqual(copied["CopySourceVersionId"], versions[0])
        self.assertEqual(len(self.aws("s3api", "list-objects", *bucket)["Contents"]), 2)
        marker = self.aws("s3api", "delete-object", *bucket, "--key", "a")
        self.assertTrue(marker["DeleteMarker"])
        version = ["--version-id", marker["VersionId"]]
        self.aws("s3api", "delete-object", *bucket, "--key", "a", *version)
        self.assertEqual(self.read("a"), b"second")

    def test_an_object_is_copied_from_bucket_to_bucket(self):
        self.aws("s3", "mb", "s3://backup")
        self.put("dir/a", b"content")
        self.aws("s3", "cp", "--quiet", f"s3://{BUCKET}/dir/a", "s3://backup/a")
        self.aws("s3", "mv", "--quiet", "s3://backup/a", "s3://backup/b")
        self.assertEqual(self.read("b", bucket="backup"), b"content")
        large = bytes(range(256)) * (9 << 12)
        self.put("large", large)
        self.aws("s3", "cp", "--quiet", f"s3://{BUCKET}/large", "s3://backup/large")
        self.assertEqual(self.read("large", bucket="backup"), large)


if __name__ == "__main__":
    unittest.main()
