"""Software packages, and jobs that install them, as boto3 sees them; see test_service_boto3.py."""

import json
import ssl
import unittest
import urllib.parse
import urllib.request
import uuid

from botocore.exceptions import ClientError

from test_service_boto3 import BUCKET, DATA, ENDPOINT, IOT, ROLE, S3, ServiceTest, arn

VERSION = arn("package", "fw/version/1.0")
DEFAULT = arn("package", "fw/version/$default")


class PackageTest(ServiceTest):
    def package(self, name="fw", **members):
        return IOT.create_package(packageName=name, **members)

    def version(self, name="1.0", **members):
        return IOT.create_package_version(packageName="fw", versionName=name, **members)

    def update(self, name="1.0", **members):
        return IOT.update_package_version(packageName="fw", versionName=name, **members)

    def get(self, name="1.0"):
        return IOT.get_package_version(packageName="fw", versionName=name)

    def published(self, name="1.0", **members):
        """A version of the package fw, which is made if need be, that jobs may install."""
        if not IOT.list_packages()["packageSummaries"]:
            self.package()
        self.version(name, **members)
        self.update(name, action="PUBLISH")

    def invalid_package(self, call, /, **request):
        return self.refused("ValidationException", 400, call, **request)

    def conflict(self, call, /, **request):
        refused = self.refused("ConflictException", 409, call, **request)
        self.assertTrue(refused.response["resourceId"], refused.response)
        return refused


class Packages(PackageTest):
    def test_create_get_and_delete(self):
        made = self.package(description="firmware", tags={"team": "edge"})
        self.assertEqual(made["packageArn"], arn("package", "fw"))
        self.assertEqual((made["packageName"], made["description"]), ("fw", "firmware"))
        told = IOT.get_package(packageName="fw")
        self.assertEqual((told["packageArn"], told["description"]), (made["packageArn"], "firmware"))
        self.assertEqual(told["creationDate"], told["lastModifiedDate"])
        self.assertNotIn("defaultVersionName", told)
        IOT.delete_package(packageName="fw")
        self.missing(IOT.get_package, packageName="fw")
        IOT.delete_package(packageName="fw")

    def test_create_is_refused(self):
        self.package()
        self.conflict(self.package)
        self.invalid_package(self.package, name="bad name")
        self.invalid_package(self.package, name="x" * 129)
        self.invalid_package(self.package, name="p", description="x" * 1025)
        self.invalid_package(self.package, name="p", description="a\nb")
        self.invalid_package(self.package, name="p", tags={"aws:x": "y"})
        self.invalid_package(self.package, name="p", tags={"k": "x" * 257})
        self.invalid_package(self.package, name="p", tags={f"k{n}": "v" for n in range(51)})
        self.invalid_package(self.package, name="p", clientToken="x" * 65)
        self.assertEqual(len(IOT.list_packages()["packageSummaries"]), 1)

    def test_an_account_has_a_hundred(self):
        for number in range(100):
            self.package(f"p{number}")
        self.refused("ServiceQuotaExceededException", 402, self.package, name="one-more")

    def test_list_in_pages(self):
        for name in ["c", "a", "b"]:
            self.package(name)
        pages = list(IOT.get_paginator("list_packages").paginate(PaginationConfig={"PageSize": 2}))
        names = [[summary["packageName"] for summary in page["packageSummaries"]] for page in pages]
        self.assertEqual(names, [["a", "b"], ["c"]])
        self.assertIn("creationDate", pages[0]["packageSummaries"][0])
        self.invalid_package(IOT.list_packages, maxResults=101)
        self.invalid_package(IOT.list_packages, nextToken="forged")

    def test_update(self):
        self.published()
        IOT.update_package(packageName="fw", description="new", defaultVersionName="1.0")
        told = IOT.get_package(packageName="fw")
        self.assertEqual((told["description"], told["defaultVersionName"]), ("new", "1.0"))
        summary = IOT.list_packages()["packageSummaries"][0]
        self.assertEqual(summary["defaultVersionName"], "1.0")
        IOT.update_package(packageName="fw", unsetDefaultVersion=True)
        self.assertNotIn("defaultVersionName", IOT.get_package(packageName="fw"))

    def test_update_is_refused(self):
        self.published()
        self.version("2.0")
        update = IOT.update_package
        self.missing(update, packageName="none", description="d")
        self.missing(update, packageName="fw", defaultVersionName="9")
        self.conflict(update, packageName="fw", defaultVersionName="2.0")
        self.invalid_package(update, packageName="fw", defaultVersionName="1.0", unsetDefaultVersion=True)
        self.invalid_package(update, packageName="fw", defaultVersionName="bad name")
        self.invalid_package(update, packageName="fw", description="x" * 1025)

    def test_delete_is_refused_while_there_are_versions(self):
        self.package()
        self.version()
        self.invalid_package(IOT.delete_package, packageName="fw")
        self.invalid_package(IOT.delete_package, packageName="bad name")
        IOT.delete_package_version(packageName="fw", versionName="1.0")
        IOT.delete_package(packageName="fw")

    def test_tags(self):
        self.package(tags={"team": "edge"})
        self.version(tags={"lane": "beta"})
        for resource, key, value in [(arn("package", "fw"), "team", "edge"), (VERSION, "lane", "beta")]:
            self.assertEqual(self.tags(resource), [{"Key": key, "Value": value}])
            IOT.tag_resource(resourceArn=resource, tags=[{"Key": "k", "Value": "v"}])
            IOT.untag_resource(resourceArn=resource, tagKeys=[key])
            self.assertEqual(self.tags(resource), [{"Key": "k", "Value": "v"}])
        self.missing(IOT.list_tags_for_resource, resourceArn=arn("package", "none"))
        self.missing(IOT.list_tags_for_resource, resourceArn=arn("package", "fw/version/9"))

    def tags(self, resource):
        return IOT.list_tags_for_resource(resourceArn=resource)["tags"]

    def test_configuration(self):
        self.assertEqual(IOT.get_package_configuration()["versionUpdateByJobsConfig"], {})
        IOT.update_package_configuration(versionUpdateByJobsConfig={"enabled": True, "roleArn": ROLE})
        IOT.update_package_configuration(versionUpdateByJobsConfig={"enabled": False})
        told = IOT.get_package_configuration()["versionUpdateByJobsConfig"]
        self.assertEqual(told, {"enabled": False, "roleArn": ROLE})
        config = {"enabled": True, "roleArn": "x" * 2049}
        self.invalid_package(IOT.update_package_configuration, versionUpdateByJobsConfig=config)

    def test_what_cannot_be_read_is_invalid_in_the_words_of_the_catalog(self):
        for method, path, body in [
            ("PUT", "/packages/fw", b'{"tags":[]}'),
            ("PUT", "/packages/fw", b"{"),
            ("GET", "/packages?maxResults=many", b""),
            ("PUT", "/packages/fw?clientToken=short", b"{}"),
        ]:
            request = urllib.request.Request(f"{ENDPOINT}{path}", data=body or None, method=method)
            credential = "local/20260101/eu-west-1/iot/aws4_request"
            request.add_header("Authorization", f"AWS4-HMAC-SHA256 Credential={credential}, Signature=0")
            with self.assertRaises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(request, timeout=10)
            with raised.exception as answer:
                told = (answer.code, answer.headers["x-amzn-ErrorType"])
            self.assertEqual(told, (400, "ValidationException"), path)

    def test_bills_of_materials_are_refused_by_name(self):
        self.published()
        names = {"packageName": "fw", "versionName": "1.0"}
        sbom = {"s3Location": {"bucket": "b", "key": "k", "version": "v"}}
        unsupported = "UnsupportedOperationException"
        for call, members in [
            (IOT.associate_sbom_with_package_version, {"sbom": sbom}),
            (IOT.disassociate_sbom_from_package_version, {}),
            (IOT.list_sbom_validation_results, {}),
        ]:
            self.refused(unsupported, 501, call, **names, **members)


class Versions(PackageTest):
    def setUp(self):
        super().setUp()
        self.package()

    def test_create_get_and_delete(self):
        location = {"bucket": "b", "key": "k", "version": "v"}
        made = self.version(
            description="first",
            attributes={"board": "rev-1", "a:b": "é"},
            artifact={"s3Location": location},
            recipe='{"operation":"x"}',
        )
        self.assertEqual((made["packageVersionArn"], made["status"]), (VERSION, "DRAFT"))
        self.assertEqual((made["packageName"], made["versionName"]), ("fw", "1.0"))
        told = self.get()
        self.assertEqual(told["packageVersionArn"], VERSION)
        self.assertEqual((told["status"], told["description"]), ("DRAFT", "first"))
        self.assertEqual(told["attributes"], {"board": "rev-1", "a:b": "é"})
        self.assertEqual(told["artifact"], {"s3Location": location})
        self.assertEqual(told["recipe"], '{"operation":"x"}')
        self.assertEqual(told["creationDate"], told["lastModifiedDate"])
        for _ in range(2):
            IOT.delete_package_version(packageName="fw", versionName="1.0")
        self.missing(IOT.get_package_version, packageName="fw", versionName="1.0")

    def test_create_is_refused(self):
        self.version()
        self.conflict(self.version)
        create = IOT.create_package_version
        self.invalid_package(create, packageName="none", versionName="1")
        self.invalid_package(self.version, name="bad name")
        self.invalid_package(self.version, name="x" * 65)
        self.invalid_package(self.version, name="2", description="x" * 1025)
        self.invalid_package(self.version, name="2", attributes={"bad key": "v"})
        self.invalid_package(self.version, name="2", attributes={"k": "a\nb"})
        self.invalid_package(self.version, name="2", attributes={"k": "x" * 3072})
        self.invalid_package(self.version, name="2", artifact={"s3Location": {"bucket": "b"}})
        self.invalid_package(self.version, name="2", artifact={"s3Location": {"key": "k"}})
        self.invalid_package(self.version, name="2", recipe="x" * 3073)
        self.invalid_package(self.version, name="2", tags={"aws:k": "v"})
        self.assertEqual(len(self.list()), 1)

    def list(self, **members):
        summaries = IOT.list_package_versions(packageName="fw", **members)["packageVersionSummaries"]
        return [(summary["versionName"], summary["status"]) for summary in summaries]

    def test_life(self):
        self.version(attributes={"a": "1"})
        self.conflict(self.update, action="DEPRECATE")
        self.update(attributes={"a": "2"}, artifact={"s3Location": {"bucket": "b", "key": "k"}}, action="PUBLISH")
        told = self.get()
        self.assertEqual((told["status"], told["attributes"]), ("PUBLISHED", {"a": "2"}))
        self.assertEqual(told["artifact"], {"s3Location": {"bucket": "b", "key": "k"}})
        self.conflict(self.update, action="PUBLISH")
        self.conflict(self.update, attributes={"a": "3"})
        self.conflict(self.update, artifact={"s3Location": {"bucket": "b", "key": "other"}})
        self.update(description="d", recipe="{}")
        self.update(action="DEPRECATE")
        self.assertEqual(self.get()["status"], "DEPRECATED")
        self.update(action="PUBLISH")
        told = self.get()
        self.assertEqual((told["status"], told["description"], told["recipe"]), ("PUBLISHED", "d", "{}"))

    def test_update_is_refused(self):
        self.version()
        self.missing(self.update, name="9", description="d")
        self.missing(IOT.update_package_version, packageName="none", versionName="1.0")
        self.invalid_package(self.update, action="DELETE")
        self.invalid_package(self.update, attributes={"k": "x" * 3072})
        self.invalid_package(self.update, recipe="x" * 3073)
        self.invalid_package(self.update, description="x" * 1025)

    def test_the_default_version_is_not_deleted(self):
        self.published()
        IOT.update_package(packageName="fw", defaultVersionName="1.0")
        delete = IOT.delete_package_version
        self.invalid_package(delete, packageName="fw", versionName="1.0")
        self.invalid_package(delete, packageName="fw", versionName="bad name")
        IOT.update_package(packageName="fw", unsetDefaultVersion=True)
        delete(packageName="fw", versionName="1.0")

    def test_list_in_pages_and_by_status(self):
        for name in ["3", "1", "2"]:
            self.version(name)
        self.update("2", action="PUBLISH")
        self.assertEqual(self.list(), [("1", "DRAFT"), ("2", "PUBLISHED"), ("3", "DRAFT")])
        self.assertEqual(self.list(status="PUBLISHED"), [("2", "PUBLISHED")])
        paginator = IOT.get_paginator("list_package_versions")
        pages = list(paginator.paginate(packageName="fw", PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(page["packageVersionSummaries"]) for page in pages], [2, 1])
        self.assertEqual(IOT.list_package_versions(packageName="none")["packageVersionSummaries"], [])
        self.invalid_package(IOT.list_package_versions, packageName="fw", status="GONE")
        self.invalid_package(IOT.list_package_versions, packageName="fw", maxResults=101)
        self.invalid_package(IOT.list_package_versions, packageName="bad name")


class Tokens(PackageTest):
    def test_a_repeated_request_is_answered_as_the_first_time(self):
        token = str(uuid.uuid4())
        first = self.package(description="d", clientToken=token)
        again = self.package(description="d", clientToken=token)
        for answer in [first, again]:
            answer.pop("ResponseMetadata")
        self.assertEqual(again, first)
        version = self.version(attributes={"a": "1"}, clientToken=token)
        self.assertEqual(self.version(attributes={"a": "1"}, clientToken=token)["status"], version["status"])
        for _ in range(2):
            self.update(action="PUBLISH", clientToken=token)
            IOT.update_package(packageName="fw", defaultVersionName="1.0", clientToken=token)
            IOT.update_package_configuration(versionUpdateByJobsConfig={"enabled": False}, clientToken=token)
        IOT.update_package(packageName="fw", unsetDefaultVersion=True)
        for _ in range(2):
            IOT.delete_package_version(packageName="fw", versionName="1.0", clientToken=token)
        for _ in range(2):
            IOT.delete_package(packageName="fw", clientToken=token)

    def test_another_request_with_the_same_token_is_refused(self):
        token = str(uuid.uuid4())
        self.package(clientToken=token)
        self.conflict(self.package, description="other", clientToken=token)
        self.conflict(self.package, name="other", clientToken=token)
        self.version(clientToken=token)
        self.conflict(self.version, attributes={"a": "1"}, clientToken=token)
        self.update(description="d", clientToken=token)
        self.conflict(self.update, description="e", clientToken=token)
        IOT.update_package(packageName="fw", description="d", clientToken=token)
        self.conflict(IOT.update_package, packageName="fw", description="e", clientToken=token)
        IOT.delete_package_version(packageName="fw", versionName="1.0", clientToken=token)
        self.invalid_package(IOT.delete_package_version, packageName="fw", versionName="2", clientToken=token)


class Jobs(PackageTest):
    def document(self, job_id="j", **members):
        return json.loads(IOT.get_job_document(jobId=job_id, **members)["document"])

    def delivered(self, job_id="j"):
        answer = DATA.describe_job_execution(jobId=job_id, thingName="gw-1", includeJobDocument=True)
        return json.loads(answer["execution"]["jobDocument"])

    def destinations(self, job_id="j", **members):
        return IOT.describe_job(jobId=job_id, **members)["job"].get("destinationPackageVersions")

    def test_the_attributes_of_a_version_are_delivered(self):
        self.published(attributes={"url": "https://example.com/x", "note": 'say "hi"'})
        document = {
            "named": "${aws:iot:package:fw:version:1.0:attributes:url}",
            "only": "${aws:iot:package::version::attributes:note}",
            "all": "${aws:iot:package::version::attributes}",
        }
        self.job("j", document=json.dumps(document), destinationPackageVersions=[VERSION])
        filled = {
            "named": "https://example.com/x",
            "only": 'say "hi"',
            "all": {"url": "https://example.com/x", "note": 'say "hi"'},
        }
        self.assertEqual(self.document(), filled)
        self.assertEqual(self.document(beforeSubstitution=True), document)
        self.assertEqual(self.delivered(), filled)
        self.assertEqual(self.destinations(), [VERSION])

    def test_the_default_version_is_the_one_at_the_time_of_the_job(self):
        self.published(attributes={"a": "1"})
        document = '{"a":"${aws:iot:package:fw:version:$default:attributes:a}"}'
        request = {"document": document, "destinationPackageVersions": [DEFAULT]}
        self.invalid(self.job, job_id="j", **request)
        IOT.update_package(packageName="fw", defaultVersionName="1.0")
        self.job("j", **request)
        self.assertEqual(self.document(), {"a": "1"})
        self.assertEqual(self.destinations(), [VERSION])
        self.assertEqual(self.destinations(beforeSubstitution=True), [DEFAULT])

    def test_a_package_is_removed_by_the_version_null(self):
        self.published()
        gone = arn("package", "fw/version/$null")
        self.job("j", destinationPackageVersions=[gone])
        self.assertEqual(self.destinations(), [gone])

    def test_versions_that_cannot_be_installed_are_refused(self):
        self.package()
        self.version()
        self.invalid(self.job, job_id="j", destinationPackageVersions=[VERSION])
        self.update(action="PUBLISH")
        missing = arn("package", "fw/version/9")
        self.missing(self.job, job_id="j", destinationPackageVersions=[missing])
        self.missing(self.job, job_id="j", destinationPackageVersions=[VERSION.replace("/fw/", "/none/")])
        elsewhere = arn("package", "fw/version/1.0", region="us-east-1")
        for wrong in [arn("package", "fw"), elsewhere, "not-an-arn", "arn:" + "x" * 1600]:
            self.invalid(self.job, job_id="j", destinationPackageVersions=[wrong])
        too_many = {"job_id": "j", "destinationPackageVersions": [VERSION] * 26}
        self.refused("LimitExceededException", 410, self.job, **too_many)
        self.job("j", destinationPackageVersions=[VERSION] * 25)
        self.update(action="DEPRECATE")
        self.job("k", destinationPackageVersions=[VERSION])

    def test_placeholders_that_cannot_be_filled_in_are_refused(self):
        self.published(attributes={"a": "1"})
        self.published("2.0")
        both = [VERSION, arn("package", "fw/version/2.0")]
        fw = "${aws:iot:package:fw:version:1.0:"
        for value, arns, told in [
            (fw + "attributes:b}", [VERSION], fw + "attributes:b}"),
            (fw + "attributes:a}", [], fw + "attributes:a}"),
            ("${aws:iot:package:fw:version:9:attributes:a}", [VERSION], "fw:version:9"),
            (fw + "size}", [VERSION], fw + "size}"),
            (fw + "artifact-location:s3-presigned-url}", [VERSION], "does not have an associated artifact"),
            ("x" + fw + "attributes}", [VERSION], "has to be a json value by itself"),
            ("${aws:iot:package::version::attributes:a}", both, "multiple elements"),
            ("${aws:iot:package:fw:version::attributes:a}", [VERSION], "used in pair"),
            ("${aws:iot:package:fw:version:$null:attributes:a}", [VERSION], "$null is not allowed"),
            (fw + "attributes:a", [VERSION], "not terminated"),
        ]:
            request = {"document": json.dumps({"v": value}), "destinationPackageVersions": arns}
            refused = self.invalid(self.job, job_id="j", **request)
            self.assertIn(told, str(refused))

    def test_a_device_downloads_an_artifact_in_its_version(self):
        S3.create_bucket(Bucket=BUCKET)
        S3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        key = "fw/image 1.0 é.bin"
        version = S3.put_object(Bucket=BUCKET, Key=key, Body=b"version 1.0")["VersionId"]
        S3.put_object(Bucket=BUCKET, Key=key, Body=b"version 2.0")
        location = {"bucket": BUCKET, "key": key, "version": version}
        self.published(artifact={"s3Location": location})
        for job_id, part in [("j", "artifact-location"), ("k", "artifact")]:
            document = json.dumps({"url": f"${{aws:iot:package::version::{part}:s3-presigned-url}}"})
            request = {"document": document, "destinationPackageVersions": [VERSION]}
            refused = self.invalid(self.job, job_id=job_id, **request)
            self.assertIn("for package fw version 1.0 artifact", str(refused))
            self.job(job_id, presignedUrlConfig={"roleArn": ROLE, "expiresInSec": 60}, **request)
            self.assertEqual(self.document(job_id, beforeSubstitution=True), json.loads(document))
            url = self.delivered(job_id)["url"]
            self.assertNotEqual(self.delivered(job_id)["url"], url)
            self.assertEqual(self.download(url), b"version 1.0")
            self.assertEqual(self.download(url, Range="bytes=8-"), b"1.0")

    def test_a_placeholder_of_the_second_generation_names_a_version(self):
        S3.create_bucket(Bucket=BUCKET)
        S3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        version = S3.put_object(Bucket=BUCKET, Key="a b", Body=b"old")["VersionId"]
        S3.put_object(Bucket=BUCKET, Key="a b", Body=b"new")
        for job_id, query, content in [("j", f"?versionId={version}", b"old"), ("k", "", b"new")]:
            location = urllib.parse.quote(f"/{BUCKET}/a b{query}")
            placeholder = f"${{aws:iot:s3-presigned-url-v2:https://s3.eu-west-1.amazonaws.com{location}}}"
            self.job(job_id, document=json.dumps({"url": placeholder}), presignedUrlConfig={"roleArn": ROLE})
            self.assertEqual(self.download(self.delivered(job_id)["url"]), content)

    def download(self, url, **headers):
        # The test has no file with the service's authority, and it is not TLS that is tested here.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.read()


class Templates(PackageTest):
    def template(self, template_id="t", **members):
        request = {"description": "d", "document": "{}", **members}
        return IOT.create_job_template(jobTemplateId=template_id, **request)["jobTemplateArn"]

    def from_template(self, template, job_id="j", **members):
        IOT.create_thing(thingName="gw-1")
        targets = [arn("thing", "gw-1")]
        IOT.create_job(jobId=job_id, targets=targets, jobTemplateArn=template, **members)
        return IOT.describe_job(jobId=job_id)["job"].get("destinationPackageVersions")

    def test_a_template_gives_its_versions_and_placeholders(self):
        self.published(attributes={"a": "1"})
        IOT.update_package(packageName="fw", defaultVersionName="1.0")
        document = '{"a":"${aws:iot:package::version::attributes:a}"}'
        template = self.template(document=document, destinationPackageVersions=[DEFAULT])
        told = IOT.describe_job_template(jobTemplateId="t")
        self.assertEqual((told["document"], told["destinationPackageVersions"]), (document, [DEFAULT]))
        self.assertEqual(self.from_template(template), [VERSION])
        self.assertEqual(IOT.get_job_document(jobId="j")["document"], '{"a":"1"}')

    def test_the_versions_of_a_job_come_before_those_of_its_template(self):
        self.published()
        self.published("2.0")
        template = self.template(destinationPackageVersions=[VERSION])
        other = arn("package", "fw/version/2.0")
        self.assertEqual(self.from_template(template, destinationPackageVersions=[other]), [other])

    def test_a_template_may_be_ahead_of_its_versions(self):
        self.package()
        self.missing(self.template, destinationPackageVersions=[VERSION])
        self.version()
        template = self.template(destinationPackageVersions=[VERSION])
        with self.assertRaises(ClientError):
            self.from_template(template)
        self.update(action="PUBLISH")
        self.assertEqual(self.from_template(template), [VERSION])

    def test_what_is_wrong_is_refused(self):
        self.published()
        self.invalid(self.template, destinationPackageVersions=["not-an-arn"])
        self.invalid(self.template, document='{"a":"${aws:iot:package:fw:version:1.0:size}"}')
        too_many = {"destinationPackageVersions": [VERSION] * 26}
        self.refused("LimitExceededException", 410, self.template, **too_many)
        self.assertEqual(IOT.list_job_templates()["jobTemplates"], [])

    def test_a_template_takes_the_versions_of_a_job(self):
        self.published()
        self.job("j", destinationPackageVersions=[VERSION])
        IOT.create_job_template(jobTemplateId="t", description="d", jobArn=arn("job", "j"))
        told = IOT.describe_job_template(jobTemplateId="t")
        self.assertEqual(told["destinationPackageVersions"], [VERSION])


if __name__ == "__main__":
    unittest.main()
