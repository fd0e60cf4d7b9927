#!/bin/bash
# selinux_suite.sh BUILD IMAGES TOOLS: guests under casemate where SELinux enforces, as TAP; selinux.sh
# starts it in the lab, where it is unconfined_t: an administrator's shell.
set -uo pipefail
usage='usage: selinux_suite.sh BUILD IMAGES TOOLS'
build=${1:?$usage} images=${2:?$usage} tools=${3:?$usage}
casemate=$build/vmm/super/casemate
work=/var/lib/casemate/images/suite files=/tmp/casemate-suite
mkdir -p "$work" "$files"
dir=$files
. "$(dirname "$0")/say.sh"

# policy NAME DISK [RANGE]: a guest with its own kernel, one disk of its own and one it shares.
policy() {
	dir=$files/$1
	mkdir -p "$dir"
	cat >"$dir/policy.jsonc" <<-END
		{
		  "schema": "launch-policy/1", "name": "test.selinux/$1", "serial": 1,
		  "labels": {"env": "dev", "data_class": "none"},
		  "tee": {"type": "none"},
		  "boot": {"kernel": {"file": "$boot/vmlinuz"}, "initrd": {"file": "$boot/initrd.img"},
		    "cmdline": "console=ttyS0 quiet panic=-1 casemate.test=wait"},
		  "machine": {"vcpus": 1, "memory_mib": 256},
		  "devices": {"console": "virtio", "rng": true,
		    "vsock": {"cid": 5, "ports": [{"port": 7001, "socket": "$dir/s"}]}, "disk": [
		    {"id": "own", "file": "$2", "mode": "rw", "integrity": "none"},
		    {"id": "base", "file": "$boot/base.img", "mode": "ro", "integrity": "none"}]},
		  "host": {"seccomp": "strict", "core_dump": "forbid"${3:+, $3}}
		}
	END
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
ends() { # PID: asked to, it does within 20 seconds
	kill -TERM "$1"
	for _ in $(seq 200); do
		kill -0 "$1" 2>/dev/null || { wait "$1"; return 0; }
		sleep 0.1
	done
	return 1
}
label() { stat -c %C "$1"; }
is_labelled() { [ "$(label "$1")" = "$2" ] || { echo "# $1: $(label "$1"), want $2"; return 1; }; }
children() { pgrep -P "$1"; }
# domains PID: type and range of its children, a line each, sorted.
domains() {
	local child
	for child in $(children "$1"); do
		cut -d: -f3- <"/proc/$child/attr/current" | tr -d '\0'
		echo
	done | sed 's/\(_t\):/\1 /' | sort
}
pair_of() { domains "$1" | grep -o 's0:c[0-9]*,c[0-9]*' | sort -u; }
denials() { dmesg | grep -a 'avc: *denied' | grep -a ':casemate_[a-z_]*t:' ; }

# may SUBJECT-TYPE RANGE OBJECT-TYPE RANGE CLASS PERMISSION: the kernel's own answer.
may() {
	"$tools/run" selinux_check_access "system_u:system_r:$1:$2" "system_u:object_r:$3:$4" "$5" "$6" >/dev/null 2>&1
}
may_not() { ! may "$@"; }
refuses() { # WORD: run ends at once, and says so
	timeout 60 "$casemate" run "$dir/policy.jsonc" >"$dir/out" 2>"$dir/err" </dev/null && return 1
	grep -q "$1" "$dir/err"
}
are_content() { # FILE...
	local path
	for path; do is_labelled "$path" system_u:object_r:casemate_content_t:s0 || return 1; done
}
are_as_before() { # IMAGE...: and what is shared, and no journal is left
	local path
	for path; do is_labelled "$path" "$image" || return 1; done
	for path in "$boot"/*; do is_labelled "$path" "$kept" || return 1; done
	[ -z "$(ls "$journals")" ] || { ls "$journals" | sed 's/^/# journal left: /'; return 1; }
}

boot=/var/lib/casemate/boot journals=/var/lib/casemate/labels
cp "$images/6.1/vmlinuz" "$images/6.1/initrd.img" "$boot/"
head -c 65536 /dev/urandom >"$boot/base.img"
truncate -s 8M "$work/alpha.img" "$work/beta.img" "$work/gamma.img"
# Not ours from the start: a distribution's kernel, libvirt's images.
chcon -t usr_t "$boot"/*
chcon -t virt_image_t "$work"/*.img
kept=$(label "$boot/vmlinuz") image=$(label "$work/alpha.img")
expected='casemate_dev_blk_t casemate_dev_blk_t casemate_dev_console_t casemate_dev_rng_t casemate_dev_vsock_t casemate_monitor_t'

[ "$(cat /sys/fs/selinux/enforce)" = 1 ]
check 'SELinux enforces' test $? = 0

policy alpha "$work/alpha.img"
check 'a guest starts' start
a=$pid
policy beta "$work/beta.img"
check 'a guest starts beside it' start
b=$pid
ps -eZ | grep casemate_ | sed 's/^/# /'
for guest in "$a" "$b"; do
	check 'every process of a guest is in the domain of its role' test \
		"$(domains "$guest" | cut -d' ' -f1 | xargs)" = "$expected"
done
pair_a=$(pair_of "$a") pair_b=$(pair_of "$b")
check 'each guest has one pair of categories' eval \
	'[ "$(wc -l <<<"$pair_a")" = 1 ] && [ "$(wc -l <<<"$pair_b")" = 1 ] && [ -n "$pair_a" ] && [ -n "$pair_b" ]'
check 'no two guests have the same' test "$pair_a" != "$pair_b"
check 'disks have the pair of their guest' eval \
	'is_labelled "$work/alpha.img" "system_u:object_r:casemate_image_t:$pair_a" &&
	is_labelled "$work/beta.img" "system_u:object_r:casemate_image_t:$pair_b"'
check 'what both read has no categories' are_content "$boot"/*
denials >"$files/denials"
check 'nothing was denied to either' test ! -s "$files/denials"
sed 's/^/# /' "$files/denials"

blk=casemate_dev_blk_t image_t=casemate_image_t
check "a disk's process may read its guest's disk" may $blk "$pair_a" $image_t "$pair_a" file read
check "not the other guest's" may_not $blk "$pair_a" $image_t "$pair_b" file read
check 'not open one by its path' may_not $blk "$pair_a" $image_t "$pair_a" file open
check "not KVM, nor the other guest's memory" eval \
	'may_not $blk "$pair_a" kvm_device_t s0 chr_file ioctl && may_not $blk "$pair_a" casemate_ram_t "$pair_b" file write &&
	may $blk "$pair_a" casemate_ram_t "$pair_a" file write'
check 'the entropy device has no disk' may_not casemate_dev_rng_t "$pair_a" $image_t "$pair_a" file read
check 'the shell of an administrator cannot enter a role' eval \
	'! runcon -t casemate_dev_rng_t "$build/vmm/device/casemate-dev-rng" 2>/dev/null'

check 'the second guest ends' ends "$b"
check 'its disk has its old label, what the first one uses keeps its own' eval \
	'is_labelled "$work/beta.img" "$image" &&
	is_labelled "$boot/vmlinuz" system_u:object_r:casemate_content_t:s0'
kill -9 "$a"
wait "$a" 2>/dev/null
check 'nothing survives kill -9 of the supervisor' none_left
check 'it left its labels behind' is_labelled "$work/alpha.img" "system_u:object_r:casemate_image_t:$pair_a"
"$casemate" host recover >"$files/recovered" 2>&1
check 'casemate host recover puts four of them back' grep -qx '4 labels restored' "$files/recovered"
sed 's/^/# /' "$files/recovered"
check 'labels are as before' are_as_before "$work"/*.img

policy gamma "$work/gamma.img" '"mac_label": {"selinux": "s0:c12,c345"}'
check 'a guest with a static pair starts' start
c=$pid
check 'it has that pair' test "$(pair_of "$c")" = s0:c12,c345
policy delta "$work/beta.img" '"mac_label": {"selinux": "s0:c12,c345"}'
check 'another one with it is refused, and told who has it' refuses 'test.selinux/gamma'
# The power goes: what was synced is there, processes are not. A journal on the disk and labels as they
# were at that moment are what the next boot finds.
cp "$journals/c12,c345" "$files/journal"
kill -9 "$c"
wait "$c" 2>/dev/null
none_left
policy delta "$work/beta.img" '"mac_label": {"selinux": "required"}'
check 'after it the next launch restores first' eval 'start && is_labelled "$work/gamma.img" "$image"'
check 'and says so' grep -q 'labels restored' "$dir/err"
ends "$pid"
check 'labels are as before, again' are_as_before "$work"/*.img
cp "$files/journal" "$journals/c12,c345"
chcon "system_u:object_r:casemate_image_t:s0:c12,c345" "$work/gamma.img"
truncate -s -100 "$journals/c12,c345"
"$casemate" host recover >"$files/recovered" 2>&1
check 'a journal with a torn end restores what it has' eval \
	'grep -q "^[1-9] labels restored" "$files/recovered" && is_labelled "$work/gamma.img" "$image"'
rm -f "$journals"/c*

policy off "$work/off.img" '"mac_label": {"selinux": "off"}'
truncate -s 8M "$work/off.img"
chcon -t casemate_image_t "$work/off.img"
chcon -t casemate_content_t "$boot"/*
off=$(label "$work/off.img")
check 'a guest whose policy wants no labels starts' start
check 'types hold all the same' test "$(domains "$pid" | cut -d' ' -f1 | xargs)" = "$expected"
check 'its disk keeps its label' is_labelled "$work/off.img" "$off"
ends "$pid"

policy required "$work/alpha.img" '"mac_label": {"selinux": "required"}'
echo 0 >/sys/fs/selinux/enforce
check 'a policy that wants labels is refused where SELinux is permissive' refuses 'permissive'
echo 1 >/sys/fs/selinux/enforce
chcon -t bin_t "$build/vmm/device/casemate-dev-rng"
check 'a program with a wrong label is not started, and named' refuses dev-rng
check 'the log says what was denied' eval 'denials | grep -q "denied  { entrypoint } .*casemate-dev-rng"'
check 'nothing is left of that' eval 'none_left && is_labelled "$work/alpha.img" "$image"'

# The rest of the log is for whoever reads it: the last two cases are denied on purpose.
denials | sed 's/^/# /'
echo "1..$n"
