#!/bin/sh
# inside.sh: process 1 of the lab, run by busybox: the command, its output, its status.
#
# /run/lab is the folder shared with lab.sh: `command` in, `out`, `err` and `status` back.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# copy FIFO FILE: as long as anyone writes.
copy() {
	busybox cat <"$1" >>"/run/lab/$2" &
	copies="$copies $!"
}

# With SELinux the command is in the domain of an administrator's shell.
domain=
[ ! -e /run/lab/selinux ] || domain='runcon unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023'

busybox mkfifo -m 600 /run/lab.out /run/lab.err
copies=
copy /run/lab.out out
if [ -e /run/lab/err ]; then
	copy /run/lab.err err
	$domain busybox sh /run/lab/command </dev/null >/run/lab.out 2>/run/lab.err &
else
	$domain busybox sh /run/lab/command </dev/null >/run/lab.out 2>&1 &
fi
wait $!
status=$?

# What the command left running may hold its output open: it gets two seconds.
# shellcheck disable=SC2086 # a list of process ids
{ busybox sleep 2 && kill $copies; } 2>/dev/null &
# shellcheck disable=SC2086
wait $copies
echo "$status" >/run/lab/status
exec busybox poweroff -f
