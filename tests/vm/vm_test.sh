#!/bin/bash
# vm_test.sh BUILD: make the test guests' images and run suite.sh where /dev/kvm is fast.
# Skipped where neither this machine nor the lab can serve.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: vm_test.sh BUILD}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../lab
images=$build/vm-images

mkdir -p "$images"
gcc -O2 -static -o "$images/guest_status" "$here/guest_status.c"
for version in 6.1 6.12; do
	if ! kernel=$("$lab/kernel.sh" "guest-$version"); then
		[ "$version" = 6.12 ] || skip 'the Debian 6.1 guest kernel cannot be had here'
		continue
	fi
	mkdir -p "$images/$version"
	cp "$kernel/vmlinuz" "$images/$version/vmlinuz"
	"$lab/initramfs.sh" "$images/$version/initrd.img" "$kernel" --init "$here/guest_init.sh" \
		--exe "$images/guest_status:/bin/guest_status" --module virtio_pci --module virtio_blk \
		--module virtio_console --module virtio_rng
done
status=0
"$lab/lab.sh" --timeout 900 -- "$here/suite.sh" "$build" "$images" || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here, and /dev/kvm is slow or absent'
exit "$status"
