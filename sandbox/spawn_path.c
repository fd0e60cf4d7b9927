#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/spawn.h"

/* Where programs lie in a build tree; the place of a folder is its place in the source tree. */
static const char *const build_folders[] = { "policy", "attest", "attest/ledger", "attest/broker",
	"attest/agent", "attest/endorse", "attest/owner", "vmm/monitor", "vmm/device", "vmm/super",
	"vmm/quote", "vtpm", "sandbox", "sev/sim", "tests" };

#define BUILD_DEPTH 4 /* folders from a program up to the root of the build tree, at most */

/* Try folder/binary; a program is a regular file somebody may execute. */
static MUST_USE int binary_try(
	const char *folder, const char *binary, int *ret_fd, char *ret_path, size_t size)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof path, "%s/%s", folder, binary);

	if (n < 0 || (size_t)n >= sizeof path)
		return -ENAMETOOLONG;
	AUTO(fd) int fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
		return -ENOENT;
	if (ret_path != NULL)
		(void)snprintf(ret_path, size, "%s", path);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* The folder of our own executable. */
static MUST_USE int own_folder(char *ret, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - 1);

	if (n < 0)
		return -errno;
	ret[n] = 0;
	char *slash = strrchr(ret, '/');
	if (slash == NULL)
		return -ENOENT;
	*slash = 0;
	return 0;
}

static MUST_USE int build_tree_try(
	const char *own, const char *binary, int *ret_fd, char *ret_path, size_t size)
{
	char root[PATH_MAX];
	char path[PATH_MAX + 32];

	(void)snprintf(root, sizeof root, "%s", own);
	for (int up = 0; up < BUILD_DEPTH && root[0] != 0; up++) {
		(void)snprintf(path, sizeof path, "%s/build.ninja", root);
		if (access(path, F_OK) == 0) {
			for (size_t i = 0; i < ARRAY_LEN(build_folders); i++) {
				(void)snprintf(path, sizeof path, "%s/%s", root, build_folders[i]);
				if (binary_try(path, binary, ret_fd, ret_path, size) == 0)
					return 0;
			}
			return -ENOENT;
		}
		char *slash = strrchr(root, '/');
		if (slash == NULL)
			break;
		*slash = 0;
	}
	return -ENOENT;
}

int spawn_open_binary(const char *binary, int *ret_fd, char *ret_path, size_t size, struct why *why)
{
	char own[PATH_MAX];
	char beside[PATH_MAX + 32];
	int err = own_folder(own, sizeof own);

	if (err < 0)
		return why_set(why, err, "cannot read /proc/self/exe: is /proc mounted?");
	(void)snprintf(beside, sizeof beside, "%s/../libexec/casemate", own);
	if (binary_try(own, binary, ret_fd, ret_path, size) == 0 ||
		build_tree_try(own, binary, ret_fd, ret_path, size) == 0 ||
		binary_try(beside, binary, ret_fd, ret_path, size) == 0 ||
		binary_try(CASEMATE_LIBEXEC, binary, ret_fd, ret_path, size) == 0)
		return 0;
	return why_set(why, -ENOPKG,
		"the program %s is not installed: it is neither in %s, nor in %s, "
		"nor in this build tree",
		binary, own, CASEMATE_LIBEXEC);
}
