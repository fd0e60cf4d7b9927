#!/bin/bash
# initramfs.sh: build a guest's or the lab's initramfs: busybox, modules, programs.
#
#   tests/lab/initramfs.sh OUT KERNELDIR [OPTION]...
#
#   KERNELDIR          a folder as kernel.sh prints it
#   --module NAME      this module and what it needs, listed in /etc/modules.load in load order
#   --file SRC:DEST    a file or folder, at DEST
#   --exe BINARY:DEST  a program at DEST, and its shared libraries where its loader looks
#   --init FILE        /init (default, unless --exe or --file made one: load modules, say so, run /etc/start if there, power off)
#   --compress HOW     none (default: unpacking is slow where the lab emulates) or zstd
#
# In scripts of busybox its own applets come before programs of the same name: use full paths.
# The same inputs give the same bytes: names sorted, times zero, owner root.
# Exit status: 0; 2 wrong use; 3 an input is missing; 4 a tool is missing; 5 we failed.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
umask 022

die() { # STATUS MESSAGE
	echo "initramfs.sh: $2" >&2
	exit "$1"
}

[ $# -ge 2 ] || die 2 'usage: initramfs.sh OUT KERNELDIR [OPTION]...'
out=$1 kernel=$2
shift 2
modules=() files=() exes=() init='' compress=none
while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || die 2 "$1 needs a value, or is no option"
	case $1 in
	--module) modules+=("$2") ;;
	--file) files+=("$2") ;;
	--exe) exes+=("$2") ;;
	--init) init=$2 ;;
	--compress) compress=$2 ;;
	*) die 2 "unknown option $1" ;;
	esac
	shift 2
done
case $compress in
none) pack=(cat) ;;
zstd) pack=(zstd -q -19 -T1) ;;
*) die 2 "--compress knows none and zstd, not $compress" ;;
esac
for tool in cpio modprobe "${pack[0]}"; do
	command -v "$tool" >/dev/null || die 4 "no $tool here: run tests/install.sh"
done
busybox=$(command -v busybox) || die 4 'no busybox here: run tests/install.sh (busybox-static)'
[ -r "$kernel/version" ] || die 3 "$kernel: not a folder of kernel.sh (no version in it)"
version=$(cat "$kernel/version")

stage=$(mktemp -d)
trap 'rm -rf "$stage" "$out.part.$$"' EXIT
root=$stage/root

# make_skeleton: busybox, its applets, one folder for all programs and one for all libraries.
make_skeleton() {
	mkdir -p "$root"/{bin,dev,etc,lib,mnt,proc,root,run,sys,tmp,usr,var}
	ln -s bin "$root/sbin"
	ln -s ../bin "$root/usr/bin"
	ln -s ../bin "$root/usr/sbin"
	ln -s ../lib "$root/usr/lib"
	ln -s lib "$root/lib64"
	cp "$busybox" "$root/bin/busybox"
	"$root/bin/busybox" --install "$root/bin" 2>/dev/null
	: >"$root/etc/modules.load"
}

# add_module NAME: with its dependencies, decompressed; each listed once, in load order.
add_module() {
	local steps path dest
	steps=$(modprobe -C /dev/null -d "$kernel" -S "$version" --show-depends "$1" 2>/dev/null) ||
		die 3 "$version has no module $1"
	while read -r path; do
		dest=/lib/modules/$version/$(basename "${path%.xz}")
		[ -e "$root$dest" ] && continue
		mkdir -p "$(dirname "$root$dest")"
		case $path in
		*.xz) xz -dc "$path" >"$root$dest" ;;
		*) cp "$path" "$root$dest" ;;
		esac
		echo "$dest" >>"$root/etc/modules.load"
	done < <(sed -n 's/^insmod \([^ ]*\).*/\1/p' <<<"$steps")
}

# add_file SRC DEST
add_file() {
	[ -e "$1" ] || die 3 "$1: no such file"
	mkdir -p "$(dirname "$root$2")"
	cp -RL -T --remove-destination "$1" "$root$2"
}

# add_exe BINARY DEST: a static program has no libraries, which ldd reports as a failure.
add_exe() {
	local libraries library
	add_file "$1" "$2"
	chmod 755 "$root$2"
	libraries=$(ldd "$1" 2>/dev/null) || return 0
	if grep 'not found' <<<"$libraries" >&2; then
		die 3 "$1: a shared library is missing (named above)"
	fi
	while read -r library; do
		[ -e "$root$library" ] || add_file "$library" "$library"
	done < <(grep -o '/[^ ]*' <<<"$libraries")
}

# print_init: the /init of an image that was given none.
print_init() {
	cat <<-'END'
		#!/bin/sh
		mount -t proc proc /proc
		mount -t sysfs sys /sys
		[ -c /dev/null ] || mount -t devtmpfs dev /dev
		while read -r module; do insmod "$module"; done </etc/modules.load
		echo "init reached: $(uname -r)"
		[ ! -x /etc/start ] || /etc/start
		poweroff -f
	END
}

split() { # OPTION SRC:DEST -> $src $dest
	src=${2%:*} dest=${2##*:}
	[[ $2 == ?*:/?* ]] || die 2 "$1 wants SRC:/DEST, not $2"
}

make_skeleton
for item in "${modules[@]}"; do add_module "$item"; done
for item in "${files[@]}"; do split --file "$item" && add_file "$src" "$dest"; done
for item in "${exes[@]}"; do split --exe "$item" && add_exe "$src" "$dest"; done
if [ -n "$init" ]; then add_file "$init" /init; elif [ ! -e "$root/init" ]; then print_init >"$root/init"; fi
chmod 755 "$root/init"
chmod -R go-w,a+rX "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 -printf '%P\0' | sort -z |
	cpio --quiet --null --reproducible -o -H newc -R +0:+0) | "${pack[@]}" >"$out.part.$$" ||
	die 5 "$out: cannot be written"
mv "$out.part.$$" "$out"
