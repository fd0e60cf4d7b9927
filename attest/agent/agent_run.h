/*
 * agent_run: the workload: its file systems, its process, its end.
 *
 * Trust:   the root file system is what the command line's hash says; the volume's contents are what
 *          somebody with the key wrote.
 * Owns:    the mounts below AGENT_ROOT.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "base/cdefs.h"
#include "base/why.h"

#define AGENT_ROOT "/root-of-workload"

/* Mount the mapped root at AGENT_ROOT, read-only, with /proc, /dev and /tmp where it has room. */
MUST_USE int agent_run_mount_root(struct why *why);

/* Mount the mapped volume inside, at this path of the root. */
MUST_USE int agent_run_mount_volume(const char *at, struct why *why);

/*
 * Run the program in a mount namespace of its own whose root is AGENT_ROOT, with no capability to
 * load modules, touch ports or switch off, and an environment of PATH, HOME and LANG. *ret_status
 * is its exit status, or 128 + the signal that ended it.
 */
MUST_USE int agent_run_program(const char *path, int *ret_status, struct why *why);

/* End what is left of the workload, write everything back, unmount. */
void agent_run_end(void);
