/*
 * snp_chain: from a VCEK or VLEK to a trusted root (attestation.md, 2.1, and 3, steps 4 and 5).
 *
 * Trust:   none in the certificates; trusted are the pinned vendor keys and the caller's roots.
 * Owns:    nothing; the result points into the caller's stores.
 * Threads: any.
 */
#pragma once

#include <openssl/x509.h>
#include <stdint.h>
#include <time.h>

#include "attest/cert.h"
#include "attest/snp_leaf.h"
#include "attest/tcb.h"
#include "attest/verdict.h"
#include "base/cdefs.h"
#include "base/why.h"

struct snp_chain {
	X509 *leaf;
	X509 *issuer; /* ASK or ASVK */
	X509 *root;   /* ARK */
	enum snp_product product;
	enum trust_class trust; /* SIMULATED or HARDWARE */
};

/*
 * Build and verify leaf -> ASK/ASVK -> ARK at a time: signatures, PSS parameters, names, CA
 * constraints, validity; the root is pinned or one of roots. pool holds the candidates (the roots
 * too, if they are to be found). 0, or -EKEYREJECTED with the why of the path that went furthest.
 */
MUST_USE int snp_chain_verify(const struct cert_store *pool, const struct cert_store *roots,
	X509 *leaf, enum snp_signing_key kind, time_t at, struct snp_chain *ret, struct why *why);

/*
 * Judge the CRLs of a store against a chain. CONTRAINDICATED when one of them revokes the
 * intermediate; AFFIRMING when a current one does not; else CONTRAINDICATED when a signature is
 * wrong, WARNING when the best of them expired at most max_age_days before at, CONTRAINDICATED when
 * it is older than that, NONE when no CRL is this root's. why says which. SNP_CRL_ANY_AGE: no limit.
 */
enum verdict_status snp_chain_revocation(const struct snp_chain *chain,
	const struct cert_store *crls, time_t at, uint64_t max_age_days, struct why *why);

#define SNP_CRL_ANY_AGE UINT64_MAX
