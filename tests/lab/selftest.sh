#!/bin/bash
# selftest.sh: TAP test of the lab itself: lab.sh, kernel.sh, initramfs.sh, packages.list.
#
# The lab's part is skipped where none can be had. About a minute on two cores.
# shellcheck disable=SC2016 # scripts for other shells in single quotes
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0 failed=0

# ok NAME: reports the exit status of the command before it.
ok() {
	local status=$? verdict=ok
	count=$((count + 1))
	[ "$status" = 0 ] || { verdict='not ok' failed=$((failed + 1)); }
	echo "$verdict $count - $1"
}

# skip NAME WHY
skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

# exits STATUS COMMAND...: it ends with exactly that status; what it says is in $work/said.
exits() {
	local wanted=$1 status=0
	shift
	"$@" >"$work/said" 2>&1 || status=$?
	[ "$status" = "$wanted" ] && return
	echo "# expected status $wanted, found $status: $*"
	sed 's/^/# /' "$work/said"
	return 1
}

lab() { CASEMATE_LAB=lab "$here/lab.sh" "$@"; }

# start_lab: a lab that sleeps, with its machine running; its id is in $child.
start_lab() {
	CASEMATE_LAB=lab "$here/lab.sh" -- sleep 600 &
	child=$!
	wait_for has_machine
}

# machines: ids of the QEMUs whose shared folder is in ours, so of this test alone.
machines() { pgrep -f "qemu-system-x86_64 .*path=$work/casemate-lab" || true; }

has_machine() { [ -n "$(machines)" ]; }
has_no_machine() { [ -z "$(machines)" ]; }

# is_clean: no machine and no folder of a lab of ours is left.
is_clean() {
	local _
	for _ in {1..20}; do
		if has_no_machine && [ -z "$(find "$work" -name 'casemate-lab.*')" ]; then return; fi
		sleep 0.1
	done
	echo "# left behind: $(machines) $(find "$work" -name 'casemate-lab.*')"
	return 1
}

# wait_for COMMAND...: up to ten seconds.
wait_for() {
	local _
	for _ in {1..100}; do
		"$@" && return
		sleep 0.1
	done
	return 1
}

check_packages() {
	! grep -vE '^(#.*)?$|^[a-z0-9][a-z0-9.+-]*  # .+' "$here/../packages.list" | sed 's/^/# /' | grep .
	ok 'every package is listed with its reason'
	[ -z "$(sed -n 's/  #.*//p' "$here/../packages.list" | sort | uniq -d)" ]
	ok 'no package is listed twice'
}

check_refusals() {
	exits 2 "$here/kernel.sh" && exits 2 "$here/kernel.sh" guest-5.0
	ok 'kernel_refuses_names_it_does_not_know'
	printf 'Dir::Etc::SourceList "/dev/null";\nDir::Etc::SourceParts "/dev/null";\n' >"$work/apt.conf"
	APT_CONFIG=$work/apt.conf XDG_CACHE_HOME=$work/cache exits 4 "$here/kernel.sh" guest-6.1 &&
		grep -q 'name no Debian 12' "$work/said" && [ ! -e "$work/cache/casemate/kernel/guest-6.1" ] &&
		APT_CONFIG=$work/apt.conf XDG_CACHE_HOME=$work/cache exits 4 "$here/qemu.sh" &&
		[ -z "$(find "$work/cache/casemate" -name 'tmp.*')" ]
	ok 'kernel_says_that_there_is_no_mirror'
	exits 2 "$here/lab.sh" && exits 2 "$here/lab.sh" true && exits 2 "$here/lab.sh" --
	ok 'lab_refuses_a_line_without_a_command'
	exits 2 "$here/lab.sh" --out "$work/none" -- true &&
		exits 2 "$here/lab.sh" --env 1A=b -- true && exits 2 "$here/lab.sh" --timeout -1 -- true
	ok 'lab_refuses_bad_option_values'
	CASEMATE_LAB=moon exits 2 "$here/lab.sh" -- true
	ok 'lab_refuses_an_unknown_place'
}

check_here() {
	CASEMATE_LAB=host exits 7 "$here/lab.sh" --env 'A=b c' -- sh -c '[ "$A" = "b c" ] && exit 7'
	ok 'host_returns_the_status'
	CASEMATE_LAB=host exits 124 "$here/lab.sh" --timeout 1 -- sleep 60
	ok 'host_keeps_the_time_limit'
}

# print_probe: what runs in the lab; each line of its output is looked for below.
print_probe() {
	cat <<-'END'
		echo "to err" >&2
		echo "where $PWD"
		echo "env $A"
		printf 'argument [%s]\n' "$@"
		cmp "$0" "$SELF" && echo "tree readable"
		{ echo x >"$OUT/in/file" && mkdir "$OUT/in/dir"; } && echo "out written"
		{ echo x >"$OUT/lost"; } && echo "elsewhere written"
		{ mkfifo /tmp/fifo && echo >/dev/shm/x; } && echo "tmp writable"
		[ -z "${CASEMATE_STRAY-}" ] && echo "env clean"
		[ -w /dev/kvm ] && echo "speed $("$SPEED")"
		stat -fc 'cgroup %T' /sys/fs/cgroup
		ls /sys/kernel/security >/dev/null && losetup -f
		date '+date %s'
		sleep 600 &
		exit 7
	END
}

check_lab() {
	mkdir -p "$work/in" "$work/a b"
	print_probe >"$work/probe"
	"${CC:-gcc}" -O2 -o "$work/speed" "$here/speed.c"
	local status=0 out=$work/out now rate
	(cd "$work/a b" && CASEMATE_STRAY=1 lab --out "$work/in" --env OUT="$work" --env SELF="$work/probe" \
		--env SPEED="$work/speed" --env 'A=1 $2' --timeout 60 -- \
		bash "$work/probe" 'one two' "it's" $'new\nline' '') >"$out" 2>"$work/err" || status=$?
	sed 's/^/# /' "$out" "$work/err"
	[ "$status" = 7 ]
	ok 'lab_returns_the_status'
	[ "$(cat "$work/err")" = 'to err' ] && ! grep -q 'to err' "$out"
	ok 'lab_keeps_the_streams_apart'
	grep -qxF "where $work/a b" "$out" && grep -qxF 'env 1 $2' "$out" && grep -qx 'env clean' "$out"
	ok 'lab_passes_folder_and_environment'
	[ "$(sed -n '/^argument/,/^tree/p' "$out")" = $'argument [one two]\nargument [it\'s]
argument [new\nline]\nargument []\ntree readable' ]
	ok 'lab_passes_arguments_and_shows_the_tree'
	grep -qx 'out written' "$out" && [ -s "$work/in/file" ] && [ -d "$work/in/dir" ]
	ok 'lab_writes_to_out'
	grep -qx 'elsewhere written' "$out" && [ ! -e "$work/lost" ] && grep -qx 'tmp writable' "$out"
	ok 'lab_writes_nothing_else'
	rate=$(sed -n 's/^speed //p' "$out")
	[ "${rate:-0}" -ge 50000000 ]
	ok 'lab_has_a_fast_kvm'
	grep -qx 'cgroup cgroup2fs' "$out" && grep -qx '/dev/loop[0-9]*' "$out"
	ok 'lab_has_cgroups_and_loop_devices'
	now=$(date +%s)
	[ "$(sed -n 's/^date //p' "$out")" -ge $((now - 30)) ] && [ "$(sed -n 's/^date //p' "$out")" -le "$now" ]
	ok 'lab_knows_the_time'
	is_clean
	ok 'lab_leaves_nothing_behind'
}

# check_bytes: every byte value, a megabyte of it, and one stream in its order.
check_bytes() {
	head -c 1000000 /dev/urandom >"$work/bytes"
	lab --timeout 60 -- bash -c 'cat "$0"; for i in {1..50}; do echo o$i; echo e$i >&2; done' \
		"$work/bytes" >"$work/both" 2>&1
	{
		cat "$work/bytes"
		for i in {1..50}; do printf 'o%s\ne%s\n' "$i" "$i"; done
	} | cmp - "$work/both" | sed 's/^/# /'
	[ "${PIPESTATUS[1]}" = 0 ]
	ok 'lab_passes_bytes_and_keeps_the_order_of_one_stream'
}

check_endings() {
	local child limit
	for limit in 6 60; do # a busy machine may not have started after six seconds
		exits 124 lab --timeout "$limit" -- sh -c 'echo started; sleep 600' || break
		grep -qx started "$work/said" && break
	done
	grep -qx started "$work/said" && grep -q "ended after $limit seconds" "$work/said" && is_clean
	ok 'lab_keeps_the_time_limit_and_shows_what_was_said'
	start_lab
	kill -TERM "$child"
	wait "$child"
	[ $? = 143 ] && is_clean
	ok 'lab_ends_on_a_signal'
	start_lab
	kill -KILL "$child"
	wait "$child" 2>/dev/null
	wait_for has_no_machine
	ok 'machine_ends_with_a_killed_lab'
	rm -rf "$work"/casemate-lab.*
	[ "$(lab --timeout 60 -- yes | head -n 1)" = y ] && is_clean
	ok 'lab_ends_when_nobody_reads'
	echo 'echo c >/proc/sysrq-trigger' >"$work/crash"
	exits 5 lab --timeout 60 -- sh "$work/crash" && grep -q 'panic' "$work/said" && is_clean
	ok 'lab_reports_a_crashed_kernel'
}

check_initramfs() {
	local kernel
	kernel=$("$here/kernel.sh" guest-6.1) || { ok 'guest kernel'; return; }
	printf '#!/bin/sh\n/bin/real-xz --version && lsmod && cat /etc/note\n' >"$work/start"
	chmod +x "$work/start"
	echo noted >"$work/note"
	local make=("$here/initramfs.sh" "$work/guest" "$kernel" --module virtio_blk --module dm_crypt
		--file "$work/start:/etc/start" --file "$work/note:/etc/note" --exe "$(command -v xz):/bin/real-xz")
	exits 0 "${make[@]}" && cp "$work/guest" "$work/guest.1" && sleep 1 && touch "$work/note" &&
		exits 0 "${make[@]}" && cmp "$work/guest" "$work/guest.1"
	ok 'initramfs_is_the_same_for_the_same_inputs'
	exits 3 "$here/initramfs.sh" "$work/x" "$kernel" --module no_such_module &&
		exits 3 "$here/initramfs.sh" "$work/x" "$kernel" --file "$work/none:/none" &&
		exits 3 "$here/initramfs.sh" "$work/x" "$work" && [ ! -e "$work/x" ]
	ok 'initramfs_refuses_what_is_missing'
	exits 2 "$here/initramfs.sh" "$work/x" && exits 2 "$here/initramfs.sh" "$work/x" "$kernel" --modul x &&
		exits 2 "$here/initramfs.sh" "$work/x" "$kernel" --file "$work/note" &&
		exits 2 "$here/initramfs.sh" "$work/x" "$kernel" --compress zip
	ok 'initramfs_refuses_a_wrong_line'
	check_guest "$kernel" "$work/guest" '^xz (XZ Utils)' '^dm_crypt' '^noted'
	ok 'stock_6_1_guest_boots_in_the_lab'
	if kernel=$("$here/kernel.sh" guest-6.12 2>"$work/said"); then
		exits 0 "$here/initramfs.sh" "$work/guest" "$kernel" --module virtio_blk &&
			check_guest "$kernel" "$work/guest"
		ok 'stock_6_12_guest_boots_in_the_lab'
	else
		skip 'stock_6_12_guest_boots_in_the_lab' "$(cat "$work/said")"
	fi
}

# check_guest KERNELDIR INITRAMFS PATTERN...: it boots under KVM in the lab and says all that.
check_guest() {
	local pattern
	lab --timeout 90 -- qemu-system-x86_64 -accel kvm -cpu host -m 256 -nodefaults -no-user-config \
		-display none -serial stdio -no-reboot -kernel "$1/vmlinuz" -initrd "$2" \
		-append 'console=ttyS0 quiet panic=-1' >"$work/said" 2>&1
	for pattern in "^init reached: $(cat "$1/version")" "${@:3}"; do
		grep -q "$pattern" "$work/said" && continue
		sed 's/^/# /' "$work/said"
		return 1
	done
}

export TMPDIR=$work
check_packages
check_refusals
check_here
if ! "$here/kernel.sh" lab >/dev/null 2>"$work/said" || ! command -v qemu-system-x86_64 >/dev/null; then
	skip 'the lab' "no lab kernel or no QEMU here: $(cat "$work/said")"
else
	check_lab
	check_bytes
	check_endings
	check_initramfs
fi
echo "1..$count"
[ "$failed" = 0 ]
