#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/stage.h"

/* LANDLOCK_ACCESS_FS_TRUNCATE, in <linux/landlock.h> since 6.2. */
#define ACCESS_TRUNCATE (1u << 14)

#define ACCESS_READ     (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                               \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                     \
		LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE)

/* Every access right an ABI knows: asking for one it does not is refused (sandbox specs 1.11). */
static uint64_t abi_rights(long abi)
{
	static const uint64_t rights[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff,
		0xffff, 0xffff, 0x1ffff };

	return rights[MIN(abi, (long)ARRAY_LEN(rights) - 1)];
}

static MUST_USE int folder_allow(int ruleset, int folder, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = folder };

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

/* What lies below a folder that is open stays in reach; /proc is gone, so every number is asked. */
static MUST_USE int folders_allow(int ruleset, const struct role_row *row, uint64_t handled)
{
	uint64_t rights = ACCESS_READ | ((row->flags & ROLE_WRITES_FILES) != 0 ? ACCESS_WRITE : 0);

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

int stage_landlock(const struct role_row *row, struct why *why)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1)
		return 0; /* a kernel without it: the empty root and the other stages remain */
	struct landlock_ruleset_attr attr = { .handled_access_fs = abi_rights(abi) };
	AUTO(fd) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (ruleset < 0)
		return why_set(why, -errno, "sandbox of %s, landlock: no ruleset: %s", row->name,
			strerrordesc_np(errno));
	int err = folders_allow(ruleset, row, attr.handled_access_fs);
	if (err < 0)
		return why_set(why, err, "sandbox of %s, landlock: a folder: %s", row->name,
			strerrordesc_np(-err));
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return why_set(why, -errno, "sandbox of %s, landlock: %s", row->name,
			strerrordesc_np(errno));
	return 0;
}
