/*
 * cgroup: a folder of the unified hierarchy for each guest, a leaf in it for each of its processes.
 *
 *   BASE/casemate/GUEST.PID/        memory.oom.group; removed at the end, by the next run if killed
 *   BASE/casemate/GUEST.PID/LEAF/   one process: memory.max, memory.swap.max 0, pids.max, cpu.*, io.*
 *
 * BASE is the hierarchy's root for root, else the folder delegated to this user (our own, if we may
 * write it). Where it is not the real root we may have to move to BASE/casemate/supervisor-PID, since
 * a folder with controllers has no processes of its own; the next run removes that one too.
 * A guest's folder is locked (flock) as long as its supervisor lives: one that nobody has locked is a
 * leftover, whatever its PID says.
 *
 * Trust:   the kernel; guest names are checked by the plan and reduced to letters, digits, '-', '_'.
 * Owns:    the guest's folder and leaves; cgroup_close() kills what is left in them and removes them.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "sandbox/sandbox.h"

struct cgroup_limits {
	uint64_t memory_bytes; /* memory.max; 0: none */
	uint32_t pids;         /* pids.max: threads count; 0: none */
	uint32_t cpu_weight;   /* cpu.weight, 1 to 10000; 0: the kernel's 100 */
	uint32_t cpu_percent;  /* cpu.max, in hundredths of one CPU; 0: none */
	uint32_t io_weight;    /* io.weight, 1 to 10000; 0: the kernel's 100 */
};

struct cgroup {
	int fd;                        /* the guest's folder; -1: there is none */
	int base;                      /* BASE/casemate */
	uint32_t controllers;          /* CGROUP_HAS_*: what could be enabled */
	char name[LIMIT_ID_BYTES * 4]; /* GUEST.PID */
	char path[LIMIT_PATH_BYTES];   /* as /proc/PID/cgroup shows it */
};

#define CGROUP_NONE ((struct cgroup){ .fd = -1, .base = -1 })

/* For sandbox_narrow(): what cgroup_was_oom() and cgroup_close() do below fd, and below base. */
#define CGROUP_MAY        (SANDBOX_MAY_READ | SANDBOX_MAY_WRITE | SANDBOX_MAY_REMOVE)
#define CGROUP_BASE_MAY   SANDBOX_MAY_REMOVE

#define CGROUP_HAS_MEMORY 0x1u
#define CGROUP_HAS_PIDS   0x2u
#define CGROUP_HAS_CPU    0x4u
#define CGROUP_HAS_IO     0x8u
#define CGROUP_HAS_ALL    0xfu

/*
 * Could a guest have a cgroup here? 0 and the controllers that could be had; -ENODEV with a why that
 * says what is missing (no cgroup v2, no delegation) and how to get it. Changes nothing: for `--plan`
 * and `host check`.
 */
MUST_USE int cgroup_probe(uint32_t *ret_controllers, struct why *why);

/*
 * Make the guest's folder. -ENODEV as above; folders that dead supervisors left are removed first.
 * -EBUSY: another launch does that, and does not come to an end.
 */
MUST_USE int cgroup_open(struct cgroup *ret, const char *guest, struct why *why);

/*
 * Limits for the guest as a whole. Here and in cgroup_add() a limit whose controller is missing (see
 * controllers) is left out. -ERANGE: a weight.
 */
MUST_USE int cgroup_limit(struct cgroup *g, const struct cgroup_limits *limits, struct why *why);

/*
 * Make a leaf for one process; *ret_fd is the caller's, for spawn (struct spawn_place). Its name is of
 * letters, digits, '-', '_'; -EEXIST: the guest has it already.
 */
MUST_USE int cgroup_add(struct cgroup *g, const char *leaf, const struct cgroup_limits *limits,
	int *ret_fd, struct why *why);

/* Why did a process of the leaf end: was it killed for memory? From memory.events. */
bool cgroup_was_oom(const struct cgroup *g, const char *leaf);

/* Kill all that is left (cgroup.kill), remove leaves and folder. Fine on CGROUP_NONE. */
void cgroup_close(struct cgroup *g);
static inline void cgroup_auto(struct cgroup *g)
{
	cgroup_close(g);
}
