#!/usr/bin/env bash
# Takes the harness from planned load to report, in about twenty seconds:
#
#	tools/bench_smoke.sh
#
# Nothing is asserted about time. What must hold is that every kind of run works,
# that no operation fails, and that the documents can be read again.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 go build -o "$work/millrace" ./cmd/millrace
millrace() { "$work/millrace" "$@"; }
short=(--dir "$work" --limits 500ms --set warmupDuration=100ms --set testDuration=500ms)

millrace bench run wal-append/1KiB wal-append-steady wal-tail native-endtoend/1000 "${short[@]}" \
	--histograms "$work/histograms" --out "$work/one.json" --html "$work/one.html" >"$work/one.txt" || {
	cat "$work/one.txt"
	exit 1
}
millrace bench run wal-catchup wal-restart wal-catchup-under-load "${short[@]}" --set backlog=16MiB --out "$work/two.json"
millrace bench capacity wal-append-steady/none "${short[@]}" --start 20000 --precision 1 --pause 0s --p99 20ms | tail -1
millrace bench compare "$work/one.json" "$work/one.json" >/dev/null
millrace bench report "$work/one.json" --markdown "$work/one.md" --png "$work/images"
if grep -h '"errors": [1-9]' "$work"/*.json; then
	echo "operations failed"
	exit 1
fi
for file in "$work"/one.md "$work"/one.html "$work"/images/*.png "$work"/histograms/*.hlog "$work"/histograms/*.hgrm; do
	test -s "$file" || { echo "$file is empty"; exit 1; }
done
