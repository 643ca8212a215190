#!/usr/bin/env bash
# The AWS CLI as the operator of an agent: makes a job and sees the agent refuse it. Runs on a stage with an agent.
# What the service itself answers to the CLI, test_aws_cli.py says.
#
#   aws_cli.sh AWS
set -euo pipefail
aws=$1

fail() { echo "aws_cli.sh: $*" >&2; exit 1; }
is() { [ "$2" = "$3" ] || fail "$1 is '$2', expected '$3'"; }

arn=$("$aws" iot describe-thing --thing-name "$THING_NAME" --query thingArn --output text)
"$aws" iot create-job --job-id cli-1 --targets "$arn" --document '{"operation":"no-such"}' >/dev/null
status=QUEUED
for _ in 1 2 3 4 5 6 7 8 9 10; do
    status=$("$aws" iot describe-job-execution --job-id cli-1 --thing-name "$THING_NAME" --query execution.status --output text)
    [ "$status" = QUEUED ] || [ "$status" = IN_PROGRESS ] || break
done
is "the status" "$status" REJECTED
reason=$("$aws" iot describe-job-execution --job-id cli-1 --thing-name "$THING_NAME" \
    --query execution.statusDetails.detailsMap.reason --output text)
is "the reason" "$reason" unsupported_operation
listed=$("$aws" iot list-job-executions-for-thing --thing-name "$THING_NAME" --query 'executionSummaries[].jobId' --output text)
is "the list" "$listed" cli-1

pending=$("$aws" iot-jobs-data get-pending-job-executions --thing-name "$THING_NAME" --query 'length(queuedJobs)' --output text)
is "the number of queued jobs" "$pending" 0
echo "the AWS CLI made, watched and listed a job that the agent refused"
