#!/bin/sh
# install.sh: build casemate's SELinux module for this host, install it, label our files.
#
#   policy/selinux/install.sh            build, semodule -i, restorecon; says what it did
#   policy/selinux/install.sh --remove   take the module away, and the labels with it
#
# Wants the distribution's tools: Debian: selinux-policy-dev policycoreutils (and SELinux itself:
# selinux-basics selinux-policy-default, selinux-activate); Fedora and RHEL: selinux-policy-devel
# policycoreutils. Where SELinux is installed but not enabled, the module is put into the store, and
# labels wait for the boot that enables it. As root.
# Exit status: 0; 2 wrong use, not root; 4 SELinux or its tools are not here; 5 it failed.
set -u
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd -P)
makefile=/usr/share/selinux/devel/Makefile
paths='/usr/bin/casemate /usr/bin/casemate-policy /usr/bin/casemate-ledger /usr/bin/casemate-broker
	/usr/libexec/casemate /usr/local/bin/casemate /usr/local/bin/casemate-policy
	/usr/local/bin/casemate-ledger /usr/local/bin/casemate-broker /usr/local/libexec/casemate
	/etc/casemate /run/casemate /var/lib/casemate /var/log/casemate /dev/sev'

die() { # STATUS MESSAGE
	echo "install.sh: $2" >&2
	exit "$1"
}

# want COMMAND PACKAGES
want() {
	command -v "$1" >/dev/null || die 4 "no $1 here: install $2"
}

restore_labels() {
	for path in $paths; do
		[ ! -e "$path" ] || set -- "$@" "$path"
	done
	if ! selinuxenabled 2>/dev/null; then
		echo 'SELinux is not enabled: labels are set by the boot that enables it (touch /.autorelabel)'
	elif [ $# -gt 0 ]; then
		restorecon -R "$@" || die 5 'restorecon failed'
		echo "labelled: $*"
	fi
}

case ${1-} in
'' | --remove) ;;
*) die 2 'usage: install.sh [--remove]' ;;
esac
want semodule 'policycoreutils'
want restorecon 'policycoreutils'
[ -e /etc/selinux/config ] ||
	die 4 'no SELinux policy here (/etc/selinux/config): Debian: selinux-basics selinux-policy-default'
if [ "${1-}" = --remove ]; then
	[ "$(id -u)" = 0 ] || die 2 'run as root'
	semodule -r casemate || die 5 'semodule failed'
	echo 'removed: module casemate'
	restore_labels
	exit
fi
want checkmodule 'checkpolicy'
want make 'make'
[ -e "$makefile" ] ||
	die 4 "no $makefile here: install selinux-policy-dev (Debian) or selinux-policy-devel (Fedora, RHEL)"
[ "$(id -u)" = 0 ] || die 2 'run as root'
type=$(sed -n 's/^SELINUXTYPE=//p' /etc/selinux/config)
work=$(mktemp -d) || die 5 'no room for temporary files'
trap 'rm -rf "$work"' EXIT
cp "$here/casemate.te" "$here/casemate.if" "$here/casemate.fc" "$work/"
(cd "$work" && make -s -f "$makefile" "NAME=$type" casemate.pp) || die 5 'the module does not compile'
echo "built: casemate.pp for policy \"$type\""
semodule -i "$work/casemate.pp" || die 5 'semodule refused the module (above)'
echo 'installed: module casemate'
restore_labels
