/*
 * sup_start: start every process of a guest and give each its CONFIG.
 *
 * Trust:   the plan was checked; the files are ours.
 * Owns:    nothing beyond the guest it was given.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "vmm/super/sup_child.h"

/*
 * Start ledger writer, devices and monitor, and configure all but the monitor. On failure the
 * caller closes the guest, which ends what was started.
 */
MUST_USE int sup_start_guest(struct sup_guest *g, bool is_simulated, struct why *why);

/* All devices are READY: the monitor's CONFIG. The files are closed afterwards. */
MUST_USE int sup_start_monitor(struct sup_guest *g, struct why *why);
