#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/child.h"
#include "sandbox/stage.h"

static void dir_auto(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static bool is_seqpacket(int fd)
{
	int domain = 0;
	int type = 0;
	socklen_t len = sizeof domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX)
		return false;
	len = sizeof type;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

bool spawn_is_child(int argc)
{
	return argc == 1 && is_seqpacket(SPAWN_FD_CHAN);
}

static bool is_kind(int fd, enum role_fd kind)
{
	struct stat st;

	if (kind == ROLE_FD_CHAN)
		return is_seqpacket(fd);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) != O_RDONLY || fstat(fd, &st) < 0)
		return false;
	return kind == ROLE_FD_FILE ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode);
}

/* Highest descriptor that is open, but for the one that reads /proc/self/fd; or an error. */
static MUST_USE int fds_highest(unsigned int *ret, struct why *why)
{
	AUTO(dir) DIR *d = opendir("/proc/self/fd");
	unsigned int highest = 0;

	if (d == NULL)
		return why_set(why, -errno, "cannot list /proc/self/fd: is /proc mounted?");
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		int fd = atoi(e->d_name);
		if (fd != dirfd(d) && fd > (int)highest)
			highest = (unsigned int)fd;
	}
	*ret = highest;
	return 0;
}

int stage_fds(const struct role_row *row, struct why *why)
{
	unsigned int n = SPAWN_FD_CHAN + role_count_fds(row);
	unsigned int highest = 0;
	int err = fds_highest(&highest, why);

	if (err < 0)
		return err;
	for (unsigned int i = 0; i < n; i++)
		if (fcntl((int)i, F_GETFD) < 0)
			return why_set(
				why, -EBADF, "%s: descriptor %u is missing at start", row->name, i);
	for (unsigned int i = SPAWN_FD_CHAN; i < n; i++)
		if (!is_kind((int)i, row->fds[i - SPAWN_FD_CHAN]))
			return why_set(why, -EBADF,
				"%s: descriptor %u is of the wrong kind at start", row->name, i);
	if (highest >= n)
		return why_set(why, -EBADF, "%s: descriptor %u is open at start and not ours",
			row->name, highest);
	return 0;
}
