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
. "$(dirname "$0")/fetch.sh"

case ${1-} in
lab) suites=(bookworm bookworm-updates bookworm-security) meta=linux-image-amd64 ;;
guest-6.1) suites=(bookworm bookworm-updates bookworm-security) meta=linux-image-cloud-amd64 ;;
guest-6.12) suites=(bookworm-backports) meta=linux-image-cloud-amd64 ;;
*) die 2 'usage: kernel.sh lab|guest-6.1|guest-6.12' ;;
esac
name=$1
depmod=$(PATH=$PATH:/usr/sbin:/sbin command -v depmod) || die 4 'no depmod: run tests/install.sh (kmod)'

# package: what $meta stands for, as in linux-image-6.1.0-50-cloud-amd64.
package() {
	depends_of "$meta" | grep -m 1 '^linux-image-[0-9]' || true
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

make_kernel() {
	local version
	download package "${suites[@]}"
	unpack
	version=$(basename "$work"/root/boot/vmlinuz-*)
	version=${version#vmlinuz-}
	mkdir -p "$work/out/lib/modules"
	mv "$work/root/boot/vmlinuz-$version" "$work/out/vmlinuz"
	mv "$work/root/boot/config-$version" "$work/out/config"
	mv "$work/root/lib/modules/$version" "$work/out/lib/modules/"
	ln -s "lib/modules/$version" "$work/out/modules"
	[ "$name" != lab ] || print_elf "$work/out/vmlinuz" >"$work/out/vmlinux" ||
		die 4 "$name: vmlinuz holds no xz-compressed kernel"
	"$depmod" -b "$work/out" "$version" || die 4 "$name: depmod failed"
	echo "$version" >"$work/out/version"
}

provide "kernel/$name" make_kernel
