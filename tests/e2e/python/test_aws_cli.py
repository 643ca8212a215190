"""Every operation of iot-jobs-local through the AWS CLI: each member as JSON and as shorthand, files, pages, refusals.

The requests are those of service_world.py; what the CLI did is looked at with boto3. Needs the `aws` that stands
beside this Python, and what test_service_boto3.py needs.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from botocore import xform_name

from service_case import DATA, ENDPOINT, IOT, REGION, ServiceTest, arn
from service_world import CASES, DOCUMENT, build, job_in_full, report_in_full, template_in_full
from test_service_wire import PROVOKED

AWS = Path(sys.executable).parent / "aws"
CLIENTS = {"iot": IOT, "iot-jobs-data": DATA}
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": os.environ.get("HOME", "/"),
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_CONFIG_FILE": "",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_PAGER": "",
}
# What the CLI ends with when the service refuses: version 1 with 255, version 2 with 254.
REFUSED = (254, 255)


def aws(*arguments):
    """Runs the CLI to its end."""
    command = [AWS, *arguments, "--output", "json"] if arguments[0] != "s3" else [AWS, *arguments]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)


def as_json(value):
    return [value if isinstance(value, str) else json.dumps(value)]


def as_shorthand(value):
    """A member in the CLI's own syntax; a list is an argument for each element."""
    if isinstance(value, list):
        return [pairs(each) if isinstance(each, dict) else quoted(each, " ") for each in value]
    return [pairs(value)] if isinstance(value, dict) else as_json(value)


def pairs(value):
    return ",".join(f"{key}={nested(each)}" for key, each in value.items())


def nested(value):
    if isinstance(value, dict):
        return f"{{{pairs(value)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(nested, value))}]"
    return quoted(value, """'" ,=[]{}""") if isinstance(value, str) else json.dumps(value)


def quoted(text, special):
    return f'"{text}"' if set(text) & set(special) else text


def options(request, spell):
    """The members of a request as arguments."""
    for member, value in request.items():
        name = xform_name(member, "-")
        if isinstance(value, bool):
            yield f"--{name}" if value else f"--no-{name}"
        else:
            yield f"--{name}"
            yield from spell(value)


def setUpModule():
    """Has the CLI take what begins with https:// as it is: version 1 fetches it otherwise."""
    directory = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(directory.cleanup)
    config = Path(directory.name, "config")
    config.write_text("[default]\ncli_follow_urlparam = false\n")
    ENVIRONMENT["AWS_CONFIG_FILE"] = str(config)


class CliTest(ServiceTest):
    @classmethod
    def tearDownClass(cls):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"\n{cls.__name__}: the CLI took {used.ru_utime + used.ru_stime:.0f} s of processor time so far")

    def run_aws(self, *arguments):
        ended = aws(*arguments)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""), arguments)
        return json.loads(ended.stdout or "{}")

    def perform(self, service, operation, request, spell):
        return self.run_aws(service, xform_name(operation, "-"), *options(request, spell))

    def perform_all(self, spell, is_meant=lambda request: True):
        """Performs each operation with each of its requests, and asserts that each member was heard."""
        performed = 0
        for service, cases in CASES.items():
            for operation, case in cases.items():
                for number, request in enumerate(case.requests):
                    build()
                    request = request()
                    if is_meant(request):
                        performed += 1
                        with self.subTest(operation=operation, request=number):
                            case.heard(self, request, self.perform(service, operation, request, spell))
        return performed


class Operations(CliTest):
    def test_each_member_as_json(self):
        performed = self.perform_all(as_json)
        self.assertGreaterEqual(performed, sum(map(len, CASES.values())))

    def test_each_structure_as_shorthand(self):
        is_structure = lambda value: isinstance(value, (dict, list))
        performed = self.perform_all(as_shorthand, lambda request: any(map(is_structure, request.values())))
        self.assertGreaterEqual(performed, 17)

    def test_each_operation_refused(self):
        for service, errors in PROVOKED.items():
            met = set()
            for operation, code, first, request in errors:
                if operation in met:
                    continue
                met.add(operation)
                with self.subTest(operation=operation, code=code):
                    build()
                    first()
                    ended = aws(service, xform_name(operation, "-"), *options(request, as_json))
                    self.assertIn(ended.returncode, REFUSED, ended)
                    self.assertEqual(ended.stdout, "")
                    told = rf"An error occurred \({code}\) when calling the {operation} operation: .+"
                    self.assertRegex(ended.stderr, told)


class Files(CliTest):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def file(self, name, content):
        path = self.directory / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def test_members_from_files(self):
        build()
        request = job_in_full()
        from_file = lambda value: [f"file://{self.file(f'{abs(hash(str(value)))}.json', value)}"]
        spell = lambda value: from_file(value) if isinstance(value, (dict, list)) or value == DOCUMENT else [str(value)]
        answer = self.perform("iot", "CreateJob", request, spell)
        CASES["iot"]["CreateJob"].heard(self, request, answer)

    def test_whole_requests_from_files(self):
        for service, operation, request in [
            ("iot", "CreateJob", job_in_full), ("iot", "CreateJobTemplate", template_in_full),
            ("iot-jobs-data", "UpdateJobExecution", report_in_full),
        ]:
            with self.subTest(operation=operation):
                build()
                request = request()
                path = self.file("request.json", request)
                answer = self.run_aws(service, xform_name(operation, "-"), "--cli-input-json", f"file://{path}")
                CASES[service][operation].heard(self, request, answer)

    def test_a_skeleton_filled_in(self):
        """What the CLI prints as the shape of a request, with values, is a request."""
        for service, operation, request in [
            ("iot", "CreateJob", job_in_full), ("iot-jobs-data", "UpdateJobExecution", report_in_full),
        ]:
            with self.subTest(operation=operation):
                build()
                skeleton = self.run_aws(service, xform_name(operation, "-"), "--generate-cli-skeleton")
                shape = CLIENTS[service].meta.service_model.operation_model(operation).input_shape
                self.assertEqual(set(skeleton), set(shape.members))
                request = request()
                filled = {name: request[name] for name in skeleton if name in request}
                path = self.file("skeleton.json", filled)
                answer = self.run_aws(service, xform_name(operation, "-"), "--cli-input-json", f"file://{path}")
                CASES[service][operation].heard(self, request, answer)

    def test_objects_both_ways(self):
        content = "{\"a\": 1}\n" * 1000
        path, back = self.file("object", content), self.directory / "back"
        for arguments in [
            ["mb", "s3://cli"], ["cp", path, "s3://cli/dir/a b"], ["cp", "s3://cli/dir/a b", back],
            ["sync", self.directory, "s3://cli/all"],
        ]:
            ended = aws("s3", *arguments)
            self.assertEqual(ended.returncode, 0, ended)
        self.assertEqual(back.read_text(), content)
        listed = aws("s3", "ls", "s3://cli", "--recursive").stdout.split("\n")
        self.assertEqual([line[31:] for line in listed if line], ["all/back", "all/object", "dir/a b"])
        self.assertEqual(aws("s3", "rb", "s3://cli", "--force").returncode, 0)
        ended = aws("s3", "cp", "s3://cli/dir/a b", back)
        self.assertEqual(ended.returncode, 1, ended)
        self.assertIn("404", ended.stderr)


class Pages(CliTest):
    def test_lists_in_parts(self):
        """`--max-items` cuts what the pages of `--page-size` hold, and `--starting-token` goes on within one."""
        names = [f"t{number}" for number in range(5)]
        for name in names:
            IOT.create_thing(thingName=name)
            IOT.create_job(jobId=name, targets=[arn("thing", name)], document="{}")
        for operation, key, name, expected in [
            ("list-things", "things", "thingName", names), ("list-jobs", "jobs", "jobId", names[::-1]),
        ]:
            with self.subTest(operation=operation):
                found, more = [], []
                for _ in range(2):
                    page = self.run_aws("iot", operation, "--page-size", "2", "--max-items", "3", *more)
                    found += [each[name] for each in page[key]]
                    more = ["--starting-token", page.get("NextToken", "")]
                self.assertNotIn("NextToken", page)
                self.assertEqual(found, expected)

    def test_one_page_alone(self):
        for name in ["a", "b"]:
            IOT.create_thing(thingName=name)
        page = self.run_aws("iot", "list-things", "--no-paginate", "--max-results", "1")
        self.assertEqual([each["thingName"] for each in page["things"]], ["a"])
        page = self.run_aws("iot", "list-things", "--no-paginate", "--next-token", page["nextToken"])
        self.assertEqual([each["thingName"] for each in page["things"]], ["b"])
        self.assertNotIn("nextToken", page)
        ended = aws("iot", "list-things", "--no-paginate", "--next-token", "forged")
        self.assertIn("Next token is invalid.", ended.stderr)


if __name__ == "__main__":
    unittest.main()
