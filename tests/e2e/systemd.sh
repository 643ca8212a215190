#!/usr/bin/env bash
# The unit file says what systemd understands, runs the program as it is, and keeps the sandbox closed.
#
#   tests/e2e/systemd.sh PROGRAM      the built iot-jobs-agent; needs systemd-analyze
set -euo pipefail

# Ten times the exposure level of `systemd-analyze security` that the unit may have.
exposure_max=30

program=$(realpath "${1:?usage: systemd.sh PROGRAM}")
unit=$(dirname "$0")/../../cross/systemd/iot-jobs-agent.service
directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT

fail() {
    echo "systemd.sh: $*" >&2
    exit 1
}

# verify looks for the program; it is not installed here.
sed "s#^ExecStart=/usr/bin/iot-jobs-agent#ExecStart=$program#" "$unit" >"$directory/iot-jobs-agent.service"
grep -q "^ExecStart=$program run " "$directory/iot-jobs-agent.service" || fail "the unit does not run /usr/bin/iot-jobs-agent"
said=$(systemd-analyze verify "$directory/iot-jobs-agent.service" 2>&1) || fail "not verified: $said"
[ -z "$said" ] || fail "verified with complaints: $said"

systemd-analyze security --no-pager --offline=yes --threshold="$exposure_max" "$directory/iot-jobs-agent.service" >"$directory/security" ||
    fail "$(tail -1 "$directory/security")"

# Unit and program agree on where the configuration lies, and on the codes that a restart cannot mend.
config=$(sed -n 's/^ExecStart=.* --config //p' "$unit")
"$program" --help | grep -qF "[$config]" || fail "$config is not the program's default"
for code in $(sed -n 's/^RestartPreventExitStatus=//p; s/^SuccessExitStatus=//p' "$unit"); do
    "$program" run --help | grep -q "^  $code " || fail "the program has no exit code $code"
done

tail -1 "$directory/security"
