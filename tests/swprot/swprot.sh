#!/bin/bash
# swprot.sh BUILD: private and shared memory for real: swprot_test.py under a kernel of our own.
# Skipped until that kernel is in the cache: tests/lab/swprot_kernel.sh builds it, once.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: swprot.sh BUILD}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../lab

command -v objcopy >/dev/null || skip 'no objcopy here to build the guest with'
kernel=$("$lab/swprot_kernel.sh" --cached 2>/dev/null) ||
	skip 'no kernel with private memory in the cache: run tests/lab/swprot_kernel.sh once (minutes)'
mkdir -p "$build/swprot"
"$here/guest.sh" "$build/swprot/guest"
status=0
"$lab/lab.sh" --kernel "$kernel" --timeout 300 -- \
	python3 "$here/swprot_test.py" "$build" "$build/swprot/guest" || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here'
exit "$status"
