#!/bin/bash
# run.sh BUILD MINUTES [TARGET...]: every fuzz target in turn under libFuzzer, ASan and UBSan, MINUTES in
# total, from the committed corpora; then what of each parser the committed corpora reach. New inputs
# are kept in the cache, so that the next run goes on; run.sh --merge adds those of worth to the
# committed ones. Exit 1: a finding (its input's path is said), or a parser below the mark.
set -uo pipefail
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/casemate/fuzz
corpus=tests/fuzz/corpus
is_merge=
[ "${1:-}" = --merge ] && { is_merge=1; shift; }
build=${1:?usage: run.sh [--merge] BUILD MINUTES [TARGET...]}
minutes=${2:?usage: run.sh [--merge] BUILD MINUTES [TARGET...]}
shift 2
mkdir -p "$cache/findings"

if [ ! -e "$build/build.ninja" ]; then
	CC=clang meson setup "$build" -Dsimulator=true -Dfuzzer=true -Db_sanitize=address,undefined -Db_lundef=false \
		-Doptimization=1 -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all' >"$cache/setup.log" 2>&1 ||
		{ cat "$cache/setup.log"; exit 5; }
fi
ninja -C "$build" build.ninja >/dev/null || exit 5 # so that it knows today's targets
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
	mapfile -t names < <(ninja -C "$build" -t targets all | sed -n 's|^tests/fuzz/fuzz_\([a-z0-9_]*\): c_LINKER.*|\1|p' | sort)
fi
ninja -C "$build" "${names[@]/#/tests/fuzz/fuzz_}" >"$cache/build.log" 2>&1 || { tail -20 "$cache/build.log"; exit 5; }

target() { "$build/tests/fuzz/fuzz_$1" -timeout=10 -rss_limit_mb=4096 -artifact_prefix="$cache/findings/$1-" "${@:2}"; }

if [ -n "$is_merge" ]; then
	for name in "${names[@]}"; do
		target "$name" -merge=1 -max_len=4096 "$corpus/$name" "$cache/$name" >"$cache/$name.log" 2>&1 || exit 1
		printf '%-22s %5d files\n' "$name" "$(find "$corpus/$name" -type f | wc -l)"
	done
	exit
fi

bad=0
seconds=$((minutes * 60 / ${#names[@]}))
[ $seconds -gt 0 ] || seconds=1
printf '%-22s %10s %18s  %s\n' target executions coverage findings
for name in "${names[@]}"; do
	mkdir -p "$cache/$name"
	log=$cache/$name.log
	target "$name" -max_total_time=$seconds -print_final_stats=1 "$cache/$name" "$corpus/$name" >"$log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	from=$(sed -n 's/.*INITED cov: \([0-9]*\).*/\1/p' "$log" | head -1)
	to=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -1)
	found=none
	if [ $status -ne 0 ]; then
		bad=1
		found=$(sed -n 's/.*Test unit written to \(.*\)/\1/p' "$log" | tail -1)
		found="${found:-none written}: $(grep -m1 -E '^finding: |ERROR: |SUMMARY: |runtime error: ' "$log" | cut -c1-100) ($log)"
	fi
	printf '%-22s %10s %8s -> %6s  %s\n' "$name" "${runs:-?}" "${from:-?}" "${to:-?}" "$found"
done
tests/check/coverage.sh "$build-coverage" || bad=1
exit $bad
