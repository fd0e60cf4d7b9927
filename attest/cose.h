/*
 * cose: COSE_Sign1 (RFC 9052, 4.2), one signature over one payload: CWT and signed CoRIM.
 *
 * Trust:   none in the bytes; see jws.h for who is believed.
 * Owns:    nothing; the payload points into the message.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/cbor.h"
#include "attest/jws.h"
#include "base/cdefs.h"
#include "base/why.h"

struct cose {
	struct cbor protected_map;
	const uint8_t *payload;
	size_t payload_len;
	enum jws_alg alg;
	char signer[JWK_KID_MAX];
	bool is_verified; /* false also when nobody is trusted */
};

/*
 * Read and check one, bare or tagged 18 (COSE_Sign1), 61 and 18 (CWT). -EBADMSG: no COSE_Sign1 with a payload of its own;
 * -EKEYREJECTED with why: algorithm, key, header or signature is not acceptable.
 */
MUST_USE int cose_verify(const uint8_t *bytes, size_t len, const struct jws_trust *trust,
	struct cose *ret, struct why *why);
