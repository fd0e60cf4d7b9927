#!/bin/bash
# demo.sh BUILD: the main job, watched; then an attack on it. Prepares images and keys here, and
# walks (walk.sh) where /dev/kvm is fast: on this machine, or in the lab. Everything it leaves is in
# BUILD/demo. Exit status: 0 all as it must be; 1 something was not; 4 this machine lacks something.
set -euo pipefail
build=$(cd "${1:?usage: demo.sh BUILD}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
src=$(cd "$here/../.." && pwd -P)
lab=$here/../lab
out=$build/demo
PATH=$PATH:/usr/sbin:/sbin
started=$SECONDS

say() { printf '%s\n' "$*" >&2; }
die() { say "demo: $2"; exit "$1"; }

say 'casemate demo: a payments batch over an encrypted volume, in a guest that must prove itself first'
say "  preparing (what is left is in $out)"
rm -rf "$out"
mkdir -p "$out/payments" "$out/keys"
chmod 700 "$out"

kernel=$("$lab/kernel.sh" guest-6.1) || die 4 'no Debian guest kernel can be had here'
cp "$kernel/vmlinuz" "$out/payments/vmlinuz"
say "  kernel: Debian $(cat "$kernel/version"), as packaged"

# The relying party's certificate; the guest's measured initramfs says that it alone is trusted.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=casemate-broker \
	-addext subjectAltName=DNS:casemate-broker -addext basicConstraints=critical,CA:TRUE \
	-keyout "$out/keys/broker.key" -out "$out/keys/broker.pem" 2>/dev/null
say '  simulated secure processor: ARK, ASK (RSA-4096), VCEK (ECDSA P-384), report version 5'
"$build/sev/sim/casemate-sim-platform" create "$out/keys/platform" --ark-dir "$out/keys" --report-version 5 \
	--product Genoa >/dev/null

modules=()
for m in virtio_pci virtio_blk virtio_rng vmw_vsock_virtio_transport dm-crypt dm-verity dm-integrity ext4 \
	algif_skcipher aesni_intel xts authenc hmac sha256_generic; do
	modules+=(--module "$m")
done
"$lab/initramfs.sh" "$out/payments/initrd.img" "$kernel" --exe "$build/attest/agent/casemate-agent-sim:/init" \
	--file "$out/keys/broker.pem:/etc/casemate/broker-ca.pem" "${modules[@]}"
say "  initramfs: the agent and $((${#modules[@]} / 2)) modules, $(($(stat -c %s "$out/payments/initrd.img") >> 20)) MiB, all of it measured"
"$here/root.sh" "$out/payments"
python3 "$here/make_policy.py" "$src/policy/examples/payments.policy.jsonc" "$out"
openssl genpkey -algorithm ed25519 -out "$out/keys/host-ledger.pem" 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$out/keys/broker-ledger.pem" 2>/dev/null

say "  prepared in $((SECONDS - started)) s; walking $([ "$("$lab/lab.sh" --where)" = host ] && echo 'on this machine' || echo 'in the lab: its kernel boots first')"
status=0
"$lab/lab.sh" --out "$out" --timeout 900 -- "$here/walk.sh" "$build" "$out" || status=$?
say ''
say "demo: $([ "$status" -eq 0 ] && echo 'everything was as it must be' || echo "NOT everything was as it must be (status $status)"), in $((SECONDS - started)) s"
exit "$status"
