#!/bin/bash
# swprot_kernel.sh: a lab kernel whose KVM has guests with truly private memory, built once.
#
#   tests/lab/swprot_kernel.sh            build it if the cache does not have it
#   tests/lab/swprot_kernel.sh --cached   only what is there already
#
# prints a folder of the cache as kernel.sh does: `vmlinux`, `config`, `version`, `modules/` (with
# no modules in it). Debian's kernel source (linux-source-6.12 of bookworm-security) is configured
# by swprot.config: KVM_SW_PROTECTED_VM, which no kernel package has. About six minutes on two
# cores, 2.5 GB of disk while it lasts. What the build needs beside gcc, make, bc and perl comes
# from the same mirrors, unpacked and not installed.
# Exit status: 0; 2 wrong use; 4 it cannot be had here (the message says why).
set -euo pipefail
. "$(dirname "$0")/fetch.sh"
here=$(cd "$(dirname "$0")" && pwd -P)
source_package=linux-source-6.12
name=kernel/swprot

# The programs and headers the kernel's build wants and a user of casemate need not have.
wanted() {
	[ -z "$(apt apt-cache show --no-all-versions "$source_package" 2>/dev/null)" ] ||
		echo "$source_package" flex bison m4 libelf-dev libelf1 zlib1g-dev
}

# build WORD...: the kernel's make, with the unpacked tools.
build() {
	local root=$work/root/usr
	PATH=$root/bin:$PATH LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu M4=$root/bin/m4 \
		BISON_PKGDATADIR=$root/share/bison nice -n 19 make -s -C "$work/$source_package" \
		-j"$(nproc)" ARCH=x86_64 KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=casemate \
		KBUILD_BUILD_HOST=lab KCONFIG_ALLCONFIG="$here/swprot.config" \
		HOSTCFLAGS="-O2 -I$root/include" HOSTLDFLAGS="-L$root/lib/x86_64-linux-gnu" "$@" \
		>"$work/log" 2>&1 9>&- ||
		die 4 "the kernel cannot be built: $(grep -m 1 -i 'error\|not found' "$work/log" || tail -n 1 "$work/log")"
}

# check_config: a fragment's line that the configuration did not take is a mistake of ours.
check_config() {
	local line
	while read -r line; do
		grep -qxF "$line" "$work/$source_package/.config" ||
			die 4 "swprot.config: the source does not take $line"
	done < <(grep '^CONFIG_' "$here/swprot.config")
}

make_kernel() {
	local version folder
	download wanted bookworm bookworm-updates bookworm-security
	unpack
	tar -C "$work" -xf "$work/root/usr/src/$source_package.tar.xz" ||
		die 4 "$source_package cannot be unpacked"
	build allnoconfig
	check_config
	echo "$me: building the kernel; this takes some minutes" >&2
	build vmlinux
	version=$(cat "$work/$source_package/include/config/kernel.release")
	folder=$work/out/lib/modules/$version
	mkdir -p "$folder"
	mv "$work/$source_package/vmlinux" "$work/out/vmlinux"
	strip --strip-debug "$work/out/vmlinux"
	mv "$work/$source_package/.config" "$work/out/config"
	mv "$work/$source_package"/modules.builtin* "$folder/"
	: >"$folder/modules.order"
	ln -s "lib/modules/$version" "$work/out/modules"
	"$depmod" -b "$work/out" "$version" || die 4 "depmod failed"
	echo "$version" >"$work/out/version"
}

case ${1-} in
'') ;;
--cached)
	[ -e "$cache/$name/version" ] ||
		die 4 "no kernel with private memory in the cache: run tests/lab/swprot_kernel.sh once"
	;;
*) die 2 'usage: swprot_kernel.sh [--cached]' ;;
esac
depmod=$(PATH=$PATH:/usr/sbin:/sbin command -v depmod) || die 4 'no depmod: run tests/install.sh (kmod)'
for tool in gcc make bc perl strip; do
	[ -e "$cache/$name/version" ] || command -v "$tool" >/dev/null || die 4 "no $tool here to build a kernel with"
done
provide "$name" make_kernel
