/*
 * foreign: start a program of another make (qemu-storage-daemon, a vhost-user back end) that knows
 *          nothing of our sandbox, with the sandbox around it before its first instruction.
 *
 * casemate-foreign is started like every other process of ours, enters a sandbox as they do, sends its
 * receipt, and only when the parent has checked that and says so, executes the program. What differs
 * from a process of ours: its root holds the program, the libraries it names and the paths listed,
 * read-only; it may execute the program and its interpreter; its filter (policy/seccomp/
 * foreign.syscalls) is as wide as such programs need. It has 0, 1 (/dev/null), 2 (the log), and from 3
 * on the descriptors given; nothing else, and no environment.
 *
 * Trust:   the program is trusted with nothing; its files are the host's.
 * Owns:    struct spawn_child, as after spawn_start(), but without a channel.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/why.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"

#define FOREIGN_FD_FIRST 3 /* where the descriptors given begin */

/* A host's file that the program opens by a path: a disk, where no descriptor can be told to it. */
struct foreign_bind {
	int fd;           /* the very file, open; kept by the caller */
	const char *from; /* its path on the host: must lead to that file still */
	const char *at;   /* the path where the program finds it */
	bool is_writable;
};

struct foreign {
	const char *const *argv; /* NULL at the end; argv[0] is the program, an absolute path */
	const char *const
		*files; /* NULL at the end: more files and folders it may read; may be NULL */
	const struct foreign_bind *binds;
	unsigned int n_binds;
	const int *fds; /* kept by the caller */
	unsigned int n_fds;
};

/*
 * Start it and wait until it is executed (at most LIMIT_FOREIGN_MS). What it opens by path it opens
 * with its own ids: place->uid and gid may give it those of a disk's owner. ret_receipt (may be NULL) gets
 * what casemate-foreign saw of its sandbox. -ENOENT: program, library or path is not there; -EBADMSG:
 * it is no program for this machine; -ETIMEDOUT; else as spawn_start() and receipt_verify().
 */
MUST_USE int foreign_start(const struct foreign *what, const struct spawn_place *place,
	const char *cgroup, struct spawn_child *ret, struct wire_receipt *ret_receipt,
	struct why *why);

/* ---- between foreign_start() and casemate-foreign --------------------------------------------- */

/*
 * CONFIG: this, then n_args and n_files strings, and for each bind three: from, at, "rw" or "ro"; each
 * with its zero. With it the descriptors: those of the binds, then those for the program. The parent's
 * FOREIGN_MSG_GO, which is empty, follows when the receipt in READY was right.
 */
struct wire_foreign {
	le32 n_args;
	le32 n_files;
	le32 n_binds;
};
WIRE_SIZE(struct wire_foreign, 12);

#define FOREIGN_MSG_GO 16
