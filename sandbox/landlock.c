#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/sandbox.h"
#include "sandbox/stage.h"

/* LANDLOCK_ACCESS_FS_TRUNCATE, in <linux/landlock.h> since 6.2. */
#define ACCESS_TRUNCATE (1u << 14)

#define ACCESS_READ     (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                               \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                     \
		LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE)

/* struct landlock_ruleset_attr as of ABI 6; an older kernel takes it when what it does not know is 0. */
struct ruleset_attr {
	uint64_t fs;
	uint64_t net;   /* ABI 4: 1 bind, 2 connect (TCP) */
	uint64_t scope; /* ABI 6: 1 abstract sockets, 2 signals */
};
#define NET_BIND_TCP    0x1u
#define NET_CONNECT_TCP 0x2u
#define SCOPE_ALL       0x3u

/* LANDLOCK_ACCESS_FS_RESOLVE_UNIX: connect to a socket by its path; ABI 9. */
#define ACCESS_RESOLVE_UNIX (1u << 16)

/* Every access right an ABI knows: asking for one it does not is refused (sandbox specs 1.11). */
static uint64_t abi_rights(uint32_t abi)
{
	static const uint64_t rights[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff,
		0xffff, 0xffff, 0x1ffff };

	return rights[MIN(abi, (uint32_t)ARRAY_LEN(rights) - 1)];
}

static MUST_USE int folder_allow(int ruleset, int folder, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = folder };

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

static uint64_t folder_rights(const struct role_row *row)
{
	return ACCESS_READ | ((row->flags & ROLE_WRITES_FILES) != 0 ? ACCESS_WRITE : 0);
}

/* What lies below a folder that is open stays in reach; /proc is gone, so every number is asked. */
static MUST_USE int folders_allow(int ruleset, const struct role_row *row, uint64_t handled)
{
	uint64_t rights = folder_rights(row);

	for (int fd = 0; fd < (int)row->max_fds; fd++) {
		struct stat st;
		if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		int err = folder_allow(ruleset, fd, rights & handled);
		if (err < 0)
			return err;
	}
	return 0;
}

uint32_t landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (uint32_t)abi;
}

int stage_landlock(const struct role_row *row, struct why *why)
{
	uint32_t abi = landlock_abi();

	if (abi < 1)
		return 0; /* a kernel without it: the empty root and the other stages remain */
	bool has_network = (row->flags & ROLE_HAS_NETWORK) != 0; /* it connects, and never binds */
	struct ruleset_attr attr = { .fs = abi_rights(abi),
		.net = abi < 4 ? 0 : NET_BIND_TCP | (has_network ? 0 : NET_CONNECT_TCP),
		.scope = abi < 6 ? 0 : SCOPE_ALL };
	AUTO(fd) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (ruleset < 0)
		return why_set(why, -errno, "sandbox of %s, landlock: no ruleset: %s", row->name,
			strerrordesc_np(errno));
	int err = folders_allow(ruleset, row, attr.fs);
	if (err < 0)
		return why_set(why, err, "sandbox of %s, landlock: a folder: %s", row->name,
			strerrordesc_np(-err));
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return why_set(why, -errno, "sandbox of %s, landlock: %s", row->name,
			strerrordesc_np(errno));
	return 0;
}

static MUST_USE int file_allow(int ruleset, const struct stage_file *file, uint64_t handled)
{
	struct stat st;
	AUTO(fd) int fd = open(file->path, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	uint64_t rights = S_ISDIR(st.st_mode) ? ACCESS_READ : LANDLOCK_ACCESS_FS_READ_FILE;
	if (file->may_exec)
		rights |= LANDLOCK_ACCESS_FS_EXECUTE;
	if (file->may_write)
		rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;
	return folder_allow(ruleset, fd, rights & handled);
}

int stage_landlock_files(const struct role_row *row, const struct stage_file *files,
	unsigned int n_files, struct why *why)
{
	uint32_t abi = landlock_abi();

	if (abi < 1)
		return 0;
	struct ruleset_attr attr = { .fs = abi_rights(abi),
		.net = abi < 4 ? 0 : NET_BIND_TCP | NET_CONNECT_TCP,
		.scope = abi < 6 ? 0 : SCOPE_ALL };
	AUTO(fd) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	int err = ruleset < 0 ? -errno : 0;
	for (unsigned int i = 0; err == 0 && i < n_files; i++)
		err = file_allow(ruleset, &files[i], attr.fs);
	if (err == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	return err < 0 ? why_set(why, err, "sandbox of %s, landlock: %s", row->name,
				 strerrordesc_np(-err))
		       : 0;
}

static uint64_t narrow_rights(uint32_t may)
{
	return ((may & SANDBOX_MAY_READ) != 0 ? ACCESS_READ : 0) |
	       ((may & SANDBOX_MAY_WRITE) != 0 ? LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE
					       : 0) |
	       ((may & SANDBOX_MAY_REMOVE) != 0
			       ? LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR
			       : 0);
}

int stage_landlock_narrow(const struct role_row *row, const struct sandbox_folder *folders,
	unsigned int n_folders, struct why *why)
{
	uint32_t abi = landlock_abi();

	if (abi < 1)
		return 0;
	struct ruleset_attr attr = { .fs = abi_rights(abi) & ~(uint64_t)ACCESS_RESOLVE_UNIX,
		.net = abi < 4 ? 0 : NET_BIND_TCP | NET_CONNECT_TCP };
	AUTO(fd) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	int err = ruleset < 0 ? -errno : 0;
	for (unsigned int i = 0; err == 0 && i < n_folders; i++)
		err = folder_allow(ruleset, folders[i].fd, narrow_rights(folders[i].may) & attr.fs);
	if (err == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	return err < 0 ? why_set(why, err, "sandbox of %s, landlock: %s", row->name,
				 strerrordesc_np(-err))
		       : 0;
}
