#include "vmm/super/sup_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/memfd.h>
#include <linux/openat2.h>
#include <linux/vm_sockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u /* linux/memfd.h since 6.3 */
#endif
#define KVM_CAP_VM_TYPES_NR 235 /* KVM_CAP_VM_TYPES, kvm-cvm-abi 1.2: a bit per VM type */

const struct sup_files SUP_FILES_NONE = { .folder = -1,
	.kvm = -1,
	.sev = -1,
	.memory = -1,
	.empty = -1,
	.kernel = -1,
	.initrd = -1,
	.firmware = -1,
	.flash_vars = -1,
	.sev_dh = -1,
	.sev_session = -1,
	.snp_certs = -1,
	.owner_ca = -1,
	.disks = { -1, -1, -1, -1, -1, -1, -1, -1 },
	.ledger = -1,
	.ledger_key = -1 };
_Static_assert(LIMIT_DISKS == 8, "SUP_FILES_NONE");

#define KIND_FILE   0x1u
#define KIND_BLOCK  0x2u
#define KIND_FOLDER 0x4u

static uint32_t kind_of(mode_t mode)
{
	if (S_ISREG(mode))
		return KIND_FILE;
	if (S_ISBLK(mode))
		return KIND_BLOCK;
	return S_ISDIR(mode) ? KIND_FOLDER : 0;
}

/*
 * Find the path without opening what it names (a FIFO would block, a device would act), judge its
 * kind, then open that very thing.
 */
static MUST_USE int path_open(int folder, const char *what, const char *path, uint32_t kinds,
	int flags, int *ret_fd, struct why *why)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	char link[64];
	struct stat st;
	AUTO(fd) int at = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);

	if (at < 0 && errno == ELOOP)
		return why_set(why, -ELOOP,
			"%s: %s is or passes through a symbolic link: write the path "
			"it stands for",
			what, path);
	if (at < 0)
		return why_set(
			why, -EIO, "%s: cannot open %s: %s", what, path, strerrordesc_np(errno));
	if (fstat(at, &st) < 0 || (kind_of(st.st_mode) & kinds) == 0)
		return why_set(why, -EIO, "%s: %s is no %s", what, path,
			kinds == KIND_FOLDER ? "folder"
			: kinds == KIND_FILE ? "regular file"
					     : "regular file or block device");
	if (S_ISBLK(st.st_mode) && (flags & O_ACCMODE) == O_RDWR)
		flags |= O_EXCL; /* not a mounted one */
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", at);
	int fd = open(link, flags | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return why_set(why, errno == EBUSY ? -EBUSY : -EIO, "%s: cannot open %s for %s: %s",
			what, path, (flags & O_ACCMODE) == O_RDWR ? "writing" : "reading",
			strerrordesc_np(errno));
	*ret_fd = fd;
	return 0;
}

static MUST_USE int size_of(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, ret) < 0 ? -errno : 0;
	*ret = (uint64_t)st.st_size;
	return 0;
}

/* A file of min to max bytes. */
static MUST_USE int image_open(int folder, const char *what, const char *path, int flags,
	uint64_t min, uint64_t max, int *ret_fd, struct why *why)
{
	uint64_t size = 0;
	AUTO(fd) int fd = -1;
	int err = path_open(folder, what, path, KIND_FILE, flags, &fd, why);

	if (err == 0)
		err = size_of(fd, &size);
	if (err < 0)
		return why_set(why, err, "%s: %s: %s", what, path, strerrordesc_np(-err));
	if (size >= min && size <= max) {
		*ret_fd = fd_take(&fd);
		return 0;
	}
	if (min == max)
		return why_set(why, -EBADMSG, "%s: %s has %llu bytes, want %llu", what, path,
			(unsigned long long)size, (unsigned long long)max);
	return why_set(why, -EBADMSG, "%s: %s has %llu bytes, want %llu to %llu", what, path,
		(unsigned long long)size, (unsigned long long)min, (unsigned long long)max);
}

/*
 * Two guests never write one image, and none reads what another writes: a lock that lives as long
 * as the open file, wherever its descriptors went.
 */
static MUST_USE int file_lock(
	int fd, bool is_read_only, const char *what, const char *path, struct why *why)
{
	struct flock lock = { .l_type = is_read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN) /* EACCES is SELinux's */
		return why_set(why, -EBUSY,
			"%s: %s is in use by another guest, or named twice and written", what,
			path);
	return why_set(why, -EIO, "%s: cannot lock %s: %s", what, path, strerrordesc_np(errno));
}

static MUST_USE int disk_open(
	const struct wire_plan_disk *d, struct sup_files *files, uint32_t i, struct why *why)
{
	bool is_read_only = (le32_get(d->flags) & PLAN_DISK_READ_ONLY) != 0;
	char what[LIMIT_ID_BYTES + 8];
	uint64_t size = 0;
	AUTO(fd) int fd = -1;

	(void)snprintf(what, sizeof what, "disk %s", d->id);
	int err = path_open(files->folder, what, d->path, KIND_FILE | KIND_BLOCK,
		is_read_only ? O_RDONLY : O_RDWR, &fd, why);
	if (err == 0)
		err = file_lock(fd, is_read_only, what, d->path, why);
	if (err == 0)
		err = size_of(fd, &size);
	if (err < 0)
		return why_set(why, err, "%s: %s: %s", what, d->path, strerrordesc_np(-err));
	if (size == 0 || size % 512 != 0)
		return why_set(why, -EBADMSG,
			"%s: %s has %llu bytes, want a multiple of 512 above zero", what, d->path,
			(unsigned long long)size);
	files->disk_sizes[i] = size;
	files->disks[i] = fd_take(&fd);
	return 0;
}

static MUST_USE int kvm_open(struct sup_files *files, struct why *why)
{
	AUTO(fd) int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		return why_set(why, -ENODEV,
			"/dev/kvm may not be opened by this user: join its group "
			"(usermod -aG kvm USER, then log in again)");
	if (fd < 0)
		return why_set(why, -ENODEV,
			"this machine has no /dev/kvm (%s): switch on "
			"virtualisation in its firmware and load kvm_amd or kvm_intel; "
			"in a virtual machine, allow nesting on its host",
			strerrordesc_np(errno));
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return why_set(why, -ENODEV,
			"/dev/kvm does not answer as KVM (want API version %d): "
			"something else stands in its place",
			KVM_API_VERSION);
	files->kvm = fd_take(&fd);
	return 0;
}

/* The command line's own path: a link is fine, something that blocks is not. */
static MUST_USE int platform_open(const char *path, struct sup_files *files, struct why *why)
{
	struct stat st;

	files->sev = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (files->sev < 0)
		return why_set(why, -EIO, "simulated platform: cannot open %s: %s", path,
			strerrordesc_np(errno));
	if (fstat(files->sev, &st) < 0 || !S_ISREG(st.st_mode))
		return why_set(why, -EIO, "simulated platform: %s is no regular file", path);
	return 0;
}

/* What KVM must offer for a kind of guest, and what brings it (ABI 1.2, 1.8). */
static const char *const missing[PLAN_TEE_COUNT] = {
	[PLAN_TEE_SW] = "software-protected VMs: Linux 6.8 or later, built with "
			"CONFIG_KVM_SW_PROTECTED_VM=y, and nested paging have",
	[PLAN_TEE_SEV] = "SEV guests: an EPYC with SEV on in its firmware, Linux 6.10 or later and "
			 "kvm_amd.sev=1 have",
	[PLAN_TEE_SEV_ES] =
		"SEV-ES guests: an EPYC 7002 or later with SEV-ES ASIDs set aside in its "
		"firmware, Linux 6.10 or later and kvm_amd.sev_es=1 have",
	[PLAN_TEE_SNP] = "SEV-SNP guests: an EPYC 7003 or later with SNP on in its firmware, Linux "
			 "6.11 or later and kvm_amd.sev_snp=1 have",
	[PLAN_TEE_TDX] = "TDX guests: a Xeon with TDX on in its firmware, Linux 6.16 or later and "
			 "kvm_intel.tdx=1 have",
};

/* Launch commands need no more than reading (ABI 2.3). */
static MUST_USE int psp_open(struct sup_files *files, struct why *why)
{
	files->sev = open("/dev/sev", O_RDONLY | O_CLOEXEC);
	if (files->sev >= 0)
		return 0;
	return why_set(why, -ENODEV, "cannot open /dev/sev: %s: %s", strerrordesc_np(errno),
		errno == EACCES ? "join its group, or let the kvm group read it (a udev rule)"
				: "load the ccp driver, and see what it says in the kernel's log");
}

/*
 * SEV and SEV-ES pin the guest's memory, which counts as locked by the monitor (ABI 2.5). Our limit,
 * which children inherit, is raised as far as it goes; a simulated processor has its own.
 */
static MUST_USE int locked_check(const struct wire_plan *plan, const struct sup_files *files,
	bool is_simulated, struct why *why)
{
	uint64_t want = le64_get(plan->memory_mib) << 20, firmware = 0;
	struct rlimit limit;

	if (size_of(files->firmware, &firmware) < 0 || getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return why_set(why, -EIO, "cannot read the memory-lock limit");
	want += firmware;
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= want)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return why_set(why, -ENODEV, "cannot raise the memory-lock limit: %s",
			strerrordesc_np(errno));
	if (is_simulated || limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= want)
		return 0;
	return why_set(why, -ENODEV,
		"the memory-lock limit is %llu KiB, but a %s guest of %llu MiB is pinned whole and "
		"needs %llu KiB: raise memlock in /etc/security/limits.d (or LimitMEMLOCK= of the "
		"service) and log in again",
		(unsigned long long)limit.rlim_max >> 10, plan_tee_title(le32_get(plan->tee)),
		(unsigned long long)le64_get(plan->memory_mib), (unsigned long long)want >> 10);
}

static MUST_USE int sev_open(const struct wire_plan *plan, const char *simulator,
	struct sup_files *files, struct why *why)
{
	uint32_t tee = le32_get(plan->tee);

	if (plan_tee_is_protected(tee) && simulator != NULL)
		return platform_open(simulator, files, why);
	if (tee != PLAN_TEE_NONE) {
		int types = ioctl(files->kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES_NR);
		if (types < 0 || ((unsigned int)types & 1u << tee) == 0)
			return why_set(why, -ENODEV,
				"this machine's KVM has no %s them; casemate host check --tee %s "
				"says more",
				missing[tee], plan_tee_name(tee));
	}
	if (plan_tee_is_protected(tee) && tee != PLAN_TEE_TDX)
		return psp_open(files, why);
	files->sev = open("/dev/null", O_RDWR | O_CLOEXEC);
	return files->sev < 0 ? why_set(why, -errno, "cannot open /dev/null") : 0;
}

/* The pool must have the pages now: a guest must not be killed by SIGBUS later. */
static MUST_USE int huge_check(const char *size_kib, uint64_t wanted, struct why *why)
{
	char path[96];
	uint8_t *text = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-%skB/free_hugepages",
		size_kib);
	unsigned long long n = 0;
	if (fd_read_path(path, 64, &text, &len, NULL) == 0)
		n = strtoull((const char *)text, NULL, 10);
	free(text);
	return n < wanted ? why_set(why, -ENODEV,
				    "huge pages: %llu of %s KiB are free, %llu are "
				    "needed: write a larger number to nr_hugepages beside "
				    "%s",
				    n, size_kib, (unsigned long long)wanted, path)
			  : 0;
}

static MUST_USE int memfd_open(const char *name, unsigned int flags, uint64_t size, int *ret_fd)
{
	AUTO(fd)
	int fd = memfd_create(name, flags | MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* Linux before 6.3 */
		fd = memfd_create(name, flags | MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

static MUST_USE int memory_open(
	const struct wire_plan *plan, struct sup_files *files, struct why *why)
{
	uint32_t flags = le32_get(plan->flags);
	uint64_t mib = le64_get(plan->memory_mib);
	unsigned int huge = 0;
	int err = 0;

	if ((flags & PLAN_HUGE_2M) != 0) {
		huge = MFD_HUGETLB | MFD_HUGE_2MB;
		err = mib % 2 != 0 ? why_set(why, -ERANGE,
					     "huge pages: %llu MiB is no multiple of 2 MiB",
					     (unsigned long long)mib)
				   : huge_check("2048", mib / 2, why);
	} else if ((flags & PLAN_HUGE_1G) != 0) {
		huge = MFD_HUGETLB | MFD_HUGE_1GB;
		err = mib % 1024 != 0 ? why_set(why, -ERANGE,
						"huge pages: %llu MiB is no multiple of 1 GiB",
						(unsigned long long)mib)
				      : huge_check("1048576", mib / 1024, why);
	}
	if (err == 0) {
		err = memfd_open("casemate-guest", huge, mib << 20, &files->memory);
		if (err < 0)
			(void)why_set(why, err, "cannot make %llu MiB of guest memory: %s",
				(unsigned long long)mib, strerrordesc_np(-err));
	}
	return err;
}

/* Sizes of the SEV blobs: ABI 2.1, 2.12. */
#define SEV_CERT_BYTES    2084u
#define SEV_SESSION_BYTES 128u

/* Every file that a process of the guest reads whole, or maps. */
static MUST_USE int boot_open(
	const struct wire_plan *plan, struct sup_files *files, struct why *why)
{
	const struct {
		const char *what, *path;
		int flags;
		uint64_t min, max;
		int *ret;
		bool is_locked; /* what a guest starts from is not what it, or another, writes */
	} rows[] = {
		{ "firmware", plan->firmware, O_RDONLY, 1, LIMIT_FIRMWARE_BYTES, &files->firmware,
			true },
		{ "flash variables", plan->flash_vars, O_RDWR, 1, LIMIT_FIRMWARE_BYTES,
			&files->flash_vars, true },
		{ "kernel", plan->kernel, O_RDONLY, 1, LIMIT_KERNEL_BYTES, &files->kernel, true },
		{ "initrd", plan->initrd, O_RDONLY, 1, LIMIT_INITRD_BYTES, &files->initrd, true },
		{ "owner's certificate", plan->sev_dh, O_RDONLY, SEV_CERT_BYTES, SEV_CERT_BYTES,
			&files->sev_dh, false },
		{ "owner's session", plan->sev_session, O_RDONLY, SEV_SESSION_BYTES,
			SEV_SESSION_BYTES, &files->sev_session, false },
		{ "certificate table", plan->snp_certs, O_RDONLY, 1, LIMIT_CERT_BLOB_BYTES,
			&files->snp_certs, false }, /* the monitor locks it, request by request */
		{ "owner's issuer", plan->owner_ca, O_RDONLY, 1, LIMIT_CERT_BLOB_BYTES,
			&files->owner_ca, false },
	};
	int err = memfd_open("casemate-none", 0, 0, &files->empty);

	if (err < 0)
		return why_set(why, err, "cannot make an empty file: %s", strerrordesc_np(-err));
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(rows); i++) {
		if (rows[i].path[0] == 0)
			continue;
		err = image_open(files->folder, rows[i].what, rows[i].path, rows[i].flags,
			rows[i].min, rows[i].max, rows[i].ret, why);
		if (err == 0 && rows[i].is_locked)
			err = file_lock(*rows[i].ret, rows[i].flags == O_RDONLY, rows[i].what,
				rows[i].path, why);
	}
	return err;
}

static MUST_USE int ledger_open(
	const struct wire_plan *plan, struct sup_files *files, struct why *why)
{
	if (plan->ledger[0] == 0)
		return 0;
	int err = path_open(files->folder, "ledger", plan->ledger, KIND_FOLDER,
		O_RDONLY | O_DIRECTORY, &files->ledger, why);
	if (err == 0)
		err = path_open(files->folder, "ledger key", plan->ledger_key, KIND_FILE, O_RDONLY,
			&files->ledger_key, why);
	return err;
}

int sup_open_policy(const char *path, int *ret_policy, struct sup_files *files, struct why *why)
{
	char folder[PATH_MAX];
	struct stat st;
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return why_set(why, -EIO, "cannot open %s: %s", path, strerrordesc_np(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return why_set(why, -EIO, "%s is no regular file", path);
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	if (len >= sizeof folder)
		return why_set(why, -ENAMETOOLONG, "the policy's path is too long");
	(void)snprintf(folder, sizeof folder, "%.*s", (int)len, path);
	files->folder = open(len > 0 ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files->folder < 0)
		return why_set(why, -EIO, "cannot open the folder of %s: %s", path,
			strerrordesc_np(errno));
	*ret_policy = fd_take(&fd);
	return 0;
}

int sup_open_files(const struct wire_plan *plan, const char *simulator, struct sup_files *files,
	struct why *why)
{
	uint32_t tee = le32_get(plan->tee);
	int err = kvm_open(files, why);

	if (err == 0)
		err = sev_open(plan, simulator, files, why);
	if (err == 0)
		err = boot_open(plan, files, why);
	if (err == 0 && (tee == PLAN_TEE_SEV || tee == PLAN_TEE_SEV_ES))
		err = locked_check(plan, files, simulator != NULL, why);
	for (uint32_t i = 0; err == 0 && i < le32_get(plan->n_disks); i++)
		err = disk_open(&plan->disks[i], files, i, why);
	if (err == 0)
		err = ledger_open(plan, files, why);
	if (err == 0)
		err = memory_open(plan, files, why);
	return err;
}

static MUST_USE int unix_connect(const struct sup_files *files, const char *path, int *ret_fd)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	AUTO(fd) int at = (int)syscall(SYS_openat2, files->folder, path, &how, sizeof how);

	if (at < 0)
		return -errno;
	AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* By descriptor: the path may be longer than an address. A full backlog is EAGAIN. */
	(void)snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d", at);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

static MUST_USE int vsock_connect(const struct plan_vsock *to, int *ret_fd)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK, .svm_cid = to->cid, .svm_port = to->port
	};
	AUTO(fd) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 && errno != EINPROGRESS)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

int sup_open_port(const struct sup_files *files, const struct wire_plan_port *port, int *ret_fd)
{
	return unix_connect(files, port->path, ret_fd);
}

int sup_open_quoting(const struct sup_files *files, const struct wire_plan *plan, int *ret_fd)
{
	struct plan_vsock to = { 0 };
	int err = plan_parse_quoting(plan->qgs, &to);

	if (err < 0)
		return err;
	return to.is_vsock ? vsock_connect(&to, ret_fd) : unix_connect(files, plan->qgs, ret_fd);
}

void sup_files_drop(struct sup_files *files)
{
	fd_drop(&files->kvm);
	fd_drop(&files->sev);
	fd_drop(&files->memory);
	fd_drop(&files->empty);
	fd_drop(&files->kernel);
	fd_drop(&files->initrd);
	fd_drop(&files->firmware);
	fd_drop(&files->flash_vars);
	fd_drop(&files->sev_dh);
	fd_drop(&files->sev_session);
	fd_drop(&files->snp_certs);
	fd_drop(&files->owner_ca);
	for (size_t i = 0; i < ARRAY_LEN(files->disks); i++)
		fd_drop(&files->disks[i]);
	fd_drop(&files->ledger);
	fd_drop(&files->ledger_key);
}

void sup_files_close(struct sup_files *files)
{
	sup_files_drop(files);
	fd_drop(&files->folder);
}
