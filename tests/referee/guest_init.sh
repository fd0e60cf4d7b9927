#!/bin/busybox sh
# The first program of the referee's guests: says that it runs, on how many CPUs, and switches off.
/bin/busybox mount -t proc none /proc
echo "referee-guest: up, cpus $(/bin/busybox grep -c ^processor /proc/cpuinfo)" >/dev/console
/bin/busybox poweroff -f
