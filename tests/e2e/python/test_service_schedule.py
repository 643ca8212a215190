"""Schedules and maintenance windows as boto3 sees them; see test_service_boto3.py.

Each test stops the service's clock and steps it: jobs start, end and pass their windows at once.
"""

import unittest
from datetime import datetime, timedelta, timezone

from service_case import DATA, IOT, ServiceTest, arn, local

MINUTE = 60
DAY = 24 * 60 * MINUTE


class ScheduleTest(ServiceTest):
    def setUp(self):
        super().setUp()
        local("POST", "clock", {"frozen": True})
        self.addCleanup(local, "POST", "clock", {"frozen": False})
        # Just past the next midnight, so that no test depends on the time of day.
        self.step(DAY - local("GET", "clock")["now"] % DAY + 0.5)

    def step(self, seconds):
        local("POST", "clock", {"advance": seconds})

    def time(self, minutes):
        """The moment in so many minutes, as a schedule spells it."""
        now = datetime.fromtimestamp(local("GET", "clock")["now"], timezone.utc)
        return (now + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M")

    def scheduled(self, job_id="j", selection="SNAPSHOT", **schedule):
        return self.job(job_id, targetSelection=selection, schedulingConfig=schedule)

    def nightly(self, job_id="j", **schedule):
        """A continuous job with a window from 22:00 to 23:00 UTC, from 01:00 on."""
        windows = [{"startTime": "cron(0 22 * * ? *)", "durationInMinutes": 60}]
        schedule = {"startTime": self.time(60), "maintenanceWindows": windows, **schedule}
        return self.scheduled(job_id, "CONTINUOUS", **schedule)

    def job_status(self, job_id="j"):
        return IOT.describe_job(jobId=job_id)["job"]["status"]

    def pending(self):
        found = DATA.get_pending_job_executions(thingName="gw-1")
        return [each["jobId"] for each in found["inProgressJobs"] + found["queuedJobs"]]

    def update(self, status, job_id="j"):
        return DATA.update_job_execution(thingName="gw-1", jobId=job_id, status=status)


class Schedules(ScheduleTest):
    def test_a_job_waits_for_its_start(self):
        start = self.time(60)
        self.scheduled(startTime=start)
        job = IOT.describe_job(jobId="j")["job"]
        self.assertEqual((job["status"], job["schedulingConfig"]), ("SCHEDULED", {"startTime": start}))
        self.assertNotIn("scheduledJobRollouts", job)
        self.assertEqual([each["jobId"] for each in IOT.list_jobs(status="SCHEDULED")["jobs"]], ["j"])
        self.assertEqual(IOT.list_job_executions_for_job(jobId="j")["executionSummaries"], [])
        self.assertEqual(self.pending(), [])
        self.step(60 * MINUTE)
        self.assertEqual((self.job_status(), self.pending()), ("IN_PROGRESS", ["j"]))

    def test_a_scheduled_job_can_be_cancelled_and_deleted_by_force(self):
        self.scheduled(startTime=self.time(60))
        IOT.cancel_job(jobId="j")
        self.assertEqual(self.job_status(), "CANCELED")
        self.scheduled("k", startTime=self.time(60))
        self.refused("InvalidStateTransitionException", 409, IOT.delete_job, jobId="k")
        IOT.delete_job(jobId="k", force=True)
        self.step(60 * MINUTE)
        self.assertEqual((self.job_status(), self.pending()), ("CANCELED", []))

    def test_times_are_checked(self):
        for time in ["2030-01-01", "2030-01-01T00:00:00", "2030-01-01T00:00Z", "2030-02-30T00:00"]:
            refused = self.invalid(self.scheduled, startTime=time)
            self.assertEqual(
                refused.response["Error"]["Message"],
                f"1 validation error detected: Provided time {time} UTC must follow the format YYYY-MM-DDThh:mm.",
            )
        year = 365 * 24 * 60
        self.invalid(self.scheduled, startTime=self.time(29))
        self.invalid(self.scheduled, startTime=self.time(year + 1))
        self.invalid(self.scheduled, endTime=self.time(29))
        self.invalid(self.scheduled, endTime=self.time(2 * year + 1))
        self.invalid(self.scheduled, startTime=self.time(60), endTime=self.time(89))
        self.invalid(self.scheduled, endTime=self.time(60), endBehavior="EXPLODE")
        self.scheduled("first", startTime=self.time(31), endTime=self.time(61))
        self.scheduled("last", startTime=self.time(year), endTime=self.time(2 * year))

    def test_each_end_behavior(self):
        for thing in ["gw-1", "gw-2"]:
            IOT.create_thing(thingName=thing)
        for behavior, queued, started, status in [
            (None, "QUEUED", "IN_PROGRESS", "IN_PROGRESS"),
            ("STOP_ROLLOUT", "QUEUED", "IN_PROGRESS", "IN_PROGRESS"),
            ("CANCEL", "CANCELED", "IN_PROGRESS", "IN_PROGRESS"),
            ("FORCE_CANCEL", "CANCELED", "CANCELED", "COMPLETED"),
        ]:
            with self.subTest(behavior):
                job_id = f"j-{behavior}"
                schedule = {"endTime": self.time(60)}
                if behavior:
                    schedule["endBehavior"] = behavior
                targets = [arn("thing", "gw-1"), arn("thing", "gw-2")]
                self.job(job_id, targets=targets, schedulingConfig=schedule)
                self.update("IN_PROGRESS", job_id)
                self.step(60 * MINUTE)
                self.assertEqual(self.status(job_id, "gw-2"), queued)
                self.assertEqual(self.status(job_id, "gw-1"), started)
                self.assertEqual(self.job_status(job_id), status)
                for thing in ["gw-1", "gw-2"]:
                    if self.status(job_id, thing) in ("QUEUED", "IN_PROGRESS"):
                        DATA.update_job_execution(thingName=thing, jobId=job_id, status="SUCCEEDED")
                self.assertEqual(self.job_status(job_id), "COMPLETED")

    def test_a_continuous_job_is_completed_by_its_end(self):
        self.scheduled(selection="CONTINUOUS", endTime=self.time(60))
        self.update("SUCCEEDED")
        self.assertEqual(self.job_status(), "IN_PROGRESS")
        self.step(60 * MINUTE)
        self.assertEqual(self.job_status(), "COMPLETED")


class MaintenanceWindows(ScheduleTest):
    def test_windows_are_described(self):
        self.nightly()
        job = IOT.describe_job(jobId="j")["job"]
        expected = [{"startTime": self.time(22 * 60 + day * 24 * 60)} for day in range(7)]
        self.assertEqual(job["scheduledJobRollouts"], expected)
        self.assertEqual(job["schedulingConfig"]["maintenanceWindows"][0]["durationInMinutes"], 60)

    def test_windows_are_checked(self):
        def windows(start="0 22 * * ? *", minutes=60):
            return [{"startTime": start, "durationInMinutes": minutes}]

        refused = self.invalid(self.scheduled, startTime=self.time(60), maintenanceWindows=windows())
        self.assertEqual(
            refused.response["Error"]["Message"],
            "TargetSelection is invalid. MaintenanceWindow cannot be used with SNAPSHOT job.",
        )
        refused = self.invalid(self.scheduled, selection="CONTINUOUS", maintenanceWindows=windows())
        self.assertEqual(
            refused.response["Error"]["Message"],
            "MaintenanceWindow cannot be used without StartTime of SchedulingConfig.",
        )
        for start in ["0 22 * * * *", "0 22 * * *", "0 24 * * ? *", "0 22 ? * 2#1,3#1 *", "x" * 257]:
            self.invalid(self.nightly, maintenanceWindows=windows(start))
        self.invalid(self.nightly, maintenanceWindows=windows(minutes=1431))
        for number, start in enumerate(["0 18 ? * MON-FRI *", "0/15 * L * ? *", "0 8 1W * ? *", "0 9 ? * 2#1 *"]):
            self.nightly(f"j-{number}", maintenanceWindows=windows(start, 1430))

    def test_a_job_is_offered_within_its_window_only(self):
        self.nightly()
        self.step(60 * MINUTE)
        self.assertEqual((self.job_status(), self.pending()), ("SCHEDULED", []))
        self.step(21 * 60 * MINUTE)
        self.assertEqual((self.job_status(), self.pending()), ("IN_PROGRESS", ["j"]))
        self.step(60 * MINUTE)
        self.assertEqual((self.job_status(), self.pending()), ("SCHEDULED", []))
        self.assertEqual(self.status("j"), "QUEUED")
        self.assertNotIn("execution", DATA.start_next_pending_job_execution(thingName="gw-1"))
        self.refused("InvalidStateTransitionException", 409, self.update, status="IN_PROGRESS")
        self.step(23 * 60 * MINUTE)
        self.assertEqual((self.job_status(), self.pending()), ("IN_PROGRESS", ["j"]))

    def test_what_is_in_progress_goes_on_unseen(self):
        self.nightly()
        self.step(22 * 60 * MINUTE)
        DATA.start_next_pending_job_execution(thingName="gw-1")
        self.step(60 * MINUTE)
        self.assertEqual(self.pending(), [])
        self.assertNotIn("execution", DATA.describe_job_execution(thingName="gw-1", jobId="$next"))
        described = DATA.describe_job_execution(thingName="gw-1", jobId="j")["execution"]
        self.assertEqual(described["status"], "IN_PROGRESS")
        self.update("SUCCEEDED")
        self.assertEqual((self.status("j"), self.job_status()), ("SUCCEEDED", "SCHEDULED"))

    def test_an_end_within_a_window(self):
        self.nightly(endTime=self.time(22 * 60 + 30), endBehavior="FORCE_CANCEL")
        self.step(22 * 60 * MINUTE)
        DATA.start_next_pending_job_execution(thingName="gw-1")
        self.step(30 * MINUTE)
        self.assertEqual((self.status("j"), self.job_status()), ("CANCELED", "COMPLETED"))

    def test_jobs_in_their_window_have_places_of_their_own_in_the_list(self):
        for number in range(7):
            self.nightly(f"w-{number}")
        for number in range(12):
            self.job(f"j-{number}")
        self.assertEqual(len(self.pending()), 10)
        self.step(22 * 60 * MINUTE)
        pending = self.pending()
        self.assertEqual(len(pending), 15)
        self.assertEqual(sum(each.startswith("w-") for each in pending), 5)


if __name__ == "__main__":
    unittest.main()
