/*
 * sev_chain: the platform's certificate chain of SEV and SEV-ES up to one of AMD's root keys
 *            (attestation.md, 5).
 *
 * Trust:   none in the certificates; a pinned root key, or a root the caller gives, is the anchor.
 * Owns:    nothing; results point into the sets that were given.
 * Threads: any.
 */
#pragma once

#include "attest/sev_cert.h"
#include "attest/verdict.h"

struct sev_chain {
	enum trust_class trust;     /* HARDWARE or SIMULATED */
	const char *product;        /* "Naples" ...; "?" for a root that is not pinned */
	const struct sev_cert *ark; /* the root it ends in */
	const struct sev_cert *cek; /* the chip's key; NULL below which the leaf does not start */
	uint8_t ark_spki[32];       /* SHA-256 of the root key's SubjectPublicKeyInfo */
};

/*
 * Verify leaf up to a root among given and roots: PDH by PEK; PEK by OCA and by CEK; OCA by itself;
 * CEK by ASK; ASK by ARK; ARK by itself; the ARK's key pinned, or the ARK one of roots. A leaf may be
 * any of them; an OCA, which is its owner's own, by a PEK that it signed. 0; -EKEYREJECTED with why.
 */
MUST_USE int sev_chain_verify(const struct sev_certs *given, const struct sev_certs *roots,
	const struct sev_cert *leaf, struct sev_chain *ret, struct why *why);
