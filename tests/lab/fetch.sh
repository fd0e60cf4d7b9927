# shellcheck shell=bash
# fetch.sh: Debian packages in the cache, unpacked, never installed; sourced by kernel.sh, qemu.sh.
#
# They come from the mirrors this machine itself uses, signatures checked, with an apt state of
# our own, so that any user can do it. What is there already needs no network.
export LC_ALL=C
cache=${XDG_CACHE_HOME:-$HOME/.cache}/casemate
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
me=${0##*/}

die() { # STATUS MESSAGE
	echo "$me: $2" >&2
	exit "$1"
}

# print_sources SUITE...: sources.list lines for those suites.
print_sources() {
	local known suite uri signed=
	# shellcheck disable=SC2016 # apt's own variables
	known=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' \
		'Identifier: Packages' 'Component: main' | sort -u)
	[ -e "$keyring" ] && signed=" signed-by=$keyring"
	for suite; do
		uri=$(awk -v s="$suite" '$1 == s { print $2; exit }' <<<"$known")
		# Updates, backports and sid live on the mirror of the release itself.
		[ -n "$uri" ] || [ "$suite" = bookworm-security ] ||
			uri=$(awk '$1 == "bookworm" { print $2; exit }' <<<"$known")
		[ -z "$uri" ] || echo "deb [arch=amd64$signed] $uri $suite main"
	done
}

# apt TOOL WORD...: apt-get or apt-cache with the state in $aptdir.
apt() {
	local tool=$1
	shift
	"$tool" -qq -o Dir::Etc::SourceList="$aptdir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$aptdir/state" -o Dir::State::status="$aptdir/status" \
		-o Dir::Cache="$aptdir/cache" -o APT::Sandbox::User="$(id -un)" \
		-o APT::Update::Error-Mode=any -o Acquire::Languages=none "$@"
}

# depends_of PACKAGE: what it depends on, by name; nothing if the indexes do not have it.
depends_of() {
	apt apt-cache show --no-all-versions "$1" 2>/dev/null |
		sed -n 's/^Depends: //p' | tr ',' '\n' | sed 's/^ *//; s/ .*//' || true
}

# complaint FILE: apt's first error in it.
complaint() {
	grep -m 1 '^E:' "$1" || tail -n 1 "$1"
}

# download NAMES SUITE...: the packages that function NAMES prints, into $work; the indexes are
# read anew only if it prints nothing or they are too old.
download() {
	local names
	aptdir=$cache/apt/$2
	mkdir -p "$aptdir/state/lists/partial" "$aptdir/cache/archives/partial"
	: >"$aptdir/status"
	print_sources "${@:2}" >"$aptdir/sources.list"
	[ -s "$aptdir/sources.list" ] ||
		die 4 "this machine's apt sources name no Debian 12 (bookworm) mirror"
	names=$("$1")
	# shellcheck disable=SC2086 # words
	[ -n "$names" ] && (cd "$work" && apt apt-get download $names) >/dev/null 2>&1 && return
	echo "$me: reading the package indexes of $2" >&2
	apt apt-get update >"$work/log" 2>&1 ||
		die 4 "the package indexes of $2 cannot be had: $(complaint "$work/log")"
	names=$("$1")
	[ -n "$names" ] || die 4 "what is wanted is not in $2 of this machine's mirror"
	echo "$me: fetching $names" >&2
	# shellcheck disable=SC2086
	(cd "$work" && apt apt-get download $names) >"$work/log" 2>&1 ||
		die 4 "$names cannot be downloaded: $(complaint "$work/log")"
}

# unpack: all that was downloaded, into $work/root.
unpack() {
	local deb
	for deb in "$work"/*.deb; do
		dpkg-deb -x "$deb" "$work/root" || die 4 "$(basename "$deb") cannot be unpacked"
	done
}

# provide NAME MAKE: prints the cache's folder NAME; if it is not there, the function MAKE fills
# $work/out, which becomes it in one step. One process at a time.
provide() {
	local tool
	if [ ! -e "$cache/$1/version" ]; then
		for tool in apt-get dpkg-deb flock xz; do
			command -v "$tool" >/dev/null || die 4 "no $tool here to fetch $1 with"
		done
		mkdir -p "$cache/$(dirname "$1")"
		exec 9>"$cache/lock"
		flock 9
	fi
	if [ ! -e "$cache/$1/version" ]; then
		rm -rf "$cache"/tmp.* # of one that was killed
		work=$(mktemp -d "$cache/tmp.XXXXXX")
		trap 'rm -rf "$work"' EXIT
		"$2"
		rm -rf "${cache:?}/$1"
		mv "$work/out" "$cache/$1"
	fi
	echo "$cache/$1"
}
