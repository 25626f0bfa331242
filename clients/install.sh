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

# install installs one client.
install() {
	folder=$clients/$1
	mkdir -p "$folder"
	wanted=$(sh "$here/install/$1.sh" --version)
	if [ "$(cat "$folder/version" 2>/dev/null)" = "$wanted" ]; then
		return
	fi
	echo "$1: installing $wanted"
	rm -f "$folder/version" "$folder/reason.txt"
	if sh "$here/install/$1.sh" "$folder" >"$folder/messages.txt" 2>&1; then
		echo "$wanted" >"$folder/version"
		return
	fi
	cat "$folder/messages.txt" >&2
	reason=$(sed '/^[[:space:]]*$/d' "$folder/messages.txt" | tail -n 1)
	echo "${reason:-install/$1.sh failed and did not say why}" >"$folder/reason.txt"
	echo "$1: skipped: $(cat "$folder/reason.txt")"
}

# They are installed at once, but for those in Java: they share a folder of Maven's, one after another.
java=
for name in "$@"; do
	case $name in
	java-*) java="$java $name" ;;
	*) install "$name" & ;;
	esac
done
for name in $java; do
	install "$name"
done
wait
