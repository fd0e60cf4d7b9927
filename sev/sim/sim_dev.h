/*
 * sim_dev: /dev/sev: the platform commands of the secure processor. ABI 2.1.
 *
 * Trust:   the arguments are the caller's; pointers other than NULL are believed.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include "base/cdefs.h"
#include "sev/sim/sim_vm.h"

/* An ioctl of /dev/sev: 0 or -errno; the command's `error` holds the firmware's status. */
MUST_USE int sim_dev_ioctl(struct sim_machine *m, unsigned long request, unsigned long arg);
