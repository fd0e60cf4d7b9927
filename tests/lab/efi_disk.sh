#!/bin/bash
# efi_disk.sh: a disk image with a GPT and one EFI system partition (FAT32) with files in it.
#
#   tests/lab/efi_disk.sh IMAGE MIB SRC:DEST...
#
# DEST is a path in the partition, its folders are made. SRC `systemd-boot` is Debian 12's boot
# program of that name. What this needs comes from Debian packages in the cache (fetch.sh), nothing
# is installed, nobody needs to be root.
# Exit status: 0; 2 wrong use; 4 a package cannot be had here; 5 the image cannot be made.
set -euo pipefail
. "$(dirname "$0")/fetch.sh"

[ $# -ge 2 ] || die 2 'usage: efi_disk.sh IMAGE MIB SRC:DEST...'
image=$1 mib=$2
shift 2

packages() {
	apt apt-cache show --no-all-versions fdisk libfdisk1 libreadline8 mtools systemd-boot-efi \
		2>/dev/null | sed -n 's/^Package: //p' || true
}

make_tools() {
	download packages bookworm bookworm-updates bookworm-security
	unpack
	mkdir "$work/out"
	find "$work/root" -name '*.so.*' -exec cp -P -t "$work/out" {} +
	cp "$work/root/sbin/sfdisk" "$work/root/usr/bin/mtools" "$work/out/"
	cp "$work/root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/out/systemd-boot"
	dpkg-deb -f "$work"/systemd-boot-efi_*.deb Version >"$work/out/version"
}

tools=$(provide efi-tools make_tools)
mtools() { # COMMAND ARGUMENT...: on the partition, which begins at 1 MiB
	"$tools/mtools" -c "$1" -i "$image@@1M" "${@:2}" || die 5 "$image: $1 failed"
}

rm -f "$image"
truncate -s "${mib}M" "$image"
# Fixed ids: the same inputs give the same partition table.
LD_LIBRARY_PATH=$tools "$tools/sfdisk" -q "$image" <<-END || die 5 "$image: no partition table"
	label: gpt
	label-id: 7C1D4A52-5D0B-4B4C-9C2E-0D6D0F1A2B3C
	start=2048, size=$((mib - 2))MiB, type=uefi, uuid=0B9A6C1E-1F0E-4E0B-8F3A-6A1C2D3E4F50
END
mtools mformat -F -T $(((mib - 2) * 2048)) -h 16 -s 63 -N 0 ::
for pair; do
	src=${pair%%:*} dest=${pair#*:}
	[ "$src" != systemd-boot ] || src=$tools/systemd-boot
	folder=
	IFS=/ read -ra parts <<<"$(dirname "${dest#/}")"
	for part in "${parts[@]}"; do
		[ "$part" != . ] || continue
		folder=$folder/$part
		"$tools/mtools" -c mdir -b -i "$image@@1M" "::$folder" >/dev/null 2>&1 ||
			mtools mmd "::$folder"
	done
	mtools mcopy -o "$src" "::$dest"
done
