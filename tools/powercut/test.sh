#!/bin/sh
# Runs the tests of this module and shows what they did, and what was skipped
# and why. MILLRACE_POWER_CUTS and MILLRACE_SOAK make them longer.
set -eu
cd "$(dirname "$0")"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
status=0
go test -count=1 -timeout 0 -v ./... >"$out" 2>&1 || status=$?
if [ $status -ne 0 ]; then
	cat "$out"
	exit $status
fi
grep -E '^--- |^ok|SKIPPED|power cuts|acknowledged|found by cut|slope' "$out" | cut -c 1-240
