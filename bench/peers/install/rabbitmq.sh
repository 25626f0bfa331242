#!/bin/sh
# Usage: rabbitmq.sh FOLDER
# Unpacks RabbitMQ and the Erlang it runs on from Debian's packages into
# FOLDER/root. apt-get downloads them and checks them against the signed lists;
# nothing is installed, and the service is not started.
set -eu

folder=$1
wanted=3.10.8
erlang=25.2.3
packages="rabbitmq-server erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-ftp erlang-inets
	erlang-mnesia erlang-os-mon erlang-parsetools erlang-public-key erlang-runtime-tools erlang-snmp
	erlang-ssl erlang-syntax-tools erlang-tftp erlang-tools erlang-xmerl"

if [ "$(cat "$folder/version" 2>/dev/null)" = "$wanted" ]; then
	echo "rabbitmq: $wanted is already there"
	exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
	echo "RabbitMQ $wanted is taken from packages of Debian 12, and apt-get or dpkg is missing" >&2
	exit 1
}
if [ -z "$(apt-cache show rabbitmq-server 2>/dev/null)" ]; then
	echo "rabbitmq: apt-get has no lists of packages yet, fetching them"
	apt-get -q update
fi
# upstream PACKAGE prints the version without epoch and Debian's part.
upstream() {
	apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Version: *\([0-9]*:\)\{0,1\}\([0-9.]*\).*/\2/p'
}
has=$(upstream rabbitmq-server)
[ "$has" = "$wanted" ] || {
	echo "the package rabbitmq-server has version ${has:-none}, wanted is $wanted; Debian 12 has it, after apt-get update" >&2
	exit 1
}
has=$(upstream erlang-base)
[ "$has" = "$erlang" ] || {
	echo "the package erlang-base has version ${has:-none}, wanted is $erlang; Debian 12 has it, after apt-get update" >&2
	exit 1
}

rm -rf "$folder/root" "$folder/packages"
mkdir -p "$folder/packages"
cd "$folder/packages"
echo "rabbitmq: downloading" $packages
apt-get -q -o APT::Sandbox::User=root download $packages
for package in *.deb; do
	dpkg -x "$package" "$folder/root"
done
cd "$folder"
rm -rf "$folder/packages"

# The emulator must start here: its libraries may be missing on another system.
ROOTDIR=$folder/root/usr/lib/erlang
BINDIR=$(echo "$ROOTDIR"/erts-*/bin)
EMU=beam PROGNAME=erl HOME=$folder ERL_CRASH_DUMP=/dev/null
export ROOTDIR BINDIR EMU PROGNAME HOME ERL_CRASH_DUMP
"$BINDIR/erlexec" -noinput -boot start_clean -eval 'io:format("rabbitmq: Erlang ~s starts~n", [erlang:system_info(otp_release)]), halt().'
echo "$wanted" >"$folder/version"
