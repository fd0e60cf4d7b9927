#!/bin/bash
# tdx_quote.sh BUILD: a simulated trust domain from its firmware to a verified quote, as TAP: Debian's OVMF
# and kernel under casemate, the agent's TDREPORT through monitor, casemate-quote and casemate-sim-qgs, the
# quote before casemate-attest with the policy that launched the guest. In the lab, or where /dev/kvm is
# fast. Skipped where firmware, kernel or lab cannot be had.
set -uo pipefail
build=$(cd "${1:?usage: tdx_quote.sh BUILD [inside FOLDER]}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
data=$(printf '%064x%064x' 7 9)

inside() { # in the lab, with a folder of inputs
	local work
	work=$(mktemp -d)
	trap 'kill $qgs; rm -rf "$work"' EXIT
	cp -r "$1"/. "$work" && cd "$work" || exit 5
	"$build/sev/sim/casemate-sim-qgs" keys/platform --socket "$work/qgs.sock" >"$1/qgs.log" 2>&1 &
	qgs=$!
	openssl genpkey -algorithm ed25519 -out ledger-key.pem 2>/dev/null
	"$build/vmm/super/casemate" ledger init ledger --origin log.example/test --key ledger-key.pem >/dev/null
	timeout -k 5 420 "$build/vmm/super/casemate" run --simulator keys/platform policy.jsonc \
		</dev/null >"$1/console" 2>"$1/log"
	echo "$?" >"$1/status"
	sed -i 's/\r//' "$1/console"
	sed -n '/^quote-begins$/,/^quote-ends$/p' "$1/console" | grep -Ev '^(quote-|\[)' | base64 -d >"$1/quote" 2>/dev/null
	exit 0
}
if [ "${2-}" = inside ]; then inside "$3"; fi

skip() { echo "1..0 # SKIP $1"; exit 0; }
lab=$here/../lab
kernel=$("$lab/kernel.sh" guest-6.1 2>/dev/null) || skip 'no Debian guest kernel can be had here'
ovmf=$("$lab/firmware.sh" ovmf-trixie 2>/dev/null) || skip 'no Debian OVMF for TDX can be had here'
"$lab/lab.sh" --where >/dev/null 2>&1 || skip 'no lab, and no fast /dev/kvm'
out=$build/tdx_quote
rm -rf "$out"
mkdir -p "$out/keys"
"$build/sev/sim/casemate-sim-platform" create "$out/keys/platform" --ark-dir "$out/keys" --product TDX \
	--quote-version 5
cp "$kernel/vmlinuz" "$out/vmlinuz"
cat "$ovmf/OVMF_VARS_4M.fd" "$ovmf/OVMF_CODE_4M.fd" >"$out/OVMF.fd"
cat >"$out/start" <<-END
	#!/bin/busybox sh
	echo quote-begins
	/agent evidence --evidence simulated --report-data $data 2>/dev/null | base64
	echo quote-ends
END
chmod +x "$out/start"
"$lab/initramfs.sh" "$out/initrd.img" "$kernel" --exe "$build/attest/agent/casemate-agent-sim:/agent" \
	--file "$out/start:/etc/start" || skip 'no initramfs can be made here'
cat >"$out/policy.jsonc" <<-'END'
	{
	  "schema": "launch-policy/1", "name": "test.vm/tdx-quote", "serial": 1,
	  "labels": {"env": "test", "data_class": "none"},
	  "tee": {"type": "tdx", "simulated": true, "tdx": {
	    "attributes": {"debug": false, "sept_ve_disable": "require"}, "quoting": "qgs.sock"}},
	  "boot": {"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "vmlinuz"}, "initrd": {"file": "initrd.img"},
	    "cmdline": "console=ttyS0 quiet panic=-1"},
	  "machine": {"vcpus": 2, "memory_mib": 512},
	  "devices": {"console": "serial"},
	  "host": {"seccomp": "strict", "core_dump": "forbid"},
	  "audit": {"ledger": "ledger", "key": "ledger-key.pem", "origin": "log.example/test"}
	}
END
"$lab/lab.sh" --out "$out" --timeout 480 -- "$here/tdx_quote.sh" "$build" inside "$out" || true

n=0
failed=0
check() { # NAME COMMAND...
	n=$((n + 1))
	if "${@:2}"; then echo "ok $n - $1"; else
		failed=1
		echo "not ok $n - $1"
		tail -n 20 "$out/log" "$out/console" "$out/qgs.log" "$out/verify.err" 2>/dev/null | cut -c1-200 | sed 's/^/# /'
	fi
}
verify() { # POLICY DATA ROW=STATUS...: what the verifier says of the quote
	"$build/attest/casemate-attest" verify --evidence "$out/quote" --root "$out/keys/tdx-root.pem" \
		--collateral "$out/keys/tdx-collateral" --policy "$out/$1" --report-data "$2" \
		--json >"$out/verdict.json" 2>"$out/verify.err"
	python3 -c '
import json, sys
v = json.load(open(sys.argv[1]))
rows = {r["row"]: r["status"] for r in v["rows"]}
rows["trust_class"], rows["verdict"] = v["trust_class"], v["verdict"]
bad = [(row, rows[row]) for row, want in (w.split("=") for w in sys.argv[2:]) if rows[row] != want]
for row, status in bad:
    print(f"# {row}: {status}")
sys.exit(bool(bad))' "$out/verdict.json" "${@:3}"
}
check 'the guest ran and powered off' grep -qx 0 "$out/status"
check 'its quote came out' test -s "$out/quote"
check 'the verifier affirms it, as simulated and as launched by its policy' verify policy.jsonc "$data" \
	trust_class=simulated verdict=affirming signature=affirming chain=affirming report_data=affirming \
	host_data=affirming measurement=affirming
check 'it says nothing about other report data' verify policy.jsonc "${data/7/8}" \
	verdict=contraindicated signature=affirming report_data=contraindicated
sed 's/"serial": 1/"serial": 2/' "$out/policy.jsonc" >"$out/other.jsonc"
check 'it is not of another policy, though of the same bytes' verify other.jsonc "$data" \
	verdict=contraindicated host_data=contraindicated measurement=affirming
echo "1..$n"
exit "$failed"
