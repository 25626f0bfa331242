#!/bin/sh
# Usage: java-sdk.sh FOLDER | --version
# Fetches what clients/java/sdk/pom.xml names into FOLDER/lib.
exec sh "$(dirname -- "$0")/../java/fetch.sh" sdk "$1"
