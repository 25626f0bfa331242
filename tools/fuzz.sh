#!/bin/bash
# Usage: fuzz.sh each SECONDS | fuzz.sh smoke
# Fuzzes every target there is, for SECONDS each; or, as a smoke test, those of
# the log, its format and the native messages for 30 s and the others for 5 s. A
# failing input is left in testdata/fuzz beside its target, to be committed with
# the fix.
set -eu -o pipefail

mode=$1
formats=" FuzzFrame FuzzBatchVerify FuzzSegmentOpen FuzzRecover FuzzModel FuzzMessage "

targets=()
while read -r package name; do
	targets+=("$package $name")
done < <(
	go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}} {{.ImportPath}}{{end}}' ./... |
		while read -r dir package; do
			grep -lq '^func Fuzz' "$dir"/*_test.go || continue
			go test -list '^Fuzz' "$package" | sed -n "s#^Fuzz#$package Fuzz#p"
		done
)
if [ ${#targets[@]} -eq 0 ]; then
	echo "no fuzz target found" >&2
	exit 1
fi

for target in "${targets[@]}"; do
	read -r package name <<<"$target"
	if [ "$mode" = each ]; then
		seconds=$2
	elif [[ "$formats" == *" $name "* ]]; then
		seconds=30
	else
		seconds=5
	fi
	echo "fuzz $package $name for $seconds s"
	out=$(go test -run '^$' -fuzz "^$name\$" -fuzztime "${seconds}s" -fuzzminimizetime 10x "$package" 2>&1) || {
		# The fuzzer may miss its own deadline on a busy machine; a finding says
		# where it wrote the input.
		if grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input written' <<<"$out"; then
			echo "the fuzzer ended late, without a finding"
			continue
		fi
		echo "$out" >&2
		exit 1
	}
	tail -n 3 <<<"$out" | head -n 1
done
