#!/bin/bash
# man.sh SOURCE: every manual page passes mandoc's lint at level warning.
set -uo pipefail
src=${1:?usage: man.sh SOURCE}
n=0
for page in "$src"/docs/man/*.[1-8]; do
	n=$((n + 1))
	if out=$(cd "$src/docs/man" && mandoc -T lint -W warning "$(basename "$page")" 2>&1); then
		echo "ok $n - $(basename "$page")"
	else
		echo "not ok $n - $(basename "$page")"
		sed 's/^/# /' <<<"$out"
	fi
done
echo "1..$n"
