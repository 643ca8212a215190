"""The operations of iot-jobs-local, each with requests that together set every member of its input.

The requests are made for the world that `build` leaves behind. Who gives the service an operation adds it here:
test_service_model.py fails until then.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Callable

import service_packages as packages
from service_case import BUCKET, IOT, REGION, ROLE, S3, arn, local

SOURCE = f"https://s3.{REGION}.amazonaws.com/{BUCKET}/job.json"
RUN_COMMAND = f"arn:aws:iot:{REGION}::jobtemplate/AWS-Run-Command:1.0"
TAGS = [{"Key": "team", "Value": "edge"}, {"Key": "site", "Value": ""}]
DOCUMENT = '{"operation":"x"}'


def build():
    """Things, groups, jobs, a template and a document in a bucket."""
    local("POST", "reset")
    S3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    S3.put_object(Bucket=BUCKET, Key="job.json", Body=b'{"from":"bucket"}')
    IOT.create_thing_group(thingGroupName="plant")
    IOT.create_thing_group(thingGroupName="site", parentGroupName="plant")
    for thing in ["gw-1", "gw-2"]:
        IOT.create_thing(thingName=thing, attributePayload={"attributes": {"board": "rev-b"}})
    IOT.add_thing_to_thing_group(thingGroupName="site", thingName="gw-1")
    retry = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1}]}
    for job_id, members in [("plain", {}), ("own", {"namespaceId": "acme"})]:
        IOT.create_job(
            jobId=job_id, targets=[arn("thinggroup", "site")], document=DOCUMENT, targetSelection="CONTINUOUS",
            description="in the world", jobExecutionsRetryConfig=retry, **members,
        )
    IOT.create_job_template(jobTemplateId="t", description="a template", document=DOCUMENT, tags=TAGS)
    packages.build_packages()


def minutes_ahead(minutes):
    now = datetime.fromtimestamp(local("GET", "clock")["now"], timezone.utc)
    return (now + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M")


@dataclass
class Case:
    """One operation: its requests, and what shows that their members were heard."""

    requests: list[Callable[[], dict]]
    # Asserts, given the test, the request and its answer.
    heard: Callable


def same(test, request, found, *unlike):
    """Asserts that `found` has each member of the request but those."""
    for member in request.keys() - set(unlike):
        test.assertEqual(found.get(member), request[member], member)


def rollout(**criteria):
    rate = {"baseRatePerMinute": 2, "incrementFactor": 1.5, "rateIncreaseCriteria": criteria}
    return {"maximumPerMinute": 1000, "exponentialRate": rate}


def abort():
    keys = ["failureType", "action", "thresholdPercentage", "minNumberOfExecutedThings"]
    criteria = [("FAILED", "CANCEL", 33.33, 3), ("ALL", "CANCEL", 50.5, 2)]
    return {"criteriaList": [dict(zip(keys, each)) for each in criteria]}


def retries(**numbers):
    return {"criteriaList": [{"failureType": kind, "numberOfRetries": number} for kind, number in numbers.items()]}


def windows():
    return [{"startTime": "cron(0 22 * * ? *)", "durationInMinutes": 60}]


def terms():
    """The members that jobs and templates have in common."""
    return {
        "description": "a job, for people",
        "presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 300},
        "jobExecutionsRolloutConfig": rollout(numberOfNotifiedThings=5),
        "abortConfig": abort(),
        "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
    }


def job_in_full():
    return {
        "jobId": "new",
        "targets": [arn("thing", "gw-2"), arn("thinggroup", "site")],
        "document": DOCUMENT,
        "targetSelection": "CONTINUOUS",
        "tags": TAGS,
        "namespaceId": "acme",
        "jobExecutionsRetryConfig": retries(FAILED=1, TIMED_OUT=0),
        "schedulingConfig": {
            "startTime": minutes_ahead(60), "endTime": minutes_ahead(3 * 24 * 60), "endBehavior": "CANCEL",
            "maintenanceWindows": windows(),
        },
        **terms(),
    }


def job_of_template():
    return {
        "jobId": "new",
        "targets": [arn("thing", "gw-2")],
        "jobTemplateArn": RUN_COMMAND,
        "documentParameters": {"command": "echo,a", "runAsUser": "root"},
        "jobExecutionsRolloutConfig": rollout(numberOfSucceededThings=5),
    }


def job_was_made(test, request, answer):
    test.assertEqual((answer["jobId"], answer["jobArn"]), ("new", arn("job", "new")))
    described = IOT.describe_job(jobId="new")
    found = {**described["job"], **IOT.get_job_document(jobId="new")}
    found |= IOT.list_tags_for_resource(resourceArn=answer["jobArn"])
    if "documentSource" in request:
        test.assertEqual(described["documentSource"], request["documentSource"])
        test.assertEqual(found["document"], '{"from":"bucket"}')
    same(test, request, found, "documentSource")


def template_was_made(test, request, answer):
    test.assertEqual((answer["jobTemplateId"], answer["jobTemplateArn"]), ("new", arn("jobtemplate", "new")))
    found = IOT.describe_job_template(jobTemplateId="new")
    found |= IOT.list_tags_for_resource(resourceArn=answer["jobTemplateArn"])
    same(test, request, found, "jobArn")
    if "jobArn" in request:
        test.assertEqual((found["document"], found["jobExecutionsRetryConfig"]), (DOCUMENT, retries(FAILED=1)))


def template_in_full():
    members = {"jobTemplateId": "new", "document": DOCUMENT, "tags": TAGS, "maintenanceWindows": windows(), **terms()}
    return {**members, "jobExecutionsRetryConfig": retries(FAILED=1, TIMED_OUT=0)}


def update_in_full():
    return {"jobId": "own", "namespaceId": "acme", "jobExecutionsRetryConfig": retries(FAILED=0), **terms()}


def job_was_updated(test, request, _):
    same(test, request, IOT.describe_job(jobId="own")["job"])


def job_was_cancelled(test, request, answer):
    job = IOT.describe_job(jobId="plain")["job"]
    test.assertEqual(answer["jobArn"], job["jobArn"])
    test.assertEqual((job["status"], job["forceCanceled"]), ("CANCELED", True))
    same(test, request, job, "force")


def targets_were_added(test, request, answer):
    job = IOT.describe_job(jobId="own")["job"]
    test.assertEqual((answer["jobId"], job["comment"]), ("own", request["comment"]))
    test.assertEqual(job["targets"][1:], request["targets"])


def execution_was_cancelled(test, request, _):
    execution = IOT.describe_job_execution(jobId="plain", thingName="gw-1")["execution"]
    test.assertEqual((execution["status"], execution["versionNumber"]), ("CANCELED", 2))
    test.assertTrue(execution["forceCanceled"])
    test.assertEqual(execution["statusDetails"], {"detailsMap": request["statusDetails"]})


def gone(call, /, **request):
    return lambda test, *_: test.missing(call, **request)


def tells(*path, value):
    """Asserts what the answer holds at `path`."""

    def heard(test, _, answer):
        for step in path:
            answer = [each[step] for each in answer] if isinstance(answer, list) else answer[step]
        test.assertEqual(answer, value)

    return heard


def thing_was_made(test, request, answer):
    found = IOT.describe_thing(thingName=request["thingName"])
    test.assertEqual({name: found[name] for name in ("thingName", "thingArn", "thingId")}, {
        name: answer[name] for name in ("thingName", "thingArn", "thingId")})
    test.assertEqual(found["attributes"], request["attributePayload"]["attributes"])


def thing_was_updated(test, *_):
    found = IOT.describe_thing(thingName="gw-1")
    test.assertEqual((found["attributes"], found["version"]), ({"board": "rev-b", "site": "a=[1]"}, 2))


def group_was_made(test, request, answer):
    found = IOT.describe_thing_group(thingGroupName="new")
    test.assertEqual(found["thingGroupArn"], answer["thingGroupArn"])
    metadata = found["thingGroupMetadata"]
    test.assertEqual(metadata["parentGroupName"], "site")
    test.assertEqual([each["groupName"] for each in metadata["rootToParentThingGroups"]], ["plant", "site"])
    properties = request["thingGroupProperties"]
    test.assertEqual(found["thingGroupProperties"]["thingGroupDescription"], properties["thingGroupDescription"])
    attributes = properties["attributePayload"]["attributes"]
    test.assertEqual(found["thingGroupProperties"]["attributePayload"]["attributes"], attributes)
    test.assertEqual(IOT.list_tags_for_resource(resourceArn=answer["thingGroupArn"])["tags"], TAGS)


def members_are(*names):
    def heard(test, *_):
        test.assertEqual(IOT.list_things_in_thing_group(thingGroupName="site")["things"], list(names))

    return heard


def tags_are(*tags):
    def heard(test, *_):
        found = IOT.list_tags_for_resource(resourceArn=arn("jobtemplate", "t"))["tags"]
        test.assertEqual(found, [dict(zip(["Key", "Value"], tag)) for tag in tags])

    return heard


def events_are_on(test, request, _):
    found = IOT.describe_event_configurations()["eventConfigurations"]
    test.assertTrue(found["JOB"]["Enabled"])
    test.assertFalse(found["JOB_EXECUTION"]["Enabled"])


def started(test, request, answer):
    execution = answer["execution"]
    test.assertEqual((execution["status"], execution["statusDetails"]), ("IN_PROGRESS", request["statusDetails"]))
    test.assertTrue(0 < execution["approximateSecondsBeforeTimedOut"] <= 300)


def reported(test, request, answer):
    test.assertEqual(answer["executionState"]["statusDetails"], request["statusDetails"])
    test.assertEqual((answer["executionState"]["versionNumber"], answer["jobDocument"]), (2, DOCUMENT))
    execution = IOT.describe_job_execution(jobId="plain", thingName="gw-1")["execution"]
    test.assertTrue(0 < execution["approximateSecondsBeforeTimedOut"] <= 300)


def payload(**attributes):
    return {"attributes": attributes, "merge": True}


def group_in_full():
    properties = {"thingGroupDescription": "a hall", "attributePayload": payload(floor="2")}
    return {"thingGroupName": "new", "parentGroupName": "site", "thingGroupProperties": properties, "tags": TAGS}


def report_in_full():
    return {
        "thingName": "gw-1", "jobId": "plain", "status": "IN_PROGRESS", "statusDetails": {"step": "one"},
        "stepTimeoutInMinutes": 5, "expectedVersion": 1, "executionNumber": 1, "includeJobExecutionState": True,
        "includeJobDocument": True,
    }


def case(heard, *requests):
    return Case([request if callable(request) else lambda request=request: request for request in requests], heard)


EXECUTION = {"jobId": "plain", "thingName": "gw-1"}
SITE, GW_2, TEMPLATE = arn("thinggroup", "site"), arn("thing", "gw-2"), arn("jobtemplate", "t")
ON, OFF = {"Enabled": True}, {"Enabled": False}

IOT_CASES = {
    "CreateJob": case(
        job_was_made, job_in_full, job_of_template,
        {"jobId": "new", "targets": [GW_2], "documentSource": SOURCE},
        {"jobId": "new", "targets": [GW_2], "document": DOCUMENT, "destinationPackageVersions": [packages.DESTINATION]},
    ),
    "DescribeJob": case(tells("job", "jobId", value="plain"), {"jobId": "plain", "beforeSubstitution": True}),
    "ListJobs": case(
        tells("jobs", "jobId", value=["own"]),
        {
            "status": "IN_PROGRESS", "targetSelection": "CONTINUOUS", "maxResults": 7, "thingGroupName": "site",
            "namespaceId": "acme",
        },
        lambda: {
            "thingGroupId": IOT.describe_thing_group(thingGroupName="site")["thingGroupId"], "namespaceId": "acme",
        },
    ),
    "UpdateJob": case(
        job_was_updated, update_in_full,
        {"jobId": "own", "jobExecutionsRolloutConfig": rollout(numberOfSucceededThings=5)},
    ),
    "CancelJob": case(
        job_was_cancelled, {"jobId": "plain", "reasonCode": "OPERATOR_1", "comment": "stop it", "force": True},
    ),
    "DeleteJob": case(gone(IOT.describe_job, jobId="own"), {"jobId": "own", "force": True, "namespaceId": "acme"}),
    "GetJobDocument": case(tells("document", value=DOCUMENT), {"jobId": "plain", "beforeSubstitution": True}),
    "AssociateTargetsWithJob": case(
        targets_were_added, {"jobId": "own", "targets": [GW_2], "comment": "one more", "namespaceId": "acme"},
    ),
    "DescribeJobExecution": case(tells("execution", "executionNumber", value=1), {**EXECUTION, "executionNumber": 1}),
    "CancelJobExecution": case(
        execution_was_cancelled,
        {**EXECUTION, "force": True, "expectedVersion": 1, "statusDetails": {"by": "operator"}},
    ),
    "DeleteJobExecution": case(
        gone(IOT.describe_job_execution, jobId="own", thingName="gw-1"),
        {"jobId": "own", "thingName": "gw-1", "executionNumber": 1, "force": True, "namespaceId": "acme"},
    ),
    "ListJobExecutionsForJob": case(
        tells("executionSummaries", "thingArn", value=[arn("thing", "gw-1")]),
        {"jobId": "plain", "status": "QUEUED", "maxResults": 7},
    ),
    "ListJobExecutionsForThing": case(
        tells("executionSummaries", "jobId", value=["own"]),
        {"thingName": "gw-1", "status": "QUEUED", "namespaceId": "acme", "maxResults": 7, "jobId": "own"},
    ),
    "CreateJobTemplate": case(
        template_was_made, template_in_full,
        {
            "jobTemplateId": "new", "description": "of a job", "jobArn": arn("job", "plain"),
            "jobExecutionsRolloutConfig": rollout(numberOfSucceededThings=5),
        },
        {"jobTemplateId": "new", "description": "of a bucket", "documentSource": SOURCE},
        {
            "jobTemplateId": "new", "description": "of a package", "document": DOCUMENT,
            "destinationPackageVersions": [packages.DESTINATION],
        },
    ),
    "DescribeJobTemplate": case(tells("jobTemplateArn", value=TEMPLATE), {"jobTemplateId": "t"}),
    "ListJobTemplates": case(tells("jobTemplates", "jobTemplateId", value=["t"]), {"maxResults": 7}),
    "DeleteJobTemplate": case(gone(IOT.describe_job_template, jobTemplateId="t"), {"jobTemplateId": "t"}),
    "DescribeManagedJobTemplate": case(
        tells("templateArn", value=RUN_COMMAND), {"templateName": "AWS-Run-Command", "templateVersion": "1.0"},
    ),
    "ListManagedJobTemplates": case(
        tells("managedJobTemplates", "templateArn", value=[RUN_COMMAND]),
        {"templateName": "AWS-Run-Command", "maxResults": 7},
    ),
    "TagResource": case(
        tags_are(("site", ""), ("team", "cloud")),
        {"resourceArn": TEMPLATE, "tags": [{"Key": "team", "Value": "cloud"}]},
    ),
    "UntagResource": case(tags_are(("team", "edge")), {"resourceArn": TEMPLATE, "tagKeys": ["site"]}),
    "ListTagsForResource": case(tells("tags", value=TAGS), {"resourceArn": TEMPLATE}),
    "CreateThing": case(thing_was_made, {"thingName": "new:1", "attributePayload": payload(site="a=[1]")}),
    "DescribeThing": case(tells("attributes", value={"board": "rev-b"}), {"thingName": "gw-1"}),
    "ListThings": case(
        tells("things", "thingName", value=["gw-1", "gw-2"]),
        {"maxResults": 7, "attributeName": "board", "attributeValue": "rev", "usePrefixAttributeValue": True},
    ),
    "UpdateThing": case(
        thing_was_updated,
        {"thingName": "gw-1", "attributePayload": payload(site="a=[1]"), "expectedVersion": 1, "removeThingType": True},
    ),
    "DeleteThing": case(gone(IOT.describe_thing, thingName="gw-1"), {"thingName": "gw-1", "expectedVersion": 1}),
    "CreateThingGroup": case(group_was_made, group_in_full),
    "DescribeThingGroup": case(tells("thingGroupArn", value=SITE), {"thingGroupName": "site"}),
    "ListThingGroups": case(
        tells("thingGroups", "groupName", value=["site"]),
        {"maxResults": 7, "parentGroup": "plant", "namePrefixFilter": "si", "recursive": False},
    ),
    "DeleteThingGroup": case(
        gone(IOT.describe_thing_group, thingGroupName="site"), {"thingGroupName": "site", "expectedVersion": 1},
    ),
    "AddThingToThingGroup": case(
        members_are("gw-1", "gw-2"),
        {"thingGroupName": "site", "thingName": "gw-2", "overrideDynamicGroups": True},
        {"thingGroupArn": SITE, "thingArn": GW_2},
    ),
    "RemoveThingFromThingGroup": case(
        members_are(),
        {"thingGroupName": "site", "thingName": "gw-1"},
        {"thingGroupArn": SITE, "thingArn": arn("thing", "gw-1")},
    ),
    "ListThingsInThingGroup": case(
        tells("things", value=["gw-1"]), {"thingGroupName": "plant", "recursive": True, "maxResults": 7},
    ),
    "ListThingGroupsForThing": case(
        tells("thingGroups", "groupName", value=["site"]), {"thingName": "gw-1", "maxResults": 7},
    ),
    "DescribeEndpoint": case(tells("endpointAddress", value="localhost"), {"endpointType": "iot:Data-ATS"}),
    "DescribeEventConfigurations": case(tells("eventConfigurations", "JOB", "Enabled", value=False), {}),
    "UpdateEventConfigurations": case(events_are_on, {"eventConfigurations": {"JOB": ON, "JOB_EXECUTION": OFF}}),
    "CreatePackage": case(packages.package_was_made, packages.NEW_PACKAGE),
    "GetPackage": case(tells("defaultVersionName", value="1.0"), packages.PACKAGE),
    "ListPackages": case(
        tells("packageSummaries", "packageName", value=["app", "empty", "other"]), {"maxResults": 7},
    ),
    "UpdatePackage": case(packages.package_was_updated, packages.UPDATED_PACKAGE, packages.UNSET_PACKAGE),
    "DeletePackage": case(packages.package_is_gone, {"packageName": "empty", "clientToken": packages.TOKEN}),
    "CreatePackageVersion": case(packages.version_was_made, packages.NEW_VERSION),
    "GetPackageVersion": case(tells("status", value="PUBLISHED"), packages.VERSION),
    "ListPackageVersions": case(
        tells("packageVersionSummaries", "versionName", value=["1.0"]),
        {**packages.PACKAGE, "status": "PUBLISHED", "maxResults": 7},
    ),
    "UpdatePackageVersion": case(packages.version_was_updated, packages.UPDATED_VERSION, packages.DEPRECATED_VERSION),
    "DeletePackageVersion": case(
        packages.version_is_gone, {**packages.DRAFT, "clientToken": packages.TOKEN},
    ),
    "GetPackageConfiguration": case(tells("versionUpdateByJobsConfig", "enabled", value=False), {}),
    "UpdatePackageConfiguration": case(packages.configuration_was_updated, packages.CONFIGURATION),
}

DATA_CASES = {
    "GetPendingJobExecutions": case(tells("queuedJobs", "jobId", value=["plain"]), {"thingName": "gw-1"}),
    "StartNextPendingJobExecution": case(
        started, {"thingName": "gw-1", "statusDetails": {"step": "one"}, "stepTimeoutInMinutes": 5},
    ),
    "DescribeJobExecution": case(
        tells("execution", "jobDocument", value=DOCUMENT),
        {**EXECUTION, "includeJobDocument": True, "executionNumber": 1},
    ),
    "UpdateJobExecution": case(reported, report_in_full),
}

CASES = {"iot": IOT_CASES, "iot-jobs-data": DATA_CASES}

# Members that no request above sets, each with the reason. One that the service refuses is shown to be refused;
# tokens have tests of their own.
ABSENT = "not supported yet by this service"
UNSET = {
    ("iot", "CreateThing", "thingTypeName"): ("sensor", ABSENT),
    ("iot", "CreateThing", "billingGroupName"): ("edge", ABSENT),
    ("iot", "UpdateThing", "thingTypeName"): ("sensor", ABSENT),
    ("iot", "ListThings", "thingTypeName"): ("sensor", ABSENT),
}
