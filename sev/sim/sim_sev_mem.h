/*
 * sim_sev_mem: memory of SEV and SEV-ES guests: what KVM pins, and what the monitor finds between
 *              LAUNCH_UPDATE_DATA and LAUNCH_FINISH (sim_sev.h). ABI 2.5, 7.2.3.
 *
 * Trust:   addresses are the monitor's; those that are not NULL are believed.
 * Owns:    nothing; the state is in struct sim_sev.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/sim/sim_vm.h"

struct sim_sev;

/* What is plain becomes scrambled, and the other way round. addr is a multiple of 16. */
void sim_sev_flip(const struct sim_vm *vm, uint64_t addr, uint64_t len);

/* Is any of it scrambled? */
bool sim_sev_is_encrypted(const struct sim_sev *sev, uint64_t first, uint64_t end);

/* Scramble it. What was so before is garbage to the guest from now on. -ENOMEM, -EIO. */
MUST_USE int sim_sev_encrypt(struct sim_vm *vm, uint64_t addr, uint64_t len);

/* The guest runs unencrypted: take all scrambling away, so that it finds what was measured. */
void sim_sev_open(struct sim_vm *vm);

/* What KVM says before it pins this range. -EINVAL, -EFAULT, -ENOMEM: the memory-lock limit. */
MUST_USE int sim_sev_check_pin(const struct sim_vm *vm, uint64_t addr, uint64_t len);

/* KVM_MEMORY_ENCRYPT_REG_REGION and UNREG. */
MUST_USE int sim_sev_register(struct sim_vm *vm, const struct kvm_enc_region *r);
MUST_USE int sim_sev_unregister(struct sim_vm *vm, const struct kvm_enc_region *r);
