#!/bin/bash
# headers.sh: the newest Debian's kernel headers (linux-libc-dev of sid), fetched once, never
# installed.
#
#   tests/abi/headers.sh
#
# prints a folder of the cache with `include/` (as /usr/include, kernel headers only) and `version`.
# sid, because the certificate exits of SEV-SNP came with Linux 7.0. Without network once it is
# there; to fetch newer ones, remove the folder.
# Exit status: 0; 4 they cannot be had here (the message says why).
set -euo pipefail
. "$(dirname "$0")/../lab/fetch.sh"

# package: only if the indexes have it.
package() {
	[ -z "$(apt apt-cache show --no-all-versions linux-libc-dev 2>/dev/null)" ] || echo linux-libc-dev
}

make_headers() {
	download package sid
	unpack
	mkdir "$work/out"
	mv "$work/root/usr/include" "$work/out/include"
	# This machine's asm/, which the package keeps among those of all machines.
	rm -rf "$work/out/include/asm" "$work"/out/include/*-linux-gnu*
	mv "$work/root/usr/lib/linux/uapi/x86/asm" "$work/out/include/" ||
		die 4 'linux-libc-dev of sid keeps asm/ elsewhere now'
	dpkg-deb -f "$work"/linux-libc-dev_*.deb Version >"$work/out/version"
}

provide kernel-headers make_headers
