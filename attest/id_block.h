/*
 * id_block: the ID block of an SNP guest and the authentication page that signs it (attestation.md,
 *           4.9; kvm-cvm-abi.md, 2.11).
 *
 * Trust:   none in the bytes.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attest/sha384.h"
#include "base/cdefs.h"
#include "base/why.h"

#define ID_BLOCK_BYTES 96u
#define ID_AUTH_BYTES  4096u

struct id_block {
	uint8_t ld[SHA384_BYTES];
	uint8_t family_id[16], image_id[16];
	uint32_t guest_svn;
	uint64_t policy;
	uint8_t id_key_digest[SHA384_BYTES]; /* as the report has them */
	uint8_t author_key_digest[SHA384_BYTES];
	bool has_author;
};

/*
 * Check what the firmware would at LAUNCH_FINISH: version, algorithms, curves, zero padding; the ID
 * key's signature over the block; the author key's over the ID key, where there is one. -EBADMSG for a
 * malformed block or page, -EKEYREJECTED for a signature that does not hold, -ENOMEM, -EIO.
 */
MUST_USE int id_block_verify(const uint8_t block[ID_BLOCK_BYTES], const uint8_t auth[ID_AUTH_BYTES],
	struct id_block *ret, struct why *why);
