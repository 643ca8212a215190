#!/usr/bin/env bash
# The cases; runs on a stage (its environment names the service and the device).
set -euo pipefail
python=$1 script=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c 8388608 /dev/urandom > "$work/firmware.bin"
head -c 268435456 /dev/zero > "$work/big.bin"

first_job() {
    echo "--- first_job.py $*"
    "$python" "$script" --thing "$THING_NAME" "$@"
}

first_job --image "$work/firmware.bin" --version 1.2.3 --expect SUCCEEDED
running=$(sha256sum "$DEVICE_DIRECTORY"/slot-*.img)
first_job --image "$work/firmware.bin" --version 1.2.4 --sha256 "$(printf '0%.0s' {1..64})" --expect FAILED
[ "$(grep slot-b <<<"$running")" = "$(sha256sum "$DEVICE_DIRECTORY/slot-b.img")" ] ||
    { echo "the running slot changed" >&2; exit 1; }
first_job --document '{"operation":"no-such"}' --expect REJECTED --within 1
curl -sS -f -X POST "$AWS_ENDPOINT_URL/_local/faults" -d '{"allDownloads":{"bytesPerSecond":8388608}}' -o /dev/null
first_job --image "$work/big.bin" --cancel-after 2 --expect CANCELED
curl -sS -f -X POST "$AWS_ENDPOINT_URL/_local/faults" -d '{}' -o /dev/null
head -c 8388608 /dev/urandom > "$work/next.bin"
first_job --image "$work/next.bin" --version 1.2.5 --namespace acme --expect SUCCEEDED
if first_job --document '{"operation":"no-such"}' --namespace others --expect REJECTED --within 3; then
    echo "a job of a namespace that the agent does not own was touched" >&2
    exit 1
fi
