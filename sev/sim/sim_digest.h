/*
 * sim_digest: the launch digest, extended page by page from the bytes themselves. ABI 2.10.
 *
 * Trust:   any bytes.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "sev/abi_snp.h"
#include "sev/sim/sim_crypto.h"

/*
 * ld = SHA-384(PAGE_INFO). page is read for NORMAL and VMSA only; for a VMSA TSC_SCALE and
 * TSC_OFFSET count as zero (ABI 2.8).
 */
void sim_digest_extend(const struct sim_crypto *c, uint8_t ld[SNP_DIGEST_BYTES], uint8_t type,
	uint64_t gpa, const void *page);
