#!/bin/bash
# hostile.sh BUILD [SEED [ROUNDS]]: build the guests and run hostile.py where /dev/kvm is fast.
# Skipped where neither this machine nor the lab can serve.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: hostile.sh BUILD [SEED [ROUNDS]]}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../../lab

command -v objcopy >/dev/null || skip 'no objcopy here to build the guests with'
"$here/guests.sh" "$build/hostile-guests"
status=0
"$lab/lab.sh" --timeout 900 -- \
	python3 "$here/hostile.py" "$build" "$build/hostile-guests" --seed "${2:-1}" --rounds "${3:-4}" || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here, and /dev/kvm is slow or absent'
exit "$status"
