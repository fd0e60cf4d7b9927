#!/bin/bash
# selinux.sh BUILD [roles]: selinux_suite.sh, or selinux_roles.py, in the lab, where SELinux enforces and our
# module is loaded. Skipped where no lab, or no SELinux tools, can be had.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: selinux.sh BUILD [roles]}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../lab
images=$build/vm-images

tools=$("$lab/selinux.sh" tools) || skip "SELinux's tools cannot be had here"
kernel=$("$lab/kernel.sh" guest-6.1) || skip 'the Debian 6.1 guest kernel cannot be had here'
program=("$here/selinux_suite.sh" "$build" "$images" "$tools")
if [ "${2-}" = roles ]; then
	program=(python3 -B "$here/selinux_roles.py" "$build" "$images")
	rm -rf "$images/roles"
	mkdir -p "$images/roles/pki" "$images/roles/tdx"
	platform=("$build/sev/sim/casemate-sim-platform" create)
	"${platform[@]}" "$images/roles/amd.platform" --ark-dir "$images/roles/pki" --product Milan --memlock 1048576 >/dev/null
	"${platform[@]}" "$images/roles/tdx.platform" --ark-dir "$images/roles/tdx" --product TDX >/dev/null
fi
mkdir -p "$images/6.1"
for name in guest_status guest_vsock; do gcc -O2 -static -o "$images/$name" "$here/$name.c"; done
cp "$kernel/vmlinuz" "$images/6.1/vmlinuz"
"$lab/initramfs.sh" "$images/6.1/initrd.img" "$kernel" --init "$here/guest_init.sh" \
	--exe "$images/guest_status:/bin/guest_status" --exe "$images/guest_vsock:/bin/guest_vsock" \
	--module virtio_pci --module virtio_blk --module virtio_console --module virtio_rng \
	--module vmw_vsock_virtio_transport
status=0
# shellcheck disable=SC2016 # the lab's shell expands it
"$lab/lab.sh" --selinux enforcing --timeout 600 -- sh -c '"$1/selinux_label.sh" "$2" && shift 2 && exec "$@"' \
	sh "$lab" "$build" "${program[@]}" || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here'
exit "$status"
