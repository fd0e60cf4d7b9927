#!/bin/bash
# selinux_policy.sh SOURCE: policy/selinux with Debian's policy in an offline store, as TAP: it builds
# and keeps its promises, modules that break them are refused, and each role may do what
# policy/selinux/rules.golden says, no more and no less. Skipped where the tools cannot be had.
set -uo pipefail
source=$(cd "${1:?usage: selinux_policy.sh SOURCE}" && pwd -P)
lab=$source/tests/lab/selinux.sh
golden=$source/policy/selinux/rules.golden
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0

# ok NAME: reports the exit status of the command before it.
ok() {
	local status=$? verdict=ok
	n=$((n + 1))
	[ "$status" = 0 ] || { verdict='not ok' failed=$((failed + 1)); }
	echo "$verdict $n - $1"
}

# broken: rules that this module promises nobody will add, a promise each.
broken() {
	cat <<-'END'
		policy_module(casemate_broken, 1.0)
		gen_require(`
			type casemate_t, casemate_dev_blk_t, casemate_dev_rng_t, casemate_dev_vsock_t, casemate_monitor_t;
			type casemate_vtpm_t, casemate_quote_t, casemate_policy_t, casemate_image_t, casemate_ram_t;
			type casemate_vtpm_state_t, kvm_device_t, shell_exec_t, unconfined_t, etc_t;
		')
		allow casemate_dev_blk_t casemate_image_t:file open;
		allow casemate_policy_t etc_t:file open;
		allow casemate_dev_vsock_t casemate_monitor_t:file read;
		allow casemate_monitor_t casemate_dev_blk_t:process ptrace;
		allow casemate_dev_rng_t kvm_device_t:chr_file ioctl;
		allow casemate_monitor_t casemate_vtpm_state_t:file read;
		allow casemate_vtpm_t casemate_ram_t:file map;
		allow casemate_quote_t casemate_image_t:file write;
		allow casemate_dev_blk_t self:process execmem;
		allow casemate_dev_blk_t unconfined_t:process transition;
		allow casemate_dev_blk_t shell_exec_t:file execute_no_trans;
		allow unconfined_t casemate_dev_blk_t:process transition;
		allow casemate_dev_blk_t self:capability sys_admin;
		allow casemate_dev_rng_t self:tcp_socket create;
		allow casemate_dev_rng_t casemate_dev_blk_t:process sigkill;
		allow casemate_dev_rng_t shell_exec_t:file entrypoint;
		allow casemate_monitor_t self:anon_inode create;
	END
}

# install: install.sh with Debian's tools over this machine's /usr and /etc, in a mount namespace.
install() {
	unshare -m bash -eu -s "$tools" "$work" "$source/policy/selinux/install.sh" <<-'END'
		tools=$1 work=$2 install=$3
		mount --make-rprivate /
		mkdir -p "$work"/{usr,usr.work,etc,etc.work,lower,state}
		cp -r "$tools/root/etc/selinux" "$work/lower/"
		printf 'SELINUX=enforcing\nSELINUXTYPE=default\n' >"$work/lower/selinux/config"
		cp -r "$tools/store/var/lib/selinux" "$work/state/"
		mount -t overlay -o "lowerdir=$tools/root/usr:/usr,upperdir=$work/usr,workdir=$work/usr.work" usr /usr
		mount -t overlay -o "lowerdir=$work/lower:/etc,upperdir=$work/etc,workdir=$work/etc.work" etc /etc
		mount --bind "$work/state" /var/lib
		cp "$tools"/root/sbin/* /usr/sbin/
		"$install"
		semodule -l | grep -qx casemate
		"$install" --remove
		! semodule -l | grep -x casemate
	END
}

tools=$("$lab" tools) || { echo "1..0 # SKIP SELinux's tools cannot be had here"; exit 0; }
folder=$("$lab" policy 2>"$work/said")
ok 'module_builds_and_keeps_its_promises'
sed 's/^/# /' "$work/said"

broken >"$work/casemate_broken.te"
"$lab" policy "$work/casemate_broken.te" >/dev/null 2>"$work/said"
[ $? = 1 ]
ok 'module_that_breaks_them_is_refused'
while read -r rule; do
	# As the checker prints it: (allow SOURCE TARGET (CLASS (PERMISSION)))
	grep -qE "$(sed -E 's/^allow (.*) (.*):(.*) (.*);$/\\(allow \1 \2 \\(\3 \\(\4\\)\\)\\)/' <<<"$rule")" "$work/said"
	ok "refused: $rule"
done < <(sed -n 's/^\t*allow/allow/p' "$work/casemate_broken.te")

"$tools/run" python3 "$source/tests/check/selinux_rules.py" "$folder/policy" >"$work/rules" 2>"$work/said"
ok 'rules_can_be_read'
diff -u "$golden" "$work/rules" | sed 's/^/# /'
[ "${PIPESTATUS[0]}" = 0 ]
ok 'each_role_may_do_what_is_written_down_and_no_more'
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	install >"$work/said" 2>&1
	ok 'install_sh_installs_and_removes'
	sed 's/^/# /' "$work/said"
else
	n=$((n + 1))
	echo "ok $n - install_sh_installs_and_removes # SKIP needs root and mounts"
fi
env -i PATH=/nowhere /bin/sh "$source/policy/selinux/install.sh" >/dev/null 2>"$work/said"
[ $? = 4 ]
ok 'install_sh_says_4_where_there_is_no_selinux'
echo "1..$n"
[ "$failed" = 0 ]
