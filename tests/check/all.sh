#!/bin/bash
# all.sh BUILD: build, run every test, and end with one line: N passed, N failed, N skipped.
# 1. the suite as it ships; 2. unit, process and simulator tests and fuzz corpora again under ASan and
# UBSan (clang), the processes in their sandboxes (policy/seccomp/sanitizer.syscalls); 3. what has
# threads under TSan.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tests/check/all.sh BUILD}
asan=$build-asan
tsan=$build-tsan
failed=0

step() { printf '\n== %s\n' "$*"; }

tests/install.sh || exit
step "build ($build)"
ninja -C "$build" || exit 5
step 'tests'
meson test -C "$build" --no-rebuild --print-errorlogs --num-processes 2 || failed=1

# tree_make FOLDER SANITIZER TARGET...: a tree of its own, and these targets (none: all).
tree_make() {
	local tree=$1 sanitizer=$2 name
	name=$(basename "$tree")
	shift 2
	if [ ! -e "$tree/build.ninja" ]; then
		CC=clang meson setup "$tree" -Dsimulator=true -Db_sanitize="$sanitizer" -Db_lundef=false \
			-Dc_args=-fno-sanitize-recover=all >"$build/$name-setup.log" 2>&1 ||
			{ cat "$build/$name-setup.log"; exit 5; }
	fi
	ninja -C "$tree" "$@" >"$build/$name-build.log" 2>&1 || { tail -40 "$build/$name-build.log"; exit 5; }
}

step 'unit and simulator tests and fuzz corpora under ASan and UBSan'
tree_make "$asan" address,undefined
meson test -C "$asan" --no-rebuild --print-errorlogs --num-processes 2 --timeout-multiplier 4 \
	--suite unit --suite fuzz --suite sim || failed=1

# Five minutes, of which super needs half: it waits for time-outs. Not here: attest-sweep (thousands of
# starts; the fuzz corpora have its inputs), seccomp-gen (no program of ours), cgroup (its limits are less
# than a shadow), and what a build with a sanitizer has not: the filters that ship (seccomp,
# syscalls-exact) and copies of programs that are taken over (escape).
step 'processes in their sandboxes under ASan and UBSan'
cp "$asan/meson-logs/testlog.json" "$build/asan-testlog.json"
processes=(dev_rng dev_blk dev_console dev_vsock sandbox sandbox-rootless narrow foreign foreign-rootless foreign-run
	policy-reader ledger-role ledger-role-rootless ledger-cmd quote-role quote-qgs owner-role owner-run
	agent-broker agent-tls agent-foreign agent-tpm kbs-client sim-qgs attest-cmd attest-vectors-cmd endorsements
	measure measure-launch td-guest super cli-contract bad-input-run seccomp-loaded)
meson test -C "$asan" --no-rebuild --print-errorlogs --num-processes 2 --timeout-multiplier 4 \
	--suite proc "${processes[@]}" || failed=1

step 'threads under TSan'
threads=(mon_vcpu mon_exit mon_launch sev_guest)
tree_make "$tsan" thread tests/sim/test_mon_vcpu tests/test_mon_exit tests/sim/test_mon_launch tests/test_sev_guest
meson test -C "$tsan" --no-rebuild --print-errorlogs --timeout-multiplier 4 "${threads[@]}" || failed=1

step 'result'
left=$(ps -eo pid=,comm= | grep -E ' (casemate|qemu-system)' || true)
if [ -n "$left" ]; then
	echo "processes left behind: $left"
	failed=1
fi
python3 tests/check/count.py $failed "$build/meson-logs/testlog.json" "$build/asan-testlog.json" "$asan/meson-logs/testlog.json" "$tsan/meson-logs/testlog.json"
