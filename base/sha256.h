/*
 * sha256: SHA-256 (FIPS 180-4) for programs that link no libcrypto (docs/decisions/0007). Of public
 *         bytes only: nothing is wiped.
 *
 * Trust:   the bytes may be anything; fewer than 2^61 of them.
 * Owns:    nothing.
 * Threads: any; one struct belongs to one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u

struct sha256 {
	uint32_t h[8];
	uint64_t len; /* bytes so far */
	uint8_t block[64];
};

void sha256_init(struct sha256 *ret);
void sha256_add(struct sha256 *s, const void *buf, size_t len);
/* After this the struct must be initialised again. */
void sha256_end(struct sha256 *s, uint8_t ret[SHA256_BYTES]);

/* All in one. */
void sha256(const void *buf, size_t len, uint8_t ret[SHA256_BYTES]);
