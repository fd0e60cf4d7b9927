/*
 * sha384: SHA-384 of many small pieces: the algorithm is fetched once, the state is reused.
 *
 * Trust:   bytes may be anything.
 * Owns:    two libcrypto objects.
 * Threads: one struct, one thread.
 */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

#define SHA384_BYTES 48u

struct sha384 {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

/* -ENOMEM when libcrypto cannot give the algorithm. */
MUST_USE int sha384_init(struct sha384 *ret);

void sha384_done(struct sha384 *s);

static inline void sha384_auto(struct sha384 *s)
{
	sha384_done(s);
}

/* The digest of len bytes; -EIO when libcrypto fails. */
MUST_USE int sha384_of(struct sha384 *s, const void *buf, size_t len, uint8_t ret[SHA384_BYTES]);

/* One digest, on its own. */
MUST_USE int sha384_once(const void *buf, size_t len, uint8_t ret[SHA384_BYTES]);
