/*
 * sup_control: the guests of this user on this host: a locked file each, below /run/casemate (root)
 *              or $XDG_RUNTIME_DIR/casemate. The lock says who is alive; the file says what it is.
 *
 * Trust:   the folder is ours alone (mode 0700, owner checked); a file's contents are checked as if
 *          they were not.
 * Owns:    struct sup_entry owns the file and its name.
 * Threads: one.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/why.h"
#include "policy/plan.h"
#include "sandbox/receipt.h"

enum sup_state { SUP_STARTING, SUP_RUNNING, SUP_STATE_COUNT };

/* Processes of one guest: ledger, quote, owner, monitor and its devices. */
#define SUP_PROCESSES_MAX (LIMIT_DEVICES + 4u)

/* One guest, as its file holds it; then one struct wire_guest_process each. */
struct wire_guest {
	uint8_t magic[8]; /* "casemate" */
	le32 version;     /* 2 */
	le32 state;       /* enum sup_state */
	le32 tee;
	le32 vcpus;
	le64 memory_mib;
	le64 serial;
	le64 started_s; /* since 1970, UTC */
	le32 is_simulated;
	le32 n_processes;
	uint8_t policy_hash[32];
	char name[LIMIT_NAME_BYTES];
	char policy[LIMIT_PATH_BYTES];
};
WIRE_SIZE(struct wire_guest, 56 + 32 + LIMIT_NAME_BYTES + LIMIT_PATH_BYTES);

/* One process of it: what it proved when it was READY. */
struct wire_guest_process {
	char label[LIMIT_ID_BYTES + 16]; /* "dev-blk data" */
	le32 pid;
	le32 zero;
	struct wire_receipt receipt;
};
WIRE_SIZE(struct wire_guest_process, LIMIT_ID_BYTES + 24 + sizeof(struct wire_receipt));

struct sup_entry {
	int fd; /* -1: none */
	char path[PATH_MAX];
	struct wire_guest guest;
};

#define SUP_ENTRY_NONE ((struct sup_entry){ .fd = -1 })

/* Take the guest's name. -EEXIST with why when a guest of that name runs. */
MUST_USE int sup_entry_open(struct sup_entry *ret, const struct wire_plan *plan, const char *policy,
	bool is_simulated, struct why *why);
void sup_entry_set_state(struct sup_entry *e, enum sup_state state);

/* The guest's processes, for `casemate show`. */
void sup_entry_set_processes(
	struct sup_entry *e, const struct wire_guest_process *processes, unsigned int n);

/* The folder of the guests' files, O_PATH; the caller's to close. */
MUST_USE int sup_entry_open_folder(const struct sup_entry *e, int *ret_fd, struct why *why);
void sup_entry_close(struct sup_entry *e);
static inline void entry_auto(struct sup_entry *e)
{
	sup_entry_close(e);
}

/* The verbs. Each returns an exit status. */
int sup_cmd_list(int argc, char **argv);
int sup_cmd_show(int argc, char **argv);
int sup_cmd_stop(int argc, char **argv);
