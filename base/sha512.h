/*
 * sha512: SHA-384 of the SHA-512 family (FIPS 180-4) for programs that link no libcrypto
 *         (docs/decisions/0007). Of public bytes only: nothing is wiped. attest/sha384.h is
 *         libcrypto's.
 *
 * Trust:   the bytes may be anything; fewer than 2^61 of them.
 * Owns:    nothing.
 * Threads: any; one struct belongs to one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA512_384_BYTES 48u

struct sha512 {
	uint64_t h[8];
	uint64_t len; /* bytes so far */
	uint8_t block[128];
};

void sha512_init_384(struct sha512 *ret);
void sha512_add(struct sha512 *s, const void *buf, size_t len);
/* After this the struct must be initialised again. */
void sha512_end_384(struct sha512 *s, uint8_t ret[SHA512_384_BYTES]);

/* All in one. */
void sha512_384(const void *buf, size_t len, uint8_t ret[SHA512_384_BYTES]);
