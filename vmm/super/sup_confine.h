/*
 * sup_confine: where a guest's processes are put (cgroup leaf, SELinux label), what it costs the host
 *              (limits), and which walls this host cannot give.
 *
 * Trust:   the plan was checked; the kernel's answers are believed.
 * Owns:    struct confine: the guest's cgroup and its labels; confine_close() removes the one and
 *          restores the other.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "policy/plan.h"
#include "sandbox/cgroup.h"
#include "sandbox/role.h"
#include "sandbox/spawn.h"
#include "sandbox/svirt.h"

/* The walls a host may be without; the others (namespaces, seccomp, ids) it must have. */
enum wall {
	WALL_CGROUP, /* none at all */
	WALL_MEMORY, /* a controller */
	WALL_PIDS,
	WALL_CPU,
	WALL_IO,
	WALL_LANDLOCK,
	WALL_LABELS,
	WALL_UIDS, /* a uid for each process */
	WALL_MDWE,
	WALL_COUNT
};

struct confine_gap {
	const char *wall; /* "cgroup", "landlock" ...: stable, for --json */
	bool is_demanded; /* the policy does not go without it */
	struct why what;  /* a sentence */
	struct why fix;   /* what a person can do about it */
};

struct confine_gaps {
	unsigned int n;
	struct confine_gap at[WALL_COUNT];
};

/* Which walls can this host not give to this guest? Looks, and changes nothing. */
void confine_missing(const struct wire_plan *plan, struct confine_gaps *ret);

/* A gap for each controller that is not among these (CGROUP_HAS_*). */
void confine_add_controllers(struct confine_gaps *g, uint32_t has, bool is_strict);

/* 0, or -ENODEV with a why that lists the gaps that are demanded, each with its fix. */
MUST_USE int confine_check(const struct confine_gaps *gaps, struct why *why);

/* One warning a gap, for `casemate run`. */
void confine_warn(const struct confine_gaps *gaps);

struct confine {
	const struct wire_plan *plan;
	struct svirt *svirt; /* NULL: no labels */
	struct cgroup cgroup;
	uint64_t guest_bytes;
};

#define CONFINE_NONE ((struct confine){ .cgroup = CGROUP_NONE })

/*
 * Labels and cgroup of a guest, before anything of it is opened. Where a host has none and the policy
 * can go without, there is none; confine_check() has passed. Labels that dead supervisors left are
 * restored first.
 */
MUST_USE int confine_open(
	struct confine *ret, const struct wire_plan *plan, bool is_simulated, struct why *why);

struct sup_files;

/* Label what was opened for the guest. */
MUST_USE int confine_files(struct confine *c, const struct sup_files *files, struct why *why);

/* The name of a process's leaf from its label: "dev-blk data" -> "dev-blk-data". */
void confine_leaf(const char *label, char *ret, size_t size);

/*
 * Where a process goes: its leaf (made here), labels, guest memory. place->cgroup_fd is the caller's
 * to close. ret_cgroup (LIMIT_PATH_BYTES) gets the leaf's path as /proc/PID/cgroup will show it, or "".
 */
MUST_USE int confine_place(struct confine *c, enum role role, const char *label,
	struct spawn_place *ret, char *ret_cgroup, struct why *why);

/* Was the process of this label killed for memory? */
bool confine_was_oom(const struct confine *c, const char *label);

/*
 * The guest is about to run and nothing is started any more: the supervisor gives up what it does not
 * need to watch and to clear up (sandbox_narrow()), among it sockets, unless the plan has ports or a
 * quoting service. registry: the folder of the guest's file, or -1.
 * Any failure is final.
 */
MUST_USE int confine_narrow(const struct confine *c, int registry, struct why *why);

/* Kill what is left, remove the cgroup, restore the labels. Fine on CONFINE_NONE. */
void confine_close(struct confine *c);
static inline void confine_auto(struct confine *c)
{
	confine_close(c);
}
