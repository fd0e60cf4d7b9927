/*
 * ecdsa: elliptic-curve keys from bare coordinates, signatures as bare pairs R and S: what reports,
 *        quotes, TPMs and JOSE carry, where X.509 would have DER.
 *
 * Trust:   none in the bytes; whose key it is is judged elsewhere.
 * Owns:    nothing; keys belong to the caller.
 * Threads: any.
 */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

/*
 * The public key at (x, y), len bytes each, big-endian, len 32, 48 or 66 for P-256, P-384, P-521. The
 * caller frees it with EVP_PKEY_free(). -EKEYREJECTED: not on the curve; -EINVAL: another len; -ENOMEM.
 */
MUST_USE int ecdsa_key(const uint8_t *x, const uint8_t *y, size_t len, EVP_PKEY **ret);

/* The same, little-endian (AMD's structures). */
MUST_USE int ecdsa_key_le(const uint8_t *x, const uint8_t *y, size_t len, EVP_PKEY **ret);

/*
 * Does the signature (r, s), big-endian, r_len and s_len bytes (at most 66), over data with this
 * digest ("SHA2-256") hold under key? 0, -EKEYREJECTED (also for a key that is no EC key), -ENOMEM.
 */
MUST_USE int ecdsa_verify(EVP_PKEY *key, const char *digest, const uint8_t *r, size_t r_len,
	const uint8_t *s, size_t s_len, const void *data, size_t len);

/* The same, r and s little-endian, n bytes each. */
MUST_USE int ecdsa_verify_le(EVP_PKEY *key, const char *digest, const uint8_t *r, const uint8_t *s,
	size_t n, const void *data, size_t len);
