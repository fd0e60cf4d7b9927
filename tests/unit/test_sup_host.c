/* host check: machines made of files and numbers, and what is judged of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/plan.h"
#include "sandbox/cgroup.h"
#include "tests/unit/cm.h"
#include "vmm/super/sup_host_kernel.h"
#include "vmm/super/sup_host_rows.h"

#define TDX_BIT (1u << PLAN_TEE_TDX)
#define SNP_BIT (1u << PLAN_TEE_SNP)

/* ---- a machine of files ---------------------------------------------------------------------- */

struct file {
	const char *path, *text;
};

static const struct file files_any[] = {
	{ "proc/sys/kernel/osrelease", "7.2.4\n" },
	{ "proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC\n" },
	{ "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n" },
	{ "proc/sys/kernel/core_pattern", "core\n" },
	{ "proc/sys/kernel/io_uring_disabled", "2\n" },
	{ "proc/sys/kernel/yama/ptrace_scope", "1\n" },
	{ "proc/sys/kernel/unprivileged_bpf_disabled", "2\n" },
	{ "proc/sys/kernel/seccomp/actions_avail",
		"kill_process kill_thread trap errno user_notif trace log allow\n" },
	{ "proc/sys/kernel/seccomp/actions_logged",
		"kill_process kill_thread trap errno user_notif trace log\n" },
	{ "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "12\n" },
	{ "sys/class/iommu/ivhd0", "" },
	{ 0 },
};

static const struct file files_epyc[] = {
	{ "sys/module/kvm_amd/parameters/sev", "Y\n" },
	{ "sys/module/kvm_amd/parameters/sev_es", "Y\n" },
	{ "sys/module/kvm_amd/parameters/sev_snp", "Y\n" },
	{ "sys/devices/system/cpu/cpu0/microcode/version", "0xa101154\n" },
	{ "sys/fs/cgroup/misc.capacity", "sev 410\nsev_es 99\n" },
	{ "sys/fs/cgroup/misc.current", "sev 0\nsev_es 3\n" },
	{ 0 },
};

static const struct file files_xeon[] = {
	{ "sys/module/kvm_intel/parameters/tdx", "Y\n" },
	{ "sys/devices/faux/tdx_host/version", "1.5.06\n" },
	{ "sys/fs/cgroup/misc.capacity", "tdx 31\n" },
	{ "sys/fs/cgroup/misc.current", "tdx 31\n" },
	{ 0 },
};

static char folder[] = "/tmp/casemate-host.XXXXXX";

static void files_make(int root, const struct file *files)
{
	for (; files->path != NULL; files++) {
		char path[256];
		(void)snprintf(path, sizeof path, "%s", files->path);
		for (char *slash = strchr(path, '/'); slash != NULL;
			slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			assert_true(mkdirat(root, path, 0700) == 0 || errno == EEXIST);
			*slash = '/';
		}
		AUTO(fd) int fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		size_t len = strlen(files->text);
		assert_true(fd >= 0 && write(fd, files->text, len) == (ssize_t)len);
	}
}

/* The numbers of CPUID for a vendor text and leaf 1. */
static uint32_t cpu_eax1;
static const char *cpu_vendor;
static uint32_t cpu_enc[4];

static void cpuid_fake(uint32_t leaf, uint32_t subleaf, uint32_t ret[4])
{
	memset(ret, 0, 4 * sizeof ret[0]);
	assert_int_equal(subleaf, 0);
	if (leaf == 0) {
		memcpy(&ret[1], cpu_vendor, 4);
		memcpy(&ret[3], cpu_vendor + 4, 4);
		memcpy(&ret[2], cpu_vendor + 8, 4);
	}
	if (leaf == 1)
		ret[0] = cpu_eax1;
	if (leaf == 0x80000000u)
		ret[0] = cpu_enc[0] != 0 ? 0x80000028u : 0x80000008u;
	if (leaf == 0x8000001fu)
		memcpy(ret, cpu_enc, sizeof cpu_enc);
}

/* Look at the files, then say what only devices and this process could. */
static struct host_facts look(const struct file *files)
{
	struct host_facts f = { 0 };

	(void)snprintf(folder, sizeof folder, "/tmp/casemate-host.XXXXXX");
	assert_non_null(mkdtemp(folder));
	AUTO(fd) int root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	files_make(root, files_any);
	files_make(root, files);
	const struct host_source from = { root, cpuid_fake };
	host_look_cpu(&from, &f);
	host_look_files(&from, &f);
	host_look_devices(&from, &f);
	char command[64];
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	assert_int_equal(system(command), 0);
	/* No device is in the folder. */
	assert_int_equal(f.kvm_api.err, ENOENT);
	assert_int_equal(f.sev.err, ENOENT);
	assert_int_equal(f.snp.err, ENOENT);
	assert_int_equal(f.qgs.err, ENOENT);
	assert_int_equal(f.syscfg.err, ENOENT);
	f.kvm_api = (struct host_num){ .v = 12 };
	f.namespaces = f.seccomp = f.mdwe = (struct host_num){ .v = 1 };
	f.landlock = (struct host_num){ .v = 6 };
	f.cgroup = (struct host_num){ .v = CGROUP_HAS_ALL };
	f.selinux = (struct host_text){ .s = "1" };
	f.svirt = SVIRT_HOST_ENFORCING;
	f.memlock = (struct host_num){ .v = UINT64_MAX };
	return f;
}

static struct host_facts good_epyc(void)
{
	cpu_vendor = "AuthenticAMD";
	cpu_eax1 = 0x00a10f11;
	cpu_enc[0] = 0x1a;
	cpu_enc[1] = 51;
	cpu_enc[2] = 509;
	cpu_enc[3] = 100;
	struct host_facts f = look(files_epyc);
	f.vm_types = (struct host_num){ .v = 0x1d };
	f.sev.err = f.snp.err = 0;
	f.sev.v =
		(struct abi_psp_status){ .api_major = 1, .api_minor = 55, .state = 1, .build = 21 };
	f.snp.v = (struct abi_psp_snp_status){ .api_major = 1,
		.api_minor = 55,
		.state = 1,
		.is_rmp = 1,
		.current_tcb = { 10, 0, 0, 0, 0, 0, 23, 84 },
		.reported_tcb = { 9, 0, 0, 0, 0, 0, 23, 84 } };
	f.syscfg = (struct host_num){ .v = 1ull << 23 | 1ull << 24 };
	f.rmp_base = (struct host_num){ .v = 0x100000000 };
	f.rmp_end = (struct host_num){ .v = 0x13fffffff };
	return f;
}

static struct host_facts good_xeon(void)
{
	cpu_vendor = "GenuineIntel";
	cpu_eax1 = 0x000806f8;
	memset(cpu_enc, 0, sizeof cpu_enc);
	struct host_facts f = look(files_xeon);
	f.vm_types = (struct host_num){ .v = 0x21 };
	f.keyids = (struct host_num){ .v = 31ull << 32 | 32 };
	f.current[HOST_POOL_TDX].v = 2;
	return f;
}

/* The judgement of one row, and what it observed. */
static enum host_state ask(const struct host_facts *f, const char *id, char *observed)
{
	size_t n = 0;
	const struct host_row *rows = host_rows(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].id, id) == 0)
			return rows[i].judge(f, rows[i].which, observed, HOST_OBSERVED_BYTES);
	fail_msg("no row %s", id);
	return HOST_NO;
}

static void assert_row(
	const struct host_facts *f, const char *id, enum host_state want, const char *says)
{
	char observed[HOST_OBSERVED_BYTES] = "";
	enum host_state state = ask(f, id, observed);

	if (state != want || strstr(observed, says) == NULL)
		fail_msg("%s: state %d, want %d; \"%s\", want \"%s\"", id, state, want, observed,
			says);
}

/* ---- good machines --------------------------------------------------------------------------- */

static void an_epyc_is_ready_for_every_kind_of_amd(void **state)
{
	struct host_facts f = good_epyc();

	(void)state;
	for (unsigned int tee = PLAN_TEE_SEV; tee <= PLAN_TEE_SNP; tee++)
		assert_true(host_is_ready(&f, tee));
	assert_true(host_is_ready(&f, PLAN_TEE_NONE));
	assert_false(host_is_ready(&f, PLAN_TEE_SW));
	assert_false(host_is_ready(&f, PLAN_TEE_TDX));
	assert_row(&f, "cpu.product", HOST_YES, "Genoa");
	assert_row(&f, "cpu.snp", HOST_YES, "C-bit 51, 509 ASIDs, those below 100");
	assert_row(&f, "msr.rmp", HOST_YES, "1024 MiB");
	assert_row(&f, "asid.sev-es", HOST_YES, "99, 3 in use");
	assert_row(&f, "psp.snp", HOST_YES, "API 1.55");
	assert_row(&f, "psp.tcb", HOST_YES,
		"boot loader 10, TEE 0, SNP 23, microcode 84; reported boot");
	assert_row(&f, "cpu.microcode", HOST_YES, "0xa101154");
	assert_row(&f, "iommu", HOST_YES, "1");
	assert_row(&f, "huge-pages", HOST_YES, "12 of");
}

static void a_xeon_is_ready_for_tdx(void **state)
{
	struct host_facts f = good_xeon();

	(void)state;
	assert_true(host_is_ready(&f, PLAN_TEE_TDX));
	assert_false(host_is_ready(&f, PLAN_TEE_SNP));
	assert_row(&f, "tdx.module", HOST_YES, "version 1.5.06, initialised");
	assert_row(&f, "msr.tdx", HOST_YES, "31 key");
	assert_row(&f, "tdx.qgs", HOST_NO, "No such file");
}

static void every_row_is_complete_and_has_an_id_of_its_own(void **state)
{
	size_t n = 0;
	const struct host_row *rows = host_rows(&n);

	(void)state;
	assert_true(n > 40);
	for (size_t i = 0; i < n; i++) {
		assert_true(rows[i].wanted[0] != '\0' && rows[i].source[0] != '\0' &&
			    rows[i].fix[0] != '\0');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(rows[i].id, rows[j].id);
	}
}

/* ---- one thing wrong ------------------------------------------------------------------------- */

/* What is zeroed out or changed in a good machine, and the row that must say so. */
static void break_vm_type(struct host_facts *f)
{
	f->vm_types.v &= ~(uint64_t)(SNP_BIT | TDX_BIT);
}
static void break_kvm(struct host_facts *f)
{
	f->kvm_api = (struct host_num){ .err = EACCES };
}
static void break_kvm_version(struct host_facts *f)
{
	f->kvm_api.v = 11;
}
static void break_types_unread(struct host_facts *f)
{
	f->vm_types = (struct host_num){ .err = EACCES };
}
static void break_psp(struct host_facts *f)
{
	f->snp.err = EACCES;
}
static void break_psp_gone(struct host_facts *f)
{
	f->sev.err = ENOENT;
}
static void break_psp_fw(struct host_facts *f)
{
	f->snp.err = EIO;
	f->snp.fw = 0x15;
}
static void break_snp_init(struct host_facts *f)
{
	f->snp.v.state = 0;
}
static void break_rmp(struct host_facts *f)
{
	f->snp.v.is_rmp = 0;
}
static void break_api(struct host_facts *f)
{
	f->snp.v.api_minor = 50;
}
static void break_param(struct host_facts *f)
{
	f->param[HOST_PARAM_SNP].s[0] = 'N';
}
static void break_param_gone(struct host_facts *f)
{
	f->param[HOST_PARAM_SNP].err = ENOENT;
}
static void break_asids(struct host_facts *f)
{
	f->current[HOST_POOL_SEV_ES].v = 99;
}
static void break_asids_unread(struct host_facts *f)
{
	f->capacity[HOST_POOL_SEV_ES].err = ENOENT;
}
static void break_iommu(struct host_facts *f)
{
	f->iommus.v = 0;
}
static void break_cpuid(struct host_facts *f)
{
	f->enc[0] &= ~(1u << 4);
}
static void break_vendor(struct host_facts *f)
{
	f->vendor[0] = 'X';
}
static void break_namespaces(struct host_facts *f)
{
	f->namespaces.err = EPERM;
}
static void break_seccomp(struct host_facts *f)
{
	f->seccomp.err = EOPNOTSUPP;
}
static void break_monitor(struct host_facts *f)
{
	f->program[HOST_PROGRAM_MONITOR].err = ENOPKG;
}
static void break_policy(struct host_facts *f)
{
	f->program[HOST_PROGRAM_POLICY].err = ENOPKG;
}
static void break_ledger(struct host_facts *f)
{
	f->program[HOST_PROGRAM_LEDGER].err = ENOPKG;
}
static void break_kernel(struct host_facts *f)
{
	(void)strcpy(f->release.s, "5.10.0");
}
static void break_ghcb(struct host_facts *f)
{
	(void)strcpy(f->release.s, "6.4.10");
}
static void break_ghcb_unknown(struct host_facts *f)
{
	(void)strcpy(f->release.s, "6.1.0-9-amd64");
}

static void one_thing_wrong_is_named_and_enough(void **state)
{
	static const struct {
		void (*breaks)(struct host_facts *f);
		const char *row;
		enum host_state want;
		const char *says;
	} cases[] = {
		{ break_vm_type, "kvm.snp", HOST_NO, "0xd" },
		{ break_kvm, "kvm", HOST_UNKNOWN, "Permission denied" },
		{ break_kvm_version, "kvm", HOST_NO, "version 11" },
		{ break_types_unread, "kvm.snp", HOST_UNKNOWN, "Permission denied" },
		{ break_psp, "psp.snp", HOST_UNKNOWN, "Permission denied" },
		{ break_psp_gone, "psp", HOST_NO, "No such file" },
		{ break_psp_fw, "psp.snp", HOST_UNKNOWN, "firmware status 0x15" },
		{ break_snp_init, "psp.snp", HOST_NO, "not initialised, RMP initialised" },
		{ break_rmp, "psp.snp", HOST_NO, "RMP not initialised" },
		{ break_api, "psp.api.snp", HOST_NO, "1.50" },
		{ break_param, "param.snp", HOST_NO, "N" },
		{ break_param_gone, "param.snp", HOST_NO, "not loaded" },
		{ break_asids, "asid.sev-es", HOST_NO, "99, 99 in use" },
		{ break_asids_unread, "asid.sev-es", HOST_UNKNOWN, "does not count" },
		{ break_iommu, "iommu", HOST_NO, "0" },
		{ break_cpuid, "cpu.snp", HOST_NO, "EAX 0xa" },
		{ break_vendor, "cpu.amd", HOST_NO, "XuthenticAMD" },
		{ break_namespaces, "user-namespaces", HOST_NO, "not permitted" },
		{ break_seccomp, "seccomp", HOST_NO, "not supported" },
		{ break_monitor, "monitor", HOST_NO, "not installed" },
		{ break_policy, "policy", HOST_NO, "not installed" },
		{ break_ledger, "ledger", HOST_NO, "not installed" },
		{ break_kernel, "kernel", HOST_NO, "5.10.0" },
		{ break_ghcb, "kernel.cve-2023-4155", HOST_NO, "6.4.10 has it" },
		{ break_ghcb_unknown, "kernel.cve-2023-4155", HOST_UNKNOWN, "may have it" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct host_facts f = good_epyc();
		cases[i].breaks(&f);
		assert_row(&f, cases[i].row, cases[i].want, cases[i].says);
		if (host_is_ready(&f, PLAN_TEE_SNP))
			fail_msg("ready for SNP with %s", cases[i].row);
	}
}

/* ---- what our processes are locked up with ---------------------------------------------------- */

static const char *const walls[] = { "seccomp.actions", "seccomp.log", "landlock", "landlock.scope",
	"mdwe", "selinux", "selinux.module", "cgroup-v2", "cgroup.memory", "cgroup.pids",
	"cgroup.cpu", "cgroup.io", "cgroup.delegation", "io-uring", "ptrace-scope",
	"unprivileged-bpf", "core-pattern" };

static void a_host_with_every_wall_says_so(void **state)
{
	struct host_facts f = good_epyc();
	char observed[HOST_OBSERVED_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(walls); i++)
		if (ask(&f, walls[i], observed) != HOST_YES)
			fail_msg("%s: %s", walls[i], observed);
	assert_row(&f, "cgroup.delegation", HOST_YES, "memory pids cpu io");
	assert_row(&f, "landlock", HOST_YES, "ABI 6");
}

/* What was not looked at, or may not be: never a yes, and never a launch stopped by it. */
static void a_wall_that_cannot_be_seen_is_unknown(void **state)
{
	static const char *const unknown[] = { "seccomp.actions", "seccomp.log", "mdwe", "selinux",
		"cgroup-v2", "cgroup.memory", "cgroup.io", "cgroup.delegation", "io-uring",
		"ptrace-scope", "unprivileged-bpf", "core-pattern" };
	struct host_facts f = good_epyc();
	char observed[HOST_OBSERVED_BYTES];

	(void)state;
	f.seccomp_avail.err = f.seccomp_logged.err = f.selinux.err = EACCES;
	f.controllers.err = f.core_pattern.err = EACCES;
	f.mdwe.err = EPERM;
	f.cgroup.err = EMFILE;
	for (size_t i = 0; i < HOST_SYSCTL_COUNT; i++)
		f.sysctl[i].err = EACCES;
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		if (ask(&f, unknown[i], observed) != HOST_UNKNOWN)
			fail_msg("%s: %s", unknown[i], observed);
	for (size_t i = 0; i < ARRAY_LEN(walls); i++) {
		size_t n = 0;
		const struct host_row *rows = host_rows(&n);
		for (size_t j = 0; j < n; j++)
			if (strcmp(rows[j].id, walls[i]) == 0)
				assert_int_equal(rows[j].needed, 0);
	}
	assert_true(host_is_ready(&f, PLAN_TEE_SNP));
}

static void a_wall_that_is_missing_is_named(void **state)
{
	struct host_facts f = good_epyc();

	(void)state;
	(void)strcpy(f.seccomp_avail.s, "kill_process_ xkill_process errno");
	assert_row(&f, "seccomp.actions", HOST_NO, "xkill");
	(void)strcpy(f.seccomp_logged.s, "errno trap");
	assert_row(&f, "seccomp.log", HOST_NO, "errno trap");
	f.landlock.v = 5;
	assert_row(&f, "landlock", HOST_YES, "ABI 5");
	assert_row(&f, "landlock.scope", HOST_NO, "ABI 5");
	f.landlock = (struct host_num){ .err = EOPNOTSUPP };
	assert_row(&f, "landlock", HOST_NO, "not supported");
	f.mdwe.err = EINVAL;
	assert_row(&f, "mdwe", HOST_NO, "Invalid");
	f.selinux.s[0] = '0';
	assert_row(&f, "selinux", HOST_NO, "permissive");
	f.svirt = SVIRT_HOST_PERMISSIVE;
	assert_row(&f, "selinux.module", HOST_YES, "permissive");
	f.svirt = SVIRT_HOST_NO_MODULE;
	assert_row(&f, "selinux.module", HOST_NO, "does not know");
	f.svirt = SVIRT_HOST_NONE;
	assert_row(&f, "selinux.module", HOST_NO, "no SELinux");
	(void)strcpy(f.core_pattern.s, "|/usr/lib/systemd/systemd-coredump %P");
	assert_row(&f, "core-pattern", HOST_NO, "systemd-coredump");
	f.sysctl[HOST_SYSCTL_IO_URING].v = 0;
	assert_row(&f, "io-uring", HOST_NO, "0");
	f.sysctl[HOST_SYSCTL_IO_URING].err = ENOENT; /* Linux 6.1 has io_uring and no such switch */
	assert_row(&f, "io-uring", HOST_UNKNOWN, "no such switch");
	f.sysctl[HOST_SYSCTL_PTRACE].v = 0;
	assert_row(&f, "ptrace-scope", HOST_NO, "0");
	f.sysctl[HOST_SYSCTL_BPF].v = 0;
	assert_row(&f, "unprivileged-bpf", HOST_NO, "0");
}

static void cgroups_that_a_guest_could_not_have_are_named(void **state)
{
	struct host_facts f = good_epyc();

	(void)state;
	(void)strcpy(f.controllers.s, "cpuset cpu pids");
	assert_row(&f, "cgroup-v2", HOST_YES, "cpuset cpu pids");
	assert_row(&f, "cgroup.pids", HOST_YES, "there");
	assert_row(&f, "cgroup.memory", HOST_NO, "not there");
	assert_row(&f, "cgroup.io", HOST_NO, "not there");
	f.controllers.s[0] = 0; /* hybrid: mounted, and every controller at v1 */
	assert_row(&f, "cgroup-v2", HOST_YES, "none");
	assert_row(&f, "cgroup.cpu", HOST_NO, "not there");
	f.controllers.err = ENOENT;
	assert_row(&f, "cgroup-v2", HOST_NO, "No such file");
	assert_row(&f, "cgroup.cpu", HOST_NO, "No such file");
	f.cgroup.v = CGROUP_HAS_MEMORY | CGROUP_HAS_PIDS;
	assert_row(&f, "cgroup.delegation", HOST_NO, "memory pids");
	f.cgroup.v = 0;
	assert_row(&f, "cgroup.delegation", HOST_NO, "none");
	f.cgroup.err = ENODEV;
	(void)why_set(&f.cgroup_why, -ENODEV, "systemd-run");
	assert_row(&f, "cgroup.delegation", HOST_NO, "systemd-run");
}

static void what_nobody_needs_does_not_stop_a_launch(void **state)
{
	struct host_facts f = good_epyc();

	(void)state;
	f.syscfg.err = f.rmp_base.err = EACCES;
	f.microcode.err = ENOENT;
	f.snp.v.reported_tcb[7] = 85;
	f.selinux.err = f.tpm.err = ENOENT;
	assert_row(&f, "msr.snp", HOST_UNKNOWN, "Permission denied");
	assert_row(&f, "psp.tcb", HOST_NO, "microcode 85");
	assert_row(&f, "psp.alias-check", HOST_UNKNOWN, "report");
	assert_row(&f, "psp.es-beside-snp", HOST_NO, "both");
	assert_true(host_is_ready(&f, PLAN_TEE_SNP));
}

static void a_tdx_host_with_one_thing_wrong_is_not_ready(void **state)
{
	struct host_facts f = good_xeon();

	(void)state;
	f.current[HOST_POOL_TDX].v = 31;
	assert_row(&f, "tdx.keys", HOST_NO, "31, 31 in use");
	assert_false(host_is_ready(&f, PLAN_TEE_TDX));
	f = good_xeon();
	break_vm_type(&f);
	assert_row(&f, "tdx.module", HOST_NO, "not in use");
	assert_false(host_is_ready(&f, PLAN_TEE_TDX));
	f = good_xeon();
	f.tdx_module.err = ENOENT;
	assert_row(&f, "tdx.module", HOST_UNKNOWN, "does not show");
	(void)strcpy(f.tdx_module.s, "1.0.3");
	f.tdx_module.err = 0;
	assert_row(&f, "tdx.module", HOST_NO, "1.0.3");
}

static void a_machine_of_nothing_is_ready_for_nothing(void **state)
{
	struct host_facts f = { 0 };
	static const struct host_num gone = { .err = ENOENT };

	(void)state;
	f.release.err = f.version.err = ENOENT;
	f.kvm_api = f.vm_types = gone;
	f.sev.err = f.snp.err = ENOENT;
	for (unsigned int tee = 0; tee < PLAN_TEE_COUNT; tee++)
		assert_false(host_is_ready(&f, tee));
	assert_row(&f, "kernel", HOST_UNKNOWN, "no version");
	assert_row(&f, "cpu.product", HOST_UNKNOWN, "in no table");
}

static void a_small_memory_lock_limit_is_told(void **state)
{
	struct host_facts f = good_epyc();

	(void)state;
	f.memlock.v = 8 << 20;
	assert_row(&f, "memory-lock", HOST_NO, "up to 8 MiB");
	assert_false(host_is_ready(&f, PLAN_TEE_SEV));
	assert_true(host_is_ready(&f, PLAN_TEE_SNP)); /* its memory is not pinned by us */
	f.memlock.v = 4ull << 30;
	assert_row(&f, "memory-lock", HOST_YES, "up to 4096 MiB");
}

static void milan_is_said_to_be_broken(void **state)
{
	struct host_facts f = good_epyc();

	(void)state;
	f.model = 1;
	assert_row(&f, "cpu.product", HOST_NO, "2605.12990");
	f.family = 0x1a;
	assert_row(&f, "cpu.product", HOST_YES, "Turin");
	f.model = 0xff;
	assert_row(&f, "cpu.product", HOST_UNKNOWN, "in no table");
}

/* ---- texts ----------------------------------------------------------------------------------- */

static void kernel_versions_are_read_as_their_makers_mean_them(void **state)
{
	static const struct {
		const char *release, *version;
		bool is_read;
		struct host_kernel want;
	} cases[] = {
		{ "6.1.0-50-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-01)", true,
			{ 6, 1, 176, true } },
		{ "6.12.117", "#1 SMP", true, { 6, 12, 117, true } },
		{ "6.8.0-40-generic", "#40-Ubuntu SMP", true, { 6, 8, 0, false } },
		{ "7.2", "#1 SMP", true, { 7, 2, 0, false } },
		{ "6.4.10-200.fc38.x86_64", "#1", true, { 6, 4, 10, false } },
		{ "6.1.0-9-amd64", "Debian", true, { 6, 1, 0, false } },
		{ "six", "#1", false, { 0 } },
		{ "", "", false, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct host_facts f = { 0 };
		struct host_kernel k = { 0 };
		(void)snprintf(f.release.s, sizeof f.release.s, "%s", cases[i].release);
		(void)snprintf(f.version.s, sizeof f.version.s, "%s", cases[i].version);
		assert_int_equal(host_kernel_parse(&f, &k), cases[i].is_read);
		assert_int_equal(k.major, cases[i].want.major);
		assert_int_equal(k.minor, cases[i].want.minor);
		assert_int_equal(k.patch, cases[i].want.patch);
		assert_int_equal(k.is_exact, cases[i].want.is_exact);
	}
}

static void faults_are_told_by_version(void **state)
{
	static const struct {
		enum host_fault_id fault;
		struct host_kernel k;
		int want;
	} cases[] = {
		{ HOST_FAULT_GHCB, { 5, 10, 1, true }, 1 },
		{ HOST_FAULT_GHCB, { 6, 1, 51, true }, 0 },
		{ HOST_FAULT_GHCB, { 6, 1, 52, true }, 1 },
		{ HOST_FAULT_GHCB, { 6, 1, 0, false }, -1 },
		{ HOST_FAULT_GHCB, { 6, 3, 99, true }, 0 },
		{ HOST_FAULT_GHCB, { 6, 4, 11, true }, 1 },
		{ HOST_FAULT_GHCB, { 6, 5, 0, false }, 1 },
		{ HOST_FAULT_VMSA, { 6, 10, 0, true }, 1 },
		{ HOST_FAULT_VMSA, { 6, 12, 117, true }, 0 },
		{ HOST_FAULT_VMSA, { 7, 2, 0, false }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
			host_fault_check(&host_faults[cases[i].fault], &cases[i].k), cases[i].want);
}

static void odd_files_are_no_answers(void **state)
{
	static const struct file odd[] = {
		{ "sys/fs/cgroup/misc.capacity", "sev_es many\nseven 3\nsev max\n" },
		{ "sys/fs/cgroup/misc.current", "" },
		{ "sys/devices/faux/tdx_host/version", "unknown\n" },
		{ "sys/module/kvm_amd/parameters/sev_snp", "\n" },
		{ 0 },
	};
	cpu_vendor = "AuthenticAMD";
	cpu_eax1 = 0;
	memset(cpu_enc, 0, sizeof cpu_enc);
	struct host_facts f = look(odd);

	(void)state;
	assert_true(f.capacity[HOST_POOL_SEV].v == UINT64_MAX);
	assert_int_equal(f.capacity[HOST_POOL_TDX].err, ENOENT);
	assert_row(&f, "asid.sev", HOST_UNKNOWN, "does not count");
	assert_row(&f, "asid.sev-es", HOST_UNKNOWN, "does not count");
	assert_row(&f, "param.snp", HOST_NO, "");
	assert_row(&f, "cpu.sev", HOST_NO, "nothing");
	assert_row(&f, "tdx.module", HOST_NO, "no version shown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_epyc_is_ready_for_every_kind_of_amd),
		cmocka_unit_test(a_xeon_is_ready_for_tdx),
		cmocka_unit_test(every_row_is_complete_and_has_an_id_of_its_own),
		cmocka_unit_test(one_thing_wrong_is_named_and_enough),
		cmocka_unit_test(a_host_with_every_wall_says_so),
		cmocka_unit_test(a_wall_that_cannot_be_seen_is_unknown),
		cmocka_unit_test(a_wall_that_is_missing_is_named),
		cmocka_unit_test(cgroups_that_a_guest_could_not_have_are_named),
		cmocka_unit_test(what_nobody_needs_does_not_stop_a_launch),
		cmocka_unit_test(a_tdx_host_with_one_thing_wrong_is_not_ready),
		cmocka_unit_test(a_machine_of_nothing_is_ready_for_nothing),
		cmocka_unit_test(a_small_memory_lock_limit_is_told),
		cmocka_unit_test(milan_is_said_to_be_broken),
		cmocka_unit_test(kernel_versions_are_read_as_their_makers_mean_them),
		cmocka_unit_test(faults_are_told_by_version),
		cmocka_unit_test(odd_files_are_no_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
