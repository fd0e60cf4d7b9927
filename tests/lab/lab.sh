#!/bin/bash
# lab.sh: run a command where /dev/kvm is fast, on any machine.
#
#   tests/lab/lab.sh [OPTION]... -- COMMAND [ARGUMENT]...
#   tests/lab/lab.sh --where         print `host` or `lab`: where a command would run
#
#   --out DIR          DIR (there already) is writable and survives; all else written in the lab
#                      is gone with it. Plain files and folders only: sockets and FIFOs belong
#                      in /tmp or /run. May be given more than once.
#   --env NAME=VALUE   for the command; else it has only PATH, HOME and XDG_CACHE_HOME
#   --timeout SECONDS  end it all after that time, with status 124
#   --cpus N, --memory MIB    of the lab's machine (2, 4096)
#   --append WORDS     more words for the lab's kernel command line
#   --console FILE     keep the lab kernel's console here
#   --kernel DIR       the lab with this kernel (a folder as kernel.sh prints it), never the host
#   --selinux MODE     the lab with SELinux, MODE enforcing or permissive, our policy module loaded,
#                      never the host: the command is unconfined_t; files of the host are lib_t
#                      (selinux_label.sh labels our programs); needs selinux.sh's packages
#
# If this machine's own /dev/kvm runs kernel code at a fair speed (speed.c measures it), the
# command simply runs here. Otherwise in the lab: a Debian kernel with KVM under QEMU's
# emulation, as root, the same files at the same paths (as they were when it started), the
# caller's folder, no network, /run empty. Modules load as on any Debian system.
# CASEMATE_LAB=host or lab decides instead of the measurement. In the lab the command finds
# CASEMATE_EMULATED=1: KVM is there, but the processor under it is QEMU's.
# Standard output and error are the command's own, live. Standard input is empty.
#
# Exit status: the command's; 124 time-out; 141 nobody reads our output; 2 wrong use; 4 no lab
# can be had here; 5 the lab broke.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/casemate
min_speed=50000000 # instructions a second

die() { # STATUS MESSAGE
	echo "lab.sh: $2" >&2
	exit "$1"
}

# built NAME [FLAG]...: the program (or library) of NAME.c, compiled once for each of its texts.
built() {
	local sum program
	sum=$(sha256sum <"$here/$1.c")
	program=$cache/lab/$1-${sum:0:16}
	if [ ! -x "$program" ]; then
		mkdir -p "$cache/lab"
		"${CC:-gcc}" -O2 -D_GNU_SOURCE "${@:2}" -o "$program.$$" "$here/$1.c" || return
		mv "$program.$$" "$program"
	fi
	echo "$program"
}

# where: host or lab.
where() {
	local program speed
	case ${CASEMATE_LAB-} in
	host | lab)
		echo "$CASEMATE_LAB"
		return
		;;
	'') ;;
	*) die 2 "CASEMATE_LAB is host, lab or unset, not $CASEMATE_LAB" ;;
	esac
	program=$(built speed) || die 4 'the speed of /dev/kvm cannot be measured: no C compiler'
	speed=$("$program" 2>/dev/null) || speed=0
	if [ "$speed" -ge "$min_speed" ]; then echo host; else echo lab; fi
}

# initramfs: the lab's, built once for each set of inputs.
initramfs() { # KERNEL
	local sum image
	sum=$(cat "$here/init.sh" "$here/initramfs.sh" "$here/lab.sh" "$1/version" "$(command -v busybox)" | sha256sum)
	image=$cache/lab/initramfs-${sum:0:16}
	if [ ! -e "$image" ]; then
		mkdir -p "$cache/lab"
		find "$cache/lab" -name 'initramfs-*' -mtime +1 -delete
		"$here/initramfs.sh" "$image" "$1" --init "$here/init.sh" --module virtio_pci \
			--module 9pnet_virtio --module 9p --module overlay --module loop --module kvm_amd
	fi
	echo "$image"
}

# print_command: a script that is the command with its folder and environment.
print_command() {
	echo "cd ${PWD@Q} || exit 5"
	echo "exec /usr/bin/env -i PATH=${PATH@Q} HOME=${HOME@Q} \\"
	echo "XDG_CACHE_HOME=${cache_home@Q} CASEMATE_LAB=host CASEMATE_EMULATED=1 \\"
	# libcrypto without AVX2: the emulator's VINSERTI128 reads 32 bytes where it has 16 to read,
	# which faults behind the last page of a mapping.
	echo "OPENSSL_ia32cap=:~0x20 \\"
	[ ${#env[@]} -eq 0 ] || echo "${env[*]@Q} \\"
	echo "${command[*]@Q}"
}

# The command here, with what the lab would give it.
run_host() {
	local words=(env -i PATH="$PATH" HOME="$HOME" XDG_CACHE_HOME="$cache_home" CASEMATE_LAB=host
		"${env[@]}" "${command[@]}")
	[ "$timeout" != 0 ] || exec "${words[@]}" </dev/null
	trap_signals
	setpriv --pdeathsig TERM timeout -k 2 "$timeout" "${words[@]}" </dev/null &
	children=$!
	wait "$children"
}

# share TAG PATH READONLY: QEMU's options for a folder of ours in the lab.
share() {
	qemu+=(-fsdev "local,id=$1,path=${2//,/,,},security_model=none,multidevs=remap,readonly=$3"
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

# The emulated processor: with SVM, without what the emulator would only warn that it lacks.
cpu=EPYC,+svm,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,-nrip-save,-xsavec

# find_emulator: the better one if it can be had, else the one installed.
find_emulator() {
	local folder mend
	if folder=$("$here/qemu.sh") && mend=$(built qemu_cr8 -shared -fPIC); then
		emulator=(env "LD_PRELOAD=$mend" "$folder/qemu-system-x86_64" -L "$folder/data" -L /usr/share/seabios)
	else
		echo 'lab.sh: with the installed QEMU instead: guest kernels after 6.1 and firmware may crash' >&2
		emulator=(qemu-system-x86_64)
	fi
}

start_machine() { # KERNEL INITRAMFS
	# shellcheck disable=SC2054 # QEMU's commas
	qemu=("${emulator[@]}" -no-user-config -nodefaults -display none -no-reboot
		-machine q35 -accel tcg,thread=multi -cpu "$cpu" -smp "$cpus" -m "$memory"
		-kernel "$1/vmlinux" -initrd "$2" -serial "file:$dir/console"
		-append "console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests tsc=reliable clocksource=tsc $append")
	share root / on
	share lab "$dir" off
	local n
	for n in "${!outs[@]}"; do share "out$n" "${outs[n]}" off; done
	local limit=()
	[ "$timeout" = 0 ] || limit=(timeout --foreground -k 2 "$timeout")
	# Whoever ends us, even kill -9, ends the machine as well.
	setpriv --pdeathsig TERM "${limit[@]}" setpriv --pdeathsig KILL \
		"${qemu[@]}" </dev/null >"$dir/qemu" 2>&1 &
	machine=$!
}

# Ends what was started; a process that is gone already is no fault.
clean_up() {
	local child
	for child in $children; do kill "$child" 2>/dev/null || true; done
	for child in $children; do wait "$child" 2>/dev/null || true; done
	[ -z "$dir" ] || rm -rf "$dir"
}

trap_signals() {
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# follow FILE: what is appended to it, until the machine is off.
follow() {
	tail -q -c +1 -s 0.05 -f --pid="$machine" "$1" 2>/dev/null
}

# make_folder: $dir, which the lab sees as /run/lab.
make_folder() { # KERNEL
	dir=$(mktemp -d "${TMPDIR:-/tmp}/casemate-lab.XXXXXX")
	cp "$here/inside.sh" "$dir/"
	print_command >"$dir/command"
	echo "$1/modules" >"$dir/modules"
	[ ${#outs[@]} -eq 0 ] || printf '%s\n' "${outs[@]}" >"$dir/outs"
	: >>"$dir/outs"
	: >"$dir/out"
	if [ -n "$selinux" ]; then
		cp "$here/selinux_root.sh" "$selinux_policy/policy" "$dir/"
		echo "$selinux_policy/etc" >"$dir/selinux"
	fi
	# One stream stays one stream, so that its order stays.
	[ /dev/fd/1 -ef /dev/fd/2 ] || : >"$dir/err"
}

run_lab() {
	local tool image ended='' status=0
	for tool in qemu-system-x86_64 busybox setpriv; do
		command -v "$tool" >/dev/null || die 4 "no $tool here: run tests/install.sh"
	done
	[ -n "$kernel" ] || kernel=$("$here/kernel.sh" lab) || exit
	if [ -n "$selinux" ]; then
		selinux_policy=$("$here/selinux.sh" policy "$here/casemate_lab.te") || exit
		append="security=selinux selinux=1 enforcing=0 checkreqprot=0 lab.selinux=$selinux $append"
	fi
	image=$(initramfs "$kernel") || exit
	find_emulator
	trap_signals
	make_folder "$kernel"
	start_machine "$kernel" "$image"
	children=$machine
	follow "$dir/out" &
	children="$children $!"
	if [ -e "$dir/err" ]; then
		follow "$dir/err" >&2 &
		children="$children $!"
	fi
	# shellcheck disable=SC2086 # a list of process ids
	wait -n -p ended $children || status=$?
	[ "$ended" = "$machine" ] || die 141 'ended: nobody reads our output'
	children=${children#"$machine"}
	# shellcheck disable=SC2086
	[ -z "$children" ] || wait $children || die 141 'nobody reads our output'
	children=
	[ -z "$console" ] || cp "$dir/console" "$console"
	[ ! -s "$dir/status" ] || exit "$(cat "$dir/status")"
	case $timeout:$status in
	0:*) ;;
	*:124 | *:137) die 124 "ended after $timeout seconds" ;;
	esac
	tail -n 60 "$dir/qemu" "$dir/console" >&2
	die 5 'the lab ended without the command (the last lines of QEMU and of the kernel are above)'
}

outs=() env=() timeout=0 cpus=2 memory=4096 append='' console='' kernel='' selinux='' selinux_policy=''
dir='' machine='' children=''
cache_home=${XDG_CACHE_HOME:-$HOME/.cache}
while [ $# -gt 0 ]; do
	case $1 in
	--where)
		where
		exit
		;;
	--)
		shift
		break
		;;
	--out | --env | --timeout | --cpus | --memory | --append | --console | --kernel | --selinux)
		[ $# -ge 2 ] || die 2 "$1 needs a value"
		;;&
	--out)
		[ -d "$2" ] || die 2 "--out $2: no such folder"
		outs+=("$(cd "$2" && pwd -P)")
		;;
	--env)
		[[ $2 =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || die 2 "--env wants NAME=VALUE, not $2"
		env+=("$2")
		;;
	--timeout | --cpus | --memory)
		[[ $2 =~ ^[1-9][0-9]*$ ]] || die 2 "$1 wants a number, not $2"
		declare "${1#--}=$2"
		;;
	--append) append=$2 ;;
	--console) console=$2 ;;
	--kernel)
		[ -r "$2/vmlinux" ] || die 2 "--kernel $2: no vmlinux in it"
		kernel=$2
		;;
	--selinux)
		case $2 in
		enforcing | permissive) selinux=$2 ;;
		*) die 2 "--selinux is enforcing or permissive, not $2" ;;
		esac
		;;
	*) die 2 "unknown option $1 (the command comes after --)" ;;
	esac
	shift 2
done
[ $# -gt 0 ] || die 2 'usage: lab.sh [OPTION]... -- COMMAND [ARGUMENT]...'
command=("$@")

if [ -n "$kernel$selinux" ]; then place=lab; else place=$(where); fi
"run_$place"
