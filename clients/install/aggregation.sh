#!/bin/sh
# Usage: aggregation.sh FOLDER | --version
# Installs AWS's Python library for aggregated records from the Python package index into
# FOLDER, which is to be on PYTHONPATH: the tests of record/kpl have it read what we write.
set -eu
aggregation=1.2.3
protobuf=7.36.2
six=1.17.0

if [ "$1" = --version ]; then
	echo "aws-kinesis-agg $aggregation, protobuf $protobuf, six $six"
	exit 0
fi
command -v python3 >/dev/null || {
	echo "aws-kinesis-agg needs python3" >&2
	exit 1
}
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target "$1" \
	"aws-kinesis-agg==$aggregation" "protobuf==$protobuf" "six==$six" || {
	echo "pip could not install aws-kinesis-agg $aggregation" >&2
	exit 1
}
