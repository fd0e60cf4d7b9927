#!/bin/bash
# coverage.sh BUILD [PERCENT]: line coverage of everything that takes strangers' bytes apart (parsers.list), by
# the replayed fuzz corpora alone. Fails below PERCENT (90) in all of it, below PERCENT or its own mark in any
# file, and for a file that is on no line of the list. BUILD is made for it (a build of its own, some minutes).
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
import fnmatch, glob, json, os, re, subprocess, sys
build, least = sys.argv[1], float(sys.argv[2])
counted, others, bad = {}, [], False
for line in open("tests/check/parsers.list", encoding="utf-8"):
    m = re.fullmatch(r"([^\s#-]\S*)?(?: >= (\d+))?(?: ?- ([^#]+?))?(  # \S.*)?\n", line)
    if m is None or (m[2] or m[3]) and not m[4]:
        if line.strip() and not line.startswith("#"):
            sys.exit(f"tests/check/parsers.list: what is this, or why? {line}")
    elif m[1]:
        counted[m[1]] = float(m[2] or least), (m[3] or "").split()
    elif m[3]:
        others.append(m[3])
for top in ("base", "sandbox", "policy", "sev", "attest", "vtpm", "vmm"):
    for folder, _, names in os.walk(top):
        for f in (os.path.join(folder, n) for n in names if n.endswith(".c")):
            if f not in counted and not any(fnmatch.fnmatch(f, p) for p in others):
                print(f"{f} is on no line of tests/check/parsers.list")
                bad = True


def lines_of(f, skipped):
    """Reached lines, all lines, the functions that lack most; of the copy (static, shared) that got furthest."""
    best = 0, 0, ""
    for data in glob.glob(os.path.join(build, "**", "*" + os.path.basename(f) + ".gcda"), recursive=True):
        functions = {}
        for text in subprocess.run(["gcov", "-j", "-t", data], capture_output=True, text=True).stdout.splitlines():
            for source in json.loads(text)["files"]:
                for line in source["lines"] if os.path.normpath(source["file"]).endswith("/" + f) else []:
                    name = line.get("function_name", "?")
                    if not any(fnmatch.fnmatch(name, p) for p in skipped):
                        functions.setdefault(name, []).append(line["count"] > 0)
        reached, n = (sum(k(x) for x in functions.values()) for k in (sum, len))
        worst = sorted((len(x) - sum(x), name) for name, x in functions.items())[:-4:-1]
        if reached > best[0]:
            best = reached, n, ", ".join(f"{name} {k}" for k, name in worst if k)
    return best


total = [0, 0]
for f, (mark, skipped) in counted.items():
    reached, n, worst = lines_of(f, skipped)
    percent = 100 * reached / n if n else 0
    total = [total[0] + reached, total[1] + n]
    said = f"  below {mark:g}; lines lack in: {worst}" if percent < mark else "" if mark == least else f"  (mark {mark:g})"
    bad |= percent < mark
    print(f"{percent:7.2f}%  {reached:4} of {n:4} lines  {f}{said}")
percent = 100 * total[0] / max(total[1], 1)
print(f"{percent:7.2f}%  {total[0]} of {total[1]} lines  all parsers{'' if percent >= least else f'  below {least:g}'}")
sys.exit(bad or percent < least)
PYTHON
