#!/bin/sh
# Usage: models.sh FOLDER | --version
# Fetches botocore from the Python package index into FOLDER, as a wheel: the models of AWS's
# services, of which tools/awsmodel makes our tables.
set -eu
botocore=1.44.8

if [ "$1" = --version ]; then
	echo "botocore $botocore"
	exit 0
fi
command -v python3 >/dev/null || {
	echo "botocore is fetched by pip, which needs python3" >&2
	exit 1
}
rm -f "$1"/botocore-*.whl
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$1" "botocore==$botocore" || {
	echo "pip could not fetch botocore $botocore" >&2
	exit 1
}
