#!/bin/bash
# selinux.sh BUILD: selinux_suite.sh in the lab, where SELinux enforces and our module is loaded.
# Skipped where no lab, or no SELinux tools, can be had.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: selinux.sh BUILD}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../lab
images=$build/vm-images

tools=$("$lab/selinux.sh" tools) || skip "SELinux's tools cannot be had here"
kernel=$("$lab/kernel.sh" guest-6.1) || skip 'the Debian 6.1 guest kernel cannot be had here'
mkdir -p "$images/6.1"
gcc -O2 -static -o "$images/guest_status" "$here/guest_status.c"
cp "$kernel/vmlinuz" "$images/6.1/vmlinuz"
"$lab/initramfs.sh" "$images/6.1/initrd.img" "$kernel" --init "$here/guest_init.sh" \
	--exe "$images/guest_status:/bin/guest_status" --module virtio_pci --module virtio_blk \
	--module virtio_console --module virtio_rng
status=0
# shellcheck disable=SC2016 # the lab's shell expands it
"$lab/lab.sh" --selinux enforcing --timeout 600 -- sh -c '"$1/selinux_label.sh" "$2" && exec "$3" "$2" "$4" "$5"' \
	sh "$lab" "$build" "$here/selinux_suite.sh" "$images" "$tools" || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here'
exit "$status"
