/*
 * sim_psp: the secure processor as KVM and /dev/sev reach it: the script of failures, its death, and
 *          the address space identifiers its guests share. ABI 2.1, 2.2, 2.4, 7.2.13, 7.2.15.
 *
 * Trust:   scripts are the test's.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/sim/sim_vm.h"

/*
 * Count one command: 0, or what it is to fail with: a firmware status, or an errno in the form of
 * sim_fault.h. A command that times out kills the processor: all later ones are EBUSY.
 */
uint32_t sim_psp_step(struct sim_machine *m, enum sim_command command);

/* What the ioctl gives for it: 0; -EIO and the status in *ret_error; or -errno, *ret_error as it is. */
MUST_USE int sim_psp_result(uint32_t status, uint32_t *ret_error);

/* How many of n pages a call does, at random by the platform's seed: any number but 0. ABI 7.1.10. */
uint64_t sim_pages_to_do(struct sim_machine *m, uint64_t n);
/* Does a signal come in now? Only if the platform wants any (SIM_FLAG_SIGNALS). */
bool sim_is_signal(struct sim_machine *m);

/* An ASID of the class: -ENOTTY: the class is empty on this host; -EBUSY: none is free. */
MUST_USE int sim_asid_take(struct sim_machine *m, enum sim_asid class);
void sim_asid_give(struct sim_machine *m, enum sim_asid class);
