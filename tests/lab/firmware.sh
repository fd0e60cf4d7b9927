#!/bin/bash
# firmware.sh: a stock Debian guest firmware, fetched once, never installed on this machine.
#
#   tests/lab/firmware.sh ovmf|ovmf-trixie|ovmf-amdsev|ovmf-inteltdx
#
# prints a folder of the cache with the package's files, their names as in the package, and
# `version` (one line):
#
#   ovmf           bookworm (2022.11): OVMF_CODE_4M.fd, OVMF_VARS_4M.fd, OVMF.fd, ...
#   ovmf-trixie    trixie (2025.02): the same, with TDX metadata and a timer that a TD has
#   ovmf-amdsev    sid: OVMF.amdsev.fd
#   ovmf-inteltdx  sid: OVMF.inteltdx.ms.fd
#
# Without network once it is there; to fetch a newer one, remove the folder.
# Exit status: 0; 2 wrong use; 4 the firmware cannot be had here (the message says why).
set -euo pipefail
. "$(dirname "$0")/fetch.sh"

case ${1-} in
ovmf) suites=(bookworm bookworm-updates bookworm-security) ;;
ovmf-trixie) suites=(trixie) ;;
ovmf-amdsev | ovmf-inteltdx) suites=(sid) ;;
*) die 2 'usage: firmware.sh ovmf|ovmf-trixie|ovmf-amdsev|ovmf-inteltdx' ;;
esac
key=$1 name=${1%-trixie}

package() {
	apt apt-cache show --no-all-versions "$name" 2>/dev/null | sed -n 's/^Package: //p' || true
}

make_firmware() {
	download package "${suites[@]}"
	unpack
	mkdir "$work/out"
	find "$work/root/usr/share" -type f -name '*.fd' -exec mv -t "$work/out" {} +
	ls "$work"/out/*.fd >/dev/null 2>&1 || die 4 "package $name holds no firmware"
	dpkg-deb -f "$work/$name"_*.deb Version >"$work/out/version"
}

provide "firmware/$key" make_firmware
