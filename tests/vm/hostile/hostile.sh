#!/bin/bash
# hostile.sh BUILD [SEED [ROUNDS]]: build the guests and run hostile.py on this machine's /dev/kvm,
# also on a slow one: the guests are small and do little but leave. Where there is none, or with
# CASEMATE_LAB=lab, in the lab, with fewer accesses. Skipped where neither can serve.
#
# In the lab, once more if the lab itself stood still: QEMU's emulation (10.0) can lose the global
# interrupt flag of a processor that is in a nested guest; the lab's kernel then reports a stall.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: hostile.sh BUILD [SEED [ROUNDS]]}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
lab=$here/../../lab
run=(python3 "$here/hostile.py" "$build" "$build/hostile-guests" ${2:+--seed "$2"} ${3:+--rounds "$3"})

command -v objcopy >/dev/null || skip 'no objcopy here to build the guests with'
"$here/guests.sh" "$build/hostile-guests"
if [ "${CASEMATE_LAB-host}" = host ] && [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
	CASEMATE_LAB=host exec "$lab/lab.sh" --timeout 1500 -- "${run[@]}"
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for _ in 1 2; do
	status=0
	CASEMATE_LAB=lab "$lab/lab.sh" --timeout 1200 --console "$dir/console" -- "${run[@]}" >"$dir/tap" || status=$?
	if [ "$status" -ne 124 ] || ! grep -q 'detected stalls' "$dir/console"; then break; fi
	echo "# the lab stood still, after: $(tail -n 1 "$dir/tap")"
done
[ "$status" -ne 4 ] || skip 'no lab can be had here, and no /dev/kvm'
cat "$dir/tap"
exit "$status"
