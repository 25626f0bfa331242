#!/bin/sh
# Usage: empty.sh COMMAND...
# Fails when the command fails or prints anything.
out=$("$@") || exit
if [ -n "$out" ]; then
	echo "$out"
	exit 1
fi
