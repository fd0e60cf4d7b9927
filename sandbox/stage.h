/*
 * stage: the stages of sandbox_enter(), one a file, in the order of sandbox.h.
 *
 * Trust:   our own program, before it read a hostile byte.
 * Owns:    nothing.
 * Threads: one; stage_seccomp() applies to all threads of the process.
 */
#pragma once

#include <stdbool.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sandbox/role.h"

/* fds.c: exactly the descriptors of the row, each of its kind. /proc must be there. */
MUST_USE int stage_fds(const struct role_row *row, struct why *why);

/*
 * ns.c: an empty, read-only root, and no way to make another user namespace. A folder of the row
 * (ROLE_FD_FOLDER) becomes a mount of its own behind the same descriptor: ".." of it is itself.
 * A self-started program enters its namespaces here; a spawned one is in them already.
 */
MUST_USE int stage_ns(const struct role_row *row, struct why *why);

/*
 * ns.c, the parts of it that a foreign program's root is made with as well (foreign_jail.c). /proc is
 * the one folder that must exist: the new root is mounted over it and pivoted to.
 */
#define STAGE_NEW_ROOT "/proc"
MUST_USE int stage_ns_forbid(struct why *why); /* no user namespace below this one */
MUST_USE int stage_ns_pivot(void);             /* what is mounted at STAGE_NEW_ROOT becomes `/` */

/* ids.c: for a self-started program that is root: another uid, no groups. Before stage_ns(). */
MUST_USE int stage_ids(const struct role_row *row, struct why *why);

/* caps.c: no capability in any set, securebits locked; proven by reading them back. */
MUST_USE int stage_caps(struct why *why);
bool caps_are_empty(void);
bool securebits_are_locked(void);

/* rlimit.c: limits, not dumpable, no_new_privs, no memory that becomes executable (where the kernel
 * has PR_SET_MDWE, 6.3), death with the parent. */
MUST_USE int stage_rlimit(const struct role_row *row, struct why *why);
bool mdwe_is_known(void); /* to the kernel */
bool mdwe_is_on(void);

/*
 * landlock.c: no path but what lies below the folders that are open, whatever ".." says; nothing
 * is executed; no TCP port is bound or connected to; no signal and no abstract socket outside. What of
 * this the kernel has: ABI 1 (5.13) paths, 4 (6.7) TCP, 6 (6.12) scopes. After no_new_privs and all
 * mounts.
 */
MUST_USE int stage_landlock(const struct role_row *row, struct why *why);
uint32_t landlock_abi(void); /* of the kernel; 0: it has none */

/*
 * landlock.c: the same for these folders only, each with its own rights, but a socket may be connected
 * to by its path and any process of ours signalled. For sandbox_narrow().
 */
struct sandbox_folder;
MUST_USE int stage_landlock_narrow(const struct role_row *row, const struct sandbox_folder *folders,
	unsigned int n_folders, struct why *why);

/* landlock.c: as stage_landlock(), but these files and folders may be read, some executed or written to. */
struct stage_file {
	const char *path;
	bool may_exec;
	bool may_write;
};
MUST_USE int stage_landlock_files(const struct role_row *row, const struct stage_file *files,
	unsigned int n_files, struct why *why);

/*
 * seccomp.c: the role's filter; then the canary must answer. For all threads, unless the role has
 * another filter for those.
 */
MUST_USE int stage_seccomp(const struct role_row *row, struct why *why);

/*
 * seccomp.c, before it: what the allow-list cannot say, for it is compiled before anybody has a process
 * number or a policy. A signal of abort() reaches our own threads only: unlike a spawned process a
 * self-started one is in the host's pid namespace. And whoever needs no socket gets none: the host's
 * services believe uid 0.
 */
MUST_USE int stage_calls(const struct role_row *row, bool may_connect, struct why *why);

/* sanitizer.c, in builds with a sanitizer only: its run-time library learns that it is locked up. */
void stage_sanitizer(void);

/*
 * ids.c: a uid (and gid) for a process of ours: not root's, not a person's, not used by another
 * running supervisor. slot: 0 to 31, one a child.
 */
#define IDS_FIRST     0x70000000u /* 1879048192 to 0x77ffffff: unused by Debian and systemd */
#define IDS_PER_GROUP 32u
uint32_t ids_pick(unsigned int slot);

/* Is this uid mapped in our own user namespace (may we give it to a child)? */
bool ids_is_mapped(uint32_t id);
