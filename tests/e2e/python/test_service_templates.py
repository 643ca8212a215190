"""Job templates and document parameters as boto3 sees them; see test_service_boto3.py."""

import json
import unittest

from service_case import BUCKET, DATA, IOT, ROLE, S3, ServiceTest, arn

REBOOT = "arn:aws:iot:eu-west-1::jobtemplate/AWS-Reboot:1.0"
DOWNLOAD = "arn:aws:iot:eu-west-1::jobtemplate/AWS-Download-File:1.0"
RUN = "arn:aws:iot:eu-west-1::jobtemplate/AWS-Run-Command:1.0"


class TemplateTest(ServiceTest):
    def template(self, template_id="t", **members):
        request = {"description": "a template", "document": '{"from":"template"}', **members}
        return IOT.create_job_template(jobTemplateId=template_id, **request)["jobTemplateArn"]

    def job_from(self, template, job_id="j", **members):
        IOT.create_thing(thingName="gw-1")
        targets = [arn("thing", "gw-1")]
        return IOT.create_job(jobId=job_id, targets=targets, jobTemplateArn=template, **members)


class Templates(TemplateTest):
    def test_create_describe_and_delete(self):
        windows = [{"startTime": "0 22 * * ? *", "durationInMinutes": 60}]
        made = self.template(
            timeoutConfig={"inProgressTimeoutInMinutes": 5},
            maintenanceWindows=windows,
            tags=[{"Key": "team", "Value": "edge"}],
        )
        self.assertEqual(made, arn("jobtemplate", "t"))
        described = IOT.describe_job_template(jobTemplateId="t")
        self.assertEqual((described["jobTemplateArn"], described["description"]), (made, "a template"))
        self.assertEqual(described["document"], '{"from":"template"}')
        self.assertEqual(described["timeoutConfig"], {"inProgressTimeoutInMinutes": 5})
        self.assertEqual(described["maintenanceWindows"], windows)
        tags = IOT.list_tags_for_resource(resourceArn=made)["tags"]
        self.assertEqual(tags, [{"Key": "team", "Value": "edge"}])
        IOT.delete_job_template(jobTemplateId="t")
        self.missing(IOT.describe_job_template, jobTemplateId="t")
        self.missing(IOT.delete_job_template, jobTemplateId="t")

    def test_what_is_wrong_is_refused(self):
        self.template()
        refused = self.refused("ConflictException", 409, self.template)
        self.assertEqual(refused.response["resourceId"], "t")
        self.invalid(self.template, template_id="bad id")
        self.invalid(self.template, template_id="u", document="{")
        self.invalid(self.template, template_id="u", documentSource=f"s3://{BUCKET}/job.json")
        self.invalid(IOT.create_job_template, jobTemplateId="u", description="nothing else")
        self.invalid(self.template, template_id="u", timeoutConfig={"inProgressTimeoutInMinutes": 10081})
        window = {"startTime": "never", "durationInMinutes": 60}
        self.invalid(self.template, template_id="u", maintenanceWindows=[window])
        self.missing(self.template, template_id="u", jobArn=arn("job", "nowhere"))
        self.assertEqual(len(IOT.list_job_templates()["jobTemplates"]), 1)

    def test_list_in_pages(self):
        for template_id in ["a", "b", "c"]:
            self.template(template_id)
        pages = list(IOT.get_paginator("list_job_templates").paginate(PaginationConfig={"PageSize": 2}))
        found = [each["jobTemplateId"] for page in pages for each in page["jobTemplates"]]
        self.assertEqual((found, len(pages)), (["c", "b", "a"], 2))
        self.invalid(IOT.list_job_templates, maxResults=251)
        self.invalid(IOT.list_job_templates, nextToken="forged")

    def test_from_a_document_in_a_bucket(self):
        S3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        S3.put_object(Bucket=BUCKET, Key="job.json", Body=b'{"from":"bucket"}')
        source = f"https://s3.eu-west-1.amazonaws.com/{BUCKET}/job.json"
        IOT.create_job_template(jobTemplateId="t", description="d", documentSource=source)
        described = IOT.describe_job_template(jobTemplateId="t")
        self.assertEqual(described["documentSource"], source)
        self.job_from(described["jobTemplateArn"])
        self.assertEqual(IOT.get_job_document(jobId="j")["document"], '{"from":"bucket"}')
        self.invalid(self.template, template_id="u", documentSource=source)

    def test_from_a_job(self):
        made = self.job("old", timeoutConfig={"inProgressTimeoutInMinutes": 7})
        IOT.create_job_template(jobTemplateId="t", description="d", jobArn=made["jobArn"])
        described = IOT.describe_job_template(jobTemplateId="t")
        self.assertEqual(described["document"], '{"operation":"x"}')
        self.assertEqual(described["timeoutConfig"], {"inProgressTimeoutInMinutes": 7})

    def test_a_job_takes_from_its_template_what_it_does_not_say(self):
        template = self.template(
            timeoutConfig={"inProgressTimeoutInMinutes": 5},
            presignedUrlConfig={"roleArn": ROLE, "expiresInSec": 60},
        )
        self.job_from(template, presignedUrlConfig={"roleArn": ROLE})
        job = IOT.describe_job(jobId="j")["job"]
        self.assertEqual(job["jobTemplateArn"], template)
        self.assertEqual(job["timeoutConfig"], {"inProgressTimeoutInMinutes": 5})
        self.assertEqual(job["presignedUrlConfig"], {"roleArn": ROLE}, "replaced whole")
        self.assertEqual(IOT.get_job_document(jobId="j")["document"], '{"from":"template"}')
        self.job_from(template, job_id="k", document="{}")
        self.assertEqual(IOT.get_job_document(jobId="k")["document"], "{}")
        self.missing(self.job_from, template=arn("jobtemplate", "nowhere"), job_id="l")


class ManagedTemplates(TemplateTest):
    def test_list(self):
        listed = IOT.list_managed_job_templates()["managedJobTemplates"]
        self.assertEqual(len(listed), 8)
        self.assertEqual({each["templateVersion"] for each in listed}, {"1.0"})
        self.assertEqual({tuple(each["environments"]) for each in listed}, {("LINUX",)})
        self.assertIn(REBOOT, [each["templateArn"] for each in listed])
        one = IOT.list_managed_job_templates(templateName="AWS-Reboot")["managedJobTemplates"]
        self.assertEqual([each["templateArn"] for each in one], [REBOOT])
        pages = list(IOT.get_paginator("list_managed_job_templates").paginate(PaginationConfig={"PageSize": 5}))
        self.assertEqual([len(page["managedJobTemplates"]) for page in pages], [5, 3])
        self.missing(IOT.list_managed_job_templates, templateName="AWS-Explode")
        self.invalid(IOT.list_managed_job_templates, maxResults=251)

    def test_describe(self):
        for each in IOT.list_managed_job_templates()["managedJobTemplates"]:
            described = IOT.describe_managed_job_template(templateName=each["templateName"], templateVersion="1.0")
            self.assertEqual(described["templateArn"], each["templateArn"])
            json.loads(described["document"])
            for parameter in described["documentParameters"]:
                self.assertIn(f"${{aws:iot:parameter:{parameter['key']}}}", described["document"])
        download = IOT.describe_managed_job_template(templateName="AWS-Download-File")
        optional = {each["key"]: each["optional"] for each in download["documentParameters"]}
        expected = {"downloadUrl": False, "filePath": False, "runAsUser": True, "pathToHandler": True}
        self.assertEqual(optional, expected)
        self.missing(IOT.describe_managed_job_template, templateName="AWS-Explode")
        self.missing(IOT.describe_managed_job_template, templateName="AWS-Reboot", templateVersion="2.0")
        self.invalid(IOT.describe_managed_job_template, templateName="AWS-Reboot", templateVersion="x")

    def test_parameters_reach_the_device(self):
        command = r'echo,"a\, b"'
        made = self.job_from(RUN, documentParameters={"command": command})
        self.assertTrue(made["description"].startswith("A managed job template for "))
        expected = {"name": "Run-Command", "type": "runCommand", "input": {"command": command}, "runAsUser": ""}
        seen = DATA.describe_job_execution(thingName="gw-1", jobId="j")["execution"]["jobDocument"]
        self.assertEqual(json.loads(seen)["steps"][0]["action"], expected)
        before = IOT.get_job_document(jobId="j", beforeSubstitution=True)["document"]
        after = IOT.get_job_document(jobId="j")["document"]
        self.assertIn("${aws:iot:parameter:command}", before)
        self.assertEqual(json.loads(after)["steps"][0]["action"], expected)
        job = IOT.describe_job(jobId="j", beforeSubstitution=True)["job"]
        self.assertEqual(job["documentParameters"], {"command": command})
        self.assertEqual(job["jobTemplateArn"], RUN)

    def test_parameters_are_checked(self):
        self.invalid(self.job_from, template=DOWNLOAD)
        self.invalid(self.job_from, template=DOWNLOAD, documentParameters={"downloadUrl": "https://a.example"})
        self.invalid(self.job_from, template=REBOOT, documentParameters={"when": "now"})
        self.invalid(self.job_from, template=REBOOT, documentParameters={"runAsUser": "u" * 257})
        self.invalid(self.job_from, template=REBOOT, documentParameters={"runAsUser": "a\nb"})
        self.invalid(self.job_from, template=REBOOT, documentParameters={"run as": "b"})
        self.invalid(self.job, job_id="j", documentParameters={"runAsUser": "b"})
        own = self.template()
        self.invalid(self.job_from, template=own, documentParameters={"runAsUser": "b"})
        self.missing(self.job_from, template=REBOOT.replace("1.0", "1.1"))
        self.missing(IOT.describe_job, jobId="j")


if __name__ == "__main__":
    unittest.main()
