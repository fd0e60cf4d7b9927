/*
 * sim_tdx_mint: makes what a simulated Intel machine has: keys, the chain root -> PCK CA -> PCK with
 *               Intel's names, algorithms and SGX extension ("Attestation facts" 7.1), marked as
 *               simulated in the organisation of every name, values of its TDX module and
 *               quoting enclave, and the collateral that says they are up to date (7.2).
 *
 * Trust:   the caller's choices.
 * Owns:    struct sim_tdx_minted owns its bytes.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/sim/sim_tdx_platform.h"

/* A file for verifiers. */
struct sim_tdx_file {
	const char *name;
	uint8_t *bytes;
	size_t len;
};

/* In this order: the root, which is given as trust anchor; the rest is collateral. */
enum sim_tdx_file_id {
	SIM_TDX_FILE_ROOT,        /* tdx-root.pem */
	SIM_TDX_FILE_TCB_INFO,    /* tcb-info.json, as the service sends it */
	SIM_TDX_FILE_QE_IDENTITY, /* qe-identity.json */
	SIM_TDX_FILE_TCB_CHAIN,   /* tcb-signing-chain.pem */
	SIM_TDX_FILE_ROOT_CRL,    /* root-ca.crl, DER */
	SIM_TDX_FILE_PCK_CRL,     /* pck.crl, DER */
	SIM_TDX_FILE_COUNT
};

struct sim_tdx_minted {
	struct sim_tdx_platform platform; /* its blobs point into bytes[] */
	uint8_t *bytes[SIM_TDX_BLOB_COUNT];
	struct sim_tdx_file file[SIM_TDX_FILE_COUNT];
};

/*
 * Make one whose quotes have this version, 4 or 5 (then with TDX 1.5's body); the caller may change
 * seed, keys, no_entropy, attributes, xfam and the script; the other values are certified.
 */
MUST_USE int sim_tdx_mint(struct sim_tdx_minted *ret, uint32_t quote_version, struct why *why);
void sim_tdx_mint_done(struct sim_tdx_minted *m);

/* Write the files into the open folder dir: the root there, the rest into dir/tdx-collateral. */
MUST_USE int sim_tdx_mint_write(const struct sim_tdx_minted *m, int dir, struct why *why);
