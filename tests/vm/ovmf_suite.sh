#!/bin/bash
# ovmf_suite.sh BUILD IMAGES: Debian's own OVMF under casemate, as TAP. Runs where /dev/kvm is fast:
# ovmf.sh starts it in the lab. All guests share one file of variables, as one machine would.
set -uo pipefail
build=${1:?usage: ovmf_suite.sh BUILD IMAGES} images=${2:?usage: ovmf_suite.sh BUILD IMAGES}
casemate=$build/vmm/super/casemate
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/say.sh"
cp "$images/OVMF_VARS_4M.fd" "$work/vars.fd"

# policy NAME VCPUS MIB KERNEL-OR-DISK: a plain guest with firmware
policy() {
	local boot='' disk=''
	dir=$work/$1
	mkdir -p "$dir"
	if [ "$4" = kernel ]; then
		boot=", \"kernel\": {\"file\": \"$images/vmlinuz\"}, \"initrd\": {\"file\": \"$images/initrd.img\"},
			\"cmdline\": \"console=ttyS0 quiet panic=-1 casemate.test=efi\""
	else
		disk=", \"disk\": [{\"id\": \"first\", \"file\": \"$4\", \"mode\": \"rw\", \"integrity\": \"none\"}]"
	fi
	cat >"$dir/policy.jsonc" <<-END
		{
		  "schema": "launch-policy/1", "name": "test.vm/${1,,}", "serial": 1,
		  "labels": {"env": "dev", "data_class": "none"},
		  "tee": {"type": "none"},
		  "boot": {"firmware": {"file": "$images/OVMF_CODE_4M.fd"}, "flash_vars": {"file": "$work/vars.fd"}$boot},
		  "machine": {"vcpus": $2, "memory_mib": $3, "hugepages": "no"},
		  "devices": {"console": "serial"$disk},
		  "host": {"seccomp": "strict", "core_dump": "forbid"}
		}
	END
}
run() { # in the foreground; $status, $dir/out, $dir/err, and how long it took
	local from=$SECONDS
	timeout -k 5 300 "$casemate" run "$dir/policy.jsonc" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	echo "# ${dir##*/}: $((SECONDS - from)) s"
}
memory() { # at least MIB, as the guest's kernel counts it
	[ "$(sed -n 's/.*casemate-test: memory \([0-9]*\).*/\1/p' "$dir/out")" -ge "$1" ]
}

policy one 1 256 kernel
run
check 'OVMF starts a kernel with ramdisk and command line; 1 vCPU, 256 MiB' eval \
	'ended 0 && said "cpus 1[^0-9]" && memory 180'
check 'the guest writes a variable' said 'variable written'
check 'the variables are in their file, which did not grow' eval \
	'! cmp -s "$work/vars.fd" "$images/OVMF_VARS_4M.fd" &&
	[ "$(stat -c %s "$work/vars.fd")" = "$(stat -c %s "$images/OVMF_VARS_4M.fd")" ]'

policy two 2 3072 kernel
run
check 'OVMF starts a kernel; 2 vCPUs, 3 GiB' eval 'ended 0 && said "cpus 2[^0-9]" && memory 2900'
check 'the variable survived the restart' said 'variable kept'

policy eight 8 8192 kernel
run
check 'OVMF starts a kernel; 8 vCPUs, 8 GiB' eval 'ended 0 && said "cpus 8[^0-9]" && memory 7800'

if [ -e "$images/efi.img" ]; then
	cp "$images/efi.img" "$work/efi.img"
	policy disk 2 256 "$work/efi.img"
	run
	check 'OVMF starts an OS from the EFI system partition of a virtio disk' eval \
		'ended 0 && said "init reached" && said "cpus 2[^0-9]"'
else
	skip 'OVMF starts an OS from the EFI system partition of a virtio disk' 'its packages cannot be had here'
fi

# boot_nothing NAME PATTERN: a guest with an empty disk, until its firmware says PATTERN; $pid
boot_nothing() {
	policy "$1" 1 512 "$work/blank.img"
	[ "$1" = nothing ] || sed -i "s|\"boot\": .*|\"boot\": {\"firmware\": {\"file\": \"$images/$1.fd\"}},|" "$dir/policy.jsonc"
	"$casemate" run "$dir/policy.jsonc" >"$dir/out" 2>"$dir/err" </dev/null &
	pid=$!
	for _ in $(seq 300); do
		! grep -q "$2" "$dir/out" && kill -0 "$pid" 2>/dev/null || break
		sleep 1
	done
}
stop() {
	kill -TERM "$pid"
	wait "$pid"
}
truncate -s 4M "$work/blank.img"
boot_nothing nothing 'Shell>'
check 'with nothing to boot the firmware ends in its own shell' grep -q 'Shell>' "$dir/out"
check 'and the guest waits' kill -0 "$pid"
stop
check 'until it is stopped' none_left

# The firmware of encrypted guests, without variables, in a plain one.
for firmware in OVMF.amdsev OVMF.inteltdx.ms; do
	if [ -e "$images/$firmware.fd" ]; then
		boot_nothing "$firmware" 'BdsDxe: No bootable option'
		check "$firmware looks for something to boot" grep -q 'BdsDxe: No bootable option' "$dir/out"
		stop
	else
		skip "$firmware looks for something to boot" 'its package cannot be had here'
	fi
done

echo "1..$n"
