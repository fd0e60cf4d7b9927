# shellcheck shell=bash
# say.sh: TAP for the suites of guests; sourced. $dir holds the out and err of the guest in hand.
n=0

ok() { n=$((n + 1)); echo "ok $n - $1"; }
bad() { # NAME LOG...: what was seen, as comments
	n=$((n + 1))
	echo "not ok $n - $1"
	shift
	tail -n 25 "$@" 2>/dev/null | sed 's/^/# /'
}
check() { # NAME STATUS-IS-0...: the test holds if the command does; logs of the guest otherwise
	local name=$1
	shift
	if "$@"; then ok "$name"; else bad "$name" "$dir/out" "$dir/err"; fi
}
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
said() { grep -q "casemate-test: $1" "$dir/out"; }
ended() { [ "$status" -eq "$1" ]; }
none_left() { # no process of ours, within 5 seconds
	for _ in $(seq 50); do
		pgrep '^casemate' >/dev/null || return 0
		sleep 0.1
	done
	pgrep -l '^casemate' >>"$dir/err"
	return 1
}
