#!/bin/bash
# kernel.sh: a stock Debian kernel, fetched once, never installed on this machine.
#
#   tests/lab/kernel.sh lab|guest-6.1|guest-6.12
#
# prints a folder of the cache with `vmlinuz`, `config`, `version` (one line) and `modules/`
# (the contents of /lib/modules/VERSION, depmod done; `modprobe -d FOLDER` works as well), and for
# the lab `vmlinux`: the ELF kernel inside vmlinuz, which saves an emulated machine unpacking it.
# Without network once it is there; to fetch a newer one, remove the folder.
# Exit status: 0; 2 wrong use; 4 the kernel cannot be had here (the message says why).
set -euo pipefail
export LC_ALL=C

die() { # STATUS MESSAGE
	echo "kernel.sh: $2" >&2
	exit "$1"
}

case ${1-} in
lab) suites='bookworm bookworm-updates bookworm-security' meta=linux-image-amd64 ;;
guest-6.1) suites='bookworm bookworm-updates bookworm-security' meta=linux-image-cloud-amd64 ;;
guest-6.12) suites='bookworm-backports' meta=linux-image-cloud-amd64 ;;
*) die 2 'usage: kernel.sh lab|guest-6.1|guest-6.12' ;;
esac
name=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/casemate
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# print_sources: sources.list lines for $suites, on the mirrors this machine itself uses.
print_sources() {
	local known suite uri signed=
	# shellcheck disable=SC2016 # apt's own variables
	known=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' \
		'Identifier: Packages' 'Component: main' | sort -u)
	[ -e "$keyring" ] && signed=" signed-by=$keyring"
	for suite in $suites; do
		uri=$(awk -v s="$suite" '$1 == s { print $2; exit }' <<<"$known")
		# Updates and backports live on the mirror of the release itself.
		[ -n "$uri" ] || [ "$suite" = bookworm-security ] ||
			uri=$(awk '$1 == "bookworm" { print $2; exit }' <<<"$known")
		[ -z "$uri" ] || echo "deb [arch=amd64$signed] $uri $suite main"
	done
}

# apt WORDS...: apt-get or apt-cache with a state of its own; signatures are checked as ever.
apt() {
	local tool=$1
	shift
	"$tool" -qq -o Dir::Etc::SourceList="$aptdir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$aptdir/state" -o Dir::State::status="$aptdir/status" \
		-o Dir::Cache="$aptdir/cache" -o APT::Sandbox::User="$(id -un)" \
		-o APT::Update::Post-Invoke-Success::=true -o Acquire::Languages=none "$@"
}

# version_package: the package $meta stands for, as in linux-image-6.1.0-50-cloud-amd64.
version_package() {
	apt apt-cache show --no-all-versions "$meta" 2>/dev/null |
		sed -n 's/^Depends: \(linux-image-[0-9][^ ,]*\).*/\1/p' | head -n 1 || true
}

# download: the package into $work, with indexes no older than needed.
download() {
	local package
	package=$(version_package)
	if [ -n "$package" ] && (cd "$work" && apt apt-get download "$package") 2>/dev/null; then
		return
	fi
	echo "kernel.sh: reading the package indexes of ${suites%% *}" >&2
	apt apt-get -o APT::Update::Error-Mode=any update >"$work/log" 2>&1 ||
		die 4 "the package indexes of ${suites%% *} cannot be had: $(grep -m 1 '^E:' "$work/log" || tail -n 1 "$work/log")"
	package=$(version_package)
	[ -n "$package" ] || die 4 "$meta is not in ${suites%% *} of this machine's mirror"
	echo "kernel.sh: fetching $package" >&2
	(cd "$work" && apt apt-get download "$package") >"$work/log" 2>&1 ||
		die 4 "$package cannot be downloaded: $(grep -m 1 '^E:' "$work/log" || tail -n 1 "$work/log")"
}

# number_at FILE OFFSET SIZE: a little-endian number.
number_at() {
	od -A n -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# print_elf BZIMAGE: the payload its setup header tells of (Linux, x86 boot protocol 2.08).
print_elf() {
	local setup_sectors payload length
	setup_sectors=$(number_at "$1" $((0x1f1)) 1)
	payload=$(number_at "$1" $((0x248)) 4)
	length=$(number_at "$1" $((0x24c)) 4)
	# The last four bytes of the payload are its unpacked length.
	dd if="$1" iflag=skip_bytes,count_bytes skip=$(((setup_sectors + 1) * 512 + payload)) \
		count=$((length - 4)) bs=1M status=none | xz -dc
}

# unpack: the package in $work into $work/out, in the shape promised above.
unpack() {
	local version
	dpkg-deb -x "$work"/*.deb "$work/root" || die 4 "$name: the package cannot be unpacked"
	version=$(basename "$work"/root/boot/vmlinuz-*)
	version=${version#vmlinuz-}
	mkdir -p "$work/out/lib/modules"
	mv "$work/root/boot/vmlinuz-$version" "$work/out/vmlinuz"
	mv "$work/root/boot/config-$version" "$work/out/config"
	mv "$work/root/lib/modules/$version" "$work/out/lib/modules/"
	ln -s "lib/modules/$version" "$work/out/modules"
	echo "$version" >"$work/out/version"
	[ "$name" != lab ] || print_elf "$work/out/vmlinuz" >"$work/out/vmlinux" ||
		die 4 "$name: vmlinuz holds no xz-compressed kernel"
	"$depmod" -b "$work/out" "$version" || die 4 "$name: depmod failed"
}

[ -e "$cache/kernel/$name/version" ] && { echo "$cache/kernel/$name"; exit 0; }

for tool in apt-get dpkg-deb flock; do
	command -v "$tool" >/dev/null || die 4 "$name: no $tool here to fetch a Debian kernel with"
done
depmod=$(PATH=$PATH:/usr/sbin:/sbin command -v depmod) || die 4 'no depmod: install kmod'

mkdir -p "$cache/kernel"
exec 9>"$cache/kernel/lock"
flock 9
[ -e "$cache/kernel/$name/version" ] && { echo "$cache/kernel/$name"; exit 0; }
rm -rf "$cache"/kernel/tmp.* # of a fetch that was killed
aptdir=$cache/apt/${suites%% *}
mkdir -p "$aptdir/state/lists/partial" "$aptdir/cache/archives/partial"
: >"$aptdir/status"
print_sources >"$aptdir/sources.list"
[ -s "$aptdir/sources.list" ] ||
	die 4 "this machine's apt sources name no Debian 12 (bookworm) mirror"
work=$(mktemp -d "$cache/kernel/tmp.XXXXXX")
trap 'rm -rf "$work"' EXIT
download
unpack
rm -rf "$cache/kernel/${name:?}"
mv "$work/out" "$cache/kernel/$name"
echo "$cache/kernel/$name"
