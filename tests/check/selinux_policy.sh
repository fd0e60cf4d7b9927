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
echo "1..$n"
[ "$failed" = 0 ]
