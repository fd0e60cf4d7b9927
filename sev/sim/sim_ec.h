/*
 * sim_ec: P-384 in AMD's byte order: key pairs, ECDSA, ECDH. Public keys and signatures of SEV's
 *         certificates have the layout of SNP's. ABI 2.1, 2.11, 2.12.
 *
 * Trust:   public keys and signatures may be hostile.
 * Owns:    keys are libcrypto's EVP_PKEY; whoever made one frees it.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/abi_snp.h"

#define SIM_EC_BYTES 48u

enum sim_hash { SIM_SHA256, SIM_SHA384 };

/* A fresh key, or NULL. */
void *sim_ec_new(void);
/* The key with this scalar (big-endian) and public key, or NULL. */
void *sim_ec_load(const uint8_t scalar[SIM_EC_BYTES], const struct snp_public_key *public);
void sim_ec_free(void *key);

/* The public key and (unless NULL) the scalar, SIM_EC_BYTES. -EIO: libcrypto failed. */
MUST_USE int sim_ec_get(const void *key, uint8_t *ret_scalar, struct snp_public_key *ret);

/* ECDH: the shared x, big-endian. -EIO: peer is not a point of the curve. */
MUST_USE int sim_ec_derive(
	const void *key, const struct snp_public_key *peer, uint8_t ret[SIM_EC_BYTES]);

/* -EIO: libcrypto failed. */
MUST_USE int sim_ec_sign(
	void *key, enum sim_hash hash, const void *p, size_t len, struct snp_signature *ret);

/* Is sig the key's signature over these bytes, with everything that must be zero zero? */
MUST_USE bool sim_ec_verify(const struct snp_public_key *key, const struct snp_signature *sig,
	enum sim_hash hash, const void *p, size_t len);
