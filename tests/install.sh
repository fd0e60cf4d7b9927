#!/bin/sh
# install.sh: see to it that every package of packages.list is installed.
#
#   tests/install.sh            install what is missing (root), or say how and exit 4
#   tests/install.sh --check    only look: exit 0 if nothing is missing, else 4
set -eu

list=$(dirname "$0")/packages.list

# names_wanted: the names in packages.list, one per line.
names_wanted() {
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$list"
}

# names_missing: the wanted names dpkg does not report as installed, on one line.
names_missing() {
	missing=
	for name in $(names_wanted); do
		state=$(dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | head -n 1)
		[ "$state" = installed ] || missing="$missing $name"
	done
	echo "${missing# }"
}

case ${1-} in
'' | --check) ;;
*)
	echo "usage: $0 [--check]" >&2
	exit 2
	;;
esac
if ! command -v dpkg-query >/dev/null; then
	echo "install.sh: no dpkg here: install what $list names by this system's own means" >&2
	exit 4
fi
missing=$(names_missing)
[ -n "$missing" ] || exit 0

how="apt-get install -y --no-install-recommends $missing"
if [ "${1-}" = --check ] || [ "$(id -u)" -ne 0 ]; then
	echo "install.sh: packages are missing; as root run:" >&2
	echo "  apt-get update && $how" >&2
	exit 4
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
echo "installing: $missing" >&2
# A bare machine has no indexes, and with old ones the download may be gone: fetch them first.
# shellcheck disable=SC2086 # $how is a command line of words
if ! { apt-get update -qq && $how -qq; } >"$log" 2>&1 </dev/null; then
	tail -n 20 "$log" >&2
	echo "install.sh: apt-get failed (its last lines are above): $how" >&2
	exit 4
fi
missing=$(names_missing)
if [ -n "$missing" ]; then
	echo "install.sh: apt-get reported success, yet these are not installed: $missing" >&2
	exit 4
fi
