#!/bin/bash
# no_sim.sh NM BINARY [found]: the binary must hold nothing of the simulator: no symbol and no source
# file (nm -a) named sim_* or ev_sim*. With "found" it is tried the other way round: it must.
set -euo pipefail
nm=${1:?usage: no_sim.sh NM BINARY [found]}
binary=${2:?usage: no_sim.sh NM BINARY [found]}
want=${3:-}
symbols=$("$nm" -a "$binary")
# A binary without its symbols would pass whatever it holds.
if ! grep -q ' main$' <<<"$symbols"; then
	echo "$binary: no symbol \"main\": stripped? nothing can be said"
	exit 1
fi
found=$(awk '$NF ~ /^(sim_|ev_sim)/ { print $NF }' <<<"$symbols" | sort -u)
if [ "$want" = found ]; then
	if [ -z "$found" ]; then
		echo "$binary holds no simulator: this check finds nothing"
		exit 1
	fi
	echo "$binary holds the simulator, as it should: $(wc -l <<<"$found") symbols"
	exit 0
fi
if [ -n "$found" ]; then
	echo "$binary holds the simulator:"
	echo "$found"
	exit 1
fi
echo "$binary: nothing of the simulator"
