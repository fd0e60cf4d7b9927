#!/bin/bash
# no_sim.sh NM BUILD: what is installed holds nothing of the simulator: no symbol and no source file
# (nm -a) named sim_* or ev_sim*. One loop over meson's install list, so that a program that is added is
# looked at; those with -sim in their name must hold it, which shows that the search finds something. TAP.
set -uo pipefail
nm=${1:?usage: no_sim.sh NM BUILD}
build=${2:?usage: no_sim.sh NM BUILD}

installed() { # programs and libraries, by their path in the build folder
	meson introspect --installed "$build" | python3 -c '
import json, os, sys
for path in sorted(json.load(sys.stdin)):
    if os.path.isabs(path) and os.path.exists(path):
        with open(path, "rb") as f:
            if f.read(4) == b"\x7fELF":
                print(path)
    elif path.startswith(sys.argv[1]):
        print(path)  # to be built, and is not there: nm will say so' "$build/"
}

held() { # BINARY: the names it holds of the simulator; fails where names cannot be read
	local symbols
	symbols=$("$nm" -a "$1" 2>/dev/null) || return 1
	# A binary without its symbols would pass whatever it holds.
	grep -Eq ' [Tt] (main|attest_request_add|sim_[a-z_]*)$' <<<"$symbols" || return 1
	awk '$NF ~ /^(sim_|ev_sim)/ { print $NF }' <<<"$symbols" | sort -u
}

list=$(installed)
n=0
failed=0
answer() { # OK NAME
	n=$((n + 1))
	[ "$1" = ok ] || failed=1
	echo "$1 $n - $2"
}
while read -r binary; do
	name=$(basename "$binary")
	if ! found=$(held "$binary"); then
		answer 'not ok' "$name: not built, or stripped: nothing can be said"
	elif [[ $name == *-sim* ]]; then
		if [ -n "$found" ]; then
			answer ok "$name holds the simulator, as it should"
		else
			answer 'not ok' "$name holds no simulator: this check finds nothing"
		fi
	elif [ -n "$found" ]; then
		answer 'not ok' "$name holds the simulator"
		head -n 20 <<<"$found" | sed 's/^/# /'
	else
		answer ok "$name: nothing of the simulator"
	fi
done <<<"$list"
for name in casemate casemate-monitor casemate-agent; do
	grep -q "/$name\$" <<<"$list" || answer 'not ok' "$name is not on the install list"
done
echo "1..$n"
exit "$failed"
