#!/bin/bash
# walk.sh BUILD OUT: the demo's steps, on a machine whose /dev/kvm is fast. demo.sh prepared OUT:
# payments/, keys/, payments.policy.jsonc. Whatever is to last is copied to OUT.
set -uo pipefail
build=${1:?usage: walk.sh BUILD OUT} out=${2:?usage: walk.sh BUILD OUT}
here=$(cd "$(dirname "$0")" && pwd -P)
casemate=$build/vmm/super/casemate
work=$(mktemp -d /tmp/casemate-demo.XXXXXX)
log=$out/log # kept even if the walk is cut short
failed=0
broker=

cleanup() {
	[ -z "$broker" ] || { kill "$broker" 2>/dev/null; wait "$broker" 2>/dev/null; }
	rm -rf "$work"
}
trap cleanup EXIT

step() { printf '\n--- %s\n' "$*"; }
must() { # WHAT COMMAND...: say whether it held
	local what=$1
	shift
	if "$@"; then echo "  ok: $what"; else echo "  NOT ok: $what"; failed=1; fi
}
indent() { sed -u 's/^/    /'; }
json() { python3 -c 'import json,sys; v=json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): v=v[int(k)] if isinstance(v,list) else v[k]
print(v)' "$1" "$2"; }

# launch NAME COMMAND...: run a guest; $status is the command's. The lab's emulated processor has lost
# a guest before its first word (a triple fault, once in some eighty boots, docs/testing.md): there, and
# only for that, the launch is made once more, and this says so.
launch() {
	local name=$1 n
	shift
	for n in 1 2; do
		"$@" 2>"$log/$name.log" | tee "$log/$name-console.log" | indent
		status=${PIPESTATUS[0]}
		[ "$n" -eq 1 ] && [ "${CASEMATE_EMULATED-}" = 1 ] && [ ! -s "$log/$name-console.log" ] &&
			grep -q 'triple fault' "$log/$name.log" || break
		echo '  (the emulated processor lost the guest before its first word; once more)'
	done
}

mkdir -p "$log"
cp -a "$out/payments" "$out/keys" "$out/payments.policy.jsonc" "$work/"
cd "$work" || exit 5
policy=payments.policy.jsonc
mkdir -m 700 store
cp keys/host-ledger.pem ledger-key.pem

step '1 the machine'
"$casemate" host check --tee none | grep -e ^yes -e ^NO -e ready | indent
step '2 the policy, and what it would start (nothing is opened yet)'
must 'the policy has no lint error' "$casemate" policy lint "$policy"
"$casemate" run "$policy" --plan | grep -v '^$' | indent

step '3 the data owner: an encrypted volume of transactions, its key, and a broker that guards it'
"$here/volume.sh" payments
"$casemate" ledger init ledger --origin "$(sed -n 's/.*"origin": "\([^"]*\)".*/\1/p' "$policy")" --key ledger-key.pem >keys/host-ledger.vkey
"$casemate" ledger init broker-ledger --origin log.example/broker --key keys/broker-ledger.pem >keys/broker-ledger.vkey
cat >broker.jsonc <<-END
	{
	  "listen": "broker.sock",
	  "tls": {"certificate": "keys/broker.pem", "key": "keys/broker.key"},
	  "store": "store",
	  "roots": ["keys/ark.pem"], // the simulated processor's; AMD's own are built in
	  "ledger": {"folder": "broker-ledger", "key": "keys/broker-ledger.pem", "origin": "log.example/broker"}
	}
END
"$casemate" measure "$policy" --json >measure.json
predicted=$(json measure.json launch_digest)
echo "  predicted launch digest  $predicted"
must 'the broker takes the key' "$casemate" broker secret put payments/disk/transactions-kek \
	--config broker.jsonc --file payments/transactions.key
must 'the broker takes the policy with this digest' "$casemate" broker policy put "$policy" \
	--config broker.jsonc --launch-digest "$predicted"
shred -u payments/transactions.key keys/transactions.key 2>/dev/null
"$casemate" broker serve --config broker.jsonc >"$log/broker.log" 2>&1 &
broker=$!
for _ in $(seq 100); do [ -S broker.sock ] && break; sleep 0.1; done
must 'the broker serves' kill -0 "$broker"

step '4 launch: the guest proves itself, gets its key, does its work'
begin=$(date +%s.%N)
launch run "$casemate" run "$policy" --simulator keys/platform
echo "  ($(awk "BEGIN { printf \"%.1f\", $(date +%s.%N) - $begin }") s from launch to switch-off)"
must 'the workload ended with status 0' test "$status" -eq 0
must 'the settlement was made' grep -q 'settlement: written, control total agrees' "$log/run-console.log"
[ "$status" -eq 0 ] || indent <"$log/run.log"

step '5 what was proven: the evidence, judged again offline'
report=$(ls store/evidence/*.report 2>/dev/null | head -n 1)
certs=${report%.report}.certs
"$casemate" attest show "$report" --json >show.json
measured=$(json show.json claims.measurement)
echo "  predicted  $predicted"
echo "  reported   $measured"
must 'the predicted digest and the one in the report are equal' test "$predicted" = "$measured"
"$casemate" attest verify --evidence "$report" --certs "$certs" --root keys/ark.pem --policy "$policy" >verdict.txt
must 'every row of the verdict is affirming or was not asked' test $? -eq 0
indent <verdict.txt

step '6 an attack: the host adds one word to the kernel command line, and lies about the policy'
mkdir lying
cp "$build"/vmm/super/casemate "$build"/vmm/monitor/casemate-monitor-sim "$build"/vmm/device/casemate-dev-* \
	"$build"/attest/ledger/casemate-ledger lying/ 2>/dev/null
cp "$build/tests/demo/casemate-policy" lying/
launch attack lying/casemate run "$policy" --simulator keys/platform
must 'the guest got nothing and ended with a failure' test "$status" -ne 0
must 'no workload ran' eval '! grep -q settlement "$log/attack-console.log"'
attack=$(ls store/evidence/*.report | grep -vF "$report" | head -n 1)
must 'the refused evidence is kept as well' test -n "$attack"
cmdline=$(json measure.json inputs.cmdline)
"$casemate" measure "$policy" --diff "$attack" --candidate-cmdline "$cmdline rd.break" >diff.txt 2>&1
must 'measure --diff says no' test $? -eq 1
indent <diff.txt
must 'measure --diff names the command line' grep -q 'command line' diff.txt

step '7 the record'
kill "$broker"
wait "$broker" 2>/dev/null
broker=
must "the host's ledger verifies" "$casemate" ledger verify ledger --key keys/host-ledger.vkey
must "the broker's ledger verifies" "$casemate" ledger verify broker-ledger --key keys/broker-ledger.vkey
"$casemate" ledger list ledger | indent
"$casemate" ledger list broker-ledger | indent
must 'the launches are in it' eval '[ "$("$casemate" ledger list ledger | grep -c launched)" -ge 2 ]'
must 'proven, released and refused are in it' eval 't=$("$casemate" ledger list broker-ledger);
	[[ $t == *proven* && $t == *released* && $t == *refused* ]]'
must 'one release, no second one' eval '[ "$("$casemate" ledger list broker-ledger | grep -c released)" -eq 1 ]'
"$casemate" ledger prove broker-ledger 0 --out first-entry.proof
must 'the proof of one entry holds by itself' "$casemate" ledger check-proof first-entry.proof --key keys/broker-ledger.vkey

cp -a ledger broker-ledger store/evidence measure.json verdict.txt show.json diff.txt first-entry.proof \
	broker.jsonc payments.policy.jsonc "$out/" 2>/dev/null
cp keys/*.vkey "$out/keys/"

step 'summary'
cat <<-END
	  policy      $(json measure.json policy_sha256)   $out/$policy
	  digest      ${predicted:0:32}… predicted by attest = computed by the simulator = in the report
	  released    payments/disk/transactions-kek, once, to the guest with that digest
	  workload    $(sed -n 's/.*\(settlement: [0-9].*\)/\1/p' "$log/run-console.log" | tr -d '\r')
	  attack      one word more on the command line: $(sed -n 's/.*refused: //p' "$log/broker.log" | tail -n 1)
	  ledgers     $out/ledger  $out/broker-ledger
	  evidence    $out/evidence/$(basename "$report")  $out/verdict.txt
	  simulated   AMD's secure processor only; trust class "simulated", accepted because the policy says so
END
exit "$failed"
