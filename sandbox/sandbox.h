/*
 * sandbox: a process locks itself up, in one fixed order, and proves it (style rule 40).
 *
 *   stage    must                                       must not
 *   fds      only the role's descriptors at start       -
 *   ns       own user, mount, net, ipc, uts (and pid)   /proc is still the host's up to here;
 *            namespaces; empty read-only root           no path is opened after it
 *            (net: but for ROLE_HAS_NETWORK)
 *   ids      no supplementary group, own uid            -
 *   caps     none, in no set; securebits locked         -
 *   rlimit   soft = hard; no core; not dumpable;        -
 *            no_new_privs; dies with its parent
 *   landlock no path but below folders that are open    -
 *   seccomp  the role's allow-list, all threads         any call that is not on the list
 *
 * Everything a program needs is opened, mapped, loaded (dlopen, OpenSSL configuration, locale)
 * and primed before sandbox_enter(): afterwards there is no file system.
 *
 * Trust:   our own program, before it read a hostile byte.
 * Owns:    nothing; what is entered is never left.
 * Threads: one. A program with threads calls sandbox_prepare() before it makes them (capabilities
 *          belong to a thread), and sandbox_enter() after.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sandbox/role.h"

/*
 * First call of a child's main (child_start() of child.h does it): are exactly the descriptors of
 * the role's row open, each of its kind, and is the environment empty? 0, or -EBADF with why.
 */
MUST_USE int sandbox_start(enum role role, struct why *why);

/*
 * All stages but the filter. Only for programs that make threads (the monitor): call it while
 * there is one thread, make the threads, then sandbox_enter(). -EBUSY when threads exist.
 */
MUST_USE int sandbox_prepare(enum role role, struct why *why);

/* For foreign_jail.c, which has a stage of its own for the root: nothing is left but the filter. */
void sandbox_note_prepared(void);

/*
 * All stages (those sandbox_prepare() did are not repeated), each proven: `/` is empty, CapEff is
 * zero, the filter answers the canary. Any failure is final: the caller must end with it.
 */
MUST_USE int sandbox_enter(enum role role, struct why *why);

/*
 * A thread that was made between sandbox_prepare() and sandbox_enter() loads the filter of its kind
 * (struct role_row), as the first thing it does; the first thread waits for all of them and then
 * enters its own. Errors with why.
 */
MUST_USE int sandbox_enter_thread(enum role role, struct why *why);

/* What may still be done below a folder by its path; what is open is open. */
#define SANDBOX_MAY_READ   0x1u /* its files, and which there are */
#define SANDBOX_MAY_WRITE  0x2u /* files that are there; none is made */
#define SANDBOX_MAY_REMOVE 0x4u /* files and empty folders */

struct sandbox_folder {
	int fd; /* kept by the caller */
	uint32_t may;
};

/* What sandbox_narrow() leaves a process. */
struct sandbox_keep {
	uint64_t caps;    /* 1ull << CAP_... */
	bool may_connect; /* make the sockets its filter has; else it makes none */
	const struct sandbox_folder *folders;
	unsigned int n_folders;
};

/*
 * For a process that had rights to start others and needs few from now on (the supervisor): gives up
 * all capabilities but those kept, closes every path that is not below one of these folders, and
 * loads the role's filter, for all threads. Its namespaces, ids and descriptors stay as they are. Any
 * failure is final: the caller must end with it.
 */
MUST_USE int sandbox_narrow(enum role role, const struct sandbox_keep *keep, struct why *why);

/*
 * Does the filter answer the canary, getppid(2), with the errno that only it gives? 0 or -EPERM.
 * sandbox_enter() calls it; tests too.
 */
MUST_USE int sandbox_check(void);
