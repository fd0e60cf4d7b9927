/*
 * sim_crypto: what the simulated secure processor needs of libcrypto: hashes, HMAC, AES, the VCEK's
 *             signatures, random bytes. Fetched once, so that nothing is loaded later.
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
#include "sev/sim/sim_ec.h"
#include "sev/sim/sim_platform.h"

#define SIM_SHA256_BYTES 32u
#define SIM_AES_BYTES    16u /* AES-128's key, any AES block, a GCM tag */

struct sim_crypto {
	void *sha256;  /* EVP_MD */
	void *sha384;  /* EVP_MD */
	void *hmac;    /* EVP_MAC */
	void *aes_ctr; /* EVP_CIPHER, 128 bits */
	void *aes_gcm; /* EVP_CIPHER, 256 bits */
	void *vcek;    /* EVP_PKEY */
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

/* SHA-256 over pieces; sim_sha256_get() may be called in between. */
void *sim_sha256_new(const struct sim_crypto *c);
void sim_sha256_add(void *sha, const void *p, size_t len);
void sim_sha256_get(const void *sha, uint8_t ret[SIM_SHA256_BYTES]);
void sim_sha256_free(void *sha);

/* HMAC-SHA-256. ret may be the key or p. */
void sim_hmac(const struct sim_crypto *c, const uint8_t *key, size_t key_len, const void *p,
	size_t len, uint8_t ret[SIM_SHA256_BYTES]);

/* AES-128-CTR in place, both ways. */
void sim_aes_ctr(const struct sim_crypto *c, const uint8_t key[SIM_AES_BYTES],
	const uint8_t iv[SIM_AES_BYTES], uint8_t *p, size_t len);

/* AES-256-GCM in place; false: to open, and the tag is wrong. */
struct sim_gcm {
	const uint8_t *key; /* 32 bytes */
	const uint8_t *iv;  /* 12 bytes */
	const void *aad;
	size_t aad_len;
};
MUST_USE bool sim_aes_gcm(const struct sim_crypto *c, bool is_seal, const struct sim_gcm *g,
	uint8_t *p, size_t len, uint8_t tag[SIM_AES_BYTES]);

/* ECDSA P-384 with SHA-384 by the VCEK. -EIO: libcrypto failed. */
MUST_USE int sim_sign(
	const struct sim_crypto *c, const void *p, size_t len, struct snp_signature *ret);

/* Is sig the key's signature over these bytes, with everything that must be zero zero? */
MUST_USE bool sim_is_signed(const struct snp_public_key *key, const struct snp_signature *sig,
	const void *p, size_t len);

/* -EIO: no randomness. */
MUST_USE int sim_random(void *ret, size_t len);
