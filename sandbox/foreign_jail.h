/*
 * foreign_jail: the sandbox that casemate-foreign enters before it becomes another program: the stages
 *               of sandbox.h, but for a root that holds that program's files.
 *
 * Trust:   the paths come from the supervisor, the files behind them are the host's.
 * Owns:    nothing; what is entered is never left.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* What the new root will hold: absolute paths without "." and "..", each once. */
struct foreign_files {
	unsigned int n;
	struct foreign_file {
		char path[LIMIT_PATH_BYTES]; /* in the new root */
		const char *from;            /* on the host; NULL: the same. The caller's */
		int fd;                      /* must be the same file; -1: whatever is there */
		bool may_exec;               /* the program, its interpreter */
		bool may_write;
	} file[LIMIT_FOREIGN_PATHS];
};

/* Add a path; -EINVAL: it is not absolute, or not plain; -EMSGSIZE. One that is there stays. */
MUST_USE int foreign_files_add(
	struct foreign_files *f, const char *path, bool may_exec, struct why *why);

/* Add another file of the host's at a path of its own. -EEXIST: something is there. */
MUST_USE int foreign_files_bind(struct foreign_files *f, int fd, const char *from, const char *at,
	bool may_write, struct why *why);

/*
 * Add a program with its interpreter and its libraries, and theirs: what ld.so would load by name, from
 * where the files say (DT_RUNPATH) and the folders it knows by itself. -ENOENT with the name of what is
 * in none of them, -EBADMSG: no program of this machine.
 */
MUST_USE int foreign_files_add_program(
	struct foreign_files *f, const char *program, struct why *why);

/*
 * All stages but the filter; file[0] is the program. *ret_fd: the program in the new root, for
 * execveat(2). The receipt is filled in as far as it holds: everything but RECEIPT_ROOT_EMPTY and what
 * the filter adds.
 */
MUST_USE int foreign_jail_enter(const struct foreign_files *f, int *ret_fd, struct why *why);
