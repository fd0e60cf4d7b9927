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

/* ids.c: for a self-started program that is root: another uid, no groups. Before stage_ns(). */
MUST_USE int stage_ids(const struct role_row *row, struct why *why);

/* caps.c: no capability in any set, securebits locked; proven by reading them back. */
MUST_USE int stage_caps(struct why *why);

/* rlimit.c: limits, not dumpable, no_new_privs, death with the parent. */
MUST_USE int stage_rlimit(const struct role_row *row, struct why *why);

/*
 * landlock.c: no path but what lies below the folders that are open, whatever ".." says; nothing
 * is executed. Skipped where the kernel has no Landlock. After no_new_privs and all mounts.
 */
MUST_USE int stage_landlock(const struct role_row *row, struct why *why);

/* seccomp.c: the allow-list, for all threads; then the canary must answer. */
MUST_USE int stage_seccomp(const struct role_row *row, struct why *why);

/*
 * ids.c: a uid (and gid) for a process of ours: not root's, not a person's, not used by another
 * running supervisor. slot: 0 to 31, one a child.
 */
#define IDS_FIRST     0x70000000u /* 1879048192 to 0x77ffffff: unused by Debian and systemd */
#define IDS_PER_GROUP 32u
uint32_t ids_pick(unsigned int slot);

/* Is this uid mapped in our own user namespace (may we give it to a child)? */
bool ids_is_mapped(uint32_t id);
