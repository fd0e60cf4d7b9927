/*
 * sup_open: everything a guest's processes need, opened by the one process that may, each once and
 *           with the flags of the plan.
 *
 * Trust:   the plan's strings were chosen by whoever wrote the policy: no path of it passes through
 *          a symbolic link, and what is found must be of the right kind.
 * Owns:    struct sup_files owns its descriptors; sup_files_close() releases them.
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "policy/plan.h"

struct sup_files {
	int folder; /* the policy's, O_PATH: relative paths start here */
	int kvm;
	int sev; /* /dev/sev of AMD kinds, the simulated platform, or /dev/null */
	int memory;
	int empty; /* an empty file: stands for what a plan does not name */
	int kernel;
	int initrd;
	int firmware;
	int flash_vars;  /* for writing, locked */
	int sev_dh;      /* 2084 bytes */
	int sev_session; /* 128 bytes */
	int snp_certs;
	int owner_ca;
	int disks[LIMIT_DISKS];
	uint64_t disk_sizes[LIMIT_DISKS];
	int ledger; /* folder */
	int ledger_key;
};

extern const struct sup_files SUP_FILES_NONE;

/*
 * Open the policy file a person named (following links, as for any file a person names) and its
 * folder into files->folder. *ret_policy is the caller's.
 */
MUST_USE int sup_open_policy(
	const char *path, int *ret_policy, struct sup_files *files, struct why *why);

/*
 * Open all of the plan; simulator: the platform file that stands for /dev/sev, or NULL. Errors
 * carry the exit status: -ENODEV when the machine lacks something, -EIO when an input cannot be
 * read, -EBUSY when a disk is in use.
 */
MUST_USE int sup_open_files(const struct wire_plan *plan, const char *simulator,
	struct sup_files *files, struct why *why);

/* Connect to the Unix socket of a port, without waiting. -errno of connect(2). */
MUST_USE int sup_open_port(
	const struct sup_files *files, const struct wire_plan_port *port, int *ret_fd);

/*
 * Connect to the plan's quoting service (wire_plan.qgs), without waiting: a vsock stream may still be
 * connecting, and becomes writable when it is connected or has failed. -errno of connect(2).
 */
MUST_USE int sup_open_quoting(
	const struct sup_files *files, const struct wire_plan *plan, int *ret_fd);

/* Close what the children have by now; the folder stays, for ports. */
void sup_files_drop(struct sup_files *files);
void sup_files_close(struct sup_files *files);
static inline void sup_files_auto(struct sup_files *files)
{
	sup_files_close(files);
}
