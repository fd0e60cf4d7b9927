/*
 * ledger_priv: the seam under the ledger: every call that changes the disk goes through this
 *              table, so that a test can make any one of them fail, or end the world there.
 *
 * Trust:   our own code.
 * Owns:    nothing.
 * Threads: any; the table is const.
 */
#pragma once

#include <sys/types.h>

#include "attest/ledger/ledger.h"
#include "base/cdefs.h"

/* As the system calls of the same names; -1 and errno. create: O_WRONLY|O_CREAT|O_EXCL. */
struct ledger_disk {
	int (*create)(int dir_fd, const char *path, mode_t mode);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	int (*fsync)(int fd);
	int (*rename)(int dir_fd, const char *from, const char *to);
	int (*mkdir)(int dir_fd, const char *path, mode_t mode);
	int (*unlink)(int dir_fd, const char *path, int flags);
};

extern const struct ledger_disk ledger_disk_real;

/* ledger_open() and ledger_init() with another disk. */
MUST_USE int ledger_open_disk(int dir_fd, struct note_signer *signer,
	const struct ledger_disk *disk, struct ledger **ret, struct why *why);
MUST_USE int ledger_init_disk(int dir_fd, const struct note_signer *signer,
	const struct ledger_disk *disk, struct why *why);

/* Append bytes as they are: for tests that need entries of a chosen form. */
MUST_USE int ledger_append_bytes(
	struct ledger *l, const void *bytes, size_t len, uint64_t *ret_index, struct why *why);
