/*
 * sim_tdx_port: the simulated TD's calls (sim_guest_port.h, commands 0x40 to 0x5f): those that the TDX
 *               module answers, and those that become exits of the monitor. ABI 1.7, 4.10.
 *
 * Trust:   every byte comes from the guest; what the monitor writes into an exit is checked.
 * Owns:    nothing; the conversation is in struct sim_vm.
 * Threads: one at a time.
 */
#pragma once

#include "base/cdefs.h"
#include "sev/sim/sim_tdx.h"

/* After an exit at the guest port; as run_end() of sim_kind.h. */
MUST_USE int sim_tdx_port_step(struct sim_vm *vm, struct sim_vcpu *vcpu);

/* Complete the call that waits, before KVM_RUN; as run_check(). */
MUST_USE int sim_tdx_port_complete(struct sim_vm *vm, struct sim_vcpu *vcpu);
