"""The rules of jobs as boto3 sees them: rollout, abort, retry, continuous groups, updates, events.

Each member works, and is refused where AWS refuses it. Time passes by steps of the service's clock, which
stands still meanwhile. Needs what test_service_boto3.py needs.
"""

import unittest

from service_case import DATA, IOT, UNCHECKED, ServiceTest, arn, client, local

MINUTE = 60
ALL_FAIL = {"failureType": "ALL", "action": "CANCEL", "thresholdPercentage": 100.0, "minNumberOfExecutedThings": 1}


def wait(seconds):
    local("POST", "clock", {"advance": seconds})


class RulesTest(ServiceTest):
    def setUp(self):
        super().setUp()
        local("POST", "clock", {"frozen": True})
        self.addCleanup(local, "POST", "clock", {"frozen": False})

    def fleet(self, count, group=None):
        """Makes things, in a group if one is named, and returns the targets of a job for them."""
        names = [f"t{number}" for number in range(count)]
        for name in names:
            IOT.create_thing(thingName=name)
        if group is None:
            return [arn("thing", name) for name in names]
        IOT.create_thing_group(thingGroupName=group)
        for name in names:
            IOT.add_thing_to_thing_group(thingGroupName=group, thingName=name)
        return [arn("thinggroup", group)]

    def create(self, job_id, targets, iot=IOT, **members):
        return iot.create_job(jobId=job_id, targets=targets, document="{}", **members)

    def described(self, job_id):
        return IOT.describe_job(jobId=job_id)["job"]

    def counts(self, job_id):
        """The counters of a job that are not zero."""
        details = self.described(job_id)["jobProcessDetails"]
        names = [name for name in details if name.startswith("numberOf") and details[name]]
        return {name.removeprefix("numberOf").removesuffix("Things"): details[name] for name in names}

    def report(self, job_id, thing, status):
        DATA.update_job_execution(jobId=job_id, thingName=thing, status=status)

    def history(self, job_id, thing):
        listed = IOT.list_job_executions_for_thing(thingName=thing, jobId=job_id)["executionSummaries"]
        summaries = [summary["jobExecutionSummary"] for summary in reversed(listed)]
        return [(each["executionNumber"], each["status"], each["retryAttempt"]) for each in summaries]

    def refused_member(self, message, **members):
        """Asserts that CreateJob is refused for a member, with this in its message."""
        IOT.create_thing(thingName="gw-1")
        request = dict(job_id="refused", targets=[arn("thing", "gw-1")], iot=client("iot", config=UNCHECKED))
        refused = self.invalid(self.create, **request, **members)
        self.assertIn(message, str(refused))
        self.missing(IOT.describe_job, jobId="refused")


class Rollout(RulesTest):
    RATE = {"baseRatePerMinute": 2, "incrementFactor": 2.0, "rateIncreaseCriteria": {"numberOfNotifiedThings": 4}}

    def test_a_constant_rate(self):
        self.create("j", self.fleet(5), jobExecutionsRolloutConfig={"maximumPerMinute": 2})
        job = self.described("j")
        self.assertEqual(job["jobExecutionsRolloutConfig"], {"maximumPerMinute": 2})
        self.assertTrue(job["isConcurrent"])
        self.assertTrue(IOT.list_jobs()["jobs"][0]["isConcurrent"])
        self.assertEqual(len(job["jobProcessDetails"]["processingTargets"]), 5)
        for queued in [2, 4, 5]:
            self.assertEqual(self.counts("j"), {"Queued": queued})
            wait(MINUTE)
        job = self.described("j")
        self.assertFalse(job["isConcurrent"])
        self.assertNotIn("processingTargets", job["jobProcessDetails"])

    def test_a_rate_that_rises_with_what_was_notified(self):
        rollout = {"maximumPerMinute": 10, "exponentialRate": self.RATE}
        self.create("j", self.fleet(18), jobExecutionsRolloutConfig=rollout)
        self.assertEqual(self.described("j")["jobExecutionsRolloutConfig"], rollout)
        for queued in [2, 4, 8, 16, 18]:
            self.assertEqual(self.counts("j"), {"Queued": queued})
            wait(MINUTE)

    def test_a_rate_that_rises_with_what_succeeded(self):
        rate = {**self.RATE, "rateIncreaseCriteria": {"numberOfSucceededThings": 1}}
        self.create("j", self.fleet(10), jobExecutionsRolloutConfig={"maximumPerMinute": 10, "exponentialRate": rate})
        wait(MINUTE)
        self.assertEqual(self.counts("j"), {"Queued": 4})
        self.report("j", "t0", "SUCCEEDED")
        wait(MINUTE)
        self.assertEqual(self.counts("j"), {"Queued": 7, "Succeeded": 1})

    def test_what_is_wrong_is_refused(self):
        at = "jobExecutionsRolloutConfig"
        one = {"numberOfNotifiedThings": 1}
        for config, message in [
            ({"maximumPerMinute": 1001}, f"Value '1001' at '{at}.maximumPerMinute'"),
            ({"exponentialRate": self.RATE}, "Provide MaximumPerMinute value when ExponentialRate is defined"),
        ]:
            with self.subTest(config=config):
                self.refused_member(message, jobExecutionsRolloutConfig=config)
        for rate, message in [
            ({"baseRatePerMinute": 1001}, f"Value '1001' at '{at}.exponentialRate.baseRatePerMinute'"),
            ({"baseRatePerMinute": 11}, "baseRatePerMinute should be less than maximumPerMinute"),
            ({"incrementFactor": 1.0}, "Member must have value greater than or equal to 1.1"),
            ({"incrementFactor": 5.1}, "Member must have value less than or equal to 5"),
            ({"incrementFactor": 1.55}, "one or less decimal digits"),
            ({"rateIncreaseCriteria": {}}, "Provide either NumberOfNotifiedThings or"),
            ({"rateIncreaseCriteria": {**one, "numberOfSucceededThings": 1}}, "Provide only one of"),
        ]:
            with self.subTest(rate=rate):
                config = {"maximumPerMinute": 10, "exponentialRate": {**self.RATE, **rate}}
                self.refused_member(message, jobExecutionsRolloutConfig=config)


class Abort(RulesTest):
    def test_each_failure_type(self):
        for kind, ends in [
            ("FAILED", ["FAILED"]), ("REJECTED", ["REJECTED"]), ("TIMED_OUT", ["TIMED_OUT"]),
            ("ALL", ["FAILED", "REJECTED"]),
        ]:
            for end in ends:
                with self.subTest(kind=kind, end=end):
                    local("POST", "reset")
                    criteria = {**ALL_FAIL, "failureType": kind}
                    self.create(
                        "j", self.fleet(3), abortConfig={"criteriaList": [criteria]},
                        timeoutConfig={"inProgressTimeoutInMinutes": 1},
                    )
                    self.end("j", "t0", end)
                    job = self.described("j")
                    self.assertEqual((job["status"], job["reasonCode"]), ("CANCELED", "ABORT_CANCEL"))
                    self.assertEqual(
                        job["comment"],
                        f"Abort criteria for failure type {kind} with threshold 100.00% met. "
                        f"Total completed executions: 1, total {kind} executions: 1",
                    )
                    self.assertEqual(sum(self.counts("j").values()), 3)
                    self.assertEqual(self.status("j", "t1"), "CANCELED")

    def end(self, job_id, thing, status):
        if status == "TIMED_OUT":
            DATA.start_next_pending_job_execution(thingName=thing)
            wait(MINUTE)
        else:
            self.report(job_id, thing, status)

    def test_a_share_of_what_ended_and_not_before_enough_has(self):
        criteria = {**ALL_FAIL, "failureType": "FAILED", "thresholdPercentage": 33.33, "minNumberOfExecutedThings": 3}
        self.create("j", self.fleet(6), abortConfig={"criteriaList": [criteria]})
        self.assertEqual(self.described("j")["abortConfig"], {"criteriaList": [criteria]})
        self.report("j", "t5", "IN_PROGRESS")
        for thing, status in [("t0", "FAILED"), ("t1", "SUCCEEDED")]:
            self.report("j", thing, status)
            self.assertEqual(self.described("j")["status"], "IN_PROGRESS")
        self.report("j", "t2", "SUCCEEDED")
        self.assertEqual(self.described("j")["status"], "CANCELED")
        self.assertEqual(self.counts("j"), {"Canceled": 2, "Failed": 1, "InProgress": 1, "Succeeded": 2})

    def test_an_abort_ends_the_rollout(self):
        self.create(
            "j", self.fleet(3), abortConfig={"criteriaList": [ALL_FAIL]},
            jobExecutionsRolloutConfig={"maximumPerMinute": 1},
        )
        self.report("j", "t0", "FAILED")
        wait(10 * MINUTE)
        self.assertEqual(self.counts("j"), {"Failed": 1})

    def test_a_job_without_criteria_tells_none(self):
        self.job("j")
        self.assertNotIn("abortConfig", self.described("j"))

    def test_what_is_wrong_is_refused(self):
        at = "abortConfig.criteriaList"
        for criteria, message in [
            ([], f"Value '[]' at '{at}'"),
            ([{**ALL_FAIL, "failureType": "SUCCEEDED"}], "[ALL, TIMED_OUT, FAILED, REJECTED]"),
            ([{**ALL_FAIL, "action": "PAUSE"}], "Member must satisfy enum value set: [CANCEL]"),
            ([{**ALL_FAIL, "thresholdPercentage": 100.01}], f"Value '100.01' at '{at}.1.member.thresholdPercentage'"),
            ([{**ALL_FAIL, "thresholdPercentage": 0.0}], "must have value greater than 0"),
            ([{**ALL_FAIL, "thresholdPercentage": 1.234}], "must have two or less decimal digits"),
            ([ALL_FAIL, ALL_FAIL], "Multiple AbortCriteria cannot have the same failure type"),
        ]:
            with self.subTest(criteria=criteria):
                self.refused_member(message, abortConfig={"criteriaList": criteria})


class Retry(RulesTest):
    def retries(self, **numbers):
        return {"criteriaList": [{"failureType": kind, "numberOfRetries": number} for kind, number in numbers.items()]}

    def test_a_failure_is_retried_under_another_number(self):
        self.create("j", self.fleet(1), jobExecutionsRetryConfig=self.retries(FAILED=2))
        self.assertEqual(self.described("j")["jobExecutionsRetryConfig"], self.retries(FAILED=2))
        for _ in range(3):
            self.report("j", "t0", "FAILED")
        self.assertEqual(self.history("j", "t0"), [(1, "FAILED", 0), (2, "FAILED", 1), (3, "FAILED", 2)])
        self.assertEqual((self.described("j")["status"], self.counts("j")), ("COMPLETED", {"Failed": 3}))

    def test_a_retry_begins_anew(self):
        self.create("j", self.fleet(1), jobExecutionsRetryConfig=self.retries(ALL=1))
        self.report("j", "t0", "FAILED")
        execution = DATA.describe_job_execution(thingName="t0", jobId="$next")["execution"]
        self.assertEqual((execution["executionNumber"], execution["versionNumber"]), (2, 1))
        first = IOT.describe_job_execution(thingName="t0", jobId="j", executionNumber=1)["execution"]
        self.assertEqual(first["status"], "FAILED")
        self.report("j", "t0", "SUCCEEDED")
        self.assertEqual(self.described("j")["status"], "COMPLETED")

    def test_time_outs_and_failures_are_counted_apart(self):
        retry = self.retries(FAILED=1, TIMED_OUT=1)
        timeout = {"inProgressTimeoutInMinutes": 1}
        self.create("j", self.fleet(1), jobExecutionsRetryConfig=retry, timeoutConfig=timeout)
        for _ in range(2):
            DATA.start_next_pending_job_execution(thingName="t0")
            wait(MINUTE)
        self.assertEqual(self.history("j", "t0"), [(1, "TIMED_OUT", 0), (2, "TIMED_OUT", 1)])

    def test_what_is_not_retried(self):
        for end in ["REJECTED", "SUCCEEDED"]:
            with self.subTest(end=end):
                local("POST", "reset")
                self.create("j", self.fleet(1), jobExecutionsRetryConfig=self.retries(ALL=10))
                self.report("j", "t0", end)
                self.assertEqual(self.history("j", "t0"), [(1, end, 0)])

    def test_a_cancelled_job_retries_nothing(self):
        self.create("j", self.fleet(1), jobExecutionsRetryConfig=self.retries(ALL=10))
        self.report("j", "t0", "IN_PROGRESS")
        IOT.cancel_job(jobId="j")
        self.report("j", "t0", "FAILED")
        self.assertEqual(self.history("j", "t0"), [(1, "FAILED", 0)])

    def test_what_is_wrong_is_refused(self):
        at = "jobExecutionsRetryConfig.criteriaList"
        timer = {"timeoutConfig": {"inProgressTimeoutInMinutes": 1}}
        three = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1}] * 3}
        for retry, more, message in [
            (self.retries(FAILED=11), {}, f"Value '11' at '{at}.1.member.numberOfRetries'"),
            (self.retries(REJECTED=1), {}, "Member must satisfy enum value set: [ALL, TIMED_OUT, FAILED]"),
            (three, {}, "Member must have length less than or equal to 2"),
            (self.retries(ALL=1, FAILED=1), {}, "failure type ALL must be used by itself"),
            (self.retries(FAILED=6, TIMED_OUT=5), timer, "cannot be more than 10"),
            (self.retries(TIMED_OUT=1), {}, "requires a TimeoutConfig"),
        ]:
            with self.subTest(retry=retry):
                self.refused_member(message, jobExecutionsRetryConfig=retry, **more)


class Continuous(RulesTest):
    def join(self, group, thing):
        IOT.create_thing(thingName=thing)
        IOT.add_thing_to_thing_group(thingGroupName=group, thingName=thing)

    def leave(self, group, thing):
        IOT.remove_thing_from_thing_group(thingGroupName=group, thingName=thing)

    def test_members_come_go_and_come_back(self):
        self.create("j", self.fleet(1, group="site"), targetSelection="CONTINUOUS")
        self.report("j", "t0", "SUCCEEDED")
        job = self.described("j")
        self.assertEqual((job["status"], job["targetSelection"]), ("IN_PROGRESS", "CONTINUOUS"))
        self.join("site", "late")
        self.assertEqual(self.history("j", "late"), [(1, "QUEUED", 0)])
        self.leave("site", "late")
        removed = IOT.describe_job_execution(jobId="j", thingName="late")["execution"]
        self.assertEqual((removed["status"], removed["versionNumber"]), ("REMOVED", 1))
        self.join("site", "late")
        self.assertEqual(self.history("j", "late"), [(1, "REMOVED", 0), (2, "QUEUED", 0)])
        self.assertEqual(self.counts("j"), {"Queued": 1, "Removed": 1, "Succeeded": 1})

    def test_work_in_progress_goes_on(self):
        self.create("j", self.fleet(1, group="site"), targetSelection="CONTINUOUS")
        self.report("j", "t0", "IN_PROGRESS")
        self.leave("site", "t0")
        self.join("site", "t0")
        self.assertEqual(self.history("j", "t0"), [(1, "IN_PROGRESS", 0)])

    def test_groups_below_count(self):
        targets = self.fleet(0, group="site")
        IOT.create_thing_group(thingGroupName="hall", parentGroupName="site")
        self.create("j", targets, targetSelection="CONTINUOUS")
        self.join("hall", "deep")
        self.assertEqual(self.history("j", "deep"), [(1, "QUEUED", 0)])
        IOT.delete_thing_group(thingGroupName="hall")
        self.assertEqual(self.history("j", "deep"), [(1, "REMOVED", 0)])

    def test_later_members_do_not_wait_for_the_rollout(self):
        rollout = {"maximumPerMinute": 1}
        targets = self.fleet(3, group="site")
        self.create("j", targets, targetSelection="CONTINUOUS", jobExecutionsRolloutConfig=rollout)
        self.join("site", "late")
        self.assertEqual(self.counts("j"), {"Queued": 2})
        wait(2 * MINUTE)
        self.assertEqual(self.counts("j"), {"Queued": 4})

    def test_a_snapshot_stays_as_it_was(self):
        self.create("j", self.fleet(1, group="site"))
        self.join("site", "late")
        self.leave("site", "t0")
        self.assertEqual(self.counts("j"), {"Queued": 1})

    def test_targets_are_added(self):
        self.create("j", self.fleet(1, group="site"), targetSelection="CONTINUOUS", namespaceId="acme")
        IOT.create_thing(thingName="more")
        targets = [arn("thing", "more")]
        made = IOT.associate_targets_with_job(jobId="j", targets=targets, comment="one more", namespaceId="acme")
        self.assertEqual((made["jobId"], made["jobArn"]), ("j", arn("job", "j")))
        job = self.described("j")
        self.assertEqual((job["targets"][1:], job["comment"]), (targets, "one more"))
        self.assertEqual(self.counts("j"), {"Queued": 2})

    def test_wrong_targets_are_refused(self):
        self.create("j", self.fleet(1, group="site"), targetSelection="CONTINUOUS")
        self.job("snapshot")
        more = dict(targets=[arn("thing", "gw-1")])
        self.invalid(IOT.associate_targets_with_job, jobId="snapshot", **more)
        self.missing(IOT.associate_targets_with_job, jobId="none", **more)
        self.missing(IOT.associate_targets_with_job, jobId="j", namespaceId="other", **more)
        self.missing(IOT.associate_targets_with_job, jobId="j", targets=[arn("thing", "nobody")])
        self.invalid(IOT.associate_targets_with_job, jobId="j", comment="x" * 2029, **more)
        many = [arn("thing", f"m{number}") for number in range(100)]
        self.refused("LimitExceededException", 410, IOT.associate_targets_with_job, jobId="j", targets=many)
        IOT.cancel_job(jobId="j")
        self.invalid(IOT.associate_targets_with_job, jobId="j", **more)

    def test_lists_are_filtered(self):
        group = self.fleet(1, group="site")
        self.create("c", group, targetSelection="CONTINUOUS")
        self.job("s")
        group_id = IOT.describe_thing_group(thingGroupName="site")["thingGroupId"]
        for query, jobs in [
            ({"targetSelection": "CONTINUOUS"}, ["c"]),
            ({"targetSelection": "SNAPSHOT"}, ["s"]),
            ({"thingGroupName": "site"}, ["c"]),
            ({"thingGroupId": group_id}, ["c"]),
            ({"thingGroupId": "no-such-id"}, []),
            ({"thingGroupName": "site", "status": "COMPLETED"}, []),
        ]:
            with self.subTest(query=query):
                listed = IOT.list_jobs(**query)["jobs"]
                self.assertEqual([job["jobId"] for job in listed], jobs)
        self.assertEqual(IOT.list_jobs(thingGroupName="site")["jobs"][0]["thingGroupId"], group_id)
        self.missing(IOT.list_jobs, thingGroupName="nowhere")
        self.invalid(IOT.list_jobs, thingGroupName="bad name")
        self.invalid(IOT.list_jobs, thingGroupId="bad:id")
        self.invalid(IOT.list_jobs, targetSelection="SOMETIMES")


class Update(RulesTest):
    def test_each_member_is_replaced(self):
        criteria = [{"failureType": "FAILED", "numberOfRetries": 5}]
        self.job("j", description="old", jobExecutionsRetryConfig={"criteriaList": criteria})
        role = {"roleArn": "arn:aws:iam::123456789012:role/download", "expiresInSec": 60}
        none = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 0}]}
        for member, value in [
            ("description", "new"),
            ("presignedUrlConfig", role),
            ("jobExecutionsRolloutConfig", {"maximumPerMinute": 7}),
            ("abortConfig", {"criteriaList": [ALL_FAIL]}),
            ("timeoutConfig", {"inProgressTimeoutInMinutes": 9}),
            ("jobExecutionsRetryConfig", none),
        ]:
            with self.subTest(member=member):
                wait(1)
                before = self.described("j")
                IOT.update_job(jobId="j", **{member: value})
                after = self.described("j")
                self.assertEqual(after[member], value)
                self.assertGreater(after["lastUpdatedAt"], before["lastUpdatedAt"])

    def test_a_running_rollout_changes_its_rate(self):
        self.create("j", self.fleet(6), jobExecutionsRolloutConfig={"maximumPerMinute": 1})
        IOT.update_job(jobId="j", jobExecutionsRolloutConfig={"maximumPerMinute": 3})
        wait(MINUTE)
        self.assertEqual(self.counts("j"), {"Queued": 4})

    def test_what_has_started_keeps_its_timer(self):
        self.create("j", self.fleet(2), timeoutConfig={"inProgressTimeoutInMinutes": 1})
        DATA.start_next_pending_job_execution(thingName="t0")
        IOT.update_job(jobId="j", timeoutConfig={"inProgressTimeoutInMinutes": 2})
        DATA.start_next_pending_job_execution(thingName="t1")
        wait(MINUTE)
        self.assertEqual((self.status("j", "t0"), self.status("j", "t1")), ("TIMED_OUT", "IN_PROGRESS"))

    def test_what_is_wrong_is_refused(self):
        self.job("j", namespaceId="acme")
        self.job("over", thing="gw-2")
        self.report("over", "gw-2", "SUCCEEDED")
        one = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1}]}
        none = {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 0}]}
        for members, message in [
            ({}, "Update Job request for job j cannot be empty."),
            ({"description": "x" * 2029}, "at 'description'"),
            ({"presignedUrlConfig": {"expiresInSec": 3601}}, "at 'presignedUrlConfig.expiresInSec'"),
            ({"presignedUrlConfig": {"roleArn": "arn:aws:iam::1:role/x"}}, "Given role arn:aws:iam::1:role/x is invalid"),
            ({"jobExecutionsRolloutConfig": {}}, "Provide MaximumPerMinute value or provide ExponentialRate"),
            ({"abortConfig": {"criteriaList": [ALL_FAIL, ALL_FAIL]}}, "Multiple AbortCriteria"),
            ({"timeoutConfig": {"inProgressTimeoutInMinutes": 0}}, "Provide valid timeout value"),
            ({"jobExecutionsRetryConfig": one}, "cannot be updated to any number other than 0"),
            ({"jobExecutionsRetryConfig": none}, "no RetryConfig defined during creation"),
        ]:
            with self.subTest(members=members):
                self.assertIn(message, str(self.invalid(IOT.update_job, jobId="j", **members)))
        over = self.invalid(IOT.update_job, jobId="over", description="x")
        self.assertIn("Job over in status COMPLETED cannot be updated.", str(over))
        self.missing(IOT.update_job, jobId="none", description="x")
        self.missing(IOT.update_job, jobId="j", namespaceId="other", description="x")
        IOT.update_job(jobId="j", namespaceId="acme", description="x")


class Deletion(RulesTest):
    def test_a_job_with_many_executions_is_deleted_bit_by_bit(self):
        self.create("j", self.fleet(1001, group="site"))
        wait(MINUTE)
        IOT.delete_job(jobId="j", force=True)
        self.assertEqual(self.described("j")["status"], "DELETION_IN_PROGRESS")
        listed = IOT.list_jobs(status="DELETION_IN_PROGRESS")["jobs"]
        self.assertEqual([job["jobId"] for job in listed], ["j"])
        self.refused("InvalidStateTransitionException", 409, IOT.delete_job, jobId="j", force=True)
        self.invalid(IOT.cancel_job, jobId="j")
        wait(1)
        self.missing(IOT.describe_job, jobId="j")


class Tags(RulesTest):
    def test_tags_come_and_go(self):
        self.job("j", tags=[{"Key": "a", "Value": "1"}])
        IOT.create_thing_group(thingGroupName="site")
        for kind, name in [("job", "j"), ("thinggroup", "site")]:
            with self.subTest(kind=kind):
                resource = arn(kind, name)
                IOT.tag_resource(resourceArn=resource, tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}])
                IOT.untag_resource(resourceArn=resource, tagKeys=["b", "c"])
                tags = IOT.list_tags_for_resource(resourceArn=resource)["tags"]
                self.assertEqual(tags, [{"Key": "a", "Value": "2"}])

    def test_what_is_wrong_is_refused(self):
        self.job("j")
        job, tag = arn("job", "j"), {"Key": "k", "Value": "v"}
        self.missing(IOT.tag_resource, resourceArn=arn("job", "none"), tags=[tag])
        self.missing(IOT.untag_resource, resourceArn=arn("job", "none"), tagKeys=["k"])
        self.missing(IOT.tag_resource, resourceArn=arn("job", "j", region="us-east-1"), tags=[tag])
        self.invalid(IOT.tag_resource, resourceArn=arn("thing", "gw-1"), tags=[tag])
        self.invalid(IOT.tag_resource, resourceArn="job/j", tags=[tag])
        for tags in [[], [{"Key": "k"}], [{"Key": "aws:k", "Value": "v"}], [{"Key": "k*", "Value": "v"}],
                     [{"Key": "k", "Value": "v" * 257}], [{"Key": f"k{n}", "Value": "v"} for n in range(51)]]:
            with self.subTest(tags=tags[:1]):
                self.invalid(IOT.tag_resource, resourceArn=job, tags=tags)
        for keys in [[], ["aws:k"], ["k*"]]:
            with self.subTest(keys=keys):
                self.invalid(IOT.untag_resource, resourceArn=job, tagKeys=keys)


class Events(RulesTest):
    def test_types_of_events(self):
        def enabled():
            types = IOT.describe_event_configurations()["eventConfigurations"]
            return sorted(name for name, configuration in types.items() if configuration["Enabled"])

        self.assertEqual(enabled(), [])
        IOT.update_event_configurations(eventConfigurations={"JOB": {"Enabled": True}})
        IOT.update_event_configurations(eventConfigurations={"JOB_EXECUTION": {"Enabled": True}})
        self.assertEqual(enabled(), ["JOB", "JOB_EXECUTION"])
        IOT.update_event_configurations(eventConfigurations={"JOB": {"Enabled": False}})
        self.assertEqual(enabled(), ["JOB_EXECUTION"])
        self.invalid(IOT.update_event_configurations, eventConfigurations={"JOBS": {"Enabled": True}})
        self.invalid(IOT.update_event_configurations, eventConfigurations={"THING": {"Enabled": True}})
        self.invalid(IOT.update_event_configurations)


if __name__ == "__main__":
    unittest.main()
