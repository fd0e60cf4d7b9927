/*
 * sim_state: what tests may ask the simulator behind the monitor's back.
 *
 * Trust:   tests only.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/abi_snp.h"

/*
 * The launch digest so far: 48 bytes, or 32 (SEV, SEV-ES) and zeros. -EBADF: not a simulated VM, or a
 * plain one.
 */
MUST_USE int sim_get_digest(int vm_fd, uint8_t ret[SNP_DIGEST_BYTES]);

/* Does this memory stand for private pages of a guest too? (sim_vm.h: the two views are one.) */
bool sim_is_private_memory(const void *p, size_t len);
