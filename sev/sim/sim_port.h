/*
 * sim_port: the simulator's side of the guest port (sim_guest_port.h): bytes in, bytes out. What a
 *           command does is in sim_amd_port and sim_tdx_port.
 *
 * Trust:   every byte comes from the guest.
 * Owns:    nothing; the conversation is in struct sim_vm.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>

#include "sev/sim/sim_vm.h"

void sim_port_init(struct sim_port *port);

/* Is this exit an access to the guest port? */
bool sim_port_owns(const struct kvm_run *run);

/* Answer the exit: the bytes and SIM_CMD_BEGIN; commands are the kind's. */
void sim_port_step(struct sim_vm *vm, struct kvm_run *run);
