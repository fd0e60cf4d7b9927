#!/bin/bash
# ovmf.sh BUILD: make the images for guests that Debian's OVMF starts, and run ovmf_suite.sh where
# /dev/kvm is fast. Skipped where neither this machine nor the lab can serve.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: ovmf.sh BUILD}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../lab
images=$build/ovmf-images

mkdir -p "$images"
kernel=$("$lab/kernel.sh" guest-6.1) || skip 'the Debian 6.1 guest kernel cannot be had here'
firmware=$("$lab/firmware.sh" ovmf) || skip "Debian's ovmf cannot be had here"
gcc -O2 -static -o "$images/guest_status" "$here/guest_status.c"
cp "$kernel/vmlinuz" "$firmware/OVMF_CODE_4M.fd" "$firmware/OVMF_VARS_4M.fd" "$images/"
rm -f "$images"/OVMF.*.fd
for name in ovmf-amdsev ovmf-inteltdx; do
	! folder=$("$lab/firmware.sh" "$name") || cp "$folder"/*.fd "$images/"
done
"$lab/initramfs.sh" "$images/initrd.img" "$kernel" --init "$here/guest_init.sh" \
	--exe "$images/guest_status:/bin/guest_status" --module virtio_pci --module virtio_blk --module efivarfs
printf 'timeout 0\ndefault casemate.conf\n' >"$images/loader.conf"
printf 'title casemate\nlinux /vmlinuz\ninitrd /initrd.img\noptions %s\n' \
	'console=ttyS0 quiet panic=-1 casemate.test=efi' >"$images/entry.conf"
"$lab/efi_disk.sh" "$images/efi.img" 64 systemd-boot:/EFI/BOOT/BOOTX64.EFI \
	"$images/loader.conf:/loader/loader.conf" "$images/entry.conf:/loader/entries/casemate.conf" \
	"$images/vmlinuz:/vmlinuz" "$images/initrd.img:/initrd.img" || rm -f "$images/efi.img"
status=0
"$lab/lab.sh" --timeout 1500 -- "$here/ovmf_suite.sh" "$build" "$images" || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here, and /dev/kvm is slow or absent'
exit "$status"
