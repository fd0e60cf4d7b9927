/*
 * sim_id: the firmware's check of an ID block and its authentication. ABI 2.11.
 *
 * Trust:   both pages may be anything.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sev/abi_snp.h"
#include "sev/sim/sim_crypto.h"

/* The launch they are checked against. */
struct sim_launch {
	uint64_t policy;
	uint8_t ld[SNP_DIGEST_BYTES];
};

/* Firmware status: 0, BAD_MEASUREMENT, POLICY_FAILURE, INVALID_PARAM or BAD_SIGNATURE. */
uint32_t sim_id_check(const struct sim_launch *launch, const struct snp_id_block *block,
	const struct snp_id_auth *auth, bool has_author_key);
