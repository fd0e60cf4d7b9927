#!/bin/bash
# cgroup_suite.sh BUILD IMAGES: what cgroups do to real guests, as TAP; cgroup.sh starts it in the lab,
# as root, with the unified hierarchy at /sys/fs/cgroup to itself.
set -uo pipefail
build=${1:?usage: cgroup_suite.sh BUILD IMAGES} images=${2:?usage: cgroup_suite.sh BUILD IMAGES}
casemate=$build/vmm/super/casemate
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/say.sh"
top=/sys/fs/cgroup
as=() # who runs it

policy() { # NAME [HOST-JSON]: a guest that waits, with a disk, console and random numbers
	dir=$work/$1
	mkdir -p "$dir"
	ln -sf "$images/6.1/vmlinuz" "$images/6.1/initrd.img" "$dir/"
	truncate -s 8M "$dir/disk.img"
	cat >"$dir/policy.jsonc" <<-END
		{
		  "schema": "launch-policy/1", "name": "test.cgroup/$1", "serial": 1,
		  "labels": {"env": "dev", "data_class": "none"},
		  "tee": {"type": "none"},
		  "boot": {"kernel": {"file": "$images/6.1/vmlinuz"}, "initrd": {"file": "$images/6.1/initrd.img"},
		    "cmdline": "console=ttyS0 quiet panic=-1 casemate.test=wait"},
		  "machine": {"vcpus": 1, "memory_mib": 256},
		  "devices": {"console": "serial", "rng": true,
		    "disk": [{"id": "first", "file": "disk.img", "mode": "rw", "integrity": "none"}]},
		  "host": {"seccomp": "strict", "core_dump": "forbid"${2:+, $2}}
		}
	END
	chmod -R a+rX "$dir"
}
start() { # in the background; waits for the guest's init, sets $pid and $folder
	"${as[@]}" "$casemate" run "$dir/policy.jsonc" >"$dir/out" 2>"$dir/err" </dev/null &
	pid=$!
	for _ in $(seq 300); do
		if grep -q 'casemate-test: waiting' "$dir/out"; then
			folder=$(echo "$top$base"/casemate/*."$pid")
			return 0
		fi
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.2
	done
	return 1
}
ends() { # within 20 seconds
	for _ in $(seq 200); do
		kill -0 "$pid" 2>/dev/null || { wait "$pid"; return 0; }
		sleep 0.1
	done
	return 1
}
own() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }
read_of() { cat "$folder/$1" 2>/dev/null; }

# alone PID FOLDER: nobody else in it but a worker thread of the kernel's, as KVM makes one.
alone() {
	local other
	for other in $(cat "$2/cgroup.procs"); do
		[ "$other" = "$1" ] || ! readlink "/proc/$other/exe" >/dev/null || return 1
	done
	grep -qx "$1" "$2/cgroup.procs"
}
# leaves: every child of the supervisor alone in a folder of the guest's own.
leaves() {
	local child path n=0 children
	children=$(pgrep -P "$pid")
	for child in $children; do
		path=$(own "$child")
		if [ "$(dirname "$top$path")" != "$folder" ] || ! alone "$child" "$top$path"; then
			echo "# $(cat "/proc/$child/comm") is in $path with $(tr '\n' ' ' <"$top$path/cgroup.procs")"
			return 1
		fi
		n=$((n + 1))
	done
	[ "$n" -ge 3 ] # monitor, disk, random numbers, and a console where there is one
}
# limits: memory and processes of it are bounded, nothing of it is swapped.
limits() {
	local leaf
	for leaf in "$folder"/*/; do
		if [ "$(cat "$leaf/memory.max")" = max ] || [ "$(cat "$leaf/pids.max")" = max ] ||
			[ "$(cat "$leaf/memory.swap.max")" != 0 ]; then
			echo "# $leaf"
			return 1
		fi
	done
}
gone() { # the folder, within 5 seconds
	for _ in $(seq 50); do
		[ -e "$folder" ] || return 0
		sleep 0.1
	done
	return 1
}

base=
CMOCKA_MESSAGE_OUTPUT=TAP "$build/tests/proc/test_cgroup" --lab 2>&1 | sed 's/^/# /'
check 'tests/proc/test_cgroup holds here' [ "${PIPESTATUS[0]}" -eq 0 ]

policy limited '"limits": {"cpu_percent": 150, "cpu_weight": 50, "io_weight": 70, "overhead_mib": 96}'
check 'a guest starts' start
check 'each of its processes is alone in a leaf' leaves
check 'each leaf has its limits' limits
check 'the policy'"'"'s limits are the guest'"'"'s' eval \
	'[ "$(read_of cpu.max)" = "150000 100000" ] && [ "$(read_of cpu.weight)" = 50 ] &&
	[ "$(read_of io.weight)" = "default 70" ] && [ "$(read_of memory.max)" = $(((256 + 96) << 20)) ] &&
	[ "$(read_of memory.oom.group)" = 1 ]'
check 'nobody but root looks into it' [ "$(stat -c %a "$folder")" = 700 ]
kill -TERM "$pid"
check 'it ends when it is told to' ends
check 'and leaves no folder' gone

policy hungry
check 'a guest starts that will be hungry' start
child=$(pgrep -P "$pid" -f casemate-dev-blk)
leaf=$top$(own "$child")
echo 64K >"$leaf/memory.max"
check 'a process that may have no memory ends the guest' ends
check 'and the cause is said' grep -qi 'used more memory than it may' "$dir/err"
check 'the rest is gone too' gone

policy killed
check 'a guest starts whose supervisor will be killed' start
kill -KILL "$pid"
wait "$pid" 2>/dev/null
check 'its processes go with it' none_left
check 'its folder stays' [ -d "$folder" ]
left=$folder
policy next
check 'the next guest starts' start
check 'and has removed what was left' [ ! -e "$left" ]
first=$folder first_pid=$pid
policy beside
check 'another starts beside it' start
check 'and has not removed what lives' [ -d "$first" ]
kill -TERM "$pid" "$first_pid"
ends
pid=$first_pid
check 'both end' ends
check 'no folder is left' [ -z "$(find "$top/casemate" -mindepth 1 -type d)" ]

# A user: the folder of a service manager, handed over as Delegate=yes does.
user=4711
as=(setpriv --reuid "$user" --regid "$user" --clear-groups)
if ! "${as[@]}" test -x "$casemate" -a -w /dev/kvm; then
	skip 'a user with a delegated folder' 'others cannot reach the build'
else
	policy user
	chown -R "$user" "$dir"
	check 'a user without a folder runs a guest without limits' start
	check 'and is in nobody'"'"'s folder' [ "$(own "$(pgrep -P "$pid" -f casemate-monitor)")" = / ]
	kill -TERM "$pid"
	check 'it ends' ends
	base=/user.scope
	mkdir "$top$base"
	chown "$user" "$top$base" "$top$base"/cgroup.{procs,threads,subtree_control}
	as=(bash -c "echo \$\$ >$top$base/cgroup.procs && exec setpriv --reuid $user --regid $user --clear-groups \"\$@\"" as)
	check 'a user with a delegated folder runs a guest' start
	check 'its processes have leaves' leaves
	check 'with limits' limits
	check 'the supervisor has moved out of the way' [ "$(own "$pid")" = "$base/casemate/supervisor-$pid" ]
	kill -TERM "$pid"
	check 'the guest ends' ends
	check 'and leaves no folder of its own' gone
fi
echo "1..$n"
