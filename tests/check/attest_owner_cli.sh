#!/bin/sh
# casemate-attest digest, id-block, sev-session, sev-secret from the command line: exit statuses and streams of the CLI
# contract, and a SEV launch from the owner's session to the secret, the firmware's part played by Python.
# usage: attest_owner_cli.sh CASEMATE-ATTEST SOURCE-ROOT
set -u
attest=$1
corpus=$2/tests/fuzz/corpus
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

both=$corpus/ovmf/both
check "a digest needs a mode" 2 "$attest" digest --firmware "$both"
check "and a firmware" 2 "$attest" digest --mode snp --vcpu-type EPYC
check "and QEMU's CPU model" 2 "$attest" digest --mode snp --firmware "$both"
check "a model nobody has is refused" 2 "$attest" digest --mode snp --firmware "$both" --vcpu-type EPYC-Naples
check "no vCPUs are refused" 2 "$attest" digest --mode snp --firmware "$both" --vcpu-type EPYC --vcpus 0
check "a command line needs a kernel" 2 "$attest" digest --mode snp --firmware "$both" --vcpu-type EPYC --cmdline x
check "a missing image is said" 3 "$attest" digest --mode snp --firmware "$work/none" --vcpu-type EPYC
check "a file that is no image is refused" 3 "$attest" digest --mode snp --firmware "$0" --vcpu-type EPYC
check "a kernel without a place for its hash is refused" 3 "$attest" digest --mode snp --vcpu-type EPYC \
	--firmware "$corpus/ovmf/sev" --kernel "$0"
check "an image without a descriptor has no MRTD" 3 "$attest" digest --mode tdx --firmware "$corpus/ovmf/sev"
check "EC2 and GCE measure no CPU model" 0 "$attest" digest --mode snp --firmware "$both" --vmm gce --vcpus 2
check "the digest alone is on the line" 0 grep -Eqx '[0-9a-f]{96}' "$work/out"
check "SEV is SHA-256 of the image" 0 "$attest" digest --mode sev --firmware "$both"
check "nothing else" 0 grep -qx "$(sha256sum "$both" | cut -d' ' -f1)" "$work/out"
check "MRTD comes in two orders" 0 "$attest" digest --mode tdx --firmware "$both" --json
check "as JSON with a schema" 0 python3 -c 'import json,sys
o = json.load(open(sys.argv[1]))
assert o["schema"] == "casemate.attest.digest/1" and o["mode"] == "tdx"
assert len(o["digest"]) == len(o["digest_two_pass"]) == 96 and o["digest"] != o["digest_two_pass"]' "$work/out"

for name in signed edited; do
	head -c 96 "$corpus/id_block/$name" >"$work/$name.block"
	tail -c 4096 "$corpus/id_block/$name" >"$work/$name.auth"
done
check "a signed ID block verifies" 0 "$attest" id-block "$work/signed.block" "$work/signed.auth" --json
check "its JSON has the digests of its keys" 0 python3 -c 'import json,sys
o = json.load(open(sys.argv[1]))
assert len(o["claims"]["id_key_digest"]) == 96 and len(o["claims"]["author_key_digest"]) == 96' "$work/out"
check "an edited one does not" 1 "$attest" id-block "$work/edited.block" "$work/edited.auth"
check "a cut one is malformed" 3 "$attest" id-block "$work/edited.auth" "$work/edited.auth"

chain=$corpus/sev_cert/chain
check "certificates are shown" 0 "$attest" show "$chain"
check "each with its key" 0 grep -q '^pdh .*EC P-384' "$work/out"
check "one that is cut is refused" 3 "$attest" show "$corpus/sev_cert/short"
check "a session needs a policy" 2 "$attest" sev-session --certs "$chain" --out "$work"
check "a session needs a genuine platform" 1 "$attest" sev-session --certs "$corpus/sev_cert/pek" --policy 0x5 --out "$work"
check "and writes nothing before" 1 test -e "$work/tik.bin"
check "a session with a real platform's PDH" 0 "$attest" sev-session --certs "$chain" --policy 0x9 --out "$work"
check "the keys are for the owner alone" 0 test "$(stat -c %a "$work/tek.bin" "$work/tik.bin" | uniq)" = 600
printf secret >"$work/key"
digest=$(python3 -c 'import hashlib,hmac,sys
work = sys.argv[1]
digest = hashlib.sha256(b"firmware").digest()
text = bytes([4, 1, 55, 21]) + (9).to_bytes(4, "little") + digest + bytes(16)
mac = hmac.new(open(work + "/tik.bin", "rb").read(16), text, hashlib.sha256).digest()
open(work + "/measure", "wb").write(mac + bytes(16))
print(digest.hex())' "$work")
launch="--sev-api 1.55.21 --sev-policy 0x9 --sev-digest $digest"
# shellcheck disable=SC2086
check "its measurement is affirmed" 0 "$attest" verify --evidence "$work/measure" --certs "$chain" \
	--tik "$work/tik.bin" $launch
check "by AMD's root" 0 grep -q 'verdict: affirming (sev, trust class hardware)' "$work/out"
head -c 16 "$work/tik.bin" >"$work/bare"
printf '%32s' x | cat "$work/bare" - >"$work/other"
# shellcheck disable=SC2086
check "a bare key does not say which PDH it is for" 1 "$attest" verify --evidence "$work/measure" --certs "$chain" \
	--tik "$work/bare" $launch
check "which is a warning" 0 grep -q 'verdict: warning' "$work/out"
# shellcheck disable=SC2086
check "another platform's certificates say nothing" 1 "$attest" verify --evidence "$work/measure" --certs "$chain" \
	--tik "$work/other" $launch
check "no hardware vouches" 0 grep -q 'verdict: contraindicated (sev, trust class host)' "$work/out"
check "not without the key" 1 "$attest" verify --evidence "$work/measure" --certs "$chain"
guid=736869e5-84f0-4973-92ec-06879ce3da0b
# shellcheck disable=SC2086
check "its secret is encrypted" 0 "$attest" sev-secret --keys "$work" --measure "$work/measure" $launch \
	--secret "$guid:$work/key" --out "$work"
check "the firmware finds the packet genuine" 0 python3 -c 'import base64,hashlib,hmac,sys
work = sys.argv[1]
read = lambda name: base64.b64decode(open(work + "/" + name).read())
head, data = read("secret-header.b64"), read("secret.b64")
size = len(data).to_bytes(4, "little")
text = b"\1" + head[:20] + size + size + data + open(work + "/measure", "rb").read()[:32]
assert hmac.new(open(work + "/tik.bin", "rb").read(16), text, hashlib.sha256).digest() == head[20:]
assert len(data) == 48 and b"secret" not in data' "$work"
check "no secret for another measurement" 1 "$attest" sev-secret --keys "$work" --measure "$work/measure" \
	--sev-api 1.55.20 --sev-policy 0x9 --sev-digest "$digest" --secret "$guid:$work/key" --out "$work"
# shellcheck disable=SC2086
check "a secret needs a GUID" 2 "$attest" sev-secret --keys "$work" --measure "$work/measure" $launch \
	--secret "$work/key" --out "$work"
echo "1..$n"
exit "$bad"
