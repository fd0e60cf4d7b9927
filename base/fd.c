#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define LOCK_STEP_MS 2u /* between two tries */

int fd_lock(int fd, unsigned int wait_ms)
{
	static const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000 };

	for (unsigned int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= wait_ms)
			return -EBUSY;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
	}
	return 0;
}

int fd_pread_all(int fd, void *ret, size_t len, uint64_t offset)
{
	uint8_t *p = ret;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_pwrite_all(int fd, const void *buf, size_t len, uint64_t offset)
{
	const uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static void mem_auto(uint8_t **p)
{
	free(*p);
}

static bool wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

int fd_read_file(int fd, size_t max, uint8_t **ret, size_t *ret_len)
{
	AUTO(mem) uint8_t *buf = NULL;
	size_t len = 0;
	size_t room = 0;

	for (;;) {
		if (len == room) {
			size_t want = room == 0 ? 4096 : room * 2;
			want = MIN(want, max + 1);
			uint8_t *grown = realloc(buf, want + 1);
			if (grown == NULL)
				return -ENOMEM;
			buf = grown;
			room = want;
		}
		ssize_t n = read(fd, buf + len, room - len);
		if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_readable(fd))))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EMSGSIZE;
	}
	buf[len] = 0;
	*ret = buf;
	*ret_len = len;
	buf = NULL;
	return 0;
}

/* A file that may not be touched; -EACCES is what a policy says. */
static int path_errno(int err)
{
	return err == -EACCES || err == -EPERM ? -EIO : err;
}

int fd_read_path(const char *path, size_t max, uint8_t **ret, size_t *ret_len, struct why *why)
{
	/* A named pipe that nobody writes to is empty; to wait for a writer would be for ever. */
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		int err = -errno;
		return why_set(
			why, path_errno(err), "cannot open %s: %s", path, strerrordesc_np(-err));
	}
	int err = fd_read_file(fd, max, ret, ret_len);
	if (err == -EMSGSIZE)
		return why_set(why, err, "%s is longer than %zu bytes", path, max);
	if (err < 0)
		return why_set(why, err, "cannot read %s: %s", path, strerrordesc_np(-err));
	return 0;
}

static MUST_USE int folder_sync(int dirfd, const char *path)
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof copy)
		return -ENAMETOOLONG;
	memcpy(copy, path, strlen(path) + 1);
	AUTO(fd) int fd = openat(dirfd, dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static MUST_USE int new_file_write(
	int dirfd, const char *path, const void *buf, size_t len, mode_t mode)
{
	(void)unlinkat(dirfd, path, 0);
	AUTO(fd)
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	int err = fd_write_all(fd, buf, len);
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	return err;
}

int fd_replace_file(
	int dirfd, const char *path, const void *buf, size_t len, mode_t mode, struct why *why)
{
	char tmp[PATH_MAX];
	int n = snprintf(tmp, sizeof tmp, "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof tmp)
		return why_set(why, -ENAMETOOLONG, "name too long: %s", path);
	int err = new_file_write(dirfd, tmp, buf, len, mode);
	if (err == 0 && renameat(dirfd, tmp, dirfd, path) < 0)
		err = -errno;
	if (err == 0)
		err = folder_sync(dirfd, path);
	if (err < 0) {
		(void)unlinkat(dirfd, tmp, 0);
		return why_set(
			why, path_errno(err), "cannot write %s: %s", path, strerrordesc_np(-err));
	}
	return 0;
}
