/*
 * spawn: start a role's program: fork and exec by descriptor, in namespaces of its own, with an
 *        empty environment and exactly the descriptors of the role's row (style rules 36, 37).
 *
 * Trust:   the caller is a process with rights (the supervisor, the broker before its sandbox);
 *          a child is trusted with nothing once it runs.
 * Owns:    a struct spawn_child holds pidfd, channel and log pipe; spawn_kill() ends the process,
 *          reaps it and closes them.
 * Threads: one; the caller must be single-threaded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/why.h"
#include "sandbox/child.h"
#include "sandbox/role.h"

struct spawn_child {
	enum role role;
	pid_t pid;    /* 0: not started, or reaped */
	uint32_t uid; /* what it was given */
	uint32_t gid;
	int pidfd;   /* readable when the process has ended */
	int chan_fd; /* our end of the channel, non-blocking; take it with fd_take() */
	int log_fd;  /* read end of the child's descriptor 2, non-blocking */
};

#define SPAWN_CHILD_NONE ((struct spawn_child){ .pidfd = -1, .chan_fd = -1, .log_fd = -1 })

/*
 * Where a program of ours is, opened O_PATH. Looked for, in this order:
 *   1. beside our own executable (/proc/self/exe);
 *   2. in a build tree (a folder above our own that holds build.ninja): at its place there;
 *   3. in ../libexec/casemate of our own folder, then in the libexec folder of the build.
 * -ENOPKG with why naming them. ret_path (of size bytes, may be NULL) gets the path found.
 */
MUST_USE int spawn_open_binary(
	const char *binary, int *ret_fd, char *ret_path, size_t size, struct why *why);

/* Where a child is put; everything is optional. */
struct spawn_place {
	int cgroup_fd; /* the leaf it is born in (cgroup_add()); -1: ours */
	const char
		*label; /* SELinux context its program is executed in; NULL: as the policy says */
	const char *socket_label; /* of its channel; NULL: as the policy says */
	uint64_t guest_bytes;     /* guest memory it may map beyond its row's own; RLIMIT_AS */
	uint32_t uid; /* whose it is, with gid; 0: ids of its own. Only a parent that is root can */
	uint32_t gid;
};

#define SPAWN_PLACE_NONE ((struct spawn_place){ .cgroup_fd = -1 })

/*
 * Start the program of a role. fds: its descriptors after the channel, in the order of the row,
 * kept by the caller. place may be NULL. Returns at once; a failure of the child's own part arrives as FAILED on the
 * channel, its end on the pidfd. -EPERM with why when user namespaces are not to be had.
 */
MUST_USE int spawn_start(enum role role, const int *fds, unsigned int n_fds,
	const struct spawn_place *place, struct spawn_child *ret, struct why *why);

/*
 * Send CONFIG over the child's channel. A child that has ended is no error: what it said in FAILED,
 * or how it ended, tells more than a broken channel, and is still to be received.
 */
MUST_USE int spawn_send_config(
	struct chan *c, const void *config, size_t len, const int *fds, unsigned int n_fds);

/* How a child ended. */
struct spawn_end {
	bool is_signal;
	int status; /* exit status, or the signal */
};

/* Reap a child that has ended: 0; -EAGAIN when it still runs. Closes nothing. */
MUST_USE int spawn_reap(struct spawn_child *c, struct spawn_end *ret);

/* The same, of a child that is about to end: wait up to SPAWN_ENDING_MS for it. */
#define SPAWN_ENDING_MS 1000
MUST_USE int spawn_wait_end(struct spawn_child *c, struct spawn_end *ret);

/* SIGKILL, reap, close everything. Fine on SPAWN_CHILD_NONE. */
void spawn_kill(struct spawn_child *c);
static inline void spawn_auto(struct spawn_child *c)
{
	spawn_kill(c);
}

/*
 * What a death looks like to a person: "ended with status 3", "killed by signal 9", and for SIGSYS
 * that the system call filter did it and where to read which call it was.
 */
void spawn_print_end(const struct spawn_end *end, char *ret, size_t size);
