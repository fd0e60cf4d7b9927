#!/bin/bash
# hostile.sh BUILD [SEED [ROUNDS]]: build the guests and run hostile.py on this machine's /dev/kvm,
# also on a slow one: the guests are small and do little but leave. Where there is none, or with
# CASEMATE_LAB=lab, in the lab, with fewer accesses. Skipped where neither can serve.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: hostile.sh BUILD [SEED [ROUNDS]]}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../../lab

command -v objcopy >/dev/null || skip 'no objcopy here to build the guests with'
"$here/guests.sh" "$build/hostile-guests"
if [ -z "${CASEMATE_LAB-}" ] && [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
	export CASEMATE_LAB=host
fi
status=0
"$lab/lab.sh" --timeout 1500 -- \
	python3 "$here/hostile.py" "$build" "$build/hostile-guests" ${2:+--seed "$2"} ${3:+--rounds "$3"} || status=$?
[ "$status" -ne 4 ] || skip 'no lab can be had here, and no /dev/kvm'
exit "$status"
