#!/bin/bash
# cgroup.sh BUILD: cgroup_suite.sh in the lab, which has cgroup v2 with all its controllers and a root of
# its own, whatever this machine has. Skipped where no lab can be had.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: cgroup.sh BUILD}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../lab
images=$build/cgroup-images

mkdir -p "$images/6.1"
kernel=$("$lab/kernel.sh" guest-6.1) || skip 'the Debian 6.1 guest kernel cannot be had here'
gcc -O2 -static -o "$images/guest_status" "$here/guest_status.c"
cp "$kernel/vmlinuz" "$images/6.1/vmlinuz"
"$lab/initramfs.sh" "$images/6.1/initrd.img" "$kernel" --init "$here/guest_init.sh" \
	--exe "$images/guest_status:/bin/guest_status" --module virtio_pci --module virtio_blk \
	--module virtio_console --module virtio_rng
status=0
CASEMATE_LAB=lab "$lab/lab.sh" --timeout 600 -- "$here/cgroup_suite.sh" "$build" "$images" || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here'
exit "$status"
