/*
 * svirt_os: what svirt asks of SELinux, as a table: the kernel's (svirt_os.c, the one file that
 *           calls libselinux, and only its *_raw functions), or a test's.
 *
 * Trust:   the kernel's answers; labels longer than ours are refused.
 * Owns:    nothing.
 * Threads: one: contexts of exec and of sockets belong to the calling thread.
 */
#pragma once

#include "base/cdefs.h"
#include "base/limits.h"
#include "sandbox/svirt.h"

struct svirt_os {
	enum svirt_host (*look)(void);
	/* The context of this process. */
	int (*read_own)(char ret[LIMIT_LABEL_BYTES]);
	/* 0, or -EINVAL: the loaded policy does not know it. */
	int (*check_label)(const char *label);
	/* May a process in context from execute a program into context to, the way spawn does? */
	int (*check_exec)(const char *from, const char *to, struct why *why);
	/* Label of what is behind fd. -EOPNOTSUPP: its file system has none. */
	int (*read_label)(int fd, char ret[LIMIT_LABEL_BYTES]);
	int (*write_label)(int fd, const char *label);
	/* For sockets made from here; NULL: as the policy says. */
	int (*set_socket_label)(const char *label);
};

extern const struct svirt_os svirt_os_kernel;
