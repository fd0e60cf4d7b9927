#!/bin/bash
# coverage.sh BUILD [PERCENT]: line coverage of everything that takes strangers' bytes apart (parsers.list), by
# the replayed fuzz corpora alone; fails below PERCENT (90) in any file, and for a file that is on no
# line of the list. BUILD is made for it (a build of its own, some minutes).
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: coverage.sh BUILD [PERCENT]}
least=${2:-90}

if [ ! -e "$build/build.ninja" ]; then
	mkdir -p "$build"
	meson setup "$build" -Dsimulator=true -Db_coverage=true -Doptimization=0 -Dwerror=false >"$build/setup.log" 2>&1 ||
		{ cat "$build/setup.log"; exit 5; }
fi
ninja -C "$build" build.ninja >/dev/null || exit 5 # so that it knows today's targets
find "$build" -name '*.gcda' -delete
mapfile -t names < <(ninja -C "$build" -t targets all | sed -n 's|^tests/fuzz/fuzz_\([a-z0-9_]*\): c_LINKER.*|\1|p' | sort)
ninja -C "$build" "${names[@]/#/tests/fuzz/fuzz_}" >"$build/coverage-build.log" 2>&1 ||
	{ tail -20 "$build/coverage-build.log"; exit 5; }
meson test -C "$build" --no-rebuild --num-processes 2 --timeout-multiplier 5 --suite fuzz "${names[@]}" \
	>"$build/coverage-fuzz.log" 2>&1 || { tail -30 "$build/coverage-fuzz.log"; exit 1; }

exec python3 - "$build" "$least" <<'PYTHON'
import fnmatch, glob, os, re, subprocess, sys
build, least = sys.argv[1], float(sys.argv[2])
counted, others, bad = [], [], 0
for line in open("tests/check/parsers.list", encoding="utf-8"):
    m = re.match(r"- (\S+)  # \S.*", line)
    if m:
        others.append(m[1])
    elif line.strip() and not line.startswith("#"):
        counted.append(line.strip())
tracked = [os.path.join(d, f) for top in ("base", "sandbox", "policy", "sev", "attest", "vtpm", "vmm") for d, _, names in os.walk(top)
           for f in names if f.endswith(".c")]
for f in tracked:
    if f not in counted and not any(fnmatch.fnmatch(f, p) for p in others):
        print(f"{f} is on no line of tests/check/parsers.list")
        bad = 1
for f in counted:
    # Objects are named by path within their library: folder_file.c.gcda or file.c.gcda.
    data = [d for d in glob.glob(os.path.join(build, "**", "*" + os.path.basename(f) + ".gcda"), recursive=True)]
    best = None
    for d in data:
        text = subprocess.run(["gcov", "-n", d], capture_output=True, text=True).stdout
        m = re.search(r"^File '[^'\n]*" + re.escape(f) + r"'\nLines executed:([0-9.]+)% of (\d+)", text, re.M)
        if m and (best is None or float(m[1]) > best[0]):
            best = float(m[1]), int(m[2])
    percent, lines = best or (0.0, 0)
    mark = f"  below {least:g}" if percent < least else ""
    bad |= bool(mark)
    print(f"{percent:7.2f}%  {lines:5} lines  {f}{mark}")
sys.exit(bad)
PYTHON
