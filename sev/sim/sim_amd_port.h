/*
 * sim_amd_port: what simulated SEV-ES and SNP guests do through the guest port (sim_guest_port.h,
 *               commands 0x02 to 0x1f): requests to the firmware, and the events that KVM passes to
 *               the monitor as exits. ABI 1.7, 3.1 to 3.5, 7.2.16, 7.2.17.
 *
 * Trust:   every byte comes from the guest; the monitor's answers are checked as KVM does.
 * Owns:    nothing; the conversation is in struct sim_vm, what is pending in struct sim_vcpu.
 * Threads: one at a time.
 */
#pragma once

#include "base/cdefs.h"
#include "sev/sim/sim_vm.h"

/* After an exit at the guest port, as run_end() of sim_kind.h. */
MUST_USE int sim_amd_port_step(struct sim_vm *vm, struct sim_vcpu *vcpu);

/* Before KVM_RUN, as run_check(): the monitor's answer to the last exit goes to the guest. */
MUST_USE int sim_amd_port_complete(struct sim_vm *vm, struct sim_vcpu *vcpu);
