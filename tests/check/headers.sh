#!/bin/bash
# headers.sh SOURCE-ROOT CC [ARGUMENT...]: every header compiles by itself and starts with its four lines
# (Trust, Owns, Threads below a first line with its name; style rules 6 and 7). TAP.
set -uo pipefail
root=${1:?usage: headers.sh SOURCE-ROOT CC [ARGUMENT...]}
shift
cd "$root" || exit 3
mapfile -t headers < <(find base sandbox policy sev attest vtpm vmm tests -name '*.h' | sort)
if [ ${#headers[@]} -eq 0 ]; then
	echo "Bail out! no header below $root"
	exit 1
fi
failed=0
n=0
echo "1..${#headers[@]}"
for h in "${headers[@]}"; do
	n=$((n + 1))
	name=$(basename "$h" .h)
	say=$(head -40 "$h" | awk -v name="$name" '
		/^ \* Trust:   / { t = 1 } /^ \* Owns:    / { o = 1 } /^ \* Threads: / { r = 1 }
		NR == 2 && index($0, " * " name ":") == 1 { f = 1 }
		END { if (!f) print "line 2 does not begin with \"" name ":\""; if (!t) print "no Trust";
			if (!o) print "no Owns"; if (!r) print "no Threads" }')
	if ! errors=$(printf '#include "%s"\n#include "%s"\n' "$h" "$h" |
		"$@" -fsyntax-only -x c -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -I. -iquote . - 2>&1); then
		say+=$'\n'$errors
	fi
	if [ -z "$say" ]; then
		echo "ok $n - $h"
	else
		echo "not ok $n - $h"
		sed 's/^/# /' <<<"$say"
		failed=1
	fi
done
exit $failed
