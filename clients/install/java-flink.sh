#!/bin/sh
# Usage: java-flink.sh FOLDER | --version
# Fetches what clients/java/flink/pom.xml names into FOLDER/lib.
exec sh "$(dirname -- "$0")/../java/fetch.sh" flink "$1"
