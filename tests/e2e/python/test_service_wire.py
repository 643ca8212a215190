"""How iot-jobs-local speaks: each error of the model, pages of each list, labels, headers.

Needs what test_service_boto3.py needs.
"""

import http.client
import json
import unittest
import urllib.parse

from botocore import xform_name

from service_case import DATA, ENDPOINT, IOT, ServiceTest, arn, local
from service_world import CASES, DOCUMENT, build

CLIENTS = {"iot": IOT, "iot-jobs-data": DATA}
NOBODY = arn("thing", "nobody")
JOB, EXECUTION = {"jobId": "plain"}, {"jobId": "plain", "thingName": "gw-1"}
NO_JOB, NO_TEMPLATE = {"jobId": "none"}, {"jobTemplateId": "none"}
NO_THING, NO_GROUP = {"thingName": "nobody"}, {"thingGroupName": "nowhere"}
NO_EXECUTION = {"jobId": "plain", "thingName": "gw-2"}
NEW_JOB = {"jobId": "new", "targets": [arn("thing", "gw-1")], "document": DOCUMENT}
NEW_TEMPLATE = {"jobTemplateId": "t", "description": "d", "document": DOCUMENT}
TAG = {"tags": [{"Key": "k", "Value": "v"}]}

# Errors that no request provokes in a service in order, with what they would take.
NOT_PROVOKED = {
    "CertificateValidationException": "a certificate that is not valid ends at the TLS handshake",
    "InternalFailureException": "a fault", "InternalServerException": "a fault",
    "ServiceUnavailableException": "a fault", "ThrottlingException": "a fault",
    "UnauthorizedException": "policies of IAM, which are not here",
}
# Quotas that these operations have, but cannot exceed: what they would take.
NOT_EXCEEDED = {
    "CancelJob": "AWS tells no quota that it exceeds", "DeleteJob": "eleven jobs that are being deleted at one time",
    "CreatePackage": "see test_a_hundred_and_one_packages", "CreatePackageVersion": "ten thousand versions",
    "CreateJobTemplate": "see test_a_hundred_and_one_templates", "TagResource": "AWS answers InvalidRequestException",
}


def finished():
    DATA.update_job_execution(**EXECUTION, status="SUCCEEDED")


def started():
    DATA.start_next_pending_job_execution(thingName="gw-1")


def nothing():
    pass


INVALID, MISSING, STATE = "InvalidRequestException", "ResourceNotFoundException", "InvalidStateTransitionException"
TAKEN, LIMIT, VERSION = "ResourceAlreadyExistsException", "LimitExceededException", "VersionConflictException"
VALIDATION, QUOTA = "ValidationException", "ServiceQuotaExceededException"
BAD = "not a name"
PACKAGE, VERSION_OF_APP = {"packageName": "app"}, {"packageName": "app", "versionName": "1.0"}

# A request for each error of each operation, in the world that service_world builds, after what is done first.
ERRORS = [
    ("CreateJob", INVALID, nothing, {**NEW_JOB, "jobId": BAD}),
    ("CreateJob", MISSING, nothing, {**NEW_JOB, "targets": [NOBODY]}),
    ("CreateJob", TAKEN, nothing, {**NEW_JOB, "jobId": "plain"}),
    ("CreateJob", LIMIT, nothing, {**NEW_JOB, "targets": [arn("thing", f"t{n}") for n in range(101)]}),
    ("DescribeJob", INVALID, nothing, {"jobId": BAD}),
    ("DescribeJob", MISSING, nothing, NO_JOB),
    ("ListJobs", INVALID, nothing, {"status": BAD}),
    ("ListJobs", MISSING, nothing, {"thingGroupName": "nowhere"}),
    ("UpdateJob", INVALID, nothing, JOB),
    ("UpdateJob", MISSING, nothing, {**NO_JOB, "description": "d"}),
    ("CancelJob", INVALID, nothing, {**JOB, "reasonCode": BAD}),
    ("CancelJob", MISSING, nothing, NO_JOB),
    ("DeleteJob", INVALID, nothing, {**JOB, "namespaceId": BAD}),
    ("DeleteJob", STATE, nothing, JOB),
    ("DeleteJob", MISSING, nothing, NO_JOB),
    ("GetJobDocument", INVALID, nothing, {"jobId": BAD}),
    ("GetJobDocument", MISSING, nothing, NO_JOB),
    ("AssociateTargetsWithJob", INVALID, nothing, {**JOB, "targets": ["x"]}),
    ("AssociateTargetsWithJob", MISSING, nothing, {**JOB, "targets": [NOBODY]}),
    ("AssociateTargetsWithJob", LIMIT, nothing, {**JOB, "targets": [arn("thing", f"t{n}") for n in range(101)]}),
    ("DescribeJobExecution", INVALID, nothing, {**EXECUTION, "jobId": BAD}),
    ("DescribeJobExecution", MISSING, nothing, NO_EXECUTION),
    ("CancelJobExecution", INVALID, nothing, {**EXECUTION, "statusDetails": {BAD: "v"}}),
    ("CancelJobExecution", STATE, finished, EXECUTION),
    ("CancelJobExecution", MISSING, nothing, NO_EXECUTION),
    ("CancelJobExecution", VERSION, nothing, {**EXECUTION, "expectedVersion": 7}),
    ("DeleteJobExecution", INVALID, nothing, {**EXECUTION, "executionNumber": 0}),
    ("DeleteJobExecution", STATE, started, {**EXECUTION, "executionNumber": 1}),
    ("DeleteJobExecution", MISSING, nothing, {**EXECUTION, "executionNumber": 2}),
    ("ListJobExecutionsForJob", INVALID, nothing, {**JOB, "status": BAD}),
    ("ListJobExecutionsForJob", MISSING, nothing, NO_JOB),
    ("ListJobExecutionsForThing", INVALID, nothing, {"thingName": "gw-1", "status": BAD}),
    ("ListJobExecutionsForThing", MISSING, nothing, NO_THING),
    ("CreateJobTemplate", INVALID, nothing, {**NEW_TEMPLATE, "jobTemplateId": BAD}),
    ("CreateJobTemplate", MISSING, nothing, {"jobTemplateId": "u", "description": "d", "jobArn": arn("job", "none")}),
    ("CreateJobTemplate", "ConflictException", nothing, NEW_TEMPLATE),
    ("DescribeJobTemplate", INVALID, nothing, {"jobTemplateId": BAD}),
    ("DescribeJobTemplate", MISSING, nothing, NO_TEMPLATE),
    ("ListJobTemplates", INVALID, nothing, {"nextToken": BAD}),
    ("DeleteJobTemplate", INVALID, nothing, {"jobTemplateId": BAD}),
    ("DeleteJobTemplate", MISSING, nothing, NO_TEMPLATE),
    ("DescribeManagedJobTemplate", INVALID, nothing, {"templateName": "AWS-Reboot", "templateVersion": "x"}),
    ("DescribeManagedJobTemplate", MISSING, nothing, {"templateName": "AWS-Explode"}),
    ("ListManagedJobTemplates", INVALID, nothing, {"maxResults": 251}),
    ("ListManagedJobTemplates", MISSING, nothing, {"templateName": "AWS-Explode"}),
    ("TagResource", INVALID, nothing, {"resourceArn": "x", **TAG}),
    ("TagResource", MISSING, nothing, {"resourceArn": arn("job", "none"), **TAG}),
    ("UntagResource", INVALID, nothing, {"resourceArn": "x", "tagKeys": ["k"]}),
    ("UntagResource", MISSING, nothing, {"resourceArn": arn("job", "none"), "tagKeys": ["k"]}),
    ("ListTagsForResource", INVALID, nothing, {"resourceArn": arn("job", "plain"), "nextToken": "forged"}),
    ("ListTagsForResource", MISSING, nothing, {"resourceArn": arn("job", "none")}),
    ("CreateThing", INVALID, nothing, {"thingName": BAD}),
    ("CreateThing", TAKEN, nothing, {"thingName": "gw-1"}),
    ("DescribeThing", INVALID, nothing, {"thingName": BAD}),
    ("DescribeThing", MISSING, nothing, NO_THING),
    ("ListThings", INVALID, nothing, {"nextToken": "forged"}),
    ("UpdateThing", INVALID, nothing, {"thingName": BAD}),
    ("UpdateThing", MISSING, nothing, NO_THING),
    ("UpdateThing", VERSION, nothing, {"thingName": "gw-1", "expectedVersion": 7}),
    ("DeleteThing", INVALID, nothing, {"thingName": BAD}),
    ("DeleteThing", VERSION, nothing, {"thingName": "gw-1", "expectedVersion": 7}),
    ("CreateThingGroup", INVALID, nothing, {"thingGroupName": "new", "parentGroupName": "nowhere"}),
    ("CreateThingGroup", TAKEN, nothing, {"thingGroupName": "site"}),
    ("DescribeThingGroup", INVALID, nothing, {"thingGroupName": BAD}),
    ("DescribeThingGroup", MISSING, nothing, NO_GROUP),
    ("ListThingGroups", INVALID, nothing, {"nextToken": "forged"}),
    ("ListThingGroups", MISSING, nothing, {"parentGroup": "nowhere"}),
    ("DeleteThingGroup", INVALID, nothing, {"thingGroupName": "plant"}),
    ("DeleteThingGroup", VERSION, nothing, {"thingGroupName": "site", "expectedVersion": 7}),
    ("AddThingToThingGroup", INVALID, nothing, {"thingGroupName": "site"}),
    ("AddThingToThingGroup", MISSING, nothing, {"thingGroupName": "site", "thingName": "nobody"}),
    ("RemoveThingFromThingGroup", INVALID, nothing, {"thingName": "gw-1"}),
    ("RemoveThingFromThingGroup", MISSING, nothing, {"thingGroupName": "nowhere", "thingName": "gw-1"}),
    ("ListThingsInThingGroup", INVALID, nothing, {"thingGroupName": "site", "nextToken": "forged"}),
    ("ListThingsInThingGroup", MISSING, nothing, NO_GROUP),
    ("ListThingGroupsForThing", INVALID, nothing, {"thingName": "gw-1", "nextToken": "forged"}),
    ("ListThingGroupsForThing", MISSING, nothing, NO_THING),
    ("DescribeEndpoint", INVALID, nothing, {"endpointType": "iot:CredentialProvider"}),
    ("UpdateEventConfigurations", INVALID, nothing, {"eventConfigurations": {"JOBS": {"Enabled": True}}}),
    ("CreatePackage", VALIDATION, nothing, {"packageName": BAD}),
    ("CreatePackage", "ConflictException", nothing, {"packageName": "app"}),
    ("GetPackage", VALIDATION, nothing, {"packageName": BAD}),
    ("GetPackage", MISSING, nothing, {"packageName": "none"}),
    ("ListPackages", VALIDATION, nothing, {"nextToken": "forged"}),
    ("UpdatePackage", VALIDATION, nothing, {**PACKAGE, "defaultVersionName": "1.0", "unsetDefaultVersion": True}),
    ("UpdatePackage", "ConflictException", nothing, {"packageName": "other", "defaultVersionName": "0.1"}),
    ("UpdatePackage", MISSING, nothing, {"packageName": "none"}),
    ("DeletePackage", VALIDATION, nothing, PACKAGE),
    ("CreatePackageVersion", VALIDATION, nothing, {**VERSION_OF_APP, "versionName": BAD}),
    ("CreatePackageVersion", "ConflictException", nothing, VERSION_OF_APP),
    ("GetPackageVersion", VALIDATION, nothing, {**VERSION_OF_APP, "versionName": BAD}),
    ("GetPackageVersion", MISSING, nothing, {**VERSION_OF_APP, "versionName": "none"}),
    ("ListPackageVersions", VALIDATION, nothing, {**PACKAGE, "status": BAD}),
    ("UpdatePackageVersion", VALIDATION, nothing, {**VERSION_OF_APP, "action": BAD}),
    ("UpdatePackageVersion", "ConflictException", nothing, {**VERSION_OF_APP, "action": "PUBLISH"}),
    ("UpdatePackageVersion", MISSING, nothing, {**VERSION_OF_APP, "versionName": "none"}),
    ("DeletePackageVersion", VALIDATION, nothing, VERSION_OF_APP),
    ("UpdatePackageConfiguration", VALIDATION, nothing, {"versionUpdateByJobsConfig": {"roleArn": "r" * 2049}}),
]
DATA_ERRORS = [
    ("GetPendingJobExecutions", INVALID, nothing, {"thingName": BAD}),
    ("GetPendingJobExecutions", MISSING, nothing, NO_THING),
    ("StartNextPendingJobExecution", INVALID, nothing, {"thingName": "gw-1", "stepTimeoutInMinutes": 0}),
    ("StartNextPendingJobExecution", MISSING, nothing, NO_THING),
    ("DescribeJobExecution", INVALID, nothing, {**EXECUTION, "jobId": "$other"}),
    ("DescribeJobExecution", MISSING, nothing, {**EXECUTION, **NO_JOB}),
    ("DescribeJobExecution", "TerminalStateException", finished, EXECUTION),
    ("UpdateJobExecution", INVALID, nothing, {**EXECUTION, "status": "IN_PROGRESS", "expectedVersion": 7}),
    ("UpdateJobExecution", MISSING, nothing, {**EXECUTION, **NO_JOB, "status": "FAILED"}),
    ("UpdateJobExecution", STATE, finished, {**EXECUTION, "status": "FAILED"}),
]
PROVOKED = {"iot": ERRORS, "iot-jobs-data": DATA_ERRORS}
# CreateThing can miss only a type or a billing group: neither is here.
CANNOT_MISS = {
    # AWS does not tell with what a configuration could conflict.
    ("UpdatePackageConfiguration", "ConflictException"),
    ("CreateThing", MISSING), ("UpdateThing", MISSING), ("DeleteThing", MISSING),
}


def errors_of(service, operation):
    model = CLIENTS[service].meta.service_model.operation_model(operation)
    return {error.error_code: error for error in model.error_shapes}


class Errors(ServiceTest):
    def test_each_error_of_each_operation(self):
        for service, errors in PROVOKED.items():
            for operation, code, first, request in errors:
                with self.subTest(operation=operation, code=code):
                    build()
                    first()
                    status = errors_of(service, operation)[code].metadata["error"]["httpStatusCode"]
                    self.refused(code, status, getattr(CLIENTS[service], xform_name(operation)), **request)

    def test_no_error_of_the_model_is_forgotten(self):
        for service, cases in CASES.items():
            for operation in cases:
                with self.subTest(operation=operation):
                    provoked = {code for of, code, _, _ in PROVOKED[service] if of == operation}
                    excused = set(NOT_PROVOKED) | {code for of, code in CANNOT_MISS if of == operation}
                    excused |= {LIMIT, QUOTA} if operation in NOT_EXCEEDED else set()
                    self.assertEqual(set(errors_of(service, operation)) - provoked - excused, set())

    def test_what_is_gone_already_is_deleted_with_success(self):
        """API reference: DeleteThing and DeleteThingGroup."""
        IOT.delete_thing(thingName="nobody")
        IOT.delete_thing_group(thingGroupName="nowhere")

    def test_a_hundred_and_one_templates(self):
        for number in range(100):
            IOT.create_job_template(**{**NEW_TEMPLATE, "jobTemplateId": f"t{number}"})
        self.refused(LIMIT, 410, IOT.create_job_template, **NEW_TEMPLATE)

    def test_a_hundred_and_one_packages(self):
        for number in range(100):
            IOT.create_package(packageName=f"p{number}")
        self.refused(QUOTA, 402, IOT.create_package, packageName="app")

    def test_conflicts_tell_with_what(self):
        build()
        job = self.refused(TAKEN, 409, IOT.create_job, **{**NEW_JOB, "jobId": "plain"}).response
        self.assertEqual((job["resourceId"], job["resourceArn"]), ("plain", arn("job", "plain")))
        thing = self.refused(TAKEN, 409, IOT.create_thing, thingName="gw-1").response
        self.assertEqual((thing["resourceId"], thing["resourceArn"]), ("gw-1", arn("thing", "gw-1")))
        group = self.refused(TAKEN, 409, IOT.create_thing_group, thingGroupName="site").response
        self.assertEqual((group["resourceId"], group["resourceArn"]), ("site", arn("thinggroup", "site")))
        template = self.refused("ConflictException", 409, IOT.create_job_template, **NEW_TEMPLATE).response
        self.assertEqual(template["resourceId"], "t")


def job_for(thing, job_id):
    IOT.create_job(jobId=job_id, targets=[arn("thing", thing)], document="{}")


# Each list: the request, where its entries are, how one more comes to be, and what an entry is called.
LISTS = {
    "list_things": ({}, "things", lambda name: IOT.create_thing(thingName=name), lambda each: each["thingName"]),
    "list_thing_groups": (
        {}, "thingGroups", lambda name: IOT.create_thing_group(thingGroupName=name), lambda each: each["groupName"],
    ),
    "list_things_in_thing_group": (
        {"thingGroupName": "all"}, "things",
        lambda name: (
            IOT.create_thing(thingName=name), IOT.add_thing_to_thing_group(thingGroupName="all", thingName=name),
        ),
        str,
    ),
    "list_thing_groups_for_thing": (
        {"thingName": "one"}, "thingGroups",
        lambda name: (
            IOT.create_thing_group(thingGroupName=name),
            IOT.add_thing_to_thing_group(thingGroupName=name, thingName="one"),
        ),
        lambda each: each["groupName"],
    ),
    "list_jobs": ({}, "jobs", lambda name: job_for("one", name), lambda each: each["jobId"]),
    "list_job_executions_for_thing": (
        {"thingName": "one"}, "executionSummaries", lambda name: job_for("one", name), lambda each: each["jobId"],
    ),
    "list_job_executions_for_job": (
        {"jobId": "to-all"}, "executionSummaries",
        lambda name: (
            IOT.create_thing(thingName=name), IOT.add_thing_to_thing_group(thingGroupName="all", thingName=name),
        ),
        lambda each: each["thingArn"].rsplit("/")[-1],
    ),
    "list_job_templates": (
        {}, "jobTemplates", lambda name: IOT.create_job_template(**{**NEW_TEMPLATE, "jobTemplateId": name}),
        lambda each: each["jobTemplateId"],
    ),
    "list_packages": (
        {}, "packageSummaries", lambda name: IOT.create_package(packageName=name), lambda each: each["packageName"],
    ),
    "list_package_versions": (
        {"packageName": "one"}, "packageVersionSummaries",
        lambda name: IOT.create_package_version(packageName="one", versionName=name), lambda each: each["versionName"],
    ),
}
NAMES = ["b", "c", "d"]


class Pages(ServiceTest):
    def setUp(self):
        super().setUp()
        IOT.create_thing(thingName="one")
        IOT.create_thing_group(thingGroupName="all")
        IOT.create_package(packageName="one")
        IOT.create_job(
            jobId="to-all", targets=[arn("thinggroup", "all")], document="{}", targetSelection="CONTINUOUS",
        )

    def pages(self, operation, request):
        pages = IOT.get_paginator(operation).paginate(**request, PaginationConfig={"PageSize": 1})
        _, key, _, name = LISTS[operation]
        for page in pages:
            self.assertLessEqual(len(page[key]), 1)
            yield from map(name, page[key])

    def test_each_list_page_by_page(self):
        for operation, (request, key, add, name) in LISTS.items():
            with self.subTest(operation=operation):
                self.setUp()
                for each in NAMES:
                    add(each)
                at_once = list(map(name, getattr(IOT, operation)(**request)[key]))
                self.assertEqual(list(self.pages(operation, request)), at_once)
                self.assertLessEqual(set(NAMES), set(at_once))

    def test_what_comes_between_two_pages_hides_and_repeats_nothing(self):
        for operation, (request, _, add, _) in LISTS.items():
            with self.subTest(operation=operation):
                self.setUp()
                for each in NAMES:
                    add(each)
                listed = []
                for each in self.pages(operation, request):
                    if not listed:
                        add("a")
                        add("e")
                    listed.append(each)
                self.assertLessEqual(set(NAMES), set(listed))
                self.assertEqual(len(listed), len(set(listed)))

    def test_tokens_are_of_their_list_alone(self):
        tokens = {}
        for each in NAMES:
            IOT.create_thing_group(thingGroupName=each)
        for operation, (request, _, add, _) in LISTS.items():
            self.setUp()
            for each in NAMES:
                add(each)
            tokens[operation] = getattr(IOT, operation)(**request, maxResults=1)["nextToken"]
        self.assertEqual(len(set(tokens.values())), len(LISTS))
        for operation, (request, *_) in LISTS.items():
            for other, token in tokens.items():
                if other != operation:
                    with self.subTest(operation=operation, token=other):
                        code = VALIDATION if "package" in operation else INVALID
                        self.refused(code, 400, getattr(IOT, operation), **request, nextToken=token)

    def test_every_list_of_the_service_is_paged_here(self):
        paged = {xform_name(name) for name in CASES["iot"] if IOT.can_paginate(xform_name(name))}
        # The eight managed templates are fixed, and tags have one page: both have tests of their own.
        self.assertEqual(paged - set(LISTS), {"list_managed_job_templates", "list_tags_for_resource"})

    def test_the_fixed_lists(self):
        pages = IOT.get_paginator("list_managed_job_templates").paginate(PaginationConfig={"PageSize": 1})
        self.assertEqual([len(page["managedJobTemplates"]) for page in pages], [1] * 8)
        tags = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
        IOT.tag_resource(resourceArn=arn("job", "to-all"), tags=tags)
        pages = IOT.get_paginator("list_tags_for_resource").paginate(resourceArn=arn("job", "to-all"))
        self.assertEqual([tag for page in pages for tag in page["tags"]], tags)


def ask(method, path, body=None, service="iot", headers=()):
    """Sends a request as it is, and returns status, headers and body of the answer."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(ENDPOINT).netloc, timeout=10)
    credential = f"AWS4-HMAC-SHA256 Credential=k/20260101/eu-west-1/{service}/aws4_request, Signature=0"
    sent = {"Authorization": credential, "Content-Type": "application/json", **dict(headers)}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, json.loads(content)


class Wire(ServiceTest):
    def test_labels_are_decoded(self):
        IOT.create_thing(thingName="a:b_c-D")
        for path in ["/things/a%3Ab_c-D", "/things/a:b_c-D", "/things/%61%3a%62_c-D"]:
            with self.subTest(path=path):
                self.assertEqual(ask("GET", path)[2]["thingName"], "a:b_c-D")
        job_for("a:b_c-D", "j_1-J")
        for path in ["/things/a%3Ab_c-D/jobs/%6a_1-J", "/things/a:b_c-D/jobs/j_1-J"]:
            with self.subTest(path=path):
                self.assertEqual(ask("GET", path)[2]["execution"]["jobId"], "j_1-J")
        for path in ["/things/a%3Ab_c-D/jobs/%24next", "/things/a:b_c-D/jobs/$next"]:
            with self.subTest(path=path):
                self.assertEqual(ask("GET", path, service="iot-jobs-data")[2]["execution"]["jobId"], "j_1-J")
        self.assertEqual(ask("DELETE", "/things/a%3Ab_c-D/jobs/j_1-J/executionNumber/%31")[0], 200)

    def test_labels_that_are_no_names_are_refused(self):
        for path in ["/things/a%2Fb", "/things/a%20b", "/things/%FF", "/things/%00", "/things/%C3%A9", "/things/a%25b"]:
            with self.subTest(path=path):
                status, headers, body = ask("GET", path)
                self.assertEqual((status, headers["x-amzn-ErrorType"]), (400, INVALID))
                self.assertTrue(body["message"])

    def test_every_answer_has_an_id_of_its_own(self):
        build()
        asked = [
            ("GET", "/things/gw-1", "iot", 200), ("GET", "/things/nobody", "iot", 404), ("GET", "/nothing", "iot", 404),
            ("PATCH", "/things", "iot", 404), ("GET", "/policies", "iot", 501),
            ("GET", "/things/gw-1/jobs", "iot-jobs-data", 200), ("POST", "/command-executions", "iot-jobs-data", 501),
            ("GET", "/things", "sts", 404),
        ]
        ids = set()
        for method, path, service, expected in asked:
            with self.subTest(method=method, path=path):
                status, headers, body = ask(method, path, service=service)
                self.assertEqual((status, headers["Content-Type"]), (expected, "application/json"))
                ids.add(headers["x-amzn-RequestId"])
                if status != 200:
                    self.assertRegex(headers["x-amzn-ErrorType"], "^[A-Za-z]+Exception$")
                    self.assertTrue(body["message"])
        self.assertEqual(len(ids - {None}), len(asked))

    def test_who_does_not_sign_is_told_so_on_every_path(self):
        """Not by S3, whose paths are all others."""
        model = IOT.meta.service_model
        for operation in CASES["iot"]:
            path = model.operation_model(operation).http["requestUri"].replace("{", "").replace("}", "")
            with self.subTest(path=path):
                status, headers, _ = ask("GET", path, headers={"Authorization": "none"})
                self.assertEqual((status, headers["x-amzn-ErrorType"]), (403, "MissingAuthenticationTokenException"))

    def test_times_are_seconds_as_numbers(self):
        build()
        now = local("GET", "clock")["now"]
        for path, service in [("/jobs/plain", "iot"), ("/things/gw-1/jobs/plain", "iot"), ("/job-templates/t", "iot"),
                              ("/thing-groups/site", "iot"), ("/things/gw-1/jobs", "iot-jobs-data")]:
            with self.subTest(path=path):
                times = list(times_in(ask("GET", path, service=service)[2]))
                self.assertTrue(times)
                for time in times:
                    self.assertLess(abs(time - now), 60)
                    self.assertTrue(service == "iot" or isinstance(time, int))

    def test_each_type_of_endpoint(self):
        """One host is all of them, told without scheme and port; who names no type means data."""
        self.assertTrue(IOT.describe_endpoint()["endpointAddress"])
        for here in ["iot:Data", "iot:Data-ATS", "iot:Jobs"]:
            request = {"endpointType": here}
            self.assertRegex(IOT.describe_endpoint(**request)["endpointAddress"], r"^[a-z0-9.-]+$")
        for other in ["iot:CredentialProvider", "iot:DeviceAdvisor"]:
            self.assertIn("not supported", str(self.invalid(IOT.describe_endpoint, endpointType=other)))
        self.assertIn("not valid", str(self.invalid(IOT.describe_endpoint, endpointType="iot:data-ats")))


def times_in(value):
    for name, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(name, str) and name in ("createdAt", "queuedAt", "lastUpdatedAt", "creationDate"):
            yield each
        yield from times_in(each)


class Registry(ServiceTest):
    def test_nested_groups(self):
        IOT.create_thing_group(thingGroupName="root")
        for name, parent in [("floor", "root"), ("room", "floor")]:
            IOT.create_thing_group(thingGroupName=name, parentGroupName=parent)
        for thing, group in [("a", "root"), ("b", "floor"), ("c", "room")]:
            IOT.create_thing(thingName=thing)
            IOT.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
        things = lambda **more: IOT.list_things_in_thing_group(thingGroupName="root", **more)["things"]
        groups = lambda **more: [each["groupName"] for each in IOT.list_thing_groups(**more)["thingGroups"]]
        self.assertEqual((things(), things(recursive=True)), (["a"], ["a", "b", "c"]))
        self.assertEqual(groups(parentGroup="root"), ["floor", "room"])
        self.assertEqual(groups(parentGroup="root", recursive=False), ["floor"])
        self.assertEqual(groups(recursive=False), ["root"])
        self.assertEqual(groups(namePrefixFilter="ro"), ["room", "root"])
        above = IOT.describe_thing_group(thingGroupName="room")["thingGroupMetadata"]["rootToParentThingGroups"]
        expected = [{"groupName": name, "groupArn": arn("thinggroup", name)} for name in ["root", "floor"]]
        self.assertEqual(above, expected)
        refused = self.invalid(IOT.delete_thing_group, thingGroupName="floor")
        self.assertIn("child groups", str(refused))

    def test_attributes_are_merged_replaced_and_removed(self):
        IOT.create_thing(thingName="t", attributePayload={"attributes": {"a": "1", "b": "2"}})
        for attributes, merge, left in [
            ({"c": "3"}, True, {"a": "1", "b": "2", "c": "3"}),
            ({"a": ""}, True, {"b": "2", "c": "3"}),
            ({"d": "4"}, False, {"d": "4"}),
            ({}, True, {"d": "4"}),
            ({}, False, {}),
        ]:
            IOT.update_thing(thingName="t", attributePayload={"attributes": attributes, "merge": merge})
            self.assertEqual(IOT.describe_thing(thingName="t")["attributes"], left)
        self.assertEqual(IOT.describe_thing(thingName="t")["version"], 6)

    def test_things_are_found_by_attribute(self):
        for name, attributes in [("a", {"board": "rev-a"}), ("b", {"board": "rev-b"}), ("c", {})]:
            IOT.create_thing(thingName=name, attributePayload={"attributes": attributes})
        for query, found in [
            ({"attributeName": "board"}, ["a", "b"]),
            ({"attributeName": "board", "attributeValue": "rev-a"}, ["a"]),
            ({"attributeName": "board", "attributeValue": "rev"}, []),
            ({"attributeName": "board", "attributeValue": "rev", "usePrefixAttributeValue": True}, ["a", "b"]),
        ]:
            with self.subTest(query=query):
                self.assertEqual([each["thingName"] for each in IOT.list_things(**query)["things"]], found)


if __name__ == "__main__":
    unittest.main()
