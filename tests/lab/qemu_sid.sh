#!/bin/bash
# qemu_sid.sh: sid's QEMU (TDX guests need 10.1 or later), with its own libraries, never installed.
#
#   tests/lab/qemu_sid.sh
#
# prints a folder of the cache with `qemu-system-x86_64` (a script that starts it under sid's own
# dynamic loader; QEMU_PRELOAD names a library of ours to load into it), `data/` (for -L; SeaBIOS
# and network boot code are in it) and `version`.
# Exit status: 0; 4 it cannot be had here (the message says why).
set -euo pipefail
. "$(dirname "$0")/fetch.sh"

# The package and all it depends on, down to the C library.
packages() {
	apt apt-get install -s --no-install-recommends qemu-system-x86 2>/dev/null |
		awk '$1 == "Inst" { print $2 }' || true
}

print_starter() {
	cat <<-'END'
		#!/bin/sh
		# QEMU as sid built it, under sid's loader and libraries.
		here=$(cd "$(dirname "$0")" && pwd -P)
		export QEMU_MODULE_DIR="$here/modules"
		exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" \
			${QEMU_PRELOAD:+--preload "$QEMU_PRELOAD"} "$here/bin/qemu-system-x86_64" "$@"
	END
}

make_qemu() {
	local usr=$work/root/usr out=$work/out
	download packages sid
	unpack
	mkdir -p "$out/bin" "$out/lib" "$out/data"
	mv "$usr/bin/qemu-system-x86_64" "$out/bin/"
	mv "$usr/lib/x86_64-linux-gnu/qemu" "$out/modules"
	find "$usr/lib/x86_64-linux-gnu" -maxdepth 1 -name '*.so*' -exec cp -P -t "$out/lib" {} +
	# Links into ipxe-qemu become files.
	cp -rL "$usr/share/qemu/." "$usr/share/seabios/." "$out/data"
	print_starter >"$out/qemu-system-x86_64"
	chmod +x "$out/qemu-system-x86_64"
	"$out/qemu-system-x86_64" --version >"$out/version" 2>"$work/log" ||
		die 4 "sid's QEMU does not run here: $(tail -n 1 "$work/log")"
}

provide qemu-sid make_qemu
