/*
 * fd: descriptors that close themselves, and whole reads and writes.
 *
 * Trust:   file contents and sizes may be hostile.
 * Owns:    AUTO(fd) variables close what they hold; "none" is -1.
 * Threads: any.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cdefs.h"
#include "base/why.h"

static inline void fd_auto(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline MUST_USE int fd_take(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/* Close if open and mark as none. */
static inline void fd_drop(int *fd)
{
	fd_auto(fd);
	*fd = -1;
}

/*
 * Read exactly len bytes at offset. 0, -ENODATA when the file ends before, or the error of
 * pread(2). EINTR is retried.
 */
MUST_USE int fd_pread_all(int fd, void *ret, size_t len, uint64_t offset);

/* Write exactly len bytes at offset. */
MUST_USE int fd_pwrite_all(int fd, const void *buf, size_t len, uint64_t offset);

/* Write exactly len bytes at the current position (pipes, terminals, files). */
MUST_USE int fd_write_all(int fd, const void *buf, size_t len);

/*
 * Read a whole regular file (or a pipe to its end) of at most max bytes into fresh memory with
 * one zero byte behind it. The caller frees *ret. -EMSGSIZE when it is longer than max.
 */
MUST_USE int fd_read_file(int fd, size_t max, uint8_t **ret, size_t *ret_len);

/*
 * The same by path, opened O_RDONLY|O_CLOEXEC|O_NOCTTY; says why. A named pipe without a writer is
 * empty. -EIO where it may not be read.
 */
MUST_USE int fd_read_path(
	const char *path, size_t max, uint8_t **ret, size_t *ret_len, struct why *why);

/* flock(2) it for us alone, waited for at most wait_ms: -EBUSY. */
MUST_USE int fd_lock(int fd, unsigned int wait_ms);

/*
 * Replace the file at path (relative to dirfd, or AT_FDCWD) by these bytes so that a reader or a
 * crash sees the old or the new file whole: temporary file, fsync, rename, fsync of the folder.
 * -EIO where it may not be written.
 */
MUST_USE int fd_replace_file(
	int dirfd, const char *path, const void *buf, size_t len, mode_t mode, struct why *why);
