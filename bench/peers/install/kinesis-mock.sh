#!/bin/sh
# Usage: kinesis-mock.sh FOLDER
# Installs kinesis-mock, which is kinesis-local in the npm registry, into
# FOLDER/node_modules. The lock file beside the benchmark has its hash; no
# install scripts are run.
set -eu

folder=$1
packages=$(CDPATH='' cd -- "$(dirname -- "$0")/../kinesis/packages/kinesis-mock" && pwd)
wanted=0.6.2

command -v node >/dev/null && command -v npm >/dev/null || {
	echo "kinesis-mock $wanted needs Node.js, and node or npm is missing" >&2
	exit 1
}
if [ "$(cat "$folder/version" 2>/dev/null)" = "$wanted" ] && [ -f "$folder/node_modules/kinesis-local/main.js" ]; then
	echo "kinesis-mock: $wanted is already there"
	exit 0
fi
mkdir -p "$folder"
rm -f "$folder/version"
cp "$packages/package.json" "$packages/package-lock.json" "$folder/"
npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || {
	echo "npm could not install kinesis-local $wanted; the registry must be reachable" >&2
	exit 1
}
node --check "$folder/node_modules/kinesis-local/main.js" >&2 || {
	echo "this Node.js, $(node --version), cannot read kinesis-local $wanted" >&2
	exit 1
}
echo "$wanted" >"$folder/version"
