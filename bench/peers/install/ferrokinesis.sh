#!/bin/sh
# Usage: ferrokinesis.sh FOLDER
# Builds ferrokinesis from crates.io into FOLDER/bin, with the versions of its
# own lock file. That takes minutes; it runs at low priority, one job at a time,
# unless CARGO_BUILD_JOBS says otherwise.
set -eu

folder=$1
wanted=0.7.0

if [ "$(cat "$folder/version" 2>/dev/null)" = "$wanted" ] && "$folder/bin/ferrokinesis" --help >/dev/null 2>&1; then
	echo "ferrokinesis: $wanted is already there"
	exit 0
fi
command -v cargo >/dev/null || {
	echo "ferrokinesis $wanted is built from source, and cargo is missing" >&2
	exit 1
}
mkdir -p "$folder"
rm -f "$folder/version"
build=$(mktemp -d "$folder/build.XXXXXX")
trap 'rm -rf "$build"' EXIT
export CARGO_TARGET_DIR="$build" CARGO_BUILD_JOBS="${CARGO_BUILD_JOBS:-1}"
# What cargo has installed already, it does not build again.
nice -n 19 cargo install --quiet --locked --root "$folder" ferrokinesis --version "=$wanted" >&2 || {
	echo "cargo could not build ferrokinesis $wanted; it needs Rust 1.87 or newer and crates.io" >&2
	exit 1
}
"$folder/bin/ferrokinesis" --help >/dev/null || {
	echo "ferrokinesis $wanted was built but does not start" >&2
	exit 1
}
echo "$wanted" >"$folder/version"
