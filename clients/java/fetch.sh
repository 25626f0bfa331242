#!/bin/sh
# Usage: fetch.sh NAME FOLDER | NAME --version
# Has Maven copy what NAME/pom.xml needs at run time into FOLDER/lib. Nothing else is used of Maven,
# so that tests need no network.
set -eu
pom=$(CDPATH='' cd -- "$(dirname -- "$0")/$1" && pwd)/pom.xml
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

if [ "$2" = --version ]; then
	sed -n 's/.*<artifactId>\(.*\)<.*/\1/p; s/.*<version>\(.*\)<.*/\1/p' "$pom" | sed 1,2d | paste -sd ' ' -
	exit 0
fi
for program in mvn javac keytool; do
	command -v $program >/dev/null || {
		echo "clients in Java need a JDK, 17 or newer, and Maven; there is no $program" >&2
		exit 1
	}
done
rm -rf "$2/lib"
mvn --batch-mode --quiet --no-transfer-progress --file "$pom" "-Dmaven.repo.local=$(dirname -- "$2")/m2" \
	$plugin:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$2/lib" || {
	echo "Maven could not fetch what ${pom##*/java/} names" >&2
	exit 1
}
