/*
 * tdx_chain: from a PCK certificate through Intel's CA to a trusted root, the CRLs of both, and the
 *            certificates that sign collateral (attestation.md, 7.1 and 7.3, steps 2 to 4).
 *
 * Trust:   none in certificates and CRLs but for the root: pinned, or one the caller gave.
 * Owns:    nothing: pointers lead into the stores.
 * Threads: as the stores.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

#include "attest/cert.h"
#include "attest/verdict.h"
#include "base/cdefs.h"
#include "base/why.h"

struct tdx_chain {
	X509 *leaf, *ca, *root;
	enum trust_class trust; /* HARDWARE: Intel's root; SIMULATED: one of roots */
};

/*
 * Find CA and root of a PCK certificate in the pool: signatures, names, CA constraints. Trusted is the
 * pinned root, or one of roots. -EKEYREJECTED with why, of the path that got furthest.
 */
MUST_USE int tdx_chain_verify(const struct cert_store *pool, const struct cert_store *roots,
	X509 *leaf, struct tdx_chain *ret, struct why *why);

/* Are all three valid at that time? 0 or -EKEYREJECTED with why. */
MUST_USE int tdx_chain_check_time(const struct tdx_chain *c, time_t at, struct why *why);

/* The CRLs of one CA: the genuine one that was issued last before the time asked for. */
struct tdx_crl {
	X509_CRL *crl;  /* NULL: none */
	bool is_forged; /* none, but one in this CA's name that its key did not sign */
	time_t next;    /* nextUpdate */
};

struct tdx_revocation {
	struct tdx_crl root, ca;
	bool is_foreign; /* there is one of another CA */
	bool is_leaf_listed, is_ca_listed;
};

/* Judge the CRLs; whether they are of that time is for the caller to say. */
struct tdx_revocation tdx_chain_revocation(
	const struct tdx_chain *chain, const struct cert_store *crls, time_t at);

/* Is it named as a certificate that signs collateral? */
bool tdx_signer_recognise(const X509 *x);

/*
 * May x sign collateral: issued by the chain's root, valid at that time, not on the root's CRL? 0 or
 * -EKEYREJECTED with why.
 */
MUST_USE int tdx_signer_check(const struct tdx_chain *chain, const struct tdx_revocation *r,
	X509 *x, time_t at, struct why *why);
