#!/bin/sh
# init.sh: /init of the lab: makes a small Linux system, then gives way to inside.sh.
#
# The host's files, read-only, with a tmpfs on top; devices, cgroups, KVM. All of it is done by
# the one busybox of the initramfs: programs of the host come slowly over the shared folder.
export PATH=/bin
share=trans=virtio,version=9p2000.L,msize=512000,access=any

# load_modules: KVM last and aside, for it takes longest.
load_modules() {
	later=
	while read -r module; do
		case $module in
		*/kvm*.ko) later="$later $module" ;;
		*) insmod "$module" ;;
		esac
	done </etc/modules.load
	for module in $later; do insmod "$module"; done &
	kvm=$!
}

# load_policy: first of all, for what is mounted later gets its label as it is mounted. The kernel
# takes a policy in one write.
load_policy() {
	mkdir /lab
	mount -t 9p -o "$share,cache=none,ro" lab /lab
	cp /lab/policy /policy
	mount -t selinuxfs selinuxfs /sys/fs/selinux
	dd if=/policy of=/sys/fs/selinux/load bs=64M 2>/dev/null || echo 'no SELinux policy loaded' >/dev/console
	umount /lab
	rm /policy
	echo 0 >/proc/sys/kernel/printk_ratelimit # denials are wanted, all of them
	all=,context=system_u:object_r:lib_t:s0
	out=,context=system_u:object_r:user_tmp_t:s0
}

# label_root: what a distribution has labelled; the rest of the host's files are lib_t.
label_root() {
	mkdir -p /new/etc/selinux
	mount --bind "/new$(cat /new/run/lab/selinux)" /new/etc/selinux
	chroot /new /bin/sh /run/lab/selinux_root.sh
}

mount_root() {
	mkdir -p /lower /layer /new
	# The host's files do not change under a run, so they may be cached without asking again.
	mount -t 9p -o "$share,cache=loose,ro$all" root /lower
	mount -t tmpfs -o mode=0755 layer /layer
	mkdir /layer/upper /layer/work
	mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work root /new
	mount -t tmpfs -o mode=0755 run /new/run
	mkdir -m 1777 /new/run/lock
	mkdir /new/run/lab
	mount -t 9p -o "$share,cache=none$out" lab /new/run/lab
}

# mount_outs: the folders of --out, at their own paths.
mount_outs() {
	n=0
	while IFS= read -r folder; do
		mkdir -p "/new$folder"
		mount -t 9p -o "$share,cache=mmap$out" "out$n" "/new$folder"
		n=$((n + 1))
	done </new/run/lab/outs
}

# make_nodes: device files whose modules load when they are opened, as kmod lists them.
make_nodes() {
	while read -r module name numbers; do
		[ "$module" != '#' ] || continue
		[ ! -e "/dev/$name" ] || continue
		[ "${name%/*}" = "$name" ] || mkdir -p "/dev/${name%/*}"
		type=${numbers%"${numbers#?}"}
		numbers=${numbers#?}
		mknod -m 600 "/dev/$name" "$type" "${numbers%:*}" "${numbers#*:}"
	done <"/lower$modules/modules.devname"
}

mount_system() {
	mkdir -p /dev/pts /dev/shm
	mount -t devpts -o mode=0620,ptmxmode=0666 devpts /dev/pts
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	echo '+cpu +io +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
	mount -t securityfs securityfs /sys/kernel/security
	ln -s /proc/self/fd /dev/fd
	ln -s fd/0 /dev/stdin
	ln -s fd/1 /dev/stdout
	ln -s fd/2 /dev/stderr
	ifconfig lo 127.0.0.1 up
	hostname lab
}

mount -t proc proc /proc
mount -t sysfs sys /sys
[ -c /dev/null ] || mount -t devtmpfs dev /dev
load_modules
all='' out='' selinux=''
for word in $(cat /proc/cmdline); do
	case $word in
	lab.selinux=*) selinux=${word#*=} ;;
	esac
done
[ -z "$selinux" ] || load_policy
mount_root
modules=$(cat /new/run/lab/modules)
mkdir -p "/new/lib/modules/$(uname -r)"
mount --bind "/new$modules" "/new/lib/modules/$(uname -r)"
mount_outs
mount_system
make_nodes
wait "$kvm"
chmod 666 /dev/kvm
for place in proc sys dev; do
	mount --move "/$place" "/new/$place"
done
if [ -n "$selinux" ]; then
	label_root
	[ "$selinux" = permissive ] || echo 1 >/new/sys/fs/selinux/enforce
fi
exec switch_root /new /bin/busybox sh /run/lab/inside.sh
