#!/bin/bash
# suite.sh BUILD IMAGES: guests under casemate, as TAP. Runs where /dev/kvm is fast: vm_test.sh
# starts it in the lab. IMAGES holds 6.1/ and, where it could be had, 6.12/ (vmlinuz, initrd.img).
set -uo pipefail
build=${1:?usage: suite.sh BUILD IMAGES} images=${2:?usage: suite.sh BUILD IMAGES}
casemate=$build/vmm/super/casemate
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/say.sh"

# policy DIR KERNEL TEST [VCPUS MIB EXTRA-DEVICES-JSON [HUGEPAGES]]: a plain guest, guest_init.sh TEST
policy() {
	dir=$work/$1
	mkdir -p "$dir"
	ln -f "$images/$2/vmlinuz" "$images/$2/initrd.img" "$dir/" 2>/dev/null ||
		cp "$images/$2/vmlinuz" "$images/$2/initrd.img" "$dir/"
	cat >"$dir/policy.jsonc" <<-END
		{
		  "schema": "launch-policy/1", "name": "test.vm/$1", "serial": 1,
		  "labels": {"env": "dev", "data_class": "none"},
		  "tee": {"type": "none"},
		  "boot": {"kernel": {"file": "vmlinuz"}, "initrd": {"file": "initrd.img"},
		    "cmdline": "console=ttyS0 quiet panic=-1 casemate.test=$3"},
		  "machine": {"vcpus": ${4:-1}, "memory_mib": ${5:-256}, "hugepages": "${7:-no}"},
		  "devices": {"console": "serial"${6:+, $6}},
		  "host": {"seccomp": "strict", "core_dump": "forbid"}
		}
	END
}
run() { # [RUN-OPTION]...: in the foreground; $status, $dir/out, $dir/err
	timeout -k 5 90 "$casemate" run "$@" "$dir/policy.jsonc" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
}
start() { # in the background; waits for the guest's init, sets $pid
	"$casemate" run "$dir/policy.jsonc" >"$dir/out" 2>"$dir/err" </dev/null &
	pid=$!
	for _ in $(seq 300); do
		grep -q 'casemate-test: waiting' "$dir/out" && return 0
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.2
	done
	return 1
}
wait_for() { # PID, at most 20 seconds; sets $status
	for _ in $(seq 200); do
		kill -0 "$1" 2>/dev/null || { wait "$1"; status=$?; return 0; }
		sleep 0.1
	done
	return 1
}

policy boot-6.1 6.1 boot
run
check 'Debian 6.1 reaches its init and switches off' eval 'ended 0 && said "init reached, Linux 6.1"'

if [ -e "$images/6.12/vmlinuz" ]; then
	policy boot-6.12 6.12 boot
	run
	check 'Debian 6.12 reaches its init and switches off' eval 'ended 0 && said "init reached, Linux 6.12"'
else
	skip 'Debian 6.12 reaches its init and switches off' 'its package cannot be had here'
fi

policy cpus 6.1 cpus 4 256
run
check 'a guest with 4 vCPUs has 4 and each does work' eval 'ended 0 && said "cpus 4"'

policy memory 6.1 memory 1 4096
run
check 'memory above the hole below 4 GiB is usable' eval \
	'ended 0 && [ "$(sed -n "s/.*casemate-test: memory \([0-9]*\).*/\1/p" "$dir/out")" -gt 3700 ]'

policy small 6.1 boot 1 128
run
check 'a guest of 128 MiB boots' eval 'ended 0 && said "init reached"'

huge=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
kept=$(cat "$huge")
echo 140 2>/dev/null >"$huge"
if [ "$(cat "$huge")" -ge 140 ]; then
	policy huge 6.1 memory 1 256 '' 2M
	run
	check 'a guest on huge pages boots' eval 'ended 0 && said "memory 2"'
else
	skip 'a guest on huge pages boots' 'no 140 huge pages can be had here'
fi
echo "$kept" 2>/dev/null >"$huge"

if [ "$(id -u)" -eq 0 ] && setpriv --reuid 65534 --regid 65534 --clear-groups unshare -U true 2>/dev/null &&
	setpriv --reuid 65534 --regid 65534 --clear-groups test -w /dev/kvm -a -x "$casemate"; then
	policy rootless 6.1 rng 1 256 '"rng": true'
	chmod 755 "$work"
	chmod -R a+rX "$dir"
	timeout -k 5 90 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$casemate" run "$dir/policy.jsonc" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	check 'a user without rights runs a guest' eval 'ended 0 && said "rng virtio_rng.0 64" && none_left'
else
	skip 'a user without rights runs a guest' 'no user namespaces for others, or no access to /dev/kvm or the build'
fi

policy disk 6.1 disk 1 256 '"disk": [
	{"id": "first", "file": "first.img", "mode": "rw", "discard": true, "integrity": "none"},
	{"id": "second", "file": "second.img", "mode": "ro", "integrity": "none"}]'
truncate -s 8M "$dir/first.img"
head -c 65536 /dev/urandom >"$dir/second.img"
cp "$dir/second.img" "$dir/second.orig"
run
written=$(yes casemate | head -c $((64 * 32 * 1024)) | sha256sum)
check 'the guest sees size, serial and read-only' eval \
	'ended 0 && said "disk 16384 ro 1" && said "serial first"'
check 'what the guest wrote and flushed is on the host' eval \
	'[ "$(head -c 1048576 "$dir/first.img" | sha256sum)" = "$(yes casemate | head -c 1048576 | sha256sum)" ] &&
	said "written ${written%% *}"'
check 'what the host wrote is read by the guest' eval 'said "second $(sha256sum <"$dir/second.orig" | cut -d" " -f1)"'
check 'a read-only disk stays as it is' cmp "$dir/second.img" "$dir/second.orig"
check 'a discarded range reads as zeros on the host' eval \
	'said discarded && [ -z "$(tail -c +1048577 "$dir/first.img" | head -c 65536 | tr -d "\0")" ]'

policy rng 6.1 rng 1 256 '"rng": true'
run
check 'the guest reads from its random number device' eval 'ended 0 && said "rng virtio_rng.0 64"'

policy status 6.1 status
run
check 'casemate run exits with the status that the workload reported' ended 7

policy reset 6.1 reset
run
check 'a reset ends the guest and says so' eval '! ended 0 && grep -qi reset "$dir/err"'

policy hvc 6.1 hvc
sed -i 's/"console": "serial"/"console": "virtio"/' "$dir/policy.jsonc"
run
check 'the guest writes through its virtio console' eval 'ended 0 && said "through hvc0"'

# kills VICTIM...: each in turn, in a guest of $dir/policy.jsonc
kills() {
	local victim
	for victim; do
		if start && kill -9 "$(pgrep "^${victim:0:15}" | head -n 1)" && wait_for "$pid"; then
			check "the guest ends when $victim is killed, and the message names it" eval \
				'! ended 0 && grep -q "${victim#casemate-}" "$dir/err" && none_left'
		else
			bad "the guest ends when $victim is killed, and the message names it" "$dir/out" "$dir/err"
			pkill -9 '^casemate'
		fi
	done
}
policy kill-console 6.1 wait
sed -i 's/"console": "serial"/"console": "virtio"/' "$dir/policy.jsonc"
kills casemate-dev-console
policy kill 6.1 wait 1 256 '"rng": true, "vsock": {"cid": 5, "ports": [{"port": 7001, "socket": "s"}]}, "disk": [
	{"id": "first", "file": "first.img", "mode": "rw", "integrity": "none"}]'
truncate -s 8M "$dir/first.img"
kills casemate-dev-blk casemate-dev-rng casemate-dev-vsock casemate-monitor

if start && kill -TERM "$pid" && wait_for "$pid"; then
	check 'SIGTERM to the supervisor ends everything in order' none_left
else
	bad 'SIGTERM to the supervisor ends everything in order' "$dir/out" "$dir/err"
	pkill -9 '^casemate'
fi

if start; then
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	check 'no process survives kill -9 of the supervisor' none_left
else
	bad 'no process survives kill -9 of the supervisor' "$dir/out" "$dir/err"
fi
pkill -9 '^casemate'

policy truncated 6.1 boot
head -c 300000 "$images/6.1/vmlinuz" >"$dir/short"
rm "$dir/vmlinuz"
mv "$dir/short" "$dir/vmlinuz"
run
check 'a truncated kernel is refused with status 3 and one cause' eval \
	'ended 3 && grep -q "kernel: truncated" "$dir/err" && none_left'

echo "1..$n"
