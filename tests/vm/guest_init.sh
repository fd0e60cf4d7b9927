#!/bin/busybox sh
# The first program of the test guests: does what the command line's casemate.test= says, one
# "casemate-test: ..." line a fact, reports 0 or 1 as workload status, and switches off.
busybox=/bin/busybox
$busybox mount -t proc none /proc
$busybox mount -t sysfs none /sys
$busybox mount -t devtmpfs none /dev 2>/dev/null
say() { echo "casemate-test: $*"; }
end() { # STATUS: tell the machine, then switch off
	/bin/guest_status "$1" || say "cannot report status $1"
	$busybox poweroff -f
	while :; do $busybox sleep 1; done
}
while read -r module; do
	$busybox insmod "$module" || { say "cannot load $module"; end 1; }
done </etc/modules.load
say "init reached, Linux $($busybox uname -r)"
test=$($busybox sed -n 's/.*casemate\.test=\([a-z-]*\).*/\1/p' /proc/cmdline)
case $test in
boot) end 0 ;;
cpus)
	say "cpus $($busybox grep -c ^processor /proc/cpuinfo)"
	# every CPU must do work of its own
	for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
		$busybox taskset -c "${cpu##*cpu}" $busybox true || end 1
	done
	end 0
	;;
memory)
	say "memory $($busybox awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo)"
	end 0
	;;
efi) # what firmware told the kernel; a variable written in one boot is read in the next
	say "cpus $($busybox grep -c ^processor /proc/cpuinfo)"
	for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
		$busybox taskset -c "${cpu##*cpu}" $busybox true || end 1
	done
	say "memory $($busybox awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo)"
	$busybox mount -t efivarfs none /sys/firmware/efi/efivars || end 1
	variable=/sys/firmware/efi/efivars/CasemateTest-2c6b1f0e-5a3d-4e8f-9b7a-1d0c3e5f7a90
	if [ -e "$variable" ]; then
		say "variable $($busybox tail -c +5 "$variable")" # after four bytes of attributes
	else
		$busybox printf '\007\000\000\000kept' >"$variable" && say "variable written"
	fi
	end 0
	;;
disk)
	say "disk $($busybox cat /sys/block/vda/size) ro $($busybox cat /sys/block/vdb/ro)"
	say "serial $($busybox cat /sys/block/vda/serial)"
	$busybox yes casemate | $busybox dd of=/dev/vda bs=64k count=32 iflag=fullblock conv=fsync 2>/dev/null || end 1
	$busybox dd if=/dev/vda of=/tmp/back bs=64k count=32 2>/dev/null
	say "written $($busybox sha256sum </tmp/back)"
	say "second $($busybox head -c 65536 /dev/vdb | $busybox sha256sum)"
	$busybox dd if=/dev/zero of=/dev/vdb bs=512 count=1 conv=fsync 2>/dev/null && end 1
	$busybox blkdiscard -o 1048576 -l 65536 /dev/vda 2>/dev/null && say "discarded"
	end 0
	;;
rng)
	say "rng $($busybox cat /sys/class/misc/hw_random/rng_current) $($busybox head -c 64 /dev/hwrng | $busybox wc -c)"
	end 0
	;;
vsock)
	say "answer $(/bin/guest_vsock "from the guest")"
	end 0
	;;
hvc)
	echo "casemate-test: through hvc0" >/dev/hvc0
	$busybox sleep 1
	end 0
	;;
status)
	end 7
	;;
reset)
	$busybox reboot -f
	;;
wait)
	say "waiting"
	[ ! -c /dev/hvc0 ] || echo "casemate-test: waiting" >/dev/hvc0
	while :; do $busybox sleep 1; done
	;;
*)
	say "no such test: $test"
	end 1
	;;
esac
