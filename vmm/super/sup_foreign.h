/*
 * sup_foreign: disks that programs of another make serve: which ones we know, and how each is told.
 *
 * Trust:   none in the program: sandbox/foreign.h locks it up, the monitor checks what it answers.
 * Owns:    nothing; the process is one of the guest's children.
 * Threads: one.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "policy/plan.h"
#include "vmm/super/sup_child.h"

#define SUP_FOREIGN_QSD "/usr/bin/qemu-storage-daemon"

/* Where the program of a back end (enum plan_backend, not CASEMATE) has to be. */
const char *sup_foreign_program(uint32_t backend);

/*
 * Start the program that the plan names for disk i, an image file whose owner is not root, and connect to
 * it: *ret_front is the front end's socket, the caller's. Until it returns the program has started and
 * shown its receipt. -ENODEV: it is not installed; -EACCES: the image is root's; -EINVAL: no image file.
 */
MUST_USE int sup_foreign_disk(struct sup_guest *g, uint32_t i, int *ret_front, struct why *why);
