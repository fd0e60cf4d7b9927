#!/bin/bash
# agent_broker_disks.sh BUILD: guests whose host tampers with their disks, or whose broker is away:
# the agent must say which step failed and why, start nothing, and report status 1. TAP.
# The images are those of the demo, made anew; guests run where /dev/kvm is fast (tests/lab).
# Skipped (77) where no guest can run.
set -uo pipefail
build=$(cd "${1:?usage: agent_broker_disks.sh BUILD}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
src=$(cd "$here/../.." && pwd -P)
lab=$src/tests/lab
demo=$src/tests/demo
out=$build/agent-disks
casemate=$build/vmm/super/casemate
PATH=$PATH:/usr/sbin:/sbin
offset=$((8 << 20)) # root.sh: where the hash tree's superblock stands

# --- outside: images that need no kernel of ours ------------------------------------------------
prepare() {
	local kernel modules=() m
	kernel=$("$lab/kernel.sh" guest-6.1) || exit 77
	rm -rf "$out"
	mkdir -p "$out/payments" "$out/keys"
	cp "$kernel/vmlinuz" "$out/payments/vmlinuz"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=casemate-broker \
		-addext subjectAltName=DNS:casemate-broker -addext basicConstraints=critical,CA:TRUE \
		-keyout "$out/keys/broker.key" -out "$out/keys/broker.pem" 2>/dev/null
	"$build/sev/sim/casemate-sim-platform" create "$out/keys/platform" --ark-dir "$out/keys" \
		--report-version 5 --product Genoa >/dev/null
	for m in virtio_pci virtio_blk virtio_rng vmw_vsock_virtio_transport dm-crypt dm-verity dm-integrity ext4 \
		algif_skcipher aesni_intel xts authenc hmac sha256_generic; do
		modules+=(--module "$m")
	done
	"$lab/initramfs.sh" "$out/payments/initrd.img" "$kernel" --exe "$build/attest/agent/casemate-agent-sim:/init" \
		--file "$out/keys/broker.pem:/etc/casemate/broker-ca.pem" "${modules[@]}"
	"$demo/root.sh" "$out/payments"
	python3 "$demo/make_policy.py" "$src/policy/examples/payments.policy.jsonc" "$out"
	openssl genpkey -algorithm ed25519 -out "$out/keys/ledger.pem" 2>/dev/null
	openssl genpkey -algorithm ed25519 -out "$out/keys/broker-ledger.pem" 2>/dev/null
}

# --- inside: one guest a case --------------------------------------------------------------------
n=0
failed=0
broker=

# poke FILE OFFSET HEX: overwrite bytes.
poke() { printf '%b' "$(sed 's/../\\x&/g' <<<"$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# guest NAME STATUS PATTERN...: run one with the images as they are; each pattern must be on its console.
guest() {
	local name=$1 want=$2 status pattern problem=
	shift 2
	"$casemate" run payments.policy.jsonc --simulator keys/platform >console 2>log
	status=$?
	[ "$status" -eq "$want" ] || problem="status $status, want $want"
	for pattern; do
		grep -qa -- "$pattern" console || problem="$problem; no \"$pattern\""
	done
	[ "$want" -eq 0 ] || ! grep -qa settlement: console || problem="$problem; the workload ran"
	n=$((n + 1))
	if [ -z "$problem" ]; then
		echo "ok $n - $name"
		grep -a FAILED console | tr -d '\r' | sed 's/^/# /'
	else
		echo "not ok $n - $name"
		{ echo "$problem"; cat console log; } | tr -d '\r' | sed 's/^/# /'
		failed=1
	fi
	cp --sparse=always pristine/* payments/
}

# volume FORMAT-OPTION...: another LUKS2 volume of the host's making, with the right key.
volume() {
	truncate -s 48M /tmp/other.img
	cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$@" \
		/tmp/other.img </dev/null 2>format.log || sed 's/^/# /' format.log
	cp --sparse=always /tmp/other.img payments/transactions.img
}

broker_start() {
	"$casemate" broker serve --config broker.jsonc >broker.log 2>&1 &
	broker=$!
	for _ in $(seq 100); do grep -q 'serving on' broker.log && return; sleep 0.1; done
}

walk() {
	local digest work
	work=$(mktemp -d /tmp/casemate-disks.XXXXXX)
	trap '[ -z "$broker" ] || kill "$broker"; rm -rf "$work"' EXIT
	cp -a "$out/." "$work"
	cd "$work" || exit 5
	cp keys/ledger.pem ledger-key.pem
	"$demo/volume.sh" payments >&2 || exit 5
	mkdir pristine
	cp --sparse=always payments/root.img payments/transactions.img pristine/
	"$casemate" ledger init ledger --origin log.example/casemate/payments --key ledger-key.pem >/dev/null
	"$casemate" ledger init broker-ledger --origin log.example/broker --key keys/broker-ledger.pem >/dev/null
	cat >broker.jsonc <<-END
		{
		  "listen": "broker.sock", "store": "store", "roots": ["keys/ark.pem"],
		  "tls": {"certificate": "keys/broker.pem", "key": "keys/broker.key"},
		  "ledger": {"folder": "broker-ledger", "key": "keys/broker-ledger.pem", "origin": "log.example/broker"}
		}
	END
	digest=$("$casemate" measure payments.policy.jsonc)
	"$casemate" broker secret put payments/disk/transactions-kek --config broker.jsonc --file payments/transactions.key
	"$casemate" broker policy put payments.policy.jsonc --config broker.jsonc --launch-digest "$digest" >/dev/null
	broker_start

	guest 'a guest whose disks are as they were runs its workload' 0 'settlement: written'

	poke payments/root.img $((offset + 4096 + 100)) ffffffff
	guest 'a changed hash tree is refused' 1 'FAILED at root'
	poke payments/root.img $((offset + 72)) 0100000000000000
	guest 'a superblock with fewer blocks of data is refused' 1 'FAILED at root' 'blocks of data'
	poke payments/root.img $((offset + 32)) 6d64350000000000
	guest 'a superblock with another hash is refused' 1 'FAILED at root'
	poke payments/root.img 1080 0000
	guest 'a changed file system is refused' 1 'FAILED at root'

	volume --cipher cipher_null-ecb --key-size 256 --key-file payments/transactions.key
	guest 'a volume that is not encrypted is refused' 1 'FAILED at volume' 'not encrypted with'
	volume --cipher aes-xts-plain64 --key-size 512 --key-file payments/transactions.key
	guest 'a volume without integrity is refused' 1 'FAILED at volume' 'no integrity'
	head -c 32 /dev/urandom >other.key
	volume --cipher aes-xts-plain64 --key-size 512 --integrity hmac-sha256 --integrity-no-wipe --key-file other.key
	guest 'a volume of another key is refused' 1 'FAILED at volume' 'does not open it'
	truncate -s 0 payments/transactions.img
	truncate -s 48M payments/transactions.img
	guest 'an empty volume is refused' 1 'FAILED at volume' 'not a LUKS2 volume'

	kill "$broker"
	wait "$broker" 2>/dev/null
	broker=
	guest 'without its broker a guest starts nothing' 1 'FAILED at challenge'
	echo "1..$n"
	exit "$failed"
}

if [ "${2-}" = inside ]; then
	walk
fi
prepare >&2
status=0
"$lab/lab.sh" --timeout 900 -- "$0" "$build" inside || status=$?
[ "$status" -ne 4 ] || status=77
exit "$status"
