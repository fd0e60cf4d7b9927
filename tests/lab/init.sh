#!/bin/sh
# init.sh: /init of the lab: the host's files read-only below, a tmpfs on top, then inside.sh.
#
# Kernel command line: lab.dir=DIR  the folder lab.sh shares with this run
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
[ -c /dev/null ] || mount -t devtmpfs dev /dev
while read -r module; do insmod "$module"; done </etc/modules.load

for word in $(cat /proc/cmdline); do
	case $word in lab.dir=*) dir=${word#lab.dir=} ;; esac
done
share=trans=virtio,version=9p2000.L,msize=512000,access=any
mkdir -p /lower /layer /new
# The host's files do not change under a run, so they may be cached without asking again.
mount -t 9p -o "$share,cache=loose,ro" root /lower
mount -t tmpfs -o mode=0755 layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work root /new
mount -t tmpfs -o mode=0755 run /new/run
mkdir /new/run/lab
mount -t 9p -o "$share,cache=none" lab /new/run/lab
n=0
while read -r out; do
	mount -t 9p -o "$share,cache=mmap" "out$n" "/new$out"
	n=$((n + 1))
done </new/run/lab/outs
for place in proc sys dev; do
	mount --move "/$place" "/new/$place"
done
exec switch_root /new /bin/bash /run/lab/inside.sh
