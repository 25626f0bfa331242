#!/bin/sh
# Usage: install.sh [NAME...]
# Installs the clients named, or all that have a script in install/, each into a
# folder of its own below .cache/clients in the root of the repository. Nothing
# is installed into the system.
#
# install/NAME.sh is run with that folder as its argument. Its last line on
# standard error is the reason if it fails; the reason is kept in reason.txt in
# the folder, for the tests to tell. One failure does not stop the others, and is
# no failure of this script: the tests of that client are skipped.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$here/../.cache/clients" || exit 1
clients=$(CDPATH='' cd -- "$here/../.cache/clients" && pwd)

if [ $# -eq 0 ]; then
	for script in "$here"/install/*.sh; do
		set -- "$@" "$(basename "$script" .sh)"
	done
fi

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
for name in "$@"; do
	folder=$clients/$name
	mkdir -p "$folder"
	# What a folder was made of is its script and the files that the script reads.
	wanted=$(sh "$here/install/$name.sh" --version)
	if [ "$(cat "$folder/version" 2>/dev/null)" = "$wanted" ]; then
		continue
	fi
	echo "$name: installing $wanted"
	rm -f "$folder/version" "$folder/reason.txt"
	if sh "$here/install/$name.sh" "$folder" 2>"$messages" >&2; then
		echo "$wanted" >"$folder/version"
		continue
	fi
	cat "$messages" >&2
	reason=$(sed '/^[[:space:]]*$/d' "$messages" | tail -n 1)
	echo "${reason:-install/$name.sh failed and did not say why}" >"$folder/reason.txt"
	echo "$name: skipped: $(cat "$folder/reason.txt")"
done
