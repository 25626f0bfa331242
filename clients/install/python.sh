#!/bin/sh
# Usage: python.sh FOLDER | --version
# Installs the AWS CLI and boto3 from the Python package index into FOLDER, which is to be on
# PYTHONPATH. The CLI and boto3 share botocore, so their versions belong together.
set -eu
cli=1.46.3
boto3=1.44.8
botocore=1.44.8

if [ "$1" = --version ]; then
	echo "awscli $cli, boto3 $boto3, botocore $botocore"
	exit 0
fi
command -v python3 >/dev/null || {
	echo "the AWS CLI and boto3 need python3" >&2
	exit 1
}
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target "$1" \
	"awscli==$cli" "boto3==$boto3" "botocore==$botocore" || {
	echo "pip could not install awscli $cli and boto3 $boto3" >&2
	exit 1
}
