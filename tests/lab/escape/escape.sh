#!/bin/bash
# escape.sh BUILD [full|rest|selinux|label] [OPTION]...: taken-over programs of BUILD against their
# sandboxes.
#
#   full     the programs as they are: the filter and all other walls (default)
#   rest     the same without the system call filter: what the other walls hold by themselves
#   selinux  as full, in the lab, where SELinux enforces: with labels as well, and two guests beside
#   label    there, without any other wall, as root: what the label holds by itself
#
# In the lab only the rows that SELinux refuses by itself, unless --all is among the options.
#
# Makes a folder with the programs that have the payload and files for them to hold, and runs
# suite.py there with these options. TAP. Skipped without root or /dev/kvm.
set -euo pipefail
skip() { echo "1..0 # SKIP $1"; exit 0; }
build=$(cd "${1:?usage: escape.sh BUILD [full|rest|selinux|label] [OPTION]...}" && pwd -P)
mode=${2:-full}
shift $(($# < 2 ? $# : 2))
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../../.." && pwd -P)
programs=$build/tests/lab/escape

case $mode in
full | selinux) copies=full ;;
*) copies=$mode ;;
esac
case $mode in
full | rest)
	[ "$(id -u)" = 0 ] || skip 'not root: every process would have the uid of the test'
	[ -w /dev/kvm ] || skip 'no /dev/kvm for the monitor to hold'
	;;
esac
command -v objcopy >/dev/null || skip 'no objcopy here to build the guests with'
work=$(mktemp -d /tmp/casemate-escape.XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
# In the lab it is mounted where every domain may look for its program, and a broker listens where its may.
place=$work listen=broker.sock
case $mode in selinux | label) place=/srv/casemate-escape listen=/run/casemate/escape.sock ;; esac

find "$programs/$copies" -maxdepth 1 -type f -name "casemate-*" -exec cp -t "$work" {} +
cp "$programs/escape" "$build/vmm/super/casemate" "$work"
[ "$mode" != label ] || cp "$programs/escape-label" "$work/escape"
cd "$work"
mkdir broker ledger broker-ledger
# The broker beside the real ledger writer: it goes on only when that one is as it should be.
mv casemate-broker broker
cp "$build/attest/ledger/casemate-ledger" "$build/policy/casemate-policy" broker
mkdir super
mv casemate-super super/casemate
cp "$build/policy/casemate-policy" "$build/vmm/monitor/casemate-monitor" super
cat >super/policy.jsonc <<-END
	{ "schema": "launch-policy/1", "name": "test.escape/super-$$", "serial": 1,
	  "labels": {"env": "dev", "data_class": "none"}, "tee": {"type": "none"},
	  "boot": {"kernel": {"file": "$place/super/kernel"}, "cmdline": "none"},
	  "machine": {"vcpus": 1, "memory_mib": 128, "hugepages": "no"}, "devices": {"console": "serial"},
	  "host": {"seccomp": "strict", "core_dump": "forbid"} }
END
truncate -s 1M own.disk
cp "$root/policy/examples/development.policy.jsonc" policy.jsonc
head -c 128 /dev/zero >session
"$here/guest.sh" kernel
cp kernel super
for name in ledger broker-ledger; do
	"$build/attest/ledger/casemate-ledger" init "$name" --origin test/escape --key "$name.key" >/dev/null
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=127.0.0.1 \
	-keyout ca.key -out ca.pem 2>/dev/null
cp ca.pem owner.pem
chown -R 1:1 ledger ledger.key # uid 0 has privileges that no role should need
cp "$root/attest/vendor/amd/ark_milan.der" ark.cert
cat >broker.jsonc <<-END
	{ "listen": "$listen", "store": "store", "roots": ["ark.cert"],
	  "tls": {"certificate": "ca.pem", "key": "ca.key"},
	  "ledger": {"folder": "broker-ledger", "key": "broker-ledger.key", "origin": "test/escape"} }
END
echo secret | "$build/attest/broker/casemate-broker" secret put a/b/c --config broker.jsonc

"$here/../../vm/hostile/guests.sh" guests
status=0
suite=(python3 "$here/suite.py" "$build" "$place" --mode "$mode" "$@")
case $mode in
full | rest) "${suite[@]}" || status=$? ;;
*)
	# shellcheck disable=SC2016 # the lab's shell expands it
	"$here/../lab.sh" --selinux enforcing --timeout 2400 --memory 3072 -- \
		sh -c 'mkdir "$1" && mount --bind "$2" "$1" && shift 2 && exec "$@"' sh "$place" "$work" "${suite[@]}" || status=$?
	;;
esac
[ "$status" -ne 4 ] || skip 'no lab with SELinux can be had here'
exit "$status"
