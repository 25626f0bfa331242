#!/bin/sh
# Usage: javascript.sh FOLDER | --version
# Installs the AWS SDK for JavaScript from the npm registry into FOLDER/node_modules. The lock
# file names every package with its hash; no install scripts are run.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/../javascript" && pwd)

if [ "$1" = --version ]; then
	sed -n 's/.*"\(@aws-sdk.*\)": "\(.*\)".*/\1 \2/p' "$here/package.json"
	exit 0
fi
command -v npm >/dev/null || {
	echo "the AWS SDK for JavaScript needs Node.js 20 or newer, and npm" >&2
	exit 1
}
cp "$here/package.json" "$here/package-lock.json" "$1/"
npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error || {
	echo "npm could not install what $here/package-lock.json names" >&2
	exit 1
}
