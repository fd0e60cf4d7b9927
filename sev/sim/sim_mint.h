/*
 * sim_mint: makes a simulated platform: keys, the chains ARK -> ASK -> VCEK and ARK -> ASVK -> VLEK
 *           with AMD's names, algorithms and extensions ("Attestation facts" 2.1, 2.2), marked as
 *           simulated in the organisation of every name, SEV's chain ARK -> ASK -> CEK -> PEK -> PDH
 *           ("Attestation facts" 5), and default values.
 *
 * Trust:   the caller's choices.
 * Owns:    struct sim_minted owns its bytes.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/sim/sim_platform.h"
#include "sev/sim/sim_vlek.h"

#define SIM_RSA_BITS 4096 /* as AMD's; tests that look at no chain may take less time */

/* ASK, then ARK, as the secure processor's owners get them (not X.509): 1600 bytes each. */
#define SIM_CA_BYTES (2u * (64u + 3u * 512u))

struct sim_minted {
	struct sim_platform platform; /* its blobs point into what follows */
	uint8_t *bytes[SIM_BLOB_COUNT];
	uint8_t *vlek[SIM_VLEK_COUNT];
	uint8_t *identity;
	uint8_t ca[SIM_CA_BYTES]; /* ca_len bytes: less with shorter keys */
	size_t ca_len;
	struct sim_hashstick hashstick; /* the VLEK, for SNP_VLEK_LOAD */
};

/* Make one; the caller may change values (not product, TCB or chip id: they are certified). */
MUST_USE int sim_mint(struct sim_minted *ret, enum sim_product product, uint32_t report_version,
	int rsa_bits, struct why *why);
void sim_mint_done(struct sim_minted *m);

/* A certificate in PEM into buf; *ret_len without a terminating zero. */
MUST_USE int sim_mint_pem(struct sim_bytes der, char *buf, size_t size, size_t *ret_len);
