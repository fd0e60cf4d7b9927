#!/bin/bash
# selinux.sh: SELinux tools and policies without SELinux: Debian's packages, unpacked in the cache.
#
#   tests/lab/selinux.sh tools          a folder with `run`, which starts a tool (semodule,
#                                       sesearch, ...), and `store/`: Debian's policy, built
#   tests/lab/selinux.sh module DIR     build policy/selinux into DIR/casemate.pp
#   tests/lab/selinux.sh policy [TE]... a folder with Debian's policy, our module and these ones:
#                                       `policy`, `file_contexts`, `etc/` (for /etc/selinux)
#
# each printed. Built once for each set of inputs; neverallow rules are checked (expand-check=1),
# which semodule on Debian does not do by itself. The first call needs the network and a minute.
# Exit status: 0; 1 the policy is refused; 2 wrong use; 4 the tools cannot be had here.
set -euo pipefail
. "$(dirname "$0")/fetch.sh"
here=$(cd "$(dirname "$0")" && pwd -P)
ours=$here/../../policy/selinux

# What the tools need beside the C library and Python.
packages() {
	apt apt-cache show --no-all-versions selinux-policy-default selinux-policy-dev checkpolicy \
		semodule-utils policycoreutils selinux-utils setools python3-setools python3-networkx \
		python3-pkg-resources libsemanage2 libsemanage-common libsepol2 libselinux1 libaudit1 \
		libcap-ng0 bzip2 libbz2-1.0 m4 libsigsegv2 make 2>/dev/null | sed -n 's/^Package: //p' || true
}

print_run() {
	cat <<-'END'
		#!/bin/sh
		# A tool from this folder.
		root=$(cd "$(dirname "$0")" && pwd -P)/root
		export LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu" \
			PYTHONPATH="$root/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1 \
			PATH="$root/usr/bin:$root/usr/sbin:$root/sbin:$root/bin:/usr/bin:/bin:/usr/sbin:/sbin"
		exec "$@"
	END
}

# make_store FOLDER TOOLS: the configuration of a module store that no kernel loads from.
make_store() {
	mkdir -p "$1/var/lib/selinux/default" "$1/etc"
	cp -r "$2/root/etc/selinux" "$1/etc/"
	printf 'SELINUX=enforcing\nSELINUXTYPE=default\n' >"$1/etc/selinux/config"
	cat >"$1/etc/selinux/semanage.conf" <<-END
		module-store=direct
		compiler-directory=$2/root/usr/libexec/selinux/hll
		usepasswd=False
		expand-check=1
		[setfiles]
		path = $2/root/sbin/setfiles
		args = -q -c \$@ \$<
		[end]
		[sefcontext_compile]
		path = $2/root/usr/sbin/sefcontext_compile
		args = \$@
		[end]
	END
}

make_tools() {
	download packages bookworm bookworm-updates bookworm-security
	unpack
	mkdir "$work/out"
	mv "$work/root" "$work/out/root"
	print_run >"$work/out/run"
	chmod +x "$work/out/run"
	make_store "$work/out/store" "$work/out"
	echo "$me: building Debian's policy" >&2
	"$work/out/run" semodule -p "$work/out/store" -s default -X 100 -n \
		-i "$work"/out/root/usr/share/selinux/default/*.pp.bz2 >"$work/log" 2>&1 ||
		die 4 "Debian's policy cannot be built: $(tail -n 1 "$work/log")"
	dpkg-deb -f "$work"/selinux-policy-default_*.deb Version >"$work/out/version"
}

# build TOOLS DIR FILE...: modules from sources copied there.
build() {
	local dev=$1/root/usr/share/selinux tools=$1 dir=$2
	shift 2
	mkdir -p "$dir"
	cp "$@" "$dir/"
	# Modules of ours see each other's interfaces through the folder they are built in.
	(cd "$dir" && "$tools/run" make -s -f "$dev/devel/Makefile" NAME=default SHAREDIR="$dev" \
		HEADERDIR="$dev/devel/include" BINDIR="$tools/root/usr/bin" \
		SBINDIR="$tools/root/usr/sbin" M4="$tools/root/usr/bin/m4") >&2 ||
		die 1 'the module does not compile'
}

# policy TOOLS TE...: prints the folder.
policy() {
	local tools=$1 sum folder tmp name
	shift
	sum=$(cat "$0" "$tools/version" "$ours"/casemate.{te,if,fc} "$@" | sha256sum)
	folder=$cache/selinux-policy/${sum:0:16}
	if [ ! -e "$folder/policy" ]; then
		mkdir -p "$cache/selinux-policy"
		find "$cache/selinux-policy" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf {} +
		tmp=$(mktemp -d "$cache/selinux-policy/tmp.XXXXXX")
		# shellcheck disable=SC2064 # this one
		trap "rm -rf '$tmp'" EXIT
		build "$tools" "$tmp/modules" "$ours"/casemate.{te,if,fc} "$@"
		cp -r "$tools/store" "$tmp/store"
		make_store "$tmp/store" "$tools"
		"$tools/run" semodule -p "$tmp/store" -s default -X 400 -n -i "$tmp"/modules/*.pp >"$tmp/log" 2>&1 || {
			grep -v 'optional at\|<root>' "$tmp/log" >&2
			die 1 'the policy is refused (above)'
		}
		mkdir "$tmp/out"
		name=$(basename "$tmp"/store/etc/selinux/default/policy/policy.*)
		cp "$tmp/store/etc/selinux/default/policy/$name" "$tmp/out/policy"
		cp "$tmp/store/etc/selinux/default/contexts/files/file_contexts" "$tmp/out/"
		# The compiled ones are of another regular-expression library than this machine's.
		rm -f "$tmp"/store/etc/selinux/default/contexts/files/*.bin
		mv "$tmp/store/etc/selinux" "$tmp/out/etc"
		mv -T "$tmp/out" "$folder" 2>/dev/null || [ -e "$folder/policy" ]
	fi
	echo "$folder"
}

case ${1-} in
tools) provide selinux make_tools ;;
module)
	[ $# = 2 ] || die 2 'module wants a folder'
	tools=$(provide selinux make_tools)
	build "$tools" "$2" "$ours"/casemate.{te,if,fc}
	echo "$2/casemate.pp"
	;;
policy)
	shift
	tools=$(provide selinux make_tools)
	policy "$tools" "$@"
	;;
*) die 2 'usage: selinux.sh tools | module DIR | policy [TE]...' ;;
esac
