#!/bin/sh
# Usage: java-kpl.sh FOLDER | --version
# Fetches what clients/java/kpl/pom.xml names into FOLDER/lib.
exec sh "$(dirname -- "$0")/../java/fetch.sh" kpl "$1"
