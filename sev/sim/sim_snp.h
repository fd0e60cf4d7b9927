/*
 * sim_snp: KVM_MEMORY_ENCRYPT_OP of a simulated SNP VM: INIT2 and the launch. ABI 2.3 to 2.11, 7.2.
 *
 * Trust:   the arguments are the monitor's; pointers other than NULL are believed.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include "base/cdefs.h"
#include "sev/sim/sim_vm.h"

/* 0 or -errno; cmd->error holds the firmware status where the firmware was reached. */
MUST_USE int sim_snp_command(struct sim_vm *vm, struct abi_sev_cmd *cmd);

/* What a plain VM answers to the commands of another kind. ABI 2.3, 7.2.7. */
MUST_USE int sim_plain_command(const struct abi_sev_cmd *cmd);
