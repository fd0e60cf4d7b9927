#!/bin/bash
# referee.sh BUILD [NAME]...: unmodified QEMU against the preloaded simulator; suite.py has the cases.
#
# Makes the guest's initramfs, fetches firmware and emulators, and runs suite.py in the lab: there
# the processor that QEMU compares its settings with is the same everywhere. Skipped where any of
# it cannot be had. Only the cases whose names hold one of the NAMEs run, if any is given.
# REFEREE_SUITE is another program to run in place of suite.py.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: referee.sh BUILD [NAME]...}" && pwd -P)
shift
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../lab
work=$build/referee

kernel=$("$lab/kernel.sh" guest-6.1) || skip 'the Debian 6.1 guest kernel cannot be had here'
qemu=$("$lab/qemu.sh") || skip 'QEMU 10 cannot be had here'
ovmf=$("$lab/firmware.sh" ovmf) || skip "Debian 12's OVMF cannot be had here"
amdsev=$("$lab/firmware.sh" ovmf-amdsev) || skip "sid's ovmf-amdsev cannot be had here"
# Without these the TDX cases are skipped, visibly.
qemu_sid=$("$lab/qemu_sid.sh") || qemu_sid=
inteltdx=$("$lab/firmware.sh" ovmf-inteltdx) || inteltdx=
trixie=$("$lab/firmware.sh" ovmf-trixie) || trixie=

mkdir -p "$work"
"$lab/initramfs.sh" "$work/initrd" "$kernel" --init "$here/guest_init.sh"
status=0
CASEMATE_LAB=lab "$lab/lab.sh" --timeout 600 --env "REFEREE_QEMU=$qemu" \
	--env "REFEREE_QEMU_SID=$qemu_sid" --env "REFEREE_OVMF=$ovmf/OVMF.fd" \
	--env "REFEREE_AMDSEV=$amdsev/OVMF.amdsev.fd" \
	--env "REFEREE_INTELTDX=${inteltdx:+$inteltdx/OVMF.inteltdx.ms.fd}" \
	--env "REFEREE_TRIXIE=${trixie:+$trixie/OVMF.fd}" \
	--env "REFEREE_KERNEL=$kernel/vmlinuz" --env "REFEREE_INITRD=$work/initrd" \
	-- "${REFEREE_SUITE:-$here/suite.py}" "$build" "$@" || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here'
exit "$status"
