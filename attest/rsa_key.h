/*
 * rsa_key: RSA public keys from bare numbers, as TPMs, JOSE and AMD's certificates carry them.
 *
 * Trust:   none in the bytes; sizes are judged by whoever calls, whose key it is elsewhere.
 * Owns:    nothing; keys belong to the caller.
 * Threads: any.
 */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

/*
 * The public key with this modulus and exponent, big-endian, n_len and e_len bytes. The caller frees it
 * with EVP_PKEY_free(). -EKEYREJECTED: libcrypto makes no key of them; -ENOMEM.
 */
MUST_USE int rsa_key(
	const uint8_t *n, size_t n_len, const uint8_t *e, size_t e_len, EVP_PKEY **ret);
