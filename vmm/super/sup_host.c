#include "vmm/super/sup_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/opts.h"
#include "policy/plan.h"
#include "sandbox/spawn.h"
#include "vmm/super/sup_cmd.h"
#include "vmm/super/sup_json.h"

#define KVM_CAP_VM_TYPES_NR 235 /* KVM_CAP_VM_TYPES, kvm-cvm-abi 1.2: a bit per VM type */

/* Who needs a row to be "yes". */
#define FOR_ALL  0x1u /* every guest */
#define FOR_SNP  0x2u
#define FOR_NONE 0x0u /* nobody yet: good to have, or told for the record */

struct found {
	bool is_there;
	char what[200];
};

/* ---- the questions --------------------------------------------------------------------------- */

static int kvm_open(void)
{
	return open("/dev/kvm", O_RDWR | O_CLOEXEC);
}

static void ask_kvm(struct found *f)
{
	AUTO(fd) int fd = kvm_open();

	if (fd < 0) {
		(void)snprintf(f->what, sizeof f->what, "/dev/kvm: %s", strerrordesc_np(errno));
		return;
	}
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);
	f->is_there = version == KVM_API_VERSION;
	(void)snprintf(f->what, sizeof f->what, "/dev/kvm, API version %d", version);
}

static void ask_vm_types(struct found *f)
{
	static const char *const names[] = { "default", "software-protected", "sev", "sev-es",
		"snp", "tdx" };
	AUTO(fd) int fd = kvm_open();
	int types = fd >= 0 ? ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES_NR) : -1;
	size_t len = 0;

	f->is_there = types > 0 && (types & 1 << PLAN_TEE_SNP) != 0;
	if (types <= 0) {
		(void)snprintf(f->what, sizeof f->what, "none: KVM does not know KVM_CAP_VM_TYPES");
		return;
	}
	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		if ((types & 1 << i) != 0)
			len += (size_t)snprintf(f->what + len, sizeof f->what - len, "%s%s",
				len > 0 ? ", " : "", names[i]);
}

static void ask_sev(struct found *f)
{
	AUTO(fd) int fd = open("/dev/sev", O_RDWR | O_CLOEXEC);

	f->is_there = fd >= 0;
	(void)snprintf(f->what, sizeof f->what, "/dev/sev%s%s", fd < 0 ? ": " : "",
		fd < 0 ? strerrordesc_np(errno) : "");
}

/* Not a reading of sysctls: the thing itself. */
static void ask_namespaces(struct found *f)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
			 CLONE_NEWUTS | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		_exit(0);
	f->is_there = pid > 0;
	if (pid > 0)
		while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
			;
	(void)snprintf(f->what, sizeof f->what, "%s, as %s",
		pid > 0           ? "to be had"
		: errno == ENOSPC ? "their limit is reached"
				  : strerrordesc_np(errno),
		geteuid() == 0 ? "root" : "an ordinary user");
}

static void ask_seccomp(struct found *f)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	f->is_there = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
	(void)snprintf(f->what, sizeof f->what, "%s",
		f->is_there ? "filters that end the process" : strerrordesc_np(errno));
}

static void ask_landlock(struct found *f)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	f->is_there = abi > 0;
	if (abi > 0)
		(void)snprintf(f->what, sizeof f->what, "ABI %ld", abi);
	else
		(void)snprintf(f->what, sizeof f->what, "%s", strerrordesc_np(errno));
}

static void ask_kernel(struct found *f)
{
	struct utsname u;
	unsigned int major = 0;
	unsigned int minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return;
	f->is_there = major > 6 || (major == 6 && minor >= 1);
	(void)snprintf(f->what, sizeof f->what, "Linux %.100s", u.release);
}

static void path_ask(struct found *f, const char *path)
{
	f->is_there = access(path, F_OK) == 0;
	(void)snprintf(f->what, sizeof f->what, "%s%s", path, f->is_there ? "" : " is not there");
}

static void ask_cgroup(struct found *f)
{
	path_ask(f, "/sys/fs/cgroup/cgroup.controllers");
}

static void ask_selinux(struct found *f)
{
	uint8_t *text = NULL;
	size_t len = 0;

	if (fd_read_path("/sys/fs/selinux/enforce", 16, &text, &len, NULL) == 0 && len > 0) {
		f->is_there = text[0] == '1';
		(void)snprintf(
			f->what, sizeof f->what, "%s", f->is_there ? "enforcing" : "permissive");
	} else {
		(void)snprintf(f->what, sizeof f->what, "off");
	}
	free(text);
}

static void ask_tpm(struct found *f)
{
	path_ask(f, "/dev/tpmrm0");
}

static void ask_hugepages(struct found *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	unsigned long long n = 0;

	if (fd_read_path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", 64, &text,
		    &len, NULL) == 0)
		n = strtoull((const char *)text, NULL, 10);
	free(text);
	f->is_there = n > 0;
	(void)snprintf(f->what, sizeof f->what, "%llu of 2 MiB are free", n);
}

static void program_ask(struct found *f, const char *binary)
{
	AUTO(fd) int fd = -1;

	f->is_there = spawn_open_binary(binary, &fd, f->what, sizeof f->what, NULL) == 0;
	if (!f->is_there)
		(void)snprintf(f->what, sizeof f->what, "not installed");
}

static void ask_monitor(struct found *f)
{
	program_ask(f, "casemate-monitor");
}

static void ask_simulator(struct found *f)
{
	program_ask(f, "casemate-monitor-sim");
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct row {
	const char *name;
	unsigned int needed; /* FOR_* */
	void (*ask)(struct found *f);
	const char *fix;
} rows[] = {
	{ "kernel", FOR_ALL, ask_kernel, "install Linux 6.1 or later (Debian 12's is)" },
	{ "kvm", FOR_ALL, ask_kvm,
		"switch on virtualisation in the firmware (in a virtual machine: nesting on its "
		"host), "
		"modprobe kvm_amd or kvm_intel, and join the group kvm" },
	{ "user namespaces", FOR_ALL, ask_namespaces,
		"sysctl user.max_user_namespaces=10000 and, where it exists, "
		"kernel.unprivileged_userns_clone=1" },
	{ "seccomp", FOR_ALL, ask_seccomp, "a kernel with CONFIG_SECCOMP_FILTER" },
	{ "monitor", FOR_ALL, ask_monitor, "install casemate whole: its programs lie beside it" },
	{ "vm types", FOR_SNP, ask_vm_types,
		"SNP guests need an EPYC 7003 or later with SNP on in its firmware, Linux 6.11 or "
		"later "
		"and kvm_amd.sev_snp=1; a simulated processor (run --simulator) needs none of it" },
	{ "sev", FOR_SNP, ask_sev, "modprobe ccp, and join the group of /dev/sev" },
	{ "landlock", FOR_NONE, ask_landlock, "boot with lsm=...,landlock" },
	{ "selinux", FOR_NONE, ask_selinux,
		"apt-get install selinux-basics selinux-policy-default; selinux-activate; reboot" },
	{ "cgroup v2", FOR_NONE, ask_cgroup, "boot with systemd.unified_cgroup_hierarchy=1" },
	{ "tpm", FOR_NONE, ask_tpm,
		"switch on the TPM in the firmware; modprobe tpm_crb or tpm_tis" },
	{ "huge pages", FOR_NONE, ask_hugepages,
		"write a number to /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages" },
	{ "simulator", FOR_NONE, ask_simulator, "for tests: meson configure -Dsimulator=true" },
};

static void row_print(const struct row *r, const struct found *f, bool is_needed)
{
	printf("%-4s %-16s %s\n", f->is_there ? "yes" : is_needed ? "NO" : "no", r->name, f->what);
	if (!f->is_there)
		printf("     %-16s %s: %s\n", "", is_needed ? "needed" : "not needed here, but",
			r->fix);
}

static void row_print_json(
	const struct row *r, const struct found *f, bool is_needed, bool is_first)
{
	printf("%s{\"row\": \"%s\", \"ok\": %s, \"needed\": %s, \"found\": ", is_first ? "" : ", ",
		r->name, f->is_there ? "true" : "false", is_needed ? "true" : "false");
	sup_json_text(stdout, f->what);
	if (!f->is_there) {
		printf(", \"fix\": ");
		sup_json_text(stdout, r->fix);
	}
	printf("}");
}

int sup_cmd_host(int argc, char **argv)
{
	const char *tee = NULL;
	bool is_json = false;
	bool is_ready = true;
	const struct opt options[] = {
		{ "tee", OPT_TEXT, &tee, "TEE", "the guests in question: none (default) or snp" },
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate host check [--tee TEE] [--json]",
		"What this machine can do; exit 0 only if run would work for the given --tee.",
		options, 1, 1 };
	char **args = NULL;
	size_t n_args = 0;
	struct why why = { 0 };
	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);

	if (err == 0 && strcmp(args[0], "check") != 0)
		err = why_set(&why, -EINVAL, "host: unknown word \"%s\", want check", args[0]);
	if (err == 0 && tee != NULL && strcmp(tee, "none") != 0 && strcmp(tee, "snp") != 0)
		err = why_set(&why, -EINVAL, "--tee: \"%s\" is neither none nor snp", tee);
	if (err != 0)
		return sup_cmd_usage(err, &why);
	unsigned int wanted = FOR_ALL | (tee != NULL && strcmp(tee, "snp") == 0 ? FOR_SNP : 0);
	if (is_json)
		printf("{\"schema\": \"casemate/host/1\", \"tee\": \"%s\", \"rows\": [",
			tee != NULL ? tee : "none");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct found f = { 0 };
		bool is_needed = (rows[i].needed & wanted) != 0;
		rows[i].ask(&f);
		is_ready = is_ready && (f.is_there || !is_needed);
		if (is_json)
			row_print_json(&rows[i], &f, is_needed, i == 0);
		else
			row_print(&rows[i], &f, is_needed);
	}
	if (is_json)
		printf("], \"ready\": %s}\n", is_ready ? "true" : "false");
	else
		printf("%s for guests with tee %s\n", is_ready ? "ready" : "not ready",
			tee != NULL ? tee : "none");
	return is_ready ? EXIT_YES : EXIT_NO;
}
