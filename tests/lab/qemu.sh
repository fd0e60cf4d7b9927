#!/bin/bash
# qemu.sh: the lab's emulator: QEMU 10 of bookworm-backports, fetched once, never installed.
#
#   tests/lab/qemu.sh
#
# prints a folder of the cache with `qemu-system-x86_64`, `data/` (for -L) and `version`. Its
# libraries and firmware are those of the installed qemu-system-x86.
# Why not the installed one: under the emulation of QEMU 7.2 a guest's flags register is damaged
# at times when it leaves to the hypervisor; two of five boots of a 6.12 guest crash of it (21 of
# 48), none with 10.0 (32 of 32 boots succeed).
# Exit status: 0; 4 it cannot be had here (the message says why).
set -euo pipefail
. "$(dirname "$0")/fetch.sh"

packages() {
	[ -z "$(depends_of qemu-system-x86)" ] || echo qemu-system-x86 qemu-system-common qemu-system-data
}

make_qemu() {
	download packages bookworm-backports
	unpack
	mkdir "$work/out"
	mv "$work/root/usr/bin/qemu-system-x86_64" "$work/out/"
	mv "$work/root/usr/share/qemu" "$work/out/data"
	"$work/out/qemu-system-x86_64" --version >"$work/out/version" 2>"$work/log" ||
		die 4 "QEMU does not run here: $(tail -n 1 "$work/log")"
}

provide qemu make_qemu
