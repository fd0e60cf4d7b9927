/*
 * aead: AES-256-GCM over whole byte strings, for programs that link libcrypto: sealed bytes are a fresh
 *       nonce, the ciphertext, the tag.
 *
 * Trust:   sealed bytes may be anybody's; nothing of them is used before the tag is right.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

#define AEAD_KEY_BYTES   32u
#define AEAD_NONCE_BYTES 12u
#define AEAD_TAG_BYTES   16u
/* Length of len bytes sealed. */
#define AEAD_SEALED(len) (AEAD_NONCE_BYTES + (len) + AEAD_TAG_BYTES)

/*
 * Seal len bytes (up to INT32_MAX) and vouch for extra beside them; ret has AEAD_SEALED(len) bytes.
 * -EMSGSIZE for more, -EIO when libcrypto fails. One key is good for 2^32 calls (random nonces).
 */
MUST_USE int aead_seal(const uint8_t key[AEAD_KEY_BYTES], const void *extra, size_t extra_len,
	const void *plain, size_t len, uint8_t *ret);

/*
 * Open sealed_len bytes into ret, which has room for sealed_len - AEAD_SEALED(0). -EKEYREJECTED:
 * another key, changed bytes, or fewer than AEAD_SEALED(0); ret is wiped then. Errors of aead_seal().
 */
MUST_USE int aead_open(const uint8_t key[AEAD_KEY_BYTES], const void *extra, size_t extra_len,
	const uint8_t *sealed, size_t sealed_len, uint8_t *ret);
