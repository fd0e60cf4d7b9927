/*
 * sim_tdx_crypto: what the simulated TDX module and quoting enclave need of libcrypto: SHA-384,
 *                 SHA-256, HMAC, ECDSA P-256 in the byte order of quotes. Fetched once, so that
 *                 nothing is loaded later.
 *
 * Trust:   keys are the platform file's.
 * Owns:    struct sim_tdx_crypto owns its libcrypto objects.
 * Threads: one at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "sev/abi_tdx.h"
#include "sev/sim/sim_tdx_platform.h"

#define SIM_TDX_MAC_BYTES 32u
#define SIM_TDX_SIG_BYTES 64u /* r, s: 32 bytes each, big-endian (ATT 6.3) */
#define SIM_TDX_KEY_XY    64u /* x, y */
#define SIM_TDX_SHA256    32u

struct sim_tdx_crypto {
	void *sha256; /* EVP_MD */
	void *sha384;
	void *pck; /* EVP_PKEY: signs QE reports */
	void *ak;  /* EVP_PKEY: signs quotes */
};

/*
 * Load both keys and try everything once. -EBADMSG: not P-256 keys, or the PCK key is not that of
 * the chain's first certificate.
 */
MUST_USE int sim_tdx_crypto_init(
	struct sim_tdx_crypto *ret, const struct sim_tdx_platform *p, struct why *why);
void sim_tdx_crypto_done(struct sim_tdx_crypto *c);

/* SHA-384 and SHA-256 of a then b (b may be NULL with 0). */
void sim_tdx_sha384(const struct sim_tdx_crypto *c, const void *a, size_t a_len, const void *b,
	size_t b_len, uint8_t ret[TDX_DIGEST_BYTES]);
void sim_tdx_sha256(const struct sim_tdx_crypto *c, const void *a, size_t a_len, const void *b,
	size_t b_len, uint8_t ret[SIM_TDX_SHA256]);

/* HMAC-SHA-256 under the platform's report key. -EIO: libcrypto failed. */
MUST_USE int sim_tdx_mac(const uint8_t key[SIM_TDX_KEY_BYTES], const void *p, size_t len,
	uint8_t ret[SIM_TDX_MAC_BYTES]);

/* ECDSA P-256 with SHA-256 by key (EVP_PKEY). -EIO: libcrypto failed. */
MUST_USE int sim_tdx_sign(void *key, const void *p, size_t len, uint8_t ret[SIM_TDX_SIG_BYTES]);

/* The public key's x and y. -EIO: not a P-256 key. */
MUST_USE int sim_tdx_public(void *key, uint8_t ret[SIM_TDX_KEY_XY]);
