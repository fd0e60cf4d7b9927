/*
 * sim_crypto: what the simulated secure processor needs of libcrypto: SHA-384, ECDSA P-384 in
 *             AMD's byte order, random bytes. Fetched once, so that nothing is loaded later.
 *
 * Trust:   keys and signatures to verify may be hostile.
 * Owns:    struct sim_crypto owns its libcrypto objects.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/abi_snp.h"
#include "sev/sim/sim_platform.h"

struct sim_crypto {
	void *sha384; /* EVP_MD */
	void *vcek;   /* EVP_PKEY */
};

/*
 * Load the VCEK's private key and try everything once. -EBADMSG: not a P-384 key, or not the key
 * of the VCEK certificate.
 */
MUST_USE int sim_crypto_init(struct sim_crypto *ret, const struct sim_platform *p, struct why *why);
void sim_crypto_done(struct sim_crypto *c);

/* SHA-384 of len bytes; aborts only on a libcrypto without SHA-384, which init() has excluded. */
void sim_sha384(
	const struct sim_crypto *c, const void *p, size_t len, uint8_t ret[SNP_DIGEST_BYTES]);

/* ECDSA P-384 with SHA-384 by the VCEK. -EIO: libcrypto failed. */
MUST_USE int sim_sign(
	const struct sim_crypto *c, const void *p, size_t len, struct snp_signature *ret);

/* Is sig the key's signature over these bytes, with everything that must be zero zero? */
MUST_USE bool sim_is_signed(const struct snp_public_key *key, const struct snp_signature *sig,
	const void *p, size_t len);

/* -EIO: no randomness. */
MUST_USE int sim_random(void *ret, size_t len);
