#!/bin/sh
# Usage: test.sh [-C FOLDER] ARGUMENTS OF GO TEST
# Runs go test and says which tests were skipped, and why. If it fails it prints
# all but what passed.
out=$(mktemp)
trap 'rm -f "$out"' EXIT
folder=.
if [ "$1" = -C ]; then
	folder=$2
	shift 2
fi
if ! go -C "$folder" test -v "$@" >"$out" 2>&1; then
	grep -vE '^ *(=== |--- PASS)|^PASS$|no test files' "$out"
	exit 1
fi
# "=== RUN NAME" says whose the lines below it are; the last of them before the
# verdict is the reason.
awk '
/^=== / { name = $3; next }
/^ +[a-zA-Z0-9_]+\.go:[0-9]+: / { sub(/^ +/, ""); reason[name] = $0 }
/^ *--- SKIP: / { print "SKIPPED " $3 ": " reason[$3] }
' "$out"
grep '^ok' "$out" || true # a module may have no tests
