#include "vmm/super/sup_host_facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup.h"
#include "sandbox/spawn.h"
#include "vmm/super/sup_foreign.h"

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66 /* <linux/prctl.h> since 6.3 */
#endif

#define HUGE_FILE "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

/* A whole small file, zero-terminated; 0 or a positive errno. */
static int file_read(int root, const char *path, char *ret, size_t size)
{
	AUTO(fd) int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		return errno;
	ret[n] = '\0';
	return 0;
}

void host_text_read(int root_fd, const char *path, struct host_text *ret)
{
	*ret = (struct host_text){ 0 };
	ret->err = file_read(root_fd, path, ret->s, sizeof ret->s);
	ret->s[strcspn(ret->s, "\n")] = '\0';
}

static void num_read(int root, const char *path, struct host_num *ret)
{
	char text[32];
	char *end = NULL;

	*ret = (struct host_num){ .err = file_read(root, path, text, sizeof text) };
	if (ret->err != 0)
		return;
	ret->v = strtoull(text, &end, 10);
	if (end == text)
		ret->err = EBADMSG;
}

/* v is 1 if there is such a file. */
static void presence_read(int root, const char *path, struct host_num *ret)
{
	*ret = (struct host_num){ .v = 1 };
	if (faccessat(root, path, F_OK, 0) < 0)
		*ret = (struct host_num){ .err = errno };
}

static void entries_count(int root, const char *path, struct host_num *ret)
{
	AUTO(fd) int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	*ret = (struct host_num){ .err = dir == NULL ? errno : 0 };
	if (dir == NULL)
		return;
	fd = -1; /* dir's now */
	for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
		ret->v += e->d_name[0] != '.';
	(void)closedir(dir);
}

/* Lines `name number`. A kind that is not listed is ENOENT; "max" is the largest number. */
static void pools_read(int root, const char *path, struct host_num ret[HOST_POOL_COUNT])
{
	static const char *const names[HOST_POOL_COUNT] = { "sev ", "sev_es ", "tdx " };
	char text[512];
	int err = file_read(root, path, text, sizeof text);

	for (size_t i = 0; i < HOST_POOL_COUNT; i++)
		ret[i] = (struct host_num){ .err = err != 0 ? err : ENOENT };
	char *rest = NULL;
	for (char *line = err != 0 ? NULL : strtok_r(text, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest))
		for (size_t i = 0; i < HOST_POOL_COUNT; i++) {
			size_t len = strlen(names[i]);
			if (strncmp(line, names[i], len) != 0)
				continue;
			ret[i] = (struct host_num){ .v = UINT64_MAX };
			if (strcmp(line + len, "max") != 0)
				ret[i].v = strtoull(line + len, NULL, 10);
		}
}

void host_look_files(const struct host_source *from, struct host_facts *ret)
{
	static const char *const params[HOST_PARAM_COUNT] = {
		[HOST_PARAM_SEV] = "sys/module/kvm_amd/parameters/sev",
		[HOST_PARAM_ES] = "sys/module/kvm_amd/parameters/sev_es",
		[HOST_PARAM_SNP] = "sys/module/kvm_amd/parameters/sev_snp",
		[HOST_PARAM_TDX] = "sys/module/kvm_intel/parameters/tdx",
	};
	static const char *const sysctls[HOST_SYSCTL_COUNT] = {
		[HOST_SYSCTL_IO_URING] = "proc/sys/kernel/io_uring_disabled",
		[HOST_SYSCTL_PTRACE] = "proc/sys/kernel/yama/ptrace_scope",
		[HOST_SYSCTL_BPF] = "proc/sys/kernel/unprivileged_bpf_disabled",
	};
	int root = from->root_fd;

	for (size_t i = 0; i < HOST_SYSCTL_COUNT; i++)
		num_read(root, sysctls[i], &ret->sysctl[i]);
	for (size_t i = 0; i < HOST_PARAM_COUNT; i++)
		host_text_read(root, params[i], &ret->param[i]);
	host_text_read(root, "proc/sys/kernel/osrelease", &ret->release);
	host_text_read(root, "proc/sys/kernel/version", &ret->version);
	host_text_read(root, "sys/devices/system/cpu/cpu0/microcode/version", &ret->microcode);
	host_text_read(root, "sys/fs/selinux/enforce", &ret->selinux);
	host_text_read(root, "sys/kernel/security/lsm", &ret->lsm);
	host_text_read(root, "sys/devices/faux/tdx_host/version", &ret->tdx_module);
	num_read(root, HUGE_FILE, &ret->free_huge);
	entries_count(root, "sys/class/iommu", &ret->iommus);
	host_text_read(root, "sys/fs/cgroup/cgroup.controllers", &ret->controllers);
	host_text_read(root, "proc/sys/kernel/core_pattern", &ret->core_pattern);
	host_text_read(root, "proc/sys/kernel/seccomp/actions_avail", &ret->seccomp_avail);
	host_text_read(root, "proc/sys/kernel/seccomp/actions_logged", &ret->seccomp_logged);
	presence_read(root, "dev/tpmrm0", &ret->tpm);
	pools_read(root, "sys/fs/cgroup/misc.capacity", ret->capacity);
	pools_read(root, "sys/fs/cgroup/misc.current", ret->current);
}

/* Not a reading of sysctls: the thing itself. */
static void look_namespaces(struct host_num *ret)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
			 CLONE_NEWUTS | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		_exit(0);
	*ret = pid < 0 ? (struct host_num){ .err = errno } : (struct host_num){ .v = 1 };
	while (pid > 0 && waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void look_cgroup(struct host_facts *ret)
{
	uint32_t has = 0;
	int err = cgroup_probe(&has, &ret->cgroup_why);

	ret->cgroup = (struct host_num){ .err = -err, .v = has };
}

static void num_from(struct host_num *ret, long answer)
{
	*ret = answer < 0 ? (struct host_num){ .err = errno }
			  : (struct host_num){ .v = (unsigned long)answer };
}

void host_look_self(struct host_facts *ret)
{
	static const char *const programs[HOST_PROGRAM_COUNT] = {
		[HOST_PROGRAM_MONITOR] = "casemate-monitor",
		[HOST_PROGRAM_POLICY] = "casemate-policy",
		[HOST_PROGRAM_LEDGER] = "casemate-ledger",
		[HOST_PROGRAM_SIM] = "casemate-monitor-sim",
	};
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	struct rlimit limit;

	ret->is_root = geteuid() == 0;
	look_namespaces(&ret->namespaces);
	num_from(&ret->seccomp, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	num_from(&ret->landlock,
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));
	num_from(&ret->mdwe, prctl(PR_GET_MDWE, 0, 0, 0, 0));
	look_cgroup(ret);
	ret->svirt = svirt_look();
	ret->memlock = (struct host_num){ .err = EIO };
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		ret->memlock = (struct host_num){ .v = limit.rlim_max };
	for (size_t i = 0; i < HOST_PROGRAM_QSD; i++) {
		AUTO(fd) int fd = -1;
		int err = spawn_open_binary(
			programs[i], &fd, ret->program[i].s, sizeof ret->program[i].s, NULL);
		ret->program[i].err = -err;
	}
	struct host_text *qsd = &ret->program[HOST_PROGRAM_QSD]; /* not beside ours */
	qsd->err = access(SUP_FOREIGN_QSD, F_OK) < 0 ? errno : 0;
	(void)snprintf(qsd->s, sizeof qsd->s, "%s", SUP_FOREIGN_QSD);
}
