/*
 * cgroup_find: where the unified hierarchy (cgroup v2) is mounted, and which of its folders is ours
 *              to make folders in: its root for root, else the folder we are in, if it was delegated.
 *
 * Trust:   the kernel's /proc files; lengths are bounded all the same.
 * Owns:    struct cgroup_place: the folder's descriptor.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

#define CGROUP_CONTROLLERS 4u
struct cgroup_controller {
	uint32_t bit; /* CGROUP_HAS_* */
	const char *name;
};
extern const struct cgroup_controller cgroup_controllers[CGROUP_CONTROLLERS];

struct cgroup_mount {
	char point[LIMIT_PATH_BYTES]; /* where it is mounted */
	char root[LIMIT_PATH_BYTES];  /* which of its folders that is, as /proc/PID/cgroup counts */
};

/* The first mount of type cgroup2 of a /proc/PID/mountinfo (changed while it is read); -ENODEV. */
MUST_USE int cgroup_parse_mounts(char *text, struct cgroup_mount *ret);

/* The path in the line `0::PATH` of a /proc/PID/cgroup (changed while it is read); -ENODEV. */
MUST_USE int cgroup_parse_own(char *text, char ret[LIMIT_PATH_BYTES]);

/*
 * The folder at path as seen below a mount, relative to it ("." for the mount's own): without what
 * a supervisor of ours added when it moved itself (CGROUP_FOLDER/CGROUP_SELF...). NULL: it is not
 * below that mount. Changes path.
 */
const char *cgroup_path_below(const struct cgroup_mount *m, char *path);

struct cgroup_place {
	int fd;                      /* the folder, for reading */
	bool is_root;                /* the hierarchy's own root: it may hold processes */
	char path[LIMIT_PATH_BYTES]; /* as /proc/PID/cgroup shows it; "" for `/` */
};

#define CGROUP_PLACE_NONE ((struct cgroup_place){ .fd = -1 })

/* What we make in that folder; in it a folder for each guest, and one for a supervisor that had to
 * leave the folder it was started in. Guests' folders have a dot in their names, that one has none. */
#define CGROUP_FOLDER "casemate"
#define CGROUP_SELF   "supervisor-"

/* -ENODEV with a why that says what is missing and how to get it. Changes nothing. */
MUST_USE int cgroup_find(struct cgroup_place *ret, struct why *why);

/* One of the kernel's small files in a folder: its text, or an error. */
MUST_USE int cgroup_read(int dir, const char *file, char *ret, size_t size);

/* Which of our controllers a file of a folder names; none when it cannot be read. */
uint32_t cgroup_read_controllers(int dir, const char *file);

static inline void cgroup_place_auto(struct cgroup_place *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
}
