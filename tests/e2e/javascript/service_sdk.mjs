// iot-jobs-local through the AWS SDK for JavaScript: that nothing is in the shape of boto3 alone.
//
// Run by hand, with Node 20 or later, against a running service that it resets:
//
//     npm install --prefix DIR @aws-sdk/client-iot @aws-sdk/client-iot-jobs-data-plane @aws-sdk/client-s3
//     cp tests/e2e/javascript/service_sdk.mjs DIR && AWS_ENDPOINT_URL=http://127.0.0.1:9080 node DIR/service_sdk.mjs

import assert from "node:assert/strict";

import * as control from "@aws-sdk/client-iot";
import * as device from "@aws-sdk/client-iot-jobs-data-plane";
import * as storage from "@aws-sdk/client-s3";

const endpoint = process.env.AWS_ENDPOINT_URL;
assert.ok(endpoint, "AWS_ENDPOINT_URL says where the service is");
const credentials = { accessKeyId: "local", secretAccessKey: "local" };
const settings = { endpoint, region: "eu-west-1", credentials, maxAttempts: 1 };
const controlClient = new control.IoTClient(settings);
const deviceClient = new device.IoTJobsDataPlaneClient(settings);
const storageClient = new storage.S3Client({ ...settings, forcePathStyle: true });
let calls = 0;

function caller(client, module) {
  return (operation, request = {}) => {
    calls += 1;
    return client.send(new module[`${operation}Command`](request));
  };
}

const iot = caller(controlClient, control);
const data = caller(deviceClient, device);
const s3 = caller(storageClient, storage);

/** Asserts that a call is refused, and returns the error. */
async function refused(call, name, status) {
  const error = await call.then(() => assert.fail(`${name} was expected`), (reason) => reason);
  assert.equal(error.name, name, error.stack);
  assert.equal(error.$metadata.httpStatusCode, status);
  assert.ok(error.message);
  return error;
}

function arn(kind, name) {
  return `arn:aws:iot:eu-west-1:123456789012:${kind}/${name}`;
}

const THING = "gw:1";
const SOURCE = "https://s3.eu-west-1.amazonaws.com/firmware/job.json";
const RUN_COMMAND = "arn:aws:iot:eu-west-1::jobtemplate/AWS-Run-Command:1.0";
const JOB = {
  jobId: "j",
  targets: [arn("thinggroup", "site")],
  document: '{"operation":"x"}',
  description: "for people: é",
  targetSelection: "CONTINUOUS",
  presignedUrlConfig: { roleArn: "arn:aws:iam::123456789012:role/download", expiresInSec: 300 },
  jobExecutionsRolloutConfig: {
    maximumPerMinute: 100,
    exponentialRate: {
      baseRatePerMinute: 2,
      incrementFactor: 1.5,
      rateIncreaseCriteria: { numberOfNotifiedThings: 5 },
    },
  },
  abortConfig: {
    criteriaList: [
      { failureType: "FAILED", action: "CANCEL", thresholdPercentage: 25, minNumberOfExecutedThings: 3 },
    ],
  },
  timeoutConfig: { inProgressTimeoutInMinutes: 5 },
  jobExecutionsRetryConfig: { criteriaList: [{ failureType: "FAILED", numberOfRetries: 1 }] },
  tags: [{ Key: "team", Value: "edge" }],
};

async function objects() {
  const bucket = { Bucket: "firmware" };
  await s3("CreateBucket", { ...bucket, CreateBucketConfiguration: { LocationConstraint: "eu-west-1" } });
  for (const Key of ["job.json", "a b/ü.json"]) {
    await s3("PutObject", { ...bucket, Key, Body: '{"from":"bucket"}' });
    const got = await s3("GetObject", { ...bucket, Key });
    assert.equal(await got.Body.transformToString(), '{"from":"bucket"}');
  }
  assert.equal((await s3("ListObjectsV2", bucket)).KeyCount, 2);
  await refused(s3("GetObject", { ...bucket, Key: "none" }), "NoSuchKey", 404);
}

async function registry() {
  const attributePayload = { attributes: { a: "b=[c]" } };
  const made = await iot("CreateThing", { thingName: THING, attributePayload });
  assert.equal(made.thingArn, arn("thing", THING));
  const update = { attributes: { d: "e" }, merge: true };
  await iot("UpdateThing", { thingName: THING, attributePayload: update, expectedVersion: 1 });
  assert.deepEqual((await iot("DescribeThing", { thingName: THING })).attributes, { a: "b=[c]", d: "e" });
  const taken = await refused(iot("CreateThing", { thingName: THING }), "ResourceAlreadyExistsException", 409);
  assert.deepEqual([taken.resourceId, taken.resourceArn], [THING, made.thingArn]);
  const thingGroupProperties = { thingGroupDescription: "a site" };
  await iot("CreateThingGroup", { thingGroupName: "site", thingGroupProperties });
  await iot("AddThingToThingGroup", { thingGroupName: "site", thingName: THING });
  const members = await iot("ListThingsInThingGroup", { thingGroupName: "site", recursive: true });
  assert.deepEqual(members.things, [THING]);
  const group = await iot("DescribeThingGroup", { thingGroupName: "site" });
  assert.ok(group.thingGroupMetadata.creationDate instanceof Date);
}

async function jobs() {
  await iot("CreateJob", JOB);
  const { job } = await iot("DescribeJob", { jobId: "j", beforeSubstitution: true });
  const { document, tags, ...told } = JOB;
  for (const member of Object.keys(told)) {
    assert.deepEqual(job[member], JOB[member], member);
  }
  assert.ok(job.createdAt instanceof Date);
  assert.equal((await iot("GetJobDocument", { jobId: "j" })).document, document);
  assert.deepEqual((await iot("ListTagsForResource", { resourceArn: job.jobArn })).tags, tags);
  await iot("CreateJob", { jobId: "s", targets: [arn("thing", THING)], documentSource: SOURCE });
  const listed = [];
  for await (const page of control.paginateListJobs({ client: controlClient, pageSize: 1 }, {})) {
    listed.push(...page.jobs.map((each) => each.jobId));
  }
  assert.deepEqual(listed, ["s", "j"]);
  await iot("UpdateJob", { jobId: "j", description: "new" });
  const wrong = iot("CreateJob", { jobId: "a/b c", targets: [], document: "{}" });
  const { message } = await refused(wrong, "InvalidRequestException", 400);
  assert.match(message, /^2 validation errors detected: .*'jobId'.*'targets'/);
  await refused(iot("DescribeJob", { jobId: "none" }), "ResourceNotFoundException", 404);
  await refused(iot("CreateJob", JOB), "ResourceAlreadyExistsException", 409);
  await refused(iot("DeleteJob", { jobId: "j" }), "InvalidStateTransitionException", 409);
}

async function templates() {
  const template = { jobTemplateId: "t", description: "of a job" };
  const maintenanceWindows = [{ startTime: "cron(0 22 * * ? *)", durationInMinutes: 60 }];
  await iot("CreateJobTemplate", { ...template, jobArn: arn("job", "j"), maintenanceWindows });
  const told = await iot("DescribeJobTemplate", { jobTemplateId: "t" });
  assert.deepEqual([told.document, told.maintenanceWindows], [JOB.document, maintenanceWindows]);
  await refused(iot("CreateJobTemplate", { ...template, document: "{}" }), "ConflictException", 409);
  assert.equal((await iot("ListManagedJobTemplates")).managedJobTemplates.length, 8);
  const documentParameters = { command: "echo,a" };
  await iot("CreateJob", { jobId: "m", targets: [arn("thing", THING)], jobTemplateArn: RUN_COMMAND, documentParameters });
  await iot("DeleteJobTemplate", { jobTemplateId: "t" });
}

async function devicePlane() {
  const execution = { thingName: THING, jobId: "j" };
  const pending = await data("GetPendingJobExecutions", { thingName: THING });
  assert.deepEqual(pending.queuedJobs.map((each) => each.jobId), ["j", "s", "m"]);
  assert.equal(typeof pending.queuedJobs[0].queuedAt, "number");
  assert.equal((await data("DescribeJobExecution", { ...execution, jobId: "$next" })).execution.jobId, "j");
  const start = { thingName: THING, statusDetails: { step: "one" }, stepTimeoutInMinutes: 5 };
  assert.equal((await data("StartNextPendingJobExecution", start)).execution.status, "IN_PROGRESS");
  const done = { ...execution, status: "SUCCEEDED", includeJobExecutionState: true, includeJobDocument: true };
  const stale = data("UpdateJobExecution", { ...done, expectedVersion: 9 });
  assert.match((await refused(stale, "InvalidRequestException", 400)).message, /Expected version 9/);
  const updated = await data("UpdateJobExecution", { ...done, expectedVersion: 2 });
  assert.deepEqual([updated.executionState.status, updated.jobDocument], ["SUCCEEDED", JOB.document]);
  await refused(data("DescribeJobExecution", execution), "TerminalStateException", 410);
  await refused(data("UpdateJobExecution", done), "InvalidStateTransitionException", 409);
}

async function operations() {
  const execution = { thingName: THING, jobId: "s" };
  await iot("CancelJobExecution", { ...execution, force: true, statusDetails: { by: "operator" } });
  const told = (await iot("DescribeJobExecution", execution)).execution;
  assert.deepEqual([told.forceCanceled, told.statusDetails.detailsMap], [true, { by: "operator" }]);
  await iot("DeleteJobExecution", { ...execution, executionNumber: 1 });
  await iot("CancelJob", { jobId: "m", reasonCode: "OVER", comment: "stop", force: true });
  await iot("DeleteJob", { jobId: "m" });
  await iot("TagResource", { resourceArn: arn("job", "j"), tags: [{ Key: "x", Value: "y" }] });
  await iot("UntagResource", { resourceArn: arn("job", "j"), tagKeys: ["x"] });
  await iot("AssociateTargetsWithJob", { jobId: "j", targets: [arn("thing", THING)], comment: "once more" });
  const ofJob = await iot("ListJobExecutionsForJob", { jobId: "j" });
  assert.equal(ofJob.executionSummaries[0].jobExecutionSummary.retryAttempt, 0);
  assert.ok((await iot("ListJobExecutionsForThing", { thingName: THING })).executionSummaries.length > 0);
  await iot("UpdateEventConfigurations", { eventConfigurations: { JOB: { Enabled: true } } });
  assert.equal((await iot("DescribeEventConfigurations")).eventConfigurations.JOB.Enabled, true);
  assert.ok((await iot("DescribeEndpoint", { endpointType: "iot:Data-ATS" })).endpointAddress);
  await refused(iot("ListPolicies"), "UnsupportedOperationException", 501);
  await iot("RemoveThingFromThingGroup", { thingGroupName: "site", thingName: THING });
  await iot("DeleteThingGroup", { thingGroupName: "site" });
  await iot("DeleteThing", { thingName: THING });
}

await fetch(`${endpoint}/_local/reset`, { method: "POST" });
for (const step of [objects, registry, jobs, templates, devicePlane, operations]) {
  await step();
}
console.log(`${calls} calls of the AWS SDK for JavaScript were answered as AWS answers them`);
