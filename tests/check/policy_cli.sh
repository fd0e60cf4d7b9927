#!/bin/sh
# casemate-policy from the command line: exit statuses and streams of the CLI contract.
# usage: policy_cli.sh CASEMATE-POLICY SOURCE-ROOT
set -u
policy=$1
root=$2
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0
bad=0

# check NAME WANTED-STATUS COMMAND...: its standard output is $work/out for the next check.
check() {
	name=$1
	want=$2
	shift 2
	"$@" >"$work/new" 2>"$work/err" </dev/null
	got=$?
	mv "$work/new" "$work/out"
	n=$((n + 1))
	if [ "$got" = "$want" ]; then
		echo "ok $n - $name"
	else
		bad=1
		echo "not ok $n - $name: status $got, want $want"
		sed 's/^/# /' "$work/out" "$work/err"
	fi
}

pay=$root/policy/examples/payments.policy.jsonc
dev=$root/policy/examples/development.policy.jsonc
tdx=$root/policy/examples/imaging.policy.jsonc
printf '{"oops": 1}' >"$work/unknown.jsonc"
sed 's/"debug": false/"debug": true/' "$pay" >"$work/debug.jsonc"
sed 's/  "serial": 1/    "serial": 1/' "$dev" >"$work/untidy.jsonc"
cp "$work/untidy.jsonc" "$work/write.jsonc"

check "lint lets the payments example pass" 0 "$policy" lint "$pay"
check "lint lets the development example pass" 0 "$policy" lint "$dev"
check "lint lets the imaging example pass" 0 "$policy" lint --at 2026-11-24T00:00:00Z "$tdx"
check "explain tells what TDX has to prove" 0 "$policy" explain "$tdx"
check "and which statuses pass" 0 grep -q 'TCB status: UpToDate; for 30 days more: ' "$work/out"
check "lint says no to debugging" 1 "$policy" lint "$work/debug.jsonc"
check "its finding names the place" 0 grep -q 'debug.jsonc:[0-9]*:[0-9]*: error TEE-001' "$work/out"
check "lint says no to debugging" 1 "$policy" lint --json "$work/debug.jsonc"
check "its JSON is one object with a schema" 0 python3 -c 'import json,sys
o = json.load(open(sys.argv[1]))
assert o["schema"] == "casemate/policy-lint/1" and o["errors"] == 1, o' "$work/out"
check "lint says no to debugging" 1 "$policy" lint --format sarif "$work/debug.jsonc"
check "its SARIF has results, rules and places" 0 python3 -c 'import json,sys
run = json.load(open(sys.argv[1]))["runs"][0]
rules = run["tool"]["driver"]["rules"]
assert any(r["ruleId"] == "TEE-001" and r["level"] == "error" for r in run["results"])
for r in run["results"]:
    assert rules[r["ruleIndex"]]["id"] == r["ruleId"]
    assert r["locations"][0]["physicalLocation"]["region"]["startLine"] > 1' "$work/out"
check "lint cannot judge a malformed file" 3 "$policy" lint "$work/unknown.jsonc"
check "and says where" 0 grep -q 'unknown.jsonc:1:2: error POL-001: unknown key' "$work/out"
check "lint cannot judge a missing file" 3 "$policy" lint "$work/none"
check "lint cannot judge a folder" 3 "$policy" lint "$work"
check "lint wants a known format" 2 "$policy" lint --format xml "$pay"
check "lint wants a time" 2 "$policy" lint --at tomorrow "$pay"
check "hash prints what sha256sum prints" 0 "$policy" hash "$pay"
check "and nothing else" 0 test "$(cat "$work/out")" = "$(sha256sum <"$pay" | cut -d' ' -f1)"
check "hash refuses a malformed file" 3 "$policy" hash "$work/unknown.jsonc"
check "explain speaks" 0 "$policy" explain "$pay"
check "explain has JSON" 0 "$policy" explain --json "$pay"
check "which is one object" 0 python3 -m json.tool "$work/out"
check "explain wants a policy" 2 "$policy" explain
check "explain --fields wants none" 2 "$policy" explain --fields "$pay"
check "fmt leaves the example alone" 0 "$policy" fmt --check "$pay"
check "fmt --check sees an untidy file" 1 "$policy" fmt --check "$work/untidy.jsonc"
check "fmt prints" 0 "$policy" fmt "$work/untidy.jsonc"
check "the normal form" 0 cmp "$work/out" "$dev"
check "fmt --write replaces" 0 "$policy" fmt --write "$work/write.jsonc"
check "the file" 0 cmp "$work/write.jsonc" "$dev"
check "fmt does not touch a malformed file" 3 "$policy" fmt --write "$work/unknown.jsonc"
check "not one byte" 0 test "$(cat "$work/unknown.jsonc")" = '{"oops": 1}'
sed 's/"microcode": 72/"microcode": 73/' "$pay" >"$work/stricter.jsonc"
sed 's/"debug": false/"debug": true/; s/"once_per_boot": true/"once_per_boot": false/' "$pay" >"$work/looser.jsonc"
sed 's/"serial": 1,/"serial": 2,/' "$pay" >"$work/note.jsonc"
check "diff of a file and itself says nothing" 0 "$policy" diff "$pay" "$pay"
check "but that they are the same" 0 test "$(cat "$work/out")" = same
check "diff sees a higher floor" 1 "$policy" diff "$pay" "$work/stricter.jsonc"
check "and calls it stricter" 0 grep -q '^stricter *tee.snp.min_tcb.*microcode: 72 -> 73$' "$work/out"
check "diff sees debugging and a key that goes out twice" 1 "$policy" diff "$pay" "$work/looser.jsonc"
check "and calls it looser" 0 test "$(tail -n 1 "$work/out")" = looser
check "the other way round" 1 "$policy" diff "$work/looser.jsonc" "$pay"
check "it is stricter" 0 test "$(tail -n 1 "$work/out")" = stricter
sed 's/"microcode": 72/"microcode": 73/; s/"debug": false/"debug": true/' "$pay" >"$work/mixed.jsonc"
check "both at once" 1 "$policy" diff "$pay" "$work/mixed.jsonc"
check "is mixed" 0 test "$(tail -n 1 "$work/out")" = mixed
check "a new serial" 1 "$policy" diff --json "$pay" "$work/note.jsonc"
check "is a note" 0 python3 -c 'import json,sys
o = json.load(open(sys.argv[1]))
assert o["schema"] == "casemate/policy-diff/1" and o["overall"] == "note" and len(o["changes"]) == 1, o' "$work/out"
check "diff cannot judge a malformed file" 3 "$policy" diff "$pay" "$work/unknown.jsonc"
check "diff wants two" 2 "$policy" diff "$pay"
check "schema prints" 0 "$policy" schema
check "the committed file" 0 cmp "$work/out" "$root/policy/schema/launch-policy-1.schema.json"
check "no verb is wrong" 2 "$policy"
check "an unknown verb is wrong" 2 "$policy" frobnicate
check "a verb of a later version is wrong" 2 "$policy" sign "$pay"
check "--help is right" 0 "$policy" --help
for verb in lint hash explain diff fmt schema; do
	check "$verb --help is right" 0 "$policy" "$verb" --help
done
echo "1..$n"
exit $bad
