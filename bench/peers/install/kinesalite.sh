#!/bin/sh
# Usage: kinesalite.sh FOLDER
# Installs kinesalite and LevelDB for it into FOLDER/node_modules, from the npm
# registry. The lock file beside the benchmark names every package with its
# hash; no install scripts are run.
set -eu

folder=$1
packages=$(CDPATH='' cd -- "$(dirname -- "$0")/../kinesis/packages/kinesalite" && pwd)
wanted=3.3.3

command -v node >/dev/null && command -v npm >/dev/null || {
	echo "kinesalite $wanted needs Node.js, and node or npm is missing" >&2
	exit 1
}
# LevelDB is machine code: loading it shows that there is some for this system.
loads() {
	(cd "$folder" && node -e 'require("kinesalite"); require("leveldown")')
}
if [ "$(cat "$folder/version" 2>/dev/null)" = "$wanted" ] && loads 2>/dev/null; then
	echo "kinesalite: $wanted is already there"
	exit 0
fi
mkdir -p "$folder"
rm -f "$folder/version"
cp "$packages/package.json" "$packages/package-lock.json" "$folder/"
npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || {
	echo "npm could not install kinesalite $wanted; the registry must be reachable" >&2
	exit 1
}
loads >&2 || {
	echo "LevelDB for Node.js (leveldown) does not load on this system" >&2
	exit 1
}
echo "$wanted" >"$folder/version"
