#!/usr/bin/env bash
# An operator's boto3 script against the service, with the agent running: each of its cases, one stage for all.
#
#   first_job.sh [--mosquitto] PYTHON FIRST_JOB.PY
set -euo pipefail
cd "$(dirname "$0")/../../.."

broker=()
if [ "$1" = --mosquitto ]; then
    broker=(--mosquitto)
    shift
fi
python=$1 script=$2
[ -f "$script" ] || { echo "first_job.sh: there is no $script" >&2; exit 66; }

exec cargo run --quiet --package iot-jobs-kit --bin stage -- "${broker[@]}" --namespace acme -- \
    bash tests/e2e/python/first_job_cases.sh "$python" "$script"
