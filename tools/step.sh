#!/bin/sh
# Usage: step.sh NAME COMMAND...
# Runs a command and says how long it took, or that it failed.
name=$1
shift
begin=$(date +%s)
"$@"
status=$?
took=$(($(date +%s) - begin))
if [ $status -ne 0 ]; then
	echo "FAILED  $name (after ${took} s)" >&2
	exit $status
fi
echo "passed  $name (${took} s)"
