/*
 * igvm: the SEV-SNP launch digest of an IGVM file as Cloud Hypervisor launches it under KVM
 *       (kvm-cvm-abi.md, 2.14 and 6.3): pages in the order of the file, then a VMSA for each vCPU.
 *
 *       From Cloud Hypervisor's sources of August 2026; no published digest was at hand to compare.
 *       A kernel's hashes go to 0x10c00: into the page that the file has there, or behind its last.
 *       vCPU n starts from the file's context n, as KVM takes it over; one that the file does not
 *       have starts as KVM makes it.
 *
 * Trust:   the file may be anything.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/digest_ovmf.h"
#include "base/cdefs.h"
#include "base/why.h"

/* Does it start like an IGVM file? */
bool igvm_recognise(const uint8_t *file, size_t len);

/*
 * The digest for l->vcpus vCPUs, and a kernel where l has one; l->vmm must be VMM_CLOUD_HYPERVISOR
 * (-EOPNOTSUPP). -EBADMSG: malformed; -EPROTONOSUPPORT: another version, no SNP platform, a directive
 * that decides about memory and is not known here.
 */
MUST_USE int igvm_digest(const uint8_t *file, size_t len, const struct ovmf_launch *l,
	uint8_t ret[SHA384_BYTES], struct why *why);
