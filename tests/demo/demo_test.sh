#!/bin/bash
# demo_test.sh BUILD: the demo as a test: each of its "ok" and "NOT ok" lines is one line of TAP.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
out=$("$here/demo.sh" "${1:?usage: demo_test.sh BUILD}" 2>&1)
status=$?
if [ "$status" -eq 4 ]; then
	echo "1..0 # SKIP $(tail -n 1 <<<"$out")"
	exit 0
fi
sed -n 's/^  \(ok\|NOT ok\): \(.*\)/\1 \2/p' <<<"$out" |
	awk '{ print ($1 == "NOT" ? "not ok" : "ok") " " ++n " - " substr($0, $1 == "NOT" ? 8 : 4) }'
n=$(grep -c '^  \(NOT \)\?ok: ' <<<"$out")
if [ "$status" -eq 0 ]; then
	echo "ok $((n + 1)) - the demo says that everything was as it must be"
else
	echo "not ok $((n + 1)) - the demo says that everything was as it must be"
	tail -n 150 <<<"$out" | sed 's/^/# /'
fi
echo "1..$((n + 1))"
