#!/bin/sh
# Usage: install.sh [NAME...]
# Installs the programs of peers that are not Go libraries: those named, or all
# that have a script in install/. Each goes into a folder of its own below
# .cache/peers in the root of the repository, or below $MILLRACE_PEERS. Nothing
# is installed into the system, and no service is started.
#
# install/NAME.sh is run with that folder as its argument. Its last line on
# standard error is the reason if it fails; the reason is kept in reason.txt in
# the folder, for the harness to tell. One failure does not stop the others: the
# exit status is 1 if a peer that was named could not be installed, and 0
# otherwise.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
MILLRACE_PEERS=${MILLRACE_PEERS:-$here/../../.cache/peers}
mkdir -p "$MILLRACE_PEERS" || exit 1
MILLRACE_PEERS=$(CDPATH='' cd -- "$MILLRACE_PEERS" && pwd)
export MILLRACE_PEERS

failed=1
if [ $# -eq 0 ]; then
	failed=0
	for script in "$here"/install/*.sh; do
		set -- "$@" "$(basename "$script" .sh)"
	done
fi

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
status=0
for name in "$@"; do
	folder=$MILLRACE_PEERS/$name
	if [ ! -f "$here/install/$name.sh" ]; then
		echo "$name: skipped: there is no install/$name.sh"
		status=$failed
		continue
	fi
	mkdir -p "$folder"
	if sh "$here/install/$name.sh" "$folder" 2>"$messages"; then
		rm -f "$folder/reason.txt"
		echo "$name: ready in $folder"
		continue
	fi
	cat "$messages" >&2
	reason=$(sed '/^[[:space:]]*$/d' "$messages" | tail -n 1)
	echo "${reason:-install/$name.sh failed and did not say why}" >"$folder/reason.txt"
	echo "$name: skipped: $(cat "$folder/reason.txt")"
	status=$failed
done
exit $status
