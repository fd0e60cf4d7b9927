#!/bin/sh
# selinux_label.sh: in the lab with --selinux: our programs in a build folder get their labels, as
# `make install` and restorecon would give them.
#
#   tests/lab/selinux_label.sh BUILD
#
# Exit status: 0; 2 wrong use; 5 a label was refused.
[ -d "$1" ] || {
	echo 'usage: selinux_label.sh BUILD' >&2
	exit 2
}
for path in "$1"/vmm/*/casemate* "$1"/policy/casemate* "$1"/attest/*/casemate* "$1"/sandbox/casemate-foreign; do
	name=$(basename "$path")
	case $name in
	*.*) continue ;;
	casemate) type=casemate_exec_t ;;
	casemate-monitor | casemate-monitor-sim) type=casemate_monitor_exec_t ;;
	casemate-dev-* | casemate-policy | casemate-ledger | casemate-vtpm | casemate-quote | casemate-owner | casemate-broker | casemate-foreign)
		type=$(echo "$name" | tr - _)_exec_t
		;;
	*) continue ;;
	esac
	chcon "system_u:object_r:$type:s0" "$path" || exit 5
done
