#!/bin/sh
# Usage: redis.sh FOLDER
# Unpacks Redis from Debian's packages into FOLDER/root. apt-get downloads them
# and checks them against the signed lists; nothing is installed.
set -eu

folder=$1
wanted=7.0.15
packages="redis-server redis-tools liblzf1 libjemalloc2"

if [ "$(cat "$folder/version" 2>/dev/null)" = "$wanted" ]; then
	echo "redis: $wanted is already there"
	exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
	echo "Redis $wanted is taken from packages of Debian 12, and apt-get or dpkg is missing" >&2
	exit 1
}
if [ -z "$(apt-cache show redis-server 2>/dev/null)" ]; then
	echo "redis: apt-get has no lists of packages yet, fetching them"
	apt-get -q update
fi
has=$(apt-cache show --no-all-versions redis-server 2>/dev/null | sed -n 's/^Version: *\([0-9]*:\)\{0,1\}\([^-]*\).*/\2/p')
[ "$has" = "$wanted" ] || {
	echo "the package redis-server has version ${has:-none}, wanted is $wanted; Debian 12 has it, after apt-get update" >&2
	exit 1
}

rm -rf "$folder/root" "$folder/packages"
mkdir -p "$folder/packages"
cd "$folder/packages"
echo "redis: downloading $packages"
apt-get -q -o APT::Sandbox::User=root download $packages
for package in *.deb; do
	dpkg -x "$package" "$folder/root"
done
cd "$folder"
rm -rf "$folder/packages"

# The program must start here: its libraries may be missing on another system.
LD_LIBRARY_PATH=$(echo "$folder/root/usr/lib/"*-linux-gnu*) "$folder/root/usr/bin/redis-server" --version
echo "$wanted" >"$folder/version"
