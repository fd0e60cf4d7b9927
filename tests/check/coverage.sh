#!/bin/bash
# coverage.sh BUILD [PERCENT]: line coverage of everything that takes evidence apart, by unit tests and fuzz
# corpora; fails below PERCENT (90) in any file. BUILD is made for it (a build of its own, some minutes).
# The mutation tests are left out: they would hide a parser that has no test of its own.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tests/check/coverage.sh BUILD [PERCENT]}
least=${2:-90}

# Parsers: what the host, the network or a stranger's file comes through first.
files=(
	attest/snp_report.c attest/cert_table.c attest/snp_leaf.c attest/id_block.c
	attest/tdx_quote.c attest/tdx_collateral.c attest/tdx_pck.c attest/tdx_tcb.c
	attest/eventlog.c attest/ima_log.c attest/tpm_quote.c attest/tpm_key.c attest/tpm_evidence.c
	attest/tpm_credential.c attest/hcl.c attest/svsm.c
	attest/sev_cert.c attest/ovmf.c
	attest/json_in.c attest/cbor.c attest/jwk.c attest/jws.c attest/cose.c attest/token.c attest/ear_read.c
	attest/dsse.c attest/corim.c attest/cmw.c attest/atls.c
	attest/broker/broker_config.c attest/broker/broker_evidence.c attest/broker/broker_token.c
	attest/broker/broker_admin.c attest/broker/kbs_bind.c
	attest/broker/kbs_json.c attest/broker/kbs_jwe.c attest/broker/kbs_path.c attest/broker/kbs_snp.c
	attest/endorse/endorse_bundle.c
)

if [ ! -e "$build/build.ninja" ]; then
	meson setup "$build" -Dsimulator=true -Db_coverage=true -Doptimization=0 -Dwerror=false >/dev/null || exit 5
fi
ninja -C "$build" build.ninja >/dev/null || exit 5 # so that meson knows today's tests
find "$build" -name '*.gcda' -delete
# The tests of a suite, and the programs of this build that they start.
python3 - "$build" <<'PYTHON' || exit 5
import json, os, re, subprocess, sys
build = os.path.abspath(sys.argv[1])
def ask(what):
    return json.loads(subprocess.check_output(["meson", "introspect", build, what]))
files = {t["id"]: os.path.relpath(t["filename"][0], build) for t in ask("--targets") if t["type"] == "executable"}
names, programs = {"unit": [], "fuzz": []}, set()
for t in ask("--tests"):
    for suite in names:
        if suite in {s.split(":")[-1] for s in t["suite"]} and "mutation" not in t["name"] and (
                suite == "fuzz" and not re.match(r"v|mon_|sim_|cpuid|chan|ledger|policy|plan", t["name"]) or
                suite == "unit" and re.match(r"attest|kbs|broker|endorse|atls|agent|refvalues|token", t["name"])):
            names[suite].append(t["name"])
            programs.update(files[d] for d in t["depends"] if d in files)
for suite, list in names.items():
    with open(os.path.join(build, "coverage-" + suite), "w") as f:
        print(*list, file=f)
with open(os.path.join(build, "coverage-programs"), "w") as f:
    print(*programs, file=f)
PYTHON
read -ra programs <"$build/coverage-programs"
ninja -C "$build" "${programs[@]}" >"$build/coverage-build.log" || { tail -20 "$build/coverage-build.log"; exit 5; }
for suite in unit fuzz; do
	read -ra names <"$build/coverage-$suite"
	meson test -C "$build" --no-rebuild --num-processes 2 --timeout-multiplier 3 --suite $suite "${names[@]}" \
		>"$build/coverage-$suite.log" 2>&1 || { tail -30 "$build/coverage-$suite.log"; exit 1; }
done

bad=0
for f in "${files[@]}"; do
	data=$(find "$build" -name "$(basename "$f").gcda" | head -1)
	percent=$([ -n "$data" ] && gcov -n "$data" 2>/dev/null | grep -A1 "^File '.*$f'" |
		sed -n 's/^Lines executed:\([0-9.]*\)% of.*/\1/p' | head -1)
	mark=
	if [ -z "$percent" ] || awk "BEGIN { exit !($percent < $least) }"; then
		mark="  below $least"
		bad=1
	fi
	printf '%7s%%  %s%s\n' "${percent:-0}" "$f" "$mark"
done
exit $bad
