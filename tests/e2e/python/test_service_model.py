"""iot-jobs-local against botocore's service model: every operation, every member, every constraint.

The constraints come from the model, the requests that obey them from service_world.py. Each constraint is broken
alone in a request that is otherwise in order, and met exactly. What AWS does otherwise than its model is in the
tables here, with how we know. Needs what test_service_boto3.py needs.
"""

import copy
import json
import unittest
import urllib.parse
from collections import Counter
from dataclasses import dataclass

from botocore import xform_name
from botocore.exceptions import ClientError

import service_packages as packages
from service_case import INSPECTORS, UNCHECKED, UNMODELLED, ServiceTest, arn, client
from service_shapes import PATTERNS, broken, members
from service_world import (
    CASES, SOURCE, UNSET, build, group_in_full, job_in_full, job_of_template, rollout, template_in_full,
)

CLIENTS = {"iot": client("iot", config=UNCHECKED), "iot-jobs-data": client("iot-jobs-data", config=UNCHECKED)}
ABSENT_MEMBER = object()

# Violations that AWS tells in words of its own: where, what it says, and how we know.
OTHER_WORDS = [
    # CreateJob and CreateThingGroup: MiniStack 1.5.33, captured live. CreateJobTemplate: taken to be the same.
    (("CreateJob", "CreateJobTemplate", "CreateThingGroup"), "tags.", "Invalid tag parameter exception."),
    # MiniStack 1.5.33, captured live: of all keys at once.
    (("UntagResource",), "tagKeys.", "at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: ["),
    # The names of AWS's event types are the keys: the service has the two of Jobs, and the words are ours.
    (("UpdateEventConfigurations",), "eventConfigurations", "eventConfigurations"),
]

MAKERS = "CreateJob CreateJobTemplate UpdateJob"

# Values within their bounds that are refused for what they mean: operations, member, value, what is said.
# Where no source is named, the developer guide or the API reference page of the operation says so.
MEANS_NOTHING = [
    (MAKERS, "presignedUrlConfig.roleArn", "Given role"),
    ("CreateJob CreateJobTemplate", "documentSource", "Given job document source"),
    # A rate that rises cannot begin above the maximum (MiniStack 1.5.33).
    (MAKERS, "jobExecutionsRolloutConfig.maximumPerMinute", "baseRatePerMinute should be"),
    # ALL stands alone; two criteria of one type contradict each other.
    (MAKERS, "jobExecutionsRetryConfig.criteriaList.failureType", "retryCriteria"),
    (MAKERS, "jobExecutionsRetryConfig.criteriaList.failureType", "Multiple RetryCriteria"),
    ("UpdateJob", "jobExecutionsRetryConfig.criteriaList.failureType", "FailureTypes must match"),
    ("UpdateJob", "jobExecutionsRetryConfig.criteriaList.numberOfRetries", "any number other than 0"),
    (MAKERS, "abortConfig.criteriaList.failureType", "Multiple AbortCriteria"),
    # Windows are for continuous jobs (MiniStack 1.5.33).
    ("CreateJob", "targetSelection", "MaintenanceWindow cannot be used with SNAPSHOT"),
    ("CreateJob", "schedulingConfig.startTime", "must follow the format"),
    ("CreateJob", "schedulingConfig.endTime", "must follow the format"),
    ("CreateJob CreateJobTemplate", "schedulingConfig.maintenanceWindows.startTime", "cron expression"),
    ("CreateJobTemplate", "maintenanceWindows.startTime", "cron expression"),
    ("CreateJob AssociateTargetsWithJob", "targets", "Target "),
    ("CreateJob", "documentParameters", "parameter"),
    # Only the events of Jobs are here.
    ("UpdateEventConfigurations", "eventConfigurations", "not supported"),
    # CreateThingGroup has no ResourceNotFoundException.
    ("CreateThingGroup", "parentGroupName", "cannot be found"),
    ("DescribeEndpoint", "endpointType", "is not valid"),
    ("CreateJob CreateJobTemplate", "destinationPackageVersions", "Package version ARN"),
    # Nor has CreatePackageVersion.
    ("CreatePackageVersion", "packageName", "cannot be found"),
    ("UpdatePackageVersion", "action", "cannot be published"),
]

# How much there was to walk when this was written. It can only become more.
LEAST = {
    "operations walked": 42, "members": 241, "requests": 50, "constraints": 340, "bounds": 300,
    "pairs of constraints": 90, "wrong types": 150, "members that are null": 60, "members of answers": 276,
}


@dataclass
class Site:
    """A place in a request: the shape there, and the steps to it."""

    shape: object
    steps: tuple
    value: object
    is_required: bool
    location: str

    @property
    def member(self):
        """The member as the tables spell it: without the numbers of elements."""
        return ".".join(step for step in self.steps if isinstance(step, str))


def sites(shape, value, steps=(), location=None):
    """Every member of a structure that `value` sets, from the top down; elements of lists by their first."""
    for name, member in shape.members.items():
        if name in value:
            where = location or member.serialization.get("location", "body")
            site = Site(member, (*steps, name), value[name], name in shape.required_members, where)
            yield site
            yield from below(site)


def below(site):
    if site.shape.type_name == "structure":
        yield from sites(site.shape, site.value, site.steps, site.location)
    elif site.shape.type_name == "list" and site.value:
        element = Site(site.shape.member, (*site.steps, 0), site.value[0], False, site.location)
        if element.shape.type_name == "structure":
            yield from below(element)
        else:
            yield element


def changed(request, steps, value):
    """The request with another value at one place, or without that member."""
    request = copy.deepcopy(request)
    parent = request
    for step in steps[:-1]:
        parent = parent[step]
    if value is ABSENT_MEMBER:
        del parent[steps[-1]]
    else:
        parent[steps[-1]] = value
    return request


def text_of(shape, length):
    """A text of so many characters that obeys the pattern of its shape, if there is one."""
    pattern = shape.metadata.get("pattern")
    candidates = ["a" * length, "0" * length, "A" * length, "arn:" + "a" * (length - 4), "1." + "0" * (length - 2)]
    if shape.name == "JobDocument":
        candidates = ['"' + "a" * (length - 2) + '"']
    fits = [each for each in candidates if len(each) == length]
    return next((each for each in fits if pattern is None or PATTERNS[pattern][0](each)), None)


def wrong_texts(shape):
    rules = shape.metadata
    if rules.get("min", 0) > 0:
        yield "min", text_of(shape, rules["min"] - 1) or "a" * (rules["min"] - 1)
    if "max" in rules:
        yield "max", text_of(shape, rules["max"] + 1)
    if "pattern" in rules and PATTERNS[rules["pattern"]][1] is not None:
        yield "pattern", PATTERNS[rules["pattern"]][1]
    if "enum" in rules:
        yield "enum", "NO_SUCH_NAME"


def wrong_values(site):
    """Each constraint of a shape with a value that breaks it."""
    shape, rules, value = site.shape, site.shape.metadata, site.value
    kind = shape.type_name
    if site.is_required and site.location != "uri":
        yield "required", ABSENT_MEMBER
    if kind == "string":
        yield from wrong_texts(shape)
    elif kind in ("integer", "long", "double"):
        step = 0.5 if kind == "double" else 1
        yield from [(bound, rules[bound] + sign * step) for bound, sign in [("min", -1), ("max", 1)] if bound in rules]
    elif kind == "list":
        if rules.get("min", 0) > 0:
            yield "min", value[: rules["min"] - 1]
        if "max" in rules:
            yield "max", (value * (rules["max"] + 1))[: rules["max"] + 1]
    elif kind == "map":
        first = next(iter(value.values()))
        yield from [(f"key {rule}", {**value, key: first}) for rule, key in wrong_texts(shape.key)]
        if shape.value.type_name == "string":
            key = next(iter(value))
            yield from [(f"value {rule}", {**value, key: text}) for rule, text in wrong_texts(shape.value)]


def boundary_values(site):
    """Each bound of a shape with a value exactly there, and each name of an enumeration."""
    shape, rules, value = site.shape, site.shape.metadata, site.value
    kind = shape.type_name
    bounds = [(bound, rules[bound]) for bound in ("min", "max") if bound in rules]
    if kind == "string":
        yield from [(bound, text_of(shape, length)) for bound, length in bounds]
        yield from [("enum", name) for name in rules.get("enum", [])]
    elif kind in ("integer", "long", "double"):
        yield from bounds
    elif kind == "list":
        yield from [(bound, value[:length]) for bound, length in bounds if len(value) >= length]
    elif kind == "map":
        keys, first = shape.key.metadata, next(iter(value.values()))
        lengths = [(bound, keys[bound]) for bound in ("min", "max") if bound in keys]
        yield from [(f"key {bound}", {text_of(shape.key, length): first}) for bound, length in lengths]
        yield from [("key enum", {name: first}) for name in keys.get("enum", [])]
        more = shape.value.metadata if shape.value.type_name == "string" else {}
        lengths = [(bound, more[bound]) for bound in ("min", "max") if bound in more]
        key = next(iter(value))
        yield from [(f"value {bound}", {**value, key: text_of(shape.value, length)}) for bound, length in lengths]


class ModelTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.counted = Counter()

    @classmethod
    def tearDownClass(cls):
        print(f"\n{cls.__name__}:", ", ".join(f"{number} {name}" for name, number in sorted(cls.counted.items())))

    def count_is_whole(self, name):
        self.assertGreaterEqual(self.counted[name], LEAST[name])

    def call(self, service, operation, request, changing=None):
        """Sends a request as it is; `changing` may rewrite it once botocore has serialized it."""
        caller = CLIENTS[service]
        name = f"before-call.*.{operation}"
        if changing is not None:
            caller.meta.events.register(name, changing)
        try:
            return getattr(caller, xform_name(operation))(**request)
        finally:
            if changing is not None:
                caller.meta.events.unregister(name, changing)

    def refusal(self, service, operation, request, changing=None):
        with self.assertRaises(ClientError, msg=f"{operation} took {str(request)[:500]}") as raised:
            self.call(service, operation, request, changing)
        return raised.exception.response["Error"]

    def every_site(self):
        """Each member of each operation once, in the first request that sets it."""
        for service, operation, case in every_case():
            shape = CLIENTS[service].meta.service_model.operation_model(operation).input_shape
            seen = set()
            for request in case.requests:
                build()
                request = request()
                for site in sites(shape, request) if shape else ():
                    if site.steps not in seen:
                        seen.add(site.steps)
                        yield service, operation, shape, request, site


def invalid_code(service, operation):
    """The error for a request that is not in order: those of packages have one of their own."""
    errors = CLIENTS[service].meta.service_model.operation_model(operation).error_shapes
    codes = {error.error_code for error in errors}
    return "ValidationException" if "ValidationException" in codes else "InvalidRequestException"


def packaged():
    return {"destinationPackageVersions": [packages.DESTINATION]}


def of_succeeded():
    return {"jobExecutionsRolloutConfig": rollout(numberOfSucceededThings=5)}


def every_case():
    return [(service, operation, case) for service, cases in CASES.items() for operation, case in cases.items()]


def is_paged(name):
    return name == "nextToken"


class Coverage(ModelTest):
    def test_every_operation_of_the_service_is_walked(self):
        """The others of AWS's are told to be absent."""
        for service in CASES:
            for operation in CLIENTS[service].meta.service_model.operation_names:
                if operation in CASES[service]:
                    self.counted["operations walked"] += 1
                    continue
                with self.subTest(service=service, operation=operation):
                    shape = CLIENTS[service].meta.service_model.operation_model(operation).input_shape
                    labels = shape.members.items() if shape else ()
                    request = {name: "1" for name, member in labels if member.serialization.get("location") == "uri"}
                    payload = getattr(shape, "serialization", {}).get("payload")
                    if payload and shape.members[payload].type_name != "structure":
                        request[payload] = b"1"
                    self.assertIn(self.refusal(service, operation, request)["Code"], UNMODELLED)
                    self.counted["operations of AWS's that are not here"] += 1
        self.count_is_whole("operations walked")

    def test_every_member_is_set_or_listed(self):
        for service, operation, case in every_case():
            with self.subTest(service=service, operation=operation):
                build()
                requests = [request() for request in case.requests]
                shape = CLIENTS[service].meta.service_model.operation_model(operation).input_shape
                reached = {site.member for request in requests for site in sites(shape, request)} if shape else set()
                expected = set(members(shape)) if shape else set()
                listed = {name for of, op, name in UNSET if (of, op) == (service, operation)}
                tokens = {name for name in expected if is_paged(name)}
                self.assertEqual(expected - reached - tokens, listed)
                self.counted["members"] += len(expected)
        self.count_is_whole("members")

    def test_what_is_listed_as_absent_is_refused(self):
        for (service, operation, member), (value, words) in UNSET.items():
            with self.subTest(operation=operation, member=member):
                build()
                request = {**CASES[service][operation].requests[0](), member: value}
                self.assertIn(words, self.refusal(service, operation, request)["Message"])


class Happy(ModelTest):
    def test_every_member_is_heard(self):
        for service, operation, case in every_case():
            for number, request in enumerate(case.requests):
                with self.subTest(operation=operation, request=number):
                    build()
                    request = request()
                    answer = self.call(service, operation, request)
                    case.heard(self, request, answer)
                    self.counted["requests"] += 1
        self.count_is_whole("requests")

    def test_values_at_their_bounds_are_taken(self):
        for service, operation, shape, request, site in self.every_site():
            for rule, value in boundary_values(site):
                with self.subTest(operation=operation, member=site.member, rule=rule, value=str(value)[:80]):
                    bounded = changed(request, site.steps, value)
                    if value is None or broken(shape, bounded):
                        self.counted["bounds that another constraint of the model excludes"] += 1
                        continue
                    build()
                    self.counted["bounds"] += 1
                    try:
                        self.call(service, operation, bounded)
                    except ClientError as error:
                        self.means_nothing(operation, site, error.response["Error"])
        self.count_is_whole("bounds")

    def means_nothing(self, operation, site, error):
        """Asserts that a refusal is for what the value means: a name of nothing, or what the table says."""
        if error["Code"] in ("ResourceNotFoundException", "VersionConflictException"):
            return
        if error["Code"] == "InvalidStateTransitionException" and site.shape.name == "JobExecutionStatus":
            return
        told = [
            words for operations, member, words in MEANS_NOTHING
            if operation in operations.split() and site.member == member and words in error["Message"]
        ]
        self.assertTrue(told, error)

    def test_null_is_as_good_as_absent(self):
        """Smithy's JSON protocols: a member that is null is not set."""
        for service, operation, _, request, site in self.every_site():
            if site.location != "body" or site.is_required or len(site.steps) > 1:
                continue
            without = changed(request, site.steps, ABSENT_MEMBER)
            with self.subTest(operation=operation, member=site.member):
                build()
                outcome = self.outcome(service, operation, without)
                build()
                self.assertEqual(self.outcome(service, operation, without, {site.steps[0]: None}), outcome)
                self.counted["members that are null"] += 1
        self.count_is_whole("members that are null")

    def test_unknown_members_are_ignored(self):
        for service, operation, case in every_case():
            with self.subTest(operation=operation):
                build()
                self.call(service, operation, case.requests[0](), adding({"noSuchMember": [1]}))
                self.counted["requests with unknown members"] += 1

    def outcome(self, service, operation, request, more=None):
        try:
            self.call(service, operation, request, adding(more) if more else None)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "taken"


def adding(members):
    """Adds members to the body and a parameter to the query."""

    def change(params, **_):
        if params["body"] or params["method"] != "GET":
            body = json.loads(params["body"] or b"{}")
            params["body"] = json.dumps({**body, **members}).encode()
        params["url"] += ("&" if "?" in params["url"] else "?") + "noSuchMember=1"

    return change


def replacing(steps, value):
    """Puts a value of the wrong type into the body."""

    def change(params, **_):
        params["body"] = json.dumps(changed(json.loads(params["body"]), steps, value)).encode()

    return change


# Members of answers that are never there, with the reason.
UNTOLD = {
    # Neither types nor billing groups are here.
    "DescribeThing": {"thingTypeName", "billingGroupName"},
    "ListThings": {"things.thingTypeName"},
    # Groups are static, and merge is of a request.
    "DescribeThingGroup": {
        "indexName", "queryString", "queryVersion", "status", "thingGroupProperties.attributePayload.merge",
    },
    # There are no software bills of materials, and versions are made without fail.
    "CreatePackageVersion": {"errorReason"},
    "GetPackageVersion": {
        "errorReason", "sbom", "sbomValidationStatus", "sbom.s3Location", "sbom.s3Location.bucket",
        "sbom.s3Location.key", "sbom.s3Location.version",
    },
    # What is queued has not begun.
    "GetPendingJobExecutions": {"queuedJobs.startedAt"},
    # Tags have one page.
    "ListTagsForResource": {"nextToken"},
}


class Answers(ModelTest):
    def test_every_member_of_every_answer_is_told(self):
        seen = {service: INSPECTORS[each].seen for service, each in CLIENTS.items()}
        for each in seen.values():
            each.clear()
        for service, operation, case in every_case():
            for request in case.requests:
                build()
                self.call(service, operation, request())
        self.tell_more()
        for service, operation, _ in every_case():
            shape = CLIENTS[service].meta.service_model.operation_model(operation).output_shape
            expected = set(members(shape)) if shape else set()
            with self.subTest(service=service, operation=operation):
                self.assertEqual(expected - seen[service][operation], UNTOLD.get(operation, set()))
                self.counted["members of answers"] += len(expected)
        self.count_is_whole("members of answers")

    def tell_more(self):
        """What the requests alone do not show: jobs that wait, roll out, fail and are cancelled; further pages."""
        iot, data = CLIENTS["iot"], CLIENTS["iot-jobs-data"]
        build()
        for job_id, request in [("new", job_in_full()), ("filled", job_of_template())]:
            request.pop("namespaceId", None)
            iot.create_job(**{**request, "jobId": job_id})
            iot.describe_job(jobId=job_id)
        targets = [arn("thing", "gw-1"), arn("thing", "gw-2")]
        slow = {"maximumPerMinute": 1}
        iot.create_job(jobId="slow", documentSource=SOURCE, targets=targets, jobExecutionsRolloutConfig=slow)
        iot.describe_job(jobId="slow")
        data.start_next_pending_job_execution(thingName="gw-1", stepTimeoutInMinutes=5, statusDetails={"step": "one"})
        iot.describe_job_execution(jobId="plain", thingName="gw-1")
        iot.list_job_executions_for_job(jobId="plain")
        iot.describe_job(jobId="own")
        data.describe_job_execution(jobId="plain", thingName="gw-1")
        data.get_pending_job_executions(thingName="gw-1")
        iot.list_job_executions_for_thing(thingName="gw-1")
        iot.list_job_executions_for_thing(thingName="gw-1", maxResults=1)
        iot.list_job_executions_for_job(jobId="plain")
        iot.cancel_job(jobId="slow", reasonCode="OPERATOR", comment="stop", force=True)
        iot.cancel_job(jobId="filled")
        iot.describe_job(jobId="slow")
        iot.list_jobs(thingGroupName="site", namespaceId="acme")
        iot.list_jobs()
        for thing in ["gw-1", "gw-2"]:
            iot.add_thing_to_thing_group(thingGroupName="site", thingName=thing)
        iot.list_job_executions_for_job(jobId="plain", maxResults=1)
        iot.create_job_template(**{**template_in_full(), "documentSource": SOURCE, "document": None})
        iot.describe_job_template(jobTemplateId="new")
        iot.create_job_template(**{**template_in_full(), "jobTemplateId": "u", **of_succeeded()})
        iot.describe_job_template(jobTemplateId="u")
        iot.create_thing_group(thingGroupName="hall", parentGroupName="plant")
        iot.add_thing_to_thing_group(thingGroupName="hall", thingName="gw-1")
        for kind in ["jobs", "things", "thing_groups", "job_templates", "managed_job_templates"]:
            getattr(iot, f"list_{kind}")(maxResults=1)
        iot.list_things_in_thing_group(thingGroupName="site", maxResults=1)
        iot.list_thing_groups_for_thing(thingName="gw-1", maxResults=1)
        iot.update_event_configurations(eventConfigurations={"JOB": {"Enabled": True}})
        iot.describe_event_configurations()
        iot.create_job(jobId="packaged", targets=[arn("thing", "gw-1")], document="{}", **packaged())
        iot.describe_job(jobId="packaged")
        iot.create_job_template(jobTemplateId="packaged", description="d", document="{}", **packaged())
        iot.describe_job_template(jobTemplateId="packaged")
        iot.create_package_version(**packages.NEW_VERSION)
        iot.get_package_version(packageName="app", versionName="2.0")
        iot.list_packages(maxResults=1)
        iot.list_package_versions(packageName="app", maxResults=1)
        group = group_in_full()
        iot.create_thing_group(**group)
        iot.describe_thing_group(thingGroupName=group["thingGroupName"])


class Refused(ModelTest):
    def expect(self, service, operation, shape, request):
        """Sends a request, and asserts that all that is wrong with it is told in one message."""
        wrong = broken(shape, request)
        self.assertTrue(wrong, "the request is in order")
        error = self.refusal(service, operation, request)
        self.assertEqual(error["Code"], invalid_code(service, operation), error)
        if service == "iot-jobs-data":
            return self.device_words(wrong, error["Message"])
        in_own_words = [words for each, _ in wrong for words in own_words(operation, each)]
        if in_own_words:
            return self.assertTrue(any(words in error["Message"] for words in in_own_words), error)
        errors = "1 validation error" if len(wrong) == 1 else f"{len(wrong)} validation errors"
        self.assertTrue(error["Message"].startswith(f"{errors} detected: "), (wrong, error))
        for member, rule in wrong:
            # AWS spells members as its own code does, so a tag's Key is a key.
            told = f"at '{member}' failed to satisfy constraint: {rule}".lower()
            self.assertIn(told, error["Message"].lower())

    def device_words(self, wrong, message):
        """Of the data plane no texts are known: it is enough that the member is named."""
        for member, _ in wrong:
            short = {"thingName": "Invalid thing name", "jobId": "Invalid job id"}.get(member, member)
            self.assertTrue(short in message or f"at '{member}'" in message, message)

    def test_each_constraint_alone(self):
        for service, operation, shape, request, site in self.every_site():
            for rule, value in wrong_values(site):
                if site.location == "uri" and value == "":
                    # A path without a label is another path.
                    continue
                with self.subTest(operation=operation, member=site.member, rule=rule):
                    self.expect(service, operation, shape, changed(request, site.steps, value))
                    self.counted["constraints"] += 1
        self.count_is_whole("constraints")

    def test_two_violations_in_one_message(self):
        """Each member of a request with the next one."""
        for service, operation, case in every_case():
            if service == "iot-jobs-data":
                continue
            shape = CLIENTS[service].meta.service_model.operation_model(operation).input_shape
            build()
            request = case.requests[0]()
            breaks = [
                (site, value) for site in (sites(shape, request) if shape else ())
                for _, value in list(wrong_values(site))[-1:]
                if not self.has_own_words(operation, shape, changed(request, site.steps, value))
            ]
            for (first, one), (second, other) in zip(breaks, breaks[1:]):
                if first.steps == second.steps[: len(first.steps)]:
                    continue
                with self.subTest(operation=operation, first=first.member, second=second.member):
                    both = changed(changed(request, first.steps, one), second.steps, other)
                    self.expect(service, operation, shape, both)
                    self.counted["pairs of constraints"] += 1
        self.count_is_whole("pairs of constraints")

    def has_own_words(self, operation, shape, request):
        return any(own_words(operation, member) for member, _ in broken(shape, request))

    def test_wrong_types(self):
        """Which exception AWS has for them is not known; here the member is named."""
        wrong = {"string": [1], "structure": "x", "list": "x", "map": "x", "boolean": "x"}
        for service, operation, _, request, site in self.every_site():
            with self.subTest(operation=operation, member=site.member):
                if site.location == "body":
                    change = replacing(site.steps, wrong.get(site.shape.type_name, "x"))
                    error = self.refusal(service, operation, request, change)
                elif site.location == "querystring" and site.shape.type_name in ("integer", "long", "boolean"):
                    error = self.refusal(service, operation, request, querying(site.steps[0]))
                else:
                    continue
                self.assertEqual(error["Code"], invalid_code(service, operation), error)
                name = next(step for step in reversed(site.steps) if isinstance(step, str))
                self.assertIn(name, error["Message"])
                self.counted["wrong types"] += 1
        self.count_is_whole("wrong types")


def querying(name):
    """Puts a value of the wrong type into the query."""

    def change(params, **_):
        path, query = params["url"].split("?")
        pairs = [(each, "x" if each == name else value) for each, value in urllib.parse.parse_qsl(query)]
        params["url"] = f"{path}?{urllib.parse.urlencode(pairs)}"

    return change


def own_words(operation, member):
    return [words for operations, prefix, words in OTHER_WORDS if operation in operations and member.startswith(prefix)]


if __name__ == "__main__":
    unittest.main()
