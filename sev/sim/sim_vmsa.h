/*
 * sim_vmsa: a vCPU's initial state as KVM measures it: read back from the vCPU, with what KVM puts
 *           in whatever the monitor set. ABI 2.9.
 *
 * Trust:   the KVM underneath is trusted.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "sev/abi_snp.h"
#include "sev/sim/sim_host.h"

/* -EINVAL: DR7 is not 0x400 (ABI 2.9); or the errno of the KVM underneath. */
MUST_USE int sim_vmsa_read(
	const struct sim_host *host, int vcpu_fd, uint64_t sev_features, struct snp_vmsa *ret);
