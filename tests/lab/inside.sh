#!/bin/bash
# inside.sh: process 1 of the lab: the rest of a small Linux system, then the command.
#
# /run/lab is the folder shared with lab.sh: `command` in, `out`, `err` and `status` back.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# make_node MODULE NAME TYPEMAJOR:MINOR: a device file whose module loads when it is opened.
make_node() {
	local numbers=${3#[bc]}
	[ -e "/dev/$2" ] && return
	[ "${2%/*}" = "$2" ] || mkdir -p "/dev/${2%/*}"
	mknod -m 600 "/dev/$2" "${3%%[0-9]*}" "${numbers%:*}" "${numbers#*:}"
}

set_up() {
	mkdir -p /dev/pts /dev/shm
	mount -t devpts -o mode=0620,ptmxmode=0666 devpts /dev/pts
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t securityfs securityfs /sys/kernel/security
	ln -sfn /proc/self/fd /dev/fd
	ln -sfn fd/0 /dev/stdin
	ln -sfn fd/1 /dev/stdout
	ln -sfn fd/2 /dev/stderr
	chmod 666 /dev/kvm
	mkdir -p -m 1777 /run/lock
	ip link set lo up || busybox ifconfig lo up
	echo lab >/proc/sys/kernel/hostname
	local modules
	modules=/lib/modules/$(uname -r)
	mkdir -p "$modules"
	mount --bind "$(cat /run/lab/modules)" "$modules"
	while read -r module name numbers; do
		make_node "$module" "$name" "$numbers"
	done < <(grep -v '^#' "$modules/modules.devname")
}

# copy FIFO FILE: as long as anyone writes; the file is on the shared folder.
copy() {
	exec 0<"$1" 1>>"$2" 2>/dev/null
	exec cat
}

set_up 2>&1
mkfifo -m 600 /run/lab.out /run/lab.err
copy /run/lab.out /run/lab/out &
copies=($!)
if [ -e /run/lab/err ]; then
	copy /run/lab.err /run/lab/err &
	copies+=($!)
	setsid bash /run/lab/command </dev/null >/run/lab.out 2>/run/lab.err &
else
	setsid bash /run/lab/command </dev/null >/run/lab.out 2>&1 &
fi
command=$!
wait "$command"
status=$?
# What the command left running may hold its output open: it gets two seconds.
for ((n = 0; n < 40; n++)); do
	kill -0 "${copies[@]}" 2>/dev/null || [ "$(jobs -rp | wc -l)" -gt 0 ] || break
	[ -z "$(jobs -rp)" ] && break
	sleep 0.05
done
echo "$status" >/run/lab/status
exec busybox poweroff -f
