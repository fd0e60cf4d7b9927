/*
 * swtpm_state: the file in which swtpm keeps a TPM's permanent state (tpm2-00.permall), so that a TPM
 *              can come from there and go back (sandbox specification 4.1, "Blob/file format").
 *
 *   Big-endian: version u8 (2), least version u8 (1), header length u16 (10), flags u16, whole length
 *   u32; then pieces of tag u16, length u32 and bytes. Either the state as it is (tag 1), or: AES-256-CBC
 *   with the key that swtpm was given, padded to 32 bytes with the number of padding bytes (tag 2);
 *   HMAC-SHA256 with the same key over tags 2 and 6 (tag 3); the initialisation vector in the first 16
 *   of 32 bytes (tag 6).
 *
 * Trust:   the file is a stranger's; encrypted, nothing of it is used before its HMAC is right.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/secret.h"
#include "base/why.h"

/* Header, three pieces, padding: what a file has beside its state, at most. */
#define SWTPM_OVERHEAD_BYTES 128u

/*
 * The state in a file of len bytes; ret has LIMIT_VTPM_STATE_BYTES. key: SECRET_KEY_BYTES, or empty: none.
 * -EBADMSG: no such file, cut, or longer than a state may be; -EKEYREJECTED: it is encrypted and there
 * is no key, or another; -ENOTSUP: a migration blob, or encrypted otherwise.
 */
MUST_USE int swtpm_state_read(const uint8_t *file, size_t len, const struct secret *key,
	uint8_t *ret, size_t *ret_len, struct why *why);

/*
 * The file for a state; ret has room for len + SWTPM_OVERHEAD_BYTES. With an empty key the state is in
 * the clear. -EIO: libcrypto fails.
 */
MUST_USE int swtpm_state_print(
	const uint8_t *state, size_t len, const struct secret *key, uint8_t *ret, size_t *ret_len);
