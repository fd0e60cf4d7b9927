#!/bin/bash
# exact.sh [--guests] BUILD ARGUMENT...: images of guests, then tests/proc/test_syscalls_exact.py with these.
set -euo pipefail
guests=()
if [ "${1-}" = --guests ]; then
	guests=(--guests)
	shift
fi
build=$(cd "${1:?usage: exact.sh [--guests] BUILD ARGUMENT...}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../lab
images=$build/exact-images

mkdir -p "$images/swprot"
rm -f "$images"/*.*
gcc -O2 -static -o "$images/guest_status" "$here/guest_status.c"
if [ ${#guests[@]} -ne 0 ] && kernel=$("$lab/kernel.sh" guest-6.1); then
	cp "$kernel/vmlinuz" "$images/"
	"$lab/initramfs.sh" "$images/initrd.img" "$kernel" --init "$here/guest_init.sh" \
		--exe "$images/guest_status:/bin/guest_status" --module virtio_pci --module virtio_blk \
		--module virtio_console --module virtio_rng
fi
"$here/../swprot/guest.sh" "$images/swprot/guest"
"$here/hostile/guests.sh" "$images/hostile"
exec python3 "$here/../proc/test_syscalls_exact.py" "${guests[@]}" "$build" "${@:2}"
