#!/bin/bash
# all.sh BUILD: build, run every test, and end with one line: N passed, N failed, N skipped.
# 1. the suite as it ships; 2. unit tests and fuzz corpora again under ASan and UBSan (clang).
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tests/check/all.sh BUILD}
asan=$build-asan
failed=0

step() { printf '\n== %s\n' "$*"; }

tests/install.sh || exit
step "build ($build)"
ninja -C "$build" || exit 5
step 'tests'
meson test -C "$build" --no-rebuild --print-errorlogs --num-processes 2 || failed=1

step 'unit tests and fuzz corpora under ASan and UBSan'
if [ ! -e "$asan/build.ninja" ]; then
	CC=clang meson setup "$asan" -Dsimulator=true -Db_sanitize=address,undefined \
		-Db_lundef=false >"$build/asan-setup.log" 2>&1 || { cat "$build/asan-setup.log"; exit 5; }
fi
ninja -C "$asan" >"$build/asan-build.log" 2>&1 || { tail -40 "$build/asan-build.log"; exit 5; }
meson test -C "$asan" --no-rebuild --print-errorlogs --num-processes 2 --suite unit --suite fuzz || failed=1

step 'result'
left=$(ps -eo pid=,comm= | grep -E ' (casemate|qemu-system)' || true)
if [ -n "$left" ]; then
	echo "processes left behind: $left"
	failed=1
fi
python3 tests/check/count.py $failed "$build/meson-logs/testlog.json" "$asan/meson-logs/testlog.json"
